"""Are the data what they should be?  Test sentences met in training, words cut, sentences seen.

Nothing here returns text: where a sentence is meant, it is by its place in what was given.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mtlkit.batching import Stratum
from mtlkit.tokenization import Subwords, TokenizationError

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Coverage", "Overlap", "coverage", "exposures", "overlap", "table"]

EXAMPLES = 20
"""Of so many sentences that are met in training the places are told."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """How much of a test set occurs in a training set, see `overlap`; numbers of test sentences.

    `sentences`: all with a letter or digit.  `exact`: those that occur in training.  `long`: those
    with enough words to be compared by runs of words; of these `long_exact` occur and `near` nearly
    occur.  `runs`: of the different runs of words in test, the share that training has; nan if
    there are none.  `exact_at`, `near_at`: places of the first ones, (in test, in training).
    """

    sentences: int
    exact: int
    long: int
    long_exact: int
    near: int
    runs: float
    exact_at: tuple[tuple[int, int], ...]
    near_at: tuple[tuple[int, int], ...]


def _plain(words: Sequence[str]) -> tuple[str, ...]:
    """Lower case, letters and digits alone; words without any are gone."""
    kept = ("".join(filter(str.isalnum, word.lower())) for word in words)
    return tuple(word for word in kept if word)


def overlap(
    train: Iterable[Sequence[str]],
    test: Iterable[Sequence[str]],
    *,
    run: int = 5,
    share: float = 0.8,
    least: int = 8,
) -> Overlap:
    """How many test sentences occur in training, exactly and nearly.

    Sentences are compared in lower case, by their letters and digits alone.  *Exactly*: these are
    the same, joined without spaces, so that it does not matter where words or clitics are split.
    Short sentences ("Thank you .") recur by chance, so those with at least `least` words, signs
    left out, are counted apart.  *Nearly*: not exactly, of at least `least` words, and of its runs
    of `run` words at least `share` occur somewhere in training.

    Runs of 5 words and 0.8 are from Lee et al. 2022, "Deduplicating training data makes language
    models better" (NearDup).  Deviations: containment, not Jaccard, as a sentence may lie in a
    longer one; and in the training set as a whole, as in the n-gram overlap of Brown et al. 2020
    (appendix C), so that a sentence pieced together from several counts too.  One changed word
    breaks up to `run` runs, so a paraphrase, and most changes within a short sentence, are not
    found.
    """
    tested = [_plain(words) for words in test]
    keys = ["".join(words) for words in tested]
    places: dict[str, int] = dict.fromkeys(keys, -1)
    grams = {
        i: _runs(words, run) for i, words in enumerate(tested) if len(words) >= max(least, run)
    }
    met: dict[tuple[str, ...], int] = {gram: -1 for found in grams.values() for gram in found}
    for place, words in enumerate(map(_plain, train)):
        if places.get("".join(words), 0) < 0:
            places["".join(words)] = place
        for gram in _runs(words, run):
            if met.get(gram, 0) < 0:
                met[gram] = place
    exact = [(i, places[key]) for i, key in enumerate(keys) if key and places[key] >= 0]
    same = {i for i, _ in exact}
    near = []
    for i, found in grams.items():
        sources = Counter(met[gram] for gram in found if met[gram] >= 0)
        if i not in same and sources.total() / len(found) >= share:
            near.append((i, sources.most_common(1)[0][0]))
    return Overlap(
        sentences=sum(map(bool, keys)),
        exact=len(exact),
        long=len(grams),
        long_exact=len(same & grams.keys()),
        near=len(near),
        runs=float(np.mean([place >= 0 for place in met.values()])) if met else float("nan"),
        exact_at=tuple(exact[:EXAMPLES]),
        near_at=tuple(near[:EXAMPLES]),
    )


def _runs(words: Sequence[str], length: int) -> list[tuple[str, ...]]:
    """The different runs of so many words, in order."""
    found = (tuple(words[i : i + length]) for i in range(len(words) - length + 1))
    return list(dict.fromkeys(found))


def table(
    places: Mapping[str, tuple[Sequence[Sequence[str]], Sequence[Sequence[str]]]],
) -> "DataFrame":
    """Overlap of each training set with each test set: name to (train, test), sentences as words.

    Columns: train, test, and the numbers of `Overlap`; a row for each pair, by test.
    """
    import pandas  # slow to import

    rows = []
    for test, (_, tested) in places.items():
        for train, (trained, _) in places.items():
            found = overlap(trained, tested)
            numbers = ("sentences", "exact", "long", "long_exact", "near", "runs")
            rows.append({"train": train, "test": test} | {n: getattr(found, n) for n in numbers})
    return pandas.DataFrame(rows)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What an encoder does not read of sentences, see `coverage`.

    `cut_words`: those that lose sub-words whatever the sentence; `cut_at`: the first sentences with
    one.  `unknown`: words of which a piece, or all, is the unknown sub-word or nothing (WordPiece
    gives up on a piece of more than 100 letters, for one).  `squeezed`: sentences too long for the
    encoder, in which words lose more.  `refused`: sentences of more words than it reads sub-words.
    `subwords`: all there would be without a limit, refused sentences left out; `lost`: those of
    them that are not read.
    """

    sentences: int
    words: int
    cut_words: int
    unknown: int
    squeezed: int
    refused: int
    subwords: int
    lost: int
    cut_at: tuple[int, ...]


