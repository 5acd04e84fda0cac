"""Names from nested mentions: the rule that makes GUM's entity annotation a tagging task.

GUM marks every mention of an entity (`the school of Dr. William Glennie`), nested, with ten types,
as brackets in MISC: ``Entity=(8-organization-...`` opens mention 8 and ``Entity=8)`` closes it
(Zeldes 2017; the same notation in CorefUD).  Mentions are not names, so `names` derives them:

1. *Candidates.* A mention gives a name if its head, its first word governed from outside, is a
   PROPN.  person gives PER, place LOC, organization ORG, time TIME, any other type MISC.
   Two constructions hide that head: where a NOUN heads a PROPN by flat or appos, the PROPN counts
   as head (`critic Louis Ehlert`), and where the day heads the month, the month (`May 5 , 2010`).
2. *Name words.* UPOS PROPN, or XPOS NNP or NNPS (so `United` in `United States`), or a numeral.
   In a TIME a numeral is digits or an ordinal (`22 August`), elsewhere any NUM (`Apollo 11`).
3. *The run.* From the head to both sides, inside the mention, as long as words are name words.
   It may cross a hyphen and, unless it is a PER, `of` or `for`, with `the` after it or not
   (`Bank of the West`), and in a TIME a comma (`May 5 , 2010`).  It may cross `and`, `&` or `n'`
   where neither neighbour ends or begins a mention of its own (`Pride and Prejudice` is one
   name; `Poland and Sweden` are two).  Both sides of a crossing must be name words.
   Except in a TIME, numerals at the left end are dropped (`2004 Olympics` gives `Olympics`).
4. *A person's name ends where another thing begins.* In a PER, words of a nested candidate of
   another type are no name words (`NASA Administrator Charles Bolden` gives ORG and PER).
5. *Flat.* The longest run wins, then the shorter mention, then the first; what overlaps is dropped.
   So nested names are read as part of the outer one (`Aberdeen Grammar School` is one ORG).

Titles (`Dr.`) are PROPN and stay in the name; articles and possessive `'s` never do.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mtlkit.conllu import Sentence, Word, misc_value

TYPES = {"person": "PER", "place": "LOC", "organization": "ORG", "time": "TIME"}
"""GUM's entity types that have a name type of their own; the other six give MISC."""

GUM_FIELDS = "GRP-etype-infstat-salience-centering-minspan-link-identity"
"""Order of the fields of a mention in GUM, as in its comment ``# global.Entity``."""

_BRACKET = re.compile(r"\(([^()]+)|([^()]+)\)|\)")
_PART = re.compile(r"\[\d+/\d+\]")
_CROSSED = (("of",), ("for",), ("of", "the"), ("for", "the"))


@dataclass(frozen=True, slots=True)
class Mention:
    """A mention from word ``first`` to word ``last`` (0-based, inclusive)."""

    first: int
    last: int
    type: str


def has_mentions(sentence: Sentence) -> bool:
    """Whether any word of the sentence opens or closes a mention."""
    return any(misc_value(word, "Entity") for word in sentence.words)


def mentions(sentence: Sentence, *, fields: str = GUM_FIELDS) -> tuple[Mention, ...]:
    """Read the mentions of a sentence, in the order in which they close.

    ``fields`` is the order of a mention's fields, the value of ``# global.Entity``.
    Mentions in several parts (CorefUD) and mentions left open at the sentence's end are left out.
    """
    order = fields.split("-")
    place = order.index("etype") if "etype" in order else 1
    opened: dict[str, list[tuple[int, str]]] = {}
    stack: list[str] = []
    found: list[Mention] = []

    for number, word in enumerate(sentence.words):
        for bracket in _BRACKET.finditer(misc_value(word, "Entity") or ""):
            if bracket[1]:
                values = bracket[1].split("-")
                opened.setdefault(values[0], []).append((number, "-".join(values[place:][:1])))
                stack.append(values[0])
                continue
            key = bracket[2] or (stack[-1] if stack else "")
            if opened.get(key):
                stack.remove(key)
                first, kind = opened[key].pop()
                if not _PART.search(key):
                    found.append(Mention(first, number, kind))
    return tuple(found)


