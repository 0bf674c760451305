"""Changes of good bytes, drawn by a seed: bits, bytes, numbers, pieces copied, cut, repeated and joined with other seeds."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from random import Random

NUMBERS = [0, 1, 2, 7, 8, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1]
FORMS = ["<B", ">H", "<H", ">I", "<I", ">Q", "<Q"]
MOST = 1 << 16  # bytes of a mutant


def mutate(data: bytes, random: Random, seeds: Sequence[bytes], tokens: Sequence[bytes] = ()) -> bytes:
    """`data` with one to eight changes. `tokens` are pieces that mean something in the format."""
    out = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        _change(out, random, seeds, tokens)
    return bytes(out[:MOST])


def _change(out: bytearray, random: Random, seeds: Sequence[bytes], tokens: Sequence[bytes]) -> None:
    at = random.randrange(len(out) + 1)
    end = min(len(out), at + random.choice((1, 1, 2, 4, 8, 32, 128)))
    match random.randrange(10 if tokens else 8):
        case 0 if at < len(out):
            out[at] ^= 1 << random.randrange(8)
        case 1 if at < len(out):
            out[at] = random.randrange(256)
        case 2:
            form = random.choice(FORMS)
            number = struct.pack(form, random.choice(NUMBERS) % (1 << 8 * struct.calcsize(form)))
            out[at : at + len(number)] = number
        case 3:
            del out[at:end]
        case 4:
            out[at:at] = out[at:end] * random.choice((1, 2, 16, 200))
        case 5:
            out[at:at] = random.randbytes(end - at)
        case 6:
            del out[at:]
        case 7:
            other = random.choice(seeds)
            cut = random.randrange(len(other) + 1)
            out[at:] = other[cut:]
        case 8:
            out[at:at] = random.choice(tokens)
        case 9:
            out[at:end] = random.choice(tokens)
