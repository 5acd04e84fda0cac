"""Evaluation: scores are those of a peer library on the decoded labels, in the order given."""

import math
from collections.abc import Sequence
from dataclasses import replace
from unittest import mock

import pytest
import tiny
import torch
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2
from sklearn.metrics import accuracy_score

from mtlkit.batching import IGNORED, collate, encode, mask
from mtlkit.corpora import Example
from mtlkit.evaluation import Evaluator, error, predict, primary

TASKS = ("pos", "ner", "dep")


def flat(rows: Sequence[Sequence]) -> list:
    return [each for row in rows for each in row]


def test_scores_are_those_of_peers_on_the_decoded_labels() -> None:
    model, sentences = tiny.trained(), tiny.sentences()
    answers = predict(model, sentences, TASKS, tiny.RECIPE)
    scores, counts = Evaluator(dict.fromkeys(TASKS, sentences), model)(model, tiny.RECIPE)
    gold = {task: [example.labels[task] for example in sentences] for task in TASKS}
    assert scores["pos"] == {
        "accuracy": pytest.approx(accuracy_score(flat(gold["pos"]), flat(answers["pos"])))
    }
    names, found = ([list(tags) for tags in rows] for rows in (gold["ner"], answers["ner"]))
    assert any(tag.startswith("B-") for tag in flat(found)), "some names are found"
    peer = f1_score(names, found, mode="strict", scheme=IOB2, zero_division=0)
    assert scores["ner"] == {"f1": pytest.approx(peer)}
    arcs = list(zip(flat(gold["dep"]), flat(answers["dep"]), strict=True))
    assert scores["dep"] == {
        "uas": pytest.approx(sum(one[0] == two[0] for one, two in arcs) / len(arcs)),
        "las": pytest.approx(sum(one == two for one, two in arcs) / len(arcs)),
    }
    for task, metrics in scores.items():
        assert 0 < metrics[primary(task)] < 1, "neither nothing nor all is right"
        for name, score in metrics.items():
            assert len(counts[task][name]) == len(sentences)
            right, predicted, real = map(sum, zip(*counts[task][name], strict=True))
            assert score == pytest.approx(2 * right / (predicted + real))


def test_accuracy_of_classes() -> None:
    sentences = [example for example in tiny.sentences() if "sentiment" in example.labels]
    model = tiny.model(["sentiment"])
    answers = predict(model, sentences, ["sentiment"], tiny.RECIPE)["sentiment"]
    scores, counts = Evaluator({"sentiment": sentences}, model)(model, tiny.RECIPE)
    gold = [example.labels["sentiment"] for example in sentences]
    assert scores == {"sentiment": {"accuracy": pytest.approx(accuracy_score(gold, answers))}}
    assert [c.right for c in counts["sentiment"]["accuracy"]] == [
        int(one == two) for one, two in zip(gold, answers, strict=True)
    ]


def test_answers_come_in_the_order_of_the_sentences() -> None:
    model, sentences = tiny.trained(), tiny.sentences()
    answers = predict(model, sentences, TASKS, tiny.RECIPE)
    backwards = predict(model, sentences[::-1], TASKS, tiny.RECIPE)
    for task in TASKS:
        assert [len(answer) for answer in answers[task]] == [len(e.words) for e in sentences]
        assert backwards[task] == answers[task][::-1]


def test_answers_are_the_same_on_any_number_of_cores() -> None:
    model, sentences = tiny.trained(), tiny.sentences() * 30
    before, answers = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            answers.append(predict(model, sentences, TASKS, tiny.RECIPE))
    finally:
        torch.set_num_threads(before)
    assert answers[0] == answers[1]


def test_no_labels_are_needed_and_nothing_is_dropped_out() -> None:
    model, sentences = tiny.trained().train(), tiny.sentences(5)
    bare = [Example(example.id, example.words) for example in sentences]
    with mock.patch("torch.nn.functional.dropout", side_effect=lambda x, p, training, *a: x):
        expected = predict(model, sentences, TASKS, tiny.RECIPE)
    assert predict(model.train(), bare, TASKS, tiny.RECIPE) == expected
    assert not model.training


def test_tasks_on_the_same_sentences_share_a_pass() -> None:
    model, sentences = tiny.model(TASKS), tiny.sentences(20)
    sets = {"pos": sentences, "ner": sentences, "dep": sentences[:3]}
    evaluator = Evaluator(sets, model)
    with mock.patch.object(model.encoder, "forward", wraps=model.encoder.forward) as trunk:
        scores, counts = evaluator(model, tiny.RECIPE)
    assert sum(len(call.args[0].ids) for call in trunk.call_args_list) == 20 + 3
    assert {task: len(next(iter(counts[task].values()))) for task in counts} == {
        "pos": 20,
        "ner": 20,
        "dep": 3,
    }
    assert set(scores) == set(TASKS)


def test_of_shared_sentences_each_task_is_scored_on_its_own_labels() -> None:
    model, sentences = tiny.model(TASKS), tiny.sentences(20)
    answers = predict(model, sentences, ["pos"], tiny.RECIPE)["pos"]
    turned = [
        replace(example, labels=example.labels | {"pos": tuple(tags)})
        for example, tags in zip(sentences, answers, strict=True)
    ]
    scores, _ = Evaluator({"ner": sentences, "pos": turned}, model)(model, tiny.RECIPE)
    assert scores["pos"]["accuracy"] == 1


def test_perplexity_is_that_of_the_hidden_subwords() -> None:
    model, some = tiny.model(["mlm", "pos"]), tiny.sentences(20)
    sentences = sorted(some, key=lambda example: len(example.words))[4:10]  # none is long
    scores, counts = Evaluator({"mlm": sentences}, model)(model, tiny.RECIPE)
    again, _ = Evaluator({"mlm": sentences}, model)(model, tiny.RECIPE)
    assert scores == again, "always the same sub-words are hidden"
    assert counts == {}
    # All six fit one batch, in the order of length; its number is 0.
    items = sorted(encode(sentences, model.encoder.subwords, {}), key=lambda i: len(i.encoding.ids))
    batch = mask(
        collate(items, (), padding=0),
        model.encoder.subwords,
        rate=tiny.RECIPE.mlm_rate,
        generator=torch.Generator().manual_seed(0),
        words=True,
    )
    assert (batch.targets["mlm"] != IGNORED).sum() > 10
    with torch.no_grad():
        mean = float(model.eval().losses(batch)["mlm"])
    assert scores["mlm"]["perplexity"] == pytest.approx(math.exp(mean), rel=1e-4)


def test_a_metric_stands_for_each_task() -> None:
    tasks = ("pos", "xpos", "ner", "dep", "stype", "sst2", "mlm")
    assert [primary(task) for task in tasks] == [
        "accuracy", "accuracy", "f1", "las", "accuracy", "accuracy", "perplexity",
    ]  # fmt: skip


def test_errors_count_from_perfect() -> None:
    scores = {"dep": {"uas": 0.9, "las": 0.8}, "ner": {"f1": 1.0}, "mlm": {"perplexity": math.e**2}}
    assert error("dep", scores) == pytest.approx(0.2)
    assert error("ner", scores) == 0
    assert error("mlm", scores) == pytest.approx(2)
