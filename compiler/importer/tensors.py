"""The tensors of a model as its file declares them: what they point to and say of themselves is checked before it is believed."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
from onnx import TensorProto

from netc.grammar.diagnostics import NetError, error

MAX_DENSE = 1 << 28  # elements of a sparse tensor written out
_FIELDS = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")


def check_tensors(model: onnx.ModelProto, folder: Path | None, external: bool) -> None:
    """Refuses tensors whose contents do not fit their shapes, and external data outside the model's folder; reads what is
    inside when asked. Raises NetError."""
    files = _Files(folder) if folder is not None and external else None
    for tensor in tensors(model):
        name = clean(tensor.name) or "of a node"
        if any(d < 0 for d in tensor.dims):
            raise _invalid(name, f"has the shape {list(tensor.dims)}")
        if tensor.data_type not in TensorProto.DataType.values() or not tensor.data_type:
            raise _invalid(name, f"has the dtype {tensor.data_type}, which ONNX does not have")
        if tensor.data_location == TensorProto.EXTERNAL:
            if files is None:
                raise error(
                    "external-data", f"the data of `{name}` lies in another file",
                    help="name the model's file and ask for its external data, or save the model with its data inside",
                )  # fmt: skip
            if tensor.data_type == TensorProto.STRING:
                raise error("external-data", f"the data of `{name}` is text, which cannot lie in another file")
            tensor.raw_data = files.read(tensor, name)
            tensor.data_location = TensorProto.DEFAULT
            del tensor.external_data[:]
        _check_count(tensor, name)
    for sparse in _sparse(model):
        _check_sparse(sparse)


def _check_count(tensor: TensorProto, name: str) -> None:
    """Refuses a tensor with more or fewer values than its shape has."""
    count, dtype = math.prod(tensor.dims), ir.DataType(tensor.data_type)
    if tensor.HasField("raw_data"):
        found, wanted = len(tensor.raw_data), stored_bytes(tensor)
    else:
        found, wanted = sum(len(getattr(tensor, f)) for f in _FIELDS), count
        if dtype in (ir.DataType.COMPLEX64, ir.DataType.COMPLEX128):
            wanted *= 2
        elif dtype != ir.DataType.STRING and dtype.bitwidth < 8:
            wanted = -(-count * dtype.bitwidth // 8)
    if found != wanted:
        what = "bytes" if tensor.HasField("raw_data") else "values"
        raise _invalid(name, f"has {found:,} {what}; its shape {list(tensor.dims)} has {wanted:,}")


def stored_bytes(tensor: TensorProto) -> int:
    """What the content of a tensor takes in a file."""
    dtype = ir.DataType(tensor.data_type)
    return 0 if dtype == ir.DataType.STRING else -(-math.prod(tensor.dims) * dtype.bitwidth // 8)


def _check_sparse(sparse: onnx.SparseTensorProto) -> None:
    name, count = clean(sparse.values.name), math.prod(sparse.dims)
    if any(d < 0 for d in sparse.dims) or count > MAX_DENSE:
        raise _invalid(
            name, f"is sparse of the shape {list(sparse.dims)}; at most {MAX_DENSE:,} elements are written out"
        )
    if sparse.indices.data_type != TensorProto.INT64 or not 1 <= len(sparse.indices.dims) <= 2:
        raise _invalid(name, "has indices that are no whole numbers")
    at = onnx.numpy_helper.to_array(sparse.indices)
    limits: Any = list(sparse.dims) if at.ndim == 2 else count
    fits = (at.ndim == 1 or at.shape[1] == len(sparse.dims)) and at.shape[0] == math.prod(sparse.values.dims)
    if not fits or (at.size and bool(((at < 0) | (at >= limits)).any())):
        raise _invalid(name, f"has an index outside its shape {list(sparse.dims)}")


def _invalid(name: str, what: str) -> NetError:
    return error("invalid-model", f"the tensor `{name}` {what}")


class _Files:
    """Files of external data in a folder; no file is read for more than it holds, however many tensors name it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.given: dict[Path, int] = {}
        self.room = memory() // 2

    def read(self, tensor: TensorProto, name: str) -> bytes:
        """The bytes of a tensor. Raises NetError."""
        place = {e.key: e.value for e in tensor.external_data}
        path = self._inside(place.get("location", ""), name)
        wanted = stored_bytes(tensor)
        offset, length = _number(place.get("offset", "0"), name), _number(place.get("length", str(wanted)), name)
        if length != wanted:
            raise _invalid(name, f"has {length:,} bytes; its shape {list(tensor.dims)} has {wanted:,}")
        self.room -= wanted
        if self.room < 0:
            raise error(
                "too-large", f"the data of `{name}`, with that before it, takes more than half of the memory here"
            )
        try:
            handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
            with os.fdopen(handle, "rb") as f:
                found = os.fstat(handle)
                if not stat.S_ISREG(found.st_mode):
                    raise _outside(name, str(place.get("location")))
                self.given[path] = self.given.get(path, 0) + length
                if offset + length > found.st_size or self.given[path] > found.st_size:
                    message = f"the data of `{name}` does not lie within its file, or is that of other tensors too"
                    raise error("external-data", message)
                f.seek(offset)
                return f.read(length)
        except OSError as e:
            raise error("external-data", f"the data of `{name}` cannot be read: {e.strerror or e}") from None

    def _inside(self, location: str, name: str) -> Path:
        """The file of external data, if it is a plain file inside the folder. Raises NetError."""
        path = self.folder / location
        bad = not location or Path(location).is_absolute() or ".." in Path(location).parts
        if not bad:
            try:
                bad = path.resolve() != path or not path.is_file() or path.stat().st_nlink > 1
            except (OSError, ValueError):  # a name that no file can have
                bad = True
        if bad:
            raise _outside(name, location)
        return path


