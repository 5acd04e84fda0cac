"""The machine: what it computes on, in what precision, and how it keeps its memory."""

import contextlib
import ctypes
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch
from torch import distributed, nn

__all__ = [
    "autocast",
    "device",
    "joined",
    "matrix_rate",
    "place",
    "precision",
    "reuse",
    "seed_dropout",
    "share_gradients",
    "side_by_side",
]


_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@cache
def device() -> torch.device:
    """Where to compute: a CUDA GPU if there is one, else the CPU, which is the reference.

    ``CUDA_VISIBLE_DEVICES=`` (empty) hides all GPUs, ``=1`` all but the second.  Of processes that
    ``torchrun`` started each has a GPU of its own.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))


@contextlib.contextmanager
def joined() -> Iterator[None]:
    """Inside, this process works with the others that ``torchrun`` started, if it was by it."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield
        return
    if device().type == "cuda":
        torch.cuda.set_device(device())
    distributed.init_process_group("nccl" if device().type == "cuda" else "gloo")
    try:
        yield
        distributed.barrier()
    finally:
        distributed.destroy_process_group()


def seed_dropout(seed: int) -> None:
    """Decide what dropout draws next.  (`torch.manual_seed` walks through all kinds of device.)"""
    torch.default_generator.manual_seed(seed)
    if device().type == "cuda":
        torch.cuda.manual_seed(seed)


def place() -> tuple[int, int]:
    """This process's number among those that work together, from 0, and how many they are."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


@torch.no_grad()
def share_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Give all processes that work together the mean of their gradients (Li et al. 2020, 3.1)."""
    _, processes = place()
    if processes > 1:
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        parts = (flat / processes).split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))


def precision(asked: str) -> torch.dtype:
    """The arithmetic of matrix products that a recipe asks for: ``bf16``, ``fp32``, or ``auto``.

    ``auto`` is bf16 where a GPU computes or the processor multiplies bf16 matrices itself
    (avx512_bf16, or AMX), else fp32: others imitate bf16, several times slower than fp32.
    """
    if asked == "auto":
        itself = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        asked = "bf16" if itself or device().type == "cuda" else "fp32"
    return torch.bfloat16 if asked == "bf16" else torch.float32


def autocast(asked: str) -> torch.autocast:
    """A context in which matrix products have this precision.

    Weights and optimiser states stay fp32 (mixed precision: Micikevicius et al. 2018; bf16 for it:
    Kalamkar et al. 2019).
    """
    enabled = precision(asked) == torch.bfloat16
    return torch.autocast(device().type, torch.bfloat16, enabled=enabled)


def side_by_side(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """What a function makes of each item, in their order; on a CPU, one item a core at a time.

    Several small computations of one thread each are done sooner than one after the other by
    threads that wait for each other at every operation.  Items are read by a thread of their own, a
    few ahead, so that a result does not wait for an item that has not come yet.  Where torch has
    one thread, or a GPU computes, this is `map`.
    """
    threads = torch.get_num_threads()
    if threads == 1 or device().type != "cpu":
        yield from map(function, items)
        return
    ahead: queue.Queue[Future[_Result] | None] = queue.Queue(threads)
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    stopped = threading.Event()

    def read() -> None:
        try:
            for item in items:
                if stopped.is_set():
                    return
                ahead.put(pool.submit(function, item))
        except BaseException as error:  # raised where results are asked for
            failed: Future[_Result] = Future()
            failed.set_exception(error)
            ahead.put(failed)
        ahead.put(None)

    threading.Thread(target=read, daemon=True).start()  # it may wait for an item that never comes
    try:
        while (future := ahead.get()) is not None:
            yield future.result()
    finally:
        stopped.set()
        with contextlib.suppress(queue.Empty):
            while True:
                ahead.get_nowait()  # the reader may wait for room
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # threads that begin later have the number that was set last


def reuse() -> None:
    """Keep what a training step asks for again and again: memory, and compiled matrix products.

    By default glibc returns large blocks to the system at once and pays for every page anew; where
    the C library is another one, that stays so.  oneDNN, which multiplies in bf16, compiles a
    product for each shape and keeps a thousand, of half a megabyte each; sentences of many lengths
    make more.  It reads the number with its first product: call this before.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "4096")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        for parameter, value in ((-3, 2**25), (-1, 2**31 - 1), (-2, 2**28)):
            mallopt(parameter, value)  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD, in bytes


def matrix_rate(asked: str = "auto", *, size: int = 2048, seconds: float = 1.0) -> float:
    """Floating-point operations a second of large matrix products, measured now; the best of five.

    A product of two square matrices of ``size`` has 2 ``size``³ operations.
    """
    kind, dtype = device(), precision(asked)
    one, two = (torch.ones(size, size, dtype=dtype, device=kind) for _ in range(2))
    rates = []
    for _ in range(6):
        count, begun = 0, time.perf_counter()
        while count < 2 or time.perf_counter() - begun < seconds / 6:
            one @ two
            count += 1
        if kind.type == "cuda":
            torch.cuda.synchronize()
        rates.append(2 * size**3 * count / (time.perf_counter() - begun))
    return max(rates[1:])
