"""What is most likely not meant, though it compiles: a warning with its mark and its help."""

from __future__ import annotations

import pytest

import netc

SPEC = """net n {{
  input  x: f32[N, 4]
  target t: i64[N]
  target r: f32[N, 3]
  h = x -> Dense(3)
  p = x -> Dense(1)
  {line}
  loss = mean(h) + mean(y)
}}
"""
GIVES = "takes logits, and `{}` gives probabilities"
LOGS = "takes log-probabilities, and `{}` gives probabilities"
LINES: list[tuple[str, str, str, str, str]] = [  # a line, the slug, what is said, the help, what is marked
    ("y = softmax_cross_entropy(softmax(h), t)", "softmax-twice", "`softmax_cross_entropy` applies `softmax` itself",
     "give it the logits: leave `softmax` out", "softmax(h)"),
    ("y = softmax_cross_entropy(log_softmax(h), t)", "softmax-twice", "applies `softmax` itself; this one comes twice",
     "leave `log_softmax` out", "log_softmax(h)"),
    ("y = softmax_cross_entropy(sigmoid(h), t)", "not-logits", GIVES.format("sigmoid"),
     "give it the logits: leave `sigmoid` out", "sigmoid(h)"),
    ("y = sigmoid_cross_entropy(sigmoid(h), r)", "softmax-twice", "`sigmoid_cross_entropy` applies `sigmoid` itself",
     "leave `sigmoid` out", "sigmoid(h)"),
    ("y = sigmoid_cross_entropy(softmax(h), r)", "not-logits", GIVES.format("softmax"), "leave `softmax` out", "softmax(h)"),
    ("y = nll(softmax(h), t)", "not-log-probabilities", "`nll` " + LOGS.format("softmax"),
     "write `log_softmax` in its place", "softmax(h)"),
    ("y = nll(sigmoid(h), t)", "not-log-probabilities", LOGS.format("sigmoid"), "give it their `log`", "sigmoid(h)"),
    ("y = kl_divergence(softmax(h), r)", "not-log-probabilities", "`kl_divergence` " + LOGS.format("softmax"),
     "write `log_softmax` in its place", "softmax(h)"),
    ("y = softmax_cross_entropy(p, t)", "constant-value", "`softmax_cross_entropy` over one class is always 0",
     "`sigmoid_cross_entropy`", "softmax_cross_entropy(p, t)"),
    ("y = hinge(p, t)", "constant-value", "`hinge` over one class is always 0", "write `binary_hinge`", "hinge(p, t)"),
    ("y = softmax(p)", "constant-value", "`softmax` over one class is always 1", "write `sigmoid`", "softmax(p)"),
    ("y = log_softmax(p)", "constant-value", "`log_softmax` over one class is always 0", "write `sigmoid`", "log_softmax(p)"),
    ("y = h; metric a = accuracy(p, t)", "constant-value", "`accuracy` over one class is always 1",
     "write `binary_accuracy`", "accuracy(p, t)"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "slug", "message", "help", "marked"), LINES, ids=[row[0] for row in LINES])
def test_a_doubtful_line(line: str, slug: str, message: str, help: str, marked: str) -> None:
    found = netc.check(SPEC.format(line=line)).warnings
    (warning,) = (w for w in found if not w.slug.startswith("unused"))
    assert (warning.severity, warning.slug) == ("warning", slug)
    assert message in warning.message
    assert help in warning.help
    assert warning.labels[0].span.text == marked
