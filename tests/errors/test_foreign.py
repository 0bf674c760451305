"""The words of other frameworks: each leads to what is written here, and what is written here is right."""

from __future__ import annotations

import itertools

import pytest
from typer.testing import CliRunner

import netc
from netc.command_line import app
from netc.compiler.check import foreign
from netc.compiler.check.arguments import bind
from netc.compiler.check.values import Given
from netc.compiler.library import LIBRARY
from netc.grammar import foreign as signs
from netc.grammar.diagnostics import NetError, nearest
from netc.grammar.source import Source, Span

SPEC = """net n(hidden = 4) {{
  input x: f32[N, 4]
  input image: f32[N, 3, 8, 8]
  input sequence: f32[N, 5, 4]
  input tokens: i64[N, 5]
  target t: i64[N]
  target b: f32[N]
  target r: f32[N, 3]
  y = x -> Dense(3)
  z = (x -> Dense(1))[:, 0]
  {line}
}}
data {{ {data} }}
train {{ {train} }}
"""
SMALL = """net n {{
  input x: f32[N, 4]
  target t: i64[N]
  y = x -> Dense(3)
  {line}
}}
data {{ {data} }}
train {{ {train} }}
"""
PLAIN = {
    "line": "loss = softmax_cross_entropy(y, t)", "data": 'source = csv("a.csv", x = "p0".."p3", t = "label")',
    "train": "epochs = 1",
}  # fmt: skip
LOSS = "; " + PLAIN["line"]


def errors(text: str) -> list[str]:
    try:
        netc.check(text)
    except NetError as e:
        return [d.render() for d in e.diagnostics]
    return []


def checked(spec: str = SPEC, **changes: str) -> list[str]:
    """The errors of the plain spec with one of its parts exchanged."""
    data = {"data": 'source = npz("a.npz")'} if spec is SPEC else {}
    return errors(spec.format(**{**PLAIN, **data, **changes}))


def rows(*tables: str) -> list[tuple[str, str]]:
    """(word, what to write), each."""
    return [(w, r) for t in tables for w, r in foreign.by_word(getattr(foreign, t)).items()]


def test_the_tables_are_large_and_no_word_stands_twice_or_is_one_of_ours() -> None:
    for tables in (
        ("EXPRESSIONS", "LINES", "UNAVAILABLE"),
        ("TRAIN",),
        ("NET",),
        ("DATA",),
        ("SOURCES",),
        ("TRAINERS",),
    ):
        words = [w for t in tables for written in getattr(foreign, t).values() for w in written.split()]
        assert len(words) == len(set(words)), sorted(w for w in words if words.count(w) > 1)
        if "EXPRESSIONS" in tables:
            assert len(words) > 300
            assert not [w for w in words if LIBRARY.word(w)], "the language has this word now: remove its row"


@pytest.mark.parametrize("written", [*foreign.EXPRESSIONS, *foreign.METHODS])
def test_an_expression_that_help_offers_is_right(written: str) -> None:
    assert checked(line=f"probe = {written}{LOSS}") == []


@pytest.mark.parametrize("written", [*foreign.LINES, *foreign.UNAVAILABLE])
def test_a_line_that_help_offers_is_right(written: str) -> None:
    assert checked(line=f"{written}{LOSS}") == []


@pytest.mark.parametrize(("word", "written"), rows("EXPRESSIONS", "LINES", "UNAVAILABLE"))
def test_a_foreign_word_leads_to_what_is_written_here(word: str, written: str) -> None:
    for line in (f"h = {word}(x)", f"h = x -> {word}", f"h = torch.nn.{word}(x, 3)"):
        (found,) = checked(line=line + LOSS)
        assert f"help: it is written `{written}` here" in found


def test_a_method_of_a_tensor_leads_to_a_function() -> None:
    for word, written in rows("METHODS", "EXPRESSIONS"):
        (found,) = checked(line=f"h = x.{word}{LOSS}")
        assert "a tensor `f32[N, 4]` has no parts" in found
        assert f"help: write `{foreign.by_word(foreign.METHODS).get(word, written)}`" in found
    assert "help: write `mean(x)`" in checked(line=f"h = x.mean(){LOSS}")[0]
    assert "help: write `log_softmax(x)`" in checked(line=f"h = (2 * x).logSoftmax(){LOSS}")[0]


