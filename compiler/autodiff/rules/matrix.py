"""Matrix products."""

from __future__ import annotations

import string

import numpy as np

from netc.compiler.autodiff.registry import Cotangents, GraphNode, Needs, attribute, gradient
from netc.compiler.graph.dimensions import product
from netc.compiler.graph.emitter import Emitter, Value
from netc.compiler.graph.inference import UnknownError


@gradient("MatMul", broadcasts=True)
def matmul(op: Emitter, node: GraphNode, dy: Value, needs: Needs) -> Cotangents:
    """Y = A B;  dA = dY B', dB = A' dY; leading axes that broadcast are summed by the engine"""
    a, b = node.inputs
    if not op.has_type(a) and op.has_type(b) and len(op.shape(b)) == 2:  # a's rank shows at run time, 2 or more
        inner, outer = (op.Concat(op.vector([-1]), op.Shape(b, start=i, end=i + 1), axis=0) for i in (0, 1))
        return [op.MatMul(dy, _swapped(op, b)), op.Gemm(op.Reshape(a, inner), op.Reshape(dy, outer), transA=1)]
    if not op.has_type(a) or not op.has_type(b):
        return [op.Einsum(dy, b, equation="...ij,...kj->...ik"), op.Einsum(a, dy, equation="...ki,...kj->...ij")]
    m, n = len(op.shape(a)), len(op.shape(b))
    if m == n == 2:
        da = op.Gemm(dy, b, transB=1) if needs(a) else None
        return [da, op.Gemm(a, dy, transA=1) if needs(b) else None]
    if m > 2 and n == 2:  # one product over all rows, rather than one for each leading index and a sum
        rows = product(op.shape(a)[:-1])
        flat_a, flat_dy = op.reshape(a, (rows, op.shape(a)[-1])), op.reshape(dy, (rows, op.shape(b)[-1]))
        return [op.MatMul(dy, _swapped(op, b)), op.Gemm(flat_a, flat_dy, transA=1)]
    if m == 1 or n == 1:
        return _with_vector(op, a, b, dy)
    return [op.MatMul(dy, _swapped(op, b)), op.MatMul(_swapped(op, a), dy)]


def _with_vector(op: Emitter, a: Value, b: Value, dy: Value) -> list[Value]:
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


def _swapped(op: Emitter, x: Value) -> Value:
    """x with its last two axes exchanged."""
    rank = len(op.shape(x))
    return op.Transpose(x, perm=[*range(rank - 2), rank - 1, rank - 2])


@gradient("Gemm", broadcasts=True)
def gemm(op: Emitter, node: GraphNode, dy: Value, needs: Needs) -> Cotangents:
    """Y = alpha A B + beta C (A, B transposed on request);  dA = alpha dY B', dB = alpha A' dY, dC = beta dY"""
    a, b, c = (*node.inputs, None)[:3]
    alpha, beta = attribute(node, "alpha", 1.0), attribute(node, "beta", 1.0)
    ta, tb = attribute(node, "transA", 0), attribute(node, "transB", 0)
    da = db = None
    if needs(a):
        da = op.Gemm(b, dy, transA=tb, transB=1, alpha=alpha) if ta else op.Gemm(dy, b, transB=1 - tb, alpha=alpha)
    if needs(b):
        db = op.Gemm(dy, a, transA=1, transB=ta, alpha=alpha) if tb else op.Gemm(a, dy, transA=1 - ta, alpha=alpha)
    return [da, db, None if c is None else dy if beta == 1 else op.Mul(dy, beta)]


@gradient("Det")
def det(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = det X;  dX = dy C, C_ij = (-1)^(i+j) det(X without row i and column j), singular X included"""
    x = node.inputs[0]
    *lead, _, n = op.shape(x)
    spread = op.Unsqueeze(dy, op.vector([-2, -1]))
    if not isinstance(n, int):
        raise UnknownError("the size of the matrix is not known")
    if n == 1:
        return [spread]
    kept = [[k for k in range(n) if k != i] for i in range(n)]
    at = np.array([[[r * n + c for c in kept[j]] for r in kept[i]] for i in range(n) for j in range(n)], dtype=np.int64)
    minors = op.Gather(op.reshape(x, (*lead, n * n)), op.tensor(at), axis=len(lead))
    signs = np.array([[(-1) ** (i + j) for j in range(n)] for i in range(n)])
    cofactors = op.Mul(op.reshape(op.Det(minors), (*lead, n, n)), op.cast(op.tensor(signs), x.dtype))
    return [op.Mul(spread, cofactors)]


@gradient("Einsum", broadcasts=True)
def einsum(op: Emitter, node: GraphNode, dy: Value) -> Cotangents:
    """y = sum of products over labels;  the cotangent of one operand is the sum of products of dy and the others"""
    left, result = _equation(attribute(node, "equation"))
    found = []
    for k, (term, x) in enumerate(zip(left, node.inputs)):
        others = [(t, v) for i, (t, v) in enumerate(zip(left, node.inputs)) if i != k]
        terms, values, target = [result, *(t for t, _ in others)], [dy, *(v for _, v in others)], ""
        labels = _labels(term)
        for i, label in enumerate(labels):
            axis = i - len(labels) if "..." in labels[:i] else i  # behind an ellipsis, from the back
            if label == "...":
                target += label
            elif label in target:  # a repeated label reads a diagonal; its cotangent lies on that diagonal
                fresh = next(c for c in string.ascii_letters if c not in "".join([*terms, target, term]))
                size = op.Unsqueeze(_size(op, x, axis), op.vector([0]))
                square = op.ConstantOfShape(op.Concat(size, size, axis=0))
                terms, values, target = (
                    [*terms, label + fresh],
                    [*values, op.EyeLike(square, dtype=dy.dtype)],
                    target + fresh,
                )
            else:
                if not any(label in t for t in terms):  # summed over in this operand alone
                    size = op.Unsqueeze(_size(op, x, axis), op.vector([0]))
                    one = op.Unsqueeze(op.constant(1.0, dy.dtype), op.vector([0]))
                    terms, values = [*terms, label], [*values, op.Expand(one, size)]
                target += label
        if "..." not in target and any("..." in t for t in terms):
            target = "..." + target
        found.append(op.Einsum(*values, equation=",".join(terms) + "->" + target))
    return found


def _equation(text: str) -> tuple[list[str], str]:
    """The terms of an equation and its result, which is implied where it is not written."""
    left, arrow, result = text.replace(" ", "").partition("->")
    if not arrow:
        letters = [c for c in left if c.isalpha()]
        result = "..." * ("..." in left) + "".join(sorted({c for c in letters if letters.count(c) == 1}))
    return left.split(","), result


def _labels(term: str) -> list[str]:
    """The label of each axis of a term; an ellipsis stands once, for all of its axes."""
    front, dots, back = term.partition("...")
    return [*front, *([dots] if dots else []), *back]


def _size(op: Emitter, x: Value, axis: int) -> Value:
    return op.dimension(op.shape(x)[axis])
