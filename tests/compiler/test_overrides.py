"""Hyperparameters replaced by name: what each `key=value` makes of a spec."""

from __future__ import annotations

from typing import Any

import pytest

import netc

SPEC = """net n(width = 4, act = relu, deep = true) {
  input x: f32[N, 3]
  target t: i64[N]
  y = x -> Dense(width) -> act -> Dense(3)
  loss = softmax_cross_entropy(y, t)
}
data { source = csv("a.csv", x = "p0".."p2", t = "t"); split = random(train = 0.5, val = 0.5, seed = 3) }
train { optimizer = sgd(cosine(0.1, warmup = 5), momentum = 0.9); batch = 8; epochs = 4; stop = early(val.loss, patience = 2) }
"""
CHANGES: list[tuple[str, str, str]] = [  # key=value, where it shows in the resolved spec, what stands there
    ("net.width=7", "net n(", "width = 7"),
    ("width=7", "net n(", "width = 7"),
    ("deep=false", "net n(", "deep = false"),
    ("train.batch=16", "batch", "16"),
    ("batch=16", "batch", "16"),
    ("momentum=0.5", "optimizer", "momentum = 0.5"),
    ("train.optimizer.momentum=0.5", "optimizer", "momentum = 0.5"),
    ("nesterov=true", "optimizer", "nesterov = true"),
    ("optimizer.rate=0.2", "optimizer", "sgd(rate = 0.2,"),
    ("train.rate=0.2", "optimizer", "sgd(rate = 0.2,"),
    ("warmup=9", "optimizer", "cosine(rate = 0.1, end = 0, warmup = 9"),
    ("optimizer.rate.rate=0.3", "optimizer", "cosine(rate = 0.3,"),
    ("optimizer=adam(1e-2)", "optimizer", "adam(rate = 0.01"),
    ("optimizer=adam", "optimizer", "adam(rate = 0.001"),
    ("patience=6", "stop", "early(score = val.loss, patience = 6"),
    ("clip_norm=2", "clip_norm", "2"),
    ("steps=20", "steps", "20"),
    ("data.split.train=0.25", "data", "train = 0.25"),
    ("source.header=false", "data", "header = false"),
    ("data.source.path=b.csv", "data", 'csv("b.csv"'),
]


def resolved(change: str) -> str:
    extra = ["data.split.val=0.75"] if change == "data.split.train=0.25" else []
    return netc.check(SPEC, [change, *extra]).resolved


@pytest.mark.parametrize(("change", "line", "shown"), CHANGES, ids=[c[0] for c in CHANGES])
def test_an_override(change: str, line: str, shown: str) -> None:
    text = resolved(change)
    if line == "data":
        assert shown in text.partition("data {")[2].partition("}")[0]
        return
    (found,) = [s for s in text.splitlines() if s.strip().startswith(line)]
    assert shown in found
    assert shown not in next((s for s in resolved("seed=1").splitlines() if s.strip().startswith(line)), "")


def test_epochs_take_the_place_of_steps() -> None:
    assert "epochs" not in resolved("steps=20").partition("train {")[2]
    assert netc.check(SPEC, ["steps=20"]).train.epochs is None  # type: ignore[union-attr]
    assert netc.check(SPEC.replace("epochs = 4", "steps = 4"), ["epochs=2"]).train.steps is None  # type: ignore[union-attr]


def test_a_spec_without_a_train_block_can_be_given_one() -> None:
    bare = SPEC.partition("data {")[0]
    assert "adam(rate = 0.5" in netc.check(bare, ["rate=0.5"]).resolved
    assert "batch     = 3" in netc.check(bare, ["train.batch=3"]).resolved


