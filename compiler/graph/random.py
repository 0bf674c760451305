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
from collections.abc import Sequence

import numpy as np

from netc.compiler.graph.dimensions import Dim, product
from netc.compiler.graph.emitter import Emitter, Value
from netc.compiler.graph.types import DTYPES, TensorType

U32, I32, F32 = DTYPES["u32"], DTYPES["i32"], DTYPES["f32"]
# sqrt(K). The squares wrap around often enough to mix (a quarter of K still passes the tests), and their difference stays
# small enough that float32 leaves frac() twelve bits: with K = 1021 and a sum the share of kept elements is off by 5e-4.
SPREAD = math.sqrt(255.34)
_SEED_KEY, _STEP_KEY, _SITE_KEY = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D  # odd, without pattern in their bits
COLUMNS = 1 << 31  # counters from here on belong to columns


class Random:
    """Draws for one graph. `step` and `row` are absent where first values are drawn."""

    def __init__(self, op: Emitter, seed: Value, step: Value | None = None, row: Value | None = None):
        self.op, self.seed, self.step, self.row = op, seed, step, row

    def u32(self, value: int) -> Value:
        return self.op.constant(np.uint32(value), U32)

    def key(self, site: int) -> Value:
        """An odd 32-bit scalar that depends on (seed, step, site)."""
        op = self.op
        mixed = self.hash(op.Add(op.shared("random", self.base), self.u32(site)), self.u32(_SITE_KEY))
        return op.Add(op.Mul(mixed, self.u32(2)), self.u32(1))

    def base(self) -> Value:
        """32 bits of (seed, step)."""
        op = self.op
        h = self.hash(op.cast(self.seed, U32), self.u32(_SEED_KEY))
        if self.step is None:
            return h
        return self.hash(op.Add(h, op.cast(self.step, U32)), self.u32(_STEP_KEY))

    def hash(self, counter: Value, key: Value) -> Value:
        """32 well-mixed bits of each counter, a uint32 tensor."""
        y = self.op.Mul(counter, key)
        return self.rounds(y, self.op.Add(y, key))

    def rounds(self, y: Value, z: Value) -> Value:
        """The four rounds, from y = counter key and z = (counter + 1) key."""
        op = self.op
        x = y
        for addend in (y, z, y, z):
            x = op.Add(op.Mul(x, x), addend)
            x = op.Add(op.Mul(x, self.u32(65536)), op.Div(x, self.u32(65536)))
        return x

    def unit(self, bits: Value) -> Value:
        """float32 in [0, 1) from the upper 24 bits, exact on every device."""
        op = self.op
        return op.Mul(op.cast(op.Div(bits, self.u32(256)), F32), 2.0**-24)

    def counters(self, count: Dim) -> Value:
        """0, 1, ... as uint32."""
        op = self.op
        zero, one = op.constant(0, I32), op.constant(1, I32)
        numbers = op.Range(zero, op.cast(op.dimension(count), I32), one, type=TensorType(I32, (count,)))
        return op.cast(numbers, U32)

    # --- first values -------------------------------------------------------------------------------------------------

    def bits(self, requests: Sequence[tuple[int, int]]) -> list[Value]:
        """Random words for several (count, site) requests, hashed together: a dozen nodes for all, three for each."""
        op = self.op
        sites = op.tensor(np.array([site for _, site in requests], dtype=np.uint32))
        mixed = self.hash(op.Add(op.shared("random", self.base), sites), self.u32(_SITE_KEY))
        odd = op.Add(op.Mul(mixed, self.u32(2)), self.u32(1))
        one = TensorType(U32, (1,))
        keys = self.split(odd, [1] * len(requests), [one] * len(requests))
        starts = [op.Mul(self.counters(count), key) for (count, _), key in zip(requests, keys)]
        nexts = [op.Add(y, key) for y, key in zip(starts, keys)]
        words = self.rounds(self.join(starts), self.join(nexts))
        counts = [count for count, _ in requests]
        return self.split(words, counts, [TensorType(U32, (count,)) for count in counts])

    def join(self, parts: list[Value]) -> Value:
        return parts[0] if len(parts) == 1 else self.op.Concat(*parts, axis=0)

    def split(self, x: Value, sizes: list[int], types: list[TensorType]) -> list[Value]:
        if len(sizes) == 1:
            return [x]
        return list(self.op.node("Split", [x, self.op.vector(sizes)], {"axis": 0}, len(sizes), tuple(types)))

    def uniform(self, bits: Value, shape: tuple[int, ...], low: float, high: float) -> Value:
        """Uniform in [low, high) from one word each."""
        op = self.op
        u = self.unit(bits)
        return op.reshape(op.Add(op.Mul(u, high - low), low), shape)

    def normal(self, bits: Value, shape: tuple[int, ...], deviation: float) -> Value:
        """Normal with mean 0: Box & Muller (1958) on pairs of words."""
        op = self.op
        size = math.prod(shape)
        half = (size + 1) // 2
        first = op.Slice(bits, op.vector([0]), op.vector([half]))
        second = op.Slice(bits, op.vector([half]), op.vector([2 * half]))
        u = op.Add(self.unit(first), 2.0**-25)  # never 0
        radius = op.Mul(op.Sqrt(op.Mul(op.Log(u), -2.0)), deviation)
        angle = op.Mul(self.unit(second), 2 * math.pi)
        pair = op.Concat(op.Mul(radius, op.Cos(angle)), op.Mul(radius, op.Sin(angle)), axis=0)
        return op.reshape(pair if size == 2 * half else op.Slice(pair, op.vector([0]), op.vector([size])), shape)

    def orthogonal(self, bits: Value, shape: tuple[int, int]) -> Value:
        """Orthonormal columns nearest to a normal matrix: Newton-Schulz, X <- 1.5 X - 0.5 X X'X, until it stands still."""
        op = self.op
        drawn = self.normal(bits, shape, 1.0)
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

    def keep_mask(self, x: Value, keep: float, site: int) -> Value:
        """1 / keep with probability `keep`, else 0, of x's type. Rows are told apart by their global number."""
        op = self.op
        assert self.row is not None, "first values have no rows"
        t = op.type_of(x)
        rows: Dim = t.shape[0] if t.rank else 1
        columns = product(t.shape[1:])
        two, one = self.u32(2), self.u32(1)
        row = op.Mul(op.Add(self.counters(rows), op.cast(self.row, U32)), two)
        column = op.Add(op.Mul(self.counters(columns), two), self.u32(COLUMNS))
        counters = op.Concat(row, op.Add(row, one), column, op.Add(column, one), axis=0)
        sizes = (rows, rows, columns, columns)
        r, r_, c, c_ = op.node(
            "Split", [self.spread(counters, site), op.shape_tensor(sizes)], {"axis": 0}, 4,
            tuple(TensorType(F32, (size,)) for size in sizes),
        )  # fmt: skip
        first = op.Add(op.reshape(r, (rows, 1)), c)
        second = op.Add(op.reshape(r_, (rows, 1)), c_)
        mixed = op.Sub(op.Mul(first, first), op.Mul(second, second))
        kept = op.Less(op.Sub(mixed, op.Floor(mixed)), keep)
        mask = op.Mul(op.cast(kept, t.dtype), 1 / keep)
        return op.reshape(mask, t.shape)

    def spread(self, counters: Value, site: int) -> Value:
        """sqrt(K) [0.5, 1.5) for each counter at a site."""
        op = self.op
        u = self.unit(self.hash(counters, self.key(site)))
        return op.Add(op.Mul(u, SPREAD), SPREAD / 2)
