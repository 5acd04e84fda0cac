"""The command line: ``mtlkit --help``."""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["main"]

EXIT_FAILED, EXIT_USAGE = 1, 2

ROUTE_HELP = """\
A route says where an encoder's weights start and what it is trained on, in which order:
  >  then      knowledge moves in sequence    (transfer learning)
  +  together  knowledge is shared in parallel (multi-task learning)

  scratch > ner                     one task from random weights
  minilm > ner:500                  a published encoder, fine-tuned on 500 labelled sentences
  minilm > pos+ner+dep@gum          joint multi-task training, all on the corpus gum
  minilm > pos+dep > ner:500        pretrain on several tasks, then specialise
  scratch > mlm@world > ner@world   pretrain from nothing on generated text, then fine-tune
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 done, 1 something failed, 2 bad usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return options.command(options)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("\nmtlkit: interrupted; run the same command again to go on", file=sys.stderr)
        return EXIT_FAILED
    except (ValueError, OSError) as error:
        if type(error).__module__.partition(".")[0] != "mtlkit" and isinstance(error, ValueError):
            raise  # a fault of ours: show it whole
        print(f"mtlkit: {error}", file=sys.stderr)
        return EXIT_USAGE if type(error).__name__ == "RouteError" else EXIT_FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mtlkit",
        description="Transfer learning and multi-task learning, compared fairly.",
        epilog=ROUTE_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[Any], int], text: str, epilog: str = "") -> Any:
        sub = commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(command=command)
        return sub

    study = add("study", _study, "run the lessons and make every figure and table")
    study.add_argument(
        "--profile",
        default="quick",
        choices=("smoke", "quick", "full"),
        help="smoke: minutes, for tests; quick (default): embedded world, small models; "
        "full: real corpora and encoders, hours, resumable",
    )
    study.add_argument("--only", nargs="+", default=[], metavar="NN", help="only these lessons")
    study.add_argument("--fresh", action="store_true", help="train everything again")
    study.add_argument("--publish", action="store_true", help="keep notebooks and results in git")
    study.add_argument("--workers", type=int, metavar="N", help="processes (default: one a core)")
    study.add_argument("--scheduler", metavar="ADDRESS", help="a running Dask cluster instead")

    train = add("train", _train, "train one route and save a model folder", ROUTE_HELP)
    train.add_argument("route", metavar="ROUTE", help='for example "minilm > pos+ner+dep@gum"')
    train.add_argument("--seed", type=int, default=0)
    train.add_argument(
        "--recipe", nargs="+", default=[], metavar="KEY=VALUE", help="for example epochs=3"
    )
    train.add_argument("--out", required=True, type=Path, metavar="DIR", help="a new folder")

    score = add("evaluate", _evaluate, "score a model folder on a CoNLL-U file")
    score.add_argument("model", type=Path, metavar="DIR")
    score.add_argument("file", type=Path, metavar="FILE.conllu")
    score.add_argument("--out", type=Path, metavar="PREDICTED.conllu", help="predicted trees")

    world = add("world", _world, "print a generated treebank")
    world.add_argument("n", type=int, metavar="N", help="sentences")
    world.add_argument("--seed", type=int, default=0)

    data = add("data", _data, "list, fetch or check corpora")
    data.add_argument("action", choices=("list", "fetch", "check"))
    data.add_argument("corpora", nargs="*", metavar="CORPUS", help="default: all")

    runs = add("runs", _runs, "look at finished runs")
    runs.add_argument("action", choices=("list", "show", "table"))
    runs.add_argument("id", nargs="?", help="for show: a run's id, or how it begins")
    runs.add_argument("--profile", default="quick", choices=("smoke", "quick", "full"))

    add("doctor", _doctor, "tell what this machine has and what is missing")
    return parser


def _study(options: argparse.Namespace) -> int:
    from mtlkit import DATA, pipeline
    from mtlkit.lab import find_root
    from mtlkit.results import Store

    root = find_root()
    pipeline.lessons(root, options.only)
    aside = pipeline.set_aside(root, options.profile) if options.fresh else None
    begun = time.monotonic()
    done = pipeline.run(
        root,
        options.profile,
        only=options.only,
        workers=options.workers,
        scheduler=options.scheduler,
    )
    print(pipeline.summary(done))
    print(
        f"{time.monotonic() - begun:.0f} seconds; figures in {root / 'figures' / options.profile}"
    )
    if options.fresh:
        earlier = Store(aside or DATA / "nowhere", DATA / "results" / options.profile)
        both, differing = pipeline.differences(Store(root / "runs" / options.profile), earlier)
        if both:
            print(f"trained again: {both - len(differing)} of {both} runs give the same numbers")
        for route in differing:
            print(f"  differs: {route}")
    failed = [lesson for lesson in done if lesson.error is not None]
    for lesson in failed:
        print(
            f"mtlkit: lesson {lesson.name} failed: {lesson.error}\n"
            f"  see runs/{options.profile}/notebooks/{lesson.name}.ipynb; finished runs are kept; "
            f"go on with: mtlkit study --profile {options.profile} --only {lesson.name[:2]}",
            file=sys.stderr,
        )
    if options.publish and not failed:
        for path in pipeline.publish(root, options.profile):
            print(f"published {path.relative_to(root)}")
    return EXIT_FAILED if failed else 0


def _train(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from mtlkit import sharing, study
    from mtlkit.evaluation import primary
    from mtlkit.routes import Recipe, Route

    route = Route.parse(options.route)
    recipe = Recipe.parse(options.recipe)
    out: Path = options.out
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise FileExistsError(f"{out} exists and is not empty; choose a new folder for --out")
    part = out.with_name(f".{out.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    run = study.plan(route, recipe, options.seed)
    bar = tqdm(unit="update", mininterval=1)

    def watch(update: int, updates: int, entry: Mapping[str, Any]) -> None:
        bar.total, bar.n = updates, update
        if entry.get("update") == update:
            dev = entry["scores"]["dev"]
            bar.write(
                f"  update {update}: "
                + ", ".join(
                    f"{task} {primary(task)} {scores[primary(task)]:.4f}"
                    for task, scores in dev.items()
                )
            )
        bar.refresh() if update == updates else bar.update(0)

    begun = time.monotonic()
    model, history, ledger = study.train(run, folder=part / "checkpoints" / run.id, watch=watch)
    bar.close()
    test = study.test(model, run)[0]
    shutil.rmtree(part / "checkpoints")
    facts = {"run": run.to_json(), "scores": {"test": test}, "history": history, "ledger": ledger}
    sharing.save(model, part, facts)
    if out.is_dir():
        out.rmdir()
    os.replace(part, out)
    for task, scores in test.items():
        print(f"test {task}: " + ", ".join(f"{k} {v:.4f}" for k, v in scores.items()))
    print(f"{time.monotonic() - begun:.0f} seconds; model in {out}")
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from mtlkit import study

    for task, scores in study.score_file(options.model, options.file, out=options.out).items():
        print(f"{task}: " + ", ".join(f"{name} {value:.6f}" for name, value in scores.items()))
    return 0


def _world(options: argparse.Namespace) -> int:
    from mtlkit import conllu, world

    sys.stdout.write(conllu.format(world.generate(options.n, seed=options.seed)))
    return 0


def _data(options: argparse.Namespace) -> int:
    from mtlkit import corpora

    table = corpora.listing()
    if options.action == "list":
        print(table.to_string(index=False))
        return 0
    problems = 0
    for name in options.corpora or table["corpus"]:
        if options.action == "fetch":
            print(f"{name}: {corpora.fetch(name)}")
            continue
        found = corpora.check(name)
        problems += len(found)
        print("\n".join(found) or f"{name}: every checksum agrees")
    return EXIT_FAILED if problems else 0


def _runs(options: argparse.Namespace) -> int:
    from mtlkit import DATA
    from mtlkit.lab import find_root
    from mtlkit.results import ResultsError, Store

    folder = find_root() / "runs" / options.profile
    store = Store(folder, DATA / "results" / options.profile)
    if options.action == "show":
        found = [id for id in store.ids() if options.id and id.startswith(options.id)]
        if len(found) != 1:
            raise ResultsError(
                f"{len(found)} runs of profile {options.profile} begin with {options.id!r}; "
                "`mtlkit runs list` shows their ids"
            )
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
    from mtlkit import corpora, encoders, sources, study
    from mtlkit.routes import Recipe

    for name, value in study.environment(Recipe()).items():
        print(f"{name:<14}{value}")
    print(f"{'cores':<14}{os.cpu_count()}")
    place, revision = encoders.locate("minilm")
    state = "to be downloaded" if revision else "here"
    print(f"{'minilm':<14}{state} ({place})")
    print(f"{'corpora':<14}{sources.cache_folder()}")
    print(corpora.listing().to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
