"""Every bound of every setting, and every shape rule: what is refused, and in which words."""

from __future__ import annotations

import pytest

import netc
from netc.compiler.language.refusal import Refused

SPEC = """net n {{
  input  x: f32[N, 4]
  input  v: f32[N]
  input  m: f32[N, 3, 4]
  target t: i64[N]
  target r: f32[N, 3]
  h = x -> Dense(3{init})
  {line}
  loss = mean(h){more}
}}
train {{ optimizer = {optimizer} }}
"""
PLAIN = {"line": "", "optimizer": "sgd(rate = 0.1)", "init": "", "more": ""}
LINES: dict[str, str] = {  # a line of the net -> what is said
    "y = onnx.Gemm(m, x)": "`onnx.Gemm` refuses these tensors: Input 0 expected to have rank 2 but has rank 3",
    "y = onnx.Concat(x, v, axis = 0)": "refuses these tensors: All inputs to Concat must have same rank. Input 1 has rank 1",
    "y = reshape(x, [4, N]) -> PReLU": "`slope` of `PReLU` would be `f32[N]`: a parameter has fixed dimensions",
    "y = x * 10^400": "does not fit `f32`",
    "y = x * floor(1e308 * 1e308)": "does not fit `f32`",
    "y = x * (2.0^1023.5 * 2.0^1023.5)": "is out of range",
    "y = x * (10^400 + 0.5^0.5)": "is out of range",
    "y = x * (10^400 / 3)": "the literal 3.33333333333e+399 does not fit `f32`",
    "y = huber(h, r, delta = 0)": "`delta` must be positive, not 0",
    "y = softmax_cross_entropy(h, t, smoothing = 1)": "`smoothing` must be in [0, 1), not 1",
    "y = softmax_cross_entropy(h, t, smoothing = -0.1)": "`smoothing` must be in [0, 1), not -0.1",
    "y = softmax_cross_entropy(h, t, axis = 2)": "there is no axis 2 in `f32[N, 3]`",
    "y = softmax_cross_entropy(x, r)": "needs class indices or a weight for each class, this is `f32[N, 3]`",
    "y = nll(h, x)": "`nll` of scores `f32[N, 3]` needs class indices or a weight for each class, this is `f32[N, 4]`",
    "y = hinge(h, r)": "`hinge` needs class indices, this is `f32[N, 3]`",
    "y = mean_squared_error(h, x)": "one shape, these are `f32[N, 3]` and `f32[N, 4]`",
    "y = mean_absolute_error(h, x)": "one shape, these are `f32[N, 3]` and `f32[N, 4]`",
    "y = huber(h, x)": "`huber` needs two tensors of one shape, these are `f32[N, 3]` and `f32[N, 4]`",
    "y = sigmoid_cross_entropy(h, x)": "one shape, these are `f32[N, 3]` and `f32[N, 4]`",
    "y = binary_hinge(h, x)": "`binary_hinge` needs two tensors of one shape, these are `f32[N, 3]` and `f32[N, 4]`",
    "y = kl_divergence(h, x)": "one shape, these are `f32[N, 3]` and `f32[N, 4]`",
    "y = kl_divergence(h, r, axis = 3)": "there is no axis 3 in `f32[N, 3]`",
    "y = mean_squared_error(t, t)": "a floating-point tensor is needed here, this is `i64[N]`",
    "y = accuracy(h, t, k = 4)": "`k` must be between 1 and the number of classes, 3, not 4",
    "y = accuracy(h, t, k = 0)": "`k` must be between 1 and the number of classes, 3, not 0",
    "y = accuracy(x, r)": "`accuracy` of scores `f32[N, 4]` needs one class for each position, this is `f32[N, 3]`",
    "y = precision(h, x)": "`precision` needs two tensors of one shape, these are `f32[N, 3]` and `f32[N, 4]`",
    "y = f1(h, t)": "`f1` needs two tensors of one shape, these are `f32[N, 3]` and `i64[N]`",
    "y = r2(h, x)": "`r2` needs two tensors of one shape, these are `f32[N, 3]` and `f32[N, 4]`",
    "y = dropout(x, rate = 1)": "the dropout rate must be in [0, 1), not 1",
    "y = dropout(x, rate = -0.1)": "the dropout rate must be in [0, 1), not -0.1",
    "y = dropout(t)": "a floating-point tensor is needed here, this is `i64[N]`",
    "y = clip(x, low = 2, high = 1)": "`low` is 2.0, above `high`, 1.0",
    "y = argmax(x, axis = 2)": "there is no axis 2 in `f32[N, 4]`",
    "y = argmin(x, axis = -3)": "there is no axis -3 in `f32[N, 4]`",
    "y = sum(x, axis = (0, 0))": "an axis is named twice in (0, 0)",
    "y = mean(x, axis = 5)": "there is no axis 5 in `f32[N, 4]`",
    "y = mean(t)": "a floating-point tensor is needed here, this is `i64[N]`",
    "y = softmax(x, axis = 2)": "there is no axis 2 in `f32[N, 4]`",
    "y = log_softmax(x, axis = 2)": "there is no axis 2 in `f32[N, 4]`",
    "y = relu(t)": "a floating-point tensor is needed here, this is `i64[N]`",
    "y = x + t": "do not combine in `+`|the dtypes differ: `f32[N, 4]` and `i64[N]`",
    "y = x + h": "`f32[N, 4]` and `f32[N, 3]` do not combine in `+`",
    "y = t / 2": "`i64` tensors have no `/`",
    "y = x @ h": "the inner dimensions are 4 and N",
    "y = x @ t": "a floating-point tensor is needed here, this is `i64[N]`",
    "y = x and h": "`and` needs conditions, this is `f32[N, 4]`",
    "y = (x > 0) or x": "`or` needs conditions, this is `f32[N, 4]`",
    "y = not x": "`not` needs conditions, this is `f32[N, 4]`",
    "y = where(x, 1, x)": "`where` needs a condition first, this is `f32[N, 4]`",
    "y = (x > 0) < (x > 1)": "a comparison needs numbers, this is `bool[N, 4]`",
    "y = x[:, 4]": "there is no entry 4 on axis 1 of `f32[N, 4]`",
    "y = x[:, 2:2]": "the range on axis 1 of `f32[N, 4]` is empty",
    "y = x[1:2]": "axis 0 of `f32[N, 4]` has no fixed size",
    "y = x[0, 0, 0]": "3 indices for the 2 axes of `f32[N, 4]`",
    "y = x[:, ::0]": "the step of a range may not be 0",
    "y = x[:, 0.5]": "an index must be a whole number, this is 0.5",
    "y = gather(x, v)": "indices are i32 or i64, this is `f32[N]`",
    "y = gather(x, t, axis = 2)": "there is no axis 2 in `f32[N, 4]`",
    "y = reshape(x, [N, 5])": "has 4*N elements|has N*4 elements",
    "y = reshape(x, [-1, -1])": "more than one dimension of [-1, -1] is -1",
    "y = reshape(x, [N, 0])": "a dimension of [N, 0] is below 1",
    "y = reshape(x, [-1, 3])": "has no whole -1 in [-1, 3]",
    "y = transpose(v)": "`transpose` needs two axes, this is `f32[N]`",
    "y = transpose(x, 0)": "`axes` names 1 of the 2 axes of `f32[N, 4]`",
    "y = concat(x, m)": "do not join along axis -1",
    "y = concat(x, h, axis = 0)": "`f32[N, 4]` and `f32[N, 3]` do not join along axis 0",
    "y = stack(x, h)": "`stack` needs tensors of one type, these are `f32[N, 4]` and `f32[N, 3]`",
    "y = stack(x, x, axis = 3)": "there is no place 3 for a new axis in `f32[N, 4]`",
    "y = unsqueeze(x, 3)": "there is no place 3 for a new axis in `f32[N, 4]`",
    "y = unsqueeze(x, -4)": "there is no place -4 for a new axis in `f32[N, 4]`",
    "y = squeeze(x, 1)": "not every named axis of `f32[N, 4]` has size 1",
    "y = split(x, 3)": "axis -1 of `f32[N, 4]` does not split into 3 equal parts",
    "y = split(x, 0)": "`parts` must be at least 1, not 0",
    "y = expand(x, [N, 5])": "does not expand to [N, 5]",
    "y = expand(x, [4])": "does not expand to [4]",
    "y = one_hot(x, 3)": "`one_hot` needs indices, this is `f32[N, 4]`",
    "y = one_hot(t, 0)": "`classes` must be at least 1, not 0",
    "y = gradient(mean(x), t)": "only tensors of floating-point numbers have gradients",
    "y = mean_squared_error(x, x, weight = h)": "`weight` has a number for each row or position, `f32[N]` or `f32[N, 4]`",
    "y = top_k(x, 5)[0]": "`k` must be between 1 and 4, the size of the axis, not 5",
    "y = sort(x, axis = 0)": "`sort` needs an axis of a fixed size, axis 0 of `f32[N, 4]` is N",
    "y = pad(x, -1, 0)": "`before` must be at least 0, not -1",
    "y = pad(x, 4, 0, mode = reflect)": "only 3 entries can be mirrored on axis -1 of `f32[N, 4]`",
    "y = pad(x, 1, 0, axis = 0, mode = edge)": "`edge` needs an axis of a fixed size, axis 0 of `f32[N, 4]` is N",
    "y = pad(t, 1, 0, value = 0.5)": "`value` does not fit `i64`: 0.5",
    "y = tile(x, [2])": "`repeats` has a positive count for each of the 2 axes of `f32[N, 4]`, not [2]",
    "y = tril(v)": "a triangle needs two axes, this is `f32[N]`",
    "y = any(x)": "conditions are needed here, this is `f32[N, 4]`",
    "y = einsum(x, h, equation = \"ij,jk->ik\")": "axis `j` is 4 and N",
    "y = einsum(x, equation = \"i,j\")": "`i,j` is no equation of 1 tensors",
    "y = einsum(x, equation = \"ijk->i\")": "`ijk` names 3 axes, `f32[N, 4]` has 2",
    "y = einsum(x, equation = \"ij->k\")": "`k` must have letters of the tensors, each once",
    "y = unsqueeze(x, (0, 0))": "a new axis is named twice in (0, 0)",
    "y = erf(f64(x))": "`erf` of `f64[N, 4]` has no kernel in ONNX Runtime",
    "y = i8(x) + 1": "`i8` has no arithmetic",
    "metric loss (min) = mean(x)": "`loss` is reserved",
    "param q: f32[3] = orthogonal": "`orthogonal` fills matrices, not [3]",
    "y = x -> Dense(0)": "`units` must be at least 1, not 0",
    "y = v -> Dense(2)": "`Dense` needs features on a last axis, this is `f32[N]`",
    "y = t -> Dense(2)": "a floating-point tensor is needed here, this is `i64[N]`|needs features",
    "y = v -> PReLU": "`PReLU` needs features on a last axis, this is `f32[N]`",
    "y = v -> BatchNorm": "`BatchNorm` needs channels on axis 1, this is `f32[N]`",
    "y = onnx.Erf(x, x)": "`onnx.Erf` takes 1 tensors, got 2",
    "y = onnx.Gather(x)": "`onnx.Gather` takes 2 tensors, got 1",
    "y = onnx.LeakyRelu(x, alpha = [1, \"a\"])": "attribute `alpha` of `onnx.LeakyRelu` is a number",
    "y = onnx.Transpose(x, perm = [1, 0.5])": "is a list of which each entry is a whole number",
    "y = onnx.DepthToSpace(m, blocksize = 2, mode = 3)": "attribute `mode` of `onnx.DepthToSpace` is a string",
    "y = onnx.DepthToSpace(m)": "`onnx.DepthToSpace` needs its attribute `blocksize`",
    "a, b = (1, 2, 3)": "2 names for 3 values",
    "a = (1, 2)[2]": "there is no such entry among 2 values",
    "a = 3[0]": "the number 3 cannot be indexed",
    "a = not 3": "`not` needs a truth value, this is the number 3",
    "a = true and 3": "`and` needs truth values, this is the number 3",
    "a = 1 if 2 else 3": "`if` needs a truth value, this is the number 2",
    "a = 1 / 0": "division by zero: `1 / 0`",
    "a = 1 // 0": "division by zero: `1 // 0`",
    "a = 0 ^ -1": "division by zero: 0 to a negative power",
    "a = (-1) ^ 0.5": "is not a real number",
    "a = sqrt(-1)": "`sqrt(-1)` is not a real number",
    "a = 1 @ 2": "`@` multiplies matrices, not numbers",
    "a = \"a\" + 1": "`+` needs numbers, this is the string \"a\"",
    "a = 1 < \"a\"": "`<` cannot compare the number 1 with the string \"a\"",
    "a = N > 3": "the size of a symbolic dimension is not known while compiling",
    "a = N / 2": "has no exact value for every size of the symbolic dimension",
    "a = N ^ 2": "has no exact value for every size of the symbolic dimension",
    "a = relu + 1": "`+` needs numbers or tensors, this is the function `relu`",
    "a = dropout(0.5) * x": "`*` needs a tensor, this is a layer, into which no tensor flows yet",
    "repeat 1.5 { }": "the count of a repeat must be a whole number, this is 1.5",
    "repeat -1 { }": "a repeat cannot run -1 times",
}  # fmt: skip
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
    "3": "`optimizer` is one of `adagrad`, `adam`, `adamw`, `rmsprop`, `sgd`; this is the number 3",
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


