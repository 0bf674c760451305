"""What fits a terminal: tables, settings and the lines of a training, at every width."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

import netc
from netc import models
from netc.display import Display
from netc.inspecting import check_table, plan_text
from netc.tables import table, wrapped

LINES = [
    ["name", "shape", "n"],
    ["a", "f32[N, 4]", "1,200"],
    ["encoder.layer_17.attention", "i64[]", ""],
    ["total", "", "7"],
]


def test_a_table_with_room_has_one_line_for_each_row() -> None:
    for width in (None, 45, 80):
        assert table(LINES, {2}, width, rule_before_last=True).splitlines() == [
            "name                        shape          n",
            "--------------------------------------------",
            "a                           f32[N, 4]  1,200",
            "encoder.layer_17.attention  i64[]",
            "--------------------------------------------",
            "total                                      7",
        ]  # fmt: skip


def test_a_name_without_room_has_a_line_of_its_own() -> None:
    assert table(LINES, {2}, 30, rule_before_last=True).splitlines() == [
        "name          shape          n",
        "------------------------------",
        "a             f32[N, 4]  1,200",
        "encoder.layer_17.attention",
        "              i64[]",
        "------------------------------",
        "total                        7",
    ]  # fmt: skip


def test_where_not_even_the_numbers_have_room_a_table_is_a_list() -> None:
    assert table(LINES, {2}, 19).splitlines() == [
        "a", "  f32[N, 4]", "  1,200 n", "encoder.layer_17.attention", "  i64[]", "total", "  7 n",
    ]  # fmt: skip


WRAPPED = [
    ("short", 5, "short"),
    ("sgd = a(rate = 1e-08, decay = 0.25)", 24, "sgd = a(rate = 1e-08,\n      decay = 0.25)"),
    ("a long line without settings", 12, "a long line\n  without\n  settings"),
    ("first = 1\n\nsecond = 2", 40, "first = 1\n\nsecond = 2"),
    ("2026-11-21 averylongwordthatisnotbroken", 12, "2026-11-21\n  averylongwordthatisnotbroken"),
]


@pytest.mark.parametrize(("text", "width", "expected"), WRAPPED)
def test_lines_go_on_below_and_nothing_is_broken(text: str, width: int, expected: str) -> None:
    assert wrapped(text, width) == expected
    assert wrapped(text, None) == text


NUMBER = re.compile(r"\d[\d,.]*(?:e-?\d+)?")
DEEP = """net deep {
  input the_first_image_of_the_pair: f32[N, 3, 64, 64]
  target the_class_that_it_belongs_to: i64[N]
  the_hidden_layers = the_first_image_of_the_pair -> flatten -> Dense(2048)
  repeat 12 { the_hidden_layers = the_hidden_layers -> Dense(2048) -> relu }
  loss = softmax_cross_entropy(the_hidden_layers -> Dense(10), the_class_that_it_belongs_to)
}"""


@pytest.mark.parametrize("spec", [*models.names(), DEEP], ids=lambda s: s[:12])
def test_what_check_and_plan_print_fits_fifty_columns_and_has_every_number(spec: str) -> None:
    net = netc.check(spec)
    for text in (lambda w: check_table(net, w), lambda w: plan_text(net, 32, w)):
        whole = text(None)
        for width in (20, 30, 50, 80):
            found = text(width)
            assert sorted(NUMBER.findall(found)) == sorted(NUMBER.findall(whole))
            if width >= 50:
                assert max(map(len, found.splitlines())) <= width


SCORES = {"train.loss": 2.13163425, "train.accuracy": 0.25, "val.loss": 123.45678, "val.accuracy": 1.0}
SHOWN = {
    None: ["epoch  train.loss  train.accuracy   val.loss  val.accuracy", "    1      2.1316"],
    70: ["epoch  train.loss  train.accuracy   val.loss  val.accuracy", "    1      2.1316"],
    50: ["epoch   train     train     val       val", "         loss  accuracy    loss  accuracy", "    1  2.1316"],
    20: ["epoch 1: train.loss", "  2.1316,", "  train.accuracy", "  0.2500, val.loss"],
}  # fmt: skip


@pytest.mark.parametrize("width", SHOWN)
def test_the_epochs_of_a_training(width: int | None) -> None:
    shown: Any = io.StringIO()
    display = Display()
    display.console = Console(
        file=shown, width=width, highlight=False, soft_wrap=True, force_terminal=width is not None, color_system=None
    )
    for epoch in (1, 2):
        display.epoch(epoch, epoch * 40, SCORES, best=epoch == 1)
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown.getvalue())
    for line, start in zip(text.splitlines(), SHOWN[width]):
        assert line.startswith(start)
    assert text.count("2.1316") == text.count("123.4568") == 2
    assert [line.endswith(" *") for line in text.splitlines()].count(True) == 1
