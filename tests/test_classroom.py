"""The classroom: one seed a student, honest files, one interval."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mtlkit.__main__ import main
from mtlkit.classroom import ARMS, ClassroomError, Result, draw, load, pool, run, save, sentence
from mtlkit.lab import Lab
from mtlkit.statistics import t_interval

EXPERIMENT = {"profile": "quick", "target": "ner", "arms": {"alone": {"recipe": {"epochs": 1}}}}


def result(seed: int, alone: float = 0.25, together: float = 0.5) -> Result:
    scores = {"alone": alone, "together": together}
    return Result(experiment=EXPERIMENT, seed=seed, scores=scores)


RESULTS = [result(0, 0.25, 0.5), result(4, 0.5, 0.625), result(7, 0.25, 0.625)]


def test_a_seed_is_run_saved_and_read_back(tmp_path: Path) -> None:
    lab = Lab("smoke", root=tmp_path, workers=1)
    found = run(3, profile="smoke", lab=lab)
    assert found.seed == 3 and set(found.scores) == set(ARMS)
    assert len(lab.store) == 2
    routes = {name: arm["route"] for name, arm in found.experiment["arms"].items()}
    assert routes == ARMS
    assert "seed" not in found.experiment["arms"]["alone"]
    assert "seed 3" in found.told() and "decides nothing" in found.told()
    save(found, tmp_path / "3.json")
    assert load(tmp_path / "3.json") == found
    assert run(3, profile="smoke", lab=lab) == found  # from the store


def test_pooling_is_the_paired_interval_in_points() -> None:
    found = pool(RESULTS)
    low, high = t_interval([25.0, 12.5, 37.5])
    assert (found.mean, found.n) == (25.0, 3)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert sentence(found, EXPERIMENT).startswith(
        "Names, 100 labelled sentences, profile quick: together against alone is **undecided**"
    )


def test_the_order_of_files_does_not_matter() -> None:
    assert pool(RESULTS[::-1]) == pool(RESULTS)


class TestRefused:
    def test_too_few(self) -> None:
        with pytest.raises(ClassroomError, match="an interval needs two seeds or more; found 1"):
            pool(RESULTS[:1])

    def test_a_seed_twice(self) -> None:
        with pytest.raises(ClassroomError, match="seed 4 is there more than once: give each"):
            pool([*RESULTS, result(4)])

    def test_another_experiment(self) -> None:
        arms = {"alone": {"recipe": {"epochs": 2}}}
        other = replace(result(9), experiment={**EXPERIMENT, "arms": arms})
        with pytest.raises(ClassroomError) as error:
            pool([*RESULTS, other])
        assert "seeds 0 and 9 ran different experiments" in str(error.value)
        assert "arms.alone.recipe.epochs is 1 and 2" in str(error.value)
        other = replace(result(9), experiment={**EXPERIMENT, "profile": "smoke"})
        with pytest.raises(ClassroomError, match="profile is 'quick' and 'smoke'"):
            pool([*RESULTS, other])

    def test_damaged_files(self, tmp_path: Path) -> None:
        path = tmp_path / "4.json"
        with pytest.raises(ClassroomError, match="there is no file"):
            load(path)
        save(result(4), path)
        whole = path.read_text(encoding="utf-8")
        path.write_text(whole[:-20], encoding="utf-8")
        with pytest.raises(ClassroomError, match=r"4\.json is damaged: it is no JSON"):
            load(path)
        path.write_bytes(b"\xff\xfe")
        with pytest.raises(ClassroomError, match="is damaged"):
            load(path)
        path.write_text(whole.replace("0.25", "0.05"), encoding="utf-8")
        with pytest.raises(ClassroomError, match="was changed after it was written, for its check"):
            load(path)
        for text in ("[]", "{}", json.dumps({"form": "mtlkit classroom 0"})):
            path.write_text(text, encoding="utf-8")
            with pytest.raises(ClassroomError, match="is no result of `mtlkit classroom run`"):
                load(path)

    @pytest.mark.parametrize("scores", [{"alone": 0.1}, {"alone": 0.1, "together": 1.5}, 3])
    def test_scores_that_are_none(self, tmp_path: Path, scores: object) -> None:
        save(Result(experiment={}, seed=1, scores=scores), tmp_path / "1.json")  # type: ignore[arg-type]
        with pytest.raises(ClassroomError, match="lacks scores from 0 to 1 of alone and together"):
            load(tmp_path / "1.json")


def test_the_figure_says_what_it_shows(tmp_path: Path) -> None:
    draw(RESULTS, tmp_path / "class.svg")
    said = (tmp_path / "class.svg").read_text(encoding="utf-8")
    assert "together − alone 25.0 [" in said and "3 seeds" in said
    assert (tmp_path / "class.png").is_file()
    with pytest.raises(ClassroomError, match=r"class\.pdf should end in \.svg"):
        draw(RESULTS, tmp_path / "class.pdf")


def test_the_command_pools(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for each in RESULTS:
        save(each, tmp_path / f"{each.seed}.json")
    files = sorted(map(str, tmp_path.glob("*.json")))
    assert main(["classroom", "pool", *files, "--out", str(tmp_path / "class.svg")]) == 0
    out = capsys.readouterr().out
    assert "+25.00 [" in out and "class.svg" in out
    assert main(["classroom", "pool"]) == 2
    assert "name the files" in capsys.readouterr().err
    assert main(["classroom", "run", "--seed", "3"]) == 2
    assert "say which seed and which file" in capsys.readouterr().err
    assert main(["classroom", "pool", *files, files[0]]) == 1
    assert "seed 0 is there more than once" in capsys.readouterr().err
