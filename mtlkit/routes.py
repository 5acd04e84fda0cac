"""A route says where an encoder's weights start and what they are trained on, in which order.

``>`` is *then* (transfer learning), ``+`` is *together* (multi-task learning)::

    route := start { ">" stage }
    stage := task { "+" task }
    task  := name [ ":" labels ] [ "@" corpus [ "/" subset ] ]

What is not the route is the `Recipe`; a `Run` is route, recipe, seed and the corpora's checksums.
"""

import difflib
import hashlib
import json
import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Self, get_args

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
            raise RouteError(_unknown("task", self.name, TASKS), part=1)
        if self.labels is not None and (type(self.labels) is not int or self.labels < 1):
            rule = "expected a number of sentences, 1 or more"
            raise RouteError(f"{self.name} has labels {self.labels!r}: {rule}", part=2)
        object.__setattr__(self, "corpus", self.corpus or default_corpus(self.name))
        if self.corpus not in registry():
            raise RouteError(_unknown("corpus", self.corpus, registry()), part=3)
        if not offers(self.corpus, self.name):
            rule = f"expected one of {', '.join(c for c in registry() if offers(c, self.name))}"
            raise RouteError(f"{self.corpus!r} has no labels for {self.name}: {rule}", part=3)
        subsets = registry()[self.corpus]["subsets"]
        if self.subset is not None and self.subset not in subsets:
            raise RouteError(_unknown(f"subset of {self.corpus}", self.subset, subsets), part=4)


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
            raise RouteError(_unknown("start", self.start, STARTS) + hint)

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


def _unknown(what: str, name: str, options: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name).lower(), options := list(options))
    known = f"expected one of {', '.join(options)}" if options else "it has none"
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else known
    return f"unknown {what} {name!r}: {hint}"


