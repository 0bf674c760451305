"""What the stages write, as text: trees, typed nets."""

from __future__ import annotations

from typing import Any

from netc.compiler.language.onnx_operators import OnnxOperation
from netc.compiler.language.variables import Initializer, Variable
from netc.compiler.language.words import show
from netc.compiler.net import Apply, Constant, Size, Tensor, TypedNet
from netc.grammar import ast

MAX_INDENT = 200  # levels


def tree_text(node: Any) -> str:
    """A tree as indented text, without spans."""
    lines: list[str] = []
    stack: list[tuple[Any, int]] = [(node, 0)]
    while stack:  # long sums are deep trees: walked, not recursed into
        current, depth = stack.pop()
        indent = "  " * min(depth, MAX_INDENT)
        if not isinstance(current, ast.Node | ast.Comment):
            lines.append(indent + repr(current))
            continue
        values = {f: getattr(current, f) for f in current.__dataclass_fields__ if f not in ("span", "comments")}
        simple = {f: v for f, v in values.items() if not isinstance(v, tuple | ast.Node)}
        lines.append(indent + type(current).__name__ + "".join(f" {k}={v!r}" for k, v in simple.items()))
        children = [
            c for v in values.values() for c in (v if isinstance(v, tuple) else (v,)) if isinstance(c, ast.Node)
        ]
        stack += [(c, depth + 1) for c in reversed(children)]
    return "\n".join(lines)


def net_text(net: TypedNet) -> str:
    """The typed net as one line for each value, in the language's own words."""
    names: dict[object, str] = {}
    lines = [f"{i.role} {i.name}: {i.type}" for i in net.inputs]
    lines += [_variable(v) for v in net.variables]
    for k, apply in enumerate(net.applies):
        name, names[apply] = apply.operation.name, f"%{k}"
        placed = apply.operation.placed(apply.inputs) if isinstance(apply.operation, OnnxOperation) else apply.inputs
        arguments = ["none" if x is None else _operand(x, names) for x in placed]
        arguments += [v.name for v in apply.variables.values()]
        arguments += [f"{n} = {show(v)}" for n, v in apply.settings.items() if not isinstance(v, Initializer)]
        types = ", ".join(str(y.type) for y in apply.outputs)
        called = f"{name}({', '.join(arguments)})" if name.isidentifier() else f" {name} ".join(arguments)
        lines.append(f"%{k}: {types} = {called}  # {apply.path}")
    if net.loss is not None:
        lines.append(f"loss = {_operand(net.loss, names)}")
    lines += [f"metric {m.name} ({m.mode}) = {_operand(m.value, names)}" for m in net.metrics]
    lines += [f"output {n} = {_operand(t, names)}" for n, t in net.outputs.items()]
    return "\n".join(lines)


def _variable(v: Variable) -> str:
    assert v.first is not None
    return f"{v.role} {v.name}: {v.type} = {show(v.first)}{' frozen' * (not v.trained)}"


def _operand(tensor: Tensor, names: dict[object, str]) -> str:
    origin = tensor.origin
    match origin:
        case Apply():
            return names[origin] + (f".{tensor.index}" if len(origin.outputs) > 1 else "")
        case Constant(value=value):
            return show(value)
        case Size(dim=dim):
            return str(dim)
        case _:
            return origin.name
