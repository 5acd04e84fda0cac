"""A trained model on a CoNLL-U file: scores, and the file with what the model predicts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mtlkit import conllu, corpora, encoders, sharing
from mtlkit.evaluation import Evaluator, Scores, predict
from mtlkit.recipes import Run
from mtlkit.routes import RouteError
from mtlkit.sharing import ModelError

__all__ = ["FILE_TASKS", "score_file"]

FILE_TASKS = ("pos", "xpos", "dep", "ner")
"""The tasks that a CoNLL-U file has a place for; names lie in MISC as ``NER=``."""


def score_file(model: Path, file: Path, *, out: Path | None = None) -> Scores:
    """Score a model folder on a CoNLL-U file, and write the file with predicted annotation.

    Every task that the model has a head for and the file has labels for is scored.  ``out`` has
    the file's words, comments and multiword tokens; predicted tags, trees and names replace its
    own.  It is written whole or not at all.  Raises `ConlluError` or `ModelError` if one of them
    cannot be read, or has nothing for the other.
    """
    encoders.reuse_memory()
    facts = sharing.description(model)
    try:
        run = Run.from_json(facts["run"])
    except (RouteError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{model / 'model.json'} does not say how the model was trained ({error}); "
            "train the model again with this version"
        ) from None
    tasks = [task for task in facts.get("labels", ()) if task in FILE_TASKS]
    if not tasks:
        has = ", ".join(facts.get("labels", ())) or "nothing"
        raise ModelError(f"{model} has heads for {has}: none that a CoNLL-U file has")
    examples = corpora.read_treebank(file)
    sentences = conllu.read(file, validate=False)  # the line before has looked at the trees
    if not sentences:
        raise conllu.ConlluError(f"{file}: has no sentence; give a file with one or more")
    sets = {task: examples for task in tasks if all(task in e.labels for e in examples)}
    if not sets and out is None:
        has = f"has no labels for {', '.join(tasks)}, so there is nothing to score"
        raise conllu.ConlluError(f"{file}: {has}; name a file for the predictions")
    network, _ = sharing.load(model, recipe=run.recipe, seed=run.seed)
    scores, _ = Evaluator(sets, network)(network, run.recipe) if sets else ({}, {})
    if out is not None:
        answers = predict(network, examples, tasks, run.recipe)
        out.parent.mkdir(parents=True, exist_ok=True)
        conllu.write(out, _annotated(sentences, answers))
    return scores


def _annotated(
    sentences: Sequence[conllu.Sentence], answers: Mapping[str, Sequence[Any]]
) -> list[conllu.Sentence]:
    written = []
    for i, sentence in enumerate(sentences):
        words = list(sentence.words)
        for n, word in enumerate(words):
            changes: dict[str, Any] = {}
            for task, column in (("pos", "upos"), ("xpos", "xpos")):
                if task in answers:
                    changes[column] = answers[task][i][n]
            if "dep" in answers:
                changes["head"], changes["deprel"] = answers["dep"][i][n]
                changes["deps"] = "_"  # the enhanced graph of the file belongs to its own tree
            if "ner" in answers:
                kept = [m for m in word.misc.split("|") if m != "_" and not m.startswith("NER=")]
                tag = answers["ner"][i][n]
                changes["misc"] = "|".join(kept + [f"NER={tag}"] * (tag != "O")) or "_"
            words[n] = replace(word, **changes)
        written.append(replace(sentence, words=tuple(words)))
    return written
