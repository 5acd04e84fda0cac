"""The benchmark of the engine: what it does in a second, and what the machine could do.

Each measurement is one full pass over real sentences by the code that every training goes through,
in a process of its own.  Its share is that of the matrix products which this machine made in the
same process just before and just after (the mean of both): a token costs six operations a weight of
the encoder's linear layers (Kaplan et al. 2020, section 2.1: two forward, four backward), in
pretraining a hidden one also six a weight of the output layer; and what attention, other heads,
optimiser and Python cost beside that is not counted, so that the share can only look smaller than
it is.
"""

import importlib.util
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pandas as pd
import torch
from torch import nn
from tqdm import tqdm

from mtlkit import corpora, encoders, machine, sources
from mtlkit.annotation import Annotator
from mtlkit.conllu import Sentence, Word
from mtlkit.corpora import Example
from mtlkit.networks import Network
from mtlkit.recipes import Recipe
from mtlkit.routes import Route, Task
from mtlkit.training import Stage, fit

__all__ = ["COLUMNS", "LENGTHS", "SIZES", "TASKS", "corpus", "measure", "spread", "untrained"]

TASKS = (("pos",), ("pos", "ner"), ("pos", "ner", "dep"))
SIZES = (1250, 2500, 5000)
LENGTHS = ((1, 10), (11, 20), (21, 30), (31, 45), (46, 200))
"""Words in the shortest and the longest sentence."""
_EACH = 1200  # sentences of such a length
_FEW = 5  # fewer say nothing of a length, and are left out

COLUMNS = ("what", "setting", "threads", "sentences", "subwords", "seconds", "rate", "share", "mib")
"""``rate``: sub-words a second, padding left out; ``share``: of the matrix products, in percent;
``mib``: the most memory the process held, in MiB."""

_ONE_PASS = Recipe(epochs=1, min_updates=0, evaluations=1)
_SOME = 2500  # sentences, where a pass over all would take long and say the same
_SHAPES = ((Recipe().layers, Recipe().width), (6, 384))  # of mini and of minilm
Row = dict[str, Any]


def corpus() -> str:
    """What is read: GUM, or the embedded world where GUM is not in the cache."""
    return "gum" if sources.present("gum") else "world"


