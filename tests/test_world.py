"""The embedded world: valid trees, reproducible, hard for the reasons that it promises."""

import subprocess
import sys
import time
from collections import Counter, defaultdict
from functools import cache

import pytest

from mtlkit import conllu, grammar, world
from mtlkit.conllu import Sentence, Word, misc_value

RELATIONS = """
acl advcl advmod amod appos aux case cc ccomp compound conj cop det discourse expl flat iobj mark
nmod nsubj nummod obj obl parataxis punct root vocative xcomp
"""
VOWEL_U = {"uncle", "uncles", "ugly", "update", "updates"}
OPINIONS = {"recommend": 1, "love": 1, "enjoy": 1, "like": 1, "impress": 1, "delight": 1}
OPINIONS |= {"hate": -1, "regret": -1, "disappoint": -1, "annoy": -1, "break": -1}


@cache
def sample(n: int = 3000, split: str = "train", domain: str | None = None) -> tuple[Sentence, ...]:
    return tuple(world.generate(n, seed=11, split=split, domain=domain))


@cache
def nouns() -> dict[str, set[str]]:
    """The classes of each noun."""
    found = defaultdict(set)
    for cls, words in grammar.load("news").nouns.items():
        for noun in words.things:
            found[noun.lemma].add(cls)
    return found


def children(sentence: Sentence, number: int) -> list[tuple[int, Word]]:
    return [(n, word) for n, word in enumerate(sentence.words, start=1) if word.head == number]


def name_words(sentences: tuple[Sentence, ...]) -> Counter[str]:
    return Counter(w.form.lower() for s in sentences for w in s.words if misc_value(w, "NER"))


# ---- trees


def test_sentences_are_valid_conllu_and_come_back_unchanged() -> None:
    text = conllu.format(sample())
    assert conllu.format(conllu.parse(text)) == text
    used = {word.deprel for sentence in sample() for word in sentence.words}
    assert used == set(RELATIONS.split())


def test_trees_are_projective_and_heads_are_words_not_punctuation() -> None:
    for sentence in sample():
        arcs = [(min(n, h), max(n, h)) for n, h in enumerate(sentence.heads, start=1) if h]
        for low, high in arcs:
            assert not any(low < a < high < b or a < low < b < high for a, b in arcs)
            assert not (sentence.words[high - 1].deprel == "punct" == sentence.words[low - 1].upos)
        for word in sentence.words:
            governor = sentence.words[word.head - 1] if word.head else None
            assert governor is None or governor.upos not in ("PUNCT", "ADP", "DET", "PART")


def test_functions_agree_with_parts_of_speech() -> None:
    expected = {"det": {"DET"}, "case": {"ADP", "PART"}, "aux": {"AUX"}, "cop": {"AUX"}}
    expected |= {"punct": {"PUNCT"}, "mark": {"SCONJ", "PART"}, "cc": {"CCONJ"}, "amod": {"ADJ"}}
    for word in (word for sentence in sample() for word in sentence.words):
        assert word.upos in expected.get(word.deprel, {word.upos})


def test_punctuation_capitals_and_articles() -> None:
    for sentence in sample():
        text = sentence.comment("text") or ""
        spaced = "".join(
            word.form + " " * (misc_value(word, "SpaceAfter") != "No") for word in sentence.words
        )
        assert text == spaced.rstrip()
        assert sentence.forms[-1] in ".!?"
        assert ", ." not in text and ",." not in text and ",," not in text and " ," not in text
        letters = [letter for letter in text if letter.isalpha()]
        assert letters[0].isupper() or text == text.lower()
        for article, after in zip(sentence.forms, sentence.forms[1:], strict=False):
            if article.lower() in ("a", "an"):
                assert (article.lower() == "an") == (
                    after[0].lower() in "aeio" or after.lower() in VOWEL_U
                )


def test_pronouns_have_the_case_of_their_function() -> None:
    for word in (word for sentence in sample(6000) for word in sentence.words):
        if word.xpos == "PRP" and word.lemma not in ("it", "you"):
            nominative = word.deprel == "nsubj"
            assert (word.form.lower() == word.lemma.lower()) == nominative