WRONG: list[tuple[Any, str]] = [
    (["widht=3"], "did you mean `width`?"),
    (["width"], "`width` is no override"),
    (None, "overrides are texts `name=value` or a mapping by name, this is none"),
    (5, "overrides are texts `name=value` or a mapping by name, this is 5"),
    (b"width=3", "overrides are texts `name=value` or a mapping by name"),
    ([3], "this is 3"),
    ([("width", 3)], "overrides are texts `name=value` or a mapping by name"),
    (["width="], "the override has no value"),
    (["rate.rate.x=1"], "no hyperparameter"),
    (["width=true"], "is a number"),
    (["deep=3"], "is `true` or `false`"),
    (["batch=0"], "`batch` must be at least 1, not 0"),
    (["steps=0"], "`steps` must be at least 1, not 0"),
    (["epochs=1", "steps=3"], "`epochs` and `steps` both say how long to train"),
    (["steps=3", "train.epochs=1"], "`epochs` and `steps` both say how long to train"),
    (["epochs=-1"], "`epochs` must be at least 0, not -1"),
    (["clip_norm=0"], "`clip_norm` must be positive, not 0"),
    (["clip_value=-1"], "`clip_value` must be positive, not -1"),
    (["train.seed=2147483648"], "must fit a 32-bit integer"),
    (["optimizer.rate=0"], "the rate must be positive, not 0"),
    (["optimizer.rate.rate=-1"], "the rate must be positive, not -1"),
    (["warmup=-1"], "`warmup` must be 0 or more, not -1"),
    (["patience=0"], "`patience` must be at least 1, not 0"),
    (["momentum=1"], "`momentum` must be in [0, 1), not 1"),
    (["weight_decay=-1"], "`weight_decay` must be 0 or more, not -1"),
]


@pytest.mark.parametrize(("changes", "said"), WRONG, ids=[str(w[0]) for w in WRONG])
def test_a_wrong_override(changes: Any, said: str) -> None:
    with pytest.raises(netc.NetError) as e:
        netc.check(SPEC, changes)
    assert said in e.value.render()


PLACES = [  # an override, and what of it the error marks
    ("widht=3", "widht"), ("width", "width"), ("width=", ""), ("width=true", "true"), ("deep=3", "3"),
    ("rate.x=3", "rate.x"), ("batch=0", "0"), ("train=0.3", "train"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "marked"), PLACES, ids=[p[0] for p in PLACES])
def test_the_part_that_is_wrong_is_marked(change: str, marked: str) -> None:
    with pytest.raises(netc.NetError) as e:
        netc.check(SPEC, [change])
    span = e.value.diagnostics[0].labels[0].span
    assert span.text == marked
    assert span.source.text == change


def test_a_name_that_fits_twice_is_refused_with_both() -> None:
    with pytest.raises(netc.NetError, match=r"`train` could be `data\.source\.train` or `data\.split\.train`"):
        netc.check(SPEC, ["train=0.3"])


def test_a_word_alone_is_given_its_arguments() -> None:
    spec = SPEC.replace("random(train = 0.5, val = 0.5, seed = 3)", "random")
    assert "seed = 5" in netc.check(spec, ["split.seed=5"]).resolved


def test_the_shortest_path_that_fits_is_meant() -> None:
    assert "seed      = 2" in resolved("seed=2"), "that of the train block, not of the split"


def test_a_mapping_is_taken_too() -> None:
    net = netc.check(SPEC, {"width": 9, "nesterov": True, "optimizer.rate": 0.25})
    assert net.parameters[0].shape == (3, 9)
    assert "rate = 0.25, weight_decay = 0, momentum = 0.9, nesterov = true" in net.resolved


def test_what_is_in_force_is_written_with_its_rules_and_comments() -> None:
    spec = """# above
net n { # in
  input x: f32[N, 3]
  y = x -> Dense(4)
  loss = mean(y^2)
}
train { # inside
  optimizer = sgd(0.1)
  rule "*.bias" { rate *= 1/2; weight_decay = 0 }
  rule "y.weight" { freeze }
}
# below
"""
    assert (
        netc.check(spec, ["rate=0.2"]).resolved
        == """# above
net n {  # in
  input  x: f32[N, 3]
  y    = x -> Dense(4)
  loss = mean(y^2)
}
# below

train {
  optimizer = sgd(rate = 0.2, weight_decay = 0, momentum = 0, nesterov = false)
  batch     = 32
  epochs    = 10
  seed      = 0
  shuffle   = true
  rule "*.bias" { rate *= 1 / 2; weight_decay = 0 }
  rule "y.weight" { freeze }
}
"""
    )
