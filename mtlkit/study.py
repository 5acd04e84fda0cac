"""A run to a result.

A prefix of a route is a route: ``minilm > pos+dep`` is where ``minilm > pos+dep > ner:250`` begins.
Runs of one seed that begin alike share that beginning, which is trained once and kept.
"""

import copy
import functools
import os
import platform
import resource
import shutil
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from mtlkit import corpora, encoders, knobs, machine, networks, published
from mtlkit.corpora import Example
from mtlkit.evaluation import Evaluator, Scores
from mtlkit.methods import KINDS
from mtlkit.metrics import Counts
from mtlkit.networks import Network
from mtlkit.progress import Watch
from mtlkit.recipes import Recipe, Run
from mtlkit.results import Record, Store
from mtlkit.routes import TASKS, Route, RouteError, Task, registry, unknown
from mtlkit.sharing import build
from mtlkit.training import Stage, check, fit

__all__ = ["elsewhere", "environment", "execute", "plan", "prefix", "test", "train"]

_SEEN = 50  # training sentences that are scored beside dev, at most; half as many as of dev
_MAXRSS_UNIT = 1024**2 if sys.platform == "darwin" else 1024  # how many make a MiB


def plan(route: str | Route, recipe: Recipe, seed: int) -> Run:
    """A run, exactly: with the checksums of the corpora, and of the ``mini``, that its route reads.

    Raises `RouteError` for a target that the route does not train, or a method that there is not.
    """
    route = Route.parse(route) if isinstance(route, str) else route
    if not route.stages:
        raise RouteError(f"'{route}' trains nothing: add a stage, as in '{route} > ner:500'")
    trained = sorted({task.name for stage in route.stages for task in stage.tasks})
    if recipe.target not in (None, *trained):
        rule = f"expected one of {', '.join(trained)} for '{route}'"
        raise RouteError(f"target is {recipe.target!r}: {rule}")
    for name, methods in KINDS.items():
        known = dict.fromkeys([*methods, getattr(Recipe(), name)])  # "none" is no method
        if (method := getattr(recipe, name).partition(":")[0]) not in known:
            raise RouteError(unknown(name, method, known))
    return Run(route, recipe, seed, corpora.checksums(route) + published.checksums(route.start))


_MLM_FIELDS = tuple(name for name in vars(Recipe()) if name.startswith("mlm_"))
_TUNING_FIELDS = (
    "epochs", "min_updates", "batch_tokens", "encoder_lr", "head_lr", "head_dropout", "temperature",
    "decoding", "layer_decay", "weighting", "surgery", "space", "lookahead", "mixing", "sampling",
)  # fmt: skip
_UNREAD = Recipe(
    epochs=1.25, min_updates=200, batch_tokens=256, encoder_lr=3e-4, head_lr=3e-3, head_dropout=0.1,
    temperature=1.0, decoding="argmax", layer_decay=1.0, weighting="chance", mlm_masks="subwords",
    mlm_length=0,
)  # fmt: skip
"""What a field is where nothing reads it: not the defaults of today, so that names last."""


def prefix(run: Run, stages: int) -> Run:
    """The run that trains the first stages of a run's route.

    What those stages do not read has one value for all, so that runs which differ only later begin
    alike: pretraining reads no fine-tuning rate, fine-tuning no pretraining rate, and only the last
    stage of a route is tuned in part, held back, begins heads anew, or shares otherwise than hard.
    """
    route = run.route.prefix(stages)
    met = {task.name for stage in route.stages for task in stage.tasks}
    unread: list[str] = ["tuning", "sharing", "heads", "last_rate", "anchor"]
    if all(TASKS[task] == "mlm" for task in met):
        unread += (*_TUNING_FIELDS, "mlm_seed")
    elif not any(TASKS[task] == "mlm" for task in met):
        unread += _MLM_FIELDS
    if run.recipe.target not in met:
        unread.append("target")
    same = {name: getattr(_UNREAD, name) for name in unread}
    return plan(route, run.recipe.replace(**same), _seed(run, stages - 1))


def _recipe(run: Run, number: int) -> Recipe:
    """The recipe of a stage: before the last, that of the beginning as if it were trained alone."""
    last = number == len(run.route.stages) - 1
    return run.recipe if last else prefix(run, number + 1).recipe


def _seed(run: Run, number: int) -> int:
    """The seed of a stage: pretraining at a route's beginning is made once, for all seeds."""
    kinds = [{TASKS[task.name] for task in stage.tasks} for stage in run.route.stages]
    begins = all(kind == {"mlm"} for kind in kinds[: number + 1])
    return run.recipe.mlm_seed if begins and any(kind != {"mlm"} for kind in kinds) else run.seed


