"""Signals: what is set by the first one, and what is put back."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from netc.runtime.interrupt import Interrupt

NUMBERS = (signal.SIGINT, signal.SIGTERM)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_signal_asks_and_everything_is_put_back(number: int) -> None:
    before = [signal.getsignal(n) for n in NUMBERS]
    threads = threading.active_count()
    with Interrupt() as interrupt:
        assert [signal.getsignal(n) for n in NUMBERS] != before
        assert not interrupt.asked
        assert not interrupt.options.terminate
        os.kill(os.getpid(), number)
        assert interrupt.asked
        assert interrupt.options.terminate
    assert [signal.getsignal(n) for n in NUMBERS] == before
    assert signal.set_wakeup_fd(-1) == -1
    for _ in range(100):
        if threading.active_count() == threads:
            break
        time.sleep(0.01)
    assert threading.active_count() == threads, "the thread that watches has ended"


def test_the_watching_thread_asks_while_the_handler_waits() -> None:
    with Interrupt() as interrupt:
        assert interrupt._pair is not None
        interrupt._pair[1].send(bytes([signal.SIGUSR1]))
        time.sleep(0.05)
        assert not interrupt.asked, "another signal asks for nothing"
        interrupt._pair[1].send(bytes([signal.SIGTERM]))
        for _ in range(200):
            if interrupt.asked:
                break
            time.sleep(0.01)
        assert interrupt.asked


def test_in_another_thread_signals_are_left_alone() -> None:
    before = [signal.getsignal(n) for n in NUMBERS]
    found = []

    def work() -> None:
        with Interrupt() as interrupt:
            found.append((interrupt.options is not None, interrupt.asked, [signal.getsignal(n) for n in NUMBERS]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(True, False, before)]


def test_asked_twice_the_program_leaves_at_once() -> None:
    pid = os.fork()
    if pid == 0:
        try:
            with Interrupt() as interrupt:
                interrupt._note(signal.SIGINT, None)
                interrupt._note(signal.SIGINT, None)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 130
