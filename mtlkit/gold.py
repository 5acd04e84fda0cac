"""Gold annotation: the sentences of a treebank as examples with the labels of the tasks."""

import re
from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from pathlib import Path
from sys import intern
from typing import Any

from mtlkit import conllu, entities
from mtlkit.examples import Example, depths

__all__ = ["domain", "genre", "offered", "read_treebank", "treebank"]


def read_treebank(path: str | PathLike[str]) -> tuple[Example, ...]:
    """Read a CoNLL-U file of one's own, with the tasks for which it has labels.

    pos, xpos, dep and depth if the columns are filled, ner if MISC has ``NER=`` or ``Entity=`` (see
    `mtlkit.entities`), aux if it has ``Sense=``, stype and sentiment from the comments ``s_type``
    and ``sentiment``.
    Raises `conllu.ConlluError` if the file is not valid.
    """
    sentences = conllu.read(path, validate=False)
    if any(word.head >= 0 for sentence in sentences for word in sentence.words):
        sentences = conllu.read(path)
    return treebank(sentences, Path(path).stem, offered(sentences), domain)


def offered(sentences: Sequence[conllu.Sentence]) -> tuple[str, ...]:
    words = [word for sentence in sentences for word in sentence.words]
    named = any("NER=" in word.misc or "Entity=" in word.misc for word in words)
    there = {
        "aux": any("Sense=" in word.misc for word in words),
        "pos": any(word.upos != "_" for word in words),
        "xpos": any(word.xpos != "_" for word in words),
        "dep": any(word.head >= 0 for word in words),
        "depth": any(word.head >= 0 for word in words),
        "ner": named,
        "stype": True,
        "sentiment": True,
    }
    return tuple(task for task, is_there in there.items() if is_there)


def domain(sentence: conllu.Sentence) -> str:
    return sentence.comment("domain") or ""


def genre(sentence: conllu.Sentence) -> str:
    """Return the genre in the ids of GUM (``GUM_news_...``) and EWT (``weblog-...``)."""
    found = re.match("(?:[A-Z]+_)?([a-z]+)", sentence.comment("sent_id") or "")
    return found[1] if found else ""


def treebank(
    sentences: Iterable[conllu.Sentence],
    name: str,
    tasks: Sequence[str],
    subset: Callable[[conllu.Sentence], str],
) -> tuple[Example, ...]:
    """Turn sentences into examples with the labels of the given tasks."""
    examples = []
    order = entities.GUM_FIELDS
    for number, sentence in enumerate(sentences, start=1):
        order = sentence.comment("global.Entity") or order
        labels: dict[str, Any] = {}
        if "pos" in tasks:
            labels["pos"] = sentence.upos
        if "xpos" in tasks:
            labels["xpos"] = sentence.xpos
        if "ner" in tasks:
            written = tuple(conllu.misc_value(word, "NER") or "O" for word in sentence.words)
            derive = set(written) == {"O"} and entities.has_mentions(sentence)
            labels["ner"] = entities.names(sentence, fields=order) if derive else written
        if "aux" in tasks:
            labels["aux"] = tuple(
                conllu.misc_value(word, "Sense") or "O" for word in sentence.words
            )
        if "dep" in tasks:
            relations = (intern(relation.partition(":")[0]) for relation in sentence.deprels)
            labels["dep"] = tuple(zip(sentence.heads, relations, strict=True))
        if "depth" in tasks:
            labels["depth"] = depths(sentence.heads)
        for task, key in (("stype", "s_type"), ("sentiment", "sentiment")):
            if task in tasks and (value := sentence.comment(key)):
                labels[task] = intern(value)
        identity = sentence.comment("sent_id") or f"{name}-{number}"
        examples.append(
            Example(identity, tuple(map(intern, sentence.forms)), labels, subset(sentence))
        )
    return tuple(examples)
