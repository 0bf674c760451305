"""Text -> training program: the steps in order, each of which can be looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from netc.compiler.check import check
from netc.compiler.training.configuration import TrainConfig
from netc.compiler.check.overrides import override
from netc.compiler.net import Apply, Parameter, TypedNet
from netc.grammar import ast
from netc.grammar.diagnostics import NetError
from netc.grammar.parser import parse_tolerant
from netc.grammar.printer import format_expression, format_spec
from netc.grammar.source import Source

STAGES = ("ast", "typed", "forward", "grad", "step")
Overrides = Mapping[str, Any] | Iterable[str]


def typed(source: Source, overrides: Overrides = (), folder: Path | None = None) -> TypedNet:
    """parse -> override -> check. Raises NetError with everything that is wrong."""
    spec, problems = parse_tolerant(source)
    try:
        spec = override(spec, overrides)
    except NetError as e:
        raise NetError([*problems, *e.diagnostics]) from None
    net = check(spec, source, problems, folder)
    net.resolved = resolved(spec, net)
    return net


def compile(source: Source, overrides: Overrides = (), folder: Path | None = None, verify: bool = False) -> Any:
    """parse -> override -> check -> lower -> differentiate -> update -> optimize -> verify, as a Program."""
    from netc.compiler.program import Program

    return Program(typed(source, overrides, folder), verify=verify)


def resolved(spec: ast.Spec, net: TypedNet) -> str:
    """The spec as it was run: overrides in place, every default of the train block shown."""
    assert net.train is not None
    kept = replace(spec, trains=(), comments=_outside(spec))
    lines = [f"  {name.ljust(_longest(net.train))} = {value}" for name, value in net.train.text.items()]
    for train in spec.trains:
        for rule in train.rules:
            inner = "; ".join(
                a.name.id if a.value is None else f"{a.name.id} {a.operator} {format_expression(a.value)}"
                for a in rule.adjustments
            )
            lines.append(f'  rule "{rule.pattern.value}" {{ {inner} }}')
    return format_spec(kept).rstrip("\n") + "\n\ntrain {\n" + "\n".join(lines) + "\n}\n"


def _outside(spec: ast.Spec) -> tuple[ast.Comment, ...]:
    """The comments that do not stand inside a train block."""
    inside = [(t.span.start, t.span.end) for t in spec.trains]
    return tuple(c for c in spec.comments if not any(a <= c.span.start < b for a, b in inside))


def _longest(train: TrainConfig) -> int:
    return max(map(len, train.text))


def stage_text(source: Source, stage: str, overrides: Overrides = ()) -> str:
    """One stage of the pipeline as text, for `--emit`."""
    if stage == "ast":
        return _tree(override(parse_tolerant(source)[0], overrides))
    net = typed(source, overrides)
    if stage == "typed":
        return _typed_text(net)
    import onnx.printer

    from netc.compiler.program import Program

    program = Program(net)
    text: str = onnx.printer.to_text(program.graph({"forward": "eval", "grad": "grad", "step": "step"}[stage]))
    return text


def _tree(node: Any, indent: str = "") -> str:
    """A tree as indented text, without spans."""
    if isinstance(node, ast.Node | ast.Comment):
        fields = [f for f in node.__dataclass_fields__ if f not in ("span", "comments")]
        simple = {f: getattr(node, f) for f in fields if not isinstance(getattr(node, f), tuple | ast.Node)}
        head = type(node).__name__ + "".join(f" {k}={v!r}" for k, v in simple.items())
        lines = [indent + head]
        for f in fields:
            value = getattr(node, f)
            for child in value if isinstance(value, tuple) else (value,):
                if isinstance(child, ast.Node):
                    lines.append(_tree(child, indent + "  "))
        return "\n".join(lines)
    return indent + repr(node)


def _typed_text(net: TypedNet) -> str:
    """The typed net as one line for each value."""
    names: dict[object, str] = {}
    lines = [f"{i.role} {i.name}: {i.type}" for i in net.inputs]
    lines += [f"parameter {p.name}: {p.type} = {p.initializer}{' frozen' * p.frozen}" for p in net.parameters]
    for k, apply in enumerate(net.applies):
        names[apply] = f"%{k}"
        arguments = [_operand(x, names) for x in apply.inputs]
        arguments += [p.name for p in apply.parameters.values()]
        arguments += [f"{n} = {v}" for n, v in apply.settings.items() if not n.endswith("init") and n != "init"]
        types = ", ".join(str(y.type) for y in apply.outputs)
        lines.append(f"%{k}: {types} = {apply.operation.name}({', '.join(arguments)})  # {apply.path}")
    if net.loss is not None:
        lines.append(f"loss = {_operand(net.loss, names)}")
    lines += [f"metric {m.name} ({m.mode}) = {_operand(m.value, names)}" for m in net.metrics]
    lines += [f"output {n} = {_operand(t, names)}" for n, t in net.outputs.items()]
    return "\n".join(lines)


def _operand(tensor: Any, names: dict[object, str]) -> str:
    origin = tensor.origin
    if isinstance(origin, Apply):
        return names[origin] + (f".{tensor.index}" if len(origin.outputs) > 1 else "")
    return origin.name if isinstance(origin, Parameter) or hasattr(origin, "name") else str(origin.value)
