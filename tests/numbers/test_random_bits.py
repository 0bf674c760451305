"""Random numbers to the bit: the counter-based generator and the dropout mask, once more in NumPy."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from tests.numbers.host import Host, compiled

U = np.uint32
SEED, STEP, SITE = U(0x9E3779B1), U(0x85EBCA77), U(0xC2B2AE3D)


def rounds(y: Any, z: Any) -> Any:
    """Four rounds of squaring, adding and swapping halves (after Widynski, 2020), in 32 bits"""
    x = y
    for addend in (y, z, y, z):
        x = x * x + addend
        x = (x << U(16)) + (x >> U(16))
    return x


def mixed(counter: Any, key: Any) -> Any:
    return rounds(counter * key, counter * key + key)


def key_of(name: str, seed: int, step: int | None = None) -> Any:
    """An odd key for (seed, step, site); the site is the CRC-32 of a name, kept positive."""
    with np.errstate(over="ignore"):
        base = mixed(U(seed), SEED)
        base = base if step is None else mixed(base + U(step), STEP)
        return mixed(base + U(zlib.crc32(name.encode()) & 0x7FFFFFFF), SITE) * U(2) + U(1)


def unit(words: Any) -> Any:
    return (words // U(256)).astype(np.float32) * np.float32(2.0**-24)


def test_first_values() -> None:
    lines = "y = x -> Dense(7, init = uniform(-2, 3))\n z = y -> Dense(3, init = normal(0.5))"
    text = f"net n {{\n input x: f32[N, 5]\n {lines}\n loss = mean(z)\n}}"
    host = Host(compiled(text), seed=11)
    counters = np.arange(35, dtype=np.uint32)
    u = unit(mixed(counters, key_of("y.weight", 11)))
    np.testing.assert_allclose(host.state["y.weight"].ravel(), u * np.float32(5) - 2, rtol=0, atol=3e-7)
    words = mixed(np.arange(22, dtype=np.uint32), key_of("z.weight", 11))
    radius = np.sqrt(-2 * np.log(unit(words[:11]).astype(float) + 2.0**-25)) * 0.5
    angle = 2 * np.pi * unit(words[11:]).astype(float)
    normal = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:21]
    np.testing.assert_allclose(host.state["z.weight"].ravel(), normal, rtol=2e-5, atol=2e-6)


def test_a_dropout_mask() -> None:
    columns, keep, rows = 300, 0.7, 4
    lines = f"param w: f32[{columns}] = 1\n d = dropout(x * w, rate = 0.3)"
    text = f"net n {{\n input x: f32[N, {columns}]\n {lines}\n loss = sum(d)\n}}"
    host = Host(compiled(text), seed=5)
    host.state["step"], host.own["row"] = np.array(9, np.int32), np.array(6, np.int32)
    key = key_of("d/1", 5, 9)
    spread = np.float32(np.sqrt(255.34))

    def numbers(counters: Any) -> Any:
        return unit(mixed(counters, key)) * spread + spread / 2

    with np.errstate(over="ignore"):
        row = (np.arange(rows, dtype=np.uint32) + U(6)) * U(2)
        column = np.arange(columns, dtype=np.uint32) * U(2) + U(1 << 31)
        first = numbers(row)[:, None] + numbers(column)
        second = numbers(row + U(1))[:, None] + numbers(column + U(1))
    both = first * first - second * second
    kept = (both - np.floor(both)) < np.float32(keep)
    batch = {"x": np.ones((rows, columns), np.float32)}
    np.testing.assert_allclose(host.graph("grad", batch)["grad/w"], kept.sum(0) / keep, rtol=1e-6)
