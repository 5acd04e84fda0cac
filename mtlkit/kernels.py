"""Kernels that start warm: forked from one process that has loaded the libraries.

Started as usual, a kernel spends more time on imports than most lessons then need.  Here one
process does that for all, and each kernel is a fork of it: a process of its own, in which nothing
has run but imports.  On Linux only: on macOS some libraries of the system do not survive a fork.
"""

import contextlib
import logging
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

__all__ = ["WarmProvisioner", "warm"]

PRELOADED = (
    "mtlkit.choices",
    "mtlkit.diagrams",
    "mtlkit.lab",
    "mtlkit.plots",
    "mtlkit.verdicts",
    "torch._dynamo",  # the first optimiser loads it
    "matplotlib_inline.backend_inline",
    "ipykernel.kernelapp",  # last: where it is there, tqdm looks for widgets
)

SETTINGS = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # a kernel's own, set in time
    "OMP_NUM_THREADS": "1",  # other lessons and the workers need the other cores
}
"""Environment of the kernels, where the user has not said otherwise."""

_LOG = logging.getLogger(__name__)
_SLOWER = "kernels cannot be forked here (%s), so each loads the libraries itself, which is slower"
_WARM = EntryPoint(
    "mtlkit-warm", "mtlkit.kernels:WarmProvisioner", KernelProvisionerFactory.GROUP_NAME
)
_CONTEXT = multiprocessing.get_context("forkserver")


@contextlib.contextmanager
def warm() -> Iterator[None]:
    """Inside, kernels have one thread each and, on Linux, start warm; libraries begin to load."""
    added = {key: value for key, value in SETTINGS.items() if key not in os.environ}
    os.environ |= added
    factory = KernelProvisionerFactory.instance()
    usual = factory.default_provisioner_name
    try:
        if sys.platform == "linux":
            try:
                _CONTEXT.set_forkserver_preload(list(PRELOADED))
                forkserver.ensure_running()
                factory.provisioners[_WARM.name] = _WARM
                factory.default_provisioner_name = _WARM.name
            except OSError as error:  # no socket can be made
                _LOG.warning(_SLOWER, error)
        yield
    finally:
        factory.default_provisioner_name = usual
        for key in added:
            del os.environ[key]


class WarmProvisioner(LocalProvisioner):
    """Forks kernels of this very Python; others, and all if that fails, are started as usual."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        if cmd[:3] != [sys.executable, "-m", "ipykernel_launcher"]:
            return await super().launch_kernel(cmd, **kwargs)
        place = str(kwargs.get("cwd") or os.getcwd())
        process = _CONTEXT.Process(
            target=_serve, args=(cmd[3:], dict(kwargs["env"]), place), daemon=True
        )
        try:
            process.start()
        except (EOFError, OSError) as error:  # a library did not load: its cell will say why
            _LOG.warning(_SLOWER, type(error).__name__)
            return await super().launch_kernel(cmd, **kwargs)
        self.process, self.pid = _Forked(process), process.pid  # type: ignore[assignment]
        return self.connection_info


def _serve(arguments: list[str], environ: dict[str, str], folder: str) -> None:
    """Be a kernel, in a process that was just forked."""
    from ipykernel.kernelapp import IPKernelApp

    os.setsid()  # what is typed at the terminal is not for the kernel
    multiprocessing.current_process().daemon = False  # it may have children
    threading.Thread(target=_follow_parent, daemon=True).start()
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    # It would watch the process that it is a fork of, and tell how to connect to it.
    IPKernelApp.launch_instance(argv=[*arguments, "--IPKernelApp.parent_handle=1"])


def _follow_parent() -> None:
    """End this kernel when the process that asked for it is gone, even if that was killed."""
    if parent := multiprocessing.parent_process():
        parent.join()
    os._exit(1)


class _Forked:
    """A forked process, as its provisioner wants to see it: with the face of a ``Popen``."""

    stdin = stdout = stderr = None

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        self.kill, self.terminate = process.kill, process.terminate

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self._process.pid is not None:
            os.kill(self._process.pid, number)
