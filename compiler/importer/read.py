"""Reading an ONNX model that someone else made: what it may point to is walked before anything runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import AttributeProto, TensorProto, inliner

from netc.compiler.importer.opset import raised
from netc.compiler.importer.source import ModelSource, detached, size_in_bytes
from netc.grammar.diagnostics import error

OLDEST_OPSET = 7


def read(model: onnx.ModelProto | str | Path, external_data: bool = False) -> ModelSource:
    """A model, checked, at opset 18 or later, local functions inlined.

    External data is read only with `external_data`, and only from plain files inside the folder of the model's own file.
    Raises NetError: unreadable, external-data, custom-domain, opset, invalid-model.
    """
    folder = None
    if isinstance(model, str | Path):
        folder = Path(model).resolve().parent
        proto = _parsed(Path(model))
    else:
        proto = onnx.ModelProto()
        proto.CopyFrom(model)
    _walk_external(proto, folder, external_data)
    opset = _opset(proto)
    inputs = tuple(i.name for i in proto.graph.input)
    order = tuple(t.name for t in proto.graph.initializer)
    weights = detached(proto)
    try:
        for tensor in weights.values():
            onnx.checker.check_tensor(tensor)
            if tensor.raw_data and len(tensor.raw_data) != size_in_bytes(tensor):  # the checker takes more than enough
                raise ValueError(f"the data of {tensor.name} has {len(tensor.raw_data)} bytes")
        onnx.checker.check_model(proto)
        if proto.functions:
            proto = inliner.inline_local_functions(proto, True)
    except (onnx.checker.ValidationError, RuntimeError, ValueError) as e:
        raise error("invalid-model", f"the model is not valid ONNX: {_first_line(e)}") from None
    for node in _nodes(proto.graph):
        if node.domain not in ("", "ai.onnx", "ai.onnx.preview.training"):
            name = _clean(f"{node.domain}.{node.op_type}")
            raise error(
                "custom-domain", f"the operator `{name}` is not of the standard domain",
                help="export the model with standard operators only",
            )  # fmt: skip
    proto = raised(proto, opset, weights=weights)
    for node in _nodes(proto.graph):  # type inference fails where this attribute is left to its default
        if node.op_type == "MeanVarianceNormalization" and not node.attribute:
            node.attribute.append(onnx.helper.make_attribute("axes", [0, 2, 3]))
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, RuntimeError) as e:
        raise error("invalid-model", f"the types in the model do not fit: {_first_line(e)}") from None
    return ModelSource(proto, weights, inputs, order)


def _parsed(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise error("unreadable", f"there is no file `{_clean(str(path))}`")
    try:
        return onnx.load_model_from_string(path.read_bytes())
    except OSError as e:
        raise error("unreadable", f"`{_clean(str(path))}` cannot be read: {e.strerror}") from None
    except DecodeError:
        raise error("unreadable", f"`{_clean(str(path))}` is not an ONNX model") from None


def _opset(model: onnx.ModelProto) -> int:
    versions = {o.domain: o.version for o in model.opset_import}
    opset = versions.get("", versions.get("ai.onnx"))
    newest = onnx.defs.onnx_opset_version()
    if opset is None:
        if any(n.domain in ("", "ai.onnx") for n in _nodes(model.graph)):
            raise error("invalid-model", "the model imports no opset of the standard domain")
        model.opset_import.append(onnx.helper.make_opsetid("", 18))
        return 18
    if not OLDEST_OPSET <= opset <= newest:
        raise error(
            "opset", f"the model has opset {opset}; opsets {OLDEST_OPSET} to {newest} are read",
            help="export it with a newer opset" if opset < OLDEST_OPSET else "export it with an older opset",
        )  # fmt: skip
    return int(opset)


# --- what a model may point to ----------------------------------------------------------------------------------------


def _walk_external(model: onnx.ModelProto, folder: Path | None, wanted: bool) -> None:
    """Refuses external data outside the model's folder; reads what is inside when asked."""
    for tensor in _tensors(model):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        name = _clean(tensor.name)
        place = {e.key: e.value for e in tensor.external_data}
        if folder is None or not wanted:
            raise error(
                "external-data", f"the data of `{name}` lies in another file",
                help="name the model's file and ask for its external data, or save the model with its data inside",
            )  # fmt: skip
        path = _inside(folder, place.get("location", ""), name)
        offset, size = int(place.get("offset", 0)), path.stat().st_size
        length = int(place.get("length", size - offset))
        if offset < 0 or length < 0 or offset + length > size:
            raise error("external-data", f"the data of `{name}` does not lie within its file")
        with path.open("rb") as f:
            f.seek(offset)
            tensor.raw_data = f.read(length)
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]


def _inside(folder: Path, location: str, name: str) -> Path:
    """The file of external data, if it is a plain file inside the folder. Raises NetError."""
    path = folder / location
    bad = not location or Path(location).is_absolute() or ".." in Path(location).parts
    if not bad:
        try:
            bad = path.resolve() != path or not path.is_file() or os.stat(path).st_nlink > 1
        except OSError:
            bad = True
    if bad:
        raise error(
            "external-data", f"the data of `{name}` names no plain file inside the model's folder: `{_clean(location)}`",
            help="external data may not leave the folder, nor be a link",
        )  # fmt: skip
    return path


def _tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    """Every tensor of a model, dense or sparse, in graphs, attributes, subgraphs, functions and training steps."""
    graphs: list[Any] = [model.graph, *(g for t in model.training_info for g in (t.initialization, t.algorithm))]
    nodes = [n for f in model.functions for n in f.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes.extend(graph.node)
            continue
        for a in nodes.pop().attribute:
            yield from (*a.tensors, *([a.t] if a.HasField("t") else ()))
            for sparse in (*a.sparse_tensors, *([a.sparse_tensor] if a.HasField("sparse_tensor") else ())):
                yield from (sparse.values, sparse.indices)
            graphs.extend((*a.graphs, *([a.g] if a.HasField("g") else ())))


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Every node, those of subgraphs included."""
    for node in graph.node:
        yield node
        for a in node.attribute:
            if a.type == AttributeProto.GRAPH:
                yield from _nodes(a.g)
            for g in a.graphs:
                yield from _nodes(g)


def _clean(text: str) -> str:
    """Text from a file as it may be shown: short and printable."""
    shown = "".join(c if c.isprintable() else "?" for c in text)
    return shown if len(shown) <= 120 else shown[:117] + "..."


def _first_line(e: Exception) -> str:
    lines = [line for line in str(e).strip().splitlines() if line.strip()]
    return _clean(lines[0]) if lines else type(e).__name__
