"""What the plots show: lines, labels, titles, limits and marks, read from the figure before it is saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.runtime import plots

FOLDER = Path("plots")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The axes of each plot by its path, in place of files."""
    found: dict[str, Any] = {}

    def save(figure: Any, path: Path) -> Path:
        found[path.as_posix()] = figure.axes[0]
        return path

    monkeypatch.setattr(plots, "_save", save)
    return found


def lines(axes: Any) -> dict[str, tuple[list[float], list[float], str, str]]:
    """Each line by its label: x, y, style and marker."""
    return {
        str(line.get_label()): (
            list(map(float, line.get_xdata())), list(map(float, line.get_ydata())), line.get_linestyle(), line.get_marker()
        )
        for line in axes.get_lines()
    }  # fmt: skip


def said(axes: Any) -> tuple[str, str, str]:
    return axes.get_title(), axes.get_xlabel(), axes.get_ylabel()


def test_the_scores_by_epoch(drawn: dict[str, Any]) -> None:
    history = [
        {"epoch": 1, "step": 5, "train.loss": 3.0, "val.loss": 4.0, "train.top/2": 0.5},
        {"epoch": 2, "step": 10, "train.loss": 2.0, "val.loss": 3.5},
        {"epoch": 3, "step": 15, "train.loss": 1.0, "val.loss": 3.75, "test.loss": 5.0},
    ]
    made = plots.plot_scores(history, FOLDER, 2)
    assert [p.as_posix() for p in made] == list(drawn) == ["plots/loss.png", "plots/top_2.png"]
    loss = drawn["plots/loss.png"]
    assert said(loss) == ("loss", "epoch", "loss")
    assert lines(loss) == {
        "train": ([1, 2, 3], [3, 2, 1], "--", "o"), "val": ([1, 2, 3], [4, 3.5, 3.75], "-", "o"),
        "test": ([3], [5], ":", "o"), "best, epoch 2": ([2, 2], [0, 1], "-", "None"),
    }  # fmt: skip
    assert [t.get_text() for t in loss.get_legend().get_texts()] == ["train", "val", "test", "best, epoch 2"]
    assert said(drawn["plots/top_2.png"]) == ("top/2", "epoch", "top/2")
    assert loss.xaxis.get_gridlines()[0].get_visible()


@pytest.mark.parametrize(("epochs", "marker"), [(1, "o"), (20, "o"), (21, "None"), (2000, "None")])
def test_points_are_marked_while_there_are_few(drawn: dict[str, Any], epochs: int, marker: str) -> None:
    plots.plot_scores([{"epoch": e, "train.loss": 3.0} for e in range(1, epochs + 1)], FOLDER, 0)
    axes = drawn["plots/loss.png"]
    assert lines(axes)["train"][3] == marker
    axes.figure.canvas.draw()
    assert all(tick == round(tick) for tick in axes.get_xticks()), "epochs are whole"


@pytest.mark.parametrize(
    ("values", "rising", "scale"),
    [
        ([20.0, 1.0, 3.0], False, "linear"),
        ([20.1, 1.0, 3.0], False, "log"),
        ([1.0, 20.1], False, "log"),
        ([20.1, 1.0], True, "linear"),
        ([20.1, 0.0, 1.0], False, "linear"),
        ([20.1, -1.0], False, "linear"),
        ([float("nan"), 20.1, float("inf"), 1.0], False, "log"),
        ([float("nan")], False, "linear"),
    ],
)
def test_the_end_of_a_long_fall_is_seen_beside_its_beginning(
    drawn: dict[str, Any], values: list[float], rising: bool, scale: str
) -> None:
    """Over all splits together; the scores of another name do not matter."""
    rows = [
        {"epoch": e, f"{s}.loss": v, "val.a": 1e-9} for e, v in enumerate(values) for s in ("train", "val")[e % 2 :]
    ]
    plots.plot_scores(rows, FOLDER, 0, ["loss"] if rising else ["a"])
    assert drawn["plots/loss.png"].get_yscale() == scale
    assert drawn["plots/a.png"].get_yscale() == "linear"


def test_without_a_best_epoch_none_is_marked(drawn: dict[str, Any]) -> None:
    plots.plot_scores([{"epoch": 1, "train.loss": 3.0}], FOLDER, 0)
    assert list(lines(drawn["plots/loss.png"])) == ["train"]


