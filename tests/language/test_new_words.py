# No `from __future__ import annotations`: words are read from real type hints, with it or without.
"""What CONTRIBUTING promises: a new word of each kind is one class, and everything else follows from it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import netc
from netc.compiler.autodiff import registry
from netc.compiler.autodiff.registry import gradient
from netc.compiler.graph.emitter import Emitter, Value
from netc.compiler.graph.types import TensorType
from netc.compiler.language.operations import Accumulated
from netc.compiler.language.shapes import equal_types, floating
from netc.compiler.language.slots import Tensor
from netc.compiler.language.variables import Initializer, Variable, buffer, parameter
from netc.compiler.language.words import LIBRARY, constructor, function, layer, loss, metric, signature
from netc.compiler.library.initializers import ConstantValue, Ones, Zeros
from netc.compiler.training.optimizers.base import Optimizer, State, Update
from netc.compiler.training.schedules import Schedule
from netc.runtime.data.files import DataFile
from netc.runtime.data.format import data_format
from netc.runtime.data.read import Read, Row
from tests.numbers import reference as ref
from tests.numbers.host import Host


def spec(body: str, train: str = "optimizer = sgd(rate = 0.1)") -> str:
    return (
        f"net n {{\n  input x: f32[N, 3]\n  target r: f32[N, 3]\n{body}\n}}\ntrain {{ {train}; batch = 4; steps = 3 }}"
    )


def batch() -> dict[str, Any]:
    g = np.random.default_rng(2)
    return {n: g.normal(size=(4, 3)).astype(np.float32) for n in ("x", "r")}


def test_an_activation() -> None:
    @function("activation")
    class Squareplus:
        """(x + sqrt(x^2 + b)) / 2  (Barron, 2021)"""

        b: float = 4.0

        def type(self, x: Tensor) -> TensorType:
            return floating(x)

        def lower(self, op: Emitter, x: Value) -> Value:
            return op.Mul(op.Add(x, op.Sqrt(op.Add(op.Mul(x, x), self.b))), 0.5)

    assert signature(LIBRARY.operations["squareplus"]) == "squareplus(x, b = 4)"
    host = Host(netc.compile(spec("  y = x -> Dense(3) -> squareplus(b = 1)\n  loss = mean((y - r)^2)\n  output y")))
    b = batch()
    h = ref.wide(b["x"]) @ ref.wide(host.state["y.weight"])
    np.testing.assert_allclose(host.graph("infer", b)["y"], (h + np.sqrt(h**2 + 1)) / 2, rtol=1e-5)
    with pytest.raises(netc.NetError, match="squareplus"):
        netc.check(spec("  y = squareplus(i64(x))\n  loss = mean(y)"))
    with pytest.raises(netc.NetError, match="`squareplus` has no argument `c`"):
        netc.check(spec("  y = x -> Dense(3) -> squareplus(c = 1)\n  loss = mean(y)"))


def test_a_loss_with_a_choice() -> None:
    @loss()
    class LogCosh:
        """log cosh(prediction - target)"""

        base: Literal["e", "two"] = "e"

        def type(self, prediction: Tensor, target: Tensor) -> TensorType:
            return equal_types("log_cosh", floating(prediction), target).with_shape(())

        def each(self, op: Emitter, prediction: Value, target: Value) -> Value:
            d = op.Sub(prediction, target)
            y = op.Log(op.Mul(op.Add(op.Exp(d), op.Exp(op.Neg(d))), 0.5))
            return y if self.base == "e" else op.Mul(y, 1 / np.log(2))

    body = "  y = x -> Dense(3)\n  loss = log_cosh(y, r, base = two)\n  metric error = log_cosh(y, r)"
    host = Host(netc.compile(spec(body)))
    b = batch()
    y = ref.wide(b["x"]) @ ref.wide(host.state["y.weight"])
    wanted = float(np.mean(np.log(np.cosh(y - b["r"]))))
    scores = host.scores(b, [1, 3])
    assert scores["error"] == pytest.approx(wanted, rel=1e-5)
    assert scores["loss"] == pytest.approx(wanted / np.log(2), rel=1e-5)


def test_a_metric() -> None:
    @metric(mode="min")
    class WorstError:
        """the largest |prediction - target|"""

        def type(self, prediction: Tensor, target: Tensor) -> TensorType:
            return equal_types("worst_error", floating(prediction), target).with_shape(())

        def lower(self, op: Emitter, prediction: Value, target: Value) -> Value:
            return op.reduce("ReduceMax", op.Abs(op.Sub(prediction, target)), None, False)

        def accumulate(self, op: Emitter, prediction: Value, target: Value) -> Accumulated:
            return {"each": ("concat", op.Unsqueeze(self.lower(op, prediction, target), op.vector([0])))}

        def score(self, op: Emitter, accumulated: Mapping[str, Value]) -> Value:
            return op.reduce("ReduceMax", accumulated["each"], 0, False)

    host = Host(netc.compile(spec("  y = x -> Dense(3)\n  loss = mean((y - r)^2)\n  metric worst = worst_error(y, r)")))
    b = batch()
    y = ref.wide(b["x"]) @ ref.wide(host.state["y.weight"])
    assert host.scores(b, [1, 3])["worst"] == pytest.approx(abs(y - b["r"]).max(), rel=1e-5)


def test_a_layer_with_state_of_its_own() -> None:
    @layer
    class Counted:
        """scale x, and how many rows it has seen"""

        first: Initializer = ConstantValue(2.0)

        def type(self, x: Tensor) -> TensorType:
            return floating(x)

        def variables(self, x: TensorType) -> dict[str, Variable]:
            one = x.with_shape(())
            return {"scale": parameter(one, self.first), "seen": buffer(one, Zeros())}

        def lower(self, op: Emitter, x: Value, scale: Value, seen: Value) -> tuple[Value, dict[str, Value]]:
            return op.Mul(x, scale), {"seen": op.Add(seen, op.cast(op.dimension(op.shape(x)[0]), x.dtype))}

    host = Host(netc.compile(spec("  c = Counted(first = 3)\n  y = c(c(x))\n  loss = mean((y - r)^2)\n  output y")))
    assert host.state["c.scale"] == 3
    b = batch()
    host.step(b)
    host.step({n: a[:1] for n, a in b.items()})
    assert host.state["c.seen"] == 2 * 4 + 2 * 1, "the second call of a step sees what the first one wrote"
    with_grad = Host(netc.compile(spec("  c = Counted\n  y = c(x)\n  loss = mean((y - r)^2)")), "grad and apply")
    with_grad.step(b)
    assert with_grad.state["c.seen"] == 4


def test_an_optimizer_and_a_schedule() -> None:
    @constructor("optimizer")
    class Lion(Optimizer):
        """w' = w - rate sign(b1 m + (1 - b1) g), m' = b2 m + (1 - b2) g  (Chen et al., 2023)"""

        beta1: float = 0.9
        beta2: float = 0.99

        open_intervals = ("beta1", "beta2")

        def state(self) -> dict[str, float]:
            return {"momentum": 0.0}

        def update(self, op: Emitter, w: Value, g: Value, at: Update, state: State) -> tuple[Value, State]:
            m = state["momentum"]
            direction = op.Sign(op.Add(op.Mul(m, self.beta1), op.Mul(g, 1 - self.beta1)))
            following = op.Add(op.Mul(m, self.beta2), op.Mul(g, 1 - self.beta2))
            return op.Sub(self.decayed(op, w, at), op.Mul(direction, at.rate)), {"momentum": following}

    @constructor("schedule")
    class Halving(Schedule):
        """rate / 2^t"""

        def curve(self, op: Emitter, t: Value, length: Value | None) -> Value:
            return op.Pow(op.constant(0.5, t.dtype), t)

    body = "  param w: f32[3] = 0.5\n  y = x * w\n  loss = mean((y - r)^2)"
    program = netc.compile(spec(body, "optimizer = lion(rate = halving(0.25), beta1 = 0.8)"), ["weight_decay=0.1"])
    assert "lion(rate = halving(rate = 0.25)" in program.net.resolved
    host = Host(program)
    w, m = np.full(3, 0.5), np.zeros(3)
    for t in range(3):
        b = batch()
        g = 2 * ((ref.wide(b["x"]) * w - b["r"]) * b["x"]).sum(0) / b["x"].size
        w = w * (1 - 0.25 / 2**t * 0.1) - 0.25 / 2**t * np.sign(0.8 * m + 0.2 * g)
        m = 0.99 * m + 0.01 * g
        host.step(b)
        np.testing.assert_allclose(host.state["w"], w, rtol=1e-6)
        np.testing.assert_allclose(host.state["w/momentum"], m, rtol=1e-5, atol=1e-8)
    with pytest.raises(netc.NetError, match="`beta2` must be in"):
        netc.check(spec(body, "optimizer = lion(beta2 = 1)"))


def test_an_initializer() -> None:
    @constructor("initializer")
    class Alternating(Initializer):
        """1, -1, 1, ..."""

        def emit(self, op: Any, random: Any, bits: Any, shape: tuple[int, ...], dtype: int) -> Value:
            return op.tensor((1 - 2 * (np.arange(int(np.prod(shape))) % 2)).reshape(shape).astype(np.float32))

    host = Host(netc.compile(spec("  y = x -> Dense(3, bias_init = alternating)\n  loss = mean((y - r)^2)")))
    assert host.state["y.bias"].tolist() == [1, -1, 1]


def test_a_data_format(tmp_path: Path) -> None:
    @data_format(".rows", columns="keys")
    class Rows:
        """numbers by line, a comma between columns; `name = "1..3"` names columns from 0"""

        skip: int = 0

        def read(self, files: list[DataFile], inputs: list[Row], columns: Mapping[str, Any]) -> Read:
            """All columns in order, unless they are named."""
            lines = files[0].content().decode().splitlines()[self.skip :]
            table = np.array([[float(c) for c in line.split(",")] for line in lines])
            read = Read()
            for at, i in enumerate(inputs):
                low, high = map(int, columns.get(i["name"], f"{3 * at}..{3 * at + 3}").split(".."))
                read.add(i["name"], table[:, low:high], str(files[0]))
            return read

    from netc.compiler.check.data_block import register_formats

    register_formats()
    b = batch()
    table = np.concatenate([b["r"], b["x"]], axis=1)
    (tmp_path / "t.rows").write_text("# r x\n" + "\n".join(",".join(map(str, row)) for row in table))
    data = 'data { source = rows("t.rows", skip = 1, x = "3..6", r = "0..3") }\n'
    (tmp_path / "n.net").write_text(data + spec("  y = x -> Dense(3)\n  loss = mean((y - r)^2)"))
    result = netc.run(tmp_path / "n.net", folder=None, plots=False)
    assert result.trainer.steps == 3
    with pytest.raises(netc.NetError, match="no input or target `skipp`"):
        netc.check(data.replace("skip =", "skipp =") + spec("  y = x -> Dense(3)\n  loss = mean((y - r)^2)"))
    by_suffix = netc.run(tmp_path / "n.net", data=str(tmp_path / "t.rows"), folder=None, plots=False)
    assert by_suffix.trainer.steps == 3


def test_a_gradient_rule() -> None:
    registry._TABLE.pop("Celu", None)

    @gradient("Celu")
    def celu(op: Emitter, node: Any, dy: Value) -> list[Value]:
        """a rule that is wrong on purpose: dx = 7 dy"""
        return [op.Mul(dy, 7.0)]

    host = Host(
        netc.compile(spec("  param w: f32[3] = 1\n  y = onnx.Celu(x * w, alpha = 0.5)\n  loss = sum(y) + 0 * sum(r)"))
    )
    b = batch()
    np.testing.assert_allclose(host.graph("grad", b)["grad/w"], 7 * b["x"].sum(0), rtol=1e-5)


def test_a_word_needs_a_docstring_and_its_own_name() -> None:
    with pytest.raises(AssertionError, match="docstring"):

        @function("activation")
        class Silent:
            def type(self, x: Tensor) -> TensorType:
                return x

    with pytest.raises(AssertionError, match="registered twice"):

        @function("activation")
        class Relu:
            """again"""

            def type(self, x: Tensor) -> TensorType:
                return x


def test_ones_and_zeros_are_themselves() -> None:
    assert signature(LIBRARY.constructors["initializer"]["constant"]) == "constant(value)"
    assert {Ones(), Zeros()} == {Zeros(), Ones()}
