"""Verbs of the embedded world, with the frame that each stands in and what it selects.

*Valency* is what a verb wants beside it, and of which classes (Tesnière 1959, Éléments de syntaxe
structurale, part D; selectional preferences: Resnik 1996, Cognition 61).
"""

import re
from collections.abc import Callable, Mapping, Sequence

from mtlkit.inflection import verb_forms
from mtlkit.lexicon import (
    CLAUSAL,
    PARTICLES,
    PREPOSITIONS,
    Choices,
    LexiconError,
    Line,
    Slot,
    Verb,
)

__all__ = ["EVENTS", "NOTHING", "be", "read_verb"]

EVENTS = frozenset({"in", "tr", "di", "pr", "pt", "pu"})
"""Frames without a clause: eat, eat it, give her it, look at it, turn it off, put it there."""
NOTHING = Slot("", ())
_VERB = re.compile(r"([a-z]+(?:-[a-z]+)*)(?:_([a-z]+))?(~?)([+-]?)").fullmatch
SlotReader = Callable[[str, str, str], Slot]
"""From preposition, names of classes and ``file:line`` to a slot."""


def be(frame: str, subject: Slot, words: tuple[str, ...] = (), valence: int = 0) -> Verb:
    """The verb "be" in one of its frames; ``words``: the adjectives that a link asks for."""
    forms = verb_forms("be", "was", "been")
    nothing = (NOTHING, NOTHING, Choices[Slot]([]))
    return Verb("be", forms, "", frame, valence, True, subject, *nothing, words)


def read_verb(line: Line, slot: SlotReader, past: Mapping[str, tuple[str, ...]]) -> Verb | None:
    """Read ``verb subject: lemma complement; adjunct; *adverb``; None if nothing fits here."""
    first, *rest = [part.strip() for part in line.body.split(";")]
    head, *complement = first.split() or [""]
    match = _VERB(head)
    if match is None or (match[2] and match[2] not in PARTICLES):
        raise LexiconError(f"{line.where}: cannot read the verb {head!r}")
    lemma, particle, stative, sign = match.groups(default="")
    frame, obj, goal = _frame(complement, line, slot)
    slots = []
    for part in rest:
        match part.split():
            case [preposition, names] if preposition in PREPOSITIONS:
                slots.append(slot(preposition, names, line.where))
            case [word] if word.startswith("*"):
                pass
            case _:
                rule = "an adjunct is 'preposition classes' or '*adverb'"
                raise LexiconError(f"{line.where}: {rule}, found {part!r}")
    slots = [each for each in slots if each.classes]
    subject = slot("", line.head, line.where)
    wanted = [subject] + [obj] * (frame in EVENTS - {"in"} or frame.startswith("o-"))
    wanted += [goal] * (frame in ("di", "pu"))
    if not all(each.classes for each in wanted):
        return None
    return Verb(
        lemma=lemma, forms=verb_forms(lemma, *past.get(lemma, ())), particle=particle,
        frame="pt" if particle and frame == "tr" else frame,
        valence={"+": 1, "-": -1}.get(sign, 0), stative=bool(stative),
        subject=subject, object=obj, goal=goal, adjuncts=Choices(slots, [1.0] * len(slots)),
        adverbs=tuple(part[1:] for part in rest if part.startswith("*")),
    )  # fmt: skip


def _frame(parts: Sequence[str], line: Line, slot: SlotReader) -> tuple[str, Slot, Slot]:
    match parts:
        case []:
            return "in", NOTHING, NOTHING
        case [clause] if clause in CLAUSAL:
            return clause.lower(), NOTHING, NOTHING
        case [obj, clause] if clause in CLAUSAL:
            return f"o-{clause.lower()}", slot("", obj, line.where), NOTHING
        case [obj]:
            return "tr", slot("", obj, line.where), NOTHING
        case [preposition, obj] if preposition in PREPOSITIONS:
            return "pr", slot(preposition, obj, line.where), NOTHING
        case [receiver, ">" | ">for" as arrow, obj]:
            goal = slot(arrow[1:] or "to", receiver, line.where)
            return "di", slot("", obj, line.where), goal
        case [obj, preposition, goal] if preposition in PREPOSITIONS:
            places = slot(preposition, goal, line.where)
            return "pu", slot("", obj, line.where), places
    raise LexiconError(f"{line.where}: cannot read the complement {' '.join(parts)!r}")
