"""Random specs: lines of every form are proposed one after the other, and those that `check` accepts are kept.

So a spec is always one that `check` accepts, and everything else that was proposed was refused in the user's words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from onnx import defs

import netc
from netc.compiler.graph.types import TensorType
from netc.compiler.language.onnx_operators import operators
from netc.compiler.language.operations import Layer
from netc.compiler.language.slots import Slot
from netc.compiler.library import LIBRARY

T = TypeVar("T")
INFIX = ["+", "-", "*", "/", "//", "%", "@", "^", "==", "!=", "<", ">", "<=", ">=", "and", "or"]
WORDS = [o for o in LIBRARY.operations.values() if o.user]
FUNCTIONS = [o for o in WORDS if not isinstance(o, Layer) and o.group not in ("loss", "metric")]
LAYERS = [o for o in WORDS if isinstance(o, Layer)]
LOSSES = [o for o in WORDS if o.group == "loss"]
METRICS = [o for o in WORDS if o.group == "metric"]
ONNX = sorted(operators())
ARRAYS = ["[1, 2, 3, 4]", "range(4)", "(2 * range(3) - 1)", "-[0.5, 1, 2]", "eye(4)", "0.5 * ones([N, 4])"]
NUMBERS = ["0", "1", "2", "0.5", "-1", "3", "1e-3"]
CALLS = 8  # proposals for each line that is wanted


@dataclass
class Sketch:
    """A spec that grows. `types` has the type of every tensor that was bound."""

    random: Random
    dtype: str
    lines: list[str] = field(default_factory=list)
    types: dict[str, TensorType] = field(default_factory=dict)
    ending: str = ""
    blocks: str = ""

    def pick(self, items: Sequence[T]) -> T:
        return self.random.choice(items)

    def maybe(self) -> bool:
        return self.random.random() < 0.5

    def text(self, *more: str) -> str:
        body = "\n".join(f"  {line}" for line in (*self.lines, *more))
        return f"net random {{\n{body}\n}}\n{self.blocks}"

    def keep(self, line: str, *names: str) -> bool:
        """Adds a line if the spec still checks; the types of what it binds are read from the checked net."""
        published = [f"output {n}" for n in names]
        try:
            net = netc.check(self.text(line, *published, self.ending))
        except netc.NetError:
            return False
        self.lines.append(line)
        self.types |= {n: net.outputs[n].type for n in names}
        return True

    def tensors(self, test: Callable[[TensorType], bool]) -> list[str]:
        """Names of tensors, the latest first."""
        return [n for n, t in reversed(self.types.items()) if test(t)]

    def tensor(self, test: Callable[[TensorType], bool] = lambda t: t.dtype.is_float) -> str:
        found = self.tensors(test)
        return self.pick(found or list(self.types))

    # --- arguments ----------------------------------------------------------------------------------------------------

    def operand(self, slot: Slot) -> str:
        if slot.kind == "index":
            return "c"  # whose values are known to lie inside the axis
        if slot.kind == "condition":
            found = self.tensors(lambda t: t.dtype.name == "bool")
            return self.pick(found) if found and self.maybe() else f"{self.tensor()} > {self.pick(NUMBERS)}"
        drawn = self.random.randint(0, 14)
        return self.pick(NUMBERS) if drawn == 0 else self.pick(ARRAYS) if drawn == 1 else self.tensor()

    def setting(self, slot: Slot) -> str:
        sizes = ["1", "2", "3", "4", "6", "12", "N", "-1"]
        match slot.kind:
            case "int":
                return self.pick(["1", "2", "3", "-1", "0", "-2"])
            case "float":
                return self.pick(["0.1", "0.5", "0.9", "1", "2"])
            case "bool":
                return self.pick(["true", "false"])
            case "axes":
                return self.pick(["-1", "0", "1", "2", "(0, 1)", "(1, 2)", "(0,)", "(1, 0)", "(0, 2, 1)", "none"])
            case "sizes":
                count = self.random.randint(1, 3)
                return f"[{', '.join(self.pick(sizes) for _ in range(count))}]"
            case "length":
                return self.pick(["2", "3", "4", "N", "a.shape[1]"])
            case "number":
                return self.pick(["-1", "0", "1", "2", "3", "4", "0.5", "N", "2 * N"])
            case "initializer":
                return self.pick([*LIBRARY.constructors["initializer"], "0.1", "normal(std = 0.1)"])
            case "choice":
                return self.pick(slot.choices)
            case _:
                return self.pick(['"*.weight"', "1", "true"])

    def call(self, word: Any) -> str:
        """A call of a word, as a function or as a pipeline."""
        tensors = [s for s in word.slots if s.is_tensor]
        operands = [self.operand(s) for s in tensors]
        if tensors and tensors[0].variadic:
            operands += [self.tensor() for _ in range(self.random.randint(0, 2))]
        settings = [
            f"{s.name} = {self.setting(s)}" for s in word.slots if not s.is_tensor and (s.required or self.maybe())
        ]
        if word.name == "gather":
            settings = ["axis = 1"]  # of the batch there may be one row alone
        if operands and self.maybe() and operands[0].isidentifier():
            rest = ", ".join([*operands[1:], *settings])
            return f"{operands[0]} -> {word.name}" + (f"({rest})" if rest or isinstance(word, Layer) else "")
        return f"{word.name}({', '.join([*operands, *settings])})"

    def onnx_call(self) -> str:
        """A call of any operator of the standard, with attributes of every kind that a spec can write."""
        name = self.pick(ONNX)
        schema = defs.get_schema(name, max(18, operators()[name]))
        fewest, most = schema.min_input, min(schema.max_input, schema.min_input + 2)
        count = self.random.randint(fewest, max(fewest, most))
        given = [self.tensor(lambda t: True) if i == 0 else self.onnx_operand() for i in range(max(1, count))]
        for attribute in schema.attributes.values():
            if attribute.required or self.random.randint(0, 3) == 0:
                given.append(f"{attribute.name} = {self.attribute(str(attribute.type).rpartition('.')[2])}")
        return f"onnx.{name}({', '.join(given)})"

    def onnx_operand(self) -> str:
        return self.pick([self.tensor(), "none", "range(3)", "[1]", "[0, 1]", "[2, 2]", "[-1]", *NUMBERS])

    def attribute(self, kind: str) -> str:
        match kind:
            case "INT":
                return self.pick(["0", "1", "2", "-1"])
            case "INTS":
                return self.pick(["[1]", "[2, 2]", "[1, 1, 1, 1]", "[0, 1]", "[1, 0]", "[0, 2, 1]"])
            case "FLOAT":
                return self.pick(["0.5", "1", "2.0", "0"])
            case "FLOATS":
                return "[0.5, 1.0]"
            case "STRINGS":
                return '["relu"]'
            case _:
                return self.pick(['"none"', '"tanh"', '"linear"', '"nearest"', '"ij,jk->ik"', '"ij->j"', '"add"'])

    # --- lines --------------------------------------------------------------------------------------------------------

    def fresh(self) -> str:
        return f"v{len(self.types)}"

    def expression(self) -> str:
        """Something that gives a tensor."""
        way = self.random.randint(0, 11)
        if way <= 4:
            return self.call(self.pick(FUNCTIONS))
        if way == 5:
            return self.call(self.pick(LAYERS))
        if way == 6:
            return self.onnx_call()
        if way == 7:
            other = self.pick([self.tensor(), self.pick(NUMBERS), self.pick(ARRAYS), "N"])
            return f"{self.tensor(lambda t: True)} {self.pick(INFIX)} {other}"
        if way == 8:
            entry = [":", "0", "1:", "::-1", "-1", ":2", "::2"]
            return f"{self.tensor(lambda t: t.rank > 0)}[{', '.join(self.pick(entry) for _ in range(self.random.randint(1, 3)))}]"
        if way == 9:
            return f"{self.pick(['-', 'not '])}{self.tensor(lambda t: True)}"
        if way == 10:
            return f"{self.tensor()} if {self.pick(['true', 'false', '2 > 1'])} else {self.tensor()}"
        first, then = self.pick(["Dense(3)", "tanh"]), self.call(self.pick(FUNCTIONS)).partition("-> ")[2]
        return f"{self.tensor()} -> {first} -> {then or 'tanh'}"

    def line(self) -> None:
        """One more line, of any form; what is refused is left out."""
        name = self.fresh()
        match self.random.randint(0, 11):
            case 0:
                dims = ", ".join(self.pick(["1", "2", "3", "4"]) for _ in range(self.random.randint(0, 2)))
                made = [f"0.5 * ones([{dims}])", f"full([{dims}], 0.1)", "range(4)", "eye(3)"]
                first = self.pick([*LIBRARY.constructors["initializer"], "0.5", *made])
                self.keep(f"param {name}: {self.dtype}[{dims}] = {first}", name)
            case 1:
                body = f"{name} = {name} -> Dense({self.pick('234')}) -> {self.pick(['tanh', 'relu', 'dropout(0.3)'])}"
                count = self.pick(["0", "1", "2", "range(2)", "range(3, 1, -1)", "[1, 2]"])
                line = f"{name} = {self.tensor()}\n  repeat {count} as i {{\n    {body}\n  }}"
                self.keep(line, name)
            case 2:
                inner = self.expression()
                block = f"block B{name}(x, k = 2) {{\n    y = x -> Dense(k)\n    return y * 2\n  }}\n"
                self.keep(f"{block}  {name} = {inner} -> B{name} -> B{name}(k = 3)", name)
            case 3:
                parts, value = self.random.randint(1, 3), self.tensor(lambda t: True)
                names = [f"{name}_{i}" for i in range(parts)]
                self.keep(
                    f"{', '.join(names)} = {value} -> split({parts}, axis = {self.pick(['-1', '0', '1'])})", *names
                )
            case 4:
                layer = self.pick(["Dense(2)", "Dense(3) -> relu", "-> tanh -> Dense(2)", "BatchNorm()", "PReLU()"])
                value = self.tensor()
                self.keep(f"{name}_layer = {layer}\n  {name} = {name}_layer({value}) + {name}_layer({value} * 2)", name)
            case _:
                self.keep(f"{name} = {self.expression()}", name)

    def metric(self) -> None:
        """A metric: one of the library, or any scalar of what there is. (Nobody defines the least of numbers and NaN.)"""
        name, value = f"m{len(self.lines)}", self.tensor(lambda t: True)
        if self.types[value].dtype.is_float:
            clean = f"clean_{value}"
            if clean not in self.types and not self.keep(f"{clean} = where(is_nan({value}), 0, {value})", clean):
                return
            value = clean
        reduce = self.pick(
            ["mean", "sum", "max", "min", "prod", "variance", "norm", "logsumexp", "sqrt(mean", "abs(sum"]
        )
        score = f"{reduce}({value}){')' * reduce.count('(')}"
        mode = self.pick([" (min)", " (max)"])
        if self.random.randrange(3) == 0:
            score, mode = self.call(self.pick([*METRICS, *LOSSES])), self.pick(["", mode])
        self.keep(f"metric {name}{mode} = {score}")


def declared(random: Random, dtype: str) -> Sketch:
    """A net of inputs of every use: features, an image, classes, answers."""
    sketch = Sketch(random, dtype)
    sketch.lines += [
        f"input x: {dtype}[N, 4]", f"input a: {dtype}[N, 3, 4]", f"input s: {dtype}[N]", "input c: i64[N]",
        f"target t: {dtype}[N, 4]", "target k: i64[N]", "h = x -> Dense(3)",
    ]  # fmt: skip
    sketch.ending = "loss = mean(h^2)"
    names = ("x", "a", "s", "c", "h")
    net = netc.check(sketch.text(*(f"output {n}" for n in names), sketch.ending))
    sketch.types = {n: net.outputs[n].type for n in names}
    return sketch


SCHEDULES = ["0.01", "constant(0.01, warmup = 2)", "cosine(0.01)", "step(0.01, every = 2)", "exponential(0.01, decay = 0.9)",
             "polynomial(0.01, steps = 5)"]  # fmt: skip
TRAINING = [
    "clip_norm = 1", "clip_value = 0.5", "average = ema(0.9)", "seed = 3", "shuffle = false", "stop = early(train.loss)",
    "plateau = reduce(train.loss)", 'rule "*.bias" { freeze }', 'rule "*" { rate *= 0.5 }', 'rule "h.*" { weight_decay = 0 }',
]  # fmt: skip


def spec(seed: int, dtype: str = "f32", metrics: int = 2) -> str:
    """A spec that checks, the same one for the same seed."""
    random = Random(f"{seed} {dtype}")
    sketch = declared(random, dtype)
    for _ in range(random.randint(4, 2 * CALLS)):
        sketch.line()
    for _ in range(random.randint(metrics, 3 * metrics)):
        sketch.metric()
    loss = random.choice(["mean(h^2)", "softmax_cross_entropy(h, k % 3)", "huber(x -> Dense(4), t)"])
    for name in sketch.tensors(lambda t: t.dtype.name == dtype):  # as much of it as has a gradient
        longer = f"{loss} + 0.01 * mean({name})"
        try:
            netc.check(sketch.text(f"loss = {longer}"))
            loss = longer
        except netc.NetError:
            continue
    if random.random() < 0.5:
        loss += ' + 1e-3 * l2("*.weight")'
    sketch.lines += [f"loss = {loss}", "output answer = h"]
    word = random.choice(sorted(LIBRARY.constructors["optimizer"]))
    settings = [f"optimizer = {word}(rate = {random.choice(SCHEDULES)})", "batch = 5", "epochs = 1"]
    settings += random.sample(TRAINING, random.randint(0, 3))
    sketch.blocks = "train {\n" + "\n".join(f"  {s}" for s in settings) + "\n}\n"
    try:
        netc.check(sketch.text())
    except netc.NetError:  # such as a rule that matches nothing
        sketch.blocks = ""
    return sketch.text()


def shrunk(text: str, fails: Callable[[str], bool]) -> str:
    """A failing spec with as few lines as fail in the same way."""
    lines, size = text.splitlines(), 8
    while size:
        at = 0
        while at < len(lines):
            fewer = lines[:at] + lines[at + size :]
            if fails("\n".join(fewer)):
                lines = fewer
            else:
                at += size
        size //= 2
    return "\n".join(lines)
