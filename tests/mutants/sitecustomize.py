"""Python runs this at its start where it lies beside the traced package: notes the lines for the test that started it."""

from __future__ import annotations

import atexit
import os


def trace(test: str) -> None:
    import coverage

    name, _, phase = test.rpartition(" ")
    folder, root = os.environ["NETC_TRACE"], os.environ["NETC_TRACE_ROOT"]
    lines = coverage.Coverage(
        data_file=f"{folder}/lines", data_suffix=True, config_file=False,
        source=[f"{root}/compiler", f"{root}/runtime"],
        context=name if phase == "(call)" else name.split("::")[0],
    )  # fmt: skip
    lines.start()
    atexit.register(lambda: (lines.stop(), lines.save()))


if "NETC_TRACE" in os.environ and "PYTEST_CURRENT_TEST" in os.environ:
    trace(os.environ["PYTEST_CURRENT_TEST"])