def test_the_confusion_matrix(drawn: dict[str, Any]) -> None:
    matrix = np.array([[3, 1, 0], [0, 2, 2], [0, 0, 0]])
    assert plots.plot_confusion("top/2", matrix * 1000, FOLDER, "test").as_posix() == "plots/confusion_top_2.png"
    axes = drawn["plots/confusion_top_2.png"]
    assert said(axes) == ("top/2, test: 5,000 of 8,000 rows right", "predicted class", "true class")
    image = axes.get_images()[0]
    np.testing.assert_array_equal(
        image.get_array(), [[0.75, 0.25, 0], [0, 0.5, 0.5], [0, 0, 0]]
    )  # a class without rows is 0
    assert (image.norm.vmin, image.norm.vmax) == (0, 1)
    counts = {(*map(int, t.get_position()),): (t.get_text(), t.get_color()) for t in axes.texts}  # (column, row)
    assert counts == {
        (0, 0): ("3000", "white"), (1, 0): ("1000", "black"), (1, 1): ("2000", "black"), (2, 1): ("2000", "black")
    }  # fmt: skip
    assert {(t.get_ha(), t.get_va()) for t in axes.texts} == {("center", "center")}
    assert list(axes.get_xticks()) == list(axes.get_yticks()) == [0, 1, 2]
    assert axes.figure.axes[1].get_ylabel() == "share of the true class"


@pytest.mark.parametrize(
    ("classes", "numbered", "width"), [(2, True, 5.3), (10, True, 7.8), (20, True, 12.8), (21, False, 12.8)]
)
def test_many_classes_are_not_numbered(drawn: dict[str, Any], classes: int, numbered: bool, width: float) -> None:
    plots.plot_confusion("a", np.eye(classes, dtype=int), FOLDER, "val")
    axes = drawn["plots/confusion_a.png"]
    assert len(axes.texts) == (classes if numbered else 0)
    assert (len(axes.get_xticks()) == classes) == numbered
    assert tuple(axes.figure.get_size_inches()) == pytest.approx((width, width - 0.8))


def test_what_was_watched(drawn: dict[str, Any]) -> None:
    records = [
        (
            0,
            {
                "gradient_norm": 9.0,
                "gradient_norm/a.weight": 1.0,
                "gradient_norm/a.bias": 2.0,
                "dead_units/h.relu_1": 0.5,
            },
        ),
        (
            4,
            {
                "gradient_norm": 9.0,
                "gradient_norm/a.weight": 3.0,
                "gradient_norm/a.bias": 4.0,
                "dead_units/h.relu_1": 0.25,
            },
        ),
    ]
    assert [p.as_posix() for p in plots.plot_watch(records, FOLDER)] == list(drawn)
    assert list(drawn) == ["plots/watch_gradient_norm.png", "plots/watch_dead_units.png"]
    norms, dead = drawn.values()
    assert said(norms) == ("norm of the gradient", "step", "")
    assert lines(norms) == {"a.weight": ([0, 4], [1, 3], "-", "None")}, "weights alone, where there are any"
    assert (norms.get_yscale(), dead.get_yscale()) == ("log", "linear")
    assert said(dead)[0] == "share of units that are zero for the whole batch"
    assert lines(dead) == {"h.relu_1": ([0, 4], [0.5, 0.25], "-", "None")}
    assert dead.get_ylim() == pytest.approx((-0.02, 1.02))
    assert [t.get_text() for t in norms.get_legend().get_texts()] == ["a.weight"]
    assert norms.xaxis.get_gridlines()[0].get_visible()


def test_parameters_that_are_no_weights_are_shown_where_there_are_none(drawn: dict[str, Any]) -> None:
    plots.plot_watch([(0, {"update_ratio/gain": 1.0})], FOLDER)
    (axes,) = drawn.values()
    assert said(axes)[0] == "size of the update over size of the parameter"
    assert (axes.get_yscale(), list(lines(axes))) == ("log", ["gain"])


@pytest.mark.parametrize(
    ("count", "legend", "own"), [(10, True, True), (11, True, False), (16, True, False), (17, False, False)]
)
def test_many_layers(drawn: dict[str, Any], count: int, legend: bool, own: bool) -> None:
    """Ten colours are told apart, and a legend holds sixteen names."""
    plots.plot_watch([(0, {f"update_ratio/l{i}.weight": 1.0 for i in range(count)})], FOLDER)
    (axes,) = drawn.values()
    assert (axes.get_legend() is not None) == legend
    assert len({line.get_color() for line in axes.get_lines()}) == 10 if not own else count
    assert [line.get_color() for line in axes.get_lines()][:2] == (
        ["C0", "C1"] if own else [(31 / 255, 119 / 255, 180 / 255), (1.0, 127 / 255, 14 / 255)]
    )


def test_nothing_watched_is_nothing_drawn(drawn: dict[str, Any]) -> None:
    assert plots.plot_watch([], FOLDER) == []


def test_a_picture_is_a_file(tmp_path: Path) -> None:
    (path,) = plots.plot_scores([{"epoch": 1, "train.loss": 3.0}], tmp_path / "plots", 1)
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(path.read_bytes()[16:20], "big") == 768  # 6.4 inches at 120 dots
