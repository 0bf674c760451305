"""The net being written, and everything that is collected on the way: problems, symbols, names to be given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from netc.compiler.check.values import BlockDefinition, LayerInstance
from netc.compiler.graph.types import TensorType
from netc.compiler.language.variables import Variable, site
from netc.compiler.net import Apply, TypedNet
from netc.grammar import ast
from netc.grammar.diagnostics import Diagnostic, NetError, diagnostic, error
from netc.grammar.source import Span

MAX_APPLIES = 100_000
MAX_ELEMENTS = 2**63
MAX_PROBLEMS = 100


def no_modules(node: ast.Import) -> Any:
    """Loads nothing."""
    raise error("import", "nothing can be imported here", node.span)


class Recorder:
    """Collects what the statements of one net make. `load_module` reads what an `import` names."""

    def __init__(self, net: TypedNet, load_module: Callable[[ast.Import], Any] = no_modules):
        self.net, self.load_module = net, load_module
        self.symbols: dict[str, Span] = {}  # symbolic dimensions, with where they are declared
        self.problems: list[Diagnostic] = []
        self.layers: list[LayerInstance] = []  # those that a line binds
        self.blocks: list[BlockDefinition] = []
        self._unnamed: list[tuple[Variable, Callable[[], str]]] = []
        self._draws: dict[str, int] = {}
        self.missing: set[str] = set()  # names that nothing binds, reported once
        self._places: set[Span | None] = set()  # of the problems

    def apart(self) -> Recorder:
        """A recorder of a net that is thrown away, in which the same symbolic dimensions are known."""
        made = Recorder(TypedNet(self.net.name, self.net.source), self.load_module)
        made.symbols, made.missing = self.symbols, self.missing
        return made

    @property
    def full(self) -> bool:
        """Whether so much is wrong that going on would say nothing new."""
        return len(self.problems) >= MAX_PROBLEMS

    def report(self, e: NetError) -> None:
        """Keeps the problems, one for each place, however many turns of a repeat and calls of a block meet it."""
        for d in e.diagnostics:
            place = d.labels[0].span if d.labels else None
            if place is None or place not in self._places:
                self.problems.append(d)
                self._places.add(place)

    def add(self, made: Apply) -> None:
        """Appends an operation. Raises NetError beyond the budget."""
        if len(self.net.applies) >= MAX_APPLIES:
            raise error("too-large", f"the net has more than {MAX_APPLIES:,} operations", made.span,
                        help="make its repeats shorter")  # fmt: skip
        if made.operation.draws:
            count = self._draws[made.path] = self._draws.get(made.path, 0) + 1
            made.site = site(f"{made.path}/{count}")  # it stays when other lines change
        self.net.applies.append(made)

    def add_variable(self, variable: Variable, path: Callable[[], str]) -> None:
        """Registers a variable; its path is asked for when the whole net has been read."""
        self.net.variables.append(variable)
        self._unnamed.append((variable, path))

    def assign_names(self) -> None:
        """Gives every variable its path, now that each scope has been read to its end. Raises NetError."""
        taken: dict[str, Variable] = {}
        for variable, path in self._unnamed:
            variable.name = path()
            if variable.name in taken:
                raise error(
                    "duplicate-name", f"two parameters would be called `{variable.name}`", variable.span,
                    taken[variable.name].span, help="rename one of the lines",
                )  # fmt: skip
            taken[variable.name] = variable

    def unused_layers(self) -> Iterator[Diagnostic]:
        """A warning for each layer that a line binds and nothing flows into."""
        for layer in self.layers:
            if layer.variables is None:
                message = f"the layer `{layer.name.line}` is never used"
                help = f"let a tensor flow into it: `x -> {layer.name.line}`, or remove the line"
                yield diagnostic("unused-layer", message, layer.span, help=help, severity="warning")


def check_size(t: TensorType, span: Span) -> None:
    """Refuses a tensor with 2^63 elements or more before anything is allocated."""
    if isinstance(t.size, int) and t.size >= MAX_ELEMENTS:
        raise error("dimension", f"`{t}` has 2^63 elements or more", span, help="make its dimensions smaller")