def coverage(sentences: Iterable[Sequence[str]], subwords: Subwords) -> Coverage:
    """Count the words and sentences that lose sub-words to the limits of ``subwords``.

    It encodes each sentence as training does, and compares it with what the tokenizer cuts its
    words into without any limit.
    """
    sentences = [tuple(words) for words in sentences]
    vocabulary = sorted({word for words in sentences for word in words})
    whole: dict[str, int] = {}
    strange: set[str] = set()
    if vocabulary:
        pieces = subwords.tokenizer(
            [[word] for word in vocabulary], is_split_into_words=True, add_special_tokens=False
        )["input_ids"]
        whole = {word: max(1, len(p)) for word, p in zip(vocabulary, pieces, strict=True)}
        unknown = subwords.tokenizer.unk_token_id
        strange = {w for w, p in zip(vocabulary, pieces, strict=True) if not p or unknown in p}
    alone = {word: _pieces(subwords, (word,))[0] for word in vocabulary}
    cut: list[int] = []  # a place for each word
    squeezed = refused = total = lost = 0
    for place, words in enumerate(sentences):
        cut += [place for word in words if alone[word] < whole[word]]
        try:
            read = sum(_pieces(subwords, words))
        except TokenizationError:
            refused += 1
            continue
        squeezed += read < sum(alone[word] for word in words)
        full = sum(whole[word] for word in words)
        total, lost = total + full, lost + full - read
    return Coverage(
        sentences=len(sentences),
        words=sum(map(len, sentences)),
        cut_words=len(cut),
        unknown=sum(word in strange for words in sentences for word in words),
        squeezed=squeezed,
        refused=refused,
        subwords=total,
        lost=lost,
        cut_at=tuple(dict.fromkeys(cut))[:EXAMPLES],
    )


def _pieces(subwords: Subwords, words: Sequence[str]) -> list[int]:
    """How many sub-words of each word are read."""
    encoding = subwords.encode(words)
    return [last - first + 1 for first, last in zip(encoding.first, encoding.last, strict=True)]


def exposures(
    strata: Sequence[Stratum], plan: Iterable[tuple[int, Sequence[int] | np.ndarray]]
) -> dict[str, np.ndarray]:
    """How often each labelled sentence of each task is trained on in a stage.

    ``plan`` has, for each update, the index of a stratum and the indices of its sentences.  The
    counts of a task are those of its strata one after the other, each in the order of its items.
    """
    counts = [np.zeros(len(stratum.items), dtype=np.int64) for stratum in strata]
    for stratum, chosen in plan:
        np.add.at(counts[stratum], np.asarray(chosen, dtype=np.int64), 1)
    tasks = dict.fromkeys(task for stratum in strata for task in stratum.tasks)
    return {
        task: np.concatenate([
            seen for seen, stratum in zip(counts, strata, strict=True) if task in stratum.tasks
        ])
        for task in tasks
    }  # fmt: skip
