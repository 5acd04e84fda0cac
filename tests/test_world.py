"""The embedded world: valid trees, reproducible, hard for the reasons that it promises."""

import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from functools import cache

import pytest

from mtlkit import conllu, lexicon, scenes, world
from mtlkit.conllu import Sentence, Word, misc_value
from mtlkit.discourse import Link
from mtlkit.examples import attachments

RELATIONS = """
acl acl:relcl advcl advmod amod appos aux aux:pass case cc ccomp compound compound:prt conj cop
csubj det det:predet discourse expl flat iobj mark nmod nmod:poss nmod:unmarked nsubj nsubj:pass
nummod obj obl obl:unmarked parataxis punct root vocative xcomp
"""


@cache
def sample(n: int = 3000, split: str = "train", domain: str | None = None) -> tuple[Sentence, ...]:
    return tuple(world.generate(n, seed=11, split=split, domain=domain))


@cache
def setting(name: str | None) -> scenes.Scene:
    return scenes.scene(name or "")


def children(sentence: Sentence, number: int) -> list[tuple[int, Word]]:
    return [(n, word) for n, word in enumerate(sentence.words, start=1) if word.head == number]


def name_words(sentences: tuple[Sentence, ...]) -> Counter[str]:
    return Counter(w.form.lower() for s in sentences for w in s.words if misc_value(w, "NER"))


# ---- trees


