"""The net being written, and everything that is collected on the way: problems, symbols, names to be given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

from netc.compiler.check.budget import Budget
from netc.compiler.check.static import bounded
from netc.compiler.check.values import BlockDefinition, LayerInstance
from netc.compiler.graph.dimensions import Dim, Shape, multiply
from netc.compiler.graph.types import TensorType
from netc.compiler.language.refusal import Refused
from netc.compiler.language.variables import Variable, site
from netc.compiler.net import Apply, TypedNet, ancestors
from netc.grammar import ast
from netc.grammar.diagnostics import Diagnostic, Label, NetError, diagnostic, error
from netc.grammar.source import Span

MAX_ELEMENTS = 2**63
MAX_RANK = 64  # which is NumPy's
MAX_PROBLEMS = 100
MAX_LABELS = 6  # of a problem that shows at many places


class Recorder:
    """Collects what the statements of one net make. `load_module` reads what an `import` names."""

    def __init__(
        self, net: TypedNet, load_module: Callable[[ast.Import], Any], budget: Budget
    ):  # the budget is one for a net and all that it imports
        self.net, self.load_module, self.budget = net, load_module, budget
        self.symbols: dict[str, Span] = {}  # symbolic dimensions, with where they are declared
        self.parsed = True  # whether the parser left nothing out
        self.problems: list[Diagnostic] = []
        self.layers: dict[LayerInstance, None] = {}  # those that a line binds
        self.published: set[str] = set()  # names of outputs and metrics
        self.blocks: list[BlockDefinition] = []
        self._unnamed: list[tuple[Variable, Callable[[], str]]] = []
        self._draws: dict[str, int] = {}
        self._weights: dict[Apply, int] = {}
        self.missing: set[str] = set()  # names that nothing binds, reported once
        self._places: set[Span | None] = set()  # of the problems
        self._about: dict[
            tuple[str, tuple[Span, ...]], int
        ] = {}  # the problem that tells of some tensors, by its position

    def apart(self) -> Recorder:
        """A recorder of a net that is thrown away, in which the same symbolic dimensions are known."""
        made = Recorder(TypedNet(self.net.name, self.net.source), self.load_module, self.budget)
        made.symbols, made.missing, made.parsed = self.symbols, self.missing, self.parsed
        return made

    @property
    def full(self) -> bool:
        """Whether so much is wrong that going on would say nothing new."""
        return len(self.problems) >= MAX_PROBLEMS

    def report(self, e: NetError) -> None:
        """Keeps the problems, one for each place, however many turns of a repeat and calls of a block meet it; what is said of
        the same tensors is one mistake, met at several places."""
        for d in e.diagnostics:
            place = d.labels[0].span if d.labels else None
            if place is not None and place in self._places:
                continue
            self._places.add(place)
            about = (d.slug, tuple(x.span for x in d.labels[1:]))
            if d.labels[1:] and about in self._about:
                self._here_too(self._about[about], d.labels[0])
                continue
            self._about.setdefault(about, len(self.problems))
            self.problems.append(d)

    def _here_too(self, position: int, label: Label) -> None:
        """Marks another place of a problem, unless its line is marked."""
        found = self.problems[position]
        if len(found.labels) < MAX_LABELS and all(x.span.line != label.span.line for x in found.labels):
            self.problems[position] = replace(found, labels=(*found.labels, Label(label.span, "here too")))

    def add(self, made: Apply) -> None:
        """Appends an operation. Raises Exhausted beyond the budget."""
        self.budget.operation(made.span, made.path, self._weight(made))
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
            if variable.span is not None:
                self.budget.text(variable.span, variable.name)
            if variable.name in taken:
                raise error(
                    "duplicate-name", f"two parameters would be called `{variable.name}`", variable.span,
                    taken[variable.name].span, help="rename one of the lines",
                )  # fmt: skip
            taken[variable.name] = variable

    def _weight(self, made: Apply) -> int:
        """How many operations an operation stands for; a derivative for those that it goes through, there and back."""
        own = made.operation.nodes * max(1, len(made.outputs))
        if made.operation.derives:
            own += 2 * sum(self._weights[a] for a in ancestors(made.inputs[0]) if isinstance(a, Apply))
        self._weights[made] = own
        return own

    def unused_layers(self) -> Iterator[Diagnostic]:
        """A warning for each layer that a line binds and nothing flows into."""
        for layer in self.layers:
            if layer.variables is None:
                message = f"the layer `{layer.name.line}` is never used"
                help = f"let a tensor flow into it: `x -> {layer.name.line}`, or remove the line"
                yield diagnostic("unused-layer", message, layer.span, help=help, severity="warning")


def check_size(t: TensorType, span: Span) -> None:
    """Refuses a tensor that nothing could hold before anything is allocated. Raises NetError."""
    try:
        size = _bounded_size(t.shape)
    except Refused as r:
        raise error(r.slug, r.message, span) from None
    if isinstance(size, int) and size >= MAX_ELEMENTS:
        raise error("dimension", f"`{t}` has 2^63 elements or more", span, help="make its dimensions smaller")


@lru_cache(maxsize=4096)
def _bounded_size(shape: Shape) -> Dim:
    """The number of elements, where neither the shape nor a size in it has grown too long. Raises Refused."""
    if len(shape) > MAX_RANK:
        raise Refused("dimension", f"a tensor has at most {MAX_RANK} axes, this one would have {len(shape)}")
    size: Dim = 1
    for d in shape:
        size = bounded(multiply(size, bounded(d)))
    return size
