"""Randomness as a function of (seed, step, site, row), computed in the graph with standard operators.

A counter-based generator in 32-bit unsigned arithmetic, after the `squares` construction (Widynski, 2020): a counter
times an odd key, then four rounds of squaring, adding and swapping halves. Everything is exact integer arithmetic, so
every device, thread count and optimization level gives the same bits.

A dropout mask would need one such hash for each element. Instead the hash gives two numbers for each row and two for
each column, and each element mixes its row's and its column's in float32:

    u = frac((r + c)^2 - (r' + c')^2),  r, r', c, c' uniform in sqrt(K) [0.5, 1.5)

One pair alone correlates neighbouring rows; two pass chi-square, serial, row, column and 2x2 parity tests.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from netc.compiler.dimensions import Dim, product
from netc.compiler.types import DTYPES, TensorType

U32, I32, F32 = DTYPES["u32"], DTYPES["i32"], DTYPES["f32"]
# sqrt(K). The squares wrap around often enough to mix (a quarter of K still passes the tests), and their difference stays
# small enough that float32 leaves frac() twelve bits: with K = 1021 and a sum the share of kept elements is off by 5e-4.
SPREAD = math.sqrt(255.34)
_SEED_KEY, _STEP_KEY, _SITE_KEY = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D  # odd, without pattern in their bits
COLUMNS = 1 << 31  # counters from here on belong to columns


class Random:
    """Draws for one graph. `step` and `row` are absent where first values are drawn."""

    def __init__(self, op: Any, seed: Any, step: Any = None, row: Any = None):
        self.op, self.seed, self.step, self.row = op, seed, step, row
        self.site = 0  # of the operation being lowered

    def u32(self, value: int) -> Any:
        return self.op.constant(np.uint32(value), U32)

    def key(self, site: int) -> Any:
        """An odd 32-bit scalar that depends on (seed, step, site)."""
        op = self.op

        def base() -> Any:
            h = self.hash(op.cast(self.seed, U32), self.u32(_SEED_KEY))
            if self.step is None:
                return h
            return self.hash(op.Add(h, op.cast(self.step, U32)), self.u32(_STEP_KEY))

        mixed = self.hash(op.Add(op.shared("random", base), self.u32(site)), self.u32(_SITE_KEY))
        return op.Add(op.Mul(mixed, self.u32(2)), self.u32(1))

    def hash(self, counter: Any, key: Any) -> Any:
        """32 well-mixed bits of each counter, a uint32 tensor."""
        op = self.op
        x = y = op.Mul(counter, key)
        z = op.Add(y, key)
        for addend in (y, z, y, z):
            x = op.Add(op.Mul(x, x), addend)
            x = op.Add(op.Mul(x, self.u32(65536)), op.Div(x, self.u32(65536)))
        return x

    def unit(self, bits: Any) -> Any:
        """float32 in [0, 1) from the upper 24 bits, exact on every device."""
        op = self.op
        return op.Mul(op.cast(op.Div(bits, self.u32(256)), F32), 2.0**-24)

    def counters(self, count: Dim) -> Any:
        """0, 1, ... as uint32."""
        op = self.op
        zero, one = op.constant(0, I32), op.constant(1, I32)
        numbers = op.Range(zero, op.cast(op.dimension(count), I32), one, type=TensorType(I32, (count,)))
        return op.cast(numbers, U32)

    # --- first values -------------------------------------------------------------------------------------------------

    def uniform(self, shape: tuple[int, ...], site: int, low: float, high: float) -> Any:
        """Uniform in [low, high)."""
        op = self.op
        u = self.unit(self.hash(self.counters(product(shape)), self.key(site)))
        return op.reshape(op.Add(op.Mul(u, high - low), low), shape)

    def normal(self, shape: tuple[int, ...], site: int, deviation: float) -> Any:
        """Normal with mean 0: Box & Muller (1958) on pairs of uniforms."""
        op = self.op
        size = math.prod(shape)
        half = (size + 1) // 2
        bits = self.hash(self.counters(2 * half), self.key(site))
        first = op.Slice(bits, op.vector([0]), op.vector([half]))
        second = op.Slice(bits, op.vector([half]), op.vector([2 * half]))
        u = op.Add(self.unit(first), 2.0**-25)  # never 0
        radius = op.Mul(op.Sqrt(op.Mul(op.Log(u), -2.0)), deviation)
        angle = op.Mul(self.unit(second), 2 * math.pi)
        pair = op.Concat(op.Mul(radius, op.Cos(angle)), op.Mul(radius, op.Sin(angle)), axis=0)
        return op.reshape(pair if size == 2 * half else op.Slice(pair, op.vector([0]), op.vector([size])), shape)

    def orthogonal(self, shape: tuple[int, int], site: int) -> Any:
        """Orthonormal columns nearest to a normal matrix: Newton-Schulz, X <- 1.5 X - 0.5 X X'X, until it stands still."""
        from netc.compiler.emit import Emitter

        op = self.op
        drawn = self.normal(shape, site, 1.0)
        start = op.Div(drawn, op.reduce("ReduceL2", drawn, None, False))
        body = Emitter("newton_schulz", op.opset)
        matrix = TensorType(F32, shape)
        body.input("iteration", TensorType(DTYPES["i64"], ()))
        body.input("going", TensorType(DTYPES["bool"], ()))
        x = body.input("x", matrix)
        gram = body.MatMul(body.Transpose(x, perm=[1, 0]), x)
        following = body.Sub(body.Mul(x, 1.5), body.Mul(body.MatMul(x, gram), 0.5))
        change = body.reduce("ReduceMax", body.Abs(body.Sub(following, x)), None, False)
        body.output("still_going", body.Greater(change, 1e-6))
        body.output("next", following)
        most = op.constant(100, DTYPES["i64"])
        return op.Loop(most, op.constant(True, DTYPES["bool"]), start, body=body.graph, type=matrix)

    # --- dropout ------------------------------------------------------------------------------------------------------

    def keep_mask(self, x: Any, keep: float) -> Any:
        """1 / keep with probability `keep`, else 0, of x's type. Rows are told apart by their global number."""
        op = self.op
        t = op.type_of(x)
        rows: Dim = t.shape[0] if t.rank else 1
        columns = product(t.shape[1:])
        two, one = self.u32(2), self.u32(1)
        row = op.Mul(op.Add(self.counters(rows), op.cast(self.row, U32)), two)
        column = op.Add(op.Mul(self.counters(columns), two), self.u32(COLUMNS))
        counters = op.Concat(row, op.Add(row, one), column, op.Add(column, one), axis=0)
        sizes = (rows, rows, columns, columns)
        r, r_, c, c_ = op.node(
            "Split", [self.spread(counters), op.shape_tensor(sizes)], {"axis": 0}, 4,
            tuple(TensorType(F32, (size,)) for size in sizes),
        )  # fmt: skip
        first = op.Add(op.reshape(r, (rows, 1)), c)
        second = op.Add(op.reshape(r_, (rows, 1)), c_)
        mixed = op.Sub(op.Mul(first, first), op.Mul(second, second))
        kept = op.Less(op.Sub(mixed, op.Floor(mixed)), keep)
        mask = op.Mul(op.cast(kept, t.dtype), 1 / keep)
        return op.reshape(mask, t.shape)

    def spread(self, counters: Any) -> Any:
        """sqrt(K) [0.5, 1.5) for each counter at this site."""
        op = self.op
        u = self.unit(self.hash(counters, self.key(self.site)))
        return op.Add(op.Mul(u, SPREAD), SPREAD / 2)
