"""A small table with texts, and how it is read or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import netc
from netc import InputError
from netc.runtime.data.sources import LoadedData, load

SPEC = """net n {{
  input  x: f32[N, 2]
  input  colour: i64[N]
  target t: i64[N]
  logits = concat(x, one_hot(colour, 3)) -> Dense(3)
  loss   = softmax_cross_entropy(logits, t)
  metric right = accuracy(logits, t)
  output logits
}}
data {{
  source = {source}
  {more}
}}
train {{ epochs = 1; batch = 2 }}
"""
CSV = 'csv("d.csv", x = ("a", "b"), colour = "colour", t = "kind")'
TABLE = """a,b,colour,kind,who
1,2,red,cat,p
3,4,blue,dog,p
5,6,red,ant,q
7,8,green,dog,r
"""
FIRST = "split = ordered(train = 0.75, val = 0.25)"


def read(folder: Path, table: str = TABLE, more: str = "", source: str = CSV, **options: Any) -> LoadedData:
    (folder / "d.csv").write_text(table)
    (folder / "n.net").write_text(SPEC.format(source=source, more=more))
    return load(netc.compile(folder / "n.net").manifest, **options)


def refusal(folder: Path, table: str, more: str = "", source: str = CSV, **options: Any) -> str:
    with pytest.raises(InputError) as e:
        read(folder, table, more, source, **options)
    return e.value.render().replace(f"{folder}/", "")
