"""Calls in a process of their own: each ends, in an answer or in a reason, and stops no other."""

import functools
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from mtlkit import processes
from mtlkit.processes import CallError, Limits, apart, pack, unpack
from mtlkit.routes import Route


def ask(call: Any, *args: Any, **limits: Any) -> Any:
    """What a function returns in the process of this thread."""
    return unpack(apart(pack(functools.partial(call, *args)), Limits(**limits)))


@pytest.fixture(autouse=True, scope="module")
def ended() -> Iterator[None]:
    yield
    processes._process().end()


def die(file: Path, times: int) -> str:
    """A function whose process is killed so many times, then returns."""
    with file.open("a") as lines:
        lines.write("x")
    if file.stat().st_size <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return file.read_text()


def hold(mib: int) -> None:
    held = bytearray(mib * 2**20)
    time.sleep(60)
    del held


def test_calls_are_answered_by_one_process_that_is_not_this_one() -> None:
    assert ask(divmod, 7, 2) == (3, 1)
    first = ask(os.getpid)
    assert first == ask(os.getpid) != os.getpid()
    others: list[int] = []
    thread = threading.Thread(target=lambda: others.append(ask(os.getpid)))
    thread.start()
    thread.join()
    assert others[0] not in (first, os.getpid()), "each thread has its own"


def test_errors_come_back_as_they_are_called() -> None:
    with pytest.raises(CallError, match=r"^RouteError: ") as error:
        ask(Route.parse, "minilm >> ner")  # of ours: it says where, by itself
    assert ", line " not in str(error.value)
    text = r"^TypeError: .* \(in .*processes\.py, line \d+\)$"
    with pytest.raises(CallError, match=text):
        ask(len, 3)
    before = ask(os.getpid)
    with pytest.raises(CallError, match=r"^ValueError: "):
        ask(int, "x")
    assert ask(os.getpid) == before, "an error costs no process"


def test_a_call_that_runs_too_long_is_ended() -> None:
    before = ask(os.getpid)
    begun = time.monotonic()
    with pytest.raises(CallError) as error:
        ask(time.sleep, 60, seconds=0.5)
    assert str(error.value) == (
        "ran longer than 0.5 s and was ended; if it only needs longer, start again with a larger "
        "limit_s: it goes on from its last checkpoint"
    )
    assert 0.5 <= time.monotonic() - begun < 30
    assert not psutil.pid_exists(before) and ask(os.getpid) != before
    # The time that a new process takes to start is not the call's.
    processes._process().end()
    assert ask(abs, -1, seconds=0.2) == 1


def test_a_call_that_takes_too_much_memory_is_ended() -> None:
    assert ask(abs, -1, mib=2000) == 1
    with pytest.raises(CallError) as error:
        ask(hold, 300, mib=200)
    said = str(error.value)
    assert said.startswith("held 3") and " MiB of memory, more than 200, and was ended; " in said
    assert said.endswith(
        "start again with a larger limit_mib, or make its model or batches smaller"
    )
    assert ask(abs, -1, mib=200) == 1


def test_a_call_whose_process_is_killed_is_done_again_but_not_forever(tmp_path: Path) -> None:
    assert ask(die, tmp_path / "twice", 2) == "xxx"
    with pytest.raises(CallError) as error:
        ask(die, tmp_path / "ever", 9)
    assert str(error.value) == (
        "its process died 3 times, the last time by SIGKILL; if the machine's memory was full, "
        "ask for fewer workers or smaller batches, and start again"
    )
    assert (tmp_path / "ever").read_text() == "xxx"
    with pytest.raises(CallError, match="its process died once, the last time by exit code 7;"):
        ask(os._exit, 7, attempts=1)
    # One that was killed while it had nothing to do is no attempt.
    before = ask(os.getpid)
    os.kill(before, signal.SIGKILL)
    psutil.Process(before).wait(10)
    assert ask(os.getpid, attempts=1) != before


def test_limits_that_none_can_keep_are_refused() -> None:
    for wrong, text in (
        ({"seconds": 0}, "limit_s is 0: expected more than 0, or None for no limit"),
        ({"mib": -1.5}, "limit_mib is -1.5: expected more than 0, or None for no limit"),
        ({"seconds": float("nan")}, "limit_s is nan: expected more than 0"),
        ({"attempts": 0}, "attempts is 0: expected 1 or more"),
    ):
        with pytest.raises(ValueError, match=text):
            Limits(**wrong)  # type: ignore[arg-type]


def nested() -> int:
    """Keep a process of one's own busy, and tell which one it is."""
    own = processes._process()
    threading.Thread(
        target=own.ask, args=(pack(functools.partial(time.sleep, 60)), Limits())
    ).start()
    return own._popen.pid


def test_a_process_ends_with_the_one_that_asks_it() -> None:
    inner = psutil.Process(ask(nested))
    os.kill(ask(os.getpid), signal.SIGKILL)
    inner.wait(timeout=20)
