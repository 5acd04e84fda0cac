"""The command line: ``mtlkit --help``."""

import argparse
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mtlkit import advice, catalogue, checks, commands, drills, pages, quizroom, runs, teaching
from mtlkit.commands import EXIT_FAILED, EXIT_USAGE, UsageError
from mtlkit.lexicon import DOMAINS
from mtlkit.quizzes import lessons

__all__ = ["UsageError", "main"]

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

INPUTS = ("document", "sentence", "wrapped", "conllu")
FORMATS = ("conllu", "table", "json", "svg")

ANNOTATE_HELP = """\
What a line of the input is (--input):
  document   a text of one or more sentences, on one line
  sentence   one sentence
  wrapped    a piece of a text whose sentences go on over line ends; empty lines end a text
  conllu     a line of a CoNLL-U file: its words are kept, its annotation is replaced

How text is cut (the module mtlkit.segmentation, a page of rules that one can read):
  A sentence ends at . ! ? or an ellipsis, closing quotes included, before a capital or a digit,
  but not after an abbreviation (Dr. etc. U.S. J.); one of over 200 words is cut at a comma.
  Words are those of UD's English treebanks: punctuation and clitics (n't 's 're) stand alone,
  numbers and abbreviations keep their points, hyphens join.

What comes out (--format):
  conllu     CoNLL-U: UPOS or XPOS, HEAD and DEPREL, names as NER=B-PER in MISC
  table      the same in aligned columns, to read
  json       one object a line, a sentence each
  svg        trees to look at, of up to 100 sentences
"""


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
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[Any], int], text: str, *examples: str) -> Any:
        sub = subparsers.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".", formatter_class=plain,
            epilog="\n  ".join(["Examples:", *(f"mtlkit {name} {each}" for each in examples)]),
        )
        sub.set_defaults(command=command)
        return sub

    text = "run the lessons and make every figure and table"
    study = add("study", commands.study, text, "--only 03 09", "--profile full --workers 2")
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
        "train", commands.train, "train one route and save a model folder",
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
    score = add("evaluate", commands.evaluate, text, "model treebank.conllu --out predicted.conllu")
    score.add_argument("model", type=Path, metavar="DIR", help="made by `mtlkit train`")
    score.add_argument("file", type=Path, metavar="FILE.conllu")
    score.add_argument(
        "--out", type=Path, metavar="PREDICTED.conllu",
        help="write the file with the model's tags, trees and names in place of its own",
    )

    note = add(
        "annotate", commands.annotate, "annotate text of one's own with a model folder",
        "parser news.txt > news.conllu", "parser --input sentence --format table < lines.txt",
        "parser news.txt --format svg --out trees.svg\n\n" + ANNOTATE_HELP,
    )
    note.add_argument("model", type=Path, metavar="DIR", help="made by `mtlkit train`")
    note.add_argument("file", nargs="?", default="-", metavar="FILE", help="default: - for stdin")
    note.add_argument(
        "--input", choices=INPUTS, help="default: conllu for a FILE.conllu, else document"
    )
    note.add_argument("--format", default="conllu", choices=FORMATS, help="default: conllu")
    note.add_argument("--out", type=Path, metavar="PATH", help="written whole or not at all")
    note.add_argument(
        "--precision", default="auto", choices=("auto", "int8", "bf16", "fp32"),
        help="of matrix products; auto (default): bf16 where the machine computes in it, else "
        "fp32; int8: on a CPU, faster, and slightly worse",
    )

    text = "print a generated treebank"
    world = add("world", commands.world, text, "3", "1000 --seed 7 > train.conllu")
    world.add_argument("n", type=_whole(0), metavar="N", help="sentences")
    world.add_argument("--seed", type=_whole(0), default=0, metavar="N")
    world.add_argument("--domain", choices=DOMAINS, help="all of one domain (default: a mixture)")
    text = "share of nouns and names whose class in MISC is their own, as in aux[relatedness=R]"
    world.add_argument("--relatedness", type=_share, default=1.0, metavar="R", help=text)

    data = add(
        "data", catalogue.data, "list, fetch or check corpora, add or remove your own", "list",
        "fetch gum", "check gum ewt", "add reviews reviews.csv --text-column review",
        "add mine train.conllu --dev dev.conllu --test test.conllu",
        f"add german ud:de_gsd\n\n{catalogue.DATA_HELP}",
    )
    data.add_argument("action", choices=("list", "fetch", "check", *catalogue.OWN))
    text = "default: all; for add: NAME PLACE, a file, a folder or ud:CODE"
    data.add_argument("corpora", nargs="*", metavar="CORPUS", help=text)
    for flag, name, text in catalogue.FLAGS:
        data.add_argument(flag, metavar=name, help=f"for add: {text}")

    text = "look at finished runs, and take their results elsewhere"
    done = add(
        "runs", runs.runs, text, "list --route minilm --target ner", "show 3f9a",
        "table --profile full > scores.csv", "export scores.parquet",
        f"export along.csv --what history --route mlm\n\n{runs.RUNS_HELP}",
    )
    done.add_argument("action", choices=runs.ACTIONS)
    text = "for show: a run's id, or how it begins; for export: OUT.csv or OUT.parquet"
    done.add_argument("id", nargs="?", metavar="ID|OUT", help=text)
    done.add_argument("--profile", default="quick", choices=PROFILES)
    done.add_argument("--route", metavar="TEXT", help="only runs with this in their route")
    done.add_argument("--target", metavar="TASK", help="only runs for this task")
    done.add_argument("--what", default="scores", choices=runs.TABLES, help="of table and export")

    text = "train published runs again and compare them with what was published"
    again = add("verify", checks.verify, text, "", "--tier hour --profile full --out verified.md")
    again.add_argument(
        "--tier", default="minute", choices=("minute", "hour", "all"),
        help="minute (default): the cheapest of the embedded world; hour: drawn at random; all",
    )
    again.add_argument("--profile", default="quick", choices=PROFILES[1:])
    again.add_argument("--workers", type=_whole(1), metavar="N", help="default: one a core")
    again.add_argument("--seed", type=_whole(0), default=0, metavar="S", help="of what hour draws")
    text = "train also what an interrupted verification has trained"
    again.add_argument("--fresh", action="store_true", help=text)
    again.add_argument("--out", type=Path, metavar="FILE.md", help="write the report here, too")

    text = "list what textbooks claim, and what the runs say of it"
    ledger = add("claims", commands.claims, text, "", "size_rule")
    ledger.add_argument("claim", nargs="?", metavar="CLAIM", help="all of one claim, cell by cell")

    text = "tell which route to try first, learnt from measured comparisons"
    pick = add(
        "choose", advice.choose, text, "", "--labels 300 --support 3000 --tasks 2 --relatedness .4",
        "--labels 50 --support 900 --tasks 1 --relatedness unknown --on world\n\n"
        + advice.CHOOSE_HELP,
    )
    for name, (kind, what) in advice.NUMBERS.items():
        pick.add_argument(f"--{name}", type=kind, metavar=name[0].upper(), help=what)
    pick.add_argument(
        "--on", default="real", choices=advice.PLACES,
        help="measured on real text with a published encoder (default), or on the embedded world",
    )
    pick.add_argument("--cells", type=Path, metavar="FILE.csv", help="another table of results")

    ask = add(
        "quiz", quizroom.quiz, "ask questions about the lessons, those that were missed first", "",
        "--lesson 04", "--n 5 --seed 3",
        f"--lesson final --export exam.csv\n\n{quizroom.QUIZ_HELP}",
    )
    ask.add_argument("--lesson", choices=lessons(), help="default: all lessons")
    text = "so many questions (default: all of a lesson, 10 of all lessons; --export: all)"
    ask.add_argument("--n", type=_whole(1), metavar="N", help=text)
    ask.add_argument("--seed", type=_whole(0), default=0, metavar="S", help="of the drawing")
    text = "write questions, answers and explanations to OUT.csv or OUT.json"
    ask.add_argument("--export", type=Path, metavar="OUT", help=text)
    text = "what is kept of your answers (default: in your own state folder)"
    ask.add_argument("--state", type=Path, metavar="FILE", help=text)

    text = "learn the terms of the course with flash cards"
    learn = add(
        "cards", drills.cards, text, "", "--lesson 04 --new 5", "--lesson 06 --list",
        f"--export terms.apkg\n\n{drills.CARDS_HELP}",
    )
    learn.add_argument("--lesson", metavar="NN", help="only the terms of one lesson")
    learn.add_argument(
        "--new", type=_whole(0), default=drills.NEW, metavar="N",
        help=f"at most N cards that were never asked (default: {drills.NEW})",
    )
    learn.add_argument("--state", type=Path, metavar="FILE", help="keep answers in this file")
    instead = learn.add_mutually_exclusive_group()
    instead.add_argument("--list", action="store_true", help="print terms and definitions")
    instead.add_argument(
        "--export", type=Path, metavar="OUT", help="write OUT.apkg for Anki, or OUT.csv"
    )

    text = "make an edition of the lessons, for students or for instructors"
    student = add(
        "student", teaching.student, text, "handout", "handout --only 03 --minutes 50",
        "notes --instructor --slides\n\n" + teaching.STUDENT_HELP,
    )
    student.add_argument("out", type=Path, metavar="OUT", help="a folder, new or empty")
    student.add_argument(
        "--instructor", action="store_true", help="with solutions and notes, for whoever teaches"
    )
    student.add_argument("--only", nargs="+", **several, metavar="NN", help="only these lessons")
    student.add_argument(
        "--minutes", type=_whole(1), metavar="M",
        help="cut each lesson to M minutes in class: by priority, and so that its code still runs",
    )
    student.add_argument("--nbgrader", action="store_true", help="add the metadata of nbgrader")
    student.add_argument("--slides", action="store_true", help="also as slides, in OUT/slides")
    student.add_argument(
        "--profile", default="quick", choices=PROFILES[:2],
        help="in which the lessons run; smoke has no outputs",
    )

    text = "one comparison, a seed a student: run one, or pool them all"
    room = add(
        "classroom", teaching.classroom, text, "run --seed 3 --out 3.json",
        "pool *.json --out class.svg\n\n" + teaching.CLASSROOM_HELP,
    )
    room.add_argument("action", choices=("run", "pool"))
    room.add_argument("files", nargs="*", metavar="FILE.json", help="for pool: what run wrote")
    room.add_argument("--seed", type=_whole(0), metavar="N", help="for run: a student's own")
    room.add_argument(
        "--profile", default="quick", choices=PROFILES[:2],
        help="for run; all students the same; smoke tests that it works",
    )
    room.add_argument(
        "--out", type=Path, metavar="PATH",
        help="for run: FILE.json; for pool: FIGURE.svg, and a .png beside it",
    )

    text = "measure what the engine does in a second, and what it could"
    bench = add("bench", commands.bench, text, "", "--sentences 200 --out try")
    bench.add_argument(
        "--sentences", type=_whole(10), metavar="N",
        help="no more than N in any measurement: a try of seconds; else about fifteen minutes",
    )
    bench.add_argument(
        "--quality", action="store_true",
        help="not speed but scores: the default recipe on all of GUM and EWT, over seeds; hours",
    )
    bench.add_argument(
        "--methods", action="store_true",
        help="not the engine but what ways to share, weigh and operate cost beside a plain step",
    )
    bench.add_argument("--out", type=Path, metavar="DIR", help="default: figures/bench")

    text = "list what there is to share, draw, weigh and operate with"
    add("methods", commands.methods, text, "")

    text = "write what is generated: glossary, questions, sources, the README's table of lessons"
    written = add("pages", pages.pages, text, "", "--check")
    written.add_argument("--check", action="store_true", help="only say what is out of date")

    add("doctor", commands.doctor, "tell what this machine has and what is missing", "")
    # fmt: on
    return parser


if __name__ == "__main__":
    sys.exit(main())