def _evaluation(task: Task, split: str, limit: int = 0) -> tuple[Example, ...]:
    """The sentences of a split with a task's label; with a limit, that many, evenly spread."""
    found = corpora.sentences(task, split=split)
    if not limit or limit >= len(found):
        return found
    return tuple(found[i * len(found) // limit] for i in range(limit))


def _texts(route: Route) -> Iterable[Sequence[str]]:
    """What a scratch encoder's tokenizer learns from: the text of the first stage's corpora.

    All of it, whatever the number of labels, so that routes of one seed share initial weights;
    and as knobs have it spelt, too, since the same encoder meets both.
    """
    tasks = route.stages[0].tasks
    for corpus in sorted({task.corpus for task in tasks}):
        sentences = corpora.load(corpus, split="train")
        sentences = sentences[:: 1 + len(sentences) // 20_000]  # evenly, and not the first
        yield from (example.words for example in sentences)
        for task in tasks:
            if task.corpus == corpus and {"overlap", "delexicalised"} & dict(task.knobs).keys():
                yield from (example.words for example in knobs.define(task, sentences))


def _agree(route: Route) -> None:
    """Refuse a task that comes back, on another corpus, with labels that its head will not have."""
    first: dict[str, Task] = {}
    for task in (task for stage in route.stages for task in stage.tasks):
        if TASKS[task.name] == "mlm":
            continue
        met = first.setdefault(task.name, task)
        if new := sorted({*corpora.label_names(task)} - {*corpora.label_names(met)}):
            raise RouteError(
                f"{task.name} on {task.corpus} has {len(new)} labels that {met.name} on "
                f"{met.corpus} before it has not, {new[0]!r} is one; one head cannot serve both: "
                f"use one corpus for {task.name}, or the other order"
            )


def _stage(route: Route, number: int, recipe: Recipe, seed: int) -> Stage:
    tasks = route.stages[number].tasks
    before = [task for stage in route.stages[:number] for task in stage.tasks]
    watched = {task.name: task for task in before if TASKS[task.name] != "mlm"}
    watched |= {task.name: task for task in tasks}
    train = {task.name: corpora.labelled(task, seed=seed) for task in tasks}
    limit = recipe.dev_sentences
    seen = min(_SEEN, (limit + 1) // 2 or _SEEN)
    return Stage(
        train=train,
        dev={name: _evaluation(task, "dev", limit) for name, task in watched.items()},
        seen={name: examples[:seen] for name, examples in train.items()},
    )


def train(
    run: Run, *, folder: Path | None = None, models: Path | None = None, watch: Watch | None = None
) -> tuple[Network, list[dict[str, Any]], dict[str, Any]]:
    """Train a run's route, stage after stage, in this process.

    Parameters
    ----------
    folder
        Where checkpoints go, one folder a stage; an interrupted run goes on from there.
    models
        Kept models by run id; the longest prefix of the route found there is not trained again.
    watch
        Called after each update; see :func:`mtlkit.training.fit`.  The entry also has the stage.

    Returns
    -------
    model, history, ledger
        The history of all stages, and what each stage cost.

    Raises `CorpusError` or `EncoderError` before any training, and before a folder is made.
    """
    machine.reuse()
    recipe, route = run.recipe, run.route
    begin, kept = _kept(run, models)
    _agree(route)
    plans = {n: _stage(route, n, recipe, _seed(run, n)) for n in range(begin, len(route.stages))}
    _tests(route)
    if kept is not None:
        model, facts = networks.load(kept, recipe=recipe, seed=run.seed)
        history, stages = facts["history"], facts["stages"]
    else:
        history, stages, encoder = [], [], _encoder(route, recipe, _seed(run, 0))
        model = Network(encoder, recipe, seed=_seed(run, 0))
    for number, stage in plans.items():
        check(stage, _recipe(run, number))  # now, so that what cannot be is found at once
    model.encoder.tune(recipe.tuning)
    if len(plans) > 1:
        names = [task.name for task in route.stages[-1].tasks]
        build(recipe.sharing, copy.deepcopy(model.encoder), names, seed=0)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    for number in plans:
        model.seed = _seed(run, number)
        last, names = number == len(route.stages) - 1, [t.name for t in route.stages[number].tasks]
        if last and recipe.heads != "all":
            model.forget(set(names) - {recipe.target if recipe.heads == "target" else None})
        for task in route.stages[number].tasks:
            model.add(task.name, () if TASKS[task.name] == "mlm" else corpora.label_names(task))
        model.encoder.tune(recipe.tuning if last else "full")
        model.share(recipe.sharing if last else "hard", names)
        entries, ledger = fit(
            model,
            plans[number],
            _recipe(run, number),
            seed=model.seed * 101 + number,
            folder=None if folder is None else folder / f"stage-{number}",
            watch=watch and functools.partial(_told, watch, number),
        )
        history = [*history, *({"stage": number, **entry} for entry in entries)]
        stages = [*stages, ledger]
    return model, history, _ledger(model, stages, recipe)


def _told(watch: Watch, stage: int, update: int, updates: int, entry: Mapping[str, Any]) -> None:
    watch(update, updates, {"stage": stage, **entry})


def _kept(run: Run, models: Path | None) -> tuple[int, Path | None]:
    """The longest kept beginning of a run: how many stages it has, and its model folder."""
    for done in range(len(run.route.stages) - 1, 0, -1):
        id_ = prefix(run, done).id
        folder = published.MINI if id_ == published.shipped() else models and models / id_
        if folder and (folder / "model.json").is_file():
            return done, folder
    return 0, None


def _encoder(route: Route, recipe: Recipe, seed: int) -> encoders.Encoder:
    try:
        return encoders.build(route.start, texts=_texts(route), recipe=recipe, seed=seed)
    except encoders.EncoderError:
        raise
    except ValueError as error:  # of transformers: a shape that it does not build
        cure = "a width divisible by 32 is safe"
        raise encoders.EncoderError(f"no encoder of this recipe ({error}); {cure}") from None


def _ledger(model: Network, stages: list[dict[str, Any]], recipe: Recipe) -> dict[str, Any]:
    """The budget of a run: what was spent, in the units that comparisons are made at."""
    tasks: dict[str, dict[str, int]] = {}
    for stage in stages:
        for task, spent in stage["tasks"].items():
            sums = tasks.setdefault(task, dict.fromkeys(spent, 0))
            for unit, amount in spent.items():
                sums[unit] += amount
    return {
        "updates": sum(stage["updates"] for stage in stages),
        "target_updates": tasks.get(recipe.target or "", {}).get("updates"),
        "seconds": sum(stage["seconds"] for stage in stages),
        "parameters": encoders.parameters(model),
        "tuned_parameters": sum(_tuned(model, stages[-1]["tasks"]).values()),
        # The most this process ever held: an upper bound where it did other runs before.
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _MAXRSS_UNIT,
        "tasks": tasks,
        "stages": stages,
    }


def _tuned(model: Network, tasks: Iterable[str]) -> dict[int, int]:
    """What learns when these tasks are trained: parameters by ``id``, and how many numbers each."""
    parts = (model.encoder, model.sharing, *(model.heads[task] for task in tasks))
    found = (p for part in parts for p in part.parameters())
    return {id(p): p.numel() for p in found if p.requires_grad}


def environment(recipe: Recipe) -> dict[str, Any]:
    """What a result may depend on besides its run."""
    names = ("mtlkit", "torch", "transformers", "tokenizers", "numpy")
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in names},
        "machine": platform.machine(),
        "system": platform.system(),
        "threads": torch.get_num_threads(),
        "bf16": machine.precision(recipe.precision) == torch.bfloat16,
    }


def test(model: Network, run: Run) -> tuple[Scores, dict[str, dict[str, list[Counts]]]]:
    """Score the tasks of a run's last stage on test: scores, and the counts behind them."""
    return Evaluator(_tests(run.route), model)(model, run.recipe)


def elsewhere(model: Network, run: Run) -> dict[str, Scores]:
    """Test scores of tasks of a subset on the other subsets of their corpus, as ``test@subset``."""
    found: dict[str, Scores] = {}
    for task in (task for task in run.route.stages[-1].tasks if task.subset is not None):
        for subset in registry()[task.corpus]["subsets"]:
            examples = _evaluation(replace(task, subset=subset), "test")
            if subset != task.subset and examples:
                scores = Evaluator({task.name: examples}, model)(model, run.recipe)[0]
                found.setdefault(f"test@{subset}", {}).update(scores)
    return found


def _tests(route: Route) -> dict[str, tuple[Example, ...]]:
    return {task.name: _evaluation(task, "test") for task in route.stages[-1].tasks}


def execute(run: Run, *, folder: Path, keep: bool = False, watch: Watch | None = None) -> Record:
    """Train a run, score it once on test, and store its record.

    ``folder`` holds the records, ``work/<id>`` (checkpoints, gone when the run is done) and
    ``models/<id>`` (with ``keep``, for runs that begin with this one).  Two processes that are
    given the same run do not train it twice: the second waits for the first.
    """
    store, models, work = Store(folder), folder / "models", folder / "work"
    work.mkdir(parents=True, exist_ok=True)
    with FileLock(work / f"{run.id}.lock"):
        if run.id in store and (not keep or (models / run.id).is_dir()):
            return store.load(run.id)
        model, history, ledger = train(run, folder=work / run.id, models=models, watch=watch)
        begun = time.process_time()
        scores, counts = test(model, run)
        others = elsewhere(model, run)
        ledger["test_seconds"] = time.process_time() - begun
        wanted = [run.recipe.target] if run.recipe.target in counts else list(counts)
        kept_entry = next(entry for entry in reversed(history) if entry["best"])
        record: Record = {
            "id": run.id,
            "run": run.to_json(),
            "scores": {"dev": kept_entry["scores"]["dev"], "test": scores, **others},
            "counts": {task: counts[task] for task in wanted},
            "history": history,
            "ledger": ledger,
            "environment": environment(run.recipe),
        }
        if keep:
            for left in models.glob(f".part-{run.id}*"):  # of a process that was killed
                shutil.rmtree(left)
            part = models / f".part-{run.id}"
            part.mkdir(parents=True)
            facts = {"run": run.to_json(), "history": history, "stages": ledger["stages"]}
            networks.save(model, part, facts)
            shutil.rmtree(models / run.id, ignore_errors=True)
            os.replace(part, models / run.id)
        store.save(record)
        shutil.rmtree(work / run.id, ignore_errors=True)
    return record
