"""The plots of a run, drawn without a display: scores by epoch, the confusion matrix, what `--watch` recorded."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netc.runtime.errors import RunError
from netc.runtime.files import make_folder

MARKED = 20  # points, each of which is seen as a mark
WIDE = 20.0  # times the smallest value: beyond it the end of a line would lie on the axis


def _figure(width: float, height: float) -> tuple[Any, Any]:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except (ImportError, ValueError) as e:  # such as MPLBACKEND with a name that matplotlib does not know
        raise RunError(
            f"plots cannot be drawn: {e}", "the run itself is complete; `--no-plots` leaves them out"
        ) from None
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _save(figure: Any, path: Path) -> Path:
    try:
        make_folder(path.parent)
        figure.savefig(path, dpi=120)
    except OSError as e:
        raise RunError(f"`{path}` cannot be drawn: {e.strerror or e}", "the run itself is complete") from None
    return path


def plot_scores(
    history: Sequence[Mapping[str, float]], folder: Path, best_epoch: int, rising: Collection[str] = ()
) -> list[Path]:
    """One plot for the loss and one for each metric: train against val, the best epoch marked.

    What falls over a wide range, as a loss does, has a logarithmic scale; `rising` names the metrics that do not fall.
    """
    made = []
    names = {k.split(".", 1)[1] for row in history for k in row if "." in k}
    for name in sorted(names):
        figure, axes = _figure(6.4, 4)
        for split, style in (("train", "--"), ("val", "-"), ("test", ":")):
            points = [(row["epoch"], row[f"{split}.{name}"]) for row in history if f"{split}.{name}" in row]
            if points:
                axes.plot(
                    *zip(*points), style, label=split, marker="o" if len(points) <= MARKED else None, markersize=4
                )
        if best_epoch:
            axes.axvline(best_epoch, color="grey", linewidth=0.8, label=f"best, epoch {best_epoch}")
        shown = [v for row in history for k, v in row.items() if k.partition(".")[2] == name and math.isfinite(v)]
        if name not in rising and shown and min(shown) > 0 and max(shown) > WIDE * min(shown):
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
        if len(history) == 1:
            axes.set_xlim(history[0]["epoch"] - 1, history[0]["epoch"] + 1)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.set_title(name)
        axes.grid(alpha=0.3)
        axes.legend()
        made.append(_save(figure, folder / f"{name.replace('/', '_')}.png"))
    return made


def plot_confusion(name: str, matrix: np.ndarray, folder: Path, split: str) -> Path:
    """Counts of true class (rows) against predicted class (columns), over the rows of a split."""
    classes = len(matrix)
    size = min(12.0, max(4.5, 0.55 * classes + 1.5))
    figure, axes = _figure(size + 0.8, size)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(f"{name}, {split}: {int(np.trace(matrix)):,} of {int(matrix.sum()):,} rows right")
    if classes <= 20:
        axes.set_xticks(range(classes))
        axes.set_yticks(range(classes))
        for (i, j), count in np.ndenumerate(matrix):
            if count:
                axes.text(
                    j, i, f"{int(count)}", ha="center", va="center", color="white" if shares[i, j] > 0.5 else "black"
                )
    return _save(figure, folder / f"confusion_{name.replace('/', '_')}.png")


def plot_watch(records: Sequence[tuple[int, Mapping[str, float]]], folder: Path) -> list[Path]:
    """Gradient norms, update ratios and dead units by step, a line for each layer."""
    made = []
    titles = {
        "gradient_norm": ("norm of the gradient", "log"),
        "update_ratio": ("size of the update over size of the parameter", "log"),
        "dead_units": ("share of units that are zero for the whole batch", "linear"),
    }
    for kind, (title, scale) in titles.items():
        names = [n for n in (records[0][1] if records else {}) if n.startswith(f"{kind}/")]
        names = [n for n in names if n.endswith((".weight", "weight")) or kind == "dead_units"] or names
        if not names:
            continue
        figure, axes = _figure(7.2, 4.2)
        for k, name in enumerate(names):
            colour = f"C{k}" if len(names) <= 10 else None
            steps = [s for s, _ in records]
            axes.plot(steps, [r[name] for _, r in records], label=name.split("/", 1)[1], color=colour)
        axes.set_yscale(scale)
        if scale == "linear":
            axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("step")
        axes.set_title(title)
        axes.grid(alpha=0.3)
        if len(names) <= 16:
            axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.01, 0.5))
        made.append(_save(figure, folder / f"watch_{kind}.png"))
    return made
