"""What a name stands for: what a line bound, a symbolic dimension, or a word of the library."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from netc.compiler.check import guessing
from netc.compiler.check.frame import Frame
from netc.compiler.check.reading import cycle
from netc.compiler.check.values import CALLABLES, UNKNOWN, Module, OnnxNamespace
from netc.compiler.graph.dimensions import symbol
from netc.compiler.library import LIBRARY
from netc.grammar import ast
from netc.grammar.diagnostics import Label, NetError, error, nearest
from netc.grammar.foreign import COMMENT

VALUES: dict[str, Any] = {"onnx": OnnxNamespace(), "none": None, "pi": math.pi}  # names that stand for one thing


def meaning(frame: Frame, node: ast.Name) -> Any:
    """What a name stands for; what is wrong with it is reported, and then it is unknown."""
    binding = frame.environment.find(node.id)
    if binding is not None:
        return binding.value
    if node.id in frame.recorder.symbols:
        return symbol(node.id)
    if node.id in frame.recorder.missing or not node.id.isascii():  # such a character is reported where names are read
        return UNKNOWN
    try:
        return _word(frame, node)
    except NetError as e:
        if frame.recorder.parsed or _surely_wrong(frame, node, e.diagnostics[0].slug):
            frame.recorder.report(e)
        if not nearest(node.id, LIBRARY.words()):  # else it is a word misspelt, which each line has to mend
            frame.recorder.missing.add(node.id)
        return UNKNOWN


def _surely_wrong(frame: Frame, node: ast.Name, slug: str) -> bool:
    """Whether a name is wrong though the parser left lines out, one of which may have bound it: it is near to one that is
    known, or a layer of another framework."""
    environment = frame.environment
    own = [n for n in environment.visible() if (found := environment.find(n)) is None or found.value is not UNKNOWN]
    known = [*own, *frame.recorder.symbols, *LIBRARY.words()]
    foreign = node.id[:1].isupper() and guessing.is_foreign(node.id)
    return slug not in ("cycle", "used-before") and (foreign or bool(nearest(node.id, known)))


def called(frame: Frame, node: ast.Name) -> Any:
    """What a name before a call stands for: tensors never hide functions there. Raises NetError."""
    binding = frame.environment.find(node.id)
    if binding is not None and not isinstance(binding.value, (*CALLABLES, type(UNKNOWN))):
        found = LIBRARY.word(node.id)
        return binding.value if found is None else found
    return meaning(frame, node)


def _word(frame: Frame, node: ast.Name) -> Any:
    """A word of the library. Raises NetError with the nearest names, or with the later line that binds the name."""
    found = LIBRARY.word(node.id)
    if found is not None:
        return found
    if node.id in VALUES:
        return VALUES[node.id]
    later = {n.id: s for body in frame.bodies for s in body if isinstance(s, ast.Bind) for n in s.names}
    if node.id in later:
        path = cycle(node.id, frame.line, later)
        if path:
            shown = " -> ".join(f"`{p}`" for p in dict.fromkeys(path)) + f" -> `{path[0]}`"
            bound_at = later[node.id].span
            other = bound_at if bound_at.line != node.span.line else None
            help = "one of these lines reads something that is computed before"
            if other is None:
                help = f"let the line read what is computed before it, such as an input, in the place of `{node.id}`"
            raise error("cycle", f"`{path[0]}` depends on itself: {shown}", node.span, other, help=help)
        raise error(
            "used-before", f"`{node.id}` is used before the line that binds it", node.span,
            Label(later[node.id].span, "bound here"), help="move that line up",
        )  # fmt: skip
    inner = next(_inside(node.id, (s for body in frame.bodies for s in body)), None)
    if inner is not None:
        around, line = inner
        helps = {
            "block": f"a block gives what it returns: let it `return {node.id}`",
            "repeat": f"what a repeat binds is its own: bind `{node.id}` before it, and let a line inside read it",
        }
        help = helps["block" if isinstance(around, ast.Block) else "repeat"]
        raise error("undefined-name", f"there is no name `{node.id}` here", node.span, Label(line.span, "bound inside"),
                    help=help)  # fmt: skip
    if node.span.source.text[: node.span.start].rstrip().endswith(("//", "--")):
        raise error(
            "undefined-name", f"there is no name `{node.id}`", node.span, help=f"a comment is written `{COMMENT}`"
        )
    bound = ((n, frame.environment.find(n)) for n in sorted(frame.environment.visible()))
    modules = [
        n for n, b in bound if b is not None and isinstance(b.value, Module) and node.id in b.value.environment.names
    ]
    if modules:
        help = f"it is a block of the imported spec: write `{modules[0]}.{node.id}`"
        raise error("undefined-name", f"there is no layer or block `{node.id}`", node.span, help=help)
    raise guessing.in_a_net(node.id, node.span, [*frame.environment.visible(), *frame.recorder.symbols])


def _inside(name: str, statements: Iterable[ast.Statement]) -> Iterator[tuple[ast.Block | ast.Repeat, ast.Bind]]:
    """The repeats and blocks that bind a name for themselves, each with the line that does."""
    for s in statements:
        if isinstance(s, ast.Block | ast.Repeat):
            yield from ((s, b) for b in s.body if isinstance(b, ast.Bind) and name in (n.id for n in b.names))
            yield from _inside(name, s.body)
