"""The lab: where a lesson asks for runs, finds them again, and shows what they say."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from mtlkit import DATA, claims, evidence, figures, published
from mtlkit.evidence import Item
from mtlkit.networks import Network, load
from mtlkit.profiles import PROFILES, ProfileError, Target
from mtlkit.recipes import Run
from mtlkit.results import OWN_RESULTS_ONLY, Store, find_root, primary
from mtlkit.routes import Route
from mtlkit.statistics import Comparison, compare
from mtlkit.study import plan, prefix
from mtlkit.sweeps import complete

__all__ = ["FAMILIES", "Lab"]

_Cell = TypeVar("_Cell")
_Setting = TypeVar("_Setting")

FAMILIES = ("scratch", "single", "joint", "combined")
"""Ways to reach a target: one task from random weights; one task from a pretrained encoder;
support tasks and target together; support tasks first, then the target."""

TUNING_SEED = 1000
"""Learning rates are chosen with this seed, which no reported result uses."""


class Lab:
    """Where a lesson's runs are asked for, found again, and shown.

    Parameters
    ----------
    profile
        ``smoke``, ``quick`` or ``full``.
    root
        The folder with ``notebooks/``; results go to ``runs/<profile>/`` there and figures to
        ``figures/<profile>/``.  Found from the working folder by default.
    workers, scheduler
        As in :func:`mtlkit.sweeps.complete`.
    headline
        The profile as the study's main comparison has it: see `Profile.headline`.
    """

    def __init__(
        self,
        profile: str,
        *,
        root: str | Path | None = None,
        workers: int | None = None,
        scheduler: str | None = None,
        headline: bool = False,
    ) -> None:
        if profile not in PROFILES:
            raise ProfileError(
                f"unknown profile {profile!r}: expected one of {', '.join(PROFILES)}"
            )
        chosen = PROFILES[profile]
        self.profile = chosen.headlined() if headline else chosen
        self.root = find_root() if root is None else Path(root).resolve()
        runs = self.root / "runs" / profile
        alone = (runs / OWN_RESULTS_ONLY).is_file() or not chosen.published
        self.store = Store(runs, *([] if alone else [DATA / "results" / profile]))
        self.figures = self.root / "figures" / profile
        self._workers, self._scheduler = workers, scheduler
        self._rates: dict[tuple[str, str], list[float]] = {}  # a rate a budget

    def target(self, task: str) -> Target:
        """What the profile says of a target task."""
        for target in self.profile.targets:
            if target.task == task:
                return target
        known = ", ".join(target.task for target in self.profile.targets)
        raise ProfileError(
            f"profile {self.profile.name!r} has no target {task!r}: expected one of {known}"
        )

    def route(self, family: str, task: str, labels: int | None) -> Route:
        """The route by which a family reaches a target with so many labelled sentences."""
        target = self.target(task)
        goal, support = target.goal(labels), target.aid(self.profile.support)
        texts = {
            "scratch": f"scratch > {goal}",
            "single": f"{self.profile.pretrained} > {goal}",
            "joint": f"{self.profile.pretrained} > {support}+{goal}",
            "combined": f"{self.profile.pretrained} > {support} > {goal}",
        }
        if family not in texts:
            raise ProfileError(f"unknown family {family!r}: expected one of {', '.join(texts)}")
        return Route.parse(texts[family])

    def run(
        self,
        route: str | Route,
        *,
        target: str | None,
        seed: int,
        rate: float | None = None,
        **changes: Any,
    ) -> Run:
        """A run of this profile; ``rate`` is the encoder's learning rate, ``changes`` the rest."""
        recipe = self.profile.recipe.replace(target=target, **changes)
        return plan(route, recipe if rate is None else recipe.replace(encoder_lr=rate), seed)

    def pretraining(self) -> Run:
        """The run that pretrains an encoder of this profile's own.

        It is the first stage of a longer route, and so the one that such routes begin with.
        """
        goal = self.profile.targets[0]
        route = f"{self.profile.own} > {goal.task}@{goal.corpus}"
        return prefix(self.run(route, target=None, seed=0, **self.profile.reading), 1)

    def complete(self, runs: Iterable[Run], title: str = "runs", *, keep: bool = False) -> None:
        """Train what is not in the store yet, and keep the models if asked.

        Raises
        ------
        ProfileError
            If a run failed, after all the others are done; it names each one.
        """
        runs = list(runs)
        failures = complete(
            runs,
            self.store,
            workers=self._workers,
            scheduler=self._scheduler,
            title=title,
            keep=keep,
        )
        if failures:
            raise ProfileError(
                f"{len(failures)} of {len(runs)} runs failed; the others are kept, and running "
                "this again trains only these:\n" + "\n".join(f"  {f}" for f in failures)
            )

    def rates(
        self, cells: Iterable[tuple[str, str, int | None]]
    ) -> dict[tuple[str, str, int | None], float]:
        """The encoder's learning rate for each (family, target, labels): the best of a grid on dev.

        Every family has the same grid for every target and every budget of the profile, tried with
        a seed of its own; a grid of one rate is not tried.  Where a best rate is at the grid's end,
        the grid goes on there.  One trial may be a lucky one, so a rate is judged by the mean of
        its trials with this budget and with the next smaller and larger ones.  Numbers of labels
        that are no budget (None: all there are) take the nearest one's.
        """
        cells, budgets = list(cells), self.profile.budgets
        wanted = {(family, self.target(task).task) for family, task, _ in cells}
        grids = dict.fromkeys(sorted(wanted - self._rates.keys()), self.profile.rates)
        while grids:
            trials = {
                (cell, labels, rate): self.run(
                    self.route(*cell, labels), target=cell[1], seed=TUNING_SEED, rate=rate
                )
                for cell, grid in grids.items()
                for labels in budgets
                for rate in grid
            }
            if len(self.profile.rates) > 1:
                self.complete(trials.values(), title="learning rates")
            for cell, grid in list(grids.items()):
                tried = [[trials[cell, labels, rate] for rate in grid] for labels in budgets]
                best = self._best_rates(grid, tried)
                grids[cell] = self._wider(grid, best)
                if grids[cell] == grid:
                    self._rates[cell] = best
                    del grids[cell]
        nearest = {
            labels: int(np.argmin(np.abs(np.log(budgets) - np.log(labels or max(budgets)))))
            for _, _, labels in cells
        }
        return {(f, t, labels): self._rates[f, t][nearest[labels]] for f, t, labels in cells}

    def _wider(self, grid: tuple[float, ...], best: Sequence[float]) -> tuple[float, ...]:
        """The grid, with the next rate beyond each end that is a best one."""
        ladder = sorted({*grid, *self.profile.beyond})
        low, high = ladder.index(min(grid)), ladder.index(max(grid))
        low -= low > 0 and ladder[low] in best
        high += high + 1 < len(ladder) and ladder[high] in best
        return tuple(ladder[low : high + 1])

    def _best_rates(self, grid: Sequence[float], trials: Sequence[Sequence[Run]]) -> list[float]:
        """The best rate for each row of trials (a budget; a column a rate), the first of equals."""
        if len(grid) == 1:
            return [grid[0]] * len(trials)
        scores = np.array([[self._dev(run, run.recipe.target or "") for run in r] for r in trials])
        means = [scores[max(0, i - 1) : i + 2].mean(axis=0) for i in range(len(scores))]
        return [grid[int(np.argmax(mean))] for mean in means]

    def choose(
        self, trials: Mapping[tuple[_Cell, _Setting], Run], *, title: str = "trials"
    ) -> dict[_Cell, _Setting]:
        """For each cell the setting whose run has the best dev score on its target, or the first.

        They are all trained, but for those of a cell that has one setting alone.
        """
        settings = Counter(cell for cell, _ in trials)
        if rivals := [run for (cell, _), run in trials.items() if settings[cell] > 1]:
            self.complete(rivals, title=title)
        best: dict[_Cell, tuple[float, _Setting]] = {}
        for (cell, setting), run in trials.items():
            score = self._dev(run, run.recipe.target or "") if settings[cell] > 1 else 0.0
            if cell not in best or score > best[cell][0]:
                best[cell] = score, setting
        return {cell: setting for cell, (_, setting) in best.items()}

    def _dev(self, run: Run, task: str) -> float:
        return self.store.load(run.id)["scores"]["dev"][task][primary(task)]

    def head_to_head(
        self,
        *,
        families: Sequence[str] = FAMILIES,
        targets: Sequence[str] | None = None,
        budgets: Sequence[int | None] | None = None,
        seeds: Sequence[int] | None = None,
    ) -> pd.DataFrame:
        """The main comparison: a row a run, with its test score on the target and its cost.

        Columns: family, task, labels, seed, score, and the columns of :meth:`table`.  A budget of
        None is all labels there are.
        """
        targets = [t.task for t in self.profile.targets] if targets is None else targets
        budgets = self.profile.budgets if budgets is None else budgets
        cells = [(f, t, n) for f in families for t in targets for n in budgets]
        rates = self.rates(cells)
        runs = {
            (family, task, labels, seed): self.run(
                self.route(family, task, labels),
                target=task,
                seed=seed,
                rate=rates[family, task, labels],
            )
            for family, task, labels in cells
            for seed in (self.profile.seeds if seeds is None else seeds)
        }
        # Seed by seed: what an interruption leaves is whole for the first seeds.
        self.complete(sorted(runs.values(), key=lambda run: run.seed), title="head to head")
        keys = pd.DataFrame(
            [(*key, run.id) for key, run in runs.items()],
            columns=["family", "task", "labels", "seed", "id"],
        )
        return keys.merge(self.table(runs.values()), on=["id", "task", "seed"])

    def table(self, runs: Iterable[Run]) -> pd.DataFrame:
        """Test scores on the primary metric, tidy: a row for each run and task of its last stage.

        Columns: id, route, seed, target, task, metric, score (a fraction; perplexity for ``mlm``),
        and the run's ledger (seconds of the processor, test_seconds, updates, target_updates,
        parameters, ...).
        """
        frame = self.store.table([run.id for run in runs])
        main = frame["task"].map(primary) == frame["metric"]
        return frame[main & (frame["split"] == "test")].reset_index(drop=True)

    def history(self, runs: Iterable[Run]) -> pd.DataFrame:
        """Scores along training: a row for each run, stage, update, split, task and metric."""
        return self.store.history([run.id for run in runs])

    def trace(self, runs: Iterable[Run]) -> pd.DataFrame:
        """What methods did along training: weights, conflicts; see `results.Store.trace`."""
        return self.store.trace([run.id for run in runs])

    def compare(self, a: pd.DataFrame, b: pd.DataFrame, score: str = "score") -> Comparison:
        """Paired difference a - b over seeds, in the unit of the score, with its t interval."""
        pairs = a.merge(b, on="seed", suffixes=("_a", "_b"), validate="one_to_one")
        if len(pairs) < 2:
            raise ProfileError(
                f"a comparison needs at least two seeds that both sides share, found {len(pairs)}"
            )
        rng = np.random.default_rng(0)  # which only many seeds need
        return compare(pairs[f"{score}_a"], pairs[f"{score}_b"], rng=rng)

    def model(self, run: Run) -> Network:
        """The trained model of a run; trained first if nobody has kept it."""
        folder = self.store.folder / "models" / run.id
        if run.id == published.shipped():
            folder = published.MINI
        else:
            self.complete([run], title="model", keep=True)
        return load(folder, recipe=run.recipe, seed=run.seed)[0]

    def show(self, figure: Any, name: str, *, alt: str | None = None) -> None:
        """Save a figure as ``figures/<profile>/<name>.svg`` and ``.png``, and show it.

        Without ``alt``, what the plot functions say about their data is the alt text.
        """
        figures.show(figure, name, folder=self.figures, alt=alt)

    def show_table(self, frame: pd.DataFrame, name: str, *, caption: str) -> Any:
        """Save a table as ``figures/<profile>/tables/<name>.csv`` and ``.md``, and show it."""
        return figures.save_table(frame, name, folder=self.figures, caption=caption)

    def testify(self, items: Iterable[Item], lesson: str) -> str:
        """Keep a lesson's evidence for the ledger of claims, as ``tables/NN_evidence.csv``.

        The items' numbers are measured here.  What they say of each claim, in Markdown.
        """
        found = evidence.measure(items, self.store)
        evidence.save(found, evidence.file(self.figures, lesson))
        return claims.spoken(found)

    def __repr__(self) -> str:
        fields: Mapping[str, Any] = {
            f.name: getattr(self.profile, f.name) for f in dataclasses.fields(self.profile)
        }
        shown = ("name", "pretrained", "budgets", "support", "seeds")
        return f"Lab({', '.join(f'{name}={fields[name]!r}' for name in shown)})"
