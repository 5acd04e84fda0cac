"""What the commands do, each with its options parsed; heavy libraries load when one needs them."""

import argparse
import gc
import os
import shutil
import sys
import textwrap
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from mtlkit.recipes import Recipe
from mtlkit.routes import Route, unknown

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "EXIT_FAILED", "EXIT_USAGE", "UsageError", "annotate", "bench", "claims", "data", "doctor",
    "evaluate", "methods", "study", "train", "world",
]  # fmt: skip

EXIT_FAILED, EXIT_USAGE = 1, 2


class UsageError(ValueError):
    """A command line that asks for something that there is not."""


def study(options: argparse.Namespace) -> int:
    from mtlkit import pipeline
    from mtlkit.results import find_root

    root, profile = find_root(), options.profile
    begun = time.monotonic()
    done = pipeline.run(
        root, profile, only=options.only, workers=options.workers, scheduler=options.scheduler,
        fresh=options.fresh,
    )  # fmt: skip
    print(pipeline.summary(done))
    print(f"{time.monotonic() - begun:.0f} seconds; figures in {root / 'figures' / profile}")
    if options.fresh:
        print(pipeline.reproduction(root, profile))
    failed = [lesson for lesson in done if lesson.error is not None]
    for lesson in failed:
        print(
            f"mtlkit: lesson {lesson.name} failed: {lesson.error}\n"
            f"  see runs/{profile}/notebooks/{lesson.name}.ipynb; finished runs are kept; "
            f"go on with: mtlkit study --profile {profile} --only {lesson.name[:2]}",
            file=sys.stderr,
        )
    if options.publish and not failed:
        print("published:", *pipeline.publish(root, profile), sep="\n  ")
    return EXIT_FAILED if failed else 0


