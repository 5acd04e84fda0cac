"""Names to sentences: every corpus, whatever its files look like, becomes tuples of `Example`.

What a corpus offers is in ``data/corpora.toml``.  Splits are the official ones; where there are
none, a hash of the text makes one (`bucket`), so that equal sentences never lie on two sides.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING

from mtlkit import conllu, holdings, knobs, own, prose, sources, world
from mtlkit.examples import Example, kept, label_values, to_dataset
from mtlkit.gold import domain, genre, read_treebank, treebank
from mtlkit.prose import bucket
from mtlkit.routes import Route, Task
from mtlkit.sources import CorpusError, check, fetch

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "CorpusError", "Example", "bucket", "check", "checksum", "checksums", "fetch", "label_names",
    "labelled", "listing", "load", "read_treebank", "sentences", "to_dataset",
]  # fmt: skip

VERSION = "corpora 1"
"""Part of every checksum: change it whenever the same files give other examples."""

WORLD_SIZES = {"train": 6000, "dev": 400, "test": 300}
WORLD_SEEDS = {"train": 101, "dev": 102, "test": 103, "text": 104}
WORLD_TEXT = 40_000
"""Unlabelled sentences of the embedded world, its split ``text``; more are made if asked for."""


def load(corpus: str, *, split: str, subset: str | None = None) -> tuple[Example, ...]:
    """Return a split of a corpus, in the order of its files; only a subset of it if one is named.

    Splits are train, dev and test; ``gum`` has test2 too, which is also what ``gum/gentle`` gives
    as its test; ``world`` has text, unlabelled. The second call costs nothing.
    Raises `CorpusError` for unknown names, and for files that are missing or not the pinned ones.
    """
    if corpus not in sources.registry():
        raise sources.unknown("corpus", corpus, sources.registry())
    known = sources.registry()[corpus]["subsets"]
    if (corpus, subset) == ("gum", "gentle"):
        split, subset = ("test2", None) if split in ("test", "test2") else (split, subset)
    if subset is not None and subset not in known:
        raise sources.unknown(f"subset of {corpus}", subset, known)
    splits = _splits(corpus)
    if split not in splits:
        raise sources.unknown(f"split of {corpus}", split, splits)
    examples = _load(corpus, split, _state(corpus))
    if subset is None:
        return examples
    found = tuple(example for example in examples if example.subset == subset)
    if not found:
        raise CorpusError(f"{corpus}/{subset} has no sentence in the split {split!r}")
    return found


def sentences(task: Task, *, split: str) -> tuple[Example, ...]:
    """Return the sentences of a split that have a task's label, as its knobs define them.

    For mlm all have; the world's own text, its split ``text``, is what mlm is trained on there.
    Raises `CorpusError` if there are none.
    """
    more = task.labels if task.name == "mlm" and (task.labels or 0) > WORLD_TEXT else None
    return _sentences(replace(task, labels=more), split, _state(task.corpus))


def _state(corpus: str) -> tuple[Path, str]:
    """A key for what is read once: the cache's folder, and what one's own corpus is just now."""
    return sources.cache_folder(), own.version(corpus)


@lru_cache(maxsize=16)
def _sentences(task: Task, split: str, state: tuple[Path, str]) -> tuple[Example, ...]:
    text = (task.name, task.corpus, task.subset, split) == ("mlm", "world", None, "train")
    if text and task.labels:
        found = _world("text", (), task.labels)
    else:
        found = load(task.corpus, split="text" if text else split, subset=task.subset)
    if task.name != "mlm":
        found = tuple(example for example in found if task.name in example.labels)
    if not found:
        place = task.text().partition("@")[2]
        raise CorpusError(f"{place} has no sentence with {task.name} in its split {split!r}")
    return knobs.define(task, found)


def labelled(task: Task, *, seed: int) -> tuple[Example, ...]:
    """Return the training examples that a task of a route asks for.

    Budgets are nested: sentences are put in an order that depends on corpus, subset and seed, not
    on the task, and the first ``task.labels`` are taken. So pos:3000 and dep:3000 are the same
    sentences, and ner:250 is the first 250 of them. For mlm, labels count sentences of text, of
    which the embedded world has as many as are asked for; without a number it is all the text, in
    its own order, so that what follows on each other stands together.
    Raises `CorpusError` if there are fewer than that.
    """
    order = f"{task.corpus}/{task.subset or ''}/{seed}/"
    if (task.name, task.labels) == ("mlm", None) and "shift" not in dict(task.knobs):
        return knobs.spoil(task, sentences(task, split="train"), (), seed=seed)

    def ordered(examples: Iterable[Example]) -> list[Example]:
        # Sorting by a hash, unlike a random generator, is the same in every version of NumPy.
        return sorted(examples, key=lambda e: hashlib.sha256((order + e.id).encode()).digest())

    others: list[Example] = []
    if "shift" in dict(task.knobs):
        if task.subset is None:
            raise CorpusError(f"{task.text()}: shift needs a subset, as in {task.corpus}/SUBSET")
        every = sentences(replace(task, subset=None), split="train")
        others = ordered(example for example in every if example.subset != task.subset)
    found, missing = knobs.select(task, ordered(sentences(task, split="train")), others)
    wanted = len(found) if task.labels is None else task.labels
    if wanted > len(found):
        missing = f" before {missing} run out" if missing else ""
        raise CorpusError(
            f"{task.text()} asks for {wanted:,} training sentences, but there are "
            f"{len(found):,}{missing}; ask for fewer, or leave the number out to take all"
        )
    names = () if task.name == "mlm" else label_names(task)
    return knobs.spoil(task, found[:wanted], names, seed=seed)


def label_names(task: Task) -> tuple[str, ...]:
    """Return the labels of a task, sorted, from the training split of its whole corpus.

    For a tree these are relations. For names every type has its B- and its I- tag.
    """
    return _label_names(task.name, task.corpus, _state(task.corpus))


@cache
def _label_names(task: str, corpus: str, state: tuple[Path, str]) -> tuple[str, ...]:
    examples = [e for e in load(corpus, split="train") if task in e.labels]
    if not examples:
        raise CorpusError(f"{corpus} has no labels for {task}")
    return label_values(task, examples)


def checksum(corpus: str) -> str:
    """Return a SHA-256 over what determines a corpus: its files and their use, or the generator."""
    digest = hashlib.sha256(f"{VERSION}\n{corpus}\n".encode())
    for source in sources.files(corpus):
        digest.update(f"{source.path}\t{source.sha256}\n".encode())
    if corpus == "world":
        digest.update(f"{world.checksum()}\n{WORLD_SIZES}{WORLD_SEEDS}{WORLD_TEXT}".encode())
    if own_table := sources.registry()[corpus].get("own"):
        digest.update(own.settings(own_table).encode())
    return digest.hexdigest()


def checksums(route: Route) -> tuple[tuple[str, str], ...]:
    """Return ``(corpus, checksum)`` for every corpus that a route names, sorted."""
    names = {task.corpus for stage in route.stages for task in stage.tasks}
    return tuple((name, checksum(name)) for name in sorted(names))


def listing() -> "DataFrame":
    """Return a table of the corpora: tasks, subsets, size, how many files the cache has, licence.

    ``files`` and ``present`` are numbers of files, ``megabytes`` is what `fetch` downloads.
    """
    import pandas  # slow to import

    rows = []
    for name, table in sources.registry().items():
        pinned = sources.files(name)
        rows.append({
            "corpus": name,
            "title": table["title"],
            "tasks": " ".join(table["tasks"]),
            "subsets": " ".join(table["subsets"]),
            "files": len(pinned),
            "present": sources.present(name),
            "megabytes": round(sum(source.bytes for source in pinned) / 1e6, 1),
            **{key: table[key] for key in ("licence", "citation", "homepage", "note")},
        })  # fmt: skip
    return pandas.DataFrame(rows)


# ---- the corpora's files


def _splits(corpus: str) -> tuple[str, ...]:
    return ("train", "dev", "test", *{"gum": ("test2",), "world": ("text",)}.get(corpus, ()))


@cache
def _load(corpus: str, split: str, state: tuple[Path, str]) -> tuple[Example, ...]:
    """Read a split; ``state`` is a key, so that another folder or corpus is noticed."""
    table = sources.registry()[corpus]
    tasks = table["tasks"]
    if "own" in table:
        return holdings.load(corpus)[split]
    if corpus == "world":
        return _world(split, tasks, WORLD_TEXT)
    if corpus == "gum":
        return _gum(split, tasks)
    if corpus == "ewt":
        return _ewt(split, tasks)
    if corpus == "text":
        return _text(state[0])[split]
    found = prose.classified(corpus, split)
    return tuple(Example(key, words, {corpus: label}) for key, words, label in found)


@cache
def _text(folder: Path) -> Mapping[str, tuple[Example, ...]]:
    """Read all splits at once: what takes time is cutting the text into sentences."""
    parts: dict[str, list[Example]] = {split: [] for split in _splits("text")}
    for split, key, words, subset in prose.plain():
        parts[split].append(Example(key, words, {}, subset))
    return {split: tuple(examples) for split, examples in parts.items()}


def _world(split: str, tasks: Sequence[str], text: int) -> tuple[Example, ...]:
    """Make a split, or take the one that is kept; ``text``: how many unlabelled sentences."""
    seed = WORLD_SEEDS[split]
    name = f"text-{text}" if split == "text" and text != WORLD_TEXT else split

    def made() -> Iterable[Example]:
        if split == "text":
            for number, words in enumerate(world.text(text, seed=seed), start=1):
                yield Example(f"world-text-{number}", tuple(map(intern, words)))
        else:
            sentences = world.generate(WORLD_SIZES[split], seed=seed, split=split)
            yield from treebank(sentences, f"world-{split}", tasks, domain)

    key = f"{checksum('world')} {_source()}"
    return kept(sources.generated_folder() / "world" / f"{name}.jsonl", key, made)


_MAKERS = (
    "inflection", "lexicon", "valency", "discourse", "scenes", "grammar", "derivation", "names",
    "adjectives", "adverbs", "phrases", "conjugation", "narration", "clauses", "world",
    "conllu", "examples", "gold", "corpora",
)  # fmt: skip
"""The modules that make the world's examples: a test compares them with the imports."""


