"""A route says where an encoder's weights start and what they are trained on, in which order.

``>`` is *then* (transfer learning), ``+`` is *together* (multi-task learning)::

    route := start { ">" stage }
    stage := task { "+" task }
    task  := name [ ":" labels ] [ "@" corpus [ "/" subset ] ]

What is not the route is the `mtlkit.recipes.Recipe`.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Self

from mtlkit import DATA

TASKS: dict[str, str] = {
    **dict.fromkeys(("pos", "xpos", "ner"), "tags"),
    "dep": "tree",
    **dict.fromkeys(("stype", "sst2", "cr", "subj", "trec", "sentiment"), "class"),
    "mlm": "mlm",
}
"""Name of each task to its kind: "tags" (one a word), "tree", "class" (one a sentence) or "mlm"."""

STARTS = ("scratch", "mini", "minilm")
_START = r"[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9_.-]+|(~|\.{1,2})?/[A-Za-z0-9_.~/-]+"
_WORD = r"\s*([^\s:@/]*)"
_TASK = re.compile(rf"{_WORD}(?:\s*:{_WORD})?(?:\s*@{_WORD}(?:\s*/{_WORD})?)?\s*(.+)?")
_PARTS = ("task", "number of sentences", "corpus", "subset")  # of _TASK; group 5 is what is left


class RouteError(ValueError):
    """A route, recipe or run that cannot be read or built; ``part`` is the part that is wrong."""

    def __init__(self, message: str, part: int = 0) -> None:
        super().__init__(message)
        self.part = part

    def under(self, text: str, place: int) -> "RouteError":
        """This error with the text, and a caret under the place."""
        return RouteError(f"{self}\n    {text}\n    {' ' * place}^")


@cache
def registry(path: Path = DATA / "corpora.toml") -> dict[str, dict[str, Any]]:
    """Tables of the registry by corpus; routes need only tasks, subsets and default_for."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RouteError(f"cannot read the registry of corpora, {path}: {error}") from error


def offers(corpus: str, task: str) -> bool:
    """Whether a corpus has labels for a task; every corpus is text, so each offers mlm."""
    return task == "mlm" or task in registry()[corpus]["tasks"]


def default_corpus(task: str) -> str:
    """The corpus that a task means where a route names none."""
    names = [name for name, table in registry().items() if task in table["default_for"]]
    if len(names) != 1:
        raise RouteError(f"corpora.toml: {task} needs one corpus with default_for, found {names}")
    return names[0]


@dataclass(frozen=True)
class Task:
    """One task; ``labels``: how many sentences train it, None for all; corpus "": its default."""

    name: str
    labels: int | None = None
    corpus: str = ""
    subset: str | None = None

    def __post_init__(self) -> None:
        if self.name not in TASKS:
            raise RouteError(unknown("task", self.name, TASKS), part=1)
        if self.labels is not None and (type(self.labels) is not int or self.labels < 1):
            rule = "expected a number of sentences, 1 or more"
            raise RouteError(f"{self.name} has labels {self.labels!r}: {rule}", part=2)
        object.__setattr__(self, "corpus", self.corpus or default_corpus(self.name))
        if self.corpus not in registry():
            raise RouteError(unknown("corpus", self.corpus, registry()), part=3)
        if not offers(self.corpus, self.name):
            rule = f"expected one of {', '.join(c for c in registry() if offers(c, self.name))}"
            raise RouteError(f"{self.corpus!r} has no labels for {self.name}: {rule}", part=3)
        subsets = registry()[self.corpus]["subsets"]
        if self.subset is not None and self.subset not in subsets:
            raise RouteError(unknown(f"subset of {self.corpus}", self.subset, subsets), part=4)


@dataclass(frozen=True)
class Stage:
    """Tasks trained together; their order is kept, and no task occurs twice."""

    tasks: tuple[Task, ...]

    def __post_init__(self) -> None:
        names = [task.name for task in self.tasks]
        if not names:
            raise RouteError("a stage without a task: expected one or more")
        if twice := [name for name in names if names.count(name) > 1]:
            raise RouteError(f"task {twice[0]!r} occurs twice in a stage: expected once", part=1)

    def __str__(self) -> str:
        texts: list[str] = []
        named: list[Task] = []  # with a place written, nearest first
        for task in reversed(self.tasks):  # as the reader infers: from the right
            text = task.name if task.labels is None else f"{task.name}:{task.labels}"
            if _inferred(task, named) != task:
                named.insert(0, task)
                text += f"@{task.corpus}" + (f"/{task.subset}" if task.subset else "")
            texts.insert(0, text)
        return "+".join(texts)