def _place(path: Path) -> Path:
    """The absolute path of something to be written, if it looks as if it could be."""
    path = path.resolve()
    above = next(folder for folder in path.parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        what = "may not be written to" if above.is_dir() else "is not a folder"
        raise PermissionError(f"--out {path}: {above} {what}")
    return path


def train(options: argparse.Namespace) -> int:
    route, recipe = Route.parse(options.route), Recipe.parse(options.recipe)
    from mtlkit import (  # seconds, which a typing error does not cost
        corpora,
        machine,
        networks,
        progress,
        study,
    )

    tasks = [task for stage in route.stages for task in stage.tasks]
    run = study.plan(route, recipe, options.seed)
    out = _place(options.out)
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise UsageError(f"--out {out} exists and is not empty: choose a new folder")
    for task in tasks:
        corpora.load(task.corpus, split="train", subset=task.subset)
        try:
            corpora.labelled(task, seed=options.seed)
        except corpora.CorpusError as error:  # the corpus is there; the route asks too much of it
            raise UsageError(str(error)) from None
    part = out.with_name(f".{out.name}.part")  # same file system, so that the last step is a rename
    begun = time.monotonic()
    try:
        with machine.joined(), ExitStack() as bars:
            number, _ = machine.place()
            model, history, ledger = study.train(
                run,
                folder=part / "checkpoints" / run.id,
                watch=None if number else progress.bars(len(route.stages), bars),
            )
        if number:  # of several processes, which have the same model now, the first goes on
            return 0
        test = study.test(model, run)[0]
        facts = {"run": run.to_json(), "history": history, "ledger": ledger}
        shutil.rmtree(part / "model", ignore_errors=True)
        networks.save(model, part / "model", {**facts, "scores": {"test": test}})
        os.replace(part / "model", out)
        shutil.rmtree(part)
    finally:
        if not any(part.glob("checkpoints/*/*/checkpoint-*")):  # nothing to go on from
            shutil.rmtree(part, ignore_errors=True)
    for name, scores in test.items():
        print(f"test {name}: " + ", ".join(f"{k} {v:.4f}" for k, v in scores.items()))
    print(f"{time.monotonic() - begun:.0f} seconds; model in {options.out}")
    return 0


def evaluate(options: argparse.Namespace) -> int:
    from mtlkit.annotation import score_file

    out = None if options.out is None else _place(options.out)
    if out is not None and (out.is_dir() or out == options.file.resolve()):
        what = "a folder" if out.is_dir() else "the file to be scored"
        raise UsageError(f"--out {out} is {what}: choose another name")
    scores = score_file(options.model, options.file, out=out)
    for task, found in scores.items():
        print(f"{task}: " + ", ".join(f"{name} {value:.6f}" for name, value in found.items()))
    if not scores:
        print(f"{options.file} has no labels for this model's tasks: nothing is scored")
    if out is not None:
        print(f"predictions in {options.out}")
    return 0


def annotate(options: argparse.Namespace) -> int:
    """Text in, annotated text out, a few thousand words at a time."""
    from mtlkit import presentation, reading
    from mtlkit.annotation import Annotator

    out = None if options.out is None else _place(options.out)
    if out is not None and (out.is_dir() or str(out) == str(Path(options.file).resolve())):
        what = "a folder" if out.is_dir() else "the file to be annotated"
        raise UsageError(f"--out {out} is {what}: choose another name")
    kind = options.input or ("conllu" if options.file.endswith(".conllu") else "document")
    part = None if out is None else out.with_name(f".{out.name}.{os.getpid()}.part")
    with ExitStack() as stack:
        lines = stack.enter_context(reading.lines(options.file))
        annotator = Annotator.load(options.model, precision=options.precision)
        if kind == "conllu":
            sentences = reading.read_treebank(lines, options.file)
        else:
            sentences = reading.read_text(lines, line=kind)
        if part is None or out is None:
            target = sys.stdout
        else:
            out.parent.mkdir(parents=True, exist_ok=True)
            stack.callback(part.unlink, missing_ok=True)
            target = stack.enter_context(part.open("w", encoding="utf-8"))
        for text in presentation.present(annotator(sentences), options.format):
            target.write(text)
        if part is not None and out is not None:
            target.close()
            os.replace(part, out)
    return 0


def bench(options: argparse.Namespace) -> int:
    """Measure the engine, its speed or its scores; leave tables and a figure."""
    from mtlkit import benchmark, costs, figures, machine, overhead, quality
    from mtlkit.results import Store, find_root

    folder = find_root() / "figures" / "bench" if options.out is None else _place(options.out)
    kind = str(machine.precision("auto")).removeprefix("torch.")
    if options.quality:
        captions = {
            "quality": "Test scores with all labels, default recipe and variants, "
            f"{kind}; seconds of a thread.",
            "names": "What became of the names of GUM's test: how many, seen in training or new.",
            "convergence": "Scores on dev along training; seconds of one thread.",
            "worth": "Points of dev that the default recipe has over variants: mean [range].",
        }
        found = quality.measure(Store(find_root() / "runs" / "bench"))
        for name, caption in captions.items():
            figures.save_table(found[name], name, folder=folder, caption=caption)
        figures.save(costs.convergence(found["convergence"]), "convergence", folder=folder)
        print(quality.summary(found["quality"]).to_string(index=False))
    elif options.methods:
        frame = overhead.measure(sentences=options.sentences or 600)
        caption = (
            f"A step with each method, by that of a plain one: {benchmark.corpus()}, three tasks "
            f"on the same sentences, one thread, {kind}. mib: the most memory that it held."
        )
        figures.save(costs.methods(frame), "methods", folder=folder)
        print(figures.save_table(frame, "methods", folder=folder, caption=caption))
    else:
        frame = benchmark.measure(sentences=options.sentences)
        caption = (
            f"The engine: full passes over {benchmark.corpus()}, {kind}. rate: sub-words a second, "
            "padding left out; share: of the matrix products measured beside it, in percent; mib: "
            "the most memory held."
        )
        figures.save(costs.engine(frame), "engine", folder=folder)
        print(figures.save_table(frame, "engine", folder=folder, caption=caption))
        for name, value in costs.ratios(frame).items():
            print(f"{name:<16}{value:.2f}")
    print(f"in {folder}")
    return 0


def methods(options: argparse.Namespace) -> int:
    """Print every method of the recipe, with its settings and their defaults."""
    from mtlkit.methods import listing

    for kind, rows in listing().groupby("field", sort=False):
        print(f"{kind}: mtlkit train ROUTE --recipe {kind}=NAME[:SETTING=NUMBER,...]")
        for row in rows.itertuples():
            print(f"  {row.method:<30}{row.what}")
        print()
    return 0


def world(options: argparse.Namespace) -> int:
    from mtlkit import conllu, knobs, world

    gc.disable()  # nothing in a sentence refers back to itself: it would look in vain
    try:
        for sentence in world.stream(options.n, seed=options.seed, domain=options.domain):
            sys.stdout.write(conllu.format([knobs.classed(sentence, options.relatedness)]))
    finally:
        gc.enable()
    return 0


def data(options: argparse.Namespace) -> int:
    from mtlkit import corpora, sources

    for name in options.corpora:
        if name not in sources.registry():
            raise UsageError(str(sources.unknown("corpus", name, sources.registry())))
    names = options.corpora or list(sources.registry())
    if options.action == "list":
        _print_corpora(names)
        return 0
    failed = False
    for name in names:
        if not sources.files(name):
            print(f"{name}: generated, needs no file")
        elif options.action == "fetch":
            print(f"{name}: in {corpora.fetch(name)}")
        elif not sources.present(name) and not options.corpora:
            print(f"{name}: not here; to get it: mtlkit data fetch {name}")
        elif problems := corpora.check(name):
            failed = True
            more = [f"and {len(problems) - 3} more"] if len(problems) > 3 else []
            print("\n".join([f"mtlkit: {name}:", *problems[:3], *more]), file=sys.stderr)
        else:
            print(f"{name}: every checksum agrees")
    return EXIT_FAILED if failed else 0


def _print_corpora(names: list[str]) -> None:
    from mtlkit import corpora, own, sources

    rows, mine = [("corpus", "tasks", "files", "MB", "state")], own.tables().keys()
    for row in corpora.listing().set_index("corpus").loc[names].itertuples():
        state = "here" if row.files == row.present else f"to get it: mtlkit data fetch {row.Index}"
        if row.Index in mine:
            state = "your own" + (row.files > row.present) * f"; see: mtlkit data check {row.Index}"
        files = f"{row.present}/{row.files}" if row.files else "none"
        rows.append((row.Index, row.tasks, files, str(row.megabytes), state))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        print("  ".join(map(str.ljust, cells, widths)).rstrip())
    print(f"in {sources.cache_folder()}")
    if mine:
        print(f"your own in {own.folder()}")


def claims(options: argparse.Namespace) -> int:
    """Print the ledger, or all there is to say of one claim."""
    from mtlkit import claims
    from mtlkit.results import find_root

    rule, every = claims.read()
    if options.claim is not None and options.claim not in every:
        raise UsageError(str(unknown("claim", options.claim, every)))
    found = claims.ledger(find_root())
    for claim in [every[options.claim]] if options.claim else every.values():
        print(_filled(f"{claim.id}: ", claim.claim))
        if options.claim:
            about = {
                "source": claim.source, "lesson": claim.lesson, "statistic": claim.statistic,
                "margin": claim.smallest, "revised by": claim.revise, "rule": rule,
            }  # fmt: skip
            print("\n".join(_filled(f"  {name:<12}", text) for name, text in about.items()))
        for side, finding in found[claim.id].items():
            print(_filled(f"  {side:<6} ", finding.sentence))
            if options.claim and finding.cells:
                print(textwrap.indent(_in_columns(finding.table()), "    "))
    if options.claim is None:
        for side, profile in claims.SIDES.items():
            if lessons := sorted({e.lesson for e in every.values() if not found[e.id][side].cells}):
                todo = f"mtlkit study --profile {profile} --only {' '.join(lessons)}"
                print(f"{side}: some claims have no runs yet; to make them:\n  {todo}")
    return 0


def _filled(head: str, text: str) -> str:
    """Text beside its head, in lines that a terminal shows whole."""
    return textwrap.fill(text, 96, initial_indent=head, subsequent_indent=" " * len(head),
                         break_on_hyphens=False)  # fmt: skip


def _in_columns(cells: "pd.DataFrame") -> str:
    """The cells of a claim, p-values as the field writes them."""
    from mtlkit.statistics import p_text

    told = {name: cells[name].map(p_text) for name in ("p", "adjusted")}
    wide = cells["cell"].str.len().max()
    shown = cells.assign(**told, cell=cells["cell"].str.ljust(wide))
    return shown.to_string(index=False, float_format="{:.2f}".format)


def doctor(options: argparse.Namespace) -> int:
    from mtlkit import published, sources, study

    for name, value in study.environment(Recipe()).items():
        print(f"{name:<14}{value}")
    print(f"{'cores':<14}{os.cpu_count()}")
    place, revision = published.locate("minilm")
    print(f"{'minilm':<14}{'the first use downloads it from' if revision else 'in'} {place}\n")
    _print_corpora(list(sources.registry()))
    return 0
