"""Discourse of the embedded world: pairs of events that belong together, as a scene tells them.

A *link* is a step of a script (Schank & Abelson 1977, "Scripts, plans, goals and understanding"):
what guests do after they have read the menu, and why they send back a soup.  Its relation is one of
the senses of the Penn Discourse Treebank (Prasad et al. 2008, LREC; PDTB-3 manual 2019, section 4):

- ``so``: Contingency.Cause, ``to``: Contingency.Purpose, ``but``: Comparison.Concession
- ``then``: Temporal.Asynchronous, ``while``: Temporal.Synchronous
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from mtlkit.lexicon import RELATIONS, LexiconError, Line, Verb
from mtlkit.valency import EVENTS, SlotReader, be, read_verb

__all__ = ["Half", "Link", "read_link"]

_ADJECTIVE = re.compile(r"([a-z]+(?:-[a-z]+)*)([+-]?)").fullmatch
_SIGN = {"+": 1, "-": -1, "": 0}


class Half(NamedTuple):
    """One of the two events: a verb with what this event wants, negated or not."""

    verb: Verb
    negated: bool

    @property
    def sign(self) -> int:
        """1: good news, -1: bad news, 0: neither."""
        return -self.verb.valence if self.negated else self.verb.valence


class Link(NamedTuple):
    """Two events and how the second follows from the first."""

    relation: str
    first: Half
    second: Half

    @property
    def sign(self) -> int | None:
        """What the link says as a whole; after "but" the second half decides; None: undecided."""
        one, two = self.first.sign, self.second.sign
        if self.relation == "but" and one:
            return two or None
        return one or two if one * two >= 0 else None


def read_link(line: Line, slot: SlotReader, past: Mapping[str, tuple[str, ...]]) -> Link | None:
    """Read ``so guest: spot speck => guest: send_back soup``; None if nothing fits here."""
    parts = re.fullmatch(r"([^=]+)=>([^:]+):([^:=]+)", line.body)
    if parts is None or line.keyword not in RELATIONS:
        rule = "a link is 'RELATION SUBJECT: VERB ... => SUBJECT: VERB ...'"
        raise LexiconError(f"{line.where}: {rule}; found {line.keyword} {line.head}: {line.body}")
    first = _half(line._replace(body=parts[1].strip()), slot, past)
    second = _half(line._replace(head=parts[2].strip(), body=parts[3].strip()), slot, past)
    if first is None or second is None:
        return None
    if line.keyword == "to" and first.verb.subject.classes != second.verb.subject.classes:
        rule = "both halves of 'to' have the same subject"
        raise LexiconError(f"{line.where}: {rule}, found {line.head!r} and {parts[2].strip()!r}")
    return Link(line.keyword, first, second)


def _half(line: Line, slot: SlotReader, past: Mapping[str, tuple[str, ...]]) -> Half | None:
    words = line.body.split()
    negated = "not" in words[:2]
    if words[:1] == ["is"]:
        found = [_ADJECTIVE(word) for word in " ".join(words[1 + negated :]).split(",")]
        adjectives = [match for match in found if match]
        signs = {_SIGN[match[2]] for match in adjectives}
        if len(adjectives) < len(found) or len(signs) != 1:
            rule = "'is ADJECTIVE,ADJECTIVE', all with the same sign"
            raise LexiconError(f"{line.where}: expected {rule}, found {line.body!r}")
        subject, names = slot("", line.head, line.where), tuple(m[1] for m in adjectives)
        return Half(be("is", subject, names, signs.pop()), negated) if subject.classes else None
    body = " ".join(words[1:] if words[:1] == ["not"] else words)
    verb = read_verb(line._replace(body=body), slot, past)
    if verb is not None and verb.frame not in EVENTS:
        raise LexiconError(f"{line.where}: a link has no clause in its halves, found {body!r}")
    return verb and Half(verb, words[:1] == ["not"])
