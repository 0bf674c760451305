"""The CUDA path. Placement needs the CUDA libraries, or stand-ins for them, but no GPU: name their folder in
NETC_CUDA_LIBRARIES. What is asserted there: every node of every step on CUDA."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from netc import InputError
from netc.runtime.device import cuda_problem, parse_device

LIBRARIES = os.environ.get("NETC_CUDA_LIBRARIES")


def test_a_gpu_that_is_not_there_is_an_error_that_says_what_to_do() -> None:
    if cuda_problem() is None:
        assert str(parse_device("cuda")) == "cuda:0"
        return
    with pytest.raises(InputError) as e:
        parse_device("cuda:1")
    assert "a GPU was asked for, but" in e.value.message
    assert "netc[cuda]" in e.value.help
    assert parse_device("auto").kind == "cpu"


@pytest.mark.parametrize("text", ["gpu", "cuda:x", "cpu:0", ""])
def test_an_unknown_device_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="there is no device"):
        parse_device(text)


PLACEMENT = """
import netc
from netc import models
from netc.runtime.device import parse_device, placed_elsewhere, session

device = parse_device("cuda")
for name in models.names():
    program = netc.compile(name)
    for batch in (32, 17):
        run = session(program.model_bytes("step"), device, {"N": batch}, resident=True)
        assert placed_elsewhere(run) == [], name
print("placed")
"""


@pytest.mark.skipif(not LIBRARIES, reason="NETC_CUDA_LIBRARIES names no folder of CUDA libraries")
def test_every_node_of_every_step_is_placed_on_cuda() -> None:
    environment = {**os.environ, "LD_LIBRARY_PATH": str(LIBRARIES)}
    done = subprocess.run(
        [sys.executable, "-c", PLACEMENT], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip().endswith("placed"), done.stderr[-2000:]
