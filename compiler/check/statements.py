"""The statements of a net, in order: what each one binds, declares and publishes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from netc.compiler.check import static
from netc.compiler.check.arguments import Argument, bind
from netc.compiler.check.declarations import Declarations
from netc.compiler.check.environment import Binding, Environment
from netc.compiler.check.naming import Path
from netc.compiler.check.reading import cycle, makes_parameters, names_in
from netc.compiler.check.recorder import MAX_APPLIES
from netc.compiler.check.values import (
    UNKNOWN,
    BlockDefinition,
    BlockInstance,
    LayerInstance,
    Module,
    NetInstance,
    Record,
    describe,
)
from netc.compiler.library import LIBRARY
from netc.compiler.language.words import Layer, Slot
from netc.compiler.net import Parameter, Tensor, TypedNet
from netc.grammar import ast
from netc.grammar.diagnostics import Diagnostic, Label, NetError, diagnostic, error
from netc.grammar.source import Span

MAX_PROBLEMS = 100


class Checker(Declarations):
    """Reads a net's body into its typed net; problems are collected, not raised."""

    def __init__(self, net: TypedNet):
        super().__init__(net)
        self.problems: list[Diagnostic] = []
        self.bodies: list[Sequence[ast.Statement]] = []
        self.layers: list[LayerInstance] = []
        self.returned: list[Any] = []
        self.broken: set[str] = set()
        self.load_module: Callable[[ast.Import], Any] = _no_modules

    # --- bodies -------------------------------------------------------------------------------------------------------

    def execute(self, body: Sequence[ast.Statement]) -> bool:
        """Runs statements in order; true when a `return` ended them."""
        self.bodies.append(body)
        try:
            for statement in body:
                try:
                    if self.statement(statement):
                        return True
                except NetError as e:
                    self.report(e)
                    self.poison(statement)
                if len(self.problems) >= MAX_PROBLEMS:
                    return False
        finally:
            self.bodies.pop()
        return False

    def report(self, e: NetError) -> None:
        """Keeps each problem once, however many turns of a repeat meet it."""
        self.problems += [d for d in e.diagnostics if d not in self.problems]

    def poison(self, statement: ast.Statement) -> None:
        """Binds what a wrong statement would have bound, so that its readers stay silent."""
        match statement:
            case ast.Bind():
                names: Sequence[ast.Name] = statement.names
            case ast.Declare() | ast.Param() | ast.Output() | ast.Block() | ast.Import():
                names = [statement.name]
            case _:
                return
        for name in names:
            home = self.environment.home(name.id) or self.environment
            if name.id not in home.names or isinstance(statement, ast.Bind):
                home.names[name.id] = Binding(UNKNOWN, name.span)

    def statement(self, node: ast.Statement) -> bool:
        match node:
            case ast.Bind():
                self.bind_line(node)
            case ast.Declare():
                self.declare(node)
            case ast.Param():
                self.param(node)
            case ast.Output():
                self.output(node)
            case ast.Metric():
                self.metric(node)
            case ast.Block():
                self.block(node)
            case ast.Repeat():
                return self.repeat(node)
            case ast.Return():
                if self.depth == 0:
                    raise error("return-outside-block", "`return` ends a block; this is not inside one", node.span)
                self.line = "return"
                values = [self.evaluate(v) for v in node.values]
                self.returned.append(values[0] if len(values) == 1 else tuple(values))
                return True
            case ast.Import():
                self.new_name(node.name, self.load_module(node))
            case ast.Broken():
                for name in node.names:
                    self.environment.names[name] = Binding(UNKNOWN, node.span)
        return False

    # --- binding ------------------------------------------------------------------------------------------------------

    def bind_line(self, node: ast.Bind) -> None:
        self.line = node.names[0].id
        for name in node.names:
            if name.id in ("seed", "row", "step"):
                raise error("reserved-name", f"`{name.id}` is reserved", name.span, help="choose another name")
        homes = [self.rebinds(name, node.value) for name in node.names]
        value = self.evaluate(node.value)
        if isinstance(value, Layer | BlockDefinition | Module):
            value = self.instance(value, node.value.span)
        if isinstance(value, LayerInstance) and value not in self.layers:
            self.layers.append(value)
        if len(node.names) > 1 and value is not UNKNOWN:
            if not isinstance(value, tuple):
                raise error("unpack", f"{len(node.names)} names for {describe(value)}", node.value.span)
            if len(value) != len(node.names):
                raise error(
                    "unpack", f"{len(node.names)} names for {len(value)} values", node.names[0].span, node.value.span
                )
        values = value if len(node.names) > 1 and value is not UNKNOWN else (value,) * len(node.names)
        for name, home, part in zip(node.names, homes, values):
            home.names[name.id] = Binding(part, name.span)

    def rebinds(self, name: ast.Name, value: ast.Expression) -> Environment:
        """The level that the line binds `name` on. Only a line that reads a name may rebind it."""
        home = self.environment.home(name.id)
        if home is None:
            return self.environment
        earlier = home.names[name.id]
        if earlier.value is UNKNOWN or any(n.id == name.id for n in names_in(value)):
            return home
        if name.id == "loss":
            raise error(
                "two-losses", "the net has two losses", name.span, Label(earlier.span, "the first one"),
                help="add the second to the first: `loss = loss + ...`",
            )  # fmt: skip
        raise error(
            "duplicate-name", f"`{name.id}` is bound twice, and this line does not read it", name.span,
            Label(earlier.span, "first bound here"), help="choose another name",
        )  # fmt: skip

    def word(self, node: ast.Name) -> Any:
        """A word of the library; a name that a later line binds gets an error that says so."""
        if node.id in self.broken:
            return UNKNOWN
        if LIBRARY.word(node.id) is not None:
            return super().word(node)
        later = {n.id: s for body in self.bodies for s in body if isinstance(s, ast.Bind) for n in s.names}
        if node.id in later:
            path = cycle(node.id, self.line, later)
            if path:
                shown = " -> ".join(f"`{p}`" for p in path)
                raise error("cycle", f"`{path[0]}` depends on itself: {shown}", node.span, later[node.id].span)
            raise error(
                "used-before", f"`{node.id}` is used before the line that binds it", node.span,
                Label(later[node.id].span, "bound here"), help="move that line up",
            )  # fmt: skip
        return super().word(node)

    # --- blocks and repeats -------------------------------------------------------------------------------------------

    def block(self, node: ast.Block) -> None:
        makes = any(makes_parameters(s, self.environment) for s in node.body)
        if makes and not node.name.id[0].isupper():
            raise error(
                "block-case", f"the block `{node.name.id}` makes parameters, so its name is capitalised", node.name.span,
                help=f"call it `{node.name.id[0].upper()}{node.name.id[1:]}`",
            )  # fmt: skip
        self.new_name(node.name, BlockDefinition(node, self.environment, makes))

    def repeat(self, node: ast.Repeat) -> bool:
        value = self.evaluate(node.count)
        if value is UNKNOWN:
            for s in node.body:
                self.poison(s)
            return False
        count = self.guard(lambda: static.whole(value, "the count of a repeat"), node.count.span)
        if count < 0:
            raise error("argument", f"a repeat cannot run {count} times", node.count.span)
        if count > MAX_APPLIES:
            raise error(
                "too-large", f"{count:,} turns make a net of more than {MAX_APPLIES:,} operations", node.count.span
            )
        name = self.environment.path.repeat(node.index.id if node.index else "repeat")
        outer = self.environment
        before = len(self.problems)
        try:
            for i in range(count):
                self.environment = Environment(Path(outer.path, f"{name}_{i}"), outer, carries=True)
                if node.index is not None:
                    self.environment.names[node.index.id] = Binding(i, node.index.span)
                if self.execute(node.body):
                    return True
                if len(self.problems) > before:
                    break
        finally:
            self.environment = outer
        return False

    # --- blocks and imported nets -------------------------------------------------------------------------------------

    def run_block(self, instance: BlockInstance, arguments: list[Argument], span: Span, path: Path, line: str) -> Any:
        node, visible = instance.definition.node, instance.definition.environment
        slots = [Slot(p.name.id, "any", p.default if p.default else inspect.Parameter.empty) for p in node.parameters]
        bound = bind(slots, arguments, node.name.id, span)
        inner = Path(instance.slot) if instance.slot else Path(path, line)
        self.environment = Environment(inner, visible)
        for parameter in node.parameters:
            name = parameter.name.id
            if name in bound:
                value, at = bound[name]
            else:
                assert parameter.default is not None
                value, at = self.evaluate(parameter.default), parameter.span
            self.environment.names[name] = Binding(value, at)
        before, depth = len(self.problems), len(self.returned)
        self.execute(node.body)
        if len(self.returned) == depth:
            if len(self.problems) > before:
                return UNKNOWN
            raise error(
                "no-return", f"the block `{node.name.id}` returns nothing", span, Label(node.name.span, "this block")
            )
        return self.returned.pop()

    def run_net(self, instance: NetInstance, arguments: list[Argument], span: Span) -> Any:
        """An imported net as a layer: its inputs are the call's tensors, what depends on its targets is left out."""
        node = instance.module.net
        if node is None:
            raise error("not-callable", f"`{instance.module.name}` has no net", span, instance.module.span)
        inputs = [s for s in node.body if isinstance(s, ast.Declare) and s.role == "input"]
        names = [s.name.id for s in inputs]
        slots = [Slot(n, "any") for n in names] + [Slot(p.name.id, "any", p.default) for p in node.parameters]
        bound = bind(slots, arguments, instance.module.name, span)
        self.environment = Environment(Path(instance.slot), instance.module.environment)
        for parameter in node.parameters:
            given = bound.get(parameter.name.id)
            value = given[0] if given else (self.evaluate(parameter.default) if parameter.default else UNKNOWN)
            self.environment.names[parameter.name.id] = Binding(value, parameter.span)
        outputs: dict[str, Any] = {}
        for s in node.body:
            if isinstance(s, ast.Declare):
                self.bind_import(s, bound.get(s.name.id))
            elif isinstance(s, ast.Output):
                self.line = s.name.id
                value = self.evaluate(s.value or s.name)
                if value is not UNKNOWN:
                    outputs[s.name.id] = value
                    self.environment.names.setdefault(s.name.id, Binding(value, s.span))
            elif not isinstance(s, ast.Metric) and not (isinstance(s, ast.Bind) and s.names[0].id == "loss"):
                self.execute([s])
        return Record(instance.module.name, outputs)

    def bind_import(self, node: ast.Declare, given: tuple[Any, Span] | None) -> None:
        if node.role == "target" or given is None:
            self.environment.names[node.name.id] = Binding(UNKNOWN, node.span)
            return
        value, at = given
        if isinstance(value, Tensor):
            dtype = self.dtype(node.type.dtype)
            if value.type.dtype != dtype or value.type.rank != len(node.type.dims):
                raise error(
                    "shape-mismatch", f"the imported net's `{node.name.id}` is `{node.type.span.text}]`, this is `{value.type}`",
                    at, node.type.span,
                )  # fmt: skip
        self.environment.names[node.name.id] = Binding(value, at)

    # --- the end of the net -------------------------------------------------------------------------------------------

    def assign_names(self) -> None:
        """Gives every parameter its path, now that each scope has been read to its end."""
        taken: dict[str, Parameter] = {}
        for parameter, path in self.unnamed:
            parameter.name = path()
            if parameter.name in taken:
                raise error(
                    "duplicate-name", f"two parameters would be called `{parameter.name}`", parameter.span,
                    taken[parameter.name].span, help="rename one of the lines",
                )  # fmt: skip
            taken[parameter.name] = parameter

    def unused_layers(self) -> Iterator[Diagnostic]:
        for layer in self.layers:
            if layer.parameters is None:
                yield diagnostic(
                    "unused-layer", f"the layer `{layer.slot.line}` is never used", layer.span, severity="warning"
                )


def _no_modules(node: ast.Import) -> Any:
    raise error("import", "nothing can be imported here", node.span)
