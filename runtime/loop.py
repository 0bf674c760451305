"""The training loop: epochs, evaluation, early stopping, reduce-on-plateau, checkpoints, and a clean way out."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from netc.runtime.callbacks import OnEpoch, OnStep
from netc.runtime.checkpoint import load_latest, save_tensors
from netc.runtime.data.read import Arrays
from netc.runtime.data.sources import LoadedData
from netc.runtime.data.split import SPLITS
from netc.runtime.diagnose import first_bad
from netc.runtime.errors import InputError, RunError
from netc.runtime.interrupt import Interrupt
from netc.runtime.progress import Outcome, Progress, Reporter
from netc.runtime.rows import Rows
from netc.runtime.rules import keeping, refuse_empty, watched
from netc.runtime.run_folder import RunFolder
from netc.runtime.state import MAX_STEPS
from netc.runtime.trainer import Trainer

WATCHES_PER_EPOCH = 4
SAVE_SECONDS = 30.0  # between checkpoints inside a long epoch


class Loop:
    """One run of a trainer over data, into a run folder (or none). `on_step` is called after each step with its scores,
    `on_epoch` after each epoch with its number and scores; where one raises StopIteration, training ends there."""

    def __init__(
        self, trainer: Trainer, data: LoadedData, folder: RunFolder | None = None, reporter: Reporter | None = None,
        watch: bool = False, on_step: OnStep | None = None, on_epoch: OnEpoch | None = None,
    ):  # fmt: skip
        self.on_step, self.on_epoch = on_step, on_epoch
        self.trainer, self.data, self.folder = trainer, data, folder
        self.reporter = reporter or Reporter()
        self.watch = watch
        self.train = trainer.manifest["train"]
        self.rows = data.rows("train")
        self.batch = int(self.train["batch"])
        self.per_epoch = math.ceil(self.rows / self.batch)
        self.progress = Progress()
        self.history: list[dict[str, float]] = []
        self.records: list[tuple[int, dict[str, float]]] = []
        self.best_weights: dict[str, np.ndarray] = {}
        self.begun = self.saved_at = time.monotonic()
        self.keep = keeping(self.train, data)
        self.rules = {"keep": self.keep, "stop": self.train["stop"], "plateau": self.train["plateau"]}
        refuse_empty(self.rules, data)
        if self.total_steps > MAX_STEPS:
            raise InputError(
                f"{self.train['epochs']:,} epochs of {self.per_epoch:,} steps are more than the {MAX_STEPS:,} steps that "
                "a counter of 32 bits holds", "give fewer `epochs`, or a larger `batch`",
            )  # fmt: skip

    @property
    def seconds(self) -> float:
        """How long the run has taken, with what it took before it was resumed."""
        return time.monotonic() - self.begun

    @property
    def total_steps(self) -> int:
        return int(self.train["steps"] or self.train["epochs"] * self.per_epoch)

    # --- the loop -----------------------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Trains to the end. Raises RunError when the loss stops being finite, KeyboardInterrupt never: see `reason`."""
        trainer, progress = self.trainer, self.progress
        self.begun = time.monotonic() - progress.seconds
        trainer.set_control("total_steps", self.total_steps)
        self.reporter.start(self.train["epochs"], self.total_steps, self.rows)
        reason = "done"
        with Interrupt() as interrupt:
            trainer.interrupt = interrupt
            try:
                if trainer.steps == 0:
                    if not trainer.fitted:
                        trainer.fit_statistics(self.data.splits["train"])
                    self.save()
                while trainer.steps < self.total_steps:
                    self.epoch(interrupt)
                    if self.end_of_epoch():
                        reason = "early"
                        break
            except StopIteration:
                reason = "stopped"
                self.save()
            except KeyboardInterrupt:
                reason = "interrupted"
                trainer.interrupt = None
                self.save()
            finally:
                trainer.interrupt = None
        self.use_best()
        scores, confusion, split = self.final_scores() if reason != "interrupted" else ({}, {}, "")
        return Outcome(
            reason, progress.epoch, trainer.steps, self.seconds, progress.kept.best, progress.kept.epoch,
            watched(self.keep) if self.keep else "", scores, self.history, confusion, split,
        )  # fmt: skip

    def epoch(self, interrupt: Interrupt) -> None:
        """The rest of the epoch under way."""
        trainer, progress = self.trainer, self.progress
        order = self.order(progress.epoch)
        every = max(1, self.per_epoch // WATCHES_PER_EPOCH)
        while progress.rows < self.rows and trainer.steps < self.total_steps:
            if interrupt.asked:
                raise KeyboardInterrupt
            taken = order[progress.rows : progress.rows + self.batch]
            number = progress.rows // self.batch
            if self.watch and number % every == 0:
                self.diagnose(self.batch_of(taken))
            scores = trainer.step_rows(self.resident, taken)
            if not math.isfinite(scores["loss"]):
                self.not_finite(self.batch_of(taken))
            progress.rows += len(taken)
            for name, value in scores.items():
                progress.sums[name] = progress.sums.get(name, 0.0) + value * len(taken)
            self.reporter.step(progress.epoch + 1, trainer.steps, scores["loss"])
            if self.on_step is not None:
                before = trainer.steps
                self.on_step(trainer, scores)
                if trainer.steps < before:
                    raise InputError(
                        "`on_step` took back steps of the run", "undo, reset and load steps of a trainer of your own"
                    )
            if time.monotonic() - self.saved_at > SAVE_SECONDS:
                self.save()

    @cached_property
    def resident(self) -> Rows:
        return self.trainer.resident(self.data.splits["train"])

    def batch_of(self, rows: np.ndarray) -> Arrays:
        """A batch apart from the step, for diagnostics."""
        return {n: a[rows] for n, a in self.data.splits["train"].items()}

    def order(self, epoch: int) -> np.ndarray:
        """The rows of an epoch in their order: a function of (seed, epoch)."""
        if not self.train["shuffle"]:
            return np.arange(self.rows)
        seed = self.trainer.seed & 0xFFFFFFFF
        return np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(self.rows)

    def end_of_epoch(self) -> bool:
        """Evaluates, logs, saves; true when early stopping says so."""
        trainer, progress = self.trainer, self.progress
        scores = {f"train.{n}": v / max(1, progress.rows) for n, v in progress.sums.items()}
        asked = {rule["split"] for rule in self.rules.values() if rule}
        for split in SPLITS:
            if split in asked or (split == "val" and self.data.rows("val")):
                found = trainer.evaluator().evaluate(self.data.splits[split])
                scores.update({f"{split}.{n}": v for n, v in found.items()})
        progress.epoch += 1
        progress.rows = 0
        progress.sums = {}
        better = self.keep is not None and progress.kept.takes(self.keep, scores, progress.epoch)
        row = {**scores, "rate": trainer.rate(trainer.steps - 1), "seconds": round(self.seconds, 3)}
        self.history.append({"epoch": progress.epoch, "step": trainer.steps, **row})
        if self.folder is not None:
            self.folder.log(progress.epoch, trainer.steps, row)
        self.reporter.epoch(progress.epoch, trainer.steps, scores, better)
        if better:
            self.save_weights("best")
        stop, plateau = self.rules["stop"], self.rules["plateau"]
        ended = stop is not None and progress.stop.ends(stop, scores)
        if plateau and progress.plateau.ends(plateau, scores):
            self.lower_rates(plateau)
        try:
            if self.on_epoch is not None:
                self.on_epoch(trainer, progress.epoch, scores)
        finally:  # with what it has changed
            self.save()
        return ended

    def lower_rates(self, rule: Mapping[str, Any]) -> None:
        """Reduce-on-plateau: the host's rule over `rate_scale`."""
        self.progress.plateau.waited = 0
        scale = self.trainer.control("rate_scale") * rule["factor"]
        self.trainer.set_control("rate_scale", max(rule["floor"], scale))
        self.reporter.notice(f"rates multiplied by {rule['factor']:g} after epoch {self.progress.epoch}")

    # --- diagnostics --------------------------------------------------------------------------------------------------

    def diagnose(self, batch: Arrays) -> None:
        """Records what the coming step would do, beside the training."""
        found = self.trainer.watch(batch)
        self.records.append((self.trainer.steps, found))
        if self.folder is not None:
            self.folder.watch(self.trainer.steps, found)

    def not_finite(self, batch: Arrays) -> None:
        """Goes back to the state before the step, saves it, and names the first value that is not finite."""
        trainer = self.trainer
        trainer.undo()
        where = first_bad(trainer, batch)
        good = all(np.isfinite(v).all() for v in trainer.state.values())
        if good:
            self.save()
        kept = "the state before that step is saved" if good else "the last good checkpoint is kept"
        raise RunError(
            f"the loss is not finite in step {trainer.steps + 1} (epoch {self.progress.epoch + 1}): {where}",
            "lower the rate, clip the gradients (`clip_norm = 1`), or check the loss; " + kept,
        )

    # --- what is kept -------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """The whole state and where the loop stands, and the weights as they are now."""
        if self.folder is None:
            return
        self.saved_at = time.monotonic()
        self.progress.seconds = self.seconds
        notes = {
            "progress": asdict(self.progress),
            "spec": self.trainer.manifest["spec"]["sha256"],
            "data": self.data_hash,
        }
        self.trainer.save(self.folder.file("state", "last.safetensors"), notes)
        self.folder.checkpoint = self.trainer.steps
        self.save_weights("last")

    @cached_property
    def data_hash(self) -> str:
        return self.data.sha256()

    def save_weights(self, name: str) -> None:
        """What evaluation needs: parameters, buffers and averages."""
        if self.folder is None:
            if name == "best":
                self.best_weights = self.weights()
            return
        save_tensors(
            self.folder.file("weights", f"{name}.safetensors"), self.weights(),
            {"epoch": self.progress.epoch, "step": self.trainer.steps, "data": self.data_hash},
        )  # fmt: skip

    def weights(self) -> dict[str, np.ndarray]:
        kept = ("parameter", "buffer", "average")
        return {n: v for n, v in self.trainer.state.items() if self.trainer.rows[n]["role"] in kept}

    @property
    def best_file(self) -> Path:
        assert self.folder is not None
        return self.folder.path / "weights" / "best.safetensors"

    def use_best(self) -> None:
        """Puts the kept weights in place, where some were kept."""
        if not self.progress.kept.epoch:
            return
        if self.folder is None:
            self.trainer.load_parameters(self.best_weights)
        else:
            tensors, _, said = load_latest(self.best_file)
            self.trainer.load_parameters(tensors)
            if said:
                self.reporter.notice(said)

    def final_scores(self) -> tuple[dict[str, float], dict[str, np.ndarray], str]:
        """Scores of the best weights on val and test, else on train; the confusion matrices of the last of them, and which."""
        scores: dict[str, float] = {}
        evaluator = self.trainer.evaluator()
        scored = [split for split in ("val", "test") if self.data.rows(split)] or ["train"]
        for split in scored:
            found = evaluator.evaluate(self.data.splits[split])
            scores.update({f"{split}.{n}": v for n, v in found.items()})
        return scores, evaluator.confusion, scored[-1]

    def resume(self, path: Path, changed: bool = False) -> None:
        """Goes on from a checkpoint. Raises InputError when it belongs to another model or other data."""
        tensors, notes, said = load_latest(path)
        if said:
            self.reporter.notice(said)
        self.trainer.load_state(tensors)
        if notes.get("data") not in (None, self.data_hash) and not changed:
            raise InputError(
                "the data has changed since the checkpoint", "resume with `--changed` to go on all the same"
            )
        try:
            self.progress = Progress.of(notes["progress"])
        except (KeyError, TypeError):
            raise InputError(
                f"`{path}` does not say where a run stood", "resume from a checkpoint of `netc run`"
            ) from None
        if self.folder is not None and self.progress.kept.epoch:
            load_latest(self.best_file)  # which the end needs, so that what lacks is found before the training
        if self.folder is not None:
            self.history, recorded = self.folder.rewind(self.trainer.steps)
            self.records = [(int(row.pop("step")), row) for row in recorded]
