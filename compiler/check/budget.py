"""What expanding a spec may cost. It is counted while the spec is expanded, so that nothing runs away first."""

from __future__ import annotations

from netc.grammar import ast
from netc.grammar.diagnostics import Label, NetError, diagnostic
from netc.grammar.source import Span

MAX_OPERATIONS = 100_000
MAX_STEPS = 450_000  # statements, turns of repeats, calls of blocks and pipelines
MAX_VALUES = 4_000_000  # of lists, each time that one is made, compared or given to a call
MAX_MATCHES = 5_000_000  # of a pattern and a name
MAX_NAMES = 100_000_000  # characters, in the paths of all lines
MAX_IMPORTED = 1_000_000  # characters, of all imported specs


class Exhausted(NetError):
    """The budget is spent: nothing more is expanded, so no statement goes on after it."""


class Budget:
    """What a net and its imports have cost so far, and how often each repeat, block and import was entered.

    Every method raises Exhausted, with the place where the budget ran out and what was entered most often.
    """

    def __init__(self) -> None:
        self.operations = self.steps = self.values = self.matches = self.names = self.imported = 0
        self.pipelines = 0  # that are open
        self.entered: dict[Span, list[int]] = {}

    def operation(self, span: Span, path: str, count: int = 1) -> None:
        """Counts an operation that stands for `count` of them, and the text of its path."""
        self.operations += count
        if self.operations > MAX_OPERATIONS:
            raise self._spent(f"the net has more than {MAX_OPERATIONS:,} operations", span)
        self.text(span, path)

    def text(self, span: Span, path: str) -> None:
        """Counts the path of a line or a parameter."""
        self.names += len(path)
        if self.names > MAX_NAMES:
            raise self._spent(f"the names in the net have more than {MAX_NAMES:,} characters in all", span)

    def step(self, span: Span, count: int = 1) -> None:
        """Counts a statement, a turn or a call."""
        self.steps += count
        if self.steps > MAX_STEPS:
            raise self._spent(f"the net takes more than {MAX_STEPS:,} statements, turns and calls", span)

    def enter(self, what: Span, at: Span, depth: int = 1) -> None:
        """Counts one more turn of a repeat, or one more use, at `at`, of a block, a pipeline or an import, at `what`.

        A use inside others counts for as many as it is deep: what doubles from level to level is refused early.
        """
        times = self.entered.get(what)
        if times is None:
            times = self.entered[what] = [0]
        times[0] += 1
        self.step(at, depth)

    def turns(self, node: ast.Repeat, count: int) -> None:
        """Refuses a repeat at once whose turns, and those of the repeats in it that say a number, are too many."""
        if count > MAX_OPERATIONS:
            raise self._spent(f"{count:,} turns make a net of more than {MAX_OPERATIONS:,} operations", node.count.span)
        least = count * _least(node)
        if least > MAX_STEPS - self.steps:
            message = f"{least:,} turns and statements here make more than the {MAX_STEPS:,} that a net may take"
            raise self._spent(message, node.count.span)

    def list(self, span: Span, value: object) -> None:
        """Counts the values of a list, those of the lists in it included."""
        stack = [value]
        while stack:
            current = stack.pop()
            if isinstance(current, tuple):
                self.values += len(current)
                if self.values > MAX_VALUES:
                    raise self._spent(f"the lists of the net hold more than {MAX_VALUES:,} values", span)
                stack += [v for v in current if isinstance(v, tuple)]

    def match(self, span: Span, count: int) -> None:
        """Counts the names that a pattern is compared with."""
        self.matches += count
        if self.matches > MAX_MATCHES:
            raise self._spent(f"patterns are compared with more than {MAX_MATCHES:,} names", span)

    def text_of_import(self, span: Span, text: str) -> None:
        """Counts the text of an imported spec."""
        self.imported += len(text)
        if self.imported > MAX_IMPORTED:
            raise self._spent(f"the imported specs have more than {MAX_IMPORTED:,} characters in all", span)

    def _spent(self, message: str, span: Span) -> Exhausted:
        most = max(self.entered, key=lambda s: self.entered[s][0], default=None)
        label = None
        if most is not None and self.entered[most][0] > 1:
            label = Label(most, f"entered {self.entered[most][0]:,} times")
        return Exhausted(
            diagnostic("too-large", message, span, label, help="repeat fewer times, or make the lists shorter")
        )


def _least(node: ast.Repeat) -> int:
    """The steps that one turn takes at least: itself, its statements, and the turns of its repeats of a written number."""
    steps = 1 + len(node.body)
    for s in node.body:
        if isinstance(s, ast.Return):
            return 1
        if isinstance(s, ast.Repeat) and isinstance(s.count, ast.Number) and isinstance(s.count.value, int):
            steps += s.count.value * _least(s)
    return steps
