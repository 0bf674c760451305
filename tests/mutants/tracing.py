"""A pytest plugin that notes which lines of compiler/ and runtime/ each test runs, and how long each test takes.

Run in a copy, with NETC_TRACE the folder of the notes. Lines are noted for a test's name; those of a fixture that tests
share for their file's name; those of imports for no name. Programs that a test starts count as the test (sitecustomize.py).
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coverage
import pytest

FOLDER = Path(os.environ["NETC_TRACE"])
SOURCES = [str(Path(__file__).parents[2] / folder) for folder in ("compiler", "runtime")]

lines = coverage.Coverage(data_file=FOLDER / "lines", data_suffix=True, source=SOURCES, config_file=False)
seconds: dict[str, float] = {}
failed: set[str] = set()


def pytest_configure() -> None:
    lines.start()
    import netc.compiler
    import netc.runtime  # noqa: F401  # so that no file of tests is charged with it


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    start = time.perf_counter()
    report = yield
    if isinstance(collector, pytest.Module):
        seconds[collector.nodeid] = time.perf_counter() - start
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    lines.switch_context(item.nodeid)
    start = time.perf_counter()
    done = yield
    seconds[item.nodeid] = time.perf_counter() - start
    return done


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any, request: Any) -> Iterator[None]:
    if fixturedef.scope == "function":
        return (yield)
    test = request._pyfuncitem.nodeid
    lines.switch_context(test.split("::")[0])
    value = yield
    lines.switch_context(test)
    return value


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if not report.passed:
        failed.add(item.nodeid)
    return report


def pytest_sessionfinish() -> None:
    lines.stop()
    lines.save()
    modules = [n for n, m in list(sys.modules.items()) if "site-packages" in (getattr(m, "__file__", None) or "")]
    notes = {"seconds": seconds, "failed": sorted(failed), "modules": modules}
    (FOLDER / f"notes-{os.getpid()}.json").write_text(json.dumps(notes), encoding="utf-8")
