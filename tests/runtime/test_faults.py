"""What the runtime does when something fails: sessions, steps, evaluation, devices, checkpoints of a run."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import parser

import netc
from netc import InputError, RunError
from netc.runtime import device as devices
from netc.runtime import loop as loops
from netc.runtime.checkpoint import load_tensors
from netc.runtime.data.sources import LoadedData
from netc.runtime.device import Device, cuda_problem, parse_device, placed_elsewhere, session, value_on
from netc.runtime.diagnose import first_bad
from netc.runtime.evaluation import Evaluator
from netc.runtime.loop import Loop
from netc.runtime.progress import Reporter
from netc.runtime.rows import DeviceRows
from netc.runtime.run_folder import RunFolder
from tests.runtime.scripted import Scripted, data, run

SPEC = """net n {
  input x: f32[N, 2]
  y = x -> Dense(1)
  loss = mean(y^2)
  output y
}
train { optimizer = sgd(rate = 0.01); batch = 4; epochs = 3; stop = early(train.loss, patience = 9) }"""
X = np.random.default_rng(0).normal(size=(10, 2)).astype(np.float32)


def failing(*_: Any, **__: Any) -> Any:
    raise RuntimeError("boom")


def trainer(text: str = SPEC) -> netc.Trainer:
    return netc.Trainer(netc.compile(text), device="cpu", seed=1)


ASKED = SimpleNamespace(asked=True, options=None)
NOT_ASKED = SimpleNamespace(asked=False, options=None)

# --- a step and an evaluation -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("interrupt", [None, NOT_ASKED, ASKED], ids=["alone", "not asked", "asked"])
def test_a_step_that_fails(interrupt: Any) -> None:
    made = trainer()
    made.step({"x": X})
    (binding,) = made._bindings.values()
    binding.session = SimpleNamespace(_sess=SimpleNamespace(run_with_iobinding=failing))
    made.interrupt = interrupt
    with pytest.raises(KeyboardInterrupt if interrupt is ASKED else RunError) as e:
        made.step({"x": X})
    assert interrupt is ASKED or str(e.value) == "the step failed: boom"
    assert made.steps == 1


def test_a_batch_goes_to_a_device_whose_values_are_no_host_memory() -> None:
    """As on CUDA: a batch is moved into the bound values, and scores are read back."""
    one, two = trainer(), trainer()
    for made in (one, two):
        made.step({"x": X})
    (binding,) = two._bindings.values()
    binding.on_cpu, binding.buffers, binding.views = False, {}, {}
    for batch in (X * 2, X[::-1]):
        assert two.step({"x": batch}) == one.step({"x": batch})
    for name, value in one.state.items():
        np.testing.assert_array_equal(two.state[name], value)


@pytest.mark.parametrize("interrupt", [None, NOT_ASKED, ASKED], ids=["alone", "not asked", "asked"])
def test_an_evaluation_that_fails(interrupt: Any) -> None:
    program = netc.compile(SPEC)
    made = Evaluator(program, Device(), SimpleNamespace(run=failing, get_inputs=lambda: [SimpleNamespace(name="x")]))
    made.interrupt = interrupt
    with pytest.raises(KeyboardInterrupt if interrupt is ASKED else RunError) as e:
        made.evaluate({"x": X})
    assert interrupt is ASKED or str(e.value) == "evaluation failed: boom"


def test_rows_that_cannot_be_gathered() -> None:
    rows = DeviceRows({"x": X}, Device())
    rows.session = SimpleNamespace(run_with_iobinding=failing, io_binding=rows.session.io_binding)
    with pytest.raises(RunError, match="a batch could not be gathered on cpu: boom"):
        rows.gather(np.arange(2), {}, {"x": value_on(Device(), X[:2])})


def test_without_outputs_nothing_is_predicted() -> None:
    with pytest.raises(InputError, match="nothing to predict") as e:
        trainer(SPEC.replace("  output y\n", "")).predict({"x": X})
    assert e.value.help == "add `output name = ...`"


@pytest.mark.parametrize(
    ("spec", "x", "said"),
    [
        ("loss = mean(y^2)", X, "the cause does not show when the step is repeated"),
        ("loss = mean(exp(y * 1e6))", np.abs(X), "`Exp` of <text>:4 is the first to give infinite values"),
        ("loss = mean(log(0 * y - 1))", X, "`Log` of <text>:4 is the first to give NaN values"),
        ("loss = mean(y^2)", X * np.float32(np.inf), "`x` was not finite before the step"),
    ],
)  # fmt: skip
def test_the_first_value_that_is_not_finite_is_named(spec: str, x: np.ndarray, said: str) -> None:
    made = trainer(SPEC.replace("loss = mean(y^2)", spec).replace("Dense(1)", "Dense(1, init = ones)"))
    assert first_bad(made, {"x": x}) == said


def test_the_first_parameters_are_listed() -> None:
    made = trainer("net n {\n input x: f32[N, 2]\n h = x\n repeat 4 { h = h -> Dense(2) }\n loss = mean(h)\n}")
    with pytest.raises(InputError, match="has no parameter `q`") as e:
        made.load_parameters({"q": X})
    names = [f"`repeat_{i}.h.{part}`" for i in range(4) for part in ("weight", "bias")]
    assert e.value.help == "the parameters are " + ", ".join(names[:6])


# --- the loop ---------------------------------------------------------------------------------------------------------


class Saying(Reporter):
    def __init__(self) -> None:
        self.said: list[str] = []

    def notice(self, message: str) -> None:
        self.said.append(message)


def test_a_score_of_the_training_rows_is_of_all_of_them() -> None:
    """Not the mean over the steps of an epoch, in which the weights move."""
    made = Scripted("  epochs = 4; stop = early(train.loss, patience = 1)", [5, 4, 4, 3])
    outcome = Loop(made, data(5, val=0)).run()
    assert (outcome.reason, outcome.epochs, outcome.best_epoch) == ("early", 3, 2)
    assert [row["train.loss"] for row in outcome.history] == [5, 4, 4]


@pytest.mark.parametrize(("seconds", "saves"), [(1e9, 1 + 3), (-1.0, 1 + 3 + 9)])
def test_long_epochs_are_saved_on_the_way(seconds: float, saves: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the beginning, after each of three epochs, and after a step when it is time."""
    count: list[int] = []
    monkeypatch.setattr(loops, "SAVE_SECONDS", seconds)
    monkeypatch.setattr(Loop, "save", lambda self: count.append(self.trainer.steps))
    run("  batch = 2; epochs = 3", [3, 2, 1])
    assert len(count) == saves
    assert count[0] == 0


