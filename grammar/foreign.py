"""What other languages write where a statement or an operator stands: what it becomes here, and how it is written."""

from __future__ import annotations

# A sign -> the operator that it stands for, "" where the statement has to be written anew, and how to write it.
SIGNS: dict[str, tuple[str, str]] = {
    "**": ("^", "x ^ 2"),
    "&&": ("and", "x > 0 and x < 1"),
    "&": ("and", "x > 0 and x < 1"),
    "||": ("or", "x < 0 or x > 1"),
    "|": ("or", "x < 0 or x > 1"),
    "!": ("not", "not (x > 0)"),
    "~": ("not", "not (x > 0)"),
    "===": ("==", "x == 0"),
    "!==": ("!=", "x != 0"),
    "=>": ("->", "x -> relu"),
    "|>": ("->", "x -> relu"),
    ":=": ("=", "h = x -> relu"),
    "+=": ("", "h = h + x"),
    "-=": ("", "h = h - x"),
    "*=": ("", "h = h * 2"),
    "/=": ("", "h = h / 2"),
    "...": ("", "x[:, 0]"),
    "?": ("", "1 if hidden > 2 else 0"),
    "-->": ("->", "x -> relu"),
    "<>": ("!=", "x != 0"),
    "++": ("", "h = h + 1"),
    "%>%": ("->", "x -> relu"),
    "%*%": ("@", "x @ transpose(x)"),
    ".*": ("*", "x * 2"),
    ".^": ("^", "x ^ 2"),
    "\N{RIGHTWARDS ARROW}": ("->", "x -> relu"),
    "\N{LEFTWARDS ARROW}": ("=", "h = x -> relu"),
    "\N{MINUS SIGN}": ("-", "x - 1"),
    "\N{EN DASH}": ("-", "x - 1"),
    "\N{EM DASH}": ("-", "x - 1"),
    "\N{SQUARE ROOT}": ("", "sqrt(x)"),
    "\N{N-ARY SUMMATION}": ("", "sum(x)"),
    "\N{MULTIPLICATION SIGN}": ("*", "x * 2"),
    "\N{MIDDLE DOT}": ("*", "x * 2"),
    "\N{DOT OPERATOR}": ("*", "x * 2"),
    "\N{DIVISION SIGN}": ("/", "x / 2"),
    "\N{LESS-THAN OR EQUAL TO}": ("<=", "x <= 0"),
    "\N{GREATER-THAN OR EQUAL TO}": (">=", "x >= 0"),
    "\N{NOT EQUAL TO}": ("!=", "x != 0"),
    "\N{HORIZONTAL ELLIPSIS}": ("", "x[:, 0]"),
}
# Letters that stand for a number or a power -> how it is written.
LETTERS: dict[str, str] = {
    "\N{SUPERSCRIPT TWO}": "x ^ 2", "\N{SUPERSCRIPT THREE}": "x ^ 3", "\N{GREEK SMALL LETTER PI}": "pi",
}  # fmt: skip
# Words of others that stand inside an expression -> what is said of them.
CHOICE = "`if` chooses between two values: `a if condition else b`"
INSIDE: dict[str, str] = {
    "is": "equality is written `==`",
    "in": "compare with each: `hidden == 8 or hidden == 16`",
    "elif": "write the next choice behind `else`: `a if condition else b if other else c`",
    "then": CHOICE,
    "new": "a layer is made by its name alone: leave `new` out",
    "lambda": "a function is a block: `block unit(a) { return relu(a) }`",
}
COMMENT = "# a comment"
STRING = 'l2("*.weight")'

# A keyword -> the words of others that begin the same statement.
KEYWORDS: dict[str, str] = {
    "net": "model network module graph nn architecture classifier sequential",
    "data": "dataset datasets dataloader loader",
    "train": "training trainer fit solver optimize optimizer hyperparameters config",
    "input": "placeholder feature features in source",
    "target": "label labels truth groundtruth y_true",
    "output": "result prediction predict export publish emit out",
    "metric": "score measure evaluate monitor",
    "param": "weight variable weights",
    "block": "def fn func fun function define layer class struct submodule subgraph proc",
    "repeat": "loop times",
    "return": "yield give",
    "import": "include using require load use",
}
# How to write it -> the words of others that begin a statement which is written in another way.
STATEMENTS: dict[str, str] = {
    "h = x -> relu": "let var const val auto final set my local mut tensor global nonlocal",
    "repeat 3 as i { h = h -> relu }": "for foreach while do",
    "h = x if hidden > 2 else x * 2": "if elif elsif switch match case unless when",
    "output y = h": "print assert echo display log show",
    'import "blocks.net" as blocks': "from",
    COMMENT: "rem comment pass del with try",
}


def _by_word(table: dict[str, str]) -> dict[str, str]:
    return {word: written for written, words in table.items() for word in words.split()}


KEYWORD_OF = _by_word(KEYWORDS)
STATEMENT_OF = _by_word(STATEMENTS)
