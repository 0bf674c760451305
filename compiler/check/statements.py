"""The statements of a net, in order: what each one binds, declares and publishes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from netc.compiler.check import blocks, static
from netc.compiler.check.applying import guard
from netc.compiler.check.budget import Exhausted
from netc.compiler.check.calls import instance
from netc.compiler.check.computed import counted
from netc.compiler.check.declarations import (
    COUNTERS,
    declare,
    home_of,
    inner_loss,
    metric,
    new_name,
    output,
    param,
    refuse_reserved,
)
from netc.compiler.check.environment import Environment
from netc.compiler.check.expressions import evaluate
from netc.compiler.check.frame import Frame, Making
from netc.compiler.check.naming import NameScope
from netc.compiler.check.reading import makes_parameters
from netc.compiler.check.values import (
    SILENT,
    UNKNOWN,
    BlockDefinition,
    BlockInstance,
    Given,
    LayerInstance,
    Module,
    Returned,
    describe,
)
from netc.compiler.language.operations import Layer
from netc.grammar import ast
from netc.grammar.diagnostics import Label, NetError, error


def execute(frame: Frame, body: Sequence[ast.Statement]) -> Returned | None:
    """Runs statements in order, keeping what is wrong with each; what a `return` gave, where one ended them."""
    inner = frame.body(body)
    for statement in body:
        try:
            frame.recorder.budget.step(statement.span)
            returned = _statement(inner, statement)
            if returned is not None:
                return returned
        except Exhausted:
            raise
        except RecursionError:
            if not frame.outermost:
                raise
            message = "blocks, repeats or layers are nested too deep in this line"
            frame.recorder.report(error("too-deep", message, statement.span))
            _poison(inner, statement)
        except NetError as e:
            frame.recorder.report(e)
            _poison(inner, statement)
        if frame.recorder.full:
            break
    return None


def _statement(frame: Frame, node: ast.Statement) -> Returned | None:
    match node:
        case ast.Bind():
            _bind(frame, node)
        case ast.Declare():
            declare(frame, node)
        case ast.Param():
            param(frame, node)
        case ast.Output():
            output(frame, node)
        case ast.Metric():
            metric(frame, node)
        case ast.Block():
            _block(frame, node)
        case ast.Repeat():
            return _repeat(frame, node)
        case ast.Return():
            return _return(frame, node)
        case ast.Import():
            new_name(frame, node.name, frame.recorder.load_module(node))
        case ast.Broken():
            _poison(frame, node)
    return None


def _poison(frame: Frame, statement: ast.Statement) -> None:
    """Binds what a wrong statement would have bound, so that its readers stay silent."""
    match statement:
        case ast.Bind():
            names: Sequence[ast.Name] = statement.names
        case ast.Declare() | ast.Param() | ast.Output() | ast.Block() | ast.Import():
            names = [statement.name]
        case ast.Repeat():
            for inner in statement.body:
                _poison(frame, inner)
            return
        case ast.Broken():
            names = [ast.Name(statement.span, n) for n in statement.names]
        case _:
            return
    for name in names:
        home = frame.environment.home(name.id) or frame.environment
        if name.id not in home.names or isinstance(statement, ast.Bind | ast.Broken):
            home.bind(name.id, UNKNOWN, name.span)


# --- binding ----------------------------------------------------------------------------------------------------------


def _bind(frame: Frame, node: ast.Bind) -> None:
    frame.line = node.names[0].id
    for name in node.names:
        refuse_reserved(name, COUNTERS)
    homes = [home_of(frame, name, node.value) for name in node.names]
    value = evaluate(frame, node.value)
    if isinstance(value, Layer | BlockDefinition | Module):
        value = instance(frame, value, node.value.span)
    if isinstance(value, LayerInstance):
        frame.recorder.layers[value] = None
    values = (value,) * len(node.names)
    if len(node.names) > 1 and value is not UNKNOWN:
        if not isinstance(value, tuple):
            raise error("unpack", f"{len(node.names)} names for {describe(value)}", node.value.span,
                        help="one name takes it; `split`, and blocks that return several values, give several")  # fmt: skip
        if len(value) != len(node.names):
            message = f"{len(node.names)} names for {len(value)} values"
            raise error("unpack", message, node.names[0].span, node.value.span, help="write one name for each value")
        values = value
    for name, home, part in zip(node.names, homes, values):
        home.bind(name.id, part, name.span)


# --- blocks and repeats -----------------------------------------------------------------------------------------------


def _return(frame: Frame, node: ast.Return) -> Returned:
    if frame.depth == 0 and not frame.recorder.parsed:
        raise SILENT  # the beginning of its block may be lost
    if frame.depth == 0:
        raise error("return-outside-block", "`return` ends a block; this is not inside one", node.span,
                    help=f"publish a result of the net: `output result = {node.values[0].span.text}`")  # fmt: skip
    frame.line = "return"
    values: list[Any] = [evaluate(frame, v) for v in node.values]
    return Returned(values[0] if len(values) == 1 else tuple(values))


def _block(frame: Frame, node: ast.Block) -> None:
    makes = any(makes_parameters(s, frame.environment) for s in node.body)
    if makes and not node.name.id[0].isupper():
        raise error(
            "block-case", f"the block `{node.name.id}` makes parameters, so its name is capitalised", node.name.span,
            help=f"call it `{node.name.id[0].upper()}{node.name.id[1:]}`",
        )  # fmt: skip
    _body_of_block(frame, node.body)
    run = partial(blocks.run_block, execute)
    made = BlockDefinition(node, frame.environment, makes, run)
    frame.recorder.blocks.append(made)
    new_name(frame, node.name, made)


def _body_of_block(frame: Frame, body: Sequence[ast.Statement]) -> None:
    """Reports what a block would do in silence: lines behind its `return`, which nothing reads, and a loss of its own."""
    for i, statement in enumerate(body):
        if isinstance(statement, ast.Return) and i + 1 < len(body) and frame.recorder.parsed:
            message = "`return` ends the block, and nothing reads the line behind it"
            frame.recorder.report(error("no-return", message, body[i + 1].span, Label(statement.span, "ends here"),
                                        help="move `return` to the end, or remove the line"))  # fmt: skip
        for name in statement.names if isinstance(statement, ast.Bind) else ():
            if name.id == "loss":
                frame.recorder.report(inner_loss(name, "block"))
        if isinstance(statement, ast.Repeat):
            _body_of_block(frame, statement.body)


def read_uncalled(frame: Frame) -> None:
    """Reads the blocks that nothing calls, with unknown arguments and for their errors alone."""
    for block in frame.recorder.blocks:
        if not block.called:
            apart = frame.recorder.apart()
            arguments = [Given(UNKNOWN, p.span, p.name.id) for p in block.node.parameters]
            made = BlockInstance(block, [], None, block.node.span)
            with suppress(NetError):  # what is raised rather than reported depends on the arguments
                block.run(Frame(apart, depth=1), Making(), made, arguments, block.node.name.span)
            frame.recorder.report(NetError(apart.problems))


def _repeat(frame: Frame, node: ast.Repeat) -> Returned | None:
    value = evaluate(frame, node.count)
    if value is UNKNOWN:
        turn = frame.turn(Environment(NameScope(frame.environment.scope, "repeat"), frame.environment, carries=True))
        if node.index is not None:
            turn.environment.bind(node.index.id, UNKNOWN, node.index.span)
        execute(turn, node.body)  # what is wrong inside is found all the same
        for s in node.body:
            _poison(frame, s)
        return None
    items: Sequence[Any] = value if isinstance(value, tuple) else counted(value)
    count = len(items) or guard(lambda: static.whole(value, "the count of a repeat"), node.count.span)
    if count < 0:
        raise error("argument", f"a repeat cannot run {count} times", node.count.span, help="write 0 or more")
    frame.recorder.budget.turns(node, count)
    outer = frame.environment
    name = outer.scope.repeat(node.index.id if node.index else "repeat")
    before = len(frame.recorder.problems)
    for i in range(count):
        frame.recorder.budget.enter(node.count.span, node.count.span)
        turn = frame.turn(Environment(NameScope(outer.scope, f"{name}_{i}"), outer, carries=True))
        if node.index is not None:
            turn.environment.bind(node.index.id, items[i] if items else i, node.index.span)
        returned = execute(turn, node.body)
        if returned is not None:
            return returned
        if len(frame.recorder.problems) > before:
            for s in node.body:  # what does not belong here would have been read further down
                if isinstance(s, ast.Output | ast.Declare) and outer.find(s.name.id) is None:
                    outer.bind(s.name.id, UNKNOWN, s.span)
            break
    return None