def test_verbs_agree_with_their_subjects() -> None:
    """A third person singular has a singular subject; "I", "you", "we" and "they" never do."""
    checked = 0
    for sentence in sample():
        for number, word in enumerate(sentence.words, start=1):
            if word.xpos not in ("VBZ", "VBP"):
                continue
            clause = number if word.upos == "VERB" else word.head
            subjects = [w for _, w in children(sentence, clause) if w.deprel == "nsubj"]
            for subject in subjects:
                if subject.lemma in ("I", "you", "we", "they") or subject.xpos == "NNS":
                    assert word.xpos == "VBP"
                    checked += 1
                elif subject.lemma in ("he", "she", "it"):
                    assert word.xpos == "VBZ"
                    checked += 1
    assert checked > 300


# ---- the same everywhere


def test_the_same_in_a_fresh_process_whatever_its_hashes() -> None:
    program = (
        "import hashlib; from mtlkit import conllu, world;"
        "text = conllu.format(world.generate(300, seed=5, split='dev'));"
        "text += repr(list(world.text(100, seed=5))) + world.checksum();"
        "print(hashlib.sha256(text.encode()).hexdigest())"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1


def test_a_longer_list_begins_with_the_shorter_one() -> None:
    assert world.generate(40, seed=2) == world.generate(90, seed=2)[:40]
    assert world.generate(40, seed=2) != world.generate(40, seed=3)
    assert world.generate(0, seed=2) == []


def test_splits_and_text_are_other_sentences() -> None:
    first = {split: [s.forms for s in sample(300, split)] for split in world.SPLITS}
    first["text"] = list(world.text(300, seed=11))
    for one, two in zip(first.values(), [*list(first.values())[1:], first["train"]], strict=True):
        assert one != two
        assert len(set(one) & set(two)) < 30


def test_text_is_words_of_the_same_language() -> None:
    labelled = Counter(word.form.lower() for s in sample() for word in s.words)
    plain = Counter(form.lower() for words in world.text(3000, seed=1) for form in words)
    common = {form for form, _ in labelled.most_common(100)}
    assert len(common & {form for form, _ in plain.most_common(130)}) >= 95


def test_checksum_depends_on_the_data(tmp_path, monkeypatch) -> None:
    before = world.checksum()
    assert len(before) == 64 and before == world.checksum()
    for path in grammar.FOLDER.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes() + b"\n")
    monkeypatch.setattr(world, "FOLDER", tmp_path)
    assert world.checksum() != before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": -1}, r"^the number of sentences must be 0 or more, found -1$"),
        ({"split": "tset"}, r"^there is no split 'tset'; take one of train, dev, test$"),
        ({"domain": "blog"}, r"^there is no domain 'blog'; take one of news, review, message, gu"),
    ],
)
def test_wrong_arguments(arguments, message) -> None:
    with pytest.raises(world.WorldError, match=message):
        world.generate(**{"n": 1, "seed": 1} | arguments)


def test_negative_lengths_of_text_are_refused() -> None:
    with pytest.raises(world.WorldError, match="must be 0 or more, found -2"):
        list(world.text(-2, seed=1))


def test_ids_are_unique() -> None:
    sentences = [*sample(500), *sample(500, "dev"), *sample(500, "train", "news")]
    assert len({sentence.comment("sent_id") for sentence in sentences}) == len(sentences)


# ---- names


def test_spans_of_names_are_well_formed_and_of_proper_nouns() -> None:
    kinds = Counter()
    for sentence in sample():
        tags = [misc_value(word, "NER") or "O" for word in sentence.words]
        kinds.update(tag for tag in tags if tag != "O")
        for before, tag, word in zip(["O", *tags], tags, sentence.words, strict=False):
            assert tag[0] != "I" or before in (f"B{tag[1:]}", tag)
            assert tag == "O" or word.upos == "PROPN"
    assert set(kinds) == {f"{place}-{kind}" for place in "BI" for kind in ("PER", "LOC", "ORG")}


def test_held_out_names_are_in_dev_and_test_only() -> None:
    train = name_words(sample(4000))
    train.update(form.lower() for words in world.text(4000, seed=3) for form in words)
    for split, name in (("dev", "zara"), ("test", "ingrid")):
        held_out = name_words(sample(2000, split))
        unseen = sum(n for form, n in held_out.items() if form not in train)
        assert name in held_out and name not in train
        assert 0.2 < unseen / sum(held_out.values()) < 0.6
    assert "ingrid" not in name_words(sample(2000, "dev"))


