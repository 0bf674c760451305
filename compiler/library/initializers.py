"""First values of parameters. Random ones are a function of (seed, site) computed in init.onnx (random.py).

A matrix is [in, out]; `fan_in` is the product of all its dimensions but the last, `fan_out` the last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from netc.compiler.graph.types import ONNX_DTYPES, show_shape
from netc.compiler.language.lowering import Emitter, Random, Value
from netc.compiler.language.refusal import Refused
from netc.compiler.language.variables import Initializer
from netc.compiler.language.words import constructor


def normal_words(shape: tuple[int, ...]) -> int:
    """Words for normal values, which are drawn in pairs."""
    return 2 * ((math.prod(shape) + 1) // 2)


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan_in, fan_out) of a parameter stored [in, out]; of a vector both are its length."""
    if len(shape) < 2:
        return (shape[0], shape[0]) if shape else (1, 1)
    return math.prod(shape[:-1]), shape[-1]


@constructor("initializer")
class Zeros(Initializer):
    """0"""

    def emit(self, op: Emitter, random: Random, bits: Value | None, shape: tuple[int, ...], dtype: int) -> Value:
        return op.fill(0.0, shape, dtype)


@constructor("initializer")
class Ones(Initializer):
    """1"""

    def emit(self, op: Emitter, random: Random, bits: Value | None, shape: tuple[int, ...], dtype: int) -> Value:
        return op.fill(1.0, shape, dtype)


@constructor("initializer", name="constant")
class ConstantValue(Initializer):
    """`value` everywhere"""

    value: float

    def emit(self, op: Emitter, random: Random, bits: Value | None, shape: tuple[int, ...], dtype: int) -> Value:
        return op.fill(float(self.value), shape, dtype)


@dataclass(frozen=True)
class Values(Initializer):
    """The numbers that a spec writes in brackets, of the shape that they have there."""

    values: tuple[Any, ...]
    shape: tuple[int, ...]

    def check(self, shape: tuple[int, ...]) -> None:
        if shape != self.shape:
            raise Refused(
                "literal", f"these are {show_shape(self.shape)} numbers, the parameter is {show_shape(shape)}",
                help="write as many numbers as the parameter has, row by row",
            )  # fmt: skip

    def emit(self, op: Emitter, random: Random, bits: Value | None, shape: tuple[int, ...], dtype: int) -> Value:
        exact = np.array(self.values, dtype=object).astype(np.float64)
        return op.tensor(exact.astype(ONNX_DTYPES[dtype].numpy))

    def __str__(self) -> str:
        return str(np.array(self.values, dtype=object).astype(float).tolist())


class _Normal(Initializer):
    def deviation(self, shape: tuple[int, ...]) -> float:
        raise NotImplementedError

    def mean_of(self) -> float:
        return 0.0

    def words(self, shape: tuple[int, ...]) -> int:
        return normal_words(shape)

    def emit(self, op: Emitter, random: Random, bits: Value | None, shape: tuple[int, ...], dtype: int) -> Value:
        assert bits is not None
        drawn = random.normal(bits, shape, self.deviation(shape))
        return op.cast(op.Add(drawn, self.mean_of()) if self.mean_of() else drawn, dtype)


class _Uniform(Initializer):
    def bounds(self, shape: tuple[int, ...]) -> tuple[float, float]:
        raise NotImplementedError

    def words(self, shape: tuple[int, ...]) -> int:
        return math.prod(shape)

    def emit(self, op: Emitter, random: Random, bits: Value | None, shape: tuple[int, ...], dtype: int) -> Value:
        assert bits is not None
        low, high = self.bounds(shape)
        return op.cast(random.uniform(bits, shape, low, high), dtype)


def _positive(value: float, at: str) -> None:
    if not value > 0:
        raise Refused("argument", f"`{at}` must be positive, not {value:g}", at)


@constructor("initializer")
class Normal(_Normal):
    """mean + std n, n normal"""

    std: float = 0.01
    mean: float = 0.0

    def __post_init__(self) -> None:
        _positive(self.std, "std")

    def deviation(self, shape: tuple[int, ...]) -> float:
        return float(self.std)

    def mean_of(self) -> float:
        return float(self.mean)


@constructor("initializer")
class Uniform(_Uniform):
    """uniform in [low, high)"""

    low: float = -0.05
    high: float = 0.05

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise Refused("argument", f"`low` is {self.low:g}, not below `high`, {self.high:g}", "low")

    def bounds(self, shape: tuple[int, ...]) -> tuple[float, float]:
        return float(self.low), float(self.high)


@constructor("initializer")
class GlorotNormal(_Normal):
    """normal with variance 2 / (fan_in + fan_out)  (Glorot & Bengio, 2010)"""

    def deviation(self, shape: tuple[int, ...]) -> float:
        return math.sqrt(2 / sum(fans(shape)))


@constructor("initializer")
class GlorotUniform(_Uniform):
    """uniform in +-sqrt(6 / (fan_in + fan_out))  (Glorot & Bengio, 2010)"""

    def bounds(self, shape: tuple[int, ...]) -> tuple[float, float]:
        limit = math.sqrt(6 / sum(fans(shape)))
        return -limit, limit


@constructor("initializer")
class HeNormal(_Normal):
    """normal with variance 2 / fan_in, for ReLU networks  (He et al., 2015)"""

    def deviation(self, shape: tuple[int, ...]) -> float:
        return math.sqrt(2 / fans(shape)[0])


@constructor("initializer")
class HeUniform(_Uniform):
    """uniform in +-sqrt(6 / fan_in)  (He et al., 2015)"""

    def bounds(self, shape: tuple[int, ...]) -> tuple[float, float]:
        limit = math.sqrt(6 / fans(shape)[0])
        return -limit, limit


@constructor("initializer")
class LecunNormal(_Normal):
    """normal with variance 1 / fan_in  (LeCun et al., 1998)"""

    def deviation(self, shape: tuple[int, ...]) -> float:
        return math.sqrt(1 / fans(shape)[0])


@constructor("initializer")
class Orthogonal(Initializer):
    """gain times a matrix with orthonormal rows or columns, whichever are fewer  (Saxe et al., 2013)"""

    gain: float = 1.0

    def check(self, shape: tuple[int, ...]) -> None:
        if len(shape) < 2:
            raise Refused("argument", f"`orthogonal` fills matrices, not {show_shape(shape)}", help="such as `normal`")

    def words(self, shape: tuple[int, ...]) -> int:
        return normal_words(shape)

    def emit(self, op: Emitter, random: Random, bits: Value | None, shape: tuple[int, ...], dtype: int) -> Value:
        rows, columns = fans(shape)
        tall = (max(rows, columns), min(rows, columns))
        assert bits is not None
        q = random.orthogonal(bits, tall)
        q = q if rows >= columns else op.Transpose(q, perm=[1, 0])
        return op.cast(op.reshape(op.Mul(q, float(self.gain)), shape), dtype)
