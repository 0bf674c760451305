"""ONNX models that are nearly right: bytes changed, and fields of their messages exchanged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import onnx
from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped]
from onnx import parser

from netc.compiler.autodiff.model import grad
from netc.compiler.importer.layer import ImportedModel
from netc.compiler.importer.read import read
from netc.grammar.diagnostics import NetError
from tests.fuzz.targets import Target

ROOT = Path(__file__).parents[2]
_TEXTS = (
    """<ir_version: 8, opset_import: ["" : 18]> m (float[N, 4] x) => (float[N, 3] y)
    <float[4, 3] w = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, float[3] b = {1, 2, 3}>
    { h = MatMul(x, w)  z = Add(h, b)  y = Softmax <axis = -1> (z) }""",
    """<ir_version: 8, opset_import: ["" : 18]> m (float[N, 1, 8, 8] x) => (float[N, 2, 6, 6] y)
    <float[2, 1, 3, 3] w = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9}>
    { c = Conv <kernel_shape = [3, 3]> (x, w)  y = Relu(c) }""",
    """<ir_version: 8, opset_import: ["" : 18]> m (float[N, 4] x, bool c) => (float[N, 4] y)
    { y = If(c) <then_branch = g () => (float[N, 4] a) { a = Sin(x) }, else_branch = h () => (float[N, 4] b) { b = Cos(x) }> }""",
    """<ir_version: 8, opset_import: ["" : 18]> m (float[2, 4] x) => (float[2, 4] y)
    <int64 n = {3}, bool t = {1}>
    { y = Loop(n, t, x) <body = g (int64 i, bool c, float[2, 4] s) => (bool d, float[2, 4] r) { d = Identity(c) r = Tanh(s) }> }""",
    """<ir_version: 8, opset_import: ["" : 18]> m (float[N, 6] x) => (float[N, 3, 2] y)
    <int64[3] s = {0, 3, 2}, int64[1] a = {1}>
    { r = Reshape(x, s)  u = ReduceSum <keepdims = 1> (r, a)  y = Sub(r, u) }""",
    """<ir_version: 7, opset_import: ["" : 11]> m (float[N, 4] x) => (float[N, 4] y)
    { z = Clip(x)  y = Softmax(z) }""",
    """<ir_version: 8, opset_import: ["" : 18, "loc" : 1]> m (float[N, 4] x) => (float[N, 4] y) { y = loc.f(x) }
    <opset_import: ["" : 18], domain: "loc"> f (a) => (b) { t = Exp(a)  b = Mul(t, a) }""",
)
_NUMBERS = (0, 1, -1, 2, 7, 99, 2**31 - 1, 2**31, 2**62, -(2**62))


def seeds() -> list[bytes]:
    """Small models of every kind, and the one of the zoo."""
    made = [parser.parse_model(t).SerializeToString() for t in _TEXTS]
    return [*made, (ROOT / "models" / "data" / "backbone.onnx").read_bytes()]


def mutate(data: bytes, g: Random, seeds: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    """Bytes flipped, cut or repeated; or one to three fields of the message changed."""
    if g.random() < 0.3:
        content = bytearray(data)
        for _ in range(g.randint(1, 4)):
            if content:
                content[g.randrange(len(content))] ^= 1 << g.randrange(8)
        return bytes(content[: g.randrange(len(content) + 1)]) if g.random() < 0.2 else bytes(content)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
        for _ in range(g.randint(1, 3)):
            _change(model, g)
        return bytes(model.SerializeToString())
    except (DecodeError, ValueError):
        return data


def _change(model: onnx.ModelProto, g: Random) -> None:
    """Changes a field of some message inside the model."""
    found: list[Message] = [model]
    for message in found:
        for field, value in message.ListFields():
            if field.type == field.TYPE_MESSAGE:
                found += list(value) if _is_list(value) else [value]
    message = g.choice(found)
    fields = [f for f, _ in message.ListFields()] or list(message.DESCRIPTOR.fields)
    field = g.choice(fields)
    if g.random() < 0.2:
        message.ClearField(field.name)
    elif _is_list(getattr(message, field.name)):
        _change_list(getattr(message, field.name), field, g)
    elif field.type != field.TYPE_MESSAGE:
        setattr(message, field.name, _value(field, getattr(message, field.name), g))


def _is_list(value: Any) -> bool:
    return hasattr(value, "extend")


def _change_list(values: Any, field: Any, g: Random) -> None:
    at = g.randrange(len(values)) if values else 0
    if values and g.random() < 0.4:
        del values[at]
    elif field.type == field.TYPE_MESSAGE:
        if values:
            values.add().CopyFrom(values[at])
    elif values:
        values[at] = _value(field, values[at], g)
    else:
        values.append(_value(field, field.default_value if not _is_list(field.default_value) else 0, g))


def _value(field: Any, old: Any, g: Random) -> Any:
    if isinstance(old, str):
        return g.choice(["", "x", "y", "w", old * 2, "Relu", "Reshape", "N", "\0"])
    if isinstance(old, bytes):
        return g.choice([b"", old[:-1], old + b"\0", b"same"])
    if isinstance(old, float):
        return g.choice([0.0, -1.0, 1e38, float("nan")])
    if isinstance(old, bool):
        return not old
    number = g.choice([*_NUMBERS, old + 1])
    return number if field.type != field.TYPE_INT32 and field.type != field.TYPE_ENUM else number % 100


def differentiates(data: bytes) -> bool:
    """Reads and differentiates a model: it works, or is refused with a NetError."""
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        return False
    try:
        grad(model)
    except NetError as e:
        e.render()
        return False
    return True


def imports(data: bytes) -> bool:
    """Reads a model as a layer of a spec."""
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
        layer = ImportedModel("m", "imported", source=read(model, external_data=False))
        _ = layer.weights, layer.input_names, layer.values
    except DecodeError:
        return False
    except NetError as e:
        e.render()
        return False
    return True


TARGETS = [
    Target("grad", differentiates, seeds, change=mutate, share=1 / 20, seconds=60, memory=1 << 31),
    Target("import", imports, seeds, change=mutate, share=1 / 20, seconds=60, memory=1 << 31),
]
