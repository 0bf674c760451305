"""Text -> tree: what newlines mean, what binds tighter, and that nothing but NetError comes out."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netc import models
from netc.grammar import ast
from netc.grammar.diagnostics import NetError
from netc.grammar.parser import parse, parse_expression
from netc.grammar.printer import format_expression, format_spec
from netc.grammar.reader import decode
from netc.grammar.source import Source


def shape(node: object) -> object:
    """A tree as nested tuples, without spans."""
    if isinstance(node, ast.Node):
        fields = [f for f in node.__dataclass_fields__ if f not in ("span", "comments")]
        return (type(node).__name__, *(shape(getattr(node, f)) for f in fields))
    return tuple(map(shape, node)) if isinstance(node, tuple) else node


PRECEDENCE = [
    ("a + b * c", "a + (b * c)"),
    ("a - b - c", "(a - b) - c"),
    ("a ^ b ^ c", "a ^ (b ^ c)"),
    ("-a ^ 2", "-(a ^ 2)"),
    ("2 ^ -a", "2 ^ (-a)"),
    ("-a * b", "(-a) * b"),
    ("not a == b", "not (a == b)"),
    ("a or b and c", "a or (b and c)"),
    ("a and not b or c", "(a and (not b)) or c"),
    ("a == b + 1", "a == (b + 1)"),
    ("a * b -> f", "(a * b) -> f"),
    ("a @ b + c", "(a @ b) + c"),
    ("a if b or c else d -> f", "a if (b or c) else (d -> f)"),
    ("a if b else c if d else e", "a if b else (c if d else e)"),
    ("f(a)[0].b", "((f(a))[0]).b"),
]


def ungrouped(node: object) -> object:
    """A tree without the parentheses that were written."""
    if isinstance(node, ast.Group):
        return ungrouped(node.value)
    if isinstance(node, ast.Node):
        fields = [f for f in node.__dataclass_fields__ if f != "span"]
        return (type(node).__name__, *(ungrouped(getattr(node, f)) for f in fields))
    return tuple(map(ungrouped, node)) if isinstance(node, tuple) else node


@pytest.mark.parametrize(("text", "grouped"), PRECEDENCE)
def test_precedence(text: str, grouped: str) -> None:
    assert ungrouped(parse_expression(Source("x", text))) == ungrouped(parse_expression(Source("x", grouped)))


LAYOUT = [
    ("a = 1\nb = 2", 2),
    ("a = 1; b = 2", 2),
    ("a = 1 +\n 2", 1),
    ("a = 1\n + 2", 1),
    ("a = f(1,\n 2\n)", 1),
    ("a = x\n -> f\n -> g", 1),
    ("a = x  # why\n -> f", 1),
    ("a = 1 if true\n else 2", 1),
    ("a =\n 1", 1),
    ("a = [1,\n\n 2]\n\n\nb = 3", 2),
    ("repeat 2 { a = 1 }\nb = 2", 2),
    ("repeat 2 { a = 1 } b = 2", 2),
    ("input = 3" if False else "data_ = 3", 1),
    ("a = f(input = 3, net = 4)", 1),
    ("a = 1\r\nb = 2\r\n", 2),
]


@pytest.mark.parametrize(("text", "count"), LAYOUT)
def test_newlines_end_statements_unless_something_is_open(text: str, count: int) -> None:
    assert len(parse(Source("x", f"net n {{\n{text}\n}}")).nets[0].body) == count


def test_byte_order_mark_and_crlf_keep_the_lines_right() -> None:
    source = decode(b"\xef\xbb\xbfnet n {\r\n  a = 1\r\n  b = $\r\n}", "x.net")
    with pytest.raises(NetError) as e:
        parse(source)
    assert e.value.diagnostics[0].labels[0].span.place == "x.net:3:7"


def test_every_syntax_error_of_a_file_is_reported_at_once() -> None:
    text = "net n {\n  a = = 1\n  b = 2\n  c = 3 4\n  repeat as { d = 1 }\n  e = 5\n}"
    with pytest.raises(NetError) as e:
        parse(Source("x", text))
    assert [d.labels[0].span.line for d in e.value.diagnostics] == [2, 4, 5]


@pytest.mark.parametrize("name", models.names())
def test_formatting_keeps_the_meaning_and_is_stable(name: str) -> None:
    path = models.path(name)
    assert path is not None
    text = path.read_text(encoding="utf-8")
    spec = parse(Source("x", text))
    formatted = format_spec(spec)
    again = parse(Source("x", formatted))
    assert shape(again) == shape(spec)
    assert [c.text for c in again.comments] == [c.text for c in spec.comments]
    assert format_spec(again) == formatted
    assert formatted == text, "the zoo is formatted"


COMMENTS = """\
# before everything
import "a.net" as a  # an import

net n(  # the head
  h = 3) {
  # first
  input x: f32[N, 4]  # an input

  # alone

  y = f(x,  # inside
    2)
  block B(x) { # in a block
    return x
    # last of the block
  }
  # last
}  # the end
# after everything
"""


def test_formatting_keeps_every_comment() -> None:
    formatted = format_spec(parse(Source("x", COMMENTS)))
    for comment in parse(Source("x", COMMENTS)).comments:
        assert comment.text in formatted
    assert format_spec(parse(Source("x", formatted))) == formatted


WORDS = st.sampled_from(
    ["net", "n", "{", "}", "(", ")", "[", "]", "=", "->", "+", "-", "*", "^", "..", ",", ":", ";", "\n", "if", "else",
     "repeat", "as", "block", "return", "input", "target", "x", "f32", "N", "1", "0.5", '"s"', "not", "==", "true", "#c\n",
     "loss", "train", "data", "rule", "freeze", "import", "\x00", "é", "."]
)  # fmt: skip


def refused_or_parsed(text: str) -> None:
    """Nothing but NetError may come out of the parser, and it can be rendered."""
    with contextlib.suppress(NetError):
        parse(Source("x", text))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(WORDS, max_size=40))
def test_any_text_parses_or_is_refused(words: list[str]) -> None:
    refused_or_parsed(" ".join(words))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_spec_with_a_token_changed_parses_or_is_refused(data: st.DataObject) -> None:
    path = models.path(data.draw(st.sampled_from(models.names())))
    assert path is not None
    tokens = path.read_text(encoding="utf-8").split(" ")
    at = data.draw(st.integers(0, len(tokens) - 1))
    tokens[at] = data.draw(WORDS)
    refused_or_parsed(" ".join(tokens))


def test_expressions_print_as_they_were_written() -> None:
    for text in ("a + b * (c - 1)", "x -> f(1, axis = -1) -> g", "-> relu", "x[:, 0, 1:2]", '"a\\"b"', "not a and b"):
        assert format_expression(parse_expression(Source("x", text))) == text
