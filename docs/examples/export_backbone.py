"""How models/data/backbone.onnx was made: a small convolutional net, trained by PyTorch and exported.

It was trained on the first 900 rows of the digits, on zeros to fours only. models/finetune.net teaches it all ten digits
on the other rows, which it has never seen (models/data/digits_second.csv.gz).

    pip install torch==2.13.0 onnxscript numpy
    python docs/examples/export_backbone.py
"""

import csv
import gzip
from pathlib import Path

import torch

DATA = Path(__file__).parents[2] / "models" / "data"


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.Conv2d(8, 16, 3, padding=1)
        self.norm, self.pool = torch.nn.BatchNorm2d(8), torch.nn.MaxPool2d(2)
        self.hidden, self.scores = torch.nn.Linear(64, 32), torch.nn.Linear(32, 5)

    def forward(self, x):
        x = self.pool(torch.relu(self.norm(self.first(x))))
        x = self.pool(torch.relu(self.second(x)))
        features = torch.relu(self.hidden(x.flatten(1)))
        return self.scores(features), features


with gzip.open(DATA / "digits.csv.gz", "rt", encoding="utf-8") as f:
    header, *rows = csv.reader(f)
second = [header, *rows[900:]]
with open(DATA / "digits_second.csv.gz", "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
    packed.write("".join(",".join(row) + "\n" for row in second).encode())

table = torch.tensor([[float(v) for v in row] for row in rows[:900]])
label = header.index("label")
pixels = [i for i in range(len(header)) if i != label]
image, digit = table[:, pixels].reshape(-1, 1, 8, 8) / 16, table[:, label].long()
image, digit = image[digit < 5], digit[digit < 5]

torch.manual_seed(0)
net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
for _ in range(30):
    order = torch.randperm(len(image))
    for batch in order.split(32):
        loss = torch.nn.functional.cross_entropy(net(image[batch])[0], digit[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(f"{(net.eval()(image)[0].argmax(1) == digit).float().mean():.4f} of the training rows are right")
names = {"input_names": ["image"], "output_names": ["scores", "features"], "opset_version": 18, "dynamo": False}
names |= {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}  # keeps the normalisation apart
axes = {"image": {0: "batch"}, "scores": {0: "batch"}, "features": {0: "batch"}}
torch.onnx.export(net, (image[:2],), DATA / "backbone.onnx", dynamic_axes=axes, **names)