def test_what_is_told_when_the_rates_fall() -> None:
    saying = Saying()
    made = Scripted("  epochs = 4; plateau = reduce(val.loss, factor = 0.25, patience = 2)", [5, 6, 6, 6])
    Loop(made, data(5), None, saying).run()
    assert saying.said == ["rates multiplied by 0.25 after epoch 3"]


def test_a_metric_of_the_training_rows_is_the_mean_over_rows() -> None:
    """Batches of 2, 2 and 1: their means weighted by their rows."""
    made = Scripted("  batch = 2; epochs = 1; shuffle = false", [3.0])
    outcome = Loop(made, data(5)).run()
    assert outcome.history[0]["train.loss"] == pytest.approx((0.5 * 2 + 2.5 * 2 + 4.0) / 5)


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A run of three epochs."""
    result = netc.run(SPEC, data={"x": X}, device="cpu", folder=tmp_path, plots=False)
    assert result.folder is not None
    return result.folder


def resumed(folder: Path, x: np.ndarray = X, reporter: Reporter | None = None, **options: Any) -> Loop:
    made = Loop(trainer(), LoadedData({"train": {"x": x}}), RunFolder(folder), reporter)
    made.resume(folder / "state" / "last.safetensors", **options)
    return made


def test_a_run_goes_on_where_it_stood(begun: Path) -> None:
    made = resumed(begun)
    assert (made.progress.epoch, made.progress.rows, made.trainer.steps) == (3, 0, 9)
    assert [row["epoch"] for row in made.history] == [1, 2, 3]


def test_other_data_is_noticed(begun: Path) -> None:
    with pytest.raises(InputError, match="the data has changed since the checkpoint"):
        resumed(begun, X + 1)
    assert resumed(begun, X + 1, changed=True).progress.epoch == 3


def test_the_checkpoint_before_a_damaged_one_is_used_and_named(begun: Path) -> None:
    path = begun / "state" / "last.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    saying = Saying()
    assert resumed(begun, reporter=saying).progress.epoch == 2
    assert "the previous checkpoint is used instead" in saying.said[0]


def test_a_checkpoint_that_says_nothing_of_a_run(begun: Path) -> None:
    path = begun / "state" / "last.safetensors"
    for notes in ({}, {"progress": {"nothing": 1}}):
        trainer().save(path, notes)
        with pytest.raises(InputError, match="does not say where a run stood"):
            resumed(begun)


class Stop(Reporter):
    def step(self, epoch: int, step: int, loss: float) -> None:
        raise KeyboardInterrupt


def test_stopped_in_its_first_step_a_run_has_weights_all_the_same(tmp_path: Path) -> None:
    result = netc.run(SPEC, data={"x": X}, device="cpu", folder=tmp_path, plots=False, reporter=Stop())
    assert (result.reason, result.best, result.best_epoch, result.scores) == ("interrupted", None, 0, {})
    assert result.folder is not None
    last, _ = load_tensors(result.folder / "weights" / "last.safetensors")
    np.testing.assert_array_equal(last["y.weight"], result.trainer.parameters["y.weight"])


def test_damaged_best_weights_are_named(begun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saying = Saying()
    made = resumed(begun, reporter=saying)
    best = begun / "weights" / "best.safetensors"
    best.write_bytes(b"damaged")
    assert (begun / "weights" / "best.safetensors.previous").is_file()
    made.use_best()
    assert "is damaged" in saying.said[0]


def test_weights_that_the_end_needs_are_missed_at_the_beginning(begun: Path) -> None:
    for file in (begun / "weights").glob("best.*"):
        file.unlink()
    with pytest.raises(InputError, match=r"there is no file `.*best\.safetensors`"):
        resumed(begun)


# --- devices ----------------------------------------------------------------------------------------------------------


def test_which_device_a_name_stands_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "cuda_problem", lambda: None)
    assert parse_device("cuda:2", tf32=True, threads=3) == Device("cuda", 2, True, 3)
    assert parse_device("cuda") == parse_device("auto") == Device("cuda", 0, False, 0)
    assert parse_device("cpu", tf32=True, threads=3) == Device("cpu", 0, False, 3)
    monkeypatch.setattr(devices, "cuda_problem", lambda: "none is here")
    assert parse_device("auto", tf32=True, threads=2) == Device("cpu", threads=2)
    assert Device() == Device("cpu", 0, False, 0)
    assert (str(Device()), str(Device("cuda", 1))) == ("cpu", "cuda:1")
    assert parse_device("cpu", threads=256) == Device("cpu", threads=256)
    for threads in (-1, 257, 100_000):
        with pytest.raises(InputError, match=rf"`threads` must lie in 0\.\.256, not {threads}"):
            parse_device("auto", threads=threads)
    with pytest.raises(InputError, match="a GPU was asked for, but none is here"):
        parse_device("cuda")


@pytest.mark.parametrize(
    ("providers", "visible", "driver", "problem"),
    [
        (["CPUExecutionProvider"], None, None, "has no CUDA provider"),
        (["CUDAExecutionProvider"], "", None, "CUDA_VISIBLE_DEVICES hides every GPU"),
        (["CUDAExecutionProvider"], None, OSError, "no NVIDIA driver was found"),
        (["CUDAExecutionProvider"], None, 100, "the NVIDIA driver finds no usable GPU"),
        (["CUDAExecutionProvider"], "0", 0, None),
        (["CUDAExecutionProvider"], None, "old", None),
    ],
)  # fmt: skip
def test_why_there_is_no_gpu(
    providers: list[str], visible: str | None, driver: Any, problem: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def library(name: str) -> Any:
        assert name == "libcuda.so.1"
        if driver is OSError:
            raise OSError
        return (
            SimpleNamespace() if driver == "old" else SimpleNamespace(cuInit=lambda flags: driver if flags == 0 else -1)
        )

    monkeypatch.setattr(ort, "get_available_providers", lambda: providers)
    monkeypatch.setattr(ctypes, "CDLL", library)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = cuda_problem()
    assert found is None if problem is None else problem in str(found)


def model(nodes: str, dtype: str = "float") -> bytes:
    text = f'<ir_version: 8, opset_import: ["": 18]> g ({dtype}[1, 1, N] x) => ({dtype}[1, 1, N] y) {{ {nodes} }}'
    return bytes(parser.parse_model(text).SerializeToString())


def test_a_program_that_the_runtime_refuses() -> None:
    with pytest.raises(RunError, match=r"ONNX Runtime refuses `eval.onnx`: (?!\[ONNXRuntimeError)"):
        session(b"nothing", Device(), called="`eval.onnx`")
    with pytest.raises(RunError, match=r"has no kernel for the operator `Conv` here \(node `c`\)"):
        session(model("w = Constant <value: tensor = double[1, 1, 1] {1}> () [c] y = Conv (x, w)", "double"), Device())


def test_a_graph_that_an_optimizer_of_the_runtime_breaks_is_loaded_without_it() -> None:
    """Float64, two constants one after the other before a matrix product: found by a random spec."""
    spec = """net n {
      input x: f64[N, 4]
      v = (x -> Dense(3)) * 2
      layer = Dense(2)
      y = layer(v) + layer(v * 2)
      loss = mean(y)
      output y
    }"""
    trainer, x = netc.Trainer(netc.compile(spec), "cpu"), np.ones((3, 4))
    p = trainer.parameters
    v = (x @ p["v.weight"] + p["v.bias"]) * 2
    expected = 3 * v @ p["layer.weight"] + 2 * p["layer.bias"]
    np.testing.assert_allclose(trainer.predict({"x": x})["y"], expected, rtol=1e-12)
    assert trainer.evaluate({"x": x})["loss"] == pytest.approx(expected.mean(), rel=1e-12)


def test_sizes_are_fixed_and_the_optimizer_is_left_out_on_request() -> None:
    run = session(model("y = Neg (x)"), Device(threads=1), {"N": 3})
    assert run.get_inputs()[0].shape == [1, 1, 3]
    assert run.get_session_options().intra_op_num_threads == 1
    exact = session(model("y = Neg (x)"), Device(), exact=True)
    assert exact.get_inputs()[0].shape == [1, 1, "N"]
    levels = [r.get_session_options().graph_optimization_level for r in (run, exact)]
    assert levels == [ort.GraphOptimizationLevel.ORT_ENABLE_ALL, ort.GraphOptimizationLevel.ORT_DISABLE_ALL]
    assert run.get_session_options().use_deterministic_compute
    assert run.get_session_options().get_session_config_entry("session.set_denormal_as_zero") == "1"
    assert run.get_session_options().log_severity_level == 3


def placed(*parts: tuple[str, list[str]]) -> Callable[[], list[Any]]:
    def nodes(names: list[str]) -> Callable[[], list[Any]]:
        return lambda: [SimpleNamespace(op_type=n) for n in names]

    return lambda: [SimpleNamespace(ep_name=e, get_nodes=nodes(names)) for e, names in parts]


CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


@pytest.mark.parametrize(
    ("providers", "parts", "resident", "said"),
    [
        ([CUDA, CPU], [(CUDA, ["Add"])], True, ""),
        ([CUDA, CPU], [(CUDA, ["Add"]), (CPU, ["Sub", "Neg", "Sub"])], True, "have no CUDA kernel: `Neg`, `Sub`"),
        ([CUDA, CPU], [(CPU, ["Sub"])], False, ""),
        ([CPU], [(CUDA, ["Add"])], False, "fell back to the CPU"),
    ],
)  # fmt: skip
def test_a_session_on_a_gpu(
    providers: list[str], parts: list[Any], resident: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def started(content: bytes, options: Any, providers_: Any = None, **more: Any) -> Any:
        asked.update(more, options=options)
        return SimpleNamespace(get_providers=lambda: providers, get_provider_graph_assignment_info=placed(*parts))

    monkeypatch.setattr(ort, "InferenceSession", started)
    monkeypatch.setattr(ort, "preload_dlls", lambda: asked.update(loaded=True), raising=False)
    chosen = Device("cuda", 1, tf32=resident)
    if said:
        with pytest.raises(RunError, match=said):
            session(b"", chosen, resident=resident)
    else:
        session(b"", chosen, resident=resident)
    assert asked["providers"] == [(CUDA, {"device_id": "1", "use_tf32": "1" if resident else "0"}), CPU]
    assert asked["loaded"]
    if resident:
        entry = asked["options"].get_session_config_entry("session.record_ep_graph_assignment_info")
        assert entry == "1"


def test_the_operators_on_another_device_are_listed() -> None:
    made = SimpleNamespace(get_provider_graph_assignment_info=placed((CPU, ["A", "B"]), (CUDA, ["C"])))
    assert placed_elsewhere(made) == ["A", "B"]


# --- errors -----------------------------------------------------------------------------------------------------------


def test_what_an_error_says_and_with_which_code_a_command_ends() -> None:
    assert InputError("what is wrong").render() == "error: what is wrong"
    assert RunError("what failed", "what to do").render() == "error: what failed\n  = help: what to do"
    assert (InputError("").exit_code, RunError("").exit_code, str(RunError("what failed"))) == (2, 1, "what failed")


def test_an_error_reads_as_its_message_and_shows_its_help() -> None:
    e = InputError("it is wrong", "do it right")
    assert (str(e), e.message, e.help, e.exit_code) == ("it is wrong", "it is wrong", "do it right", 2)
    assert e.render() == "error: it is wrong\n  = help: do it right"
    assert InputError("it is wrong").render() == "error: it is wrong"
    assert (str(RunError("it failed")), RunError("it failed").exit_code) == ("it failed", 1)
