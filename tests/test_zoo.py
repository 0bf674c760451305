"""What the zoo promises, trained to the end on its real data; and the variants that a user would try."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

import netc
from netc import models

# spec, overrides, score, least (or most, where negative) value
TRAINED = [
    ("linear", [], "test.r2", 0.85),
    ("logistic", [], "test.accuracy", 0.95),
    ("softmax", [], "test.accuracy", 0.94),
    ("softmax", ["batch=1", "epochs=2", "rate=0.02"], "test.accuracy", 0.9),  # single-sample SGD
    ("softmax", ["batch=2000", "epochs=150", "rate=0.5"], "test.accuracy", 0.9),  # full batch
    ("hidden", [], "test.accuracy", 0.95),
    ("hidden", ["optimizer=adagrad(rate = 0.05)"], "test.accuracy", 0.94),
    ("multilabel", [], "test.accuracy", 0.93),
    ("autoencoder", [], "val.rmse", -0.14),
    ("vanishing", ["activation=relu"], "val.accuracy", 0.9),
    ("dying", ["rate=0.05"], "val.accuracy", 0.93),
    ("finetune", [], "test.accuracy", 0.92),
    ("saliency", [], "test.accuracy", 0.95),
]


@pytest.mark.parametrize(("name", "changes", "score", "bound"), TRAINED)
def test_a_spec_reaches_its_score(name: str, changes: list[str], score: str, bound: float) -> None:
    result = netc.run(name, changes, device="cpu", folder=None)
    value = result.scores[score]
    assert value >= bound if bound > 0 else value <= -bound, result.scores


def test_networks_that_cannot_learn_do_not() -> None:
    """The two stories are only worth telling while the bad ends really happen."""
    for name in ("vanishing", "dying"):
        assert netc.run(name, device="cpu", folder=None).scores["val.accuracy"] < 0.3


LOGISTIC = """net logistic {
  input  image: u8[N, 28, 28]
  target label: i64[N]
  logits = f32(image) / 255 -> flatten -> Dense(10)
  loss   = softmax_cross_entropy(logits, label)
  metric accuracy    = accuracy(logits, label)
  output probability = softmax(logits)
}
data  { source = idx(train = ("train-images.gz", "train-labels.gz"), test = ("test-images.gz", "test-labels.gz")) }
train { optimizer = sgd(rate = exponential(0.5, decay = 0.96, every = 100)); batch = 128; steps = 300 }
"""


def test_the_28x28_softmax_classifier_trains_from_idx_files(tmp_path: Path) -> None:
    """The digits enlarged to 28x28 pixels, in the files of MNIST: 7,850 parameters."""
    table = np.loadtxt(models.FOLDER / "data" / "digits.csv.gz", delimiter=",", skiprows=1)
    images = np.kron(table[:, :64].reshape(-1, 8, 8), np.ones((3, 3))) * 255 / 16
    images = np.pad(images, ((0, 0), (2, 2), (2, 2))).astype(np.uint8)
    labels = table[:, 64].astype(np.uint8)
    for split, rows in (("train", slice(0, 1400)), ("test", slice(1400, None))):
        for kind, array in (("images", images[rows]), ("labels", labels[rows])):
            header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            (tmp_path / f"{split}-{kind}.gz").write_bytes(gzip.compress(header + array.tobytes()))
    (tmp_path / "logistic.net").write_text(LOGISTIC)
    program = netc.compile(tmp_path / "logistic.net")
    assert sum(np.prod(r["shape"]) for r in program.manifest["state"] if r["role"] == "parameter") == 7850
    result = netc.run(tmp_path / "logistic.net", device="cpu", folder=None)
    assert result.scores["test.accuracy"] > 0.85


LOSSES = [
    "hinge(logits, digit)",
    "softmax_cross_entropy(logits, one_hot(digit, 10))",
    "nll(log_softmax(logits), digit)",
    "sigmoid_cross_entropy(logits, one_hot(digit, 10))",
    "binary_hinge(logits, 2 * one_hot(digit, 10) - 1)",
    "mean_squared_error(softmax(logits), one_hot(digit, 10)) * 10",
    "mean(sum((sigmoid(logits) - one_hot(digit, 10))^2, axis = 1))",
]


@pytest.mark.parametrize("loss", LOSSES)
def test_digits_can_be_learned_with_every_classification_loss(loss: str) -> None:
    text = (models.FOLDER / "softmax.net").read_text(encoding="utf-8")
    text = text.replace("softmax_cross_entropy(logits, digit)", loss)
    text = text.replace("data/digits.csv.gz", str(models.FOLDER / "data" / "digits.csv.gz"))
    result = netc.run(text, ["optimizer=adam(rate = 0.02)", "steps=300"], device="cpu", folder=None)
    assert result.scores["test.accuracy"] > 0.9, result.scores


ACTIVATIONS = [
    "relu", "sigmoid", "tanh", "leaky_relu", "leaky_relu(0.2)", "PReLU", "elu", "selu", "gelu", "softplus", "silu", "mish",
    "softsign", "hard_sigmoid", "hard_swish",
]  # fmt: skip
OPTIMIZERS = [
    "sgd(rate = 0.3)", "sgd(rate = 0.05, momentum = 0.9)", "sgd(rate = 0.05, momentum = 0.9, nesterov = true)",
    "adagrad(rate = 0.05)", "rmsprop(rate = 3e-3)", "adam(rate = 5e-3)", "adamw(rate = 5e-3, weight_decay = 0.01)",
]  # fmt: skip
SCHEDULES = [
    "constant(5e-3, warmup = 10)", "step(1e-2, every = 60, factor = 0.5)", "exponential(1e-2, decay = 0.9, every = 50)",
    "polynomial(1e-2, power = 2, warmup = 10)", "cosine(1e-2, warmup = 10)",
]  # fmt: skip
INITIALISERS = [
    "normal(std = 0.1)", "uniform(low = -0.1, high = 0.1)", "glorot_uniform", "glorot_normal", "he_uniform", "he_normal",
    "lecun_normal", "orthogonal",
]  # fmt: skip
VARIANTS = [
    *((a, "adam(rate = 5e-3)", "he_normal") for a in ACTIVATIONS),
    *(("relu", o, "he_normal") for o in OPTIMIZERS),
    *(("relu", f"adam(rate = {s})", "he_normal") for s in SCHEDULES),
    *(("tanh", "adam(rate = 5e-3)", i) for i in INITIALISERS),
]


@pytest.mark.parametrize(("activation", "optimizer", "initialiser"), VARIANTS)
def test_digits_are_learned_with_every_activation_optimizer_schedule_and_initialiser(
    activation: str, optimizer: str, initialiser: str
) -> None:
    text = (models.FOLDER / "hidden.net").read_text(encoding="utf-8")
    text = text.replace("data/digits.csv.gz", str(models.FOLDER / "data" / "digits.csv.gz"))
    text = text.replace("Dense(H) -> relu", f"Dense(H, init = {initialiser}) -> {activation}")
    result = netc.run(text, [f"optimizer={optimizer}", "epochs=10"], device="cpu", folder=None)
    assert result.scores["test.accuracy"] > 0.9, result.scores