def memory() -> int:
    """The bytes of memory that this machine has; a large number where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 1 << 40


def _outside(name: str, location: str) -> NetError:
    return error(
        "external-data", f"the data of `{name}` names no plain file inside the model's folder: `{clean(location)}`",
        help="external data may not leave the folder, nor be a link",
    )  # fmt: skip


def _number(text: str, name: str) -> int:
    """An offset or a length. Raises NetError."""
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise error("external-data", f"the data of `{name}` lies at `{clean(text)}`, which is no place in a file")
    return int(text)


def tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    """Every tensor of a model, dense or sparse, in graphs, attributes, subgraphs, functions and training steps."""
    for holder in _holders(model):
        if isinstance(holder, onnx.SparseTensorProto):
            yield from (holder.values, holder.indices)
        else:
            yield holder


def _sparse(model: onnx.ModelProto) -> Iterator[onnx.SparseTensorProto]:
    for holder in _holders(model):
        if isinstance(holder, onnx.SparseTensorProto):
            yield holder


def _holders(model: onnx.ModelProto) -> Iterator[Any]:
    graphs: list[Any] = [model.graph, *(g for t in model.training_info for g in (t.initialization, t.algorithm))]
    nodes = [n for f in model.functions for n in f.node]
    attributes = [a for f in model.functions for a in f.attribute_proto]
    while graphs or nodes or attributes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            yield from graph.sparse_initializer
            nodes.extend(graph.node)
            continue
        attributes.extend(nodes.pop().attribute if nodes else ())
        while attributes:
            a = attributes.pop()
            yield from (*a.tensors, *([a.t] if a.HasField("t") else ()))
            yield from (*a.sparse_tensors, *([a.sparse_tensor] if a.HasField("sparse_tensor") else ()))
            graphs.extend((*a.graphs, *([a.g] if a.HasField("g") else ())))


def clean(text: str | bytes) -> str:
    """Text from a file as it may be shown: short and printable."""
    if isinstance(text, bytes):  # so protobuf gives text that is no UTF-8
        text = text.decode("utf-8", "replace")
    shown = "".join(c if c.isprintable() else "?" for c in text[:200])
    return shown if len(shown) <= 120 else shown[:117] + "..."
