"""The command line: ``mtlkit --help``."""

import argparse
import gc
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mtlkit.lexicon import DOMAINS
from mtlkit.recipes import Recipe
from mtlkit.routes import Route

__all__ = ["UsageError", "main"]

EXIT_FAILED, EXIT_USAGE = 1, 2
USAGE_ERRORS = ("UsageError", "RouteError", "PipelineError")
PROFILES = ("smoke", "quick", "full")

ROUTE_HELP = """\
A route says where an encoder's weights start and what it is trained on, in which order:
  >  then      knowledge moves in sequence    (transfer learning)
  +  together  knowledge is shared in parallel (multi-task learning)

  scratch > ner                     one task from random weights
  minilm > ner:500                  a published encoder, fine-tuned on 500 labelled sentences
  minilm > pos+ner+dep@gum          joint multi-task training, all on the corpus gum
  minilm > pos+dep > ner:500        pretrain on several tasks, then specialise
  scratch > mlm@world > ner@world   pretrain from nothing on generated text, then fine-tune
  minilm > pos[noise=0.2] > ner     knobs in brackets: noise shuffled imbalance shift overlap
"""


class UsageError(ValueError):
    """A command line that asks for something that there is not."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 done, 1 something failed, 2 bad usage."""
    options = _parser().parse_args(arguments)
    try:
        code = options.command(options)
        sys.stdout.flush()  # here, where a reader that has gone away can still be met
        return code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("\nmtlkit: interrupted; run the same command again to go on", file=sys.stderr)
        return EXIT_FAILED
    except OSError as error:
        reason = str(error) or type(error).__name__
        if error.filename:
            reason = f"cannot use {error.filename}: {error.strerror}"
        print(f"mtlkit: {reason}; check path, permissions and free space", file=sys.stderr)
        return EXIT_FAILED
    except ValueError as error:
        # Errors of ours are answers to a user. Any other is a fault of ours: show it whole.
        if not isinstance(error, UsageError) and not type(error).__module__.startswith("mtlkit."):
            raise
        print(f"mtlkit: {error}", file=sys.stderr)
        return EXIT_USAGE if type(error).__name__ in USAGE_ERRORS else EXIT_FAILED


def _whole(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or int(text) < least:
            rule = f"expected a whole number, {least} or more, found {text!r}"
            raise argparse.ArgumentTypeError(rule)
        return int(text)

    return number


def _share(text: str) -> float:
    if not re.fullmatch(r"0?\.[0-9]+|[01]|1\.0+", text):
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, found {text!r}")
    return float(text)


def _parser() -> argparse.ArgumentParser:
    # fmt: off
    plain, several = argparse.RawDescriptionHelpFormatter, {"action": "extend", "default": []}
    parser = argparse.ArgumentParser(
        prog="mtlkit", description="Transfer learning and multi-task learning, compared fairly.",
        epilog=f"{ROUTE_HELP}\n`mtlkit COMMAND --help` shows examples.", formatter_class=plain,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[Any], int], text: str, *examples: str) -> Any:
        sub = commands.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".", formatter_class=plain,
            epilog="\n  ".join(["Examples:", *(f"mtlkit {name} {each}" for each in examples)]),
        )
        sub.set_defaults(command=command)
        return sub

    text = "run the lessons and make every figure and table"
    study = add("study", _study, text, "--only 03 09", "--profile full --workers 2")
    study.add_argument(
        "--profile", default="quick", choices=PROFILES,
        help="smoke: minutes, for tests; quick (default): embedded world, small models; "
        "full: real corpora and encoders, hours, resumable",
    )
    study.add_argument("--only", nargs="+", **several, metavar="NN", help="only these lessons")
    study.add_argument("--fresh", action="store_true", help="train everything again")
    study.add_argument("--publish", action="store_true", help="keep notebooks and results in git")
    where = study.add_mutually_exclusive_group()
    where.add_argument("--workers", type=_whole(1), metavar="N", help="default: one a core")
    where.add_argument("--scheduler", metavar="ADDRESS", help="a running Dask cluster instead")

    train = add(
        "train", _train, "train one route and save a model folder",
        '"scratch > pos:200+dep:200@world" --recipe epochs=2 layers=2 width=64 --out model',
        f'"minilm > pos+ner+dep@gum" --seed 1 --out parser\n\n{ROUTE_HELP}',
    )
    train.add_argument("route", metavar="ROUTE", help='for example "minilm > pos+ner+dep@gum"')
    train.add_argument("--seed", type=_whole(0), default=0, metavar="N")
    train.add_argument(
        "--recipe", nargs="+", **several, metavar="KEY=VALUE", help="for example epochs=3"
    )
    train.add_argument("--out", required=True, type=Path, metavar="DIR", help="a new folder")

    text = "score a model folder on a CoNLL-U file"
    score = add("evaluate", _evaluate, text, "model treebank.conllu --out predicted.conllu")
    score.add_argument("model", type=Path, metavar="DIR", help="made by `mtlkit train`")
    score.add_argument("file", type=Path, metavar="FILE.conllu")
    score.add_argument(
        "--out", type=Path, metavar="PREDICTED.conllu",
        help="write the file with the model's tags, trees and names in place of its own",
    )

    world = add("world", _world, "print a generated treebank", "3", "1000 --seed 7 > train.conllu")
    world.add_argument("n", type=_whole(0), metavar="N", help="sentences")
    world.add_argument("--seed", type=_whole(0), default=0, metavar="N")
    world.add_argument("--domain", choices=DOMAINS, help="all of one domain (default: a mixture)")
    text = "share of nouns and names whose class in MISC is their own, as in aux[relatedness=R]"
    world.add_argument("--relatedness", type=_share, default=1.0, metavar="R", help=text)

    data = add("data", _data, "list, fetch or check corpora", "list", "fetch gum", "check gum ewt")
    data.add_argument("action", choices=("list", "fetch", "check"))
    data.add_argument("corpora", nargs="*", metavar="CORPUS", help="default: all")

    runs = add("runs", _runs, "look at finished runs", "list", "show 3f9a", "table > scores.csv")
    runs.add_argument("action", choices=("list", "show", "table"))
    runs.add_argument("id", nargs="?", help="for show: a run's id, or how it begins")
    runs.add_argument("--profile", default="quick", choices=PROFILES)

    add("doctor", _doctor, "tell what this machine has and what is missing", "")
    # fmt: on
    return parser


