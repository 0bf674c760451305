"""Reading an ONNX model that someone else made: what it may point to is walked before anything runs."""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped]
from onnx import inliner, version_converter

from netc.compiler.importer.opset import raised
from netc.compiler.importer.size import check_dimensions, check_nodes, nodes
from netc.compiler.importer.source import ModelSource, detached
from netc.compiler.importer.tensors import check_tensors, clean
from netc.grammar.diagnostics import NetError, error

OLDEST_OPSET = 7
MAX_BYTES = 2**31  # of a protobuf message


def read(model: onnx.ModelProto | str | Path, external_data: bool) -> ModelSource:
    """A model, checked, at opset 18 or later, local functions inlined.

    External data is read only with `external_data`, and only from plain files inside the folder of the model's own file.
    Raises NetError: unreadable, external-data, custom-domain, opset, invalid-model, too-large.
    """
    folder = None
    if isinstance(model, str | Path):
        folder = Path(model).resolve().parent
        proto = _parsed(Path(model))
    elif not isinstance(model, onnx.ModelProto):
        raise error(
            "unreadable", f"a model is an onnx.ModelProto or the path of its file, this is {type(model).__name__}"
        )
    else:
        proto = onnx.ModelProto()
        proto.CopyFrom(model)
    try:
        return _checked(proto, folder, external_data)
    except NetError as e:
        if not isinstance(model, str | Path):
            raise
        (found,) = e.diagnostics
        raise error(found.slug, f"`{clean(Path(model).name)}`: {found.message}", help=found.help) from None


def _checked(proto: onnx.ModelProto, folder: Path | None, external_data: bool) -> ModelSource:
    """The source of a model. Raises NetError."""
    _check_texts(proto)
    check_tensors(proto, folder, external_data)
    check_nodes(proto)
    check_dimensions(proto)
    opset = _opset(proto)
    inputs = tuple(i.name for i in proto.graph.input)
    order = tuple(t.name for t in proto.graph.initializer)
    weights = detached(proto)
    try:
        for tensor in weights.values():
            onnx.checker.check_tensor(tensor)
        onnx.checker.check_model(proto)
        if proto.functions:
            proto = inliner.inline_local_functions(proto, True)
    except (onnx.checker.ValidationError, version_converter.ConvertError, RuntimeError, ValueError) as e:
        raise error("invalid-model", f"the model is not valid ONNX: {_first_line(e)}") from None
    for node in nodes(proto.graph):
        if node.domain not in ("", "ai.onnx", "ai.onnx.preview.training"):
            name = clean(f"{node.domain}.{node.op_type}")
            raise error(
                "custom-domain", f"the operator `{name}` is not of the standard domain",
                help="export the model with standard operators only",
            )  # fmt: skip
    proto = raised(proto, opset, weights=weights)
    for node in nodes(proto.graph):  # type inference fails where this attribute is left to its default
        if node.op_type == "MeanVarianceNormalization" and not node.attribute:
            node.attribute.append(onnx.helper.make_attribute("axes", [0, 2, 3]))
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, RuntimeError, ValueError) as e:
        raise error("invalid-model", f"the types in the model do not fit: {_first_line(e)}") from None
    return ModelSource(proto, weights, inputs, order)


def _check_texts(message: Message) -> None:
    """Refuses a model in which a name or a note is no text. Raises NetError."""
    for field, value in message.ListFields():
        if field.type not in (field.TYPE_STRING, field.TYPE_MESSAGE):
            continue
        for part in (value,) if isinstance(value, str | bytes | Message) else value:
            if isinstance(part, Message):
                _check_texts(part)
            elif isinstance(part, bytes):  # so protobuf gives text that is no UTF-8
                raise error("invalid-model", f"the text `{clean(part)}` in the model is not UTF-8")


def _parsed(path: Path) -> onnx.ModelProto:
    try:
        if not path.is_file():
            raise error("unreadable", f"there is no file `{clean(str(path))}`")
        if path.stat().st_size > MAX_BYTES:
            message = f"`{clean(str(path))}` has {path.stat().st_size:,} bytes; an ONNX file has at most {MAX_BYTES:,}"
            raise error("too-large", message, help="keep the weights in a file beside it, as external data")
        return onnx.load_model_from_string(path.read_bytes())
    except OSError as e:
        raise error("unreadable", f"`{clean(str(path))}` cannot be read: {e.strerror}") from None
    except ValueError:
        raise error("unreadable", f"`{clean(str(path))}` is no name of a file") from None
    except DecodeError:
        raise error("unreadable", f"`{clean(str(path))}` is not an ONNX model") from None


def _opset(model: onnx.ModelProto) -> int:
    versions = sorted({o.version for o in model.opset_import if o.domain in ("", "ai.onnx")})
    if len(versions) > 1:
        raise error(
            "invalid-model", f"the model imports opsets {versions[0]} and {versions[-1]} of the standard domain"
        )
    opset = versions[0] if versions else None
    newest = onnx.defs.onnx_opset_version()
    if opset is None:
        if any(n.domain in ("", "ai.onnx") for n in nodes(model.graph)):
            raise error("invalid-model", "the model imports no opset of the standard domain")
        model.opset_import.append(onnx.helper.make_opsetid("", 18))
        return 18
    if not OLDEST_OPSET <= opset <= newest:
        raise error(
            "opset", f"the model has opset {opset}; opsets {OLDEST_OPSET} to {newest} are read",
            help="export it with a newer opset" if opset < OLDEST_OPSET else "export it with an older opset",
        )  # fmt: skip
    return int(opset)


def _first_line(e: Exception) -> str:
    lines = [line for line in str(e).strip().splitlines() if line.strip()]
    return clean(lines[0]) if lines else type(e).__name__
