"""`import "blocks.net" as b`: other specs of the same project, found beside the one that imports them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from netc.compiler.check.blocks import run_net
from netc.compiler.check.budget import Budget
from netc.compiler.check.frame import Frame
from netc.compiler.check.recorder import Recorder
from netc.compiler.check.statements import execute
from netc.compiler.check.values import ImportedLayer, Module
from netc.compiler.language.onnx_operators import NEWEST_OPSET
from netc.compiler.net import TypedNet
from netc.grammar import ast
from netc.grammar.diagnostics import NetError, did_you_mean, error
from netc.grammar.parser import parse
from netc.grammar.reader import read

if TYPE_CHECKING:
    from netc.compiler.importer.source import ModelSource

MAX_DEPTH = 32  # of files that import one another


class Loader:
    """Loads what specs import, each file once. `open` are the files whose imports are being read."""

    def __init__(self, folder: Path, importer: str, budget: Budget):
        self.folder, self.budget = folder, budget
        self.open: tuple[Path, ...] = (Path(importer).resolve(),)
        self.specs: dict[Path, Module | NetError] = {}  # what a file gave, and what was wrong with it
        self.models: dict[Path, ModelSource] = {}

    def __call__(self, node: ast.Import) -> Module | ImportedLayer:
        """What an import names. Raises NetError."""
        found = _found(node, self.folder, self.open)
        self.budget.enter(node.span, node.span)
        if node.path.value.endswith(".onnx"):
            return _model(node, found, self.models)
        if found not in self.specs:
            if len(self.open) > MAX_DEPTH:
                raise error("too-deep", f"imports lead through more than {MAX_DEPTH} files", node.path.span)
            before = self.folder, self.open
            self.folder, self.open = found.parent, (*self.open, found)
            try:
                self.specs[found] = _spec(node, before[0] / node.path.value, self)
            except NetError as e:
                self.specs[found] = e
            finally:
                self.folder, self.open = before
        known = self.specs[found]
        if isinstance(known, NetError):
            raise known
        return replace(known, span=node.span)


def _found(node: ast.Import, folder: Path, chain: tuple[Path, ...]) -> Path:
    """The file that is imported, which lies in the folder and is not one of those being read. Raises NetError."""
    text, at = node.path.value, node.path.span
    path = Path(text)
    if path.suffix not in (".net", ".onnx"):
        known = [n for n in _beside((folder / path).resolve()) if Path(n).stem == path.name]
        help = 'write `import "blocks.net" as b` or `import "model.onnx" as m`'
        if path.suffix in (".pt", ".pth", ".h5", ".keras", ".pb", ".safetensors"):
            help = "export the model as ONNX with the tool that made it"
        help = f'write `import "{path.with_name(known[0])}" as {node.name.id}`' if known else help
        raise error("import", f"`{text}` is neither a .net spec nor an .onnx model", at, help=help)
    if path.is_absolute() or ".." in path.parts:
        raise error("import", f"`{text}` lies outside the spec's folder", at, help="import from the folder of the spec")
    found = (folder / path).resolve()
    if not found.is_relative_to(folder.resolve()):
        raise error(
            "import",
            f"`{text}` is a link that leads outside the spec's folder",
            at,
            help="copy the file into the folder",
        )
    if found in chain:
        shown = " -> ".join(f"`{p.name}`" for p in (*chain[chain.index(found) :], found))
        raise error(
            "import-cycle",
            f"the import leads back to itself: {shown}",
            at,
            help="move what both need into a third file",
        )
    if not found.exists():
        raise error("no-such-file", f"there is no file `{text}` beside the spec", at,
                    help=did_you_mean(text, _beside(found), "paths are relative to the folder of the spec"))  # fmt: skip
    return found


def _beside(path: Path) -> list[str]:
    """The names of the specs and models in the folder where a file was looked for."""
    folder = path.parent
    return [p.name for p in folder.iterdir() if p.suffix in (".net", ".onnx")] if folder.is_dir() else []


def _spec(node: ast.Import, path: Path, load: Loader) -> Module:
    """The blocks of a spec, and its net as a layer. Raises NetError."""
    source = read(path)
    load.budget.text_of_import(node.path.span, source.text)
    spec = parse(source)
    name = Path(node.path.value).stem
    frame = Frame(Recorder(TypedNet(name, source), load, load.budget))
    net = spec.nets[0] if spec.nets else None
    body = net.body if net else ()
    execute(frame, spec.imports)
    execute(frame, [s for s in body if isinstance(s, ast.Block | ast.Import)])
    if frame.recorder.problems:
        raise NetError(frame.recorder.problems)
    if net is not None:
        rest = tuple(s for s in body if not isinstance(s, ast.Block | ast.Import))
        net = ast.Net(net.span, net.name, net.parameters, rest)
    return Module(name, frame.environment, net, node.span, partial(run_net, execute))


def _model(node: ast.Import, path: Path, known: dict[Path, ModelSource]) -> ImportedLayer:
    """An ONNX model as a layer. Raises NetError."""
    from netc.compiler.autodiff.coverage import all_differentiable
    from netc.compiler.importer.layer import ImportedModel
    from netc.compiler.importer.read import read as read_model
    from netc.compiler.importer.size import nodes

    at = node.path.span
    try:
        if path not in known:
            known[path] = read_model(path, external_data=True)
        source = known[path]
    except NetError as e:
        (found,) = e.diagnostics
        raise error(found.slug, found.message, at, help=found.help) from None
    operation = ImportedModel(node.name.id, "imported", doc=f"the model {path.name}", source=source)
    if not operation.inputs:
        raise error("import", f"the model `{node.path.value}` has no input", at, help="export it with its inputs")
    if source.opset > NEWEST_OPSET:
        raise error("opset", f"`{node.path.value}` has opset {source.opset}; runtimes load up to {NEWEST_OPSET}", at,
                    help="export it with an older opset, such as 18")  # fmt: skip
    if not all_differentiable((n.op_type for n in nodes(source.proto.graph)), source.opset):
        operation.differentiable = None
    return ImportedLayer(node.name.id, operation, node.span)
