"""A route says where an encoder's weights start and what they are trained on, in which order.

``>`` is *then* (transfer learning), ``+`` is *together* (multi-task learning)::

    route := start { ">" stage }
    stage := task { "+" task }
    task  := name [ ":" labels ] [ "@" corpus [ "/" subset ] ] [ "[" knob { "," knob } "]" ]
    knob  := name [ "=" number ]

What is not the route is the `mtlkit.recipes.Recipe`.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Self

from mtlkit import DATA, own

TASKS: dict[str, str] = {
    **dict.fromkeys(("pos", "xpos", "ner", "depth", "aux"), "tags"),
    "dep": "tree",
    **dict.fromkeys(("stype", "sst2", "cr", "subj", "trec", "sentiment", "label"), "class"),
    "mlm": "mlm",
}
"""Name of each task to its kind: "tags" (one a word), "tree", "class" (one a sentence) or "mlm"."""

STARTS = ("scratch", "mini", "minilm")
_START = r"[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9_.-]+|(~|\.{1,2})?/[A-Za-z0-9_.~/-]+"
_WORD = r"\s*([^\s:@/\[]*)"
_TASK = re.compile(
    rf"{_WORD}(?:\s*:{_WORD})?(?:\s*@{_WORD}(?:\s*/{_WORD})?)?\s*(?:\[([^\]]*)(\]?)\s*)?(.+)?"
)
_PARTS = ("a task", "a number of sentences", "a corpus", "a subset", "a knob", "']'")
_KNOB = re.compile(r"\s*([^\s=]*)\s*(?:=\s*(.*?))?\s*")

_LABELLED = ("tags", "tree", "class")
KNOBS: dict[str, tuple[float, float, tuple[str, ...]]] = {
    "noise": (0, 1, _LABELLED),
    "shuffled": (1, 1, (*_LABELLED, "mlm")),
    "imbalance": (1, 1000, ("class",)),
    "shift": (0, 1, (*_LABELLED, "mlm")),
    "overlap": (0, 1, (*_LABELLED, "mlm")),
    "relatedness": (0, 1, ("aux",)),
    "delexicalised": (1, 1, ("dep",)),
}
"""Name of each knob to its lowest and highest value, and the kinds of task, or the task, that have
it; `mtlkit.knobs` says what each does.  One with a single value is written without it."""


class RouteError(ValueError):
    """A route, recipe or run that cannot be read or built; ``part`` is the part that is wrong."""

    def __init__(self, message: str, part: int = 0) -> None:
        super().__init__(message)
        self.part = part

    def under(self, text: str, place: int) -> "RouteError":
        """This error with the text, and a caret under the place."""
        return RouteError(f"{self}\n    {text}\n    {' ' * place}^")


def registry(path: Path = DATA / "corpora.toml") -> dict[str, dict[str, Any]]:
    """Tables of the registry by corpus, and of one's own corpora after them.

    Routes need only tasks, subsets and default_for.
    """
    return own.beside(_shipped(path))


@cache
def _shipped(path: Path) -> dict[str, dict[str, Any]]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RouteError(f"cannot read the registry of corpora, {path}: {error}") from error


def offers(corpus: str, task: str) -> bool:
    """Whether a corpus has labels for a task; every corpus is text, so each offers mlm."""
    return task == "mlm" or task in registry()[corpus]["tasks"]


def placeless(task: str) -> bool:
    """Whether no corpus is meant where a route names none: such a task is only on one's own."""
    return all(task not in table["default_for"] for table in registry().values())


def default_corpus(task: str) -> str:
    """The corpus that a task means where a route names none."""
    names = [name for name, table in registry().items() if task in table["default_for"]]
    if not names:
        there = [name for name in registry() if offers(name, task)]
        rule = f"write {task}@{' or @'.join(there)}" if there else "mtlkit data add registers one"
        raise RouteError(f"{task} is a task of your own corpora alone: {rule}", part=1)
    if len(names) != 1:
        raise RouteError(f"corpora.toml: {task} needs one corpus with default_for, found {names}")
    return names[0]


