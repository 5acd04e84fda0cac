"""The folder of an edition: its lessons and what they link to, written whole or not at all.

It runs by itself where ``mtlkit`` is installed: `mtlkit.results.find_root` finds its
``pyproject.toml`` and ``notebooks/``, so runs and figures go into it.  ``edition.json`` has the
checksum of every file; a folder with other files, or changed ones, is not written over.
"""

import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mtlkit import DATA, __version__, lessonplans
from mtlkit.editions import WHOLE, Edition, EditionError, lesson
from mtlkit.exercises import source

__all__ = ["Links", "bind"]

MANIFEST = "edition.json"

_MARKER = """\
# The root of an edition of the course, made by `mtlkit student`.
[tool.mtlkit]
edition = {kind}
"""

_README = """\
# {title}

Made by `mtlkit student`, version {version}, in the profile *{profile}*. It needs Python 3.11 with
mtlkit installed (`make setup` in a copy of the project). With the commands of that Python on the
path, and in this folder:

    jupyter lab notebooks

What the lessons train is kept in `runs/`, figures in `figures/`, both in this folder.{more}
"""

_STUDENT = """ A check that is not
passed stops the notebook, and says how to go on."""

_SLIDES = """

`slides/` has the lessons as slides, to be opened in a browser. Press S for notes. The pages load
reveal.js, and MathJax for formulas, from the network. To show them without one, fetch reveal.js and
convert again: `jupyter nbconvert --to slides --reveal-prefix FOLDER notebooks/NN_name.ipynb`."""


def bind(root: Path, paths: Sequence[Path], out: Path, edition: Edition) -> Path:
    """Make an edition of the lessons at the paths, in the folder ``out``, which is returned.

    A lesson that is cut lies whole in ``notebooks/whole``.  Links to lessons that are not in the
    edition become plain text.  Raises `EditionError` and what `mtlkit.editions.lesson` raises;
    then nothing was written.
    """
    root, out = root.resolve(), out.absolute()
    _check(out)
    books: dict[str, dict[str, Any]] = {}
    for path in paths:
        notebook = _read(path)
        with_plan = edition.minutes or (edition.instructor and not edition.nbgrader)
        plan = lessonplans.plan(path.name[:2], folder=DATA / "teaching") if with_plan else None
        books[f"notebooks/{path.name}"] = made = lesson(notebook, path.name, edition, plan)
        if made["cells"][-1].get("id", "").endswith("left-out"):
            whole = lesson(notebook, path.name, replace(edition, minutes=None), plan)
            books[f"notebooks/{WHOLE}/{path.name}"] = whole
    links = Links(root, frozenset(books))
    files: dict[str, bytes] = {}
    for name, book in books.items():
        files[name] = _json(_linked(book, links, Path(name).parent.as_posix()))
    while links.wanted - files.keys():
        name = min(links.wanted - files.keys())
        data = (root / name).read_bytes()
        if name.endswith(".md"):
            data = links(data.decode(), Path(name).parent.as_posix()).encode()
        files[name] = data
    for path in sorted(root.glob("figures/*/tables/*.*")):  # which some lessons read
        files[path.relative_to(root).as_posix()] = path.read_bytes()
    if edition.slides:
        for name, book in books.items():
            if Path(name).parent.name != WHOLE:
                files[f"slides/{Path(name).stem}.slides.html"] = _slides(book, Path(name).stem)
    kind = "instructor" if edition.instructor else "student"
    files["pyproject.toml"] = _MARKER.format(kind=json.dumps(kind)).encode()
    more = "" if edition.instructor else _STUDENT
    title = f"An edition of the course for {kind}s"
    files["README.md"] = _README.format(
        title=title, version=__version__, profile=edition.profile,
        more=more + (_SLIDES if edition.slides else ""),
    ).encode()  # fmt: skip
    about = {"made_by": "mtlkit student", "version": __version__, "edition": asdict(edition)}
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    files[MANIFEST] = _json({**about, "files": sums})
    _place(out, files)
    return out


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise EditionError(f"{path} is no notebook: {error}") from None
    return found


def _json(data: object) -> bytes:
    return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode()