@pytest.mark.parametrize("block", ["train", "data"])
def test_settings_of_other_frameworks(block: str) -> None:
    line = {"train": "epochs = 1; {}", "data": PLAIN["data"] + "; {}"}[block]
    own = {"train": ("TRAIN", "NET", "DATA"), "data": ("DATA", "TRAIN", "NET")}[block]
    places = {"TRAIN": "train", "NET": "net", "DATA": "data"}
    seen = set()
    for table, (word, written) in ((t, row) for t in own for row in rows(t)):
        if word in seen | {"metric", "data", "train", "split"}:
            continue
        seen.add(word)
        (found,) = checked(SMALL, **{block: line.format(f"{word} = 1")})
        where = "" if places[table] == block else f" in `{places[table]} {{ ... }}`"
        assert f"help: write `{written}`{where}" in found
    assert len(seen) > 80


@pytest.mark.parametrize(("part", "table"), [("train", "TRAIN"), ("line", "NET"), ("data", "DATA")])
def test_a_setting_that_help_offers_is_right(part: str, table: str) -> None:
    for written in getattr(foreign, table):
        before = PLAIN["data"] + "; " if written.startswith("split") else ""
        after = LOSS if part == "line" and not written.startswith("loss") else ""
        assert checked(SMALL, **{part: before + written + after}) == []


def test_what_is_said_on_the_command_line() -> None:
    known = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).output
    for word, written in rows("OPTIONS"):
        (found,) = checked(SMALL, train=f"{word} = 1")
        assert f"`{written}`" in found
        assert written.split()[3] in known


def test_layers_that_no_line_computes_and_names_of_nothing() -> None:
    for words, help in (
        (foreign.MODELS, 'bring it in: `import "model.onnx" as model`'),
        (foreign.NOTHING, "leave the argument out"),
    ):
        for word in words:
            (found,) = checked(line=f"h = x -> {word}{LOSS}")
            assert help in found


def test_sources_splits_optimizers_and_schedules_of_other_frameworks() -> None:
    for word, written in rows("SOURCES"):
        name = "split" if written.startswith("random") else "source"
        two = f"{PLAIN['data']}; split = {{}}" if name == "split" else "source = {}"
        assert checked(SMALL, data=two.format(written)) == []
        (found,) = checked(SMALL, data=two.format(f'{word}("a")'))
        assert f"help: it is written `{written}` here" in found
    for word, written in rows("TRAINERS"):
        schedule = written.partition("(")[0] in LIBRARY.constructors["schedule"]
        line = "optimizer = adam(rate = {})" if schedule else "optimizer = {}"
        assert checked(SMALL, train=line.format(written)) == []
        (found,) = checked(SMALL, train=line.format(f"{word}(0.1)"))
        assert f"help: it is written `{written}` here" in found


def test_arguments_of_other_frameworks() -> None:
    at = Span(Source("x", "x"), 0, 1)
    words = [*LIBRARY.operations.values(), *(w for g in LIBRARY.constructors.values() for w in g.values())]
    for slot, names in foreign.ARGUMENTS.items():
        having = [w for w in words if slot in {s.name for s in w.slots}]
        assert having, slot
        for word, name in itertools.product(having, names.split()):
            if name in {s.name for s in word.slots} or name in foreign.by_word(foreign.CALLS.get(word.name, {})):
                continue
            first = [Given(1, at)] if word.slots[0].variadic else []
            with pytest.raises(NetError) as e:
                bind(word.slots, [*first, Given(1, at, name, at)], word.name, at)
            assert e.value.diagnostics[0].help == f"it is called `{slot}` here", (word.name, name)


def test_arguments_that_are_written_as_another_call() -> None:
    for word, table in foreign.CALLS.items():
        for argument, written in foreign.by_word(table).items():
            tensors = {
                "softmax_cross_entropy": "y, t, ",
                "sigmoid_cross_entropy": "z, b, ",
                "Dense": "x, 3, ",
                "BatchNorm": "x, ",
            }
            if word in LIBRARY.operations:
                (found,) = checked(line=f"h = {word}({tensors[word]}{argument} = 1){LOSS}")
                right = written + (LOSS if not written.startswith("loss") else "")
                assert checked(line=right if " = " in written.partition("(")[0] else f"h = {right}") == []
            else:
                (found,) = checked(train=f"optimizer = {word}({argument} = 1)")
                assert checked(train=f"optimizer = {written}") == []
            assert f"help: it is written `{written}` here" in found
    for argument in foreign.NEEDLESS:
        (found,) = checked(line=f"h = relu(x, {argument} = 1){LOSS}")
        assert f"help: leave `{argument}` out" in found


