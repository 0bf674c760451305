"""Step times beside PyTorch: each side in its own process, in turn, medians of several rounds. `make bench`."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

SIZES = [(64, 64, 10, 32), (784, 1024, 10, 128)]
ROUNDS, STEPS = 5, 300


def batch(inputs: int, classes: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    g = np.random.default_rng(0)
    return g.normal(size=(rows, inputs)).astype(np.float32), g.integers(0, classes, rows)


def ours(inputs: int, hidden: int, classes: int, rows: int, optimizer: str) -> Callable[[], object]:
    import netc

    text = f"""net bench {{
  input x: f32[N, {inputs}]
  target t: i64[N]
  y = x -> Dense({hidden}) -> relu -> Dense({classes})
  loss = softmax_cross_entropy(y, t)
}}
train {{ optimizer = {optimizer}(rate = 0.01) }}"""
    trainer = netc.Trainer(netc.compile(text), device="cpu")
    x, t = batch(inputs, classes, rows)
    data = trainer.resident({"x": x, "t": t})
    every = np.arange(rows)
    return lambda: trainer.step_rows(data, every)


def theirs(inputs: int, hidden: int, classes: int, rows: int, optimizer: str) -> Callable[[], object]:
    import torch

    torch.set_num_threads(2)
    net = torch.nn.Sequential(torch.nn.Linear(inputs, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, classes))
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer]
    update = kind(net.parameters(), lr=0.01)
    x, t = (torch.from_numpy(a) for a in batch(inputs, classes, rows))

    def step() -> float:
        update.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(x), t)
        loss.backward()
        update.step()
        return loss.item()

    return step


def measure(side: str, size: tuple[int, int, int, int], optimizer: str) -> float:
    """Seconds of a step, measured in this process."""
    step = {"ours": ours, "theirs": theirs}[side](*size, optimizer)
    for _ in range(20):
        step()
    begun = time.perf_counter()
    for _ in range(STEPS):
        step()
    return (time.perf_counter() - begun) / STEPS


def in_process(side: str, size: tuple[int, int, int, int], optimizer: str) -> float:
    command = [sys.executable, __file__, side, json.dumps(size), optimizer]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    if len(sys.argv) == 4:
        print(measure(sys.argv[1], tuple(json.loads(sys.argv[2])), sys.argv[3]))
        return
    print("inputs-hidden-classes, rows, optimizer: netc us, PyTorch us, ratio")
    for size in SIZES:
        for optimizer in ("sgd", "adam"):
            found: dict[str, list[float]] = {"ours": [], "theirs": []}
            for _ in range(ROUNDS):
                for side, times in found.items():
                    times.append(in_process(side, size, optimizer))
            a, b = (statistics.median(found[s]) * 1e6 for s in ("ours", "theirs"))
            print(f"{'-'.join(map(str, size[:3]))}, {size[3]}, {optimizer}: {a:.0f}, {b:.0f}, {a / b:.2f}")


if __name__ == "__main__":
    main()
