"""Inflection of English words: plurals, verb forms, comparison.

Regular forms follow the spelling rules of Quirk et al. (1985), A Comprehensive Grammar of the
English Language, sections 3.5-3.10, 5.79-5.81 and 7.79; the lexicon lists what they do not
give.
"""

import re
from functools import cache

__all__ = ["compared", "doubles", "plural", "verb_forms"]

_SIBILANT = r"(s|x|z|ch|sh)$"
# Stress on the last syllable doubles its consonant; British English also doubles every l.
_DOUBLED = {
    "abhor", "acquit", "admit", "allot", "babysit", "begin", "cancel", "channel", "commit",
    "compel", "confer", "control", "defer", "deter", "dial", "duel", "emit", "enrol", "equal",
    "equip", "excel", "expel", "forbid", "forget", "format", "fuel", "funnel", "handicap",
    "hiccup", "incur", "infer", "initial", "intermit", "kennel", "kidnap", "label", "level",
    "marvel", "model", "occur", "omit", "outrun", "outwit", "overlap", "overrun", "panel",
    "parcel", "patrol", "pedal", "permit", "prefer", "program", "propel", "quarrel", "quiz",
    "rebel", "recur", "refer", "regret", "remit", "repel", "rival", "shovel", "signal",
    "spiral", "stencil", "submit", "total", "transfer", "travel", "tunnel", "unplug", "unwrap",
    "unzip", "upset", "worship",
}  # fmt: skip


def doubles(word: str) -> bool:
    """Whether the last consonant is doubled before an ending that begins with a vowel.

    >>> doubles("stop"), doubles("open"), doubles("travel"), doubles("fix"), doubles("quit")
    (True, False, True, False, True)
    """
    return word in _DOUBLED or bool(
        re.fullmatch(r"[^aeiou]*(?:[^aeiouq]|qu|^)[aeiou][bdgklmnprt]", word)
    )


def plural(word: str, sibilant: str = _SIBILANT) -> str:
    """Return the regular plural, which is also how a verb forms its third person.

    >>> plural("berry"), plural("box"), plural("toy")
    ('berries', 'boxes', 'toys')
    """
    if re.search(r"([^aeiou]|qu)y$", word):
        return word[:-1] + "ies"
    if re.search(r"[^aeiou][aeiou]z$|uiz$", word):
        return word + "zes"  # quizzes
    return word + ("es" if re.search(sibilant, word) else "s")


def _ended(word: str, ending: str) -> str:
    """Add -ed, -er or -est."""
    if word.endswith("e"):
        return word + ending[1:]
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "i" + ending
    if word.endswith("ic"):
        return word + "k" + ending  # panicked
    return word + word[-1] * doubles(word) + ending


@cache
def verb_forms(lemma: str, past: str = "", participle: str = "") -> dict[str, str]:
    """Return a verb's forms by tag; those given are irregular.

    >>> verb_forms("stop")["VBG"], verb_forms("tie")["VBZ"], verb_forms("try")["VBD"]
    ('stopping', 'ties', 'tried')
    """
    past = past or _ended(lemma, "ed")
    third = {"have": "has", "be": "is"}.get(lemma) or plural(lemma, r"(s|x|z|ch|sh|[^aeiou]o)$")
    if lemma.endswith("ie"):
        progressive = lemma[:-2] + "ying"
    elif re.search(r"[^eoy]e$", lemma) and lemma not in ("be", "singe", "binge"):
        progressive = lemma[:-1] + "ing"
    else:
        stem = re.sub(r"i?ed$", "", _ended(lemma, "ed"))
        progressive = (lemma if lemma[-1] in "ye" else stem) + "ing"
    forms = {"VB": lemma, "VBP": lemma, "VBZ": third, "VBD": past}
    return forms | {"VBN": participle or past, "VBG": progressive}


def compared(word: str, ending: str) -> str:
    """Return a comparative ("er") or superlative ("est"), "" where it takes "more" or "most".

    >>> compared("big", "er"), compared("happy", "est"), compared("useful", "er")
    ('bigger', 'happiest', '')
    """
    short = re.fullmatch(r"[^aeiouy]*[aeiouy]+[^aeiouy]*e?|[^aeiou]*[aeiou]+[^aeiou]+y", word)
    return _ended(word, ending) if short and not word.endswith(("ed", "ing")) else ""
