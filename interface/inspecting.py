"""`netc check`, `plan` and `show`: what a spec is, before it runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from netc.compiler.graph.dimensions import Dim, add, bind
from netc.compiler.language.variables import Variable
from netc.compiler.net import Apply, Constant, Size, Tensor, TypedNet
from netc.tables import table, wrapped


@dataclass
class Row:
    """One line of the layer table."""

    name: str
    shape: str = ""
    parameters: int = 0
    flops: Dim = 0
    operations: list[str] = field(default_factory=list)


def rows(net: TypedNet) -> list[Row]:
    """The lines of a net that compute something, in order. FLOPs are of one row of the batch."""
    found: dict[str, Row] = {}
    counted: set[Variable] = set()
    for apply in net.applies:
        row = found.setdefault(apply.path, Row(apply.path))
        row.shape = ", ".join(str(y.type) for y in apply.outputs[:1])
        row.flops = add(row.flops, flops(apply, net))
        row.operations.append(apply.operation.name)
        for variable in apply.variables.values():
            if variable.role == "parameter" and variable not in counted:
                counted.add(variable)
                row.parameters += variable.count
    for parameter in net.parameters:
        if parameter not in counted:
            found[parameter.name] = Row(parameter.name, str(parameter.type), parameter.count)
    return list(found.values())


def flops(apply: Apply, net: TypedNet) -> Dim:
    """Floating-point operations for one row: two for each multiply-add, one for each element otherwise."""
    inputs, outputs = [x.type for x in apply.inputs], [y.type for y in apply.outputs]
    return bind(apply.operation.flops(inputs, outputs, apply.settings), net.batch, 1)


def parameter_count(net: TypedNet) -> int:
    """How many numbers the parameters hold."""
    return sum(p.count for p in net.parameters)


def check_table(net: TypedNet, width: int | None = None) -> str:
    """The layer table: name, shape, parameters, FLOPs for one row; and the settings of the training."""
    lines = [["name", "shape", "parameters", "FLOPs/row"]]
    lines += [[f"{i.name} ({i.role})", str(i.type), "", ""] for i in net.inputs]
    all_rows = rows(net)
    lines += [[r.name, r.shape, f"{r.parameters:,}" if r.parameters else "", _count(r.flops)] for r in all_rows]
    total: Dim = 0
    for r in all_rows:
        total = add(total, r.flops)
    every, trained = parameter_count(net), sum(p.count for p in net.trained)
    frozen = f" ({every - trained:,} frozen)" if trained != every else ""
    lines.append(["total", "", f"{every:,}", _count(total)])
    layers = table(lines, {2, 3}, width, rule_before_last=True)
    return f"{net.name}: {every:,} parameters{frozen}\n\n{layers}\n\n{wrapped(train_settings(net), width)}"


def train_settings(net: TypedNet) -> str:
    """Every setting of the train block that is in force, defaults included, one a line."""
    assert net.train is not None
    return "\n".join(f"{name.ljust(max(map(len, net.train.text)))} = {value}" for name, value in net.train.text.items())


def _count(value: Dim) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def plan_text(net: TypedNet, batch: int, width: int | None = None) -> str:
    """Parameters, operations and memory of a step, read off the graphs that will run."""
    from netc.compiler.graph.cost import graph_cost
    from netc.compiler.program import Program

    program = Program(net)
    assert net.train is not None
    sizes = {net.batch: batch}
    forward, step = graph_cost(program.eval, sizes), graph_cost(program.step, sizes)
    state = sum(v.count * v.type.dtype.bytes for v in program.state)
    lines = [
        ["", "forward", "step"],
        ["nodes", f"{forward.nodes:,}", f"{step.nodes:,}"],
        ["FLOPs", _si(forward.flops, ""), _si(step.flops, "")],
        ["activations", _si(forward.bytes, "B"), _si(step.bytes, "B")],
    ]
    head = [
        f"{net.name}, batch {batch}",
        f"parameters  {parameter_count(net):,}",
        f"state       {_si(state, 'B')}, held twice while training",
    ]
    return wrapped("\n".join(head), width) + "\n\n" + table(lines, {1, 2}, width)


def _si(value: float, unit: str) -> str:
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.1f} {prefix}{unit}".rstrip()
    return f"{value:.0f} {unit}".rstrip()


def graph_text(net: TypedNet, form: str) -> str:
    """The typed net as a Mermaid or DOT graph: a box for each operation, an arrow for each tensor."""
    names: dict[object, str] = {}
    boxes: list[tuple[str, str, str]] = []
    arrows: list[tuple[str, str, str]] = []

    def box(origin: object, label: str, kind: str) -> str:
        names[origin] = f"n{len(names)}"
        boxes.append((names[origin], label, kind))
        return names[origin]

    for i in net.inputs:
        box(i, f"{i.role} {i.name}\n{i.type}", "input")
    for p in net.parameters:
        if any(p is x.origin for a in net.applies for x in a.inputs):
            box(p, f"param {p.name}\n{p.type}", "parameter")
    for a in net.applies:
        here = box(a, f"{a.operation.name}\n{a.outputs[0].type}" if a.outputs else a.operation.name, a.operation.group)
        for x in a.inputs:
            if not isinstance(x.origin, Constant | Size):
                arrows.append((names[x.origin], here, ""))
    for label, tensor in published(net):
        end = f"o{len(boxes)}"
        boxes.append((end, label, "output"))
        if not isinstance(tensor.origin, Constant | Size):
            arrows.append((names[tensor.origin], end, ""))
    return _dot(net.name, boxes, arrows) if form == "dot" else _mermaid(boxes, arrows)


def published(net: TypedNet) -> Iterable[tuple[str, Tensor]]:
    """Everything that leaves the net, with a label."""
    if net.loss is not None:
        yield "loss", net.loss
    for m in net.metrics:
        yield f"metric {m.name}", m.value
    for name, tensor in net.outputs.items():
        yield f"output {name}", tensor


def _mermaid(boxes: list[tuple[str, str, str]], arrows: list[tuple[str, str, str]]) -> str:
    lines = ["flowchart TD"]
    for name, label, kind in boxes:
        text = label.replace('"', "#quot;").replace("\n", "<br/>")
        left, right = {"input": ("([", "])"), "output": ("([", "])"), "layer": ("[[", "]]")}.get(kind, ("[", "]"))
        lines.append(f'  {name}{left}"{text}"{right}')
    lines += [f"  {a} --> {b}" for a, b, _ in arrows]
    return "\n".join(lines)


def _dot(title: str, boxes: list[tuple[str, str, str]], arrows: list[tuple[str, str, str]]) -> str:
    lines = [f'digraph "{title}" {{', "  node [shape=box, fontname=monospace];"]
    for name, label, kind in boxes:
        text = label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        shape = ", shape=ellipse" if kind in ("input", "output") else ", style=bold" if kind == "layer" else ""
        lines.append(f'  {name} [label="{text}"{shape}];')
    return "\n".join([*lines, *(f"  {a} -> {b};" for a, b, _ in arrows), "}"])