def measure(*, sentences: int | None = None, start: str = "minilm") -> pd.DataFrame:
    """Measure everything; a row a measurement, with `COLUMNS`.

    ``sentences``: take no more than so many in any measurement; the numbers then say little.
    """
    cores = torch.get_num_threads()
    jobs = list(_jobs(corpus(), start, cores, sentences))
    rows: list[Row] = []
    for title, together in tqdm(jobs, desc="benchmark", unit="measurement", disable=None):
        threads = max(1, cores // len(together))
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(len(together), mp_context=context) as pool:
            results = [pool.submit(_alone, threads, function, args) for function, args in together]
            rows += [{**title, "threads": threads, **result.result()} for result in results]
    rows = [row for row in rows if row["what"] != "length" or row["sentences"] >= _FEW]
    whole = rows[0]  # the largest size of all
    rows.append({**whole, "what": "size", "setting": str(whole["sentences"])})
    return pd.DataFrame(rows, columns=list(COLUMNS))


Job = tuple[Callable[..., Row], tuple[Any, ...]]


def _jobs(corpus: str, start: str, cores: int, most: int | None) -> Iterator[tuple[Row, list[Job]]]:
    def one(what: str, setting: str, job: Callable[..., Row], *args: Any) -> tuple[Row, list[Job]]:
        return {"what": what, "setting": setting}, [(job, (corpus, start, *args))]

    def few(n: int) -> int:
        return n if most is None else min(n, most)

    every = 10**6
    yield one("training", "joint, all sentences", _train, TASKS[-1], few(every))
    if cores > 1:
        half = few(5000)
        job = (_train, (corpus, start, TASKS[-1], half))
        yield {"what": "training", "setting": "joint, side by side"}, [job] * min(cores, 2)
    for tasks in TASKS:
        yield one("tasks", "+".join(tasks), _train, tasks, few(_SOME))
    for size in SIZES:
        yield one("size", f"{size}", _train, TASKS[-1], few(size))
    for low, high in LENGTHS:
        yield one("length", f"{low}-{high}", _train, TASKS[-1], few(_EACH), (low, high))
    for layers, width in _SHAPES:
        setting = f"{layers} layers of {width}"
        yield one("pretraining", setting, _pretrain, few(_SOME), layers, width)
    for precision in ("fp32", "bf16", "int8"):
        if precision != "bf16" or machine.precision("auto") == torch.bfloat16:
            yield one("annotating", precision, _annotate, TASKS[-1], few(10_000), precision)
    if importlib.util.find_spec("accelerate"):
        yield one("peers", "mtlkit", _train, ("pos",), few(_SOME))
        yield one("peers", "Trainer, its defaults", _trainer, few(_SOME), False)
        yield one("peers", "Trainer, at its best", _trainer, few(_SOME), True)


def _alone(threads: int, function: Callable[..., Row], args: tuple[Any, ...]) -> Row:
    """In a new process: measure, and what the process came to need."""
    torch.set_num_threads(threads)
    machine.reuse()
    row = function(*args)
    return {**row, "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


def _tasks(corpus: str, names: Sequence[str]) -> tuple[Task, ...]:
    text = "+".join(f"{name}@{corpus}" for name in names)
    return Route.parse(f"scratch > {text}").stages[0].tasks


def _pass(model: Network, examples: Mapping[str, tuple[Example, ...]]) -> dict[str, Any]:
    """Train one pass, and score one sentence, which takes no time; the ledger."""
    one = {task: found[:1] for task, found in examples.items()}
    return fit(model, Stage(train=examples, dev=one, seen=one), _ONE_PASS, seed=0)[1]


def spread(
    corpus: str, tasks: Sequence[str], most: int, words: tuple[int, int] = (1, 200)
) -> dict[str, tuple[Example, ...]]:
    """Labelled sentences of such lengths, evenly from the whole of the training split."""
    low, high = words
    found = {}
    for task in _tasks(corpus, tasks):
        every = [e for e in corpora.sentences(task, split="train") if low <= len(e.words) <= high]
        step = max(1.0, len(every) / most)
        found[task.name] = tuple(every[int(i * step)] for i in range(min(most, len(every))))
    return found


def untrained(corpus: str, start: str, tasks: Sequence[str], recipe: Recipe) -> Network:
    """A network with heads for these tasks of a corpus."""
    encoder = encoders.build(start, texts=(), recipe=recipe, seed=0)
    model = Network(encoder, recipe, seed=0)
    for task in _tasks(corpus, tasks):
        model.add(task.name, corpora.label_names(task))
    return model


def _train(
    corpus: str, start: str, tasks: Sequence[str], most: int, words: tuple[int, int] = (1, 200)
) -> Row:
    examples = spread(corpus, tasks, most, words)
    model = untrained(corpus, start, tasks, _ONE_PASS)
    with _Watch(_ONE_PASS.precision) as watch:
        ledger = _pass(model, examples)
    subwords = ledger["tasks"][tasks[0]]["subwords"]
    return watch.row(len(examples[tasks[0]]), subwords, 6 * weights(model))


def _pretrain(corpus: str, start: str, most: int, layers: int, width: int) -> Row:
    """Masked language modelling from random weights, by the default recipe, on packed text.

    The median of five passes, by share: other work on the machine disturbs one or the other.
    """
    text = "text" if sources.present("text") else "world"
    every = corpora.sentences(_tasks(text, ["mlm"])[0], split="train")
    examples = {"mlm": every[: min(most, len(every))]}
    words = sum(len(e.words) for e in examples["mlm"])
    recipe = Recipe(evaluations=1, layers=layers, width=width)
    recipe = recipe.replace(mlm_updates=max(1, words // recipe.mlm_tokens))
    texts = (e.words for e in every[:: 1 + len(every) // 20_000])
    model = Network(encoders.build("scratch", texts=texts, recipe=recipe, seed=0), recipe, seed=0)
    model.add("mlm", ())
    one = {"mlm": examples["mlm"][:1]}
    stage = Stage(train=examples, dev=one, seen=one)
    head = model.heads["mlm"]
    output = width * (width + len(head.bias))  # type: ignore[arg-type]
    operations = 6 * round(weights(model) + recipe.mlm_rate * output)
    rows = []
    for _ in range(5):
        with _Watch(recipe.precision) as watch:
            ledger = fit(model, stage, recipe, seed=0)[1]
        subwords = ledger["tasks"]["mlm"]["subwords"]
        rows.append(watch.row(len(examples["mlm"]), subwords, operations))
    return sorted(rows, key=lambda row: float(row["share"]))[2]


def _annotate(corpus: str, start: str, tasks: Sequence[str], most: int, precision: str) -> Row:
    sentences = [Sentence(tuple(map(Word, e.words))) for e in spread(corpus, tasks, most)["pos"]]
    model = untrained(corpus, start, tasks, _ONE_PASS)
    _pass(model, spread(corpus, tasks, min(most, _SOME)))  # untrained, it makes no trees
    operations = 2 * weights(model)
    encode = model.encoder.subwords.encode
    subwords = sum(len(encode(sentence.forms).ids) for sentence in sentences)
    annotator = Annotator(model, _ONE_PASS, precision=precision)
    with _Watch("fp32" if precision == "int8" else precision) as watch:
        for _ in annotator(sentences):
            pass
    return watch.row(len(sentences), subwords, operations)


class _Watch:
    """Takes the time of what is done inside, and the machine's matrix rate before and after it."""

    def __init__(self, precision: str) -> None:
        self._precision = precision

    def __enter__(self) -> "_Watch":
        self._limit = machine.matrix_rate(self._precision)
        self._begun = time.perf_counter()
        return self

    def __exit__(self, *failure: object) -> None:
        self._seconds = time.perf_counter() - self._begun
        self._limit = (self._limit + machine.matrix_rate(self._precision)) / 2

    def row(self, sentences: int, subwords: int, operations: int) -> Row:
        """``operations``: of a sub-word."""
        rate = subwords / self._seconds
        share = 100 * rate * operations / self._limit
        return {
            "sentences": sentences, "subwords": subwords, "seconds": self._seconds, "rate": rate,
            "share": share,
        }  # fmt: skip


def weights(model: Network) -> int:
    """How many weights the encoder's matrix products have."""
    layers = (m for m in model.encoder.transformer.modules() if isinstance(m, nn.Linear))
    return sum(layer.weight.numel() for layer in layers)


def _trainer(corpus: str, start: str, most: int, best: bool) -> Row:
    """Tagging with the Trainer of transformers: as it comes, or at its best.

    That is, grouped by length, and in bf16 where the machine computes in it.
    """
    from transformers import AutoModelForTokenClassification, Trainer, TrainingArguments

    from mtlkit import published

    model = untrained(corpus, start, ("pos",), _ONE_PASS)
    subwords, labels = model.encoder.subwords, model.labels["pos"]
    examples = spread(corpus, ("pos",), most)["pos"]
    rows: list[dict[str, Any]] = []
    for example in examples:
        coded = subwords.encode(example.words)
        targets = [-100] * len(coded.ids)
        for place, tag in zip(coded.first, example.labels["pos"], strict=True):
            targets[place] = labels.index(tag)
        rows.append({"input_ids": list(coded.ids), "labels": targets, "length": len(coded.ids)})

    def collate(batch: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        width = max(row["length"] for row in batch)

        def padded(name: str, value: int) -> torch.Tensor:
            return torch.tensor([row[name] + [value] * (width - row["length"]) for row in batch])

        mask = torch.tensor([[i < row["length"] for i in range(width)] for row in batch])
        return {
            "input_ids": padded("input_ids", 0),
            "attention_mask": mask.long(),
            "labels": padded("labels", -100),
        }

    folder, revision = published.locate(start)
    with published.quiet():
        tagger = AutoModelForTokenClassification.from_pretrained(
            folder, revision=revision or "main", num_labels=len(labels), trust_remote_code=False
        )
    fast: bool = machine.precision("auto") == torch.bfloat16
    options: dict[str, Any] = {"per_device_train_batch_size": 32, "dataloader_pin_memory": False}
    if best:
        options |= {"bf16": fast, "train_sampling_strategy": "group_by_length"}
    arguments = TrainingArguments(
        "unused", num_train_epochs=1, save_strategy="no", report_to=[], disable_tqdm=True,
        logging_strategy="no", remove_unused_columns=False,
        use_cpu=machine.device().type == "cpu",  # or it refuses bf16 where there is no GPU
        **options,
    )  # fmt: skip
    with _Watch("auto") as watch:
        Trainer(tagger, arguments, data_collator=collate, train_dataset=rows).train()
    return watch.row(len(rows), sum(row["length"] for row in rows), 6 * weights(model))
