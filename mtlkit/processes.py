"""Calls in a process of their own, which can be ended: when it runs too long, or takes too much.

A thread cannot be stopped from outside, and what it breaks is broken for all.  A process can be.
It is kept for the next call, so that libraries are loaded once.
"""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import psutil  # type: ignore[import-untyped]

__all__ = ["CallError", "Limits", "apart", "follow_parent", "pack", "serve", "unpack"]

_MIB = 2**20
_LOOK = 0.5  # seconds between two looks at a process
# An interruption from the keyboard is for the process that asks.
_SERVE = """\
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
from mtlkit.processes import serve
serve({})
"""
_BEGUN, _DONE, _FAILED = b"begun", b"done ", b"failed "


class CallError(RuntimeError):
    """A call that failed in its process, or whose process was ended; the text says why."""


@dataclass(frozen=True)
class Limits:
    """What a call may take: seconds on the wall, MiB of memory, and processes that die under it.

    The seconds count from when the call's libraries are loaded.  The memory is what the process
    holds, those libraries included (``None``: no limit).
    """

    seconds: float | None = None
    mib: float | None = None
    attempts: int = 3

    def __post_init__(self) -> None:
        for name, value in (("limit_s", self.seconds), ("limit_mib", self.mib)):
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value!r}: expected more than 0, or None for no limit")
        if self.attempts < 1:
            raise ValueError(f"attempts is {self.attempts!r}: expected 1 or more")


def pack(call: Callable[[], Any]) -> bytes:
    """A call without arguments, as `apart` takes it."""
    return pickle.dumps(call)


def unpack(answer: bytes) -> Any:
    """What the call returned, from what `apart` returned."""
    return pickle.loads(answer)


def apart(call: bytes, limits: Limits, *_after: Any) -> bytes:
    """Do a packed call in this thread's own process; return what it returns, packed.

    Only that process loads what the call needs.  When it dies under the call, the call is done
    again from its beginning, ``limits.attempts`` times at most.

    Raises `CallError` for a call that raised an error, met a limit, or whose processes died.
    """
    for _ in range(limits.attempts):
        process = _process()
        try:
            answer = process.ask(call, limits)
        except (EOFError, ConnectionError):
            code = process.end()
            end = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            continue
        if answer.startswith(_FAILED):
            raise CallError(answer.removeprefix(_FAILED).decode())
        return answer.removeprefix(_DONE)
    times = f"{limits.attempts} times" if limits.attempts > 1 else "once"
    raise CallError(
        f"its process died {times}, the last time by {end}; if the machine's memory was full, ask "
        "for fewer workers or smaller batches, and start again"
    )


class _Process:
    """Another Python that answers calls, from the end of a pipe."""

    def __init__(self) -> None:
        self._pipe, there = Pipe()
        # Not `multiprocessing`: a worker of Dask is a daemon, which may not have children of it.
        with there:
            self._popen = subprocess.Popen(
                [sys.executable, "-c", _SERVE.format(there.fileno())],
                pass_fds=[there.fileno()],
                stdin=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )

    def alive(self) -> bool:
        return self._popen.poll() is None

    def ask(self, call: bytes, limits: Limits) -> bytes:
        """The answer to a call; `EOFError` or `ConnectionError` when the process is gone."""
        self._pipe.send_bytes(call)
        end = float("inf")
        while True:
            if self._pipe.poll(max(0, min(_LOOK, end - time.monotonic()))):
                if (answer := self._pipe.recv_bytes()) != _BEGUN:
                    return answer
                end = time.monotonic() + (limits.seconds or float("inf"))
            elif time.monotonic() >= end:
                self.end()
                raise CallError(
                    f"ran longer than {limits.seconds:g} s and was ended; if it only needs longer, "
                    "start again with a larger limit_s: it goes on from its last checkpoint"
                )
            elif limits.mib is not None and (held := self._held()) > limits.mib:
                self.end()
                raise CallError(
                    f"held {held:.0f} MiB of memory, more than {limits.mib:g}, and was ended; "
                    "start again with a larger limit_mib, or make its model or batches smaller"
                )

    def _held(self) -> float:
        try:
            return psutil.Process(self._popen.pid).memory_info().rss / _MIB
        except psutil.NoSuchProcess:
            return 0.0  # the pipe says so too

    def end(self) -> int:
        """End the process if it has not ended by itself; its exit code, or minus its signal."""
        self._popen.kill()
        self._pipe.close()
        return self._popen.wait()

    def __del__(self) -> None:  # its thread has ended
        self.end()


_OWN = threading.local()


def _process() -> _Process:
    """The process of this thread: the one it had, or a new one."""
    if not hasattr(_OWN, "process") or not _OWN.process.alive():
        _OWN.process = _Process()
    return _OWN.process


def serve(number: int) -> None:
    """Answer the calls that come through a file descriptor, until its other end is closed."""
    follow_parent()
    with Connection(number) as pipe:
        while True:
            try:
                asked = pipe.recv_bytes()
            except EOFError:
                return
            try:
                call = pickle.loads(asked)
                pipe.send_bytes(_BEGUN)
                answer = _DONE + pickle.dumps(call())
            except Exception as error:
                answer = _FAILED + _describe(error).encode()
            pipe.send_bytes(answer)


def _describe(error: Exception) -> str:
    """An error's name and text; where it is none of ours, which explain themselves, its place."""
    text = f"{type(error).__name__}: {error}"
    if type(error).__module__.startswith("mtlkit."):
        return text
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{text} (in {place.filename}, line {place.lineno})"


def follow_parent() -> None:
    """End this process when the one that started it is gone, even if that was killed."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, name="follow parent", daemon=True).start()
