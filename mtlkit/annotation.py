"""A trained model on text: sentences with predicted annotation, and scores on a CoNLL-U file."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from mtlkit import conllu, corpora, layers, machine, networks
from mtlkit.batching import Item, encode
from mtlkit.corpora import Example
from mtlkit.evaluation import Evaluator, Scores, predict
from mtlkit.networks import ModelError, Network
from mtlkit.recipes import Recipe, Run
from mtlkit.routes import RouteError

__all__ = ["FILE_TASKS", "Annotator", "score_file"]

FILE_TASKS = ("pos", "xpos", "dep", "ner")
"""The tasks that a CoNLL-U file has a place for; names lie in MISC as ``NER=``."""

_AT_ONCE = 10_000  # words that are annotated at once: sentences of like length find each other

_Read = tuple[list[conllu.Sentence], list[Example], tuple[Item, ...]]


class Annotator:
    """A model that annotates sentences with those of its ``tasks`` that a CoNLL-U file has.

    Parameters
    ----------
    precision
        None: that of the recipe; ``bf16``; ``fp32``; ``auto``, as in a recipe; or ``int8``, on a
        CPU, which is faster and slightly worse: the weights of the encoder's matrix products are
        rounded to eight bits, column by column, and what they are multiplied with as it comes
        (dynamic quantization; measured on GUM in figures/bench/tables/quality.md).
        Zafrir et al. 2019, "Q8BERT", train with the rounding; here the model was trained without.
        This changes the network that is given.
    """

    def __init__(self, network: Network, recipe: Recipe, *, precision: str | None = None) -> None:
        self.tasks = [task for task in network.labels if task in FILE_TASKS]
        if precision == "int8":
            _quantize(network)
            precision = "fp32"
        else:
            network.to(machine.device())
        self.network = network
        self.recipe = recipe if precision is None else recipe.replace(precision=precision)

    @classmethod
    def load(cls, folder: Path, *, precision: str | None = None) -> Self:
        """The annotator of a model folder, made by ``mtlkit train``.

        Raises `ModelError` if it is not a whole one, or has no task for a CoNLL-U file.
        """
        machine.reuse()
        facts = networks.description(folder)
        try:
            run = Run.from_json(facts["run"])
        except (RouteError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{folder / 'model.json'} does not say how the model was trained ({error}); "
                "train the model again with this version"
            ) from None
        if not set(FILE_TASKS) & set(facts.get("labels", ())):
            has = ", ".join(facts.get("labels", ())) or "nothing"
            raise ModelError(f"{folder} has heads for {has}: none that a CoNLL-U file has")
        network, _ = networks.load(folder, recipe=run.recipe, seed=run.seed)
        return cls(network, run.recipe, precision=precision)

    def __call__(self, sentences: Iterable[conllu.Sentence]) -> Iterator[conllu.Sentence]:
        """The sentences, in their order, with what the model predicts in place of their own.

        Ten thousand words for each core, and a few times that waiting, are held at a time.
        """
        read = map(self._encode, _portions(sentences))  # in one thread: a tokenizer is no two's
        for annotated in machine.side_by_side(self._annotate, read):
            yield from annotated

    def _encode(self, sentences: list[conllu.Sentence]) -> _Read:
        examples = [Example(s.source, s.forms) for s in sentences]
        return sentences, examples, encode(examples, self.network.encoder.subwords, {})

    def _annotate(self, read: _Read) -> list[conllu.Sentence]:
        sentences, examples, items = read
        answers = predict(self.network, examples, self.tasks, self.recipe, items=items)
        return [
            _annotated(sentence, {task: each[i] for task, each in answers.items()})
            for i, sentence in enumerate(sentences)
        ]


def _portions(sentences: Iterable[conllu.Sentence]) -> Iterator[list[conllu.Sentence]]:
    """The sentences, about ten thousand words at a time."""
    held: list[conllu.Sentence] = []
    words = 0
    for sentence in sentences:
        held.append(sentence)
        words += len(sentence.words)
        if words >= _AT_ONCE:
            yield held
            held, words = [], 0
    if held:
        yield held


def _quantize(network: Network) -> None:
    """Round the weights of the encoder's matrix products to eight bits, in place."""
    layers.join(network.encoder.transformer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it will move to another package one day
        torch.ao.quantization.quantize_dynamic(
            network.encoder.transformer,
            {nn.Linear: torch.ao.quantization.per_channel_dynamic_qconfig},
            inplace=True,
        )
    # What is multiplied has seven bits, since on old processors sums of eight could overflow; the
    # modules' version 3 had eight, which is right where VNNI adds in 32 bits.
    if torch.cpu._is_vnni_supported():
        for module in network.encoder.transformer.modules():
            if isinstance(module, torch.ao.nn.quantized.dynamic.Linear):
                module.version = 3


def score_file(model: Path, file: Path, *, out: Path | None = None) -> Scores:
    """Score a model folder on a CoNLL-U file, and write the file with predicted annotation.

    Every task that the model has a head for and the file has labels for is scored.  ``out`` has
    the file's words, comments and multiword tokens; predicted tags, trees and names replace its
    own.  It is written whole or not at all.  Raises `ConlluError` or `ModelError` if one of them
    cannot be read, or has nothing for the other.
    """
    annotator = Annotator.load(model)
    tasks, network, recipe = annotator.tasks, annotator.network, annotator.recipe
    examples = corpora.read_treebank(file)
    sentences = conllu.read(file, validate=False)  # the line before has looked at the trees
    if not sentences:
        raise conllu.ConlluError(f"{file}: has no sentence; give a file with one or more")
    sets = {task: examples for task in tasks if all(task in e.labels for e in examples)}
    if not sets and out is None:
        has = f"has no labels for {', '.join(tasks)}, so there is nothing to score"
        raise conllu.ConlluError(f"{file}: {has}; name a file for the predictions")
    scores, _ = Evaluator(sets, network)(network, recipe) if sets else ({}, {})
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        conllu.write(out, annotator(sentences))
    return scores


def _annotated(sentence: conllu.Sentence, answers: Mapping[str, Any]) -> conllu.Sentence:
    """A sentence with predicted tags, tree and names (task to the sentence's labels)."""
    words = []
    for n, word in enumerate(sentence.words):
        changes: dict[str, Any] = {}
        for task, column in (("pos", "upos"), ("xpos", "xpos")):
            if task in answers:
                changes[column] = answers[task][n]
        if "dep" in answers:
            changes["head"], changes["deprel"] = answers["dep"][n]
            changes["deps"] = "_"  # the enhanced graph of the file belongs to its own tree
        if "ner" in answers:
            kept = [m for m in word.misc.split("|") if m != "_" and not m.startswith("NER=")]
            tag = answers["ner"][n]
            changes["misc"] = "|".join(kept + [f"NER={tag}"] * (tag != "O")) or "_"
        words.append(replace(word, **changes))
    return replace(sentence, words=tuple(words))