@cache
def _source() -> str:
    """Return the SHA-256 of the source that makes the world: nothing made by another is used."""
    digest = hashlib.sha256()
    for name in _MAKERS:
        digest.update(name.encode() + b"\n" + Path(__file__).with_name(f"{name}.py").read_bytes())
    return digest.hexdigest()


def _gum(split: str, tasks: Sequence[str]) -> tuple[Example, ...]:
    """Read the documents that ``splits.md`` lists under the split's heading, without Reddit."""
    pinned = {source.name: source for source in sources.files("gum")}
    headings = sources.read("gum", pinned["splits.md"]).decode("utf-8").split("\n## ")
    listed = next(part for part in headings if part.split("\n")[0].strip() == split)
    examples: list[Example] = []
    for document in re.findall(r"\* (G\w+)", listed):
        if not document.startswith("GUM_reddit_"):
            sentences = _parse("gum", pinned[f"{document}.conllu"])
            examples += treebank(sentences, document, tasks, genre)
    return tuple(examples)


def _ewt(split: str, tasks: Sequence[str]) -> tuple[Example, ...]:
    source = next(s for s in sources.files("ewt") if s.name == f"en_ewt-ud-{split}.conllu")
    return treebank(_parse("ewt", source), f"ewt-{split}", tasks, genre)


def _parse(corpus: str, source: sources.Source) -> list[conllu.Sentence]:
    return conllu.parse(sources.read(corpus, source).decode("utf-8"), source.name)
