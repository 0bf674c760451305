"""Sizes as polynomials: how they are written and read, added, multiplied, divided, fixed and counted; how shapes combine."""

from __future__ import annotations

import itertools

import pytest

from netc.compiler.graph.dimensions import Dim, add, bind, evaluate, multiply, parse, product, quotient, symbol
from netc.compiler.graph.types import BroadcastError, broadcast

N, T = symbol("N"), symbol("T")
WRITTEN: dict[str, Dim] = {
    "0": 0, "7": 7, "-3": -3, "N": N, "N*4": multiply(N, 4), "N*T": multiply(T, N), "N + 1": add(N, 1), "N - 1": add(N, -1),
    "N*T*-2 + N*3 - 5": add(add(multiply(multiply(N, T), -2), multiply(3, N)), -5), "N*N": multiply(N, N), "N + T": add(T, N),
    "N*-1 + T": add(T, multiply(N, -1)),
}  # fmt: skip


@pytest.mark.parametrize("text", WRITTEN)
def test_a_size_is_written_and_read(text: str) -> None:
    assert str(WRITTEN[text]) == text
    assert parse(text) == WRITTEN[text]
    assert hash(parse(text)) == hash(WRITTEN[text])


@pytest.mark.parametrize(
    ("text", "size"), [("-N", multiply(N, -1)), ("4*N", multiply(N, 4)), ("N + N", multiply(2, N)), ("N - N", 0)]
)
def test_what_others_write_is_put_in_order(text: str, size: Dim) -> None:
    assert parse(text) == size


@pytest.mark.parametrize("text", ["a b", "N/2", "floor(N)", "2.5", "N +T", ""])
def test_what_is_no_polynomial_is_a_symbol_of_its_own(text: str) -> None:
    assert parse(text) == symbol(text)


def test_arithmetic_is_that_of_the_numbers_behind() -> None:
    sizes = [0, 1, 2, -3, N, T, add(N, 1), multiply(N, T), add(multiply(N, 2), -5)]
    at = {"N": 7, "T": 11}
    for a, b in itertools.product(sizes, repeat=2):
        assert evaluate(add(a, b), at) == evaluate(a, at) + evaluate(b, at)
        assert evaluate(multiply(a, b), at) == evaluate(a, at) * evaluate(b, at)
        assert add(a, b) == add(b, a)
        assert multiply(a, b) == multiply(b, a)
    assert product([]) == 1
    assert product([N, 3, T, 2]) == multiply(multiply(N, T), 6)


QUOTIENTS: list[tuple[Dim, Dim, Dim | None]] = [
    (12, 4, 3), (13, 4, None), (0, 4, 0), (12, 0, None), (N, 0, None), (N, 1, N), (N, N, 1), (multiply(N, 6), 3, multiply(N, 2)),
    (multiply(N, 6), 4, None), (multiply(multiply(N, T), 6), multiply(N, 2), multiply(T, 3)), (N, T, None),
    (multiply(N, N), N, N), (N, multiply(N, N), None), (add(multiply(N, 4), 8), 4, add(N, 2)), (add(multiply(N, 4), 6), 4, None),
    (add(N, 1), add(N, 1), 1), (add(N, 1), add(N, 2), None), (12, N, None), (add(multiply(N, T), N), N, add(T, 1)),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "exact"), QUOTIENTS, ids=str)
def test_a_quotient_is_exact_or_none(a: Dim, b: Dim, exact: Dim | None) -> None:
    assert quotient(a, b) == exact


def test_one_symbol_is_fixed() -> None:
    dim = add(add(multiply(multiply(N, N), T), multiply(N, 2)), 5)
    assert bind(dim, "N", 3) == add(multiply(T, 9), 11)
    assert bind(dim, "T", 2) == add(add(multiply(multiply(N, N), 2), multiply(N, 2)), 5)
    assert bind(dim, "Q", 2) == dim
    assert bind(4, "N", 3) == 4
    assert bind(N, "N", 0) == 0


JOINED = [
    ((2, 3), (2, 3), (2, 3)), ((2, 3), (3,), (2, 3)), ((3,), (2, 3), (2, 3)), ((2, 1), (1, 3), (2, 3)), ((), (2,), (2,)),
    ((N, 3), (1, 3), (N, 3)), ((1,), (N,), (N,)), ((N, 1), (1, T), (N, T)), ((N,), (N,), (N,)), ((1, N), (N,), (1, N)),
    ((N, 1), (1, N), (N, N)), ((1, N, 3), (N, 1, 3), (N, N, 3)),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "both"), JOINED, ids=str)
def test_shapes_that_combine(a: tuple[Dim, ...], b: tuple[Dim, ...], both: tuple[Dim, ...]) -> None:
    assert broadcast(a, b) == both


APART = [
    ((2, 3), (2, 4), "axis -1 is 3 on one side and 4 on the other"), ((3, 2), (4, 2),
        "axis -2 is 3 on one side and 4 on the other"),
    ((N,), (T,), "axis -1 is N on one side and T on the other"), ((N,), (3,), "axis -1 is N on one side and 3 on the other"),
    ((N, 1), (N,), "`N` would land on two axes of the result [N, N]"), ((N,), (N, 1),
        "`N` would land on two axes of the result [N, N]"),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "message"), APART, ids=str)
def test_shapes_that_do_not(a: tuple[Dim, ...], b: tuple[Dim, ...], message: str) -> None:
    with pytest.raises(BroadcastError) as e:
        broadcast(a, b)
    assert str(e.value) == message