def test_dtypes_of_other_frameworks() -> None:
    for dtype, names in foreign.DTYPES.items():
        assert checked(line=f"input v: {dtype}[N]{LOSS}") == []
        for name in names.split():
            (found,) = checked(line=f"input v: {name}[N]; h = v{LOSS}")
            assert f"help: write `{dtype}`" in found


# --- what the parser knows --------------------------------------------------------------------------------------------

WRONG_SIGNS = {
    "**": "h = x ** 2", "&&": "h = x > 0 && x < 1", "&": "h = (x > 0) & (x < 1)", "||": "h = x < 0 || x > 1",
    "|": "h = (x < 0) | (x > 1)", "!": "h = !(x > 0)", "~": "h = ~(x > 0)", "===": "h = x === 0", "!==": "h = x !== 0",
    "=>": "h = x => relu", "|>": "h = x |> relu", ":=": "h := x -> relu", "+=": "y += 1", "-=": "y -= 1", "*=": "y *= 2",
    "/=": "y /= 2", "...": "h = x[..., 0]", "?": "h = hidden > 2 ? 1 : 0",
    "-->": "h = x --> relu", "<>": "h = x <> 0", "++": "y++",
    "%>%": "h = x %>% relu", "%*%": "h = x %*% transpose(x)", ".*": "h = x .* x", ".^": "h = x .^ 2",
    **{s: f"h = x {s} 1" for s in "\N{MINUS SIGN}\N{EN DASH}\N{EM DASH}\N{MULTIPLICATION SIGN}\N{MIDDLE DOT}\N{DOT OPERATOR}"},
    **{s: f"h = x {s} 1" for s in "\N{DIVISION SIGN}\N{LESS-THAN OR EQUAL TO}\N{GREATER-THAN OR EQUAL TO}\N{NOT EQUAL TO}"},
    "\N{RIGHTWARDS ARROW}": "h = x \N{RIGHTWARDS ARROW} relu", "\N{LEFTWARDS ARROW}": "h \N{LEFTWARDS ARROW} x -> relu",
    "\N{SQUARE ROOT}": "h = \N{SQUARE ROOT}x", "\N{N-ARY SUMMATION}": "h = \N{N-ARY SUMMATION} x",
    "\N{HORIZONTAL ELLIPSIS}": "h = x[\N{HORIZONTAL ELLIPSIS}, 0]",
}  # fmt: skip
COMMENTS = [
    "h = x  // a comment of words", "// a comment of words", "// one", "h = x /* words = 3 { */ -> relu", "/* several\n lines { */",
    '"""words of Python (\n lines"""', "-- a comment of words", "-- one", "h = x -- a comment of words", "%% a comment",
    "<!-- words (\n = 3 -->",
    "h = x  % a comment of words", "h = x ; a comment", "three words alone",
]  # fmt: skip


@pytest.mark.parametrize("sign", signs.SIGNS)
def test_a_foreign_sign_leads_to_ours(sign: str) -> None:
    written = signs.SIGNS[sign][1]
    assert checked(line=("" if " = " in written else "h = ") + written.replace("h = h", "h = x; h = h", 1) + LOSS) == []
    (found,) = checked(line=f"{WRONG_SIGNS[sign]}\n  {PLAIN['line']}")
    assert f"help: write `{written}`" in found


@pytest.mark.parametrize(("letter", "written"), signs.LETTERS.items())
def test_a_letter_that_is_no_name_leads_to_how_it_is_written(letter: str, written: str) -> None:
    assert checked(line=f"h = x * {written}{LOSS}") == []
    for line in (f"h = x{letter}", f"h = x * {letter}"):
        (found,) = checked(line=line + LOSS)
        assert f"help: write `{written}`" in found


