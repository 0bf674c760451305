"""Every initialiser with every setting: first values, bounds, moments and forms, as the published formulas say."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import netc
from netc.compiler.assembly import first_values
from netc.compiler.graph.random import Random
from tests.numbers import reference as ref
from tests.numbers.host import Array, Host, compiled

SHAPES = {"matrix": (150, 80), "deep": (6, 25, 80), "vector": (9000,)}
FANS = {"matrix": (150, 80), "deep": (150, 80), "vector": (9000, 9000)}  # the last dimension, and all before it


@dataclass(frozen=True)
class Normal:
    mean: float
    std: float


@dataclass(frozen=True)
class Uniform:
    low: float
    high: float


def within(limit: float) -> Uniform:
    return Uniform(-limit, limit)


def expected(text: str, shape: str) -> Normal | Uniform | float:
    """What an initialiser draws from, or the one value that it gives."""
    fan_in, fan_out = FANS[shape]
    return {
        "zeros": 0.0,
        "ones": 1.0,
        "constant(-0.7)": -0.7,
        "2.5": 2.5,
        "normal": Normal(0, 0.01),
        "normal(std = 0.3)": Normal(0, 0.3),
        "normal(std = 0.3, mean = 1.7)": Normal(1.7, 0.3),
        "uniform": Uniform(-0.05, 0.05),
        "uniform(low = 0.4, high = 0.9)": Uniform(0.4, 0.9),
        "glorot_normal": Normal(0, math.sqrt(2 / (fan_in + fan_out))),
        "glorot_uniform": within(math.sqrt(6 / (fan_in + fan_out))),
        "he_normal": Normal(0, math.sqrt(2 / fan_in)),
        "he_uniform": within(math.sqrt(6 / fan_in)),
        "lecun_normal": Normal(0, math.sqrt(1 / fan_in)),
    }[text]


INITIALIZERS = [
    "zeros", "ones", "constant(-0.7)", "2.5", "normal", "normal(std = 0.3)", "normal(std = 0.3, mean = 1.7)", "uniform",
    "uniform(low = 0.4, high = 0.9)", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "lecun_normal",
]  # fmt: skip
ORTHOGONAL = {"orthogonal": 1.0, "orthogonal(gain = 1.6)": 1.6}
DRAWN = [(t, s) for t in INITIALIZERS for s in SHAPES]


def spec(rows: list[tuple[str, tuple[int, ...]]], dtype: str = "f32") -> str:
    lines = [f"  param p{i}: {dtype}{list(shape)} = {text}" for i, (text, shape) in enumerate(rows)]
    total = " + ".join(f"sum(p{i})" for i in range(len(rows)))
    return "net n {\n  input x: f32[N]\n" + "\n".join(lines) + f"\n  loss = {total}\n}}"


@pytest.fixture(scope="module")
def first() -> dict[tuple[str, str], Array]:
    """The first value of every row in every shape."""
    state = Host(compiled(spec([(t, SHAPES[s]) for t, s in DRAWN]))).state
    return {row: state[f"p{i}"].astype(np.float64) for i, row in enumerate(DRAWN)}


@pytest.mark.parametrize(("text", "shape"), DRAWN, ids=[f"{t}-{s}" for t, s in DRAWN])
def test_the_distribution(first: dict[tuple[str, str], Array], text: str, shape: str) -> None:
    """Moments and the whole distribution function, each within five deviations of its own."""
    x, law = first[text, shape], expected(text, shape)
    assert x.shape == SHAPES[shape]
    if isinstance(law, float):
        np.testing.assert_array_equal(x, np.float32(law))
        return
    x, n = np.sort(x.ravel()), x.size
    if isinstance(law, Normal):
        mean, std, kurtosis = law.mean, law.std, 3.0
        distribution = 0.5 * (1 + ref.erf((x - mean) / (std * math.sqrt(2))))
        assert 3.2 < np.abs(x - mean).max() / std < 6
    else:
        mean, std, kurtosis = (law.low + law.high) / 2, (law.high - law.low) / math.sqrt(12), 1.8
        distribution = np.clip((x - law.low) / (law.high - law.low), 0, 1)
        room = (law.high - law.low) * 20 / n  # so close to each end lie 20 of n numbers
        edge = 1e-6 * max(abs(law.low), abs(law.high))  # float32
        assert law.low - edge <= x[0] < law.low + room
        assert law.high - room < x[-1] <= law.high + edge
    assert x.mean() == pytest.approx(mean, abs=5 * std / math.sqrt(n))
    assert x.std() == pytest.approx(std, rel=5 * math.sqrt((kurtosis - 1) / 4 / n))
    # Kolmogorov's test: the deviation exceeds 2.7 / sqrt(n) once in a million draws
    assert np.abs(distribution - (np.arange(n) + 0.5) / n).max() < 2.7 / math.sqrt(n)


@pytest.mark.parametrize("shape", [(30, 70), (70, 30), (40, 40), (4, 10, 25)], ids=str)
@pytest.mark.parametrize("text", ORTHOGONAL)
def test_orthonormal_rows_or_columns(text: str, shape: tuple[int, ...]) -> None:
    """Whichever are fewer; all axes but the last are one."""
    w = ref.wide(Host(compiled(spec([(text, shape)]))).state["p0"]).reshape(-1, shape[-1])
    gram = w @ w.T if w.shape[0] < w.shape[1] else w.T @ w
    # the iteration stops when no entry moves by more than 1e-6
    np.testing.assert_allclose(gram, ORTHOGONAL[text] ** 2 * np.eye(len(gram)), atol=2e-5)
    assert abs(w.mean()) < 5 / w.size**0.5 * w.std()
    assert 0.4 < (w > 0).mean() < 0.6


RANDOM = [t for t in INITIALIZERS if "(" not in t and t not in ("zeros", "ones", "2.5")] + ["orthogonal"]


@pytest.mark.parametrize("text", RANDOM)
def test_the_seed_and_the_place_decide(text: str) -> None:
    program = compiled(spec([(text, (40, 30)), (text, (40, 30))]))
    one, again, other = (Host(program, seed=s).state for s in (1, 1, 2))
    for name in ("p0", "p1"):
        np.testing.assert_array_equal(one[name], again[name])
        assert (one[name] != other[name]).mean() > 0.99
    correlation = np.corrcoef([one["p0"].ravel(), one["p1"].ravel(), other["p0"].ravel(), other["p1"].ravel()])
    assert np.abs(correlation - np.eye(4)).max() < 5 / math.sqrt(1200)


@pytest.mark.parametrize("text", ["constant(0.7)", "normal(std = 0.3)", "uniform(low = 0.4, high = 0.9)"])
def test_the_dtype_of_the_parameter(text: str) -> None:
    value = Host(compiled(spec([(text, (40, 30))], "f64"))).state["p0"]
    assert value.dtype == np.float64
    if text.startswith("constant"):
        np.testing.assert_array_equal(value, 0.7)


@pytest.mark.parametrize(
    ("words", "groups"),
    [(1 << 22, [4]), (63, [4]), (60, [3, 1]), (59, [2, 2]), (20, [2, 2]), (19, [1, 1, 2]), (1, [1, 1, 1, 1])],
)
def test_random_words_are_drawn_in_groups_without_changing_a_bit(
    words: int, groups: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 20, 40, 2 and 2 numbers, with zeros between: a group ends as soon as it holds more than the limit."""
    shapes = ("4, 5", "5, 8", "2", "1, 2")
    params = "\n".join(
        f"param p{i}: f32[{s}] = uniform(-1, 1)\nparam z{i}: f32[90] = zeros" for i, s in enumerate(shapes)
    )
    text = f"net n {{\n input x: f32[N, 4]\n {params}\n loss = mean(x @ p0 @ p1) + mean(p2 * p3) + mean(z0)\n}}"
    expected = netc.Trainer(netc.compile(text), device="cpu", seed=5).state
    drawn: list[int] = []
    bits = Random.bits

    def counted(self: Random, wanted: Any) -> Any:
        drawn.append(len(wanted))
        return bits(self, wanted)

    monkeypatch.setattr(first_values, "WORDS_AT_ONCE", words)
    monkeypatch.setattr(Random, "bits", counted)
    found = netc.Trainer(netc.compile(text), device="cpu", seed=5).state
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
    assert drawn == groups
