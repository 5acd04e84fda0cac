"""The grammar of the embedded world: weighted rules over phrases, and the tables of small words.

Read from ``grammar.txt``, whose head explains the notation, and ``words.toml``.
"""

import re
from collections import defaultdict
from typing import Any, NamedTuple

from mtlkit.lexicon import FOLDER, Choices, LexiconError, lines, words

__all__ = ["Item", "item", "rules"]


class Item(NamedTuple):
    """One phrase of a rule, in the notation of ``grammar.txt``."""

    relation: str
    head: bool
    literal: tuple[str, str, str, str] | None  # form, lemma, universal tag, own tag
    phrase: str
    argument: str
    chance: float
    flip: bool
    early: bool  # written before the head
    where: str  # file:line


def item(source: str, where: str) -> Item:
    """Read one item of a rule, in the notation explained at the head of ``grammar.txt``."""
    phrase = r"([?!]/PUNCT|[^\s?!~\[]+)(?:\[(.+)\])?"
    pattern = rf"(?:([\w:]+)=)?(\^?){phrase}(~?)(!?)(?:\?([.\d]+))?"
    match = re.fullmatch(pattern, source)
    if match is None:
        rule = "see the notation at the file's head"
        raise LexiconError(f"{where}: cannot read {source!r}; {rule}")
    relation, head, phrase, argument, flip, early, chance = match.groups(default="")
    literal = None
    if "/" in phrase:
        form, upos, own, lemma = [*phrase.split("/"), "", ""][:4]
        literal = (form, lemma or form, upos, own or words()["xpos"].get(upos, form))
    marks = (bool(flip), bool(early))
    return Item(relation, bool(head), literal, phrase, argument, float(chance or 1), *marks, where)


def rules(domain: str) -> dict[str, Choices[tuple[Item, ...]]]:
    """Return the rules by symbol; those of this domain replace the general ones."""
    found: dict[str, dict[str, list[Any]]] = {"": defaultdict(list), domain: defaultdict(list)}
    for where, line in lines(FOLDER / "grammar.txt"):
        left, sign, right = line.partition(" =")
        match = re.fullmatch(r"([\w.-]+)(?:@(\w+))? ([\d.]+)", left)
        if not sign or match is None:
            raise LexiconError(f"{where}: a rule is 'Symbol weight = items', found {line!r}")
        symbol, only, weight = match.groups(default="")
        if only in found:
            items = tuple(item(source, where) for source in right.split())
            if items and sum(each.head for each in items) > 1:
                raise LexiconError(f"{where}: a rule has one head '^', found {line!r}")
            found[only][symbol].append((items, float(weight)))
    merged = found[""] | found[domain]
    return {s: Choices([i for i, _ in pairs], [w for _, w in pairs]) for s, pairs in merged.items()}
