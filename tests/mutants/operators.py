"""The small changes: where in a source, what would stand there instead. Only the bytes of the place are replaced."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

# How a call of `op.Add`, `np.minimum` or `max` is renamed, and how an operator's name as an argument is.
RENAMED = {
    "Add": ["Sub"], "Sub": ["Add"], "Mul": ["Div"], "Div": ["Mul"], "Max": ["Min"], "Min": ["Max"],
    "Greater": ["Less", "GreaterOrEqual"], "Less": ["Greater", "LessOrEqual"], "And": ["Or"], "Or": ["And"],
    "GreaterOrEqual": ["LessOrEqual", "Greater"], "LessOrEqual": ["GreaterOrEqual", "Less"],
    "ReduceSum": ["ReduceMean"], "ReduceMean": ["ReduceSum"], "ReduceMax": ["ReduceMin"], "ReduceMin": ["ReduceMax"],
    "ReduceL1": ["ReduceL2"], "ReduceL2": ["ReduceL1"], "ArgMax": ["ArgMin"], "ArgMin": ["ArgMax"], "Ceil": ["Floor"],
    "Floor": ["Ceil"], "Sin": ["Cos"], "Cos": ["Sin"], "Sinh": ["Cosh"], "Cosh": ["Sinh"], "Exp": ["Log"], "Log": ["Exp"],
    "minimum": ["maximum"], "maximum": ["minimum"], "zeros": ["ones"], "ones": ["zeros"], "floor": ["ceil"], "ceil": ["floor"],
    "zeros_like": ["ones_like"], "ones_like": ["zeros_like"], "sum": ["prod"], "prod": ["sum"], "sin": ["cos"], "cos": ["sin"],
    "startswith": ["endswith"], "endswith": ["startswith"], "removeprefix": ["removesuffix"], "removesuffix": ["removeprefix"],
    "min": ["max"], "max": ["min"], "any": ["all"], "all": ["any"], "sorted": ["list"],
}  # fmt: skip
BARE = {"min", "max", "any", "all", "sorted", "sum"}  # also as functions, not only as methods
UNWRAPPED = {"Neg", "Abs", "Sqrt", "Not", "Sign", "Floor", "Ceil", "Round", "Reciprocal", "Relu", "stop_gradient"}
COMMUTATIVE = {
    "Add",
    "Mul",
    "Max",
    "Min",
    "And",
    "Or",
    "Xor",
    "Equal",
    "max",
    "min",
    "isinstance",
    "hasattr",
    "getattr",
}
SIGNS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"), ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "//"), ast.Pow: ("**", "*"), ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&"), ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"), ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="), ast.In: ("in", "not in"), ast.NotIn: ("not in", "in"),
    ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"), ast.And: ("and", "or"), ast.Or: ("or", "and"),
}  # fmt: skip
QUIET_CALLS = {"print", "cast", "TypeVar", "NewType", "namedtuple", "lru_cache", "dataclass", "warn"}
QUIET_OBJECTS = {"logging", "logger", "console", "warnings"}
QUIET_FUNCTIONS = {"__repr__", "__str__"}
QUIET_KEYWORDS = {"stacklevel", "indent", "maxsize"}
QUIET_SUBSCRIPTS = {"Literal", "Annotated"}
LITERALS = (ast.List, ast.Tuple, ast.ListComp, ast.JoinedStr, ast.Dict, ast.Set)


@dataclass(frozen=True)
class Mutation:
    """`text` in place of the bytes from `start` to `end`, which are in a statement on the lines `first` to `last`."""

    start: int
    end: int
    text: str
    kind: str
    first: int
    last: int
    near: tuple[int, ...] | None  # at import time: the lines that show its effect; None where tests themselves run it

    def applied(self, source: str) -> str:
        data = source.encode()
        return (data[: self.start] + self.text.encode() + data[self.end :]).decode()

    def difference(self, source: str) -> tuple[str, str]:
        """The touched lines before and after, each as one line."""
        data = source.encode()
        begin = data.rfind(b"\n", 0, self.start) + 1
        stop = data.find(b"\n", self.end)
        stop = len(data) if stop < 0 else stop
        after = data[begin : self.start] + self.text.encode() + data[self.end : stop]
        before, changed = (" ".join(piece.decode().split()) for piece in (data[begin:stop], after))
        return before, changed


def mutations(source: str) -> list[Mutation]:
    """Every mutation of a file, in the order of places."""
    finder = _Finder(source)
    finder.visit(finder.tree)
    return sorted(set(finder.found), key=lambda m: (m.start, m.end, m.text))


def compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


class _Finder(ast.NodeVisitor):
    def __init__(self, source: str):
        self.data = source.encode()
        self.tree = ast.parse(source)
        self.offsets = [0, *accumulate(len(line) for line in self.data.splitlines(keepends=True))]
        self.lines_of: dict[str, list[int]] = defaultdict(list)
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name):
                self.lines_of[node.id].append(node.lineno)
        self.found: list[Mutation] = []
        self.functions: list[ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda] = []
        self.near: tuple[int, ...] = ()
        self.statement: ast.AST = self.tree

    # --- places -------------------------------------------------------------------------------------------------------

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Columns of the tree count bytes of UTF-8."""
        assert isinstance(node, (ast.expr, ast.stmt))
        start = self.offsets[node.lineno - 1] + node.col_offset
        return start, self.offsets[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)

    def text(self, node: ast.AST) -> str:
        start, end = self.span(node)
        return self.data[start:end].decode()

    def put(self, kind: str, place: ast.AST | tuple[int, int], text: str) -> None:
        start, end = place if isinstance(place, tuple) else self.span(place)
        if self.data[start:end].decode() != text:
            first = self.data.count(b"\n", 0, start) + 1
            last = self.data.count(b"\n", 0, end) + 1
            near = None if self.functions else self.near
            if isinstance(self.statement, (ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return)):
                first, last = min(first, self.statement.lineno), max(last, self.statement.end_lineno or last)
            elif isinstance(self.statement, (ast.If, ast.While, ast.For, ast.With)):
                first, last = min(first, self.statement.lineno), max(last, self.statement.body[0].lineno - 1)
            self.found.append(Mutation(start, end, text, kind, first, last, near))

    def sign(self, kind: str, left: ast.AST, operator: ast.AST, right: ast.AST) -> None:
        """The operator's token between two operands, wherever brackets and comments leave it."""
        if type(operator) not in SIGNS:
            return
        before, after = SIGNS[type(operator)]
        start, end = self.span(left)[1], self.span(right)[0]
        gap = re.sub(rb"#[^\n]*", lambda m: b" " * len(m[0]), self.data[start:end])
        at = re.search(rb"\s+".join(re.escape(word.encode()) for word in before.split()), gap)
        if at:
            self.put(kind, (start + at.start(), start + at.end()), after)

    def visit(self, node: ast.AST) -> None:
        """Statements know where they are; annotations, messages and what is only printed are left alone."""
        outer, near = self.statement, self.near
        if isinstance(node, ast.stmt):
            self.statement = node
            if not self.functions and isinstance(node, (ast.Assign, ast.AnnAssign)):
                self.near = self.near or self.mentions(node.targets if isinstance(node, ast.Assign) else [node.target])
        super().visit(node)
        self.statement, self.near = outer, near

    def mentions(self, targets: list[ast.expr]) -> tuple[int, ...]:
        return tuple(sorted({line for t in targets if isinstance(t, ast.Name) for line in self.lines_of[t.id]}))

    # --- left alone ---------------------------------------------------------------------------------------------------

    def skip(self, node: ast.AST) -> None:
        pass

    visit_Assert = visit_Raise = visit_Import = visit_ImportFrom = visit_JoinedStr = visit_arg = skip

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if name(node.value) not in QUIET_SUBSCRIPTS:
            self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg not in QUIET_KEYWORDS:
            self.generic_visit(node)

    # --- definitions --------------------------------------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if node.name in QUIET_FUNCTIONS:
            return
        outer, self.near = self.near, tuple(range(node.body[0].lineno, (node.end_lineno or 0) + 1))
        for part in [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]:
            self.visit(part)
        self.near = outer
        self.functions.append(node)
        for part in node.body:
            self.visit(part)
        self.functions.pop()

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.functions.append(node)
        self.visit(node.body)
        self.functions.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.near = tuple(range(node.lineno, (node.end_lineno or 0) + 1))
        for part in [*node.decorator_list, *node.body]:
            self.visit(part)

    # --- statements ---------------------------------------------------------------------------------------------------

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call) and not quiet(node.value):
            self.put("dropped", node, "pass")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.put("dropped", node, "pass")
        if type(node.op) in SIGNS and not isinstance(node.value, LITERALS) and not is_text(node.value):
            before, after = (sign + "=" for sign in SIGNS[type(node.op)])
            start, end = self.span(node.target)[1], self.span(node.value)[0]
            at = self.data.index(before.encode(), start, end)
            self.put("arithmetic", (at, at + len(before)), after)
        self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        inside = self.functions and isinstance(self.functions[-1], ast.FunctionDef) and self.functions[-1].name
        kept = all(isinstance(t, (ast.Attribute, ast.Subscript)) for t in node.targets)
        if inside and inside not in ("__init__", "__post_init__") and kept:
            self.put("dropped", node, "pass")
        self.generic_visit(node)

    def visit_Break(self, node: ast.Break | ast.Continue) -> None:
        self.put("dropped", node, "pass")

    visit_Continue = visit_Break

    def visit_If(self, node: ast.If) -> None:
        if name(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node.body[-1], ast.Raise) and not node.orelse:
            self.put("dropped", node.test, "False")
        else:
            self.negated(node.test)
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        self.negated(node.test)
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        value = node.value
        if value is None:
            return
        function = self.functions[-1]
        declared = ast.unparse(function.returns) if isinstance(function, ast.FunctionDef) and function.returns else ""
        if isinstance(value, (ast.List, ast.Tuple)) and len(value.elts) > 1:
            self.swapped(value.elts[0], value.elts[1])
        elif declared == "bool" and not isinstance(value, ast.Constant):
            self.negated(value, "return")
        elif declared.endswith("| None") and not isinstance(value, ast.Constant):
            self.put("return", value, "None")
        elif declared in ("int", "float"):
            self.put("return", value, f"({self.text(value)}) + 1")
        self.generic_visit(node)

    # --- expressions --------------------------------------------------------------------------------------------------

    def visit_BinOp(self, node: ast.BinOp) -> None:
        texts = any(is_text(side) or isinstance(side, LITERALS) for side in (node.left, node.right))
        of_types = isinstance(node.op, ast.BitOr) and not self.functions
        if not texts and not of_types:
            self.sign("arithmetic", node.left, node.op, node.right)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.USub):
            self.put("arithmetic", node, self.text(node.operand))
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        for left, operator, right in zip([node.left, *node.comparators], node.ops, node.comparators):
            self.sign("comparison", left, operator, right)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for left, right in zip(node.values, node.values[1:]):
            self.sign("logic", left, node.op, right)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.negated(node.test)
        self.swapped(node.body, node.orelse, "branches")
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self.negated(test)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        for text in other_constants(node.value):
            self.put("constant", node, text)

    def visit_Call(self, node: ast.Call) -> None:
        if quiet(node):
            return
        called, method = name(node.func), isinstance(node.func, ast.Attribute)
        if called in RENAMED and (method or called in BARE):
            end = self.span(node.func)[1]
            for other in RENAMED[called]:
                self.put("operator", (end - len(called), end), other)
        positional = [a for a in node.args if not isinstance(a, ast.Starred)]
        for argument in positional:
            if method and isinstance(argument, ast.Constant) and str(argument.value) in RENAMED and is_text(argument):
                for other in RENAMED[argument.value] if argument.value[0].isupper() else ():
                    self.put("operator", argument, f'"{other}"')
        if called in UNWRAPPED and method and positional and len(positional) == len(node.args) and not node.keywords:
            self.put("unwrapped", node, f"({self.text(positional[0])})")
        if called not in COMMUTATIVE:
            for left, right in zip(node.args, node.args[1:]):
                if alike(left, right):
                    self.swapped(left, right)
        self.visit(node.func)
        for part in [*node.args[: 1 if called in ("isinstance", "issubclass") else None], *node.keywords]:
            self.visit(part)

    # --- shared -------------------------------------------------------------------------------------------------------

    def negated(self, test: ast.expr, kind: str = "condition") -> None:
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            self.put(kind, test, f"({self.text(test.operand)})")
        elif not isinstance(test, ast.Constant):
            self.put(kind, test, f"not ({self.text(test)})")

    def swapped(self, left: ast.expr, right: ast.expr, kind: str = "swapped") -> None:
        (start, middle), (following, end) = self.span(left), self.span(right)
        one, two = (
            f"({self.text(n)})" if isinstance(n, (ast.IfExp, ast.Lambda)) else self.text(n) for n in (left, right)
        )
        if self.text(left) != self.text(right):
            self.put(kind, (start, end), two + self.data[middle:following].decode() + one)


def other_constants(value: object) -> Iterator[str]:
    """0 and 1 for one another, else the next whole number; half of a fraction. Tiny and huge ones are left alone."""
    if isinstance(value, bool):
        yield str(not value)
    elif isinstance(value, int):
        yield str(value + 1)
        if value == 1:
            yield "0"
    elif isinstance(value, float) and (value == 0 or 1e-4 < value < 1e30):
        yield str(value / 2 if value else 1.0)


def name(node: ast.AST) -> str:
    """The last name of a dotted one."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def quiet(call: ast.Call) -> bool:
    """Prints, logs or declares."""
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    return name(call.func) in (QUIET_CALLS if owner is None else {"warn"}) or (owner and name(owner)) in QUIET_OBJECTS


def alike(left: ast.expr, right: ast.expr) -> bool:
    """May be taken for one another as arguments: two numbers, or two values that are no literals."""
    if any(is_text(a) or isinstance(a, (ast.Starred, ast.Lambda, *LITERALS)) or name(a) == "op" for a in (left, right)):
        return False
    return isinstance(left, ast.Constant) == isinstance(right, ast.Constant)


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)))