@dataclass(frozen=True)
class Task:
    """One task; ``labels``: how many sentences train it, None for all; corpus "": its default.

    ``knobs``: (name, value) of each knob, sorted; one that takes no value is given None.
    """

    name: str
    labels: int | None = None
    corpus: str = ""
    subset: str | None = None
    knobs: tuple[tuple[str, float], ...] = ()

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
        knobs = {name: self._checked(name, value) for name, value in self.knobs}
        if len(knobs) < len(self.knobs):
            raise RouteError(f"knob {self.knobs[-1][0]!r} occurs twice: expected once", part=5)
        object.__setattr__(self, "knobs", tuple(sorted(knobs.items())))

    def _checked(self, name: str, value: Any) -> float:
        """The value of a knob, with as many digits as are written."""
        if name not in KNOBS:
            raise RouteError(unknown("knob", name, KNOBS), part=5)
        low, high, kinds = KNOBS[name]
        fit = [task for task, kind in TASKS.items() if kind in kinds or task in kinds]
        if self.name not in fit:
            rule = f"it is for {', '.join(fit)}"
            raise RouteError(f"{self.name} has no knob {name!r}: {rule}", part=5)
        value = low if value is None and low == high else value
        number = isinstance(value, int | float) and type(value) is not bool
        if not number or not low <= value <= high:
            rule = f"a number from {low:g} to {high:g}" if low < high else "no number"
            raise RouteError(f"knob {name!r} takes {rule}, found {value!r}", part=5)
        return float(f"{value:g}")

    def text(self, *, place: bool = True) -> str:
        """The task as a route has it, with its corpus or without."""
        text = self.name if self.labels is None else f"{self.name}:{self.labels}"
        if place:
            text += f"@{self.corpus}" + (f"/{self.subset}" if self.subset else "")
        bare = {name for name, (low, high, _) in KNOBS.items() if low == high}
        knobs = [name if name in bare else f"{name}={value:g}" for name, value in self.knobs]
        return text + (f"[{','.join(knobs)}]" if knobs else "")


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
            there = placeless(task.name) or _inferred(task, named) != task
            if there:
                named.insert(0, task)
            texts.insert(0, task.text(place=there))
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
        name, labels, corpus, subset, knobs, _, rest = match.groups()
        try:
            if "" in match.groups():
                which = match.groups().index("")
                raise RouteError(f"expected {_PARTS[which]}", which + 1)
            number: Any = int(labels) if re.fullmatch("[0-9]{1,18}", labels or "") else labels
            tasks.append(Task(name, number, corpus or "", subset))
            Stage(tuple(tasks))
            if rest:
                signs = ("@" if labels else ":@") if corpus is None else "" if subset else "/"
                signs = signs + "[" if knobs is None else ""
                expected = ", ".join(f"'{sign}'" for sign in signs + "+>")
                raise RouteError(f"expected {expected} or the end, found {rest[0]!r}", 7)
        except RouteError as error:
            raise error.under(text, match.start(error.part)) from None
        for start, knob in () if knobs is None else _parts(knobs, ",", match.start(5)):
            tasks[-1] = _turned(tasks[-1], text, start, start + len(knob))
        if corpus is not None:
            named[len(tasks) - 1] = tasks[-1]
    for i, task in enumerate(tasks):
        if i not in named:
            tasks[i] = _inferred(task, [named[j] for j in named if j > i])
    return Stage(tuple(tasks))


def _turned(task: Task, text: str, begin: int, end: int) -> Task:
    """The task with one more knob, which is between two places of the text."""
    match = _KNOB.fullmatch(text, begin, end)
    assert match  # as above
    name, value = match.groups()
    number: Any = value
    with suppress(TypeError, ValueError):  # what is no number is refused with its range
        number = float(value)
    try:
        return replace(task, knobs=(*task.knobs, (name, number)))
    except RouteError as error:
        raise error.under(text, match.start(1)) from None


def unknown(what: str, name: str, options: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name).lower(), options := list(options))
    known = f"expected one of {', '.join(options)}" if options else "it has none"
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else known
    return f"unknown {what} {name!r}: {hint}"
