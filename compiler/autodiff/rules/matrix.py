"""Matrix products."""

from __future__ import annotations

from typing import Any

from netc.compiler.autodiff.registry import attribute, gradient
from netc.compiler.dimensions import product


@gradient("MatMul")
def matmul(op: Any, node: Any, dy: Any) -> list[Any]:
    """Y = A B;  dA = dY B', dB = A' dY; leading axes that broadcast are summed by the engine"""
    a, b = node.inputs
    m, n = len(op.shape(a)), len(op.shape(b))
    if m == n == 2:
        return [op.Gemm(dy, b, transB=1), op.Gemm(a, dy, transA=1)]
    if m > 2 and n == 2:  # one product over all rows, rather than one for each leading index and a sum
        rows = product(op.shape(a)[:-1])
        flat_a, flat_dy = op.reshape(a, (rows, op.shape(a)[-1])), op.reshape(dy, (rows, op.shape(b)[-1]))
        return [op.MatMul(dy, _swapped(op, b)), op.Gemm(flat_a, flat_dy, transA=1)]
    if m == 1 or n == 1:
        return _with_vector(op, a, b, dy)
    return [op.MatMul(dy, _swapped(op, b)), op.MatMul(_swapped(op, a), dy)]


def _with_vector(op: Any, a: Any, b: Any, dy: Any) -> list[Any]:
    """A vector counts as a matrix of one row (on the left) or one column (on the right)."""
    front, back = op.vector([-2]), op.vector([-1])
    left = op.Unsqueeze(a, op.vector([0])) if len(op.shape(a)) == 1 else a
    right = op.Unsqueeze(b, op.vector([1])) if len(op.shape(b)) == 1 else b
    if len(op.shape(b)) == 1:
        dy = op.Unsqueeze(dy, back)
    if len(op.shape(a)) == 1:
        dy = op.Unsqueeze(dy, front)
    da, db = op.MatMul(dy, _swapped(op, right)), op.MatMul(_swapped(op, left), dy)
    return [
        op.Squeeze(da, front) if len(op.shape(a)) == 1 else da,
        op.Squeeze(db, back) if len(op.shape(b)) == 1 else db,
    ]


def _swapped(op: Any, x: Any) -> Any:
    """x with its last two axes exchanged."""
    rank = len(op.shape(x))
    return op.Transpose(x, perm=[*range(rank - 2), rank - 1, rank - 2])


@gradient("Gemm")
def gemm(op: Any, node: Any, dy: Any) -> list[Any]:
    """Y = alpha A B + beta C (A, B transposed on request);  dA = alpha dY B', dB = alpha A' dY, dC = beta dY"""
    a, b, c = (*node.inputs, None)[:3]
    alpha, beta = attribute(node, "alpha", 1.0), attribute(node, "beta", 1.0)
    ta, tb = attribute(node, "transA", 0), attribute(node, "transB", 0)
    da = op.Gemm(b, dy, transA=tb, transB=1, alpha=alpha) if ta else op.Gemm(dy, b, transB=1 - tb, alpha=alpha)
    db = op.Gemm(dy, a, transA=1, transB=ta, alpha=alpha) if tb else op.Gemm(a, dy, transA=1 - ta, alpha=alpha)
    return [da, db, None if c is None else dy if beta == 1 else op.Mul(dy, beta)]
