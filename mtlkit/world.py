"""The embedded world: a generated treebank of English sentences, with names and opinions.

Every sentence is set in a *scene*, whose words know what may stand with what and which events
belong together (`mtlkit.scenes`), and is written by a weighted dependency grammar
(``data/world/grammar.txt``).  Selectional preferences decide attachment and the type of a name;
they are the same in the labelled sentences of `generate` and in the plain text of `text`.
"""

import hashlib
import random
import re
from collections.abc import Iterator

from mtlkit.clauses import ClauseWriter
from mtlkit.conllu import Sentence, Word
from mtlkit.derivation import Node, Scope, top_of
from mtlkit.lexicon import DOMAINS, FOLDER, Choices, words
from mtlkit.scenes import scene, shares

__all__ = ["DOMAINS", "SPLITS", "WorldError", "checksum", "generate", "stream", "text"]

ALGORITHM = "world 5"  # in the checksum: change it whenever the same data give other sentences
SPLITS = ("train", "dev", "test")
_UNSPACED = frozenset({*",.!?;”", "'s", "n't", "'ll", "'re", "'ve", "'m", "'d"})
_VOWEL = re.compile(
    r"(?!uni|use|usu|euro|one\b|once)[aeio]|u(?!ni|s[aeiu]|k)|hour|honest|honou?r|heir|8|11\b|18\b",
    re.I,
)
_WH = frozenset({"what", "who", "which", "why", "when", "where", "how"})


class WorldError(ValueError):
    """An argument of the world is wrong."""


class Writer(ClauseWriter):
    """Writes sentences of one domain."""

    def __init__(self, domain: str, split: str, rng: random.Random) -> None:
        super().__init__(domain, split, rng)
        weights = [share.get(domain, 0.0) for share in shares().values()]
        self.of_scenes = Choices(list(shares()), weights)

    def sentence(self) -> tuple[list[Node], int]:
        """Write one sentence; return its words, linked and in order, and its polarity."""
        while True:
            self.scene = scene(self.of_scenes.draw(self.uniform()))
            self.begin()
            scope = Scope()
            scope.polarity = self.one_of((1, -1)) if self.opinions else 0
            nodes = self.expand("Text", scope)
            if nodes:
                return _polished(nodes, self.uniform() < self.settings["lower"]), scope.polarity


def _polished(nodes: list[Node], lower: bool) -> list[Node]:
    """Number the words, drop commas that meet another stop, and set "an" and capitals."""
    kept = [
        node
        for node, after in zip(nodes, [*nodes[1:], None], strict=True)
        if node.form not in ",;" or (after is not None and after.upos != "PUNCT")
    ]
    for place, node in enumerate(kept, start=1):
        node.index = place
        if node.form == "a" and place < len(kept) and _VOWEL.match(kept[place].form):
            node.form = "an"
        if lower:
            node.form = node.form.lower()
    first = next(node for node in kept if node.upos != "PUNCT")
    first.form = first.form if lower else first.form[0].upper() + first.form[1:]
    return kept


def _kind(nodes: list[Node]) -> str:
    """The type of a sentence, as GUM names it: decl, q, wh, imp, frag or intj."""
    root = top_of(nodes)
    mine = {node.deprel for node in nodes if node.head is root}
    if nodes[-1].form == "?":
        return "wh" if nodes[0].form.lower() in _WH and nodes[0].deprel != "advcl" else "q"
    if root.upos == "INTJ":
        return "intj"
    helpers = [node for node in nodes if node.head is root and node.upos == "AUX"]
    if "Mood=Imp" in root.feats or any("Mood=Imp" in node.feats for node in helpers):
        return "imp"
    finite = {"nsubj", "nsubj:pass", "csubj", "expl"} & mine
    return "decl" if finite else "frag"


def _features(node: Node) -> str:
    """The morphological features of a word, in the order that Universal Dependencies ask for."""
    table = words()
    if node.feats:
        return node.feats
    if node.upos in ("PRON", "DET", "PART"):
        return str(table["features"].get(node.lemma, "_"))
    return str(table["tags"].get(node.xpos, "_"))


