"""The embedded world: a generated treebank of short English sentences, with names and opinions.

A weighted dependency grammar (``data/world/grammar.txt``) is rewritten from left to right.  Verbs
choose the semantic classes of their arguments, and nouns those of their modifiers: these
*selectional preferences* (Resnik 1996, Cognition 61) decide attachment and the type of a name, and
they are the same in the labelled sentences of `generate` and in the plain text of `text`.
"""

import hashlib
import random
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from mtlkit.conllu import Sentence, Word
from mtlkit.grammar import DOMAINS, FOLDER, Choices, Slot, Verb, load
from mtlkit.phrases import Node, PhraseWriter, Scope, marked

__all__ = ["DOMAINS", "SPLITS", "WorldError", "checksum", "generate", "text"]

ALGORITHM = "world 1"  # in the checksum: change it whenever the same data give other sentences
SPLITS = ("train", "dev", "test")
_FILES = ("adjectives.tsv", "grammar.txt", "lexicon.toml", "names.toml", "verbs.tsv")
_UNSPACED = {",", ".", "!", "?", "”", "'s", "n't", "'ll", "'re", "'ve", "'m", "'d"}
_NONFINITE = {"Command": "VB", "ToVerb": "VB", "Gerund": "VBG", "Participle": "VBN"}
_WITH_SUBJECT = ("Clause", "Inverted", "Question", "Existential", "Passive", "ObjectRelative")
_VERBAL = (*_NONFINITE, *_WITH_SUBJECT, "Who", "Same", "SubjectRelative")
_NEGATABLE = ("Clause", "Inverted", "Passive", "Command")
_COPULAS = ("ja", "np", "lc", "op")
_BE = (*_COPULAS, "ex")
_CLAUSAL = ("cl", "tc", "tk", "xc", "xg")


class WorldError(ValueError):
    """An argument of the world is wrong."""


