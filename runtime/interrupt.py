"""Ctrl-C and SIGTERM: a running step is stopped at once, and the loop leaves a usable run."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from types import FrameType, TracebackType
from typing import Any


class Interrupt:
    """While entered, the first SIGINT or SIGTERM sets `asked` and ends the operator that is running.

    Python's own handlers wait until a call into ONNX Runtime returns; a wake-up socket reaches a second thread at once,
    which may be before the handler has run: so both set `asked`.
    """

    def __init__(self) -> None:
        self.asked = False
        self._noted = False
        self.options: Any = None
        self._saved: dict[int, Any] = {}
        self._fd = -1
        self._pair: tuple[socket.socket, socket.socket] | None = None

    def __enter__(self) -> Interrupt:
        import onnxruntime as ort

        self.options = ort.RunOptions()
        if threading.current_thread() is not threading.main_thread():
            return self
        self._pair = socket.socketpair()
        for s in self._pair:
            s.setblocking(False)
        self._pair[0].setblocking(True)
        for number in (signal.SIGINT, signal.SIGTERM):
            self._saved[number] = signal.signal(number, self._note)
        self._fd = signal.set_wakeup_fd(self._pair[1].fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(self._pair[0],), daemon=True).start()
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._noted:
            os._exit(130)  # asked twice: leave now
        self._noted = True
        self._ask()

    def _ask(self) -> None:
        self.asked = True  # before the step is ended, whose failure asks for it
        self.options.terminate = True

    def _watch(self, source: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(16):
                if any(b in (signal.SIGINT, signal.SIGTERM) for b in data):
                    self._ask()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pair is None:
            return
        signal.set_wakeup_fd(self._fd)
        for number, handler in self._saved.items():
            signal.signal(number, handler)
        for s in self._pair:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()