def _study(options: argparse.Namespace) -> int:
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


def _train(options: argparse.Namespace) -> int:
    route, recipe = Route.parse(options.route), Recipe.parse(options.recipe)
    from mtlkit import corpora, sharing, study  # seconds, which a typing error does not cost

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
        with ExitStack() as bars:
            model, history, ledger = study.train(
                run,
                folder=part / "checkpoints" / run.id,
                watch=study.progress(len(route.stages), bars),
            )
        test = study.test(model, run)[0]
        facts = {"run": run.to_json(), "history": history, "ledger": ledger}
        shutil.rmtree(part / "model", ignore_errors=True)
        sharing.save(model, part / "model", {**facts, "scores": {"test": test}})
        os.replace(part / "model", out)
        shutil.rmtree(part)
    finally:
        if not any(part.glob("checkpoints/*/*/checkpoint-*")):  # nothing to go on from
            shutil.rmtree(part, ignore_errors=True)
    for name, scores in test.items():
        print(f"test {name}: " + ", ".join(f"{k} {v:.4f}" for k, v in scores.items()))
    print(f"{time.monotonic() - begun:.0f} seconds; model in {options.out}")
    return 0


def _evaluate(options: argparse.Namespace) -> int:
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


def _world(options: argparse.Namespace) -> int:
    from mtlkit import conllu, knobs, world

    gc.disable()  # nothing in a sentence refers back to itself: it would look in vain
    try:
        for sentence in world.stream(options.n, seed=options.seed, domain=options.domain):
            sys.stdout.write(conllu.format([knobs.classed(sentence, options.relatedness)]))
    finally:
        gc.enable()
    return 0


def _data(options: argparse.Namespace) -> int:
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
    from mtlkit import corpora, sources

    rows = [("corpus", "tasks", "files", "MB", "state")]
    for row in corpora.listing().set_index("corpus").loc[names].itertuples():
        state = "here" if row.files == row.present else f"to get it: mtlkit data fetch {row.Index}"
        files = f"{row.present}/{row.files}" if row.files else "none"
        rows.append((row.Index, row.tasks, files, str(row.megabytes), state))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        print("  ".join(map(str.ljust, cells, widths)).rstrip())
    print(f"in {sources.cache_folder()}")


def _runs(options: argparse.Namespace) -> int:
    from mtlkit import DATA
    from mtlkit.results import Store, find_root

    folder = find_root() / "runs" / options.profile
    store = Store(folder, DATA / "results" / options.profile)
    if options.action == "show":
        found = [id for id in store.ids() if options.id and id.startswith(options.id)]
        if len(found) != 1:
            what = f"{len(found)} runs begin with {options.id!r}" if options.id else "no id given"
            raise UsageError(f"{what}: `mtlkit runs list --profile {options.profile}` has the ids")
        record = {k: v for k, v in store.load(found[0]).items() if k != "counts"}
        print(json.dumps(record, indent=1))
    elif options.action == "table":
        store.table().to_csv(sys.stdout, index=False)
    else:
        for record in store:
            print(f"{record['id'][:12]}  seed {record['run']['seed']:<4}  {record['run']['route']}")
        if not len(store):
            print(f"no runs in {folder}; `mtlkit study` makes some", file=sys.stderr)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from mtlkit import encoders, sources, study

    for name, value in study.environment(Recipe()).items():
        print(f"{name:<14}{value}")
    print(f"{'cores':<14}{os.cpu_count()}")
    place, revision = encoders.locate("minilm")
    print(f"{'minilm':<14}{'the first use downloads it from' if revision else 'in'} {place}\n")
    _print_corpora(list(sources.registry()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