class Writer(PhraseWriter):
    """Writes clauses and sentences of one domain."""

    def __init__(self, domain: str, split: str, rng: random.Random) -> None:
        super().__init__(domain, split, rng)
        modals = self.lexicon["modals"]
        self.modals = Choices(list(modals), list(modals.values()))
        self.tenses = Choices(self.lexicon["tenses"]["names"].split(), self.settings["tense"])
        self.tense = ""  # past or present: of the sentence's first clause
        self.stative = frozenset(self.lexicon["stative"]["verbs"].split())
        self.phrases |= {
            "VP": self.complement, "Verb": self.verb, "Aux": self.auxiliaries, "NP": self.argument,
            "Speaker": partial(self.argument, role="subject"),
            "Object": self.object, "Particle": self.particle, "VerbPhrase": self.adjunct,
            "When": self.time, "Place": self.place, "Identity": self.identity,
            "Subject": lambda scope, argument: list(scope.subject),
            "Finite": lambda scope, argument: list(scope.finite),
            "Rest": lambda scope, argument: list(scope.rest),
        }  # fmt: skip
        self.phrases |= {symbol: partial(self.verbal, symbol) for symbol in _VERBAL}

    def sentence(self) -> tuple[list[Node], int]:
        """Write one sentence; return its words, linked and in order, and its polarity."""
        while True:
            self.tense, self.last, scope = "", "", Scope()
            scope.polarity = self.one_of((1, -1)) if self.settings["opinions"] else 0
            nodes = self.expand("Text", scope)
            if nodes:
                return _polished(nodes, self.uniform() < self.settings["lower"]), scope.polarity

    def verbal(self, symbol: str, outer: Scope, pool: str) -> list[Node]:
        """Open a clause: choose its verb, write its subject, conjugate, then follow the rules."""
        scope = outer.inner()
        share = self.settings["negation"] if symbol in _NEGATABLE else 0
        negated = self.uniform() < share * (1 if pool == "main" else 1.3)
        if negated:
            scope.polarity = -scope.polarity
        if pool == "opinion":
            pool = "opinion+" if scope.polarity > 0 else "opinion-"
        kind, cls = {
            **dict.fromkeys(("ToVerb", "Gerund", "Same"), ("subject", outer.subject_cls)),
            **dict.fromkeys(("ObjectRelative", "Participle"), ("object", outer.cls)),
            "SubjectRelative": ("subject", outer.cls),
            **dict.fromkeys(("Who", "Command"), ("subject", "person")),
            "Passive": ("pool", "object"),
        }.get(symbol, ("pool", pool))
        verbs = self.grammar.verbs.get((kind, cls))
        if verbs is None or scope.depth > 6 or (symbol == "Same" and outer.frame in _BE):
            return []
        scope.verb = verb = verbs.draw(self.uniform())
        scope.frame, scope.blocked = verb.frame, frozenset()
        scope.object_cls = cls if kind == "object" else ""
        scope.subject = ()
        if symbol in _WITH_SUBJECT:
            role = "indefinite" if verb.frame == "ex" else self.role(verb.subject, verb, "subject")
            passive = symbol == "Passive"
            slot = verb.object if passive else verb.subject
            scope.subject, inside = self.noun_phrase(slot, scope, role)
            scope.subject_cls, scope.agreement = inside.cls, inside.agreement
            if passive:
                scope.object_cls = inside.cls
        elif kind == "subject":  # said before, asked for, or understood
            scope.subject_cls = cls
            scope.agreement = 3 if symbol == "Who" else outer.agreement
        self.conjugate(symbol, scope, negated)
        return self.expand(symbol, scope)

    def conjugate(self, symbol: str, scope: Scope, negated: bool) -> None:
        """Fill ``finite``, ``rest`` and ``tag`` of a clause: tense, agreement and negation."""
        scope.finite, scope.rest, scope.feats = (), (), ""
        if symbol in _NONFINITE:
            scope.tag = _NONFINITE[symbol]
            scope.feats = self.lexicon["tags"]["imperative"] if symbol == "Command" else ""
            if negated:
                auxiliary = Node("do", "do", "AUX", "VB", "aux")
                auxiliary.feats, scope.feats = scope.feats, ""
                scope.finite = (auxiliary, Node("n't", "not", "PART", "RB", "advmod"))
            self.tense = self.tense or "present"
        if symbol in _NONFINITE or symbol == "Same":
            return
        tense = self.tenses.draw(self.uniform())
        if self.tense and self.uniform() < 0.85:  # a sentence mostly keeps its first clause's
            tense = self.tense
        quiet = scope.frame in _CLAUSAL or scope.verb.lemma in self.stative
        tense = "present" if tense == "progressive" and quiet else tense
        past = tense == "past" or (tense in ("progressive", "perfect") and self.uniform() < 0.35)
        self.tense = self.tense or ("past" if past else "present")
        scope.tense = "past" if past or tense == "perfect" else tense
        first = {"modal": self.modals.draw(self.uniform()), "progressive": "be", "perfect": "have"}
        links = [first[tense]] if tense in first else []
        links += ["be"] * ((symbol == "Passive") + (scope.frame in _BE))
        inverted = symbol in ("Inverted", "Question")
        never = negated and not inverted and tense != "modal" and self.uniform() < 0.15
        if not links and (inverted or (negated and not never)):
            links = ["do"]
        nodes, scope.tag = [], "VBD" if past else "VBZ" if scope.agreement == 3 else "VBP"
        for place, lemma in enumerate(links):
            if lemma not in self.lexicon["auxiliaries"]:
                nodes.append(Node(lemma, lemma, "AUX", "MD", "aux"))
                scope.tag = "VB"
                continue
            forms = [line.split() for line in self.lexicon["auxiliaries"][lemma]]
            index = ("VB", "VBN", "VBG").index(scope.tag) if place else scope.agreement - 1
            nodes.append(Node(forms[2 if place else past][index], lemma, "AUX", scope.tag, "aux"))
            passive = symbol == "Passive" and place == len(links) - 1
            scope.tag = {"do": "VB", "have": "VBN"}.get(lemma, "VBN" if passive else "VBG")
        if scope.frame in _COPULAS:
            nodes[-1].deprel = "cop"
        scope.finite, scope.rest = nodes[:1], nodes[1:]
        pronoun = [node.upos for node in scope.subject] == ["PRON"]
        contracted = self.uniform() < self.settings["contraction"]
        if never:
            scope.rest = [Node("never", "never", "ADV", "RB", "advmod"), *nodes[1:]]
        elif negated and contracted and nodes[0].form not in ("am", "may", "might"):
            nodes[0].form = self.lexicon["forms"]["stem"].get(nodes[0].form, nodes[0].form)
            scope.finite = [nodes[0], Node("n't", "not", "PART", "RB", "advmod")]
        elif negated:
            scope.rest = [Node("not", "not", "PART", "RB", "advmod"), *nodes[1:]]
        elif nodes and contracted and symbol == "Clause" and pronoun:
            short = self.lexicon["forms"]["contracted"]
            nodes[0].form = short.get(nodes[0].form, nodes[0].form)

    # What the grammar names and the lexicon fills.

    def verb(self, scope: Scope, argument: str) -> list[Node]:
        self.last = ""
        if scope.frame == "ex":  # the last auxiliary is the verb
            form = (*scope.finite, *scope.rest)[-1]
            return [Node(form.form, "be", "VERB", form.xpos)]
        node = Node(scope.verb.forms[scope.tag], scope.verb.lemma, "VERB", scope.tag)
        node.feats = scope.feats
        return [node]

    def auxiliaries(self, scope: Scope, argument: str) -> list[Node]:
        nodes = [*scope.finite, *scope.rest]
        return nodes[:-1] if scope.frame == "ex" else nodes

    def complement(self, scope: Scope, argument: str) -> list[Node]:
        return self.expand(f"VP.{scope.frame}", scope)

    def role(self, slot: Slot, verb: Verb, usual: str) -> str:
        """What an opinion is about is named by a definite common noun."""
        about = verb.polarity != "0" and slot.classes[0] not in self.people
        return "definite" if about else usual

    def particle(self, scope: Scope, argument: str) -> list[Node]:
        return [Node(scope.verb.particle, scope.verb.particle, "ADP", "RP")]

    def object(self, scope: Scope, argument: str) -> list[Node]:
        verb = scope.verb
        scope.blocked = verb.licensed
        role = self.role(verb.object, verb, "object")
        nodes, inside = self.noun_phrase(verb.object, scope, role)
        scope.object_cls = inside.cls
        return marked(verb.particle, nodes) if verb.frame == "pr" else nodes

    def adjunct(self, scope: Scope, argument: str) -> list[Node]:
        """A prepositional phrase of the verb, which no noun before it would take."""
        slots = scope.verb.adjuncts
        if not slots.things or self.last == "clause":
            return []
        slot = slots.draw(self.uniform())
        cls = self.one_of(slot.classes)
        if (slot.preposition, cls) in self.takes.get(scope.object_cls, ()):
            return []
        if (slot.preposition, cls) in self.takes.get(self.last, ()):
            return []
        taken = scope.verb.licensed | self.takes.get(scope.object_cls, frozenset())
        return self.prepositional(Slot(slot.preposition, (cls,), slot.certain), scope, taken)

    def time(self, scope: Scope, argument: str) -> list[Node]:
        return [] if self.last == "clause" else self.expand(f"Time.{scope.tense}", scope)

    def argument(self, scope: Scope, argument: str, role: str = "object") -> list[Node]:
        """``NP[class]``; ``=`` is the class of the subject, ``<`` what the verb's subject is."""
        if argument == "<":
            slot = scope.verb.subject
        else:
            names = self.lexicon["groups"].get(argument, argument).split()
            slot = Slot("", tuple(names) if argument != "=" else (scope.subject_cls,), True)
        return self.noun_phrase(slot, scope, role)[0]

    def place(self, scope: Scope, argument: str) -> list[Node]:
        return self.expand("Place.anyone" if scope.subject_cls in self.people else "Place", scope)

    def identity(self, scope: Scope, argument: str) -> list[Node]:
        kind = self.lexicon["names"].get(scope.subject_cls, "thing")
        return self.expand(f"Identity.{kind}", scope) if scope.agreement != 2 else []


