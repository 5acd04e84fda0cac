"""Discourse of the embedded world: pairs of events that belong together, as a scene tells them.

A *link* is a step of a script (Schank & Abelson 1977, "Scripts, plans, goals and understanding"):
what guests do after they have read the menu, and why they send back a soup.  Its relation is one of
the senses of the Penn Discourse Treebank (Prasad et al. 2008, LREC; PDTB-3 manual 2019, section 4):

- ``so``: Contingency.Cause, ``to``: Contingency.Purpose, ``but``: Comparison.Concession
- ``then``: Temporal.Asynchronous, ``while``: Temporal.Synchronous
"""

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple

from mtlkit.lexicon import RELATIONS, Entry, LexiconError, Line, Verb
from mtlkit.valency import EVENTS, SlotReader, be, read_verb

__all__ = ["Half", "Link", "read_link", "tabled"]

_ADJECTIVE = re.compile(r"([a-z]+(?:-[a-z]+)*)([+-]?)").fullmatch
_SIGN = {"+": 1, "-": -1, "": 0}


class Half(NamedTuple):
    """One of the two events: a verb with what this event wants, negated or not."""

    verb: Verb
    negated: bool
    details: bool = False  # whether its phrases are none that the link asks for

    def meets(self, other: "Half") -> bool:
        """Whether the other is the same event: one verb, and nouns that both of them can have."""
        mine, its = self.verb, other.verb
        same = (self.negated, mine.entry) == (other.negated, its.entry)
        slots = [
            (mine.subject.classes, its.subject.classes),
            (mine.object.classes, its.object.classes),
        ]
        slots += [(mine.adverbs, its.adverbs)] * (mine.frame == "is")
        return same and all(not one or not set(one).isdisjoint(two) for one, two in slots)

    @property
    def sign(self) -> int:
        """1: good news, -1: bad news, 0: neither."""
        return -self.verb.valence if self.negated else self.verb.valence

    def detailed(self, verbs: Mapping[Entry, Sequence[Verb]]) -> "Half":
        """The event with the phrases and adverbs that one of these verbs has for it.

        What the link itself says stays.
        """
        mine = self.verb
        for verb in verbs.get(mine.entry, ()):
            wider = all(
                set(narrow.classes) <= set(wide.classes)
                for narrow, wide in ((mine.subject, verb.subject), (mine.object, verb.object))
            )
            if wider:
                details = not mine.adjuncts.things
                adjuncts = verb.adjuncts if details else mine.adjuncts
                adverbs = mine.adverbs or verb.adverbs
                verb = mine._replace(adjuncts=adjuncts, adverbs=adverbs)
                return self._replace(verb=verb, details=details)
        return self


class Link(NamedTuple):
    """Two events and how the second follows from the first.

    A link whose first event is the second one of another leads that one on: together they are a
    chain.
    """

    relation: str
    first: Half
    second: Half

    def of(self, change: Callable[[Verb], Verb]) -> "Link":
        """The link with both verbs changed."""
        one, two = (h._replace(verb=change(h.verb)) for h in (self.first, self.second))
        return self._replace(first=one, second=two)

    def detailed(self, verbs: Mapping[Entry, Sequence[Verb]]) -> "Link":
        """The link with the details of both events; ``verbs`` are those of the scene, by entry."""
        return self._replace(first=self.first.detailed(verbs), second=self.second.detailed(verbs))

    @property
    def sign(self) -> int | None:
        """What the link says as a whole; after "but" the second half decides; None: undecided."""
        one, two = self.first.sign, self.second.sign
        if self.relation == "but" and one:
            return two or None
        return one or two if one * two >= 0 else None


def tabled(
    links: Sequence[Link], weight: Callable[[Verb], float]
) -> dict[tuple[str, Hashable], list[tuple[Link, float]]]:
    """Sort links by relation and by what they say of it (see `Link.sign`); None holds them all.

    With "*" after the relation those that others lead on; with "+" before it, and a link, those
    that lead this one on.  The first ones are the commonest.
    """
    found: dict[tuple[str, Hashable], list[tuple[Link, float]]] = defaultdict(list)
    events: dict[str, list[Link]] = defaultdict(list)
    for link in links:
        events[link.first.verb.lemma].append(link)
    for link in links:
        following = [
            more
            for more in events[link.second.verb.lemma]
            if more is not link and more.relation != "while" and link.second.meets(more.first)
        ]
        for more in following:
            found[f"+{more.relation}", id(link)].append((more, 1.0))
        share = sum(weight(half.verb) for half in (link.first, link.second))
        for relation in (link.relation, *[f"{link.relation}*"] * bool(following)):
            for sign in {None, link.sign}:
                entry = found[relation, sign]
                entry.append((link, share / (len(entry) + 9)))
    return found


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
