"""What a run keeps of its data, and how later data is read by it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import netc
from netc import InputError
from netc.runtime.data.learned import Learned
from netc.runtime.data.sources import inputs_only
from netc.runtime.progress import Reporter
from tests.runtime.tables import CSV, SPEC, TABLE, read, refusal


def test_a_trainer_numbers_and_fills_what_python_gives_as_its_run_has(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(TABLE + ",4,red,cat,p\n")
    (tmp_path / "n.net").write_text(SPEC.format(source=CSV, more="missing = mean"))
    trainer = netc.run(tmp_path / "n.net", folder=None, device="cpu").trainer
    texts = {"x": [[np.nan, 2], [3, 4]], "colour": ["green", "red"], "t": ["dog", "cat"]}
    numbers = {"x": [[4, 2], [3, 4]], "colour": [1, 2], "t": [2, 1]}
    assert trainer.evaluate(texts) == trainer.evaluate(numbers)
    inputs = {n: texts[n] for n in ("x", "colour")}
    np.testing.assert_array_equal(trainer.predict(inputs)["logits"], trainer.predict(numbers)["logits"])
    with pytest.raises(InputError, match=r"`t\[1\]` is `eel`, which no training row has"):
        trainer.step({**texts, "t": ["dog", "eel"]})
    with pytest.raises(InputError, match="`colour` holds text; numbers are needed"):
        netc.Trainer(netc.compile(tmp_path / "n.net"), "cpu").step(texts)


GOOD: dict[str, Any] = {"columns": {"x": ["a", "b"]}, "texts": {"t": ["cat", "dog"]}, "means": {"x": [1.0, 2.0]}}
DAMAGED: list[Any] = [
    [], 1, None, "x", {}, {**GOOD, "more": 1}, {n: v for n, v in GOOD.items() if n != "means"},
    {**GOOD, "columns": []}, {**GOOD, "columns": {"x": 1}}, {**GOOD, "columns": {"x": [1]}}, {**GOOD, "texts": None},
    {**GOOD, "texts": {"t": "cat"}}, {**GOOD, "texts": {"t": [1]}}, {**GOOD, "texts": {"t": ["b", "a"]}},
    {**GOOD, "texts": {"t": ["a", "a"]}}, {**GOOD, "means": 1}, {**GOOD, "means": {"x": {}}}, {**GOOD, "means": {"x": "a"}},
    {**GOOD, "means": {"x": [[1], [2, 3]]}},
]  # fmt: skip


@pytest.mark.parametrize("record", DAMAGED, ids=range(len(DAMAGED)))
def test_what_a_run_has_learned_is_read_as_it_was_written(tmp_path: Path, record: Any) -> None:
    path = tmp_path / "data.json"
    path.write_text(json.dumps(GOOD))
    assert asdict(Learned.read(path)) == GOOD
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match="is missing or damaged"):
        Learned.read(path)


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "", "\udcff"])
def test_a_record_that_is_no_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "data.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match="is missing or damaged"):
        Learned.read(tmp_path / "data.json")


def test_means_of_another_shape(tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text(json.dumps({**GOOD, "texts": {}, "means": {"x": [1.0, 2.0, 3.0]}}))
    table = "a,b,colour,kind\n1,,1,0\n"
    said = refusal(tmp_path, table, "missing = mean", learned=Learned.read(tmp_path / "data.json"))
    assert "the run has learned a mean of `x` of another shape" in said


class Notices(Reporter):
    """What a run says."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def notice(self, message: str) -> None:
        self.said.append(message)


OTHER_TEXTS = [  # the second run's colours in the place of red, and what is said of its weights
    ("red", ""),
    ("aqua", "warning: the texts of `colour` have other numbers than in `RUN`: 0 is `aqua` now, and was `blue`"),
    ("grey", "warning: the texts of `colour` have other numbers than in `RUN`: 2 is `grey` now, and was `red`"),
]


@pytest.mark.parametrize(("colour", "said"), OTHER_TEXTS)
def test_weights_that_were_trained_with_other_texts(tmp_path: Path, colour: str, said: str) -> None:
    read(tmp_path)
    first = netc.run(tmp_path / "n.net", folder=tmp_path / "runs", device="cpu", plots=False)
    (tmp_path / "d.csv").write_text(TABLE.replace("red", colour))
    heard = Notices()
    netc.run(tmp_path / "n.net", folder=None, device="cpu", weights=first.folder, reporter=heard)
    told = [m.replace(str(first.folder), "RUN") for m in heard.said if "other numbers" in m]
    assert told == [said] * bool(said)


def test_a_prediction_is_made_for_every_row(tmp_path: Path) -> None:
    """What was dropped in training has no value to be predicted from."""
    found = read(tmp_path, TABLE, "missing = drop")
    (tmp_path / "new.csv").write_text("a,b,colour\n1,2,red\n,4,red\n")
    with pytest.raises(InputError, match="line 3, column `a` is blank") as e:
        inputs_only(netc.compile(tmp_path / "n.net").manifest, tmp_path / "new.csv", found.learned)
    assert e.value.help == "a prediction is made for every row, so none is dropped: put a value in its place"


def test_a_run_keeps_what_it_has_learned(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(TABLE + ",4,red,cat,p\n")
    (tmp_path / "n.net").write_text(SPEC.format(source=CSV, more="missing = mean"))
    result = netc.run(tmp_path / "n.net", folder=tmp_path / "runs", device="cpu", plots=False)
    assert result.folder is not None
    learned = Learned.read(result.folder / "data.json")
    assert learned.texts["colour"] == ["blue", "green", "red"]
    assert learned.means == {"x": [4.0, pytest.approx(24 / 5)]}
    model = onnx.load(result.folder / "export" / "model.onnx")
    told = {p.key: p.value for p in model.metadata_props}
    assert json.loads(told["netc.texts"]) == learned.texts
    (tmp_path / "new.csv").write_text("colour,b,a\ngreen,1,\nred,2,0\n")
    found = inputs_only(result.trainer.manifest, tmp_path / "new.csv", learned)
    assert found["colour"].tolist() == [1, 2]
    assert found["x"].tolist() == [[4, 1], [0, 2]]
    (tmp_path / "new.csv").write_text("colour,b,a\npink,1,1\n")
    with pytest.raises(InputError, match="column `colour` is `pink`, which no training row has"):
        inputs_only(result.trainer.manifest, tmp_path / "new.csv", learned)
    (tmp_path / "new.csv").write_text("colour,b,a\n1,1,1\n")
    with pytest.raises(InputError, match="column `colour` is `1`, which no training row has"):
        inputs_only(result.trainer.manifest, tmp_path / "new.csv", learned)