def _polished(nodes: list[Node], lower: bool) -> list[Node]:
    """Number the words, drop commas that meet a stronger stop, and set "an" and capitals."""
    kept = [
        node
        for node, after in zip(nodes, [*nodes[1:], None], strict=True)
        if node.form != "," or (after is not None and after.form not in (".", "!", "?", ",", "”"))
    ]
    for place, node in enumerate(kept, start=1):
        node.index = place
        if node.form == "a" and re.match(r"[aeio]|u(?!ni)", kept[place].form, re.IGNORECASE):
            node.form = "an"
        if lower:
            node.form = node.form.lower()
    first = next(node for node in kept if node.upos != "PUNCT")
    first.form = first.form if lower else first.form[0].upper() + first.form[1:]
    return kept


def _features(lexicon: dict[str, Any], node: Node) -> str:
    """The morphological features of a word; pronouns and determiners have a type only."""
    if node.upos not in ("PRON", "DET"):
        return node.feats or lexicon["tags"].get(node.xpos, "_")
    kind = "relative" if node.xpos == "WDT" else node.lemma
    return f"PronType={lexicon['prontypes'].get(kind, 'Prs')}"


def _sentence(nodes: list[Node], lexicon: dict[str, Any], comments: list[str]) -> Sentence:
    words, spaced = [], []
    for node, after in zip(nodes, [*nodes[1:], None], strict=True):
        close = node.form == "“" or (after is not None and after.form in _UNSPACED)
        misc = [f"NER={node.ner}"] * bool(node.ner) + ["SpaceAfter=No"] * close
        head, relation = (node.head.index, node.deprel) if node.head else (0, "root")
        columns = (node.form, node.lemma, node.upos, node.xpos, _features(lexicon, node))
        words.append(Word(*columns, head, relation, "_", "|".join(misc) or "_"))
        spaced.append(node.form + " " * (not close))
    return Sentence(tuple(words), (*comments, f"text = {''.join(spaced).rstrip()}"))


