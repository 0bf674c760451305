"""`netc.grad`: the derivative of an ONNX model, as an ONNX model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import onnx
import onnx_ir as ir
from onnx_ir.passes import common

from netc.compiler.autodiff.engine import NoGradientError, backpropagate
from netc.compiler.emit import BASE_OPSET, Emitter, UnknownError
from netc.compiler.library.onnx_operators import NEWEST_OPSET
from netc.compiler.passes import optimize
from netc.grammar.diagnostics import NetError, did_you_mean, error

FLOATS = (1, 10, 11, 16)  # float32, float16, float64, bfloat16


def grad(
    model: onnx.ModelProto | str | Path,
    wrt: Sequence[str] | None = None,
    of: Sequence[str] | None = None,
    *,
    prefix: str | None = None,
) -> onnx.ModelProto:
    """The reverse-mode derivative of a model, in standard ONNX.

    `wrt` names graph inputs or initializers (default: every floating-point graph input), `of` floating-point outputs
    (default: all). The result has the model's inputs and `grad/<output>` (a cotangent of the output's shape and dtype) for
    each differentiated output; its outputs are the model's and `grad/<input>` for each input that a gradient reaches.
    Symbolic dimensions are kept. Differentiating a gradient again takes the prefix `grad2/`, and so on.
    Raises NetError with the operator, its node and its path when one on the way has no gradient rule.
    """
    proto = _prepared(model)
    loaded = ir.from_proto(proto)
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(loaded)
    graph = loaded.graph
    op = Emitter.adopt(graph, graph.opset_imports[""])
    inputs = {v.name: v for v in graph.inputs if v.name}
    known = {**dict(graph.initializers.items()), **inputs}
    outputs = {v.name: v for v in graph.outputs if v.name}
    sources = _chosen(wrt, known, [n for n, v in inputs.items() if _is_float(v)], "input or initializer")
    targets = _chosen(of, outputs, [n for n, v in outputs.items() if _is_float(v)], "output")
    mark = prefix or free_prefix([*inputs, *outputs])
    try:
        cotangents = {outputs[n]: op.input(f"{mark}{n}", op.type_of(outputs[n])) for n in targets}
        found = backpropagate(op, cotangents, [known[n] for n in sources])
    except NoGradientError as e:
        raise _refusal(e, outputs, targets) from None
    except UnknownError as e:
        raise error(
            "no-gradient", str(e), help="give the model static shapes, or run shape inference with its data"
        ) from None
    for name, g in zip(sources, found):
        if g is not None:
            op.output(f"{mark}{name}", g)
    loaded.metadata_props["netc.grad"] = mark
    optimize(loaded)
    result = ir.to_proto(loaded)
    assert isinstance(result, onnx.ModelProto)
    onnx.checker.check_model(result, full_check=True)
    return result


def free_prefix(names: Iterable[str]) -> str:
    """`grad/`, or `grad2/`, ... where a model is a gradient already."""
    taken = {int(m[1] or 1) for n in names if (m := re.match(r"grad(\d*)/", n))}
    number = max(taken, default=0) + 1
    return "grad/" if number == 1 else f"grad{number}/"


def _prepared(model: onnx.ModelProto | str | Path) -> onnx.ModelProto:
    """A checked copy with local functions inlined and every shape inferred. Raises NetError."""
    if isinstance(model, str | Path):
        try:
            model = onnx.load(str(model), load_external_data=False)
        except Exception as e:  # protobuf and the file system raise many types
            raise error("unreadable", f"`{model}` cannot be read as an ONNX model: {type(e).__name__}") from None
    versions = {o.domain: o.version for o in model.opset_import}
    opset = versions.get("", versions.get("ai.onnx", 0))
    if not BASE_OPSET <= opset <= NEWEST_OPSET:
        raise error(
            "opset", f"the model has opset {opset}; opsets {BASE_OPSET} to {NEWEST_OPSET} are differentiated",
            help="convert it first: `onnx.version_converter.convert_version(model, 18)`",
        )  # fmt: skip
    external = next((t.name for t in model.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL), None)
    if external is not None:
        raise error(
            "external-data",
            f"the weights of `{external}` lie in another file",
            help="load the model with its data first",
        )
    try:
        inlined = onnx.inliner.inline_local_functions(model) if model.functions else model
        onnx.checker.check_model(inlined)
        prepared = onnx.shape_inference.infer_shapes(inlined, strict_mode=True, data_prop=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, RuntimeError) as e:
        raise error("invalid-model", f"the model is not valid ONNX: {str(e).strip().splitlines()[0]}") from None
    custom = next((n for n in prepared.graph.node if n.domain not in ("", "ai.onnx")), None)
    if custom is not None:
        raise error("no-gradient", f"the operator `{custom.domain}.{custom.op_type}` is not of the standard domain")
    return prepared


def _chosen(names: Sequence[str] | None, known: Iterable[str], default: list[str], what: str) -> list[str]:
    if names is None:
        return default
    for name in names:
        if name not in set(known):
            raise error("undefined-name", f"the model has no {what} `{name}`", help=did_you_mean(name, known))
    return list(names)


def _is_float(value: ir.Value) -> bool:
    return value.dtype is not None and int(value.dtype) in FLOATS


def _refusal(e: NoGradientError, outputs: dict[str, ir.Value], targets: Sequence[str]) -> NetError:
    """The operator without a rule, its node, and the path from an output to it."""
    node = e.node
    paths: list[list[ir.Node]] = [[p] for n in targets if (p := outputs[n].producer()) is not None]
    seen: set[ir.Node] = set()
    while paths:
        path = paths.pop(0)
        if path[-1] is node:
            shown = " <- ".join(f"`{n.outputs[0].name}` = {n.op_type}" for n in path)
            name = f" (node `{node.name}`)" if node.name else ""
            message = f"the operator `{node.op_type}`{name} cannot be differentiated, {e.reason}: {shown}"
            return error("no-gradient", message)
        for x in path[-1].inputs:
            producer = x.producer() if x is not None else None
            if producer is not None and producer not in seen:
                seen.add(producer)
                paths.append([*path, producer])
    return error("no-gradient", str(e))