def said(**changes: str) -> str:
    with pytest.raises(netc.NetError) as e:
        netc.check(SPEC.format(**{**PLAIN, **changes}))
    return e.value.render()


@pytest.mark.parametrize("line", LINES)
def test_a_line(line: str) -> None:
    found = said(line=line)
    assert any(words in found for words in LINES[line].split("|")), found


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_setting_of_the_train_block(optimizer: str) -> None:
    assert OPTIMIZERS[optimizer] in said(optimizer=optimizer)


@pytest.mark.parametrize("init", INITIALIZERS)
def test_an_initializer(init: str) -> None:
    assert INITIALIZERS[init] in said(init=f", init = {init}")


def test_a_net_that_needs_too_much_depends_on_the_batch() -> None:
    wide = SPEC.format(**{**PLAIN, "line": "w = x -> Dense(4000000)", "more": " + mean(w)"})
    netc.check(wide, ["batch=16"])
    with pytest.raises(netc.NetError, match="TiB"):
        netc.check(wide, ["batch=2000000"])


def test_one_tensor_can_be_stacked_and_joined() -> None:
    net = netc.check(SPEC.format(**{**PLAIN, "line": "y = stack(x) ; z = concat(x) ; a = (3, 4)[-1]"}))
    assert [str(y.type) for a in net.applies for y in a.outputs if a.operation.group == "shape"] == [
        "f32[N, 4, 1]", "f32[N, 4]"
    ]  # fmt: skip


def test_a_refusal_says_why() -> None:
    assert str(Refused("argument", "the reason", "rate")) == "the reason"
