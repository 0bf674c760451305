"""The model to deploy: infer.onnx with its state as initializers of the same names."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from netc.runtime.errors import InputError, RunError
from netc.runtime.trainer import Trainer

MAX_BYTES = 2**31 - 2**20  # what one protobuf file can hold
TRAINING_ONLY = ("Dropout", "RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli")


def deployable(trainer: Trainer) -> Any:
    """The inference model as an onnx.ModelProto, checked. Raises InputError for a net without outputs, or without
    the statistics that it needs."""
    import onnx
    from onnx import numpy_helper

    trainer.refuse_unfitted()
    model = onnx.load_model_from_string(trainer.program.model_bytes("infer"))
    if not trainer.manifest["outputs"]:
        raise InputError("the spec has no `output`, so there is nothing to deploy", "add `output name = ...`")
    state = {n: v for n, v in trainer.state.items() if n in {i.name for i in model.graph.input}}
    if sum(v.nbytes for v in state.values()) > MAX_BYTES:
        raise RunError("the model is larger than 2 GiB, more than one ONNX file holds")
    bad = next((n.op_type for n in model.graph.node if n.op_type in TRAINING_ONLY), None)
    if bad is not None:
        raise RunError(f"the inference graph holds the training operator `{bad}`; please report this with the spec")
    inputs = [i for i in model.graph.input if i.name not in state]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    for name, value in state.items():
        model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name))
    del model.metadata_props[:]
    spec = trainer.manifest["spec"]
    texts = trainer.learned.texts
    told = {"netc.texts": json.dumps(texts, ensure_ascii=False)} if texts else {}
    onnx.helper.set_model_props(model, {"netc.spec": spec["name"], "netc.spec.sha256": spec["sha256"], **told})
    for node in model.graph.node:
        del node.metadata_props[:]
    onnx.checker.check_model(model, full_check=True)
    return model
