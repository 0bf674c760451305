"""`netc init`, `fmt` and `doctor`."""

from __future__ import annotations

import os
import platform
import re
import shutil
from importlib import metadata
from pathlib import Path

from netc import models
from netc.grammar.parser import parse
from netc.grammar.printer import format_spec
from netc.grammar.reader import read
from netc.runtime.errors import InputError
from netc.runtime.files import make_folder, write_atomically

STARTER = """\
# {name}.net: a small classifier to start from. `netc check {name}.net` prints what it is, `netc run {name}.net` trains it.
net {name}(hidden = 16) {{
  input  x: f32[N, 4]  # N is the batch; everything else about shapes is inferred
  target species: i64[N]  # a class from 0 to 2; a column of texts would be numbered

  h      = x -> standardize -> Dense(hidden) -> relu
  logits = h -> Dense(3)

  loss   = softmax_cross_entropy(logits, species) + 1e-4 * l2("*.weight")
  metric accuracy    = accuracy(logits, species)
  output probability = softmax(logits)
}}

# Where the rows come from. In Python, `netc.run("{name}.net", data={{"x": ..., "species": ...}})` gives arrays instead.
data {{
  source = csv("{name}.csv", x = "sepal_length".."petal_width", species = "species")
  split  = stratified("species", train = 0.8, val = 0.2)
}}

train {{
  optimizer = adam(rate = 1e-2)
  batch     = 16
  epochs    = 60
  stop      = early(val.loss, patience = 10)
}}
"""
STARTER_DATA = "data/iris.csv"  # of the zoo


def init_command(name: str) -> None:
    """Writes NAME.net and its data here: a copy from the zoo where there is one of that name, else a starter."""
    name = name.removesuffix(".net")
    shipped = models.path(name)
    if shipped is None and not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
        raise InputError(f"`{name}` is no name for a net", "use letters, digits and _")
    target = Path(f"{name}.net")
    if target.exists():
        raise InputError(f"`{target}` exists", "choose another name")
    if shipped is None:
        rows = Path(f"{name}.csv")
        if rows.exists():
            raise InputError(f"`{rows}` exists", "choose another name: the starter comes with data of its own")
        shutil.copyfile(Path(models.__file__).parent / STARTER_DATA, rows)
        write_atomically(target, STARTER.format(name=name).encode())
        print(f"{target}: a starter spec, with {rows}; `netc run {target}` trains it")
        return
    text = shipped.read_text(encoding="utf-8")
    copied, there = [], []
    for file in sorted(set(re.findall(r'"(data/[^"]+)"', text))):
        if Path(file).exists():
            there.append(file)
        elif (shipped.parent / file).is_file():
            make_folder(Path(file).parent)
            shutil.copyfile(shipped.parent / file, file)
            copied.append(file)
    for imported in re.findall(r'import "([^"]+\.net)"', text):
        if Path(imported).exists():
            there.append(imported)
        else:
            shutil.copyfile(shipped.parent / imported, imported)
            copied.append(imported)
    write_atomically(target, text.encode())
    print(f"{target}: copied from the zoo" + (f", with {', '.join(copied)}" if copied else ""))
    if there:
        print(f"left as {'it is' if len(there) == 1 else 'they are'}: {', '.join(there)}")


def format_command(specs: list[Path], check: bool, stdout: bool) -> None:
    """Formats files in place, prints them, or says which would change."""
    sources = {path: read(path) for path in specs}
    texts = {path: format_spec(parse(source)) for path, source in sources.items()}  # all, before any file is changed
    if stdout:
        print("".join(texts.values()), end="")
        return
    changed = [path for path, text in texts.items() if text != sources[path].text]
    for path in changed:
        if not check:
            write_atomically(path.resolve(), texts[path].encode())  # a link stays one
        print(f"{path}: {'would be reformatted' if check else 'reformatted'}")
    if check and changed:
        raise SystemExit(1)


def doctor_command() -> None:
    """Versions, the device that `auto` would choose and why, and what to install for a GPU."""
    import onnxruntime

    from netc.runtime.device import CUDA_HELP, cuda_problem

    print(f"netc         {metadata.version('netc')}")
    print(
        f"python       {platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    )
    for package in ("onnx", "onnx-ir", "numpy", "lark"):
        print(f"{package.ljust(12)} {metadata.version(package)}")
    print(f"{'onnxruntime'.ljust(12)} {onnxruntime.__version__}, {', '.join(onnxruntime.get_available_providers())}")
    problem = cuda_problem()
    print(f"device       {'cuda' if problem is None else 'cpu'}")
    if problem is not None:
        print(f"no GPU: {problem}\n  = help: {CUDA_HELP}")
