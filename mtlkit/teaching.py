"""The commands for teaching: ``student`` makes editions, ``classroom`` pools what students ran."""

from pathlib import Path
from typing import Any

from mtlkit.commands import UsageError
from mtlkit.results import find_root

__all__ = ["CLASSROOM_HELP", "STUDENT_HELP", "classroom", "student"]

STUDENT_HELP = """\
A student's edition has no solutions, and stops at an exercise until its check says Right. An
instructor's has solutions, what the student finds in their place, and the notes of
data/teaching/NN.yaml. Neither is written over a folder that has anything else in it.

Begin in a copy of the project; OUT may be anywhere. To run an edition: install mtlkit, then
`jupyter lab OUT/notebooks`. Runs and figures go to OUT.

With --nbgrader, cells have the metadata of nbgrader 0.9. Without --instructor the notebooks are as
students get them. With it they are the source for `nbgrader generate_assignment`: solutions stand
between its marks, and there are no notes.

Slides load reveal.js, and MathJax for formulas, from the network when they are shown.
"""

CLASSROOM_HELP = """\
Each student runs one seed of a small comparison, on the embedded world, in seconds to minutes:
names from 100 labelled sentences alone, and together with parts of speech. The files that this
writes are pooled to one interval. `mtlkit classroom run` needs nothing but mtlkit.
"""


def student(options: Any) -> int:
    """Make an edition of the lessons."""
    from mtlkit.editions import Edition
    from mtlkit.handouts import bind
    from mtlkit.pipeline import lessons

    root = find_root()
    paths = lessons(root, options.only)
    edition = Edition(
        instructor=options.instructor,
        minutes=options.minutes,
        nbgrader=options.nbgrader,
        slides=options.slides,
        profile=options.profile,
    )
    out = bind(root, paths, options.out, edition)
    kind = "an instructor's" if edition.instructor else "a student's"
    many = "1 lesson" if len(paths) == 1 else f"{len(paths)} lessons"
    print(f"{out}: {kind} edition of {many}, profile {edition.profile}")
    print(f"to run it: jupyter lab {out / 'notebooks'}")
    return 0


def classroom(options: Any) -> int:
    """Run one seed of the comparison, or pool the files of several."""
    from mtlkit import classroom as room

    if options.action == "run":
        if options.seed is None or options.out is None or options.files:
            raise UsageError(
                "say which seed and which file: mtlkit classroom run --seed 3 --out 3.json"
            )
        found = room.run(options.seed, profile=options.profile)
        room.save(found, options.out)
        print(f"{options.out}: {found.told()}")
        return 0
    if not options.files or options.seed is not None:
        raise UsageError("name the files, as in `pool *.json --out figure.svg`")
    results = [room.load(Path(file)) for file in options.files]
    pooled = room.pool(results)
    print(room.sentence(pooled, results[0].experiment).replace("**", ""))  # Markdown
    if options.out is not None:
        room.draw(results, options.out)
        print(f"figure: {options.out}")
    return 0
