"""Every bound of every setting of the data and train blocks, and of initialisers: what is refused, and in which words."""

from __future__ import annotations

import pytest

import netc
from tests.errors.refusing import PLAIN, SPEC, said

OPTIMIZERS: dict[str, str] = {
    "adma": "there is no optimizer `adma`",
    "sgd(rate = 0)": "the rate must be positive, not 0",
    "sgd(momentum = 1)": "`momentum` must be in [0, 1), not 1",
    "sgd(momentum = -0.1)": "`momentum` must be in [0, 1), not -0.1",
    "sgd(nesterov = true)": "`nesterov` needs `momentum`",
    "sgd(weight_decay = -1)": "`weight_decay` must be 0 or more, not -1",
    "sgd(foo = 1)": "`sgd` has no argument `foo`",
    "adam(beta1 = 1)": "`beta1` must be in [0, 1), not 1",
    "adam(beta2 = 1)": "`beta2` must be in [0, 1), not 1",
    "adam(epsilon = 0)": "`epsilon` must be positive, not 0",
    "adamw(epsilon = -1)": "`epsilon` must be positive, not -1",
    "adagrad(epsilon = 0)": "`epsilon` must be positive, not 0",
    "adagrad(initial = -1)": "`initial` must be 0 or more, not -1",
    "rmsprop(decay = 1)": "`decay` must be in [0, 1), not 1",
    "rmsprop(momentum = 1)": "`momentum` must be in [0, 1), not 1",
    "rmsprop(epsilon = 0)": "`epsilon` must be positive, not 0",
    "sgd(rate = constant(0))": "the rate must be positive, not 0",
    "sgd(rate = step(0.1, every = 0))": "`every` must be at least 1, not 0",
    "sgd(rate = step(0, every = 1))": "the rate must be positive, not 0",
    "sgd(rate = exponential(-1, decay = 0.5))": "the rate must be positive, not -1",
    "sgd(rate = exponential(0.1, decay = 0))": "`decay` must be positive, not 0",
    "sgd(rate = exponential(0.1, decay = 0.5, every = 0))": "`every` must be at least 1, not 0",
    "sgd(rate = cosine(0.1, steps = 0))": "`steps` must be at least 1, not 0",
    "sgd(rate = cosine(0.1, warmup = -1))": "`warmup` must be 0 or more, not -1",
    "sgd(rate = polynomial(0.1, steps = 0))": "`steps` must be at least 1, not 0",
    "sgd(rate = \"a\")": "must be a number or a schedule, this is the string \"a\"",
    "sgd; average = ema(1)": "`decay` must be in [0, 1), not 1",
    "sgd; average = ema(-0.1)": "`decay` must be in [0, 1), not -0.1",
    "sgd; stop = early(val.loss, patience = 0)": "`patience` must be at least 1, not 0",
    "sgd; plateau = reduce(val.loss, patience = 0)": "`patience` must be at least 1, not 0",
    "sgd; plateau = reduce(val.loss, factor = 1)": "`factor` must be between 0 and 1, not 1",
    "sgd; plateau = reduce(val.loss, factor = 0)": "`factor` must be between 0 and 1, not 0",
    "sgd; stop = early(val.lost)": "there is no metric `lost`",
    "sgd; seed = 2147483648": "`seed` must fit a 32-bit integer",
    "sgd; batch = 2.5": "must be a whole number, this is 2.5",
    "sgd; shuffle = 1": "must be `true` or `false`, this is the number 1",
    "sgd; optimizer = adam": "`optimizer` is set twice",
    "sgd; batch = 2147483648": "`batch` must fit a 32-bit integer",
    "sgd; batch = 0": "`batch` must be at least 1, not 0",
    "sgd; steps = 0": "`steps` must be at least 1, not 0",
    "sgd; epochs = -1": "`epochs` must be at least 0, not -1",
    "sgd; epochs = 1; steps = 2": "`epochs` and `steps` both say how long to train",
    "sgd; clip_norm = 0": "`clip_norm` must be positive, not 0",
    "sgd; clip_value = 0": "`clip_value` must be positive, not 0",
    "sgd; clip_norm = \"a\"": "`clip_norm` of `train` must be a number, this is the string \"a\"",
    "sgd; seed = -2147483649": "`seed` must fit a 32-bit integer",
    "sgd; seed = x": "`seed` of `train` must be a whole number, this is a tensor `f32[N, 4]`",
    "sgd; batch = nothing": "there is no name `nothing`",
    "sgd; batc = 3": "the train block has no setting `batc`",
    "sgd; stop = 3": "`stop` is one of `early`; this is the number 3",
    "sgd; stop = early(3)": "`score` of `early` is a score of a split, such as `val.loss`",
    "sgd; stop = early(\"val.loss\")": "is a score of a split, such as `val.loss`",
    "sgd; plateau = reduce(loss)": "`score` of `reduce` is a score of a split, such as `val.loss`",
    "sgd; stop = early(val.loss, delta = -0.5)": "`delta` must be 0 or more, not -0.5",
    "sgd; plateau = reduce(val.loss, delta = -0.5)": "`delta` must be 0 or more, not -0.5",
    "sgd; plateau = early(val.loss)": "there is no plateau `early`",
    "sgd; average = 3": "`average` is one of `ema`; this is the number 3",
    "sgd(rate = cosine)": "`cosine` needs its argument `rate`",
    "sgd(rate = adam(1))": "there is no schedule `adam`",
    "sgd; rule \"h.*\" { rate *= -1 }": "a rate may not be negative",
    "sgd; rule \"h.*\" { rate *= \"a\" }": "`rate` of `sgd` must be a number or a schedule, this is the string \"a\"",
    "sgd; rule \"h.*\" { rate *= cosine(0.1) }": "`*=` needs a number, this is cosine",
    "sgd; rule \"h.*\" { rate = -1 }": "the rate must be positive, not -1",
    "sgd; rule \"h.*\" { momentum *= true }": "`momentum` of `sgd` must be a number, this is a truth value",
    "sgd; rule \"h.*\" { momentum = 1 }": "`momentum` must be in [0, 1), not 1",
    "sgd(momentum = 0.5); rule \"h.*\" { momentum *= 2 }": "`momentum` must be in [0, 1), not 1",
    "sgd; rule \"h.*\" { beta1 = 1 }": "`sgd` has no setting `beta1`",
    "sgd; rule \"h.*\" { rate = cosine(0.1, steps = 0) }": "`steps` must be at least 1, not 0",
    "sgd; rule \"q\" { freeze }": "the pattern `q` matches no parameter",
    "sgd; rule \"h.*\" { freeze }": "nothing to train in `n`: every parameter is frozen",
    "3": "`optimizer` is one of `adagrad`, `adam`, `adamw`, `rmsprop`, `sgd`; this is the number 3",
}  # fmt: skip
SETTINGS = [  # at a bound
    "batch = 1", "epochs = 0", "steps = 1", "seed = -2147483648", "seed = 2147483647", "batch = (3)", "average = ema(0)",
    "stop = early(train.loss, patience = 1, delta = 0)", "plateau = reduce(val.loss, patience = 1, delta = 0)",
    'rule "h.*" { rate *= 0 }', 'rule "h.*" { rate *= 2; rate = 0.3; rate *= 3 }',
]  # fmt: skip
DATA: dict[str, str] = {  # what stands in a data block
    'source = npz(train = "a.npz", val = "b.npz"); split = random(train = 0.8, val = 0.2)': (
        "the rows of `val` come from a file and from the split"
    ),
    'source = csv("a.csv", x = ("a", "b"), v = "v", m = "m0".."m11", t = "t", r = "r0".."r2")': (
        "`x` needs 4 columns, 2 are named"
    ),
    "": "the data block names no `source`",
    "sorce = 3": "the data block has no setting `sorce`",
    "source = csv": "`source` is one of `csv(...)`, `idx(...)`, `npy(...)`, `npz(...)`",
    "source = 3": "`source` is one of `csv(...)`, `idx(...)`, `npy(...)`, `npz(...)`",
    "source = csw(\"a.csv\")": "there is no source `csw`",
    "source = csv(x = \"a\")": "`csv` names no file",
    "source = npz(\"a.npz\", train = \"b.npz\")": "`npz` has both one `path` and a file for `train`",
    "source = npz(\"a.npz\"); source = npz(\"b.npz\")": "`source` is set twice",
    "source = npz(3)": "`path` of `npz` must be a path or several, this is the number 3",
    "source = npz((\"a\", 3))": "`path` of `npz` must be a path or several, this is 2 values",
    "source = csv(\"a.csv\", x = 3)": "a column is a string, a range or several strings; this is the number 3",
    "source = csv(\"a.csv\", x = (\"a\", 3))": "a column is a string, a range or several strings; this is 2 values",
    "source = npz(\"a.npz\", x = 3)": "an array of the file has one name, a string; this is the number 3",
    "source = npz(\"a.npz\", x = (\"a\", \"b\"))": "an array of the file has one name, a string; this is 2 values",
    "source = npz(\"a.npz\", x = \"p3\"..\"p5\")": "an array of the file has one name, a string; this is a range of names",
    "source = npz(\"a.npz\", q = \"p\")": "the net has no input or target `q`",
    "source = npz(\"a.npz\", x = nothing)": "a path or a column is a string",
    "source = npy(\"a.npy\", x = \"p\")": "`npy` has no argument `x`",
    "source = csv(\"a.csv\", x = \"a\")": "`csv` does not say which columns `v`, `m`, `t`, `r` are",
    "source = csv(\"a.csv\", delimiter = 3, x = \"a\")": "`delimiter` of `csv` must be a string, this is the number 3",
    "source = csv(\"a.csv\", header = 3, x = \"a\")": "`header` of `csv` must be `true` or `false`, this is the number 3",
    "source = npz(\"a.npz\"); split = 3":
        "`split` is `random(...)`, `ordered(...)`, `stratified(...)` or `grouped(...)`, this is the number 3",
    "source = npz(\"a.npz\"); missing = avg": "there is no rule for missing values `avg`",
    "source = npz(\"a.npz\"); missing = \"mean\"": "`missing` is `mean`, `drop` or a number, this is the string",
    "source = npz(\"a.npz\"); split = sgd(3)": "there is no split `sgd`",
    "source = npz(\"a.npz\"); split = random(train = 2)": "`train` must be a share from 0 to 1",
    "source = npz(\"a.npz\"); split = ordered(train = 1.5, test = -0.5)": "`train` must be a share from 0 to 1",
    "source = npz(\"a.npz\"); split = random(train = 1, val = -0.5, test = 0.5)": "`val` must be a share from 0 to 1",
    "source = npz(\"a.npz\"); split = random(train = 0.5)": "the shares sum to 0.5, not 1",
    "source = npz(\"a.npz\"); split = ordered(train = 0.5)": "the shares sum to 0.5, not 1",
    "source = npz(\"a.npz\"); split = random(0.5, 0.5, 0.1)": "the shares sum to 1.1, not 1",
    "source = npz(\"a.npz\"); split = random(train = \"a\")": "`train` of `random` must be a number, this is the string \"a\"",
    "source = npz(\"a.npz\"); split = random(seed = 0.5)": "`seed` of `random` must be a whole number, this is 0.5",
}  # fmt: skip
INITIALIZERS: dict[str, str] = {
    "normal(std = 0)": "`std` must be positive, not 0",
    "uniform(low = 1, high = 1)": "`low` is 1, not below `high`, 1",
    "constant": "`constant` needs its argument `value`",
    "relu": "must be an initialiser or a number, this is the function `relu`",
    "dropout(0.5)": "must be an initialiser, `dropout` is a function",
    "\"a\"": "must be an initialiser or a number, this is the string \"a\"",
    "he_normal(3)": "`he_normal` takes at most 0 arguments, got 1",
}  # fmt: skip


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_setting_of_the_train_block(optimizer: str) -> None:
    found = said(optimizer=optimizer)
    assert OPTIMIZERS[optimizer] in found
    assert found.count("error[") == 1, "one mistake is reported once"


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_at_a_bound_is_fine(setting: str) -> None:
    netc.check(SPEC.format(**{**PLAIN, "optimizer": f"sgd; {setting}"}))


@pytest.mark.parametrize("block", DATA)
def test_a_setting_of_the_data_block(block: str) -> None:
    assert DATA[block] in said(more=f"data {{ {block} }}\n")


@pytest.mark.parametrize("init", INITIALIZERS)
def test_an_initializer(init: str) -> None:
    assert INITIALIZERS[init] in said(init=f", init = {init}")
