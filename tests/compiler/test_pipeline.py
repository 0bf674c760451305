"""The pipeline: every stage can be printed, checked and stopped at, and values have the names of the spec."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

import netc
from netc import models
from netc.compiler import pipeline
from netc.compiler.pipeline import EMITTED, STAGES, Look, emitted
from netc.compiler.program import Program
from netc.grammar.source import Source

SPEC = """net n(width = 4) {
  input x: f32[N, 3]
  target t: i64[N]
  z = x -> standardize
  h = z -> Dense(width) -> relu -> dropout(0.2) -> Dense(width) -> relu -> gelu
  repeat 2 as i { h = h + (h -> Dense(width) -> tanh) }
  y = h -> Dense(3)
  loss = softmax_cross_entropy(y, t) + 1e-3 * l2("*.weight")
  metric acc = accuracy(y, t)
  output p = softmax(y)
}
train { optimizer = adam(rate = cosine(0.1, warmup = 2)); clip_norm = 1.0; average = ema(0.9); batch = 4; steps = 9 }
"""


@pytest.mark.parametrize("what", EMITTED)
def test_every_stage_and_graph_is_emitted(what: str) -> None:
    text = emitted(Source("n.net", SPEC), what)
    if what in ("parse", "override", "ast"):
        assert text.startswith("Spec")
        assert "Net" in text
    elif what in ("check", "typed"):
        assert "parameter h.dense_1.weight: f32[3, 4] = he_normal" in text
        assert "%1: f32[N, 4] = Dense(%0, h.dense_1.weight, h.dense_1.bias, units = 4, bias = true)  # h" in text
        assert "* %" in text, "operators stand between what they combine"
    else:
        assert onnx.parser.parse_model(text).graph.node or what == "inputs"


def test_a_stage_shows_what_is_there_so_far() -> None:
    found = {s.name: emitted(Source("n.net", SPEC), s.name) for s in STAGES if "step" in s.graphs}
    assert list(found) == ["inputs", "forward", "gradient", "clip", "update", "average", "outputs", "unused", "names"]
    first = {  # in which stage each value first appears
        "h.relu": "forward", "grad/h.relu": "gradient", "grad/h.dense_1.weight": "gradient", "clip/ReduceSumSquare": "clip",
        "update/h.dense_1.weight/Sub": "update", "average/Add": "average", "h.dense_1.weight.next": "outputs",
    }  # fmt: skip
    order = list(found)
    for name, stage in first.items():
        at = order.index(stage)
        assert f'"{name}"' in found[stage], (name, stage)
        assert all(f'"{name}"' not in found[s] for s in order[:at]), (name, stage)


def test_values_have_the_names_of_the_spec() -> None:
    program = netc.compile(SPEC)
    names = {y for n in program.step.graph.node for y in n.output}
    assert {
        "h.dense_1", "h.relu", "h.dropout", "h.dense_2", "h.relu_2", "h.gelu", "h.gelu/Erf", "i_0.h", "i_0.h.tanh",
        "i_1.h.add", "y",
        "grad/h.relu", "grad/h.dense_2", "grad/h.gelu", "grad/y", "h.dense_2/MatMul",
    } <= names  # fmt: skip
    for graph in ("init", "step", "eval", "infer", "score", "grad", "apply", "watch", "rate"):
        made = {y for n in program.graph(graph).graph.node for y in n.output}
        assert not {n for n in made if n.startswith("val_")}, graph


def test_what_a_spec_imports_is_found_when_it_is_emitted() -> None:
    path = models.path("finetune")
    assert path is not None
    assert "parameter backbone." in emitted(Source("finetune.net", path.read_text()), "typed", (), path.parent)


@pytest.mark.parametrize("name", models.names())
def test_the_zoo_is_whole_after_every_stage(name: str) -> None:
    program = netc.compile(name, verify=True)
    for graph in ("init", "step", "eval", "infer", "score", "grad", "apply", "watch", "rate"):
        assert program.graph(graph).graph.name == graph


def test_a_stage_that_breaks_a_graph_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(draft: pipeline.Draft) -> None:
        next(iter(draft.op.graph)).op_type = "Nonsense"

    broken = tuple(replace(s, run=spoil) if s.name == "clip" else s for s in STAGES)
    monkeypatch.setattr(pipeline, "STAGES", broken)
    with pytest.raises(RuntimeError, match="`step` is broken after the stage `clip`"):
        Program(netc.check(SPEC), Look(verify=True)).step  # noqa: B018


def test_print_after_prints_every_graph_that_has_the_stage(tmp_path: Path) -> None:
    (tmp_path / "n.net").write_text(SPEC)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "netc.command_line", "compile", "n.net", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    done = run("--print-after", "gradient", "--with", "grad")
    assert done.returncode == 0
    assert "# step, after gradient" in done.stderr
    assert "# grad, after gradient" in done.stderr
    assert "# eval, after gradient" not in done.stderr
    for option in ("--emit", "--print-after"):
        wrong = run(option, "gradientt")
        assert wrong.returncode == 2
        assert "did you mean `gradient`" in wrong.stderr


@pytest.mark.parametrize(
    "line",
    ["onnx.LayerNormalization(x * s, s)", "relu(onnx.InstanceNormalization(reshape(x * s, [N, 2, 2]), s[:2], s[2:]))"],
)
def test_every_value_has_a_name_and_every_node_its_line(line: str) -> None:
    """Also where a rule asks a forward node for outputs that it did not give."""
    spec = (
        f"net n {{\n  input x: f32[N, 4]\n  param s: f32[4]\n  y = {line}\n  loss = mean(y^2)\n  output y\n}}\n"
        "train { optimizer = sgd(rate = 0.1); batch = 4; steps = 1 }"
    )
    program = netc.compile(spec, verify=True)
    for name in ("step", "grad", "eval"):
        found = set()
        for node in program.graph(name).graph.node:
            assert all(node.output), node
            assert not any(y.startswith("val_") for y in node.output), node
            lines = [p.value for p in node.metadata_props if p.key == "netc.line"]
            if node.output[0].startswith(("y", "loss")):
                found.add(node.output[0][0])
                assert lines == ["<text>:4" if node.output[0].startswith("y") else "<text>:5"], node
            elif node.output[0].startswith("grad/y.") and node.output[0].count("/") == 2:
                assert lines == ["<text>:4"], node
        assert found == {"y", "l"}


def test_the_checked_net_is_printed_in_the_words_of_the_language() -> None:
    spec = """net n {
  input x: f32[N, 4]
  target t: i64[N]
  block Half(a) { return a / 2 }
  y = x -> Half -> Dense(3) -> relu -> dropout(0.25)
  loss = softmax_cross_entropy(y, t) + 1e-4 * l2("*.weight")
  metric right = accuracy(y, t)
  output y = onnx.Clip(y, none, 1) + range(3)
}
train { optimizer = sgd(0.1); rule "*.bias" { freeze } }
"""
    assert (
        emitted(Source("n.net", spec), "typed")
        == """input x: f32[N, 4]
target t: i64[N]
parameter y.weight: f32[4, 3] = he_normal
parameter y.bias: f32[3] = zeros frozen
%0: f32[N, 4] = x / 2  # y.return
%1: f32[N, 3] = Dense(%0, y.weight, y.bias, units = 3, bias = true)  # y
%2: f32[N, 3] = relu(%1)  # y
%3: f32[N, 3] = dropout(%2, rate = 0.25)  # y
%4: f32[] = softmax_cross_entropy(%3, t, axis = -1, smoothing = 0)  # loss
%5: f32[] = l2(pattern = "*.weight")  # loss
%6: f32[] = 0.0001 * %5  # loss
%7: f32[] = %4 + %6  # loss
%8: f32[] = accuracy(%3, t, k = 1, axis = -1)  # right
%9: f32[N, 3] = Clip(%3, none, 1)  # y
%10: f32[3] = range(start = 3, end = none, step = 1)  # y
%11: f32[N, 3] = %9 + %10  # y
loss = %7
metric right (max) = %8
output y = %11"""
    )
