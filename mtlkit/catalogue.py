"""The command ``data``: the corpora that there are, and those of one's own."""

import argparse

from mtlkit import commands
from mtlkit.commands import UsageError

__all__ = ["DATA_HELP", "FLAGS", "OWN", "data"]

OWN = ("add", "remove")
"""The actions that change which corpora there are."""

FLAGS = (
    ("--dev", "FILE", "the file of this side (default: a hash of each sentence makes the sides)"),
    ("--test", "FILE", "the file of this side"),
    ("--text-column", "C", "of a sheet, the column of text (default: text)"),
    ("--label-column", "C", "of a sheet, the column of labels (default: label)"),
    ("--task", "T", "tasks to offer, as in pos,dep; of a sheet, the one task (default: label)"),
    ("--release", "R", "of ud:CODE, the release of Universal Dependencies (default: 2.16)"),
)

DATA_HELP = """\
Your own corpora:
  add NAME PLACE   registers a CoNLL-U treebank (.conllu) or a sheet of labelled sentences (.csv,
                   .tsv); a folder may hold a file a side, with train, dev or test in its name
  add NAME ud:CODE fetches a treebank of Universal Dependencies by its code, such as de_gsd; what
                   comes the first time is recorded, and checked from then on
  remove NAME      takes it out again, with the copies of its files; results stay

Then NAME is a corpus like the others: "minilm > label@NAME", "minilm > pos+dep@NAME".
Copies and checksums are kept in MTLKIT_OWN, or else with your user's data.
"""


def data(options: argparse.Namespace) -> int:
    """List, fetch or check corpora; add or remove one of one's own."""
    given = [flag for flag, *_ in FLAGS if vars(options)[flag[2:].replace("-", "_")] is not None]
    if options.action != "add" and given:
        raise UsageError(f"{given[0]} is for mtlkit data add, not for mtlkit data {options.action}")
    if options.action not in OWN:
        return commands.data(options)
    wanted = {"add": "NAME PLACE", "remove": "NAME"}[options.action]
    if len(options.corpora) != len(wanted.split()):
        found = " ".join(options.corpora) or "nothing"
        raise UsageError(f"expected mtlkit data {options.action} {wanted}, found {found}")
    from mtlkit import registry

    if options.action == "remove":
        print(f"{options.corpora[0]}: removed, with {registry.remove(*options.corpora)}")
        return 0
    changes = {"text": options.text_column, "label": options.label_column}
    changes["release"] = options.release
    added = registry.add(
        *options.corpora,
        dev=options.dev,
        test=options.test,
        tasks=[task.strip() for task in (options.task or "").split(",") if task.strip()],
        **{key: value for key, value in changes.items() if value is not None},
    )
    print(added)
    return 0
