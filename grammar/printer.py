"""Tree -> text: the formatter. Comments and single blank lines stay; names before `=` are aligned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from netc.grammar import ast

WIDTH = 100
MAX_ALIGNED = 24
INDENT = "  "


def format_spec(spec: ast.Spec) -> str:
    """The canonical text of a spec; formatting it again changes nothing."""
    return _Printer(spec.comments).spec(spec)


def format_expression(node: ast.Expression | ast.Slice | ast.Argument) -> str:
    """An expression on one line."""
    match node:
        case ast.Number():
            return node.span.text
        case ast.String():
            return quoted(node.value)
        case ast.Boolean():
            return "true" if node.value else "false"
        case ast.Name():
            return node.id
        case ast.Group():
            return f"({format_expression(node.value)})"
        case ast.Tuple():
            return f"({', '.join(map(format_expression, node.items))}{',' * (len(node.items) == 1)})"
        case ast.List():
            return f"[{', '.join(map(format_expression, node.items))}]"
        case ast.Unary():
            return f"{node.operator}{' ' * (node.operator == 'not')}{format_expression(node.value)}"
        case ast.Binary():
            return _binary(node)
        case ast.Conditional():
            then, test, other = map(format_expression, (node.then, node.test, node.otherwise))
            return f"{then} if {test} else {other}"
        case ast.Pipe():
            stages = " -> ".join(map(format_expression, node.stages))
            return f"-> {stages}" if node.head is None else f"{format_expression(node.head)} -> {stages}"
        case ast.Argument():
            return f"{node.name.id} = {format_expression(node.value)}" if node.name else format_expression(node.value)
        case ast.Call():
            return f"{format_expression(node.function)}({', '.join(map(format_expression, node.arguments))})"
        case ast.Index():
            return f"{format_expression(node.value)}[{', '.join(map(format_expression, node.items))}]"
        case ast.Slice():
            start, stop, step = ("" if p is None else format_expression(p) for p in (node.start, node.stop, node.step))
            return f"{start}:{stop}" + (f":{step}" if step else "")
        case ast.Attribute():
            return f"{format_expression(node.value)}.{node.name.id}"


def _binary(node: ast.Binary) -> str:
    parts: list[str] = []
    current: ast.Expression = node
    while isinstance(current, ast.Binary):  # left-nested chains are long in machine-written specs
        space = "" if current.operator in ("^", "..") else " "
        parts += [format_expression(current.right), f"{space}{current.operator}{space}"]
        current = current.left
    parts.append(format_expression(current))
    return "".join(reversed(parts))


def quoted(text: str) -> str:
    """A string literal."""
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t")):
        text = text.replace(plain, escaped)
    return f'"{text}"'


@dataclass
class _Line:
    """A statement ready to print: `head = value`, where `head` may be padded to align."""

    head: str
    value: str = ""
    group: str = ""
    node: ast.Node | None = None


class _Printer:
    def __init__(self, comments: Sequence[ast.Comment]):
        self.comments = sorted(comments, key=lambda c: c.span.start)
        self.next = 0
        self.out: list[str] = []

    # --- comments and blank lines -------------------------------------------------------------------------------------

    def before(self, offset: int, indent: str) -> None:
        """Prints the comments that stand before an offset, each on a line of its own."""
        while self.next < len(self.comments) and self.comments[self.next].span.start < offset:
            comment = self.comments[self.next]
            self.blank(comment)
            self.out.append(indent + comment.text)
            self.next += 1

    def blank(self, node: ast.Node | ast.Comment) -> None:
        """Keeps one blank line where the source has some before this."""
        line = node.span.line
        previous = node.span.source.line(line - 1).strip() if line > 1 else "-"
        if not previous and self.out and self.out[-1] != "" and not self.out[-1].endswith("{"):
            self.out.append("")

    def inside(self, node: ast.Node, indent: str) -> None:
        """Comments in the middle of a statement move above it."""
        while self.next < len(self.comments):
            comment = self.comments[self.next]
            last = node.span.source.position(max(node.span.start, node.span.end - 1))[0]
            if comment.span.start >= node.span.end or comment.span.line >= last:
                break
            self.out.append(indent + comment.text)
            self.next += 1

    def trailing(self, node: ast.Node) -> str:
        """The comment that ends a statement's last line."""
        if self.next < len(self.comments):
            comment = self.comments[self.next]
            last = node.span.source.position(max(node.span.start, node.span.end - 1))[0]
            if not comment.own_line and comment.span.line == last:
                between = node.span.source.text[node.span.end : comment.span.start]
                if not between.strip(" \t;]"):
                    self.next += 1
                    return f"  {comment.text}"
        return ""

    # --- parts --------------------------------------------------------------------------------------------------------

    def spec(self, spec: ast.Spec) -> str:
        parts = sorted((*spec.imports, *spec.nets, *spec.datas, *spec.trains), key=lambda n: n.span.start)
        for i, part in enumerate(parts):
            if i and not (isinstance(part, ast.Import) and isinstance(parts[i - 1], ast.Import)) and self.out[-1] != "":
                self.out.append("")
            self.before(part.span.start, "")
            match part:
                case ast.Import():
                    self.out.append(f"import {quoted(part.path.value)} as {part.name.id}{self.trailing(part)}")
                case ast.Net():
                    name = f" {part.name.id}" if part.name else ""
                    arguments = f"({_parameters(part.parameters)})" if part.parameters else ""
                    self.block(f"net{name}{arguments}", part, part.body, "")
                case ast.Data():
                    self.block("data", part, part.settings, "")
                case ast.Train():
                    body = sorted((*part.settings, *part.rules), key=lambda n: n.span.start)
                    self.block("train", part, body, "")
        self.before(len(spec.span.source.text) + 1, "")
        return "\n".join(self.out).strip("\n") + "\n" if self.out else ""

    def block(self, head: str, node: ast.Node, body: Sequence[ast.Node], indent: str) -> None:
        first = body[0].span.start if body else node.span.end
        comment = ""
        if self.next < len(self.comments):
            c = self.comments[self.next]
            if not c.own_line and c.span.start < first and c.span.start > node.span.start:
                comment, self.next = f"  {c.text}", self.next + 1
        self.out.append(f"{indent}{head} {{{comment}")
        self.body(body, indent + INDENT)
        self.before(node.span.end, indent + INDENT)
        self.out.append(f"{indent}}}{self.trailing(node)}")

    def body(self, body: Sequence[ast.Node], indent: str) -> None:
        lines = [_line(n) for n in body]
        for line, width in zip(lines, _widths(lines)):
            node = line.node
            assert node is not None
            self.before(node.span.start, indent)
            self.blank(node)
            match node:
                case ast.Block():
                    self.block(f"block {node.name.id}({_parameters(node.parameters)})", node, node.body, indent)
                    continue
                case ast.Repeat():
                    index = f" as {node.index.id}" if node.index else ""
                    self.block(f"repeat {format_expression(node.count)}{index}", node, node.body, indent)
                    continue
                case ast.Rule() if len(node.adjustments) > 1:
                    self.block(f"rule {quoted(node.pattern.value)}", node, node.adjustments, indent)
                    continue
            self.inside(node, indent)
            text = indent + line.head.ljust(width) + (f" = {line.value}" if line.value else "")
            if len(text) > WIDTH and isinstance(node, ast.Bind | ast.Setting | ast.Output | ast.Metric | ast.Return):
                text = _wrapped(indent + line.head.ljust(width) + " = " * bool(line.value), node)
            self.out.append(text.rstrip() + self.trailing(node))


