"""A compiled spec: five graphs and a manifest, two more graphs for data-parallel hosts, one to watch."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

import onnx
import onnx_ir as ir

from netc.compiler import version
from netc.compiler.assembly.builder import Builder
from netc.compiler.graph.emitter import Emitter
from netc.compiler.graph.inference import IR_VERSION, IR_VERSIONS
from netc.compiler.assembly.manifest import manifest as describe
from netc.compiler.graph.passes import optimize
from netc.compiler.net import TypedNet
from netc.grammar.parser import collector_paused

GRAPHS = ("init", "step", "eval", "infer", "score")
ON_REQUEST = ("grad", "apply", "watch")


@dataclass
class Program:
    """A compiled spec. Graphs are built and checked when first asked for; `warnings` is what `check` had to say."""

    net: TypedNet
    builder: Builder = field(init=False)
    verify: bool = False
    printed: str = ""
    _graphs: dict[str, onnx.ModelProto] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.builder = Builder(self.net)

    @property
    def warnings(self) -> list[str]:
        return [d.render() for d in self.net.warnings]

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The manifest of a program with the five graphs that every program has."""
        self._eval_and_score()
        return describe(self.builder, GRAPHS)

    def graph(self, name: str) -> onnx.ModelProto:
        """One of init, step, eval, infer, score, grad, apply, watch, as a checked ModelProto."""
        if name not in (*GRAPHS, *ON_REQUEST):
            raise KeyError(f"there is no graph `{name}`")
        with collector_paused():
            if name in ("eval", "score"):
                self._eval_and_score()
            if name not in self._graphs:
                self._graphs[name] = self._finish(getattr(self.builder, name)())
        return self._graphs[name]

    def model_bytes(self, name: str) -> bytes:
        """One of the graphs, serialized, as the runtime asks for it."""
        content: bytes = self.graph(name).SerializeToString()
        return content

    init = property(lambda self: self.graph("init"))
    step = property(lambda self: self.graph("step"))
    eval = property(lambda self: self.graph("eval"))
    infer = property(lambda self: self.graph("infer"))
    score = property(lambda self: self.graph("score"))
    grad = property(lambda self: self.graph("grad"))
    apply = property(lambda self: self.graph("apply"))
    watch = property(lambda self: self.graph("watch"))

    def _eval_and_score(self) -> None:
        if "eval" not in self._graphs:
            evaluation, score = self.builder.eval_and_score()
            self._graphs["eval"], self._graphs["score"] = self._finish(evaluation), self._finish(score)

    def _finish(self, op: Emitter) -> onnx.ModelProto:
        model = ir.Model(op.graph, ir_version=_ir_version(op.opset), producer_name="netc", producer_version=version())
        optimize(model, self.verify, self.printed)
        proto = ir.to_proto(model)
        assert isinstance(proto, onnx.ModelProto)
        onnx.checker.check_model(proto, full_check=True)
        return proto

    def save(self, folder: str | Path, also: Iterable[str] = ()) -> Path:
        """Writes the program to a folder: the five graphs, those named in `also`, and manifest.json."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        written = [*GRAPHS, *also]
        self._eval_and_score()
        described = describe(self.builder, written)
        text = json.dumps(described, indent=1)
        for name in written:
            proto = onnx.ModelProto()
            proto.CopyFrom(self.graph(name))
            onnx.helper.set_model_props(proto, {"netc.manifest": text})
            (folder / f"{name}.onnx").write_bytes(proto.SerializeToString())
        (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")
        return folder

    def __repr__(self) -> str:
        return f"Program({self.net.name!r}, {len(self.net.parameters)} parameters, from {PurePath(self.net.source.name).name})"


def _ir_version(opset: int) -> int:
    """IR 8 unless a higher opset needs more (the table of ONNX releases)."""
    return IR_VERSIONS.get(opset, IR_VERSION)