def _write(
    n: int, stream: str, split: str, domain: str | None
) -> Iterator[tuple[str, list[Node], int]]:
    """Yield (domain, words, polarity); ``stream`` seeds the generator, the same everywhere."""
    if n < 0:
        raise WorldError(f"the number of sentences must be 0 or more, found {n}")
    if domain is not None and domain not in DOMAINS:
        raise WorldError(f"there is no domain {domain!r}; take one of {', '.join(DOMAINS)}")
    rng = random.Random(stream)  # of a string: seeded by its SHA-512, not by its hash
    writers = {name: Writer(name, split, rng) for name in DOMAINS}
    shares = [load(name).lexicon["domains"][name]["share"] for name in DOMAINS]
    domains = Choices(DOMAINS if domain is None else (domain,), shares if domain is None else None)
    for _ in range(n):
        name = domains.draw(rng.random())
        yield name, *writers[name].sentence()


def generate(
    n: int, *, seed: int, split: str = "train", domain: str | None = None
) -> list[Sentence]:
    """Return ``n`` sentences with parts of speech, trees and names, all of one domain if named.

    Names are in MISC (``NER=B-PER``); comments give the domain and, for a review, the sentiment of
    the sentence.  Dev and test also have names that training and `text` never have.  The first
    sentences of a longer list are those of a shorter one.  Raises `WorldError`.

    >>> [sentence] = generate(1, seed=3, domain="review")
    >>> sentence.comment("domain"), sentence.comment("sentiment") in ("positive", "negative")
    ('review', True)
    """
    if split not in SPLITS:
        raise WorldError(f"there is no split {split!r}; take one of {', '.join(SPLITS)}")
    lexicon = load(DOMAINS[0]).lexicon
    prefix = "-".join(["world", split, str(seed), *([domain] if domain else [])])
    sentences = []
    stream = f"{split} {seed} {domain or ''}"
    for number, (name, nodes, polarity) in enumerate(_write(n, stream, split, domain), start=1):
        comments = [f"sent_id = {prefix}-{number}", f"domain = {name}"]
        if polarity:
            comments.append(f"sentiment = {'positive' if polarity > 0 else 'negative'}")
        sentences.append(_sentence(nodes, lexicon, comments))
    return sentences


def text(n: int, *, seed: int) -> Iterator[tuple[str, ...]]:
    """Yield the words of ``n`` sentences without labels, with training's names; see `generate`."""
    for _, nodes, _ in _write(n, f"text {seed}", "train", None):
        yield tuple(node.form for node in nodes)


def checksum() -> str:
    """Return the SHA-256 of the grammar, the lexicon and the version of the algorithm."""
    digest = hashlib.sha256(ALGORITHM.encode())
    for name in _FILES:
        data = (FOLDER / name).read_bytes()
        digest.update(f"\n{name} {len(data)}\n".encode() + data)
    return digest.hexdigest()