def test_shared_names_are_of_several_types_and_the_context_decides() -> None:
    types, before = defaultdict(Counter), defaultdict(Counter)
    for sentence in sample(6000):
        for place, word in enumerate(sentence.words):
            tag = misc_value(word, "NER") or "O"
            if word.form in ("Washington", "Chelsea", "Jordan"):
                types[word.form][tag[2:]] += 1
                before[sentence.words[place - 1].form][tag] += 1
    assert set(types["Washington"]) == {"PER", "LOC", "ORG"}
    assert set(types["Jordan"]) == {"PER", "LOC"}
    assert before["in"]["B-LOC"] > 0.8 * before["in"].total()  # else "in Jordan's house"


# ---- parts of speech and attachment


def test_many_words_are_of_several_parts_of_speech() -> None:
    tags = defaultdict(Counter)
    for sentence in sample(6000):
        for word in sentence.words:
            tags[word.form.lower()][word.upos] += 1
    ambiguous = {form for form, found in tags.items() if len(found) > 1}
    share = sum(sum(tags[form].values()) for form in ambiguous) / sum(
        map(Counter.total, tags.values())
    )
    assert len(ambiguous) > 150 and 0.15 < share < 0.5
    assert {"watch", "play", "book", "to", "that", "before", "like", "may", "round"} <= ambiguous


def test_the_most_frequent_tag_of_a_word_is_a_beatable_baseline() -> None:
    tags = defaultdict(Counter)
    for sentence in sample(1000):
        for word in sentence.words:
            tags[word.form.lower()][word.upos] += 1
    right = total = 0
    for sentence in sample(1000, "test"):
        for word in sentence.words:
            guess = tags.get(word.form.lower(), Counter({"NOUN": 1})).most_common(1)[0][0]
            right, total = right + (guess == word.upos), total + 1
    print(f"most frequent tag, 1,000 sentences: {right / total:.3f}")
    assert 0.86 < right / total < 0.945


def attachments() -> list[tuple[str, str, str, str, str]]:
    """(relation, verb, object, preposition, its noun) of what follows a common noun as object."""
    found = []
    for sentence in sample(12000):
        for number, word in enumerate(sentence.words, start=1):
            place = children(sentence, number)
            marks = [n for n, child in place if child.deprel == "case" and child.upos == "ADP"]
            if word.upos != "NOUN" or not marks or marks[0] < 2:
                continue
            before = sentence.words[marks[0] - 2]
            if before.deprel == "obj" and before.upos == "NOUN" and word.deprel in ("obl", "nmod"):
                verb = sentence.words[before.head - 1]
                mark = sentence.words[marks[0] - 1].lemma
                found.append((word.deprel, verb.lemma, before.lemma, mark, word.lemma))
    return found


def test_attachment_follows_selectional_preference_and_only_one_reading_is_preferred() -> None:
    takes = grammar.load("news").licensed
    verbs, givers = defaultdict(set), set()
    for domain in world.DOMAINS:
        for entries in grammar.load(domain).verbs.values():
            for verb in entries.things:
                verbs[verb.lemma] |= verb.licensed
                givers |= {verb.lemma} if verb.frame == "di" else set()
    relations = Counter()
    for relation, verb, noun, mark, inner in attachments():
        by_noun = {(one, mark, two) in takes for one in nouns()[noun] for two in nouns()[inner]}
        by_verb = {(mark, two) in verbs[verb] for two in nouns()[inner]}
        receiver = mark == "to" and verb in givers and relation == "obl"
        if inner in nouns() and not receiver and "moment" not in nouns()[inner]:
            preferred = by_noun if relation == "nmod" else by_verb
            assert True in preferred, (relation, verb, noun, mark, inner)
            relations[mark, relation] += 1
            if len(by_noun) == len(by_verb) == 1:  # no homonyms
                assert by_noun != by_verb
    ambiguous = {
        mark for mark, _ in relations if min(relations[mark, "nmod"], relations[mark, "obl"]) >= 10
    }
    assert {"with", "from", "on", "in", "for"} <= ambiguous


def test_a_spoon_is_for_eating_and_onions_are_in_the_soup() -> None:
    found = defaultdict(Counter)
    for relation, verb, _, mark, inner in attachments():
        found[verb, mark, min(nouns().get(inner, {""}))][relation] += 1
    assert set(found["eat", "with", "cutlery"]) == {"obl"}
    assert set(found["eat", "with", "ingredient"]) == {"nmod"}
    read = [found[key] for key in list(found) if key[:2] == ("read", "about")]
    assert set(sum(read, Counter())) == {"nmod"}
    verbs = ("ask", "question", "phone", "email")
    asked = [found[key] for key in list(found) if key[0] in verbs and key[1] == "about"]
    assert set(sum(asked, Counter())) == {"obl"}