def names(sentence: Sentence, *, fields: str = GUM_FIELDS) -> tuple[str, ...]:
    """Derive the names of a sentence by the module's rule: one BIO tag a word."""
    words = sentence.words
    every = mentions(sentence, fields=fields)
    heads = {mention: _head(words, mention) for mention in every}
    candidates = {mention: head for mention, head in heads.items() if head is not None}
    runs = []
    for mention in candidates:
        first, last = _run(words, mention, every, candidates)
        runs.append((first - last, mention.last - mention.first, first, last, mention.type))

    tags = ["O"] * len(words)
    for _, _, first, last, kind in sorted(runs):
        if all(tag == "O" for tag in tags[first : last + 1]):
            label = TYPES.get(kind, "MISC")
            tags[first : last + 1] = [f"B-{label}"] + [f"I-{label}"] * (last - first)
    return tuple(tags)


def _head(words: Sequence[Word], mention: Mention) -> int | None:
    """Return the PROPN that a mention's name grows from; None if it is no candidate (rule 1)."""
    inside = range(mention.first, mention.last + 1)
    head = next((n for n in inside if words[n].head - 1 not in inside), mention.first)
    if words[head].upos == "PROPN":
        return head
    if words[head].upos == "NOUN":
        hidden = {"flat", "appos"}
    elif mention.type == "time" and _numeral(words[head], "TIME"):
        hidden = {"compound", "nmod:unmarked"}
    else:
        return None
    below = [n for n in inside if words[n].head - 1 == head and words[n].upos == "PROPN"]
    return next((n for n in below if words[n].deprel in hidden), None)


def _run(
    words: Sequence[Word],
    mention: Mention,
    every: Sequence[Mention],
    candidates: Mapping[Mention, int],
) -> tuple[int, int]:
    """Grow the run of name words around a mention's head: its first and last word (rules 2-4)."""
    kind = TYPES.get(mention.type, "MISC")
    head = candidates[mention]
    inside = range(mention.first, mention.last + 1)
    nested = [m for m in every if m != mention and m.first in inside and m.last in inside]
    starts = {other.first for other in nested}
    ends = {other.last for other in nested}
    foreign = {
        n
        for other in nested
        if kind == "PER" and other in candidates and TYPES.get(other.type) != "PER"
        if not other.first <= head <= other.last
        for n in range(other.first, other.last + 1)
    }

    def is_name(n: int) -> bool:
        return n in inside and n not in foreign and (_proper(words[n]) or _numeral(words[n], kind))

    def crosses(first: int, last: int) -> bool:
        forms = tuple(word.form.lower() for word in words[first : last + 1])
        if forms in _CROSSED:
            return kind != "PER"
        if forms in (("and",), ("&",), ("n'",)):
            return kind != "PER" and first - 1 not in ends and last + 1 not in starts
        return words[first].xpos == "HYPH" or (kind == "TIME" and forms == (",",))

    def grow(end: int, step: int) -> int:
        while True:
            if is_name(end + step):
                end += step
            elif is_name(end + 2 * step) and crosses(end + step, end + step):
                end += 2 * step
            elif is_name(end + 3 * step) and crosses(*sorted((end + step, end + 2 * step))):
                end += 3 * step
            else:
                return end

    first, last = grow(head, -1), grow(head, +1)
    while kind != "TIME" and not _proper(words[first]):
        first += 1
    return first, last


def _proper(word: Word) -> bool:
    return word.upos == "PROPN" or word.xpos in ("NNP", "NNPS")


def _numeral(word: Word, kind: str) -> bool:
    if kind == "TIME":
        return "NumForm=Digit" in word.feats or "NumType=Ord" in word.feats
    return word.upos == "NUM"