def _widths(lines: Sequence[_Line]) -> list[int]:
    """How far the head of each line is padded: as far as its neighbours of the same group reach."""
    widths: list[int] = []
    for group, run in groupby(lines, key=lambda x: x.group):
        lengths = [len(x.head) for x in run]
        width = max((n for n in lengths if n <= MAX_ALIGNED), default=0) if group else 0
        widths += [width if n <= MAX_ALIGNED else 0 for n in lengths]
    return widths


def _line(node: ast.Node) -> _Line:
    match node:
        case ast.Bind():
            return _Line(", ".join(n.id for n in node.names), format_expression(node.value), "bind", node)
        case ast.Setting():
            return _Line(node.name.id, format_expression(node.value), "setting", node)
        case ast.Declare():
            return _Line(f"{node.role.ljust(6)} {node.name.id}: {_type(node.type)}", "", "", node)
        case ast.Param():
            value = format_expression(node.value) if node.value is not None else ""
            return _Line(f"param {node.name.id}: {_type(node.type)}", value, "", node)
        case ast.Output():
            value = format_expression(node.value) if node.value is not None else ""
            return _Line(f"output {node.name.id}", value, "publish" if value else "", node)
        case ast.Metric():
            mode = f" ({node.mode.id})" if node.mode else ""
            value = format_expression(node.value) if node.value is not None else ""
            return _Line(f"metric {node.name.id}{mode}", value, "publish" if value else "", node)
        case ast.Return():
            return _Line(f"return {', '.join(map(format_expression, node.values))}", "", "", node)
        case ast.Import():
            return _Line(f"import {quoted(node.path.value)} as {node.name.id}", "", "", node)
        case ast.Rule():
            inner = " ".join(_adjust(a) for a in node.adjustments)
            return _Line(f"rule {quoted(node.pattern.value)} {{ {inner} }}", "", "", node)
        case ast.Adjust():
            return _Line(_adjust(node), "", "", node)
        case _:
            return _Line("", "", "", node)


def _adjust(node: ast.Adjust) -> str:
    return node.name.id if node.value is None else f"{node.name.id} {node.operator} {format_expression(node.value)}"


def _type(node: ast.Type) -> str:
    return f"{node.dtype.id}[{', '.join(map(format_expression, node.dims))}]"


def _parameters(parameters: Sequence[ast.Parameter]) -> str:
    shown = [p.name.id if p.default is None else f"{p.name.id} = {format_expression(p.default)}" for p in parameters]
    return ", ".join(shown)


def _wrapped(head: str, node: ast.Bind | ast.Setting | ast.Output | ast.Metric | ast.Return) -> str:
    """A long statement over several lines: a pipeline breaks before `->`, a call between its arguments."""
    value = node.values[0] if isinstance(node, ast.Return) else node.value
    if isinstance(node, ast.Return) or value is None:
        return head
    if isinstance(value, ast.Pipe) and value.head is not None:
        start = head + format_expression(value.head)
        column = " " * len(start)
        lines = [start]
        for stage in value.stages:
            text = f" -> {format_expression(stage)}"
            if len(lines[-1]) + len(text) > WIDTH and lines[-1] != start:
                lines.append(column)
            lines[-1] += text
        return "\n".join(lines)
    if isinstance(value, ast.Call) and len(value.arguments) > 1:
        inner = " " * (len(head) - len(head.lstrip()) + len(INDENT))
        rest = ",\n".join(inner + format_expression(a) for a in value.arguments)
        return f"{head}{format_expression(value.function)}(\n{rest}\n{inner[: -len(INDENT)]})"
    return head + format_expression(value)