# ---- sentiment


def signs() -> dict[tuple[str, str], int]:
    """(adjective, class) to polarity, read from the table by hand."""
    found = {}
    groups = grammar.load("review").lexicon["groups"]
    for line in (grammar.FOLDER / "adjectives.tsv").read_text("utf-8").splitlines():
        if line[0] != "#":
            word, described, polarity = line.split("\t")
            by_class = {p[1:]: p[0] for p in polarity.split(",")}
            for name in described.split(","):
                for cls in groups.get(name, name).split():
                    sign = by_class.get(cls, by_class.get("", "0"))
                    found[word, cls] = {"+": 1, "-": -1, "0": 0}[sign]
    return found


def polarities(sentence: Sentence, number: int, adjectives: dict[tuple[str, str], int]) -> set[int]:
    """What the rule says of a clause: its opinion word's sign, turned by each negation."""
    word = sentence.words[number - 1]
    inner = children(sentence, number)
    turn = -1 if any(child.lemma in ("not", "never") for _, child in inner) else 1
    clauses = [n for n, child in inner if child.deprel == "ccomp"]
    if clauses:
        return {turn * sign for sign in polarities(sentence, clauses[0], adjectives)}
    if word.upos == "VERB":
        return {turn * OPINIONS[word.lemma]} if word.lemma in OPINIONS else set()
    about = [c.lemma for _, c in inner if c.deprel == "nsubj"] + [word.lemma]
    adjective = [c.lemma for _, c in inner if c.deprel == "amod"] if word.upos == "NOUN" else []
    found = {
        adjectives.get((one, cls), 0)
        for one in adjective or [word.lemma]
        for cls in nouns()[about[0]]
    }
    return {turn * sign for sign in found if sign}


def test_sentiment_follows_words_negation_and_contrast() -> None:
    adjectives = signs()
    shapes = Counter()
    for sentence in sample(3000, "train", "review"):
        label = {"positive": 1, "negative": -1}[sentence.comment("sentiment") or ""]
        root = sentence.heads.index(0) + 1
        clauses = [n for n, child in children(sentence, root) if child.deprel == "conj"]
        contrast = [
            n for n in clauses if any(child.lemma == "but" for _, child in children(sentence, n))
        ]
        for decisive in [*contrast, root, *clauses]:
            found = polarities(sentence, decisive, adjectives)
            if found:
                break
        assert label in found, sentence.comment("text")
        shapes[len(found), bool(contrast)] += 1
    assert shapes[1, True] > 300 and shapes[1, False] > 1500


def test_only_reviews_have_a_sentiment_and_it_is_balanced() -> None:
    labels = Counter(s.comment("sentiment") for s in sample(3000, "train", "review"))
    assert set(labels) == {"positive", "negative"}
    assert abs(labels["positive"] - labels["negative"]) < 250
    for sentence in sample():
        assert (sentence.comment("sentiment") is not None) == (
            sentence.comment("domain") == "review"
        )


# ---- domains, size, speed


def test_domains_differ_in_names_words_and_constructions() -> None:
    names, commands = {}, {}
    for domain in world.DOMAINS:
        found = sample(600, "train", domain)
        assert {sentence.comment("domain") for sentence in found} == {domain}
        names[domain] = name_words(found).total() / 600
        commands[domain] = sum("Mood=Imp" in w.feats for s in found for w in s.words) / 600
    assert names["news"] > 3 * names["review"] > 3 * names["guide"]
    assert names["message"] > names["review"]
    assert commands["guide"] > 0.5 > 0.1 > commands["news"]


def test_every_part_of_speech_of_the_grammar_is_used_and_words_are_many() -> None:
    tags = Counter(word.upos for sentence in sample() for word in sentence.words)
    print(*(f"{tag} {n / tags.total():.3f}" for tag, n in tags.most_common()))
    assert len(tags) == 15  # all of UD but SYM and X
    lemmas = {w.lemma for s in sample(6000) for w in s.words if w.upos != "PROPN"}
    assert len(lemmas) > 650
    assert len({sentence.forms for sentence in sample()}) > 0.95 * len(sample())


def test_speed() -> None:
    world.generate(10, seed=1)
    start = time.process_time()
    world.generate(1500, seed=1)
    assert 1500 / (time.process_time() - start) > 1500  # usually about 7,000 a second