def _sentence(nodes: list[Node], comments: list[str]) -> Sentence:
    found, spaced = [], []
    for node, after in zip(nodes, [*nodes[1:], None], strict=True):
        close = node.form in ("“", "$") or (
            after is not None
            and (after.form in _UNSPACED or (node.form, after.form) == ("can", "not"))
        )
        misc = [f"NER={node.ner}"] * bool(node.ner) + [f"Sense={node.sense}"] * bool(node.sense)
        misc += ["SpaceAfter=No"] * close
        head, relation = (node.head.index, node.deprel) if node.head else (0, "root")
        columns = (node.form, node.lemma, node.upos, node.xpos, _features(node))
        found.append(Word(*columns, head, relation, "_", "|".join(misc) or "_"))
        spaced.append(node.form + " " * (not close))
    return Sentence(tuple(found), (*comments, f"text = {''.join(spaced).rstrip()}"))


def _write(
    n: int, stream: str, split: str, domain: str | None
) -> Iterator[tuple[str, list[Node], int, str]]:
    """Yield (domain, words, polarity, scene); ``stream`` is the seed, the same everywhere."""
    if n < 0:
        raise WorldError(f"the number of sentences must be 0 or more, found {n}")
    if domain is not None and domain not in DOMAINS:
        raise WorldError(f"there is no domain {domain!r}; take one of {', '.join(DOMAINS)}")
    rng = random.Random(stream)  # of a string: seeded by its SHA-512, not by its hash
    writers = {name: Writer(name, split, rng) for name in DOMAINS}
    shares = [words()["domains"][name]["share"] for name in DOMAINS]
    domains = Choices(DOMAINS if domain is None else (domain,), shares if domain is None else [1.0])
    for _ in range(n):
        writer = writers[name := domains.draw(rng.random())]
        nodes, polarity = writer.sentence()
        yield name, nodes, polarity, writer.scene.name


def stream(
    n: int, *, seed: int, split: str = "train", domain: str | None = None
) -> Iterator[Sentence]:
    """Yield ``n`` sentences with parts of speech, trees and names, all of one domain if named.

    MISC has the names (``NER=B-PER``) and the latent class of nouns and names (``Sense=food``);
    comments give the domain, the scene, the sentence's type (``s_type``) and, for a review, its
    sentiment.  Dev and test also have names that training and `text` never have.  The first
    sentences of a longer stream are those of a shorter one.  Raises `WorldError`.

    >>> [sentence] = stream(1, seed=3, domain="review")
    >>> sentence.comment("domain"), sentence.comment("sentiment") in ("positive", "negative")
    ('review', True)
    """
    if split not in SPLITS:
        raise WorldError(f"there is no split {split!r}; take one of {', '.join(SPLITS)}")
    prefix = "-".join(["world", split, str(seed), *([domain] if domain else [])])
    written = _write(n, f"{split} {seed} {domain or ''}", split, domain)
    for number, (name, nodes, polarity, setting) in enumerate(written, start=1):
        comments = [f"sent_id = {prefix}-{number}", f"domain = {name}", f"scene = {setting}"]
        comments.append(f"s_type = {_kind(nodes)}")
        if polarity:
            comments.append(f"sentiment = {'positive' if polarity > 0 else 'negative'}")
        yield _sentence(nodes, comments)


def generate(
    n: int, *, seed: int, split: str = "train", domain: str | None = None
) -> list[Sentence]:
    """Return the ``n`` sentences of `stream` as a list."""
    return list(stream(n, seed=seed, split=split, domain=domain))


def text(n: int, *, seed: int) -> Iterator[tuple[str, ...]]:
    """Yield the words of ``n`` sentences without labels, with training's names; see `stream`."""
    for _, nodes, _, _ in _write(n, f"text {seed}", "train", None):
        yield tuple(node.form for node in nodes)


def checksum() -> str:
    """Return the SHA-256 of the grammar, the lexicon and the version of the algorithm."""
    digest = hashlib.sha256(ALGORITHM.encode())
    for path in sorted(FOLDER.rglob("*.t*")):  # .txt and .toml
        data = path.read_bytes()
        digest.update(f"\n{path.relative_to(FOLDER).as_posix()} {len(data)}\n".encode() + data)
    return digest.hexdigest()
