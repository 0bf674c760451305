"""Text -> training program: every stage in order, each of which can be printed, checked, and stopped at."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
from onnx_ir.passes import common

from netc.compiler import front, version
from netc.compiler.assembly import training_step
from netc.compiler.assembly.accumulation import accumulate
from netc.compiler.assembly.draft import Draft
from netc.compiler.assembly.first_values import first_values
from netc.compiler.assembly.fitting import fit
from netc.compiler.assembly.inputs import declare
from netc.compiler.assembly.outputs import publish
from netc.compiler.graph.emitter import Emitter
from netc.compiler.graph.inference import IR_VERSION, IR_VERSIONS
from netc.compiler.graph.passes.names import NamesPass
from netc.compiler.graph.passes.unused import UnusedPass
from netc.compiler.language.variables import Variable
from netc.compiler.net import TypedNet
from netc.compiler.printing import net_text, tree_text
from netc.compiler.training.state import program_state
from netc.grammar.source import Source


@dataclass(frozen=True)
class Stage:
    """A named piece of work: on the spec as it is read, or on the `graphs` of the program that it belongs to."""

    name: str
    run: Callable[[Any], None]
    graphs: tuple[str, ...] = ()


def accumulators(draft: Draft) -> None:
    """What a batch adds to each metric, and beside it the graph that scores everything added."""
    score = Draft("score", draft.net, draft.config, draft.state, Emitter("score", draft.op.opset))
    draft.accumulators, score.scores = accumulate(draft.lowered, score.op, draft.net)
    draft.beside = [score]


def unused(draft: Draft) -> None:
    """Drops nodes whose results nobody reads."""
    UnusedPass()(model_of(draft))


def names(draft: Draft) -> None:
    """Gives every value and node a name of its own."""
    NamesPass()(model_of(draft))


GRAPHS = ("init", "step", "eval", "infer", "score")  # that every program has
FITTED = ("fit",)  # that a program has where statistics of the training rows are fitted
ON_REQUEST = ("grad", "apply", "watch", "rate")
STEP, BACKWARD = ("step", "watch"), ("step", "watch", "grad")

# Common subexpressions and constant arithmetic never arise: the emitter gives the same node for the same question, and
# computes what it can. (onnx_ir's own pass for the former takes time quadratic in the number of outputs.)
STAGES = (
    Stage("parse", front.parse),
    Stage("override", front.override),
    Stage("check", front.check),
    Stage("inputs", declare, (*GRAPHS[:-1], *FITTED, *ON_REQUEST)),
    Stage("first", first_values, ("init",)),
    Stage("forward", training_step.lower, (*BACKWARD, "eval", "infer")),
    Stage("statistics", fit, FITTED),
    Stage("gradient", training_step.differentiate, BACKWARD),
    Stage("clip", training_step.clip, (*STEP, "apply")),
    Stage("update", training_step.step, (*STEP, "apply")),
    Stage("average", training_step.average, (*STEP, "apply")),
    Stage("accumulate", accumulators, ("eval",)),
    Stage("outputs", publish, (*GRAPHS, *FITTED, *ON_REQUEST)),
    Stage("unused", unused, (*GRAPHS, *FITTED, *ON_REQUEST)),
    Stage("names", names, (*GRAPHS, *FITTED, *ON_REQUEST)),
)


@dataclass(frozen=True)
class Look:
    """What to look at on the way: `verify` checks the graph after every stage, `print_after` names one to print after."""

    verify: bool = False
    print_after: str = ""


PLAIN = Look()


def state_of(net: TypedNet) -> list[Variable]:
    """Every variable of the program, in the order of the manifest."""
    assert net.train is not None
    return program_state(net.variables, net.train)


def build(net: TypedNet, state: Sequence[Variable], graph: str, look: Look = PLAIN, until: str = "") -> Draft:
    """One graph of a program, and those that come with it, brought through its stages, or `until` one. Raises NetError."""
    assert net.train is not None
    draft = Draft(graph, net, net.train, state, Emitter(graph, net.opset))
    for stage in STAGES:
        for each in (draft, *draft.beside):
            if each.graph in stage.graphs:
                stage.run(each)
                _looked_at(each, stage, look)
        if stage.name == until:
            break
    return draft


def _looked_at(draft: Draft, stage: Stage, look: Look) -> None:
    if look.verify:
        try:
            common.CheckerPass(full_check=True)(model_of(draft))
        except Exception as e:
            raise RuntimeError(f"`{draft.graph}` is broken after the stage `{stage.name}`: {e}") from e
    if look.print_after == stage.name:
        print(f"# {draft.graph}, after {stage.name}\n{graph_text(draft)}", file=sys.stderr)


def model_of(draft: Draft) -> ir.Model:
    """The graph as it stands, as a model."""
    opset = draft.op.opset  # IR 8 unless a higher opset needs more
    return ir.Model(
        draft.op.graph, ir_version=IR_VERSIONS.get(opset, IR_VERSION), producer_name="netc", producer_version=version()
    )


def graph_text(draft: Draft) -> str:
    """The graph as it stands, in ONNX's text form."""
    text: str = onnx.printer.to_text(ir.to_proto(model_of(draft)))
    return text


SYNONYMS = {"ast": "override", "typed": "check"}
EMITTED = (*SYNONYMS, *(s.name for s in STAGES), *GRAPHS, *FITTED, *ON_REQUEST)


def emitted(source: Source, what: str, overrides: front.Overrides = (), folder: Path | None = None) -> str:
    """One of EMITTED as text: what a stage wrote (of the step, where that has it), or a finished graph. Raises NetError."""
    what = SYNONYMS.get(what, what)
    reading = front.Reading(source, overrides, folder)
    for stage in STAGES:
        if stage.graphs:
            break
        stage.run(reading)
        if stage.name == what:
            return net_text(reading.net) if stage.run is front.check else tree_text(reading.tree)
    owners = next((s.graphs for s in STAGES if s.name == what), (what,))
    graph = "step" if "step" in owners else owners[0]
    draft = build(reading.net, state_of(reading.net), "eval" if graph == "score" else graph, until=what)
    return graph_text(next((d for d in draft.beside if d.graph == what), draft))


def finished(draft: Draft) -> onnx.ModelProto:
    """A graph that has been through all its stages, checked."""
    proto = ir.to_proto(model_of(draft))
    assert isinstance(proto, onnx.ModelProto)
    onnx.checker.check_model(proto, full_check=True)
    return proto