def test_the_official_validator_finds_no_error(tmp_path) -> None:
    """Levels 1 to 3 of the validator of Universal Dependencies; warnings count too."""
    path = tmp_path / "world.conllu"
    conllu.write(path, world.generate(2000, seed=7))
    command = [sys.executable, "-m", "udtools.cli", "--lang", "ud", "--level", "3", str(path)]
    if validator := shutil.which("udvalidate", path=str(sys.prefix) + "/bin"):
        command = [validator, *command[3:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "PASSED" in done.stdout + done.stderr and "WARNING" not in done.stdout + done.stderr


def test_sentences_are_valid_conllu_and_come_back_unchanged() -> None:
    text = conllu.format(sample())
    assert conllu.format(conllu.parse(text)) == text
    used = {word.deprel for sentence in sample(10_000) for word in sentence.words}
    assert used == set(RELATIONS.split())


def test_functions_agree_with_parts_of_speech_and_heads_are_content_words() -> None:
    expected = {"det": {"DET"}, "case": {"ADP", "PART"}, "aux": {"AUX"}, "cop": {"AUX"}}
    expected |= {"punct": {"PUNCT"}, "mark": {"SCONJ", "PART"}, "cc": {"CCONJ"}, "amod": {"ADJ"}}
    for sentence in sample():
        for word in sentence.words:
            assert word.upos in expected.get(word.deprel, {word.upos})
            governor = sentence.words[word.head - 1] if word.head else None
            assert governor is None or governor.upos not in ("PUNCT", "ADP", "PART", "AUX")


def test_punctuation_capitals_and_articles() -> None:
    for sentence in sample(6000):
        text = sentence.comment("text") or ""
        spaced = "".join(
            word.form + " " * (misc_value(word, "SpaceAfter") != "No") for word in sentence.words
        )
        assert text == spaced.rstrip()
        assert not {", .", ",.", ",,", " ,", ",;", ", ,", "  "} & {
            text[k : k + 2] for k in range(len(text))
        }
        assert sentence.words[0].upos != "PUNCT" or sentence.words[0].form == "“"
        first = text.lstrip("“")[0]
        assert first.isupper() or first.isdigit() or first == "$" or text == text.lower()
        for article, after in zip(sentence.forms, sentence.forms[1:], strict=False):
            if (
                article.lower() in ("a", "an")
                and sentence.words[sentence.forms.index(article)].upos == "DET"
            ):
                vowel = after[0].lower() in "aeio8" or after[0].lower() == "u"
                silent = after.lower().startswith(("hour", "honest", "honou", "heir"))
                spoken = after.lower().startswith(
                    ("uni", "use", "usu", "uk", "euro", "one", "once")
                )
                assert (article.lower() == "an") == ((vowel or silent) and not spoken), text


def test_pronouns_have_the_case_of_their_function() -> None:
    for word in (word for sentence in sample(6000) for word in sentence.words):
        if word.xpos == "PRP" and word.lemma not in ("it", "you"):
            nominative = word.deprel.startswith("nsubj")
            assert (word.form.lower() == word.lemma.lower()) == nominative


def test_verbs_agree_with_their_subjects() -> None:
    """A third person singular has a singular subject; "I", "you", "we" and "they" never do."""
    checked = 0
    for sentence in sample():
        for number, word in enumerate(sentence.words, start=1):
            if word.xpos not in ("VBZ", "VBP"):
                continue
            clause = number if word.upos == "VERB" else word.head
            for place, subject in children(sentence, clause):
                if not subject.deprel.startswith("nsubj") or "Rel" in subject.feats:
                    continue
                both = any(child.deprel == "conj" for _, child in children(sentence, place))
                if subject.lemma in ("I", "you", "we", "they") or subject.xpos == "NNS":
                    assert word.xpos == "VBP", sentence.comment("text")
                elif subject.lemma in ("he", "she", "it") or (subject.xpos == "NNP" and not both):
                    assert word.xpos == "VBZ", sentence.comment("text")
                checked += 1
    assert checked > 300


def test_types_of_sentences() -> None:
    found = defaultdict(list)
    for sentence in sample(6000):
        found[sentence.comment("s_type")].append(sentence)
    assert set(found) == {"decl", "imp", "q", "wh", "frag", "intj"}
    assert all(sentence.forms[-1] == "?" for kind in ("q", "wh") for sentence in found[kind])
    assert all("Mood=Imp" in "".join(w.feats for w in s.words) for s in found["imp"])
    assert all(s.words[s.heads.index(0)].upos == "INTJ" for s in found["intj"])
    assert Counter({kind: len(each) for kind, each in found.items()}).most_common(1)[0][0] == "decl"


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
    assert len(common & {form for form, _ in plain.most_common(130)}) >= 90


def test_checksum_depends_on_the_data(tmp_path, monkeypatch) -> None:
    before = world.checksum()
    assert len(before) == 64 and before == world.checksum()
    shutil.copytree(lexicon.FOLDER, tmp_path / "world")
    monkeypatch.setattr(world, "FOLDER", tmp_path / "world")
    assert world.checksum() == before
    with (tmp_path / "world" / "scenes" / "court.txt").open("a", encoding="utf-8") as file:
        file.write("# one line more\n")
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
    train = name_words(sample(6000))
    train.update(form.lower() for words in world.text(4000, seed=3) for form in words)
    for split, name in (("dev", "zara"), ("test", "ingrid")):
        held_out = name_words(sample(3000, split))
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
    spoken = before["in"]
    assert spoken["B-LOC"] > 0.8 * spoken.total()  # else "in Jordan's house"


# ---- parts of speech and attachment


def test_the_most_frequent_tag_of_a_word_is_a_beatable_baseline() -> None:
    tags = defaultdict(Counter)
    for sentence in sample(10_000):
        for word in sentence.words:
            tags[word.form.lower()][word.upos] += 1
    right = total = 0
    for sentence in sample(2000, "test"):
        for word in sentence.words:
            guess = tags.get(word.form.lower(), Counter({"NOUN": 1})).most_common(1)[0][0]
            right, total = right + (guess == word.upos), total + 1
    ambiguous = {form for form, found in tags.items() if len(found) > 1}
    print(f"most frequent tag, 10,000 sentences: {right / total:.3f}; {len(ambiguous)} homographs")
    assert 0.85 < right / total < 0.92
    assert len(ambiguous) > 600
    assert {"watch", "round", "that", "to", "before", "like", "light", "may"} <= ambiguous


def attached() -> list[tuple[str, str, str, str, str, str]]:
    """(relation, scene, verb, object, preposition, its noun) of what follows a common object."""
    found = []
    for sentence in sample(10_000):
        tree = list(zip(sentence.heads, sentence.deprels, strict=True))
        for phrase in attachments(tree, sentence.upos):
            places = (phrase.verb, phrase.object, phrase.preposition, phrase.noun)
            lemmas = [sentence.words[place - 1].lemma for place in places]
            relation = sentence.words[phrase.noun - 1].deprel
            found.append((relation, sentence.comment("scene") or "", *lemmas))
    return found


def test_attachment_follows_selectional_preference_and_only_one_reading_is_preferred() -> None:
    classes: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    licensed: dict[str, dict[str, set[tuple[str, str]]]] = defaultdict(lambda: defaultdict(set))
    for scene in map(setting, scenes.shares()):
        for cls, words in scene.nouns.items():
            for noun in words.things:
                classes[scene.name][noun.lemma].add(cls)
        for verb in scene.pools["pool", "main"].things:
            licensed[scene.name][verb.lemma] |= verb.licensed
    relations, clear = Counter(), 0
    for relation, name, verb, noun, mark, inner in attached():
        known = classes[name]
        times = {"moment", "dayparts", "span"} & known.get(inner, {"span"})
        if times or noun not in known or (mark == "to" and relation == "obl"):
            continue  # "in the morning" goes with any verb, "to the guest" with those of giving
        takes = setting(name).takes
        by_noun = {(mark, k) in takes.get(c, ()) for c in known[noun] for k in known[inner]}
        by_verb = {(mark, k) in licensed[name][verb] for k in known[inner]}
        preferred, other = (by_noun, by_verb) if relation == "nmod" else (by_verb, by_noun)
        assert True in preferred, (relation, name, verb, noun, mark, inner)
        relations[mark, relation] += 1
        if len(by_noun) == len(by_verb) == 1:  # no homonyms
            assert other == {False}, (relation, name, verb, noun, mark, inner)
            clear += 1
    assert clear > 500
    ambiguous = {
        mark for mark, _ in relations if min(relations[mark, "nmod"], relations[mark, "obl"]) >= 10
    }
    assert {"with", "from", "on", "in", "for"} <= ambiguous
    shares = Counter(relation for (_, relation), n in relations.items() for _ in range(n))
    assert 0.35 < shares["nmod"] / shares.total() < 0.65  # neither reading wins by habit


# ---- sentiment


@cache
def signs(name: str) -> dict[tuple[str, str], set[int]]:
    """(adjective, noun) and (verb, "") to what they say of a thing, read from a scene's pools."""
    scene, found = setting(name), defaultdict(set)
    for cls, sign, place in scene.adjectives:
        for word in scene.adjectives[cls, sign, place].things if sign else ():
            for noun in scene.nouns[cls].things:
                found[word, noun.lemma].add(sign)
    for sign, pool in ((1, "good"), (-1, "bad")):
        for verb in scene.pools["pool", pool].things:
            found[verb.lemma, ""].add(sign)
    for link in (link for relation in lexicon.RELATIONS for link in told(scene, relation)):
        for verb in (link.first.verb, link.second.verb):
            nouns = [n.lemma for c in verb.subject.classes for n in scene.nouns[c].things]
            pairs = [(word, noun) for word in verb.adverbs for noun in nouns]
            for pair in pairs if verb.lemma == "be" else [(verb.lemma, "")]:
                found[pair] |= {verb.valence} - {0}
    for (word, noun), signs in list(found.items()):
        found[word, "it"] |= signs if noun else set()  # whatever the pronoun stands for
    return found


def told(scene: scenes.Scene, relation: str) -> list[Link]:
    links = scene.links.get((relation, None))
    return list(links.things) if links else []


def polarity(sentence: Sentence, number: int) -> set[int]:
    """What the rule says of a clause: its opinion word's sign, turned by a negation."""
    word, inner = sentence.words[number - 1], children(sentence, number)
    turn = -1 if any(child.lemma in ("not", "never") for _, child in inner) else 1
    for place, child in inner:
        if child.deprel == "ccomp":
            return {turn * sign for sign in polarity(sentence, place)}
    known = signs(sentence.comment("scene") or "")
    if word.upos == "NOUN":
        pairs = [(child.lemma, word.lemma) for _, child in inner if child.deprel == "amod"]
    elif word.upos == "ADJ":
        subjects = [child for _, child in inner if child.deprel == "nsubj"]
        pairs = [(word.lemma, "it" if s.upos in ("PRON", "PROPN") else s.lemma) for s in subjects]
    else:
        pairs = [(word.lemma, "")]
    return {turn * sign for pair in pairs for sign in known.get(pair, ())}


def test_sentiment_follows_words_negation_and_contrast() -> None:
    shapes = Counter()
    for sentence in sample(4000, "train", "review"):
        label = {"positive": 1, "negative": -1}[sentence.comment("sentiment") or ""]
        root = sentence.heads.index(0) + 1
        clauses = [n for n, child in children(sentence, root) if child.deprel in ("conj", "advcl")]
        clauses += [  # "tipped the boy who brought the parcel early"
            n
            for place, _ in children(sentence, root)
            for n, child in children(sentence, place)
            if child.deprel == "acl:relcl"
        ]
        contrast = [
            n
            for n in clauses
            if {child.lemma for _, child in children(sentence, n)} & {"but", "yet"}
        ]
        found = {sign for clause in contrast for sign in polarity(sentence, clause)}
        found = found or polarity(sentence, root)
        if not contrast or not found:
            found = found | {sign for clause in clauses for sign in polarity(sentence, clause)}
        assert label in found, sentence.comment("text")
        shapes[len(found), bool(contrast)] += 1
    assert shapes[1, True] > 300 and shapes[1, False] > 1500


def test_only_reviews_have_a_sentiment_and_it_is_balanced() -> None:
    labels = Counter(s.comment("sentiment") for s in sample(4000, "train", "review"))
    assert set(labels) == {"positive", "negative"}
    assert abs(labels["positive"] - labels["negative"]) < 300
    for sentence in sample():
        assert (sentence.comment("sentiment") is not None) == (
            sentence.comment("domain") == "review"
        )


# ---- domains, size, speed


def test_domains_differ_in_names_words_and_constructions() -> None:
    names, commands = {}, {}
    for domain in world.DOMAINS:
        found = sample(1000, "train", domain)
        assert {sentence.comment("domain") for sentence in found} == {domain}
        words = sum(len(sentence.words) for sentence in found)
        names[domain] = name_words(found).total() / words
        commands[domain] = sum("Mood=Imp" in w.feats for s in found for w in s.words) / 1000
    assert names["news"] > 2 * names["guide"] and names["message"] > names["review"]
    assert commands["guide"] > 0.4 > 0.2 > commands["message"] > commands["news"]


def test_words_are_many_and_sentences_hardly_ever_come_twice() -> None:
    tags = Counter(word.upos for sentence in sample(10_000) for word in sentence.words)
    print(*(f"{tag} {n / tags.total():.3f}" for tag, n in tags.most_common()))
    assert len(tags) == 16  # all of UD but X
    lemmas = {w.lemma for s in sample(10_000) for w in s.words if w.upos != "PROPN"}
    assert len(lemmas) > 4500
    twice = 1 - len({sentence.forms for sentence in sample(10_000)}) / 10_000
    print(f"{len(lemmas)} lemmas; {twice:.2%} of 10,000 sentences come twice")
    assert twice < 0.005


def test_speed() -> None:
    """In a process of its own: here, types are checked in every call."""
    program = (
        "import time; from mtlkit import world; world.generate(10, seed=1);"
        "start = time.process_time(); world.generate(4000, seed=1);"
        "print(4000 / (time.process_time() - start))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    print(f"{float(done.stdout):,.0f} sentences a second")
    assert float(done.stdout) > 500  # about 3,400 where nothing else runs, half beside other tests