@dataclass(frozen=True)
class Recipe:
    """How a route is trained, the same in every stage; `RouteError` for a value out of range.

    Each field with the source of its default (a name stands for name et al.; on arXiv are Kurin
    2201.04122, Lee 1911.03090, Mosbach 2006.04884, Peters 1903.05987, Turc 1908.08962, Zhang
    2006.05987); "ours" is a value that no source gives, chosen for small encoders on two cores.

    - epochs: passes over a stage's labelled sentences; ours: few, with many small updates in each
    - min_updates: a small stage repeats its data to get so many per stratum; ours (see Zhang 2021)
    - batch_tokens: sub-words in a batch with padding, counted as by Ott 2018; the size is ours
    - evaluations, dev_sentences: evaluations in a stage; what each reads of dev, 0 for all; ours
    - encoder_lr: peak rate (AdamW, Loshchilov & Hutter 2019); ours, within the grid of Turc 2019
    - head_lr: peak rate of the heads, ten times the encoder's; ours, the one tried on GUM
    - warmup: share of updates with rising rates, then linear decay (Devlin 2019; Mosbach 2021)
    - weight_decay, clip: decoupled; largest gradient norm; of Devlin 2019 (A.2) and its code
    - dropout, head_dropout: in the encoder, none (ours: faster); in heads (Devlin 2019, A.2)
    - sharing, weighting: of parameters, "hard" (Caruana 1997); of losses, "uniform" (Kurin 2022)
    - temperature: tasks are drawn by size ** (1 / temperature); inf is uniform (Arivazhagan 2019)
    - tuning: of the encoder, "full" (Devlin 2019), "frozen" (Peters 2019), "last:N" (Lee 2019)
    - mlm_updates, mlm_tokens, mlm_seed: of mlm stages; one seed for those that begin a route; ours
    - mlm_lr, mlm_rate: peak rate (Geiping & Goldstein 2023); share masked (Devlin 2019, 3.1)
    - layers, width, vocabulary: the scratch encoder; BERT-Mini of Turc 2019; Gowda & May 2020
    - target: task whose dev score picks the checkpoint; None, ours: macro mean of error reductions
    - precision: "bf16" (Kalamkar 2019), "fp32", or "auto", bf16 where the processor computes in it
    """

    epochs: Annotated[float, 0, 1e6] = 1.25
    min_updates: Annotated[int, 0, 1e9] = 200
    batch_tokens: Annotated[int, 1, 1e9] = 256
    evaluations: Annotated[int, 1, 1e9] = 3
    dev_sentences: Annotated[int, 0, 1e9] = 0
    encoder_lr: Annotated[float, 1e-9, 1] = 3e-4
    head_lr: Annotated[float, 1e-9, 1] = 3e-3
    warmup: Annotated[float, 0, 1] = 0.1
    weight_decay: Annotated[float, 0, 1] = 0.01
    clip: Annotated[float, 1e-9, math.inf] = 1.0
    dropout: Annotated[float, 0, 0.99] = 0.0
    head_dropout: Annotated[float, 0, 0.99] = 0.1
    sharing: Annotated[str, "[a-z][a-z0-9_.:=,-]*"] = "hard"
    weighting: Annotated[str, "[a-z][a-z0-9_.:=,-]*"] = "uniform"
    temperature: Annotated[float, 0.01, math.inf] = 1.0
    tuning: Annotated[str, "full|frozen|last:[1-9][0-9]*"] = "full"
    mlm_updates: Annotated[int, 1, 1e9] = 2000
    mlm_tokens: Annotated[int, 1, 1e9] = 4096
    mlm_seed: Annotated[int, 0, 1e9] = 0
    mlm_lr: Annotated[float, 1e-9, 1] = 1e-3
    mlm_rate: Annotated[float, 0.01, 0.99] = 0.15
    layers: Annotated[int, 1, 1000] = 4
    width: Annotated[int, 1, 1e6] = 256
    vocabulary: Annotated[int, 1, 1e9] = 8000
    target: Annotated[str | None, "|".join(TASKS)] = None
    precision: Annotated[str, "auto|bf16|fp32"] = "auto"

    def __post_init__(self) -> None:
        for each in fields(self):
            value, kind = getattr(self, each.name), type(each.default)
            low, *top = get_args(each.type)[1:]
            if not top:
                rule = f"text of the form {low}"
                good = value == each.default or re.fullmatch(low, str(value))
            else:
                rule = f"a {'whole ' * (kind is int)}number from {low:g} to {top[0]:g}"
                number = isinstance(value, kind | int) and type(value) is not bool
                good = number and low <= value <= top[0]
            if not good:
                raise RouteError(f"{each.name} is {value!r}: expected {rule}")
            if kind is float:  # 6 and -0.0 become 6.0 and 0.0: equal recipes have equal ids
                object.__setattr__(self, each.name, float(value) + 0)
        if not self.epochs and not self.min_updates:
            raise RouteError("epochs and min_updates are both 0: expected one above 0")

    def replace(self, **changes: Any) -> Self:
        """This recipe with some fields changed; a number may be given as text."""
        for name, value in changes.items():
            if name not in vars(self):
                raise RouteError(_unknown("recipe field", name, vars(self)))
            if isinstance(value, str) and not isinstance(vars(self)[name], str | None):
                with suppress(ValueError):  # text that is no number is refused with its range
                    changes[name] = type(vars(self)[name])(value)
        return replace(self, **changes)

    @classmethod
    def parse(cls, settings: Iterable[str]) -> Self:
        """The default recipe with settings ``key=value``; ``target=none`` means None."""
        changes: dict[str, str | None] = {}
        for setting in settings:
            name, sign, value = (part.strip() for part in setting.partition("="))
            if not sign or name in changes:
                raise RouteError(f"cannot use {setting!r}: expected key=value, each key once")
            changes[name] = None if value == "none" else value
        return cls().replace(**changes)


@dataclass(frozen=True)
class Run:
    """One training, exactly; ``corpora`` are (corpus, SHA-256) of all that it reads, sorted."""

    route: Route
    recipe: Recipe
    seed: int
    corpora: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        if type(self.seed) is not int or self.seed < 0:
            raise RouteError(f"seed is {self.seed!r}: expected a whole number, 0 or more")
        object.__setattr__(self, "corpora", tuple(sorted((c, sha) for c, sha in self.corpora)))
        if len(dict(self.corpora)) < len(self.corpora):
            raise RouteError(f"corpora name a corpus twice: {self.corpora}")

    @property
    def id(self) -> str:
        """SHA-256, in hex, of the run's canonical JSON: keys sorted, no spaces, inf as "inf"."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The run as plain JSON values; `from_json` reads them back."""
        recipe = {name: "inf" if v == math.inf else v for name, v in vars(self.recipe).items()}
        route, corpora = str(self.route), dict(self.corpora)
        return {"route": route, "recipe": recipe, "seed": self.seed, "corpora": corpora}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """A run from `to_json`; no key may be missing, since its default may have changed since."""
        for given, kind in ((data, cls), (data.get("recipe", {}), Recipe)):
            names = {each.name for each in fields(kind)}
            if set(given) != names:
                what, wrong = kind.__name__.lower(), ", ".join(sorted(set(given) ^ names))
                raise RouteError(f"{what} of another version of mtlkit: missing or new is {wrong}")
        route, recipe = Route.parse(data["route"]), Recipe().replace(**data["recipe"])
        return cls(route, recipe, data["seed"], tuple(data["corpora"].items()))
