"""Exact evaluation: accumulators of eval.onnx, added in float64 over batches, scored by score.onnx."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netc.runtime.device import DTYPES, Device, session
from netc.runtime.errors import InputError, RunError
from netc.runtime.files import RunnableProgram


class Evaluator:
    """Evaluates with a given state: values or arrays by name."""

    def __init__(self, program: RunnableProgram, device: Device, run: Any = None):
        self.manifest = program.manifest
        self.run = run or session(program.model_bytes("eval"), device, called="`eval.onnx`")
        self.score = (
            session(program.model_bytes("score"), Device(threads=device.threads), called="`score.onnx`")
            if self.manifest["metrics"] or self.manifest.get("loss", {}).get("accumulate")
            else None
        )
        self.state: Mapping[str, Any] = {}
        self.interrupt: Any = None
        self.confusion: dict[str, np.ndarray] = {}

    def evaluate(self, data: Mapping[str, np.ndarray], batch: int = 1024) -> dict[str, float]:
        """The loss and every metric over all rows. Confusion matrices are kept in `confusion`."""
        total = len(next(iter(data.values())))
        if total == 0:
            raise InputError("there are no rows to evaluate")
        scored = [*self.manifest["metrics"], self.manifest.get("loss", {"accumulate": []})]
        how = {a["name"]: a["how"] for m in scored for a in m["accumulate"]}
        sums: dict[str, Any] = {}
        rows: dict[str, list[np.ndarray]] = {n: [] for n, h in how.items() if h == "concat"}
        names = ["loss", *how]
        wanted = {i.name for i in self.run.get_inputs()}
        state = {n: _array(v) for n, v in self.state.items() if n in wanted}
        loss = 0.0
        for start in range(0, total, batch):
            feeds = {n: a[start : start + batch] for n, a in data.items() if n in wanted}
            count = min(batch, total - start)
            values = dict(zip(names, self._run(names, {**state, **feeds})))
            loss += float(values.pop("loss")) * count
            for name, value in values.items():
                if how[name] == "sum":
                    sums[name] = sums.get(name, 0.0) + value.astype(np.float64)
                else:
                    rows[name].append(value)
        scores = {"loss": loss / total}
        if self.score is not None:
            kinds = {i.name: DTYPES[i.type] for i in self.score.get_inputs()}
            joined = {**sums, **{n: np.concatenate(v) for n, v in rows.items()}}
            feeds = {n: np.asarray(joined[n], dtype=k) for n, k in kinds.items()}
            names = [o.name for o in self.score.get_outputs()]  # the loss among them where rows do not weigh it alike
            scores.update({n: float(v) for n, v in zip(names, self.score.run(names, feeds))})
        self.confusion = {n.removesuffix("/confusion"): v for n, v in sums.items() if n.endswith("/confusion")}
        return scores

    def _run(self, names: list[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        options = self.interrupt.options if self.interrupt is not None else None
        try:
            values: list[np.ndarray] = self.run.run(names, feeds, options)
        except Exception as e:  # onnxruntime raises its own types
            if self.interrupt is not None and self.interrupt.asked:
                raise KeyboardInterrupt from None
            raise RunError(f"evaluation failed: {e}") from None
        return values


def _array(value: Any) -> np.ndarray:
    return value if isinstance(value, np.ndarray) else np.asarray(value.numpy())
