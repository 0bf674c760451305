"""The statements of a net, in order: what each one binds, declares and publishes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from netc.compiler.check import static
from netc.compiler.check.arguments import Argument, bind, initializer
from netc.compiler.check.environment import Binding, Environment
from netc.compiler.check.expressions import Evaluator
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
from netc.compiler.dimensions import Dim, Symbolic, symbol
from netc.compiler.library import LIBRARY
from netc.compiler.library.initializers import HeNormal, Zeros
from netc.compiler.library.registry import Layer, Slot
from netc.compiler.typed import Input, Metric, Parameter, Tensor, TypedNet
from netc.compiler.types import DTYPES, DType, TensorType
from netc.grammar import ast
from netc.grammar.diagnostics import Diagnostic, Label, NetError, diagnostic, did_you_mean, error
from netc.grammar.source import Span

RESERVED = ("loss", "seed", "row", "step")
MAX_PROBLEMS = 100


class Checker(Evaluator):
    """Reads a net's body into its typed net; problems are collected, not raised."""

    def __init__(self, net: TypedNet):
        super().__init__(net, {})
        self.problems: list[Diagnostic] = []
        self.unnamed: list[tuple[Parameter, Callable[[], str]]] = []
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

    def new_name(self, name: ast.Name, value: Any) -> None:
        """Binds a name for the first time."""
        earlier = self.environment.names.get(name.id)
        if earlier is not None and earlier.value is not UNKNOWN:
            raise error(
                "duplicate-name", f"`{name.id}` is bound twice", name.span, Label(earlier.span, "first bound here")
            )
        self.environment.names[name.id] = Binding(value, name.span)

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

    # --- declarations -------------------------------------------------------------------------------------------------

    def reserved(self, name: ast.Name) -> None:
        if name.id in RESERVED:
            raise error("reserved-name", f"`{name.id}` is reserved", name.span, help="choose another name")

    def dtype(self, node: ast.Name) -> DType:
        if node.id not in DTYPES:
            raise error(
                "unknown-dtype", f"there is no dtype `{node.id}`", node.span,
                help=did_you_mean(node.id, DTYPES, "dtypes are " + ", ".join(f"`{d}`" for d in DTYPES)),
            )  # fmt: skip
        return DTYPES[node.id]

    def dimension(self, node: ast.Expression, declares: bool) -> Dim:
        """One entry of a type: a positive whole number or a symbolic dimension."""
        if isinstance(node, ast.Name) and declares and self.environment.find(node.id) is None and node.id[:1].isupper():
            self.symbols.setdefault(node.id, node.span)
            return symbol(node.id)
        value = self.evaluate(node)
        if isinstance(value, Symbolic):
            return value
        size = self.guard(lambda: static.whole(value, "a dimension"), node.span)
        if size < 1:
            raise error("dimension", f"a dimension must be at least 1, not {size}", node.span)
        return size

    def declare(self, node: ast.Declare) -> None:
        if self.depth or self.environment.parent is not None:
            raise error(
                "declaration-place", f"`{node.role}` stands in the net itself, not inside a block or repeat", node.span
            )
        self.reserved(node.name)
        dtype = self.dtype(node.type.dtype)
        shape = tuple(self.dimension(d, declares=True) for d in node.type.dims)
        found = TensorType(dtype, shape)
        self.check_size(found, node.type.span)
        if not shape or not isinstance(shape[0], Symbolic) or str(shape[0]) not in self.symbols:
            raise error(
                "batch-dimension", f"the first dimension of `{node.name.id}` is the batch and needs a name",
                node.type.dims[0].span if node.type.dims else node.type.span, help=f"write `{dtype}[N, ...]`",
            )  # fmt: skip
        first = next(iter(self.net.inputs), None)
        if first is not None and first.type.shape[0] != shape[0]:
            raise error(
                "batch-dimension", f"the batch is `{first.type.shape[0]}` in one declaration and `{shape[0]}` in another",
                node.type.dims[0].span, Label(first.span, "declared here"),
            )  # fmt: skip
        made = Input(node.name.id, node.role, found, node.span)
        self.new_name(node.name, Tensor(found, node.span, made))
        self.net.batch = str(shape[0])
        self.net.inputs.append(made)

    def param(self, node: ast.Param) -> None:
        self.line = node.name.id
        if node.name.id in RESERVED:
            self.reserved(node.name)
        dtype = self.dtype(node.type.dtype)
        if not dtype.is_float:
            raise error("dtype", f"a parameter is floating-point, not `{dtype}`", node.type.span)
        shape = tuple(self.dimension(d, declares=False) for d in node.type.dims)
        if any(isinstance(d, Symbolic) for d in shape):
            raise error("symbolic-parameter", "a parameter has fixed dimensions", node.type.span)
        found = TensorType(dtype, shape)
        self.check_size(found, node.type.span)
        first: Any = HeNormal() if len(shape) > 1 else Zeros()
        if node.value is not None:
            value = self.evaluate(node.value)
            first = self.guard(lambda: initializer(value, f"`{node.name.id}`", None), node.value.span)
        path, name = self.environment.path, node.name.id

        def make() -> Parameter:
            made = Parameter(found, first, node.span)
            self.name_later(made, lambda: f"{path}.{name}".lstrip("."))
            return made

        made = self.make(make)
        self.new_name(node.name, Tensor(found, node.span, made))

    def name_later(self, parameter: Parameter, path: Callable[[], str]) -> None:
        self.net.parameters.append(parameter)
        self.unnamed.append((parameter, path))

    def output(self, node: ast.Output) -> None:
        value = self.publish(node.name, node.value, "output")
        if value is not UNKNOWN:
            self.net.outputs[node.name.id] = value

    def publish(self, name: ast.Name, expression: ast.Expression | None, what: str) -> Any:
        """The tensor that `output` or `metric` makes public."""
        if self.depth or self.environment.parent is not None:
            raise error(
                "declaration-place", f"`{what}` stands in the net itself, not inside a block or repeat", name.span
            )
        self.line = name.id
        if what == "output" or name.id in ("seed", "row", "step"):
            self.reserved(name)
        value = self.settled(self.evaluate(name if expression is None else expression))
        at = (expression or name).span
        if value is not UNKNOWN and not isinstance(value, Tensor):
            raise error("argument", f"`{what} {name.id}` publishes a tensor, this is {describe(value)}", at)
        if what == "output" and expression is not None:
            self.new_name(name, value)
        if name.id in self.net.outputs or any(m.name == name.id for m in self.net.metrics):
            raise error("duplicate-name", f"`{name.id}` is published twice", name.span)
        return value

    def metric(self, node: ast.Metric) -> None:
        value = self.publish(node.name, node.value, "metric")
        if value is UNKNOWN:
            return
        at = (node.value or node.name).span
        if not value.type.is_scalar:
            raise error("not-scalar", f"a metric is one number, this is `{value.type}`", at, help="take its `mean`")
        if not value.type.dtype.is_float:
            raise error("dtype", f"a metric is floating-point, this is `{value.type}`", at, help="convert it: `f32(x)`")
        natural = getattr(getattr(value.origin, "operation", None), "mode", "")
        if node.mode is not None and node.mode.id not in ("max", "min"):
            raise error(
                "metric-mode", f"a metric is better at its `max` or its `min`, not `{node.mode.id}`", node.mode.span
            )
        mode = node.mode.id if node.mode else natural
        if not mode:
            raise error(
                "metric-mode", f"say which direction of `{node.name.id}` is better", node.name.span,
                help=f"`metric {node.name.id} (min) = ...` or `(max)`",
            )  # fmt: skip
        self.net.metrics.append(Metric(node.name.id, mode, value, node.span))

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