def _linked(book: dict[str, Any], links: "Links", at: str) -> dict[str, Any]:
    """A notebook in the folder ``at``, with good links."""
    cells = []
    for cell in book["cells"]:
        if cell["cell_type"] == "markdown":
            text = source(cell)
            if at.endswith(WHOLE):  # one folder deeper than it was written for
                text = _changed(text, _deeper)
            cell = {**cell, "source": links(text, at).splitlines(keepends=True)}
        cells.append(cell)
    return {**book, "cells": cells}


def _deeper(link: re.Match[str]) -> str:
    if re.match(r"#|[a-z]+:|/", link["target"]):
        return link[0]
    return link[0].replace(f"]({link['target']})", f"](../{link['target']})")


_PIECE = re.compile(
    r"```.*?```|\$\$.*?\$\$|`[^`\n]*`|!?\[(?P<text>[^\]\[]*)\]\((?P<target>[^)\s]+)\)", re.S
)
"""What has to be told apart: blocks of code, formulas, code in a line, and links."""


def _changed(text: str, change: Callable[[re.Match[str]], str]) -> str:
    """A text with each link outside code and formulas replaced by what ``change`` makes of it."""
    return _PIECE.sub(lambda match: change(match) if match["target"] else match[0], text)


@dataclass
class Links:
    """Makes the links of texts good in a folder that has only some of the files they name.

    ``there``: the files that it has, as paths from the root of the course.  A file of ``notebooks``
    or ``figures`` that it lacks is wanted too, and is collected in ``wanted``.  Lessons are not
    brought in that way, nor other files: their text stays, and the link goes.
    """

    root: Path
    there: frozenset[str]
    wanted: set[str] = field(default_factory=set)

    def __call__(self, text: str, at: str) -> str:
        """A text of a file in the folder ``at``, which is counted from the root."""
        return _changed(text, lambda m: m[0] if self._is_good(m["target"], at) else m["text"])

    def _is_good(self, target: str, at: str) -> bool:
        path = target.partition("#")[0]
        if not path or re.match(r"[a-z]+:", path):
            return True
        place = (self.root / at / path).resolve()
        if not place.is_relative_to(self.root):
            return False
        name = place.relative_to(self.root).as_posix()
        if name in self.there:
            return True
        if re.match(r"(notebooks|figures)/", name) and place.suffix != ".ipynb" and place.is_file():
            self.wanted.add(name)
            return True
        return False


def _slides(book: Mapping[str, Any], name: str) -> bytes:
    """A lesson as one page of slides; only this needs nbconvert."""
    import nbformat
    from nbconvert import SlidesExporter

    page, _ = SlidesExporter().from_notebook_node(
        nbformat.reads(json.dumps(book), as_version=4), resources={"metadata": {"name": name}}
    )
    return str(page).encode()


def _check(out: Path) -> None:
    """Raise `EditionError` unless there is nothing at ``out``, or an edition as it was made."""
    if out.is_dir() and not any(out.iterdir()):
        return
    if not out.exists():
        return
    other = "choose a folder that is new or empty"
    if not out.is_dir():
        raise EditionError(f"{out} is a file: {other}")
    try:
        sums = json.loads((out / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        raise EditionError(f"{out} is not empty, and no edition made it: {other}") from None
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.is_dir() or name == MANIFEST:
            continue
        if name not in sums:
            raise EditionError(f"{out} has a file that is not of its edition, {name}: {other}")
        if hashlib.sha256(path.read_bytes()).hexdigest() != sums[name]:
            raise EditionError(f"{out} was changed since it was made, in {name}: {other}")


def _place(out: Path, files: Mapping[str, bytes]) -> None:
    """Write all files into a folder beside ``out``, and then put it in its place."""
    mark = uuid.uuid4().hex
    part, before = (out.with_name(f".{out.name}.{mark}.{end}") for end in ("part", "old"))
    try:
        for name, data in files.items():
            path = part / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        if out.exists():
            out.rename(before)
        try:
            part.rename(out)
        except OSError:
            if before.exists():
                before.rename(out)
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if out.exists():
            shutil.rmtree(before, ignore_errors=True)
