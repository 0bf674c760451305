"""The tree of a spec, exactly as written: frozen records, each with its span."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from netc.grammar.source import Span


@dataclass(frozen=True, slots=True)
class Node:
    span: Span


# --- expressions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number(Node):
    """`value` is exact: an int, or a Fraction for `0.1` and `1e-3`."""

    value: int | Fraction


@dataclass(frozen=True, slots=True)
class String(Node):
    value: str


@dataclass(frozen=True, slots=True)
class Boolean(Node):
    value: bool


@dataclass(frozen=True, slots=True)
class Name(Node):
    id: str


@dataclass(frozen=True, slots=True)
class Group(Node):
    """An expression in parentheses, kept because pipelines read their operands by them."""

    value: Expression


@dataclass(frozen=True, slots=True)
class Tuple(Node):
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class List(Node):
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`-x` or `not x`."""

    operator: str
    value: Expression


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """Arithmetic, comparison, `and`, `or`, or the range `a..b`."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Conditional(Node):
    """`then if test else otherwise`."""

    then: Expression
    test: Expression
    otherwise: Expression


@dataclass(frozen=True, slots=True)
class Pipe(Node):
    """`head -> stage -> ...`; without a head it is a layer."""

    head: Expression | None
    stages: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Argument(Node):
    name: Name | None
    value: Expression


@dataclass(frozen=True, slots=True)
class Call(Node):
    function: Expression
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Slice(Node):
    start: Expression | None
    stop: Expression | None
    step: Expression | None


@dataclass(frozen=True, slots=True)
class Index(Node):
    value: Expression
    items: tuple[Expression | Slice, ...]


@dataclass(frozen=True, slots=True)
class Attribute(Node):
    value: Expression
    name: Name


Expression = (
    Number | String | Boolean | Name | Group | Tuple | List | Unary | Binary | Conditional | Pipe | Call | Index
    | Attribute
)  # fmt: skip


# --- statements -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Type(Node):
    """`f32[N, 64]`; `dims` is empty for a scalar."""

    dtype: Name
    dims: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Declare(Node):
    """`input name: type` or `target name: type`."""

    role: str
    name: Name
    type: Type


@dataclass(frozen=True, slots=True)
class Bind(Node):
    names: tuple[Name, ...]
    value: Expression


@dataclass(frozen=True, slots=True)
class Param(Node):
    name: Name
    type: Type
    value: Expression | None


@dataclass(frozen=True, slots=True)
class Output(Node):
    name: Name
    value: Expression | None


@dataclass(frozen=True, slots=True)
class Metric(Node):
    """`metric name (max) = value`."""

    name: Name
    mode: Name | None
    value: Expression | None


@dataclass(frozen=True, slots=True)
class Parameter(Node):
    name: Name
    default: Expression | None


@dataclass(frozen=True, slots=True)
class Block(Node):
    name: Name
    parameters: tuple[Parameter, ...]
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Repeat(Node):
    count: Expression
    index: Name | None
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Return(Node):
    values: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Import(Node):
    path: String
    name: Name


@dataclass(frozen=True, slots=True)
class Broken(Node):
    """A statement that did not parse; the names that it would have bound are not reported again."""

    names: tuple[str, ...]


Statement = Declare | Bind | Param | Output | Metric | Block | Repeat | Return | Import | Broken


# --- the three parts of a spec ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setting(Node):
    name: Name
    value: Expression


@dataclass(frozen=True, slots=True)
class Adjust(Node):
    """One line of a rule: `rate *= 2`, `weight_decay = 0` or `freeze` (no value)."""

    name: Name
    operator: str
    value: Expression | None


@dataclass(frozen=True, slots=True)
class Rule(Node):
    pattern: String
    adjustments: tuple[Adjust, ...]


@dataclass(frozen=True, slots=True)
class Net(Node):
    name: Name | None
    parameters: tuple[Parameter, ...]
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Data(Node):
    settings: tuple[Setting, ...]


@dataclass(frozen=True, slots=True)
class Train(Node):
    settings: tuple[Setting, ...]
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Comment:
    """A `#` comment; `own_line` when nothing stands before it on its line."""

    span: Span
    text: str
    own_line: bool


@dataclass(frozen=True, slots=True)
class Spec(Node):
    imports: tuple[Import | Broken, ...]
    nets: tuple[Net, ...]
    datas: tuple[Data, ...]
    trains: tuple[Train, ...]
    comments: tuple[Comment, ...] = ()
