"""A spec with places where a mistake is put, and what is said of it."""

from __future__ import annotations

import pytest

import netc

SPEC = """net n {{
  input  x: f32[N, 4]
  input  v: f32[N]
  input  m: f32[N, 3, 4]
  target t: i64[N]
  target r: f32[N, 3]
  h = x -> Dense(3{init})
  {line}
  loss = mean(h){more}
}}
train {{ optimizer = {optimizer} }}
"""
PLAIN = {"line": "", "optimizer": "sgd(rate = 0.1)", "init": "", "more": ""}


def said(more: str = "", **changes: str) -> str:
    with pytest.raises(netc.NetError) as e:
        netc.check(SPEC.format(**{**PLAIN, **changes}) + more)
    return e.value.render()
