"""A compiled spec: five graphs and a manifest, one more where statistics are fitted, four others on request."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

import onnx

from netc.compiler.assembly.draft import Draft
from netc.compiler.assembly.manifest import manifest as describe
from netc.compiler.front import Overrides, typed
from netc.compiler.graph.types import BASE_OPSET
from netc.compiler.kernels import refuse_missing
from netc.compiler.language.variables import Variable
from netc.compiler.net import TypedNet
from netc.compiler.pipeline import FITTED, GRAPHS, ON_REQUEST, PLAIN, Look, build, finished, state_of
from netc.grammar.diagnostics import did_you_mean, error
from netc.grammar.parser import collector_paused
from netc.grammar.source import Source


@dataclass
class Program:
    """A compiled spec. Graphs are built and checked when first asked for; `warnings` is what `check` had to say."""

    net: TypedNet
    look: Look = PLAIN
    _graphs: dict[str, onnx.ModelProto] = field(default_factory=dict)

    @cached_property
    def state(self) -> list[Variable]:
        """Every variable, in the order of the manifest."""
        return state_of(self.net)

    @property
    def warnings(self) -> list[str]:
        return [d.render() for d in self.net.warnings]

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The manifest of a program with the graphs that it always has."""
        return self._described(self.graphs)

    @property
    def graphs(self) -> tuple[str, ...]:
        """The graphs that it always has."""
        return (*GRAPHS, *FITTED) if self.net.fitted else GRAPHS

    def _described(self, written: Iterable[str]) -> dict[str, Any]:
        return describe(self.net, self.state, self._evaluation.accumulators, written)

    @cached_property
    def _evaluation(self) -> Draft:
        """The graph that evaluates, and beside it the one that scores."""
        with collector_paused():
            return build(self.net, self.state, "eval", self.look)

    def graph(self, name: str) -> onnx.ModelProto:
        """One of init, step, eval, infer, score, fit, grad, apply, watch, rate, as a checked ModelProto. Raises NetError for
        another name."""
        there = (*self.graphs, *ON_REQUEST)
        if name not in there:
            raise error(
                "undefined-name", f"there is no graph `{name}`",
                help=did_you_mean(str(name), there, "the graphs are " + ", ".join(there)),
            )  # fmt: skip
        if name not in self._graphs:
            with collector_paused():
                self._graphs[name] = finished(self._draft(name))
        return self._graphs[name]

    def _draft(self, name: str) -> Draft:
        if name == "eval":
            return self._evaluation
        return self._evaluation.beside[0] if name == "score" else build(self.net, self.state, name, self.look)

    def refuse_missing_kernels(self) -> None:
        """Raises NetError where the program asks for an opset in which ONNX Runtime has no kernel of something in it."""
        if self.net.opset > BASE_OPSET:  # with the usual one, every word is tested beforehand
            refuse_missing(self.net, (self.graph(g) for g in (*self.graphs, *ON_REQUEST)))

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
    rate = property(lambda self: self.graph("rate"))

    def save(self, folder: str | Path, also: Iterable[str] = ()) -> Path:
        """Writes the program to a folder: its graphs, those named in `also`, and manifest.json. Raises NetError for a graph that
        there is not, OSError where the folder cannot be written."""
        if not isinstance(folder, str | Path):
            raise error("argument", f"the folder of a program is a path, this is {type(folder).__name__}")
        folder = Path(folder)
        written = [*self.graphs, *([also] if isinstance(also, str) else also)]
        for name in written:
            self.graph(name)  # before anything is written
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self._described(written), indent=1)
        for name in written:
            proto = onnx.ModelProto()
            proto.CopyFrom(self.graph(name))
            onnx.helper.set_model_props(proto, {"netc.manifest": text})
            _write(folder / f"{name}.onnx", proto.SerializeToString())
        _write(folder / "manifest.json", f"{text}\n".encode())
        return folder

    def __reduce__(self) -> Any:
        raise error(
            "argument",
            "a program is neither pickled nor copied",
            help="`save` writes it to a folder, which a trainer takes",
        )

    def __repr__(self) -> str:
        count = sum(p.count for p in self.net.parameters)
        return f"Program({self.net.name!r}, {count:,} parameter{'s' * (count != 1)}, from {PurePath(self.net.source.name).name})"


def _write(path: Path, content: bytes) -> None:
    """Writes a file. Raises OSError, which names it also when it is the disk that is full."""
    try:
        path.write_bytes(content)
    except OSError as e:
        raise OSError(e.errno, e.strerror, str(path)) from None


def compile(source: Source, overrides: Overrides = (), folder: Path | None = None, look: Look = PLAIN) -> Program:
    """The program of a text. Raises NetError with everything that is wrong."""
    program = Program(typed(source, overrides, folder), look)
    program.refuse_missing_kernels()
    return program
