"""A host that knows the program contract alone: sessions, state by name, and accumulators added in float64."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort

import netc

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]


@cache
def compiled(text: str) -> Any:
    """The program of a spec; tables ask for the same ones many times."""
    return netc.compile(text)


def session(model: onnx.ModelProto) -> ort.InferenceSession:
    """The graph on one thread: these are small."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def call(run: ort.InferenceSession, feeds: Mapping[str, Any]) -> Arrays:
    """The outputs by name, of whatever the graph wants of `feeds`."""
    wanted = {i.name: feeds[i.name] for i in run.get_inputs()}
    return dict(zip([o.name for o in run.get_outputs()], run.run(None, wanted)))


class Host:
    """A program with its state, stepped by step.onnx or by grad.onnx and apply.onnx."""

    def __init__(self, program: Any, way: str = "step", seed: int = 3):
        self.program = program
        self.manifest = program.manifest
        self.own = {"seed": np.array(seed, np.int32), "row": np.array(0, np.int32)}
        self.state = call(session(program.init), self.own)
        self.graphs = [session(program.graph(g)) for g in (("step",) if way == "step" else ("grad", "apply"))]

    def set(self, **values: Any) -> None:
        """Puts values in the place of state tensors, in their dtype and shape."""
        for name, value in values.items():
            old = self.state[name]
            self.state[name] = np.broadcast_to(np.asarray(value, old.dtype), old.shape).copy()

    def step(self, batch: Mapping[str, Array]) -> Arrays:
        """One step; every `.next` takes the place of its state. What the graphs gave."""
        found: Arrays = {}
        for graph in self.graphs:
            found |= call(graph, {**batch, **self.state, **self.own, **found})
        self.state |= {n.removesuffix(".next"): v for n, v in found.items() if n.endswith(".next")}
        return found

    def graph(self, name: str, batch: Mapping[str, Array]) -> Arrays:
        """The outputs of another graph of the program, with the state as it is."""
        return call(session(self.program.graph(name)), {**batch, **self.state, **self.own})

    def scores(self, data: Mapping[str, Array], cuts: list[int]) -> dict[str, float]:
        """The loss and the metrics of eval.onnx and score.onnx, over the batches between the cuts."""
        run = session(self.program.eval)
        scored = [*self.manifest["metrics"], self.manifest["loss"]]
        how = {a["name"]: a["how"] for m in scored for a in m["accumulate"]}
        parts: dict[str, list[Array]] = {n: [] for n in how}
        loss, total = 0.0, len(next(iter(data.values())))
        for begin, end in zip([0, *cuts], [*cuts, total]):
            found = call(run, {**{n: a[begin:end] for n, a in data.items()}, **self.state})
            loss += float(found["loss"]) * (end - begin) / total
            for n in how:
                parts[n].append(found[n])
        score = session(self.program.score)
        kinds = {i.name: np.float64 if "double" in i.type else np.float32 for i in score.get_inputs()}
        kinds |= {i.name: np.int64 for i in score.get_inputs() if "int64" in i.type}
        joined = {
            n: np.concatenate(p) if how[n] == "concat" else np.sum([a.astype(np.float64) for a in p], axis=0)
            for n, p in parts.items()
        }
        found = call(score, {n: np.asarray(v, kinds[n]) for n, v in joined.items()})
        return {"loss": loss, **{n: float(v) for n, v in found.items() if n != "metrics"}}
