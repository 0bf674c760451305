"""Every shape rule, and every bound of the settings in a net: what is refused, and in which words."""

from __future__ import annotations

import pytest

import netc
from netc.compiler.language.refusal import Refused
from tests.errors.refusing import PLAIN, SPEC, said

LINES: dict[str, str] = {  # a line of the net -> what is said
    "y = onnx.Gemm(m, x)": "`onnx.Gemm` refuses these tensors: Input 0 expected to have rank 2 but has rank 3",
    "y = onnx.Concat(x, v, axis = 0)": "refuses these tensors: All inputs to Concat must have same rank. Input 1 has rank 1",
    "y = reshape(x, [4, N]) -> PReLU": "`slope` of `PReLU` would be `f32[N]`: a parameter has fixed dimensions",
    "y = x * 10^400": "does not fit `f32`",
    "y = x * floor(1e308 * 1e308)": "does not fit `f32`",
    "y = x * (2.0^1023.5 * 2.0^1023.5)": "is out of range",
    "y = x * (10^400 + 0.5^0.5)": "is out of range",
    "y = x * (10^400 / 3)": "the literal 3.33333333333e+399 does not fit `f32`",
    "y = x * [1, relu]": "a tensor or a number is needed here, this is 2 values",
    "y = gather(x, range(9), axis = 1)": "there is no entry 8 along an axis of size 4",
    "y = gather(x, 2 * range(3), axis = 1)": "there is no entry 4 along an axis of size 4",
    "y = gather(x, range(2) - 5, axis = 1)": "there is no entry -5 along an axis of size 4",
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
    "y = (x > 0) and N": "the dimension `N` is a number, not a truth value",
    "y = (x > 0) and 1": "the number 1 is not a truth value",
    "y = x * 340282346638528859811704183484516925441": "does not fit `f32`",
    "y = t + 9223372036854775808": "the literal 9223372036854775808 does not fit `i64`",
    "y = t + 0.5": "the literal 0.5 does not fit `i64`",
    "y = x + true": "a tensor or a number is needed here, this is a truth value",
    "y = x + \"a\"": "a tensor or a number is needed here, this is the string \"a\"",
    "y = x + (1, 2)": "`f32[N, 4]` and `f32[2]` do not combine in `+`",
    "y = x + [[1, 2], [3]]": "the lists in brackets differ: 2 values and a list of one value",
    "y = t + [1, 0.5]": "the literal 0.5 does not fit `i64`",
    "param q: f32[2] = [1, 2, 3]": "these are [3] numbers, the parameter is [2]",
    "e = Dense(2); y = e.weight": "`e` has no parameters yet: their shapes are those of what flows into it",
    "e = Dense(2); g = e(x); y = e.wieght": "`Dense` has no parameter `wieght`",
    "y = x + he_normal": "`+` needs a tensor, this is the word `he_normal`",
    "y = onnx + 1": "`+` needs numbers, this is the name `onnx`",
    "y = dropout(x, rate = \"a\")": "`rate` of `dropout` must be a number, this is the string \"a\"",
    "y = dropout(x, rate = (x > 0))": "`rate` of `dropout` is decided while compiling; a tensor cannot be",
    "y = l2(3)": "`l2` takes a tensor or a pattern, this is the number 3",
    "y = 3(x)": "the number 3 cannot be called",
    "y = onnx(x)": "the name `onnx` cannot be called",
    "y = x -> 3": "the number 3 cannot be called",
    "f = relu -> 3": "the number 3 is not a function or a layer",
    "f = relu -> x": "a tensor `f32[N, 4]` is not a function or a layer",
    "f = relu -> -relu": "a stage of a layer is a function or a layer",
    "f = relu -> 2 * relu": "a stage of a layer is a function or a layer",
    "f = x -> -relu": "a stage of a pipeline is a function or a layer",
    "f = Dense(3); y = f(x, x)": "this `Dense` takes one tensor",
    "f = Dense(3); y = f(x = x)": "this `Dense` takes one tensor",
    "f = Dense(3) -> relu; y = f(x, x)": "this layer takes one tensor",
    "f = Dense(3) -> relu; y = f(x = x)": "this layer takes one tensor",
    "y = onnx.Erf(\"a\")": "`onnx.Erf` needs a tensor first, this is the string \"a\"",
    "y = onnx.Constant(value_float = 3)": "`onnx.Constant` needs a tensor",
    "y = onnx.NonZero(x)": "the shape of `onnx.NonZero` cannot be inferred here",
    "y = onnx.SequenceConstruct(x)": "the shape of `onnx.SequenceConstruct` cannot be inferred here",
    "y = onnx.Cast(x, to = 8)": "`onnx.Cast` gives a dtype that specs do not have",
    "y = onnx.ConstantOfShape(t, value = 2)": "attribute `value` of `onnx.ConstantOfShape` cannot be written in a spec",
    "y = onnx.Upsample(x)": "the ONNX standard has no operator `Upsample`",
    "y = 1 .. \"b\"": "`..` makes a range of columns",
    "y = \"a\" .. 2": "`..` makes a range of columns",
    "y = N == 3": "the size of a symbolic dimension is not known while compiling",
    "y = 10^617": "`10 ^ 617` is too large",
    "y = 2^1025": "`2 ^ 1025` is too large",
    "y = 2^1024 * 2^1024 * 2^1024 * 2^1024": "the number is too large",
    "y = 10.5 ^ 400.5": "`10.5 ^ 400.5` is out of range",
    "y = 0.0 ^ -0.5": "`0 ^ -0.5` is out of range",
    "y = exp(1000)": "`exp(1000)` is not a real number",
    "g = x; repeat 2 { g = 2 * x }": "`g` is bound twice, and this line does not read it",
    "g = x; repeat 2 { k = g + 1; k = 2 * x }": "`k` is bound twice, and this line does not read it",
    "g = x; repeat 2 { g = 2 * x; k = g }": "`g` is bound twice, and this line does not read it",
    "y = range(4, 2)": "no number lies from 4 to 2 by steps of 1",
    "y = range(0)": "no number lies from 0 to 0 by steps of 1",
    "y = range(0, 4, 0)": "`step` may not be 0",
    "y = range(0, 4, N)": "`step` must be a number, this is `N`",
    "y = range(0, N, 2)": "how many numbers lie from `0` to `N` by steps of 2 is not known",
    "y = range(0.5, N)": "how many numbers lie from `1/2` to `N` by steps of 1 is not known",
    "y = range(4 - N)": "how many numbers lie from `0` to `N*-1 + 4` by steps of 1 is not known",
    "y = range(x)": "`start` of `range` is decided while compiling; a tensor cannot be",
    "y = range(\"a\")": "`start` of `range` must be a number, this is the string \"a\"",
    "y = t + range(0, 1, 0.5)": "the dtypes differ: `i64[N]` and `f32[2]`",
    "y = f16(x) + full(4, 10^6)": "the dtypes differ: `f16[N, 4]` and `f32[4]`",
    "y = full(4, 10^39)": "the number 1e+39 does not fit `f32`",
    "y = zeros([N, 0])": "a dimension of [N, 0] is below 1",
    "y = ones([N, 10^10])": "[N, 10000000000] has 10,000,000,000 elements; what is made of numbers has at most 268,435,456",
    "y = zeros(3, 4)": "`zeros` takes at most 1 argument, got 2",
    "y = eye(1.5)": "`rows` of `eye` must be a whole number, this is 1.5",
    "y = x -> zeros": "`shape` of `zeros` is decided while compiling; a tensor cannot be",
    "y = x + zeros": "`+` needs a tensor, this is the function `zeros`",
    "param q: f32[2] = eye(2)": "these are [2, 2] numbers, the parameter is [2]",
    "param q: f32[3] = full(3, N)": "a first value is the same for every batch, and may not depend on a symbolic dimension",
    "param q: f32[3] = N * range(3)": "a first value is the same for every batch",
    "param q: f32[N] = range(N)": "a parameter has fixed dimensions",
    "y = x -> Dense(4, init = eye(N))": "a first value is the same for every batch",
    "y = x -> Dense(4, init = eye(3))": "these are [3, 3] numbers, the parameter is [4, 4]",
    "y = x -> Dense(4, init = x)": "`init` of `Dense` must be an initialiser or a number, this is a tensor `f32[N, 4]`",
    "param q: f32[4] = mean(x, axis = 0)": "`q` must be an initialiser or a number, this is a tensor `f32[4]`",
    "repeat range(0, 1, 0.5) as i { }": "the count of a repeat must be a whole number, this is a tensor `f32[2]`",
    "y = onnx.Cast(x, to = 0)": "`onnx.Cast` refuses these tensors: Invalid tensor data type 0",
    "y = onnx.Clip(none, x)": "`input` of `onnx.Clip` is not optional, so that `none` cannot stand for it",
    "y = onnx.Add(x, none)": "`B` of `onnx.Add` is not optional",
    "y = onnx.Clip(none, none)": "`onnx.Clip` needs a tensor",
    "y = not nothing": "there is no name `nothing`",
    "y = nothing[0]": "there is no name `nothing`",
    "y = 1 if nothing else 2": "there is no name `nothing`",
    "repeat nothing { q = x }": "there is no name `nothing`",
    "a, b = x": "2 names for a tensor `f32[N, 4]`",
    "a, b = true": "2 names for a truth value",
    "a, b = Dense(3)": "2 names for a layer, into which no tensor flows yet",
    "a, b = he_normal()": "2 names for an initialiser",
    "a, b = \"p0\"..\"p3\"": "2 names for a range of names",
    "output z = 3": "`output z` publishes a tensor, this is the number 3",
    "metric z = relu": "`metric z` publishes a tensor, this is the function `relu`",
    "output h; output h": "`h` is published twice",
    "metric z (max) = sum(t)": "a metric is floating-point, this is `i64[]`",
    "metric z (max) = h": "a metric is one number, this is `f32[N, 3]`",
    "metric z (best) = mean(h)": "a metric is better at its `max` or its `min`, not `best`",
    "metric z = mean(h)": "say which direction of `z` is better",
    "metric x (max) = mean(h)": "`x` is published under a name that is taken",
    "metric m (max) = mean(h); output m2 = h; metric m2 (max) = mean(h)": "`m2` is published twice",
    "param p: i64[3]": "a parameter is floating-point, not `i64`",
    "param p: f32[N]": "a parameter has fixed dimensions",
    "param p: f32[3] = \"a\"": "`p` must be an initialiser or a number, this is the string \"a\"",
    "param p: f32[4294967296, 2147483648]": "has 2^63 elements or more",
    "param p: f32[4294967295, 2147483648]; y = sum(p)": "training needs about",
    "repeat 2 { output z = h }": "`output` stands in the net itself, not inside a block or repeat",
    "repeat 2 { input q: f32[N] }": "`input` stands in the net itself, not inside a block or repeat",
    "repeat 2 { metric z (max) = mean(h) }": "`metric` stands in the net itself, not inside a block or repeat",
    "repeat 100001 { q = x }": "100,001 turns make a net of more than 100,000 operations",
    "block b(v) { w = v }; y = b(x)": "the block `b` returns nothing",
    "block b(v) { repeat 2 { v = v -> Dense(4) }; return v }": "the block `b` makes parameters, so its name is capitalised",
    "block B(v) { return v -> Dense(4) }; block c(v) { return v -> B }": "the block `c` makes parameters",
    "block B(v) { return v -> B }; y = x -> B": "blocks are nested more than 60 calls deep; a block may not use itself",
    "y = flatten(mean(x))": "`flatten` needs a batch axis, this is `f32[]`",
    "y = reshape(x, [4, N]) -> BatchNorm": "axis 1 of `f32[4, N]` has no fixed size, so `BatchNorm` has no channels",
    "y = x -> BatchNorm(momentum = 1.5)": "`momentum` must be in [0, 1], not 1.5",
    "y = x -> BatchNorm(momentum = -0.1)": "`momentum` must be in [0, 1], not -0.1",
    "y = x -> BatchNorm(epsilon = 0)": "`epsilon` must be positive, not 0",
    "y = mean(x) @ x": "`@` needs matrices, not scalars",
    "y = x @ mean(x)": "`@` needs matrices, not scalars",
    "y = x @ f64(x)": "the dtypes differ: `f32[N, 4]` and `f64[N, 4]`",
    "y = mean_squared_error(h, f64(r))": "needs two tensors of one dtype, these are `f32[N, 3]` and `f64[N, 3]`",
    "y = softmax_cross_entropy(h, u8(t))": "class indices are i32 or i64, this is `u8[N]`",
    "y = gradient(round(h), x)": "the first tensor does not depend on the second by anything that has a gradient",
    "y = gradient(x, h)": "the first tensor does not depend on the second by anything that has a gradient",
    "import \"x.txt\" as q": "`x.txt` is neither a .net spec nor an .onnx model",
    "seed = 3": "`seed` is reserved",
    "y = x[\"a\"]": "an index must be a whole number, this is the string \"a\"",
    "y = x[N]": "an index must be a whole number, this is the symbolic dimension `N`",
    "y = x[:, 1:h]": "an index is decided while compiling; a tensor cannot be",
}  # fmt: skip
# at a bound, or beside what is refused
FINE = [
    "y = where(x > 0, N, x)", "y = x * 340282346638528859811704183484516925440", "y = t + 9223372036854775807",
    "y = x * -340282346638528859811704183484516925440", "y = t - 9223372036854775807", "y = (x > 0) and true", "y = N == N",
    "y = 1 if N != N else 2", "y = (N - 1) * 2", "y = (N * 4) / 2", "y = (N * 4) // 4", "y = 2^1024",
    "y = 2^1024 * 2^1024 * 2^1024", "y = x -> BatchNorm(momentum = 0)", "y = x -> BatchNorm(momentum = 1)", "y = flatten(v)",
    "repeat 0 { q = x }", "y = softmax_cross_entropy(h, t, smoothing = 0)", "y = accuracy(h, t, k = 3)", "y = dropout(x, rate = 0)",
    "y = clip(x, low = 1, high = 1)", "y = x[:, 3]", "y = x[:, -4]", "y = argmax(x, axis = -2)", "y = stack(x, x, axis = 2)",
    "y = unsqueeze(x, -3)", "y = split(x, 1)", "y = one_hot(t, 1)", "y = x -> Dense(1)", "a = (1, 2)[-2]", "a = 0 ^ 0",
    "block b(v) { return v }; y = b(x)", "output t2 = x", "output x",
]  # fmt: skip
NETS: dict[str, str] = {  # a whole net
    "net n(a) {\n input x: f32[N, 4]\n loss = mean(x -> Dense(a))\n}": "the net's argument `a` needs a default",
    "net n {\n input x: f32[N, 4]\n block f(x) {\n param w: f32[4] = ones\n return x * w\n }\n loss = mean(f(x))\n}":
        "the block `f` makes parameters, so its name is capitalised",
    "net n {\n input x: f32[N, 4]\n block f(x) {\n repeat 2 { x = x -> Dense(4) }\n return x\n }\n loss = mean(f(x))\n}":
        "the block `f` makes parameters, so its name is capitalised",
    "net n {\n input x: f32[N, 4]\n block F(x) {\n return x -> Dens(4)\n }\n loss = mean(x -> Dense(4))\n}":
        "there is no layer or block `Dens`",  # also where nothing calls the block
    "net n(a = b) {\n input x: f32[N, 4]\n loss = mean(x -> Dense(a))\n}": "there is no name `b`",
    "net n {\n loss = 3\n}": "the loss is not a tensor",
    "net n {\n input x: i64[N, 4]\n loss = sum(x)\n}": "the loss is floating-point, this is `i64[]`",
    "net n {\n input x: f32[N, 4]\n loss = x\n}": "the loss is one number, this is `f32[N, 4]`",
    "net n {\n input x: f32[N, 4]\n loss = mean(x)\n}": "nothing to train in `n`: it has no parameters",
    "net n {\n input x: f32[N, 4]\n y = x -> Dense(3)\n loss = mean(x)\n}": "the loss depends on no parameter",
    "net n {\n input x: f32[N, 4]\n loss = mean(x -> Dens(3))\n}": "there is no layer or block `Dens`",
    "net n {\n input x: f32[N, 4]\n param w: f32[4] = ones\n loss = mean(floor(x * w))\n}":
        "no gradient reaches `w`: `floor` has none",
    "net n {\n input x: f32[N, 4]\n y = x -> Dense(3) -> floor\n loss = mean(y)\n}":
        "no gradient reaches `y.weight`: `floor` has none",
}  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_a_line(line: str) -> None:
    found = said(line=line.replace("; ", "\n  "))
    assert any(words in found for words in LINES[line].split("|")), found
    assert found.count("error[") == 1, "one mistake is reported once"


@pytest.mark.parametrize("line", FINE)
def test_a_line_at_a_bound_is_fine(line: str) -> None:
    netc.check(SPEC.format(**{**PLAIN, "line": line.replace("; ", "\n  ")}))


@pytest.mark.parametrize("net", NETS)
def test_a_net(net: str) -> None:
    with pytest.raises(netc.NetError) as e:
        netc.check(net)
    assert NETS[net] in e.value.render()
    assert e.value.render().count("error[") == 1


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


def test_as_many_names_are_listed_as_help() -> None:
    """The first six parameters."""
    text = 'net n {\n input x: f32[N, 4]\n h = x\n repeat 4 { h = h -> Dense(4) }\n loss = mean(h) + l2("q")\n}'
    with pytest.raises(netc.NetError) as e:
        netc.check(text)
    names = [f"`repeat_{i}.h.{part}`" for i in range(4) for part in ("weight", "bias")]
    assert e.value.diagnostics[0].help == "the parameters are " + ", ".join(names[:6])


def test_a_refusal_says_why() -> None:
    assert str(Refused("argument", "the reason", "rate")) == "the reason"
