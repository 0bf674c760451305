"""Scores an exported digits model with numpy and onnxruntime alone: what deployment looks like."""

import sys

import numpy as np
import onnxruntime as ort

model, data = sys.argv[1:3]
table = np.loadtxt(data, delimiter=",", skiprows=1, dtype=np.float32)
# The split of `random(train = 0.7, val = 0.15, test = 0.15)`, to score the rows that training never saw.
order = np.random.Generator(np.random.Philox(0)).permutation(len(table))
test = table[np.sort(order[round(0.85 * len(table)) :])]
session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
(probability,) = session.run(["probability"], {"image": test[:, :64]})
right = (probability.argmax(axis=1) == test[:, 64]).mean()
print(f"{model}: {right:.4f} of {len(test)} test images right, by numpy + onnxruntime")
