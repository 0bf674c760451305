"""Sizes of axes: a whole number, or a polynomial over the symbolic dimensions of the net (`N`, `T * 8`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

Monomial = tuple[str, ...]


@dataclass(frozen=True)
class Symbolic:
    """A polynomial with whole coefficients in normal form: sorted (symbols, coefficient) terms."""

    terms: tuple[tuple[Monomial, int], ...]

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(self.terms)

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        parts = []
        for symbols, coefficient in self.terms:
            factors = list(symbols)
            if coefficient != 1 or not symbols:
                factors = [str(coefficient), *factors] if not symbols else [*factors, str(coefficient)]
            parts.append("*".join(factors))
        return " + ".join(parts).replace("+ -", "- ")

    __repr__ = __str__

    @property
    def symbols(self) -> set[str]:
        return {s for monomial, _ in self.terms for s in monomial}


Dim = int | Symbolic
Shape = tuple[Dim, ...]


def symbol(name: str) -> Symbolic:
    """The dimension that a bare capital name stands for."""
    return Symbolic((((name,), 1),))


def parse(text: str) -> Dim:
    """A dimension as `str` wrote it; anything that is no such polynomial is a symbol of its own."""
    terms: Dim = 0
    for term in text.replace(" - ", " + -").split(" + "):
        product: Dim = 1
        for factor in term.split("*"):
            sign, factor = (-1, factor[1:]) if factor.startswith("-") and not factor[1:].isdigit() else (1, factor)
            if not factor.isidentifier() and not factor.lstrip("-").isdigit():
                return symbol(text)
            value: Dim = symbol(factor) if factor.isidentifier() else int(factor)
            product = multiply(multiply(product, sign), value)
        terms = add(terms, product)
    return terms


def _terms(dim: Dim) -> dict[Monomial, int]:
    return dict(dim.terms) if isinstance(dim, Symbolic) else {(): dim}


def _normal(terms: dict[Monomial, int]) -> Dim:
    kept = {m: c for m, c in terms.items() if c}
    if set(kept) <= {()}:
        return kept.get((), 0)
    return Symbolic(tuple(sorted(kept.items(), key=lambda t: (-len(t[0]), t[0]))))


def add(a: Dim, b: Dim) -> Dim:
    """a + b"""
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    terms = _terms(a)
    for monomial, coefficient in _terms(b).items():
        terms[monomial] = terms.get(monomial, 0) + coefficient
    return _normal(terms)


def multiply(a: Dim, b: Dim) -> Dim:
    """a * b"""
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    terms: dict[Monomial, int] = {}
    for m, c in _terms(a).items():
        for n, d in _terms(b).items():
            key = tuple(sorted(m + n))
            terms[key] = terms.get(key, 0) + c * d
    return _normal(terms)


def product(dims: Iterable[Dim]) -> Dim:
    """The number of elements of a tensor with these dimensions."""
    return _product(tuple(dims))


@lru_cache(maxsize=4096)
def _product(dims: Shape) -> Dim:
    total: Dim = 1
    for d in dims:
        total = multiply(total, d)
    return total


def quotient(a: Dim, b: Dim) -> Dim | None:
    """a / b where b divides a exactly for every size, else None. `b` is a number or a single product."""
    if b == 0:
        return None
    if isinstance(a, int) and isinstance(b, int):
        return a // b if a % b == 0 else None
    divisor = list(_terms(b).items())
    if len(divisor) != 1:
        return 1 if a == b else None
    (symbols, factor) = divisor[0]
    terms = {}
    for monomial, coefficient in _terms(a).items():
        rest = list(monomial)
        for s in symbols:
            if s not in rest:
                return None
            rest.remove(s)
        if coefficient % factor:
            return None
        terms[tuple(rest)] = coefficient // factor
    return _normal(terms)


def evaluate(dim: Dim, sizes: dict[str, int]) -> int:
    """The dimension as a number, given the size of every symbol."""
    if isinstance(dim, int):
        return dim
    total = 0
    for monomial, coefficient in dim.terms:
        for s in monomial:
            coefficient *= sizes[s]
        total += coefficient
    return total


@lru_cache(maxsize=4096)
def bind(dim: Dim, name: str, size: int) -> Dim:
    """The dimension with one symbol fixed."""
    if isinstance(dim, int):
        return dim
    terms: dict[Monomial, int] = {}
    for monomial, coefficient in dim.terms:
        kept = tuple(s for s in monomial if s != name)
        value = coefficient * size ** (len(monomial) - len(kept))
        terms[kept] = terms.get(kept, 0) + value
    return _normal(terms)
