"""Where a step went wrong: the first value in the graph that is not finite, and the line it came from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from netc.runtime.device import Device, session
from netc.runtime.trainer import Trainer


def first_bad(trainer: Trainer, batch: Mapping[str, np.ndarray]) -> str:
    """Runs the step once more with every inner value published, and names the first one that is not finite."""
    import onnx

    state = trainer.state
    for name, value in {**batch, **state}.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            return f"`{name}` was not finite before the step"
    model = onnx.load_model_from_string(trainer.program.model_bytes("step"))
    nodes = list(model.graph.node)
    inner = {n for node in nodes for n in node.output} - {o.name for o in model.graph.output} - {""}
    model.graph.output.extend(onnx.ValueInfoProto(name=n) for n in inner)
    run = session(model.SerializeToString(), Device(threads=trainer.device.threads), exact=True)
    feeds = {"seed": np.array(trainer.seed, np.int32), "row": np.array(0, np.int32), **state, **batch}
    wanted = {i.name for i in run.get_inputs()}
    names = [o.name for o in run.get_outputs()]
    values = dict(zip(names, run.run(names, {n: v for n, v in feeds.items() if n in wanted})))
    for node in nodes:
        for name in node.output:
            found = values.get(name)
            if found is not None and found.dtype.kind == "f" and not np.isfinite(found).all():
                line = next((p.value for p in node.metadata_props if p.key == "netc.line"), "")
                kind = "NaN" if np.isnan(found).any() else "infinite"
                return f"`{node.op_type}`" + (f" of {line}" if line else "") + f" is the first to give {kind} values"
    return "the cause does not show when the step is repeated"
