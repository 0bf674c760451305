"""How the statements that begin with a keyword are written, by the kind of the keyword's token."""

from __future__ import annotations

FORMS = {
    "INPUT": "`input x: f32[N, 4]`", "TARGET": "`target t: i64[N]`", "PARAM": "`param w: f32[4, 3] = he_normal`",
    "OUTPUT": "`output probability = softmax(logits)`", "METRIC": "`metric top = accuracy(logits, t)`",
    "REPEAT": "`repeat 3 as i { h = h -> relu }`", "BLOCK": "`block Unit(x) { return x -> Dense(4) }`",
    "RETURN": "`return x`", "IMPORT": '`import "blocks.net" as b`', "RULE": '`rule "*.bias" { freeze }`',
    "NET": "`net digits(hidden = 64) { ... }`", "DATA": "`data { ... }`", "TRAIN": "`train { ... }`",
}  # fmt: skip
