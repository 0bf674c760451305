"""Nothing leaves the machine: a run under a filter that ends the process when it opens a network socket."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

FILTER = '''
import ctypes, struct

def no_network():
    """seccomp: socket(AF_INET or AF_INET6) ends the process; everything else is as always."""
    load, equal, give = 0x20, 0x15, 0x06
    rows = [
        (load, 0, 0, 0), (equal, 0, 3, 41),  # the number of the system call; 41 is socket
        (load, 0, 0, 16), (equal, 2, 0, 2), (equal, 1, 0, 10),  # its first argument
        (give, 0, 0, 0x7FFF0000), (give, 0, 0, 0x80000000),
    ]
    code = b"".join(struct.pack("HBBI", *row) for row in rows)
    held = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxP", len(rows), ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(22, 2, program, 0, 0) == 0
no_network()
'''
RUN = FILTER + "import netc, time\nnetc.run('linear', ['epochs=2'], folder='runs')\ntime.sleep(2)\nprint('done')"
CONTROL = FILTER + "import socket\nsocket.socket()\nprint('done')"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="the filter is written for Linux on x86-64"
)


def ended(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    known = {n: v for n, v in os.environ.items() if n in ("PATH", "LANG")}  # no CI, no settings of anybody
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env={**known, "HOME": str(folder)}, capture_output=True, text=True, check=False
    )  # fmt: skip


def test_a_run_opens_no_socket(tmp_path: Path) -> None:
    done = ended(RUN, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done\n"
    assert "device" not in done.stderr.lower()


def test_the_filter_sees_a_socket(tmp_path: Path) -> None:
    assert ended(CONTROL, tmp_path).returncode < 0