@pytest.mark.parametrize("line", COMMENTS)
def test_a_foreign_comment_leads_to_ours(line: str) -> None:
    (found,) = checked(line=f"{line}\n  {PLAIN['line']}")
    assert f"help: write `{signs.COMMENT}`" in found or f"help: a comment is written `{signs.COMMENT}`" in found


KEYWORDS = {
    "net": "{} n {{ input x: f32[N, 4]; y = x -> Dense(3); loss = mean(y) }}",
    "data": "net n {{ input x: f32[N, 4]; y = x -> Dense(3); loss = mean(y) }}\n{} {{ }}",
    "train": "net n {{ input x: f32[N, 4]; y = x -> Dense(3); loss = mean(y) }}\n{} {{ batch = 3 }}",
    "input": "{} v: f32[N, 4]", "target": "{} v: i64[N]", "output": "{} h = relu(x)", "metric": "{} h = accuracy(y, t)",
    "param": "{} w: f32[4]", "block": "{} unit(a) {{ return relu(a) }}", "repeat": "{} 3 {{ h = x -> relu }}",
    "return": "block unit(a) {{ {} a }}", "import": '{} "blocks.net" as b',
}  # fmt: skip


@pytest.mark.parametrize(("word", "keyword"), signs.KEYWORD_OF.items())
def test_a_foreign_keyword_leads_to_ours(word: str, keyword: str) -> None:
    text = KEYWORDS[keyword].format(word)
    found = errors(text) if keyword in ("net", "data", "train") else checked(line=f"{text}\n  {PLAIN['line']}")
    syntax = [d for d in found if d.startswith("error[syntax]")]
    assert len(found) == 1 + (keyword == "import")  # the file is not there
    assert len(syntax) == 1
    assert f"help: it is written `{keyword} " in syntax[0]


STATEMENTS = [
    "{} h = x -> relu",
    "{} i in range(3) {{ h = x -> relu }}",
    "{}(x > 0)",
    "{} i in range(3):\n    h = x -> relu\n    k = h",
]


@pytest.mark.parametrize(("word", "written"), signs.STATEMENT_OF.items())
def test_a_foreign_statement_leads_to_ours(word: str, written: str) -> None:
    if "import" not in written:
        assert (
            checked(
                line=("h = x; " if "h -> relu" in written else "") + written.replace("y = h", "h = x") + "\n" + LOSS[2:]
            )
            == []
        )
    tried = STATEMENTS if word not in ("if", "from") else STATEMENTS[1:2]
    for line in tried:
        (found,) = checked(line=f"{line.format(word)}\n  {PLAIN['line']}")
        assert f"help: write `{written}`" in found


# --- guesses ----------------------------------------------------------------------------------------------------------

OFFERED = {
    "rleu": "relu", "Relu": "relu", "ReLU": "relu", "LeakyReLU": "leaky_relu", "softmx": "softmax", "sigmod": "sigmoid",
    "tnah": "tanh", "Dens": "Dense", "dense": "Dense", "Batchnorm": "BatchNorm", "batch_norm": "BatchNorm", "acuracy": "accuracy",
    "MeanSquaredError": "mean_squared_error", "squared_error": "mean_squared_error", "logsumxp": "logsumexp", "reshap": "reshape",
    "concta": "concat", "flaten": "flatten", "he_norml": "he_normal", "dropot": "dropout", "droput": "dropout", "argmx": "argmax",
    "log_sofmax": "log_softmax", "Dropout": "dropout", "F1": "f1", "Huber": "huber", "transpos": "transpose", "gatehr": "gather",
}  # fmt: skip
FAR = [
    "matmul", "swish", "detach", "noise", "linear", "affine", "median", "conv2d", "embedding", "square", "label", "layer", "model",
    "network", "pow", "cat", "view", "permute", "minus", "plus", "times", "mul", "add", "div", "foo", "bar", "z", "h2", "weight",
    "input", "mse", "dataset", "attention", "None", "zz", "position", "tokens", "features", "predict",
]  # fmt: skip


@pytest.mark.parametrize("name", OFFERED)
def test_a_near_name_is_offered(name: str) -> None:
    assert nearest(name, LIBRARY.words())[:1] == [OFFERED[name]]


@pytest.mark.parametrize("name", FAR)
def test_a_far_name_is_not_offered(name: str) -> None:
    assert nearest(name, LIBRARY.words()) == []
