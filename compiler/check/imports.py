"""`import "blocks.net" as b`: other specs of the same project, found beside the one that imports them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from netc.compiler.check.environment import Environment
from netc.compiler.check.naming import Path as NamePath
from netc.compiler.check.values import ImportedLayer, Module
from netc.compiler.language.onnx_operators import NEWEST_OPSET
from netc.grammar import ast
from netc.grammar.diagnostics import NetError, error
from netc.grammar.parser import parse
from netc.grammar.reader import read


def module_loader(folder: Path, importer: str, open: tuple[Path, ...] = ()) -> Callable[[ast.Import], Any]:
    """A function that loads an imported spec; `open` are the files whose imports are being read."""
    chain = (*open, Path(importer).resolve())

    def load(node: ast.Import) -> Module | ImportedLayer:
        text = node.path.value
        path = Path(text)
        at = node.path.span
        if path.suffix not in (".net", ".onnx"):
            raise error("import", f"`{text}` is neither a .net spec nor an .onnx model", at)
        if path.is_absolute() or ".." in path.parts:
            raise error(
                "import", f"`{text}` lies outside the spec's folder", at, help="import from the folder of the spec"
            )
        found = (folder / path).resolve()
        if not found.is_relative_to(folder.resolve()):
            raise error("import", f"`{text}` is a link that leads outside the spec's folder", at)
        if found in chain:
            shown = " -> ".join(f"`{p.name}`" for p in (*chain[chain.index(found) :], found))
            raise error("import-cycle", f"the import leads back to itself: {shown}", at)
        if not found.exists():
            raise error("no-such-file", f"there is no file `{text}` beside the spec", at)
        if path.suffix == ".onnx":
            return imported_model(node, found)
        spec = parse(read(folder / path))
        environment = Environment(NamePath())
        from netc.compiler.check.statements import Checker
        from netc.compiler.net import TypedNet

        source = spec.span.source
        reader = Checker(TypedNet(path.stem, source))
        reader.environment = environment
        reader.load_module = module_loader(found.parent, str(found), chain)
        body = spec.nets[0].body if spec.nets else ()
        reader.execute(spec.imports)
        reader.execute([s for s in body if isinstance(s, ast.Block | ast.Import)])
        if reader.problems:
            raise NetError(reader.problems)
        net = spec.nets[0] if spec.nets else None
        if net is not None:
            rest = tuple(s for s in net.body if not isinstance(s, ast.Block | ast.Import))
            net = ast.Net(net.span, net.name, net.parameters, rest)
        return Module(path.stem, environment, net, node.span)

    return load


def imported_model(node: ast.Import, path: Path) -> ImportedLayer:
    """An ONNX model as a layer. Raises NetError."""
    from netc.compiler.importer.layer import ImportedModel
    from netc.compiler.importer.read import read as read_model

    at = node.path.span
    try:
        source = read_model(path, external_data=True)
    except NetError as e:
        (found,) = e.diagnostics
        raise error(found.slug, f"`{node.path.value}`: {found.message}", at, help=found.help) from None
    operation = ImportedModel(node.name.id, "imported", (), f"the model {path.name}", source=source)
    if not operation.inputs:
        raise error("import", f"the model `{node.path.value}` has no input", at)
    if source.opset > NEWEST_OPSET:
        raise error("opset", f"`{node.path.value}` has opset {source.opset}; runtimes load up to {NEWEST_OPSET}", at)
    return ImportedLayer(node.name.id, operation, node.span)
