"""Good specs with one mistake put in, by class of mistake: where each can be put, and what it makes of the text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from netc import models

ROOT = Path(__file__).parent.parent.parent
Mistake = tuple[int, str]  # the line it is on, and the text with it


def good_specs() -> dict[str, str]:
    """The zoo, and the whole specs of the language reference, less what refers to other files."""
    found = {n: Path(str(models.path(n))).read_text(encoding="utf-8") for n in models.names()}
    pages = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    found |= {f"docs{i}": t for i, t in enumerate(re.findall(r"```net\n(.*?)```", pages, re.DOTALL))}
    return {n: t for n, t in found.items() if "import" not in t} | {"blocks": BLOCKS}


BLOCKS = """net nested(width = 8, deep = 2) {
  input  x: f32[N, 4]
  target t: i64[N]
  param  gain: f32[4] = ones
  block Unit(v, size, scale = 1) {
    inner = v -> Dense(size) -> relu
    a, b  = inner -> split(2)
    return a + scale * b
  }
  h = x * gain -> Dense(width)
  repeat deep as i {
    g = h -> Unit(2 * width, scale = 0.5)
    h = h + (g -> Dense(width) -> tanh)
  }
  logits = h -> Dense(3)
  loss   = softmax_cross_entropy(logits, t) + 1e-4 * l2("*.weight")
  metric accuracy = accuracy(logits, t)
  output probability = softmax(logits)
}

train {
  optimizer = sgd(rate = 0.1, momentum = 0.9)
  rule "*.bias" { weight_decay = 0 }
  batch = 16
}
"""


def replaced(pattern: str, by: str | Callable[[re.Match[str]], str]) -> Callable[[str], Iterator[Mistake]]:
    """A mistake at each match of a pattern that lies outside of comments."""

    def put(text: str) -> Iterator[Mistake]:
        for m in re.finditer(pattern, text, re.MULTILINE):
            line = text[: m.start()].count("\n")
            begins = text.rfind("\n", 0, m.start()) + 1
            if "#" not in text[begins : m.end()]:
                yield line, text[: m.start()] + (by if isinstance(by, str) else by(m)) + text[m.end() :]

    return put


def turned(m: re.Match[str]) -> str:
    """Two letters in the middle of a word changed with one another."""
    word = m[0]
    at = next(i for i in range(len(word) // 2, len(word)) if word[i] != word[i - 1])
    return word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :]


WORDS = (
    "relu|tanh|softmax|sigmoid|dropout|Dense|accuracy|softmax_cross_entropy|sigmoid_cross_entropy|mean_squared_error|sqrt|sum|"
    "mean|maximum|split|flatten|concat"
)
CLASSES: dict[str, Callable[[str], Iterator[Mistake]]] = {
    "keyword misspelt": replaced(
        r"(?<=^  )(input|target|output|metric|block|repeat|param)\b|^(net|train|data)\b", turned
    ),
    "word misspelt": replaced(rf"(?<![\w\"*.])({WORDS})(?=[( \n])(?! *=)", turned),
    "word of another case": replaced(r"(?<![\w\"*.])(relu|Dense|dropout|softmax)(?=[( \n])", lambda m: m[0].swapcase()),
    "name misspelt where it is read": replaced(
        r"(?<=[(+*] )(logits|image|inner|gain|hidden)\b|(?<=\()(logits|image|hidden)\b", "quux"
    ),
    "setting misspelt": replaced(r"(?<=^  )(optimizer|batch|epochs|source)(?= )", turned),
    "dtype of another language": replaced(r"\bf32(?=\[)", "float32"),
    "argument misspelt": replaced(
        r"(?<=[(, ])(rate|momentum|scale|axis|patience|smoothing)(?= = )(?=[^{}\n]*\))", turned
    ),
    "argument too many": replaced(r"(?<=-> )(relu|tanh|softmax|flatten)\b(?!\()", lambda m: f"{m[0]}(1, 2, 3)"),
    "argument missing": replaced(r"(?<![\w])Dense\([^()]*\)", "Dense()"),
    "closing bracket missing": replaced(r"\)", ""),
    "opening bracket missing": replaced(r"(?<=\w)\((?=[^)\n]*\))", " "),
    "bracket of another kind": replaced(r"\((?=[^()\n]*\))", "["),
    "closing bracket too many": replaced(r"\)$", "))"),
    "square bracket missing": replaced(r"\](?=$|  )", ""),
    "brace missing": replaced(r"\n\}$", "\n"),
    "inner brace missing": replaced(r"\n  \}$", "\n"),
    "brace too many": replaced(r"^  \w+ +=.*[\w)]$", lambda m: m[0] + " }"),
    "end of a line missing": replaced(r"(?<=->) [\w. ()]+$", ""),
    "operand missing": replaced(r"= [^=\n{}()]+$", "="),
    "equals sign missing": replaced(r"(?<=^  )(\w+) +=(?= [^{\n]+$)", lambda m: m[1]),
    "colon missing": replaced(r"(?<=\w):(?= \w+\[)", ""),
    "comma missing": replaced(r"(?<=[\w\"]), (?=\w+[,)])", " "),
    "stray character": replaced(r" (=|->) ", lambda m: m[0] + "$ "),
    "stray number": replaced(r"(?<=[\w)])$", " 3"),
    "stray name": replaced(r"(?<=\))$", " stray"),
    "operator twice": replaced(r" -> ", " -> -> "),
    "arrow of another language": replaced(r" -> ", " => "),
    "power of another language": replaced(r"\^", "**"),
    "comment of another language": replaced(r"(?<=[\w)\]])$(?!\n\s*->)", "  // some more words"),
    "keyword of another language": replaced(r"(?<=^  )(?=(h|logits|loss|y|z|d) +=)", "let "),
    "quotes of another language": replaced(r"\"([\w*./]+)\"", lambda m: f"'{m[1]}'"),
    "string not closed": replaced(r"(?<=[\w*])\"(?=[,)])", ""),
    "name bound twice": replaced(r"^  (input|target) +(\w+): (.*)$", lambda m: f"{m[0]}\n  {m[1]} {m[2]}: {m[3]}"),
}
