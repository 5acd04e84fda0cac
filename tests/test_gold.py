"""Treebanks as examples: which tasks they have labels for, and of which part a sentence is."""

import handmade

from mtlkit import conllu, gold


def test_offered_is_what_a_column_is_filled_for() -> None:
    sentences = conllu.parse(handmade.treebank(3))
    assert set(gold.offered(sentences)) == {"pos", "xpos", "dep", "depth", "stype", "sentiment"}
    bare = conllu.parse("1\tno\t_\t_\t_\t_\t_\t_\t_\tNER=O\n\n", validate=False)
    assert set(gold.offered(bare)) == {"ner", "stype", "sentiment"}
    sense = conllu.parse("1\tno\t_\t_\tUH\t_\t_\t_\t_\tSense=x\n\n", validate=False)
    assert set(gold.offered(sense)) == {"aux", "xpos", "stype", "sentiment"}


def test_only_the_tasks_that_are_asked_for_have_labels() -> None:
    (one,) = gold.treebank(conllu.parse(handmade.treebank(1)), "x", ("dep",), gold.domain)
    assert one.labels == {"dep": ((2, "det"), (3, "nsubj"), (0, "root"), (3, "punct"))}
    assert (one.id, one.subset) == ("s1", "park")


def test_genres_are_read_from_ids() -> None:
    text = "# sent_id = {}\n1\tno\t_\t_\t_\t_\t0\troot\t_\t_\n\n"
    ids = ("GUM_news_x-1", "weblog-juan-0001", "17")
    found = [gold.genre(conllu.parse(text.format(id_))[0]) for id_ in ids]
    assert found == ["news", "weblog", ""]