@dataclass(frozen=True)
class Route:
    """Where an encoder's weights start, and the stages that train it, in order.

    >>> print(Route.parse("minilm>pos + ner:500@gum +dep > ner:500"))
    minilm > pos+ner:500+dep > ner:500
    """

    start: str
    stages: tuple[Stage, ...] = ()

    def __post_init__(self) -> None:
        if bad := re.search(r"[^A-Za-z0-9_.~/-]", self.start):
            rule = "a start has only letters, digits and _.~/-"
            raise RouteError(f"{rule}, found {bad[0]!r}: expected '>' or the end", bad.start())
        if self.start not in STARTS and not re.fullmatch(_START, self.start):
            hint = "; or else a hub id 'org/name' or a folder './name'"
            raise RouteError(unknown("start", self.start, STARTS) + hint)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a route; `str` writes it back in canonical form.

        A task without ``@`` takes the corpus and subset of the nearest task to its right in the
        stage that names a corpus which offers the task, else its default corpus. `RouteError`
        shows the text, a caret under the place, and what was expected there.
        """
        text = re.sub(r"\s", " ", text)  # one line, so that the caret stands under its place
        (_, start), *stages = _parts(text, ">", 0)
        try:
            route = cls(start.strip())
        except RouteError as error:
            raise error.under(text, len(start) - len(start.lstrip()) + error.part) from None
        return replace(route, stages=tuple(_read_stage(text, *stage) for stage in stages))

    def __str__(self) -> str:
        return " > ".join([self.start, *map(str, self.stages)])

    def prefix(self, n: int) -> Self:
        """The route that stops after its first ``n`` stages, from 0 to all of them."""
        if not 0 <= n <= len(self.stages):
            raise RouteError(f"'{self}' has {len(self.stages)} stages, so no prefix of {n}")
        return replace(self, stages=self.stages[:n])


def _inferred(task: Task, named: list[Task]) -> Task:
    """The task at the place it takes if it names none; ``named`` do, to its right, nearest first"""
    near = next((other for other in named if offers(other.corpus, task.name)), Task(task.name))
    return replace(task, corpus=near.corpus, subset=near.subset)


def _parts(text: str, sign: str, place: int) -> Iterator[tuple[int, str]]:
    for part in text.split(sign):
        yield place, part
        place += len(part) + 1


def _read_stage(text: str, place: int, stage: str) -> Stage:
    tasks: list[Task] = []
    named: dict[int, Task] = {}  # those with a place, by their position
    for begin, part in _parts(stage, "+", place):
        match = _TASK.match(text, begin, begin + len(part))
        assert match  # the pattern accepts the empty text
        name, labels, corpus, subset, rest = match.groups()
        try:
            if "" in match.groups():
                which = match.groups().index("")
                raise RouteError(f"expected a {_PARTS[which]}", which + 1)
            number: Any = int(labels) if re.fullmatch("[0-9]{1,18}", labels or "") else labels
            tasks.append(Task(name, number, corpus or "", subset))
            Stage(tuple(tasks))
            if rest:
                signs = ("@" if labels else ":@") if corpus is None else "" if subset else "/"
                expected = ", ".join(f"'{sign}'" for sign in signs + "+>")
                raise RouteError(f"expected {expected} or the end, found {rest[0]!r}", 5)
        except RouteError as error:
            raise error.under(text, match.start(error.part)) from None
        if corpus is not None:
            named[len(tasks) - 1] = tasks[-1]
    for i, task in enumerate(tasks):
        if i not in named:
            tasks[i] = _inferred(task, [named[j] for j in named if j > i])
    return Stage(tuple(tasks))


def unknown(what: str, name: str, options: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name).lower(), options := list(options))
    known = f"expected one of {', '.join(options)}" if options else "it has none"
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else known
    return f"unknown {what} {name!r}: {hint}"
