"""What is inside blocks and imported nets, evaluated where they are called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from netc.compiler.check.arguments import bind
from netc.compiler.check.declarations import dtype_of
from netc.compiler.check.environment import Environment
from netc.compiler.check.expressions import evaluate
from netc.compiler.check.frame import Frame, Making
from netc.compiler.check.naming import NameScope
from netc.compiler.check.values import UNKNOWN, BlockInstance, Given, NetInstance, Record, Returned
from netc.compiler.language.slots import Slot
from netc.compiler.net import Tensor
from netc.grammar import ast
from netc.grammar.diagnostics import Label, error
from netc.grammar.source import Span

Execute = Callable[[Frame, Sequence[ast.Statement]], Returned | None]  # runs statements; what a `return` gave


def run_block(
    execute: Execute, caller: Frame, making: Making, block: BlockInstance, arguments: Sequence[Given], span: Span
) -> Any:
    """What a block returns for these arguments."""
    node = block.definition.node
    caller.recorder.budget.enter(node.name.span, span, caller.depth + 1)
    bound = bind(block.definition.slots, arguments, node.name.id, span)
    scope = NameScope(block.name) if block.name else NameScope(caller.environment.scope, caller.line)
    frame = caller.inside(Environment(scope, block.definition.environment), making)
    for parameter in node.parameters:
        name = parameter.name.id
        if name in bound:
            value, at = bound[name]
        else:
            assert parameter.default is not None
            value, at = evaluate(frame, parameter.default), parameter.span
        frame.environment.bind(name, value, at)
    before = len(caller.recorder.problems)
    returned = execute(frame, node.body)
    if returned is not None:
        return returned.value
    if (
        len(caller.recorder.problems) > before
        or not caller.recorder.parsed
        or any(isinstance(s, ast.Broken) for s in node.body)
    ):
        return UNKNOWN
    last = next((s.names[-1].id for s in reversed(node.body) if isinstance(s, ast.Bind)), "x")
    raise error("no-return", f"the block `{node.name.id}` returns nothing", span, Label(node.name.span, "this block"),
                help=f"end it with `return`, such as `return {last}`")  # fmt: skip


def run_net(
    execute: Execute, caller: Frame, making: Making, made: NetInstance, arguments: Sequence[Given], span: Span
) -> Any:
    """An imported net as a layer: its inputs are the call's tensors, what depends on its targets is left out."""
    node, module = made.module.net, made.module
    if node is None:
        raise error("not-callable", f"`{module.name}` has no net", span, module.span,
                    help=f"its blocks are called by name: `{module.name}.Unit(x)`")  # fmt: skip
    caller.recorder.budget.enter(module.span, span, caller.depth + 1)
    inputs = [s.name.id for s in node.body if isinstance(s, ast.Declare) and s.role == "input"]
    slots = [Slot(n, "any") for n in inputs] + [Slot(p.name.id, "any", p.default) for p in node.parameters]
    bound = bind(slots, arguments, module.name, span)
    frame = caller.inside(Environment(NameScope(made.name), module.environment), making)
    for parameter in node.parameters:
        given = bound.get(parameter.name.id)
        value = given[0] if given else (evaluate(frame, parameter.default) if parameter.default else UNKNOWN)
        frame.environment.bind(parameter.name.id, value, parameter.span)
    outputs: dict[str, Any] = {}
    for s in node.body:
        caller.recorder.budget.step(s.span)
        if isinstance(s, ast.Declare):
            _bind_input(frame, s, bound.get(s.name.id))
        elif isinstance(s, ast.Output):
            frame.line = s.name.id
            value = evaluate(frame, s.value or s.name)
            if value is not UNKNOWN:
                outputs[s.name.id] = value
                if s.name.id not in frame.environment.names:
                    frame.environment.bind(s.name.id, value, s.span)
        elif not isinstance(s, ast.Metric) and not (isinstance(s, ast.Bind) and s.names[0].id == "loss"):
            execute(frame, [s])
    return Record(module.name, outputs)


def _bind_input(frame: Frame, node: ast.Declare, given: tuple[Any, Span] | None) -> None:
    if node.role == "target" or given is None:
        frame.environment.bind(node.name.id, UNKNOWN, node.span)
        return
    value, at = given
    if isinstance(value, Tensor):
        dtype = dtype_of(node.type.dtype)
        if value.type.dtype != dtype or value.type.rank != len(node.type.dims):
            raise error(
                "shape-mismatch", f"the imported net's `{node.name.id}` is `{node.type.span.text}]`, this is `{value.type}`",
                at, node.type.span, help="give it a tensor of that type",
            )  # fmt: skip
    frame.environment.bind(node.name.id, value, at)
