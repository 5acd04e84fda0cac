"""Clauses: tense and agreement, and what follows a verb in each of its frames."""

import random
from collections import Counter, defaultdict

from mtlkit import world
from mtlkit.conllu import Sentence
from mtlkit.derivation import Scope


def frames(domain: str, n: int = 3000) -> dict[str, Counter[tuple[str, ...]]]:
    """By frame, the relations that the verbs of main clauses have."""
    one = world.Writer(domain, "train", random.Random(5))
    found: dict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for _ in range(n):
        one.sentence()
        one.topic = None
        one.used.clear()
        scope = Scope()
        nodes = one.verbal("Clause", scope, "main")
        if nodes and one.topic is not None:
            root = next(node for node in nodes if node.head is None)
            relations = tuple(node.deprel for node in nodes if node.head is root)
            found[one.topic.frame][relations] += 1
    return found


def test_every_frame_has_its_arguments() -> None:
    needed = {
        "tr": {"obj"}, "pr": {"obl"}, "pt": {"obj", "compound:prt"}, "pu": {"obj", "obl"},
        "that": {"ccomp"}, "to": {"xcomp"}, "ing": {"xcomp"}, "o-to": {"obj", "xcomp"},
        "o-bare": {"obj", "xcomp"}, "wh": {"ccomp"}, "ja": {"cop"}, "np": {"cop"}, "lc": {"cop"},
    }  # fmt: skip
    found = frames("news")
    for frame, relations in needed.items():
        assert found[frame].total() >= 3, frame
        for present in found[frame]:
            assert relations <= set(present), (frame, present)
            assert "nsubj" in present
    double = [present for present in found["di"] if "iobj" in present]
    prepositional = [present for present in found["di"] if "iobj" not in present]
    assert double and prepositional
    assert all("obj" in present for present in (*double, *prepositional))
    assert all("obj" not in present for present in found["in"])


def tense(sentence: Sentence, number: int) -> str:
    words = [sentence.words[number]]
    words += [w for w in sentence.words if w.head == number + 1 and w.deprel[:3] in ("aux", "cop")]
    return "past" if any("Tense=Past|VerbForm=Fin" in word.feats for word in words) else "other"


def test_a_clause_within_a_past_one_that_says_when_is_past_too() -> None:
    seen = 0
    for sentence in world.generate(4000, seed=3, domain="news"):
        for number, word in enumerate(sentence.words):
            if word.deprel != "advcl" or "VerbForm=Fin" not in word.feats:
                continue
            if tense(sentence, word.head - 1) == "past" and sentence.words[word.head - 1].head == 0:
                assert tense(sentence, number) == "past", sentence.comment("text")
                seen += 1
    assert seen > 100
