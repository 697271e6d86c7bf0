"""The command `semlink search`, with a short recipe on the digits."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from benchmarks.recipes import images
from models import GenotypeCnn, StagedCnn, StagedCnnConfig
from models.nas.fitting import fitted
from simulator import resolve
from simulator.commands.search import SearchRequest, _begun
from simulator.commands.train import TrainRequest, train
from simulator.description.stages import LossWeights
from simulator.description.trial import Trial, warm_started
from simulator.errors import UserError
from simulator.search.config import adjusted
from simulator.search.cost import network_costs
from simulator.search.written import forget_search, read_student, summary
from simulator.training.weights import Weights
from tests.commands import few_images, status
from tests.simulator.search.short_search import short, short_preset, short_stages, teach


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a teacher and its cached outputs."""
    return teach(tmp_path_factory.mktemp("training"))


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "recipe_named", lambda *_, **__: short())
    monkeypatch.setattr(resolve, "search_preset", short_preset)
    monkeypatch.setattr(resolve, "dataset_of", lambda *_: few_images())


def test_search_writes_a_student_that_can_be_trained(
    training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    out = tmp_path / "out"
    asked = ("search", "digits", "--training", training, "--out", out, "--epochs", "2")
    before = sorted(training.rglob("*"))
    assert status(monkeypatch, *asked, "--seeds", "2", "--lambda", "0.5") == 0
    assert sorted(training.rglob("*")) == before
    told = json.loads((out / "genotype.json").read_text())
    student = read_student(out / "genotype.json")
    assert told["lambda"] == 0.5
    assert told["validation_accuracy"] == max(
        json.loads((out / f"genotypes/seed_{seed}.json").read_text())["validation_accuracy"]
        for seed in (0, 1)
    )
    for name in ("cells.png", "cells.pdf", "evolution.png", "evolution.pdf"):
        assert (out / "figures" / name).stat().st_size > 5_000
    history = pd.read_csv(out / "search.csv")
    assert list(history["auxiliary_skip"]) == [1, 0]
    assert {"loss", "expected_cost", "genotype_cost", "entropy", "validation_p"} <= set(history)

    monkeypatch.setattr(resolve, "search_figures", lambda *_: [])
    written = (out / "genotype.json").read_bytes()
    assert status(monkeypatch, *asked, "--seeds", "2", "--lambda", "0.5") == 0  # nothing left to do
    keys = ("seed", "parameters", "macs", "student")
    again = json.loads((out / "genotype.json").read_text())
    assert {key: again[key] for key in keys} == {key: json.loads(written)[key] for key in keys}
    capsys.readouterr()
    assert status(monkeypatch, *asked, "--lambda", "0.1") == 2
    assert "another description" in capsys.readouterr().err

    recipe = replace(short(), student=replace(short().student, model=student))
    monkeypatch.setattr(resolve, "recipe_named", lambda *_, **__: recipe)
    mine = tmp_path / "mine"
    train(TrainRequest(recipe="digits", stage="stage1", out=mine))
    weights = Weights(recipe, few_images(), mine / "weights", torch.device("cpu"))
    assert isinstance(weights.student().body, GenotypeCnn)


def test_search_of_stages_proposes_networks_and_keeps_the_best(
    training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(resolve, "search_preset", short_stages)
    out = tmp_path / "out"
    asked = ("search", "digits", "--training", training, "--out", out, "--epochs", "2")
    assert status(monkeypatch, *asked) == 0
    printed = capsys.readouterr().out
    assert "stage 2: " in printed
    student = read_student(out / "genotype.json")
    assert isinstance(student, StagedCnnConfig)
    told = json.loads((out / "genotype.json").read_text())
    assert 1_000 < told["parameters"] <= 6_000
    assert told["macs"] <= hand_made_macs(6_000)
    ranks = pd.read_csv(out / "history/proposals_0.csv")
    assert list(ranks.groupby("epochs").size()) == [3, 2]
    assert (out / "figures/evolution.png").stat().st_size > 5_000
    assert not (out / "figures/cells.png").exists()

    written = (out / "genotype.json").read_bytes()
    assert status(monkeypatch, *asked) == 0  # nothing left to do
    pd.testing.assert_frame_equal(ranks, pd.read_csv(out / "history/proposals_0.csv"))
    keys = ("seed", "parameters", "macs", "student")
    again = json.loads((out / "genotype.json").read_text())
    assert {key: again[key] for key in keys} == {key: json.loads(written)[key] for key in keys}

    recipe = replace(short(), student=replace(short().student, model=student))
    monkeypatch.setattr(resolve, "recipe_named", lambda *_, **__: recipe)
    mine = tmp_path / "mine"
    train(TrainRequest(recipe="digits", stage="stage1", out=mine))
    weights = Weights(recipe, few_images(), mine / "weights", torch.device("cpu"))
    assert isinstance(weights.student().body, StagedCnn)


@pytest.mark.parametrize("target", ["100", "1000"])
def test_unreachable_target_raises_an_error(
    target: str, training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(resolve, "search_preset", short_stages)
    asked = ("search", "digits", "--training", training, "--out", tmp_path / "out")
    assert status(monkeypatch, *asked, "--target-params", target) == 2
    error = capsys.readouterr().err
    assert (
        "--target-params must be large enough for a network of the search space, within its"
        in error
    )


def hand_made_macs(parameters: int) -> float:
    """MACs of the hand-made student scaled to this size, on the digits."""
    model = fitted(short().student.model, parameters, image_channels=1)
    return network_costs(model, (1, 8, 8))["macs"]


def test_search_trains_the_teacher_of_the_digits_but_of_no_other_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(resolve, "search_figures", lambda *_: [])
    asked = ["search", "digits", "--epochs", "1", "--training", "t", "--out", "out"]
    assert status(monkeypatch, *asked) == 2
    assert "--training must be the folder of a training run, got t" in capsys.readouterr().err
    (tmp_path / "t").mkdir()
    mine = replace(short(), embedded_data=None, name="mine")
    monkeypatch.setattr(resolve, "recipe_named", lambda *_, **__: mine)
    assert status(monkeypatch, *asked) == 2
    assert "run semlink train mine.toml --data DIR --stage cache --out t" in capsys.readouterr().err
    monkeypatch.setattr(resolve, "recipe_named", lambda *_, **__: short())
    assert status(monkeypatch, *asked) == 0
    said = capsys.readouterr().err
    assert "semlink: the teacher of recipe digits is trained first, in out/teaching\n" in said
    assert not any((tmp_path / "t").iterdir())  # a given training folder is only read
    assert (tmp_path / "out/teaching/weights/teacher.safetensors").exists()
    assert (tmp_path / "out/genotype.json").exists()
    assert status(monkeypatch, *asked) == 0
    assert "is trained first" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--lambda", "-1"], "--lambda must be"),
        (["--target-params", "big"], "--target-params must be a number such as 1.2M"),
        (["--seeds", "0"], "--seeds must be"),
        (["--images-size", "1"], "--images-size must be"),
        (["--minutes", "0"], "--minutes must be above 0"),
    ],
)
def test_mistakes_raise_one_line_errors_and_write_nothing(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert status(monkeypatch, "search", "digits", *arguments) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_damaged_genotype_raises_an_error_that_names_the_file(tmp_path: Path) -> None:
    staged = '{"student": {"type": "StagedCnnConfig", "stages": [3]}}'
    for text in ("", "[]", "{}", '{"student": 3}', '{"student": {"genotype": 3}}', staged):
        (tmp_path / "g.json").write_text(text)
        with pytest.raises(UserError, match=r"g\.json must be a genotype"):
            read_student(tmp_path / "g.json")
    with pytest.raises(UserError, match="but is a folder; name the genotype.json in it"):
        read_student(tmp_path)
    with pytest.raises(UserError, match="no such file"):
        read_student(tmp_path / "none.json")


def test_forget_search_keeps_students_of_training_runs(tmp_path: Path) -> None:
    kept, gone = ("student.safetensors", "student_no_teacher.safetensors"), "student_seed0"
    (tmp_path / "weights").mkdir()
    (tmp_path / "genotypes").mkdir()
    for name in (*kept, f"{gone}.safetensors"):
        (tmp_path / "weights" / name).touch()
    for name in ("genotype.json", "genotypes/seed_1.json", "search.csv"):
        (tmp_path / name).touch()
    forget_search(tmp_path)
    left = (path.name for path in tmp_path.rglob("*") if path.is_file())
    assert sorted(left) == sorted(kept)


def test_summary_describes_the_stages() -> None:
    stage = {"width": 24, "depth": 2, "block": "inverted", "kernel": 5, "expansion": 4}
    student = {
        "stem": 8,
        "stages": [
            {**stage, "pooling": "before"},
            {**stage, "block": "pair", "pooling": "none"},
            {**stage, "depth": 0, "pooling": "after"},
        ],
    }
    told = {"parameters": 1234, "macs": 5678, "cpu_ms": 0.25, "seed": 1, "student": student}
    assert summary({**told, "validation_accuracy": 0.5}).splitlines() == [
        "seed 1: 1,234 parameters, 5,678 MACs, 0.25 ms per image",
        "  stem: 8 channels",
        "  stage 1: 24 channels, pooling before, inverted blocks: 2 of kernel 5, expansion 4",
        "  stage 2: 24 channels, no pooling, pair blocks: 2 of kernel 5",
        "  stage 3: 24 channels, pooling after, no blocks",
        "  validation accuracy 50.00 %",
    ]


def test_search_uses_the_recipe_with_which_its_teachers_were_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warm start changes the number of views, for which teacher outputs are cached."""
    (tmp_path / "weights").mkdir()
    Trial(warm=True).note(tmp_path / "weights")
    asked: list[Any] = []
    monkeypatch.setattr(resolve, "recipe_named", lambda *_, **__: images())
    monkeypatch.setattr(
        "simulator.search.prepare.search_run", lambda recipe, *_, **__: asked.append(recipe)
    )
    _begun(SearchRequest(recipe="images", data=tmp_path, training=tmp_path))
    assert [recipe.views for recipe in asked] == [warm_started(images()).views]
    assert images().views != warm_started(images()).views


def test_control_of_a_search_learns_from_labels_only() -> None:
    preset = short_preset(short(), "cpu")
    labels = adjusted(preset, penalty=0.1, teaching="ce").search.loss
    assert labels == LossWeights(mse=0.0, ce=1.0, kl=0.0, temperature=1.0)
    assert adjusted(preset, penalty=0.1).search.loss == preset.search.loss
    with pytest.raises(UserError, match="--teaching must be kd or ce, got 'x'"):
        adjusted(preset, penalty=0.1, teaching="x")
