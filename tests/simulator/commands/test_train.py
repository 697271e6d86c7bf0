"""Messages of `semlink train`, and folders that it must leave unchanged."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from simulator.commands.train import TrainRequest, _tell, _tell_backbones, _tell_warm, _trial
from simulator.data.dataset import Split
from simulator.description.seen import write_seen
from simulator.resolve import recipe_named
from simulator.storage.folders import TRAINING, locked
from simulator.training import warm
from simulator.training.run import TrainingRun
from tests.commands import WEIGHTS, Command, few_images, refused

BRIEF = 'base = "digits"\nviews = 1\n'


@pytest.mark.parametrize(("rate", "guesses"), [("1e-9", True), ("0.02", False)])
def test_parts_no_better_than_a_guess_are_reported(
    rate: str,
    guesses: bool,
    semlink: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "brief.toml").write_text(BRIEF, encoding="utf-8")
    asked = ("train", "brief.toml", "--stage", "teacher", "--epochs", "2", "--lr", rate)
    assert semlink(*asked) == 0
    out, err = capsys.readouterr()
    assert "teacher" in out
    assert "semlink: 1 part to train: 1 teacher\nsemlink: part 1 of 1: teacher\n" in err
    assert (
        "not significantly better than a guess on 297 validation images: teacher;" in err
    ) == guesses


def test_backbone_of_the_baselines_is_announced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = recipe_named("digits")
    cpu = torch.device("cpu")
    run = TrainingRun(recipe=recipe, dataset=few_images(), folder=tmp_path, seed=0, device=cpu)
    _tell_backbones(run, recipe.schemes)
    told = "student_no_teacher is the backbone of the joint baselines, taught by labels"
    assert capsys.readouterr().err == f"semlink: {told}\n"
    _tell_backbones(run, [own for own in recipe.schemes if own.name == "rkd_sc"])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("asked", "folder"),
    [
        (("train", "digits", "--fresh", "--stage", "teacher"), "out"),
        (("search", "digits", "--fresh", "--epochs", "1", "--training", "taught"), "out/teaching"),
        (("search", "digits", "--fresh", "--epochs", "1"), "results/runs/digits"),
    ],
)
def test_folder_in_use_by_another_training_raises_an_error(
    asked: tuple[str, ...],
    folder: str,
    semlink: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "taught").mkdir()
    with locked(tmp_path / folder, TRAINING):
        kept = tmp_path / "out/weights/teacher.safetensors"
        kept.parent.mkdir(parents=True)
        kept.write_bytes(b"of the other process")
        assert semlink(*asked, "--out", "out") == 2
        assert kept.read_bytes() == b"of the other process"
    assert f"{folder} is in use by another semlink process; wait for it" in refused(capsys)


def test_images_seen_by_a_warm_start_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = few_images()
    assert known.train is not None
    mixed = Split(
        torch.cat([known.test.images[:5], known.train.images[:7]]),
        torch.cat([known.test.labels[:5], known.train.labels[:7]]),
    )
    new = replace(known, train=known.test, validation=None)
    write_seen(tmp_path, replace(known, validation=None))
    monkeypatch.setattr(warm, "STUDENT", tmp_path / "student.safetensors")
    recipe, cpu = recipe_named("images"), torch.device("cpu")
    for dataset, number in (
        (replace(new, test=mixed), 7),
        (replace(new, train=mixed), 7),
        (new, 0),
    ):
        run = TrainingRun(recipe=recipe, dataset=dataset, folder=tmp_path, seed=0, device=cpu)
        _tell_warm(run, "all")
        told = f"{number} of your images are training images of the shipped student, from which"
        assert (f"semlink: {told} this training starts" in capsys.readouterr().err) == (number > 0)


def test_teachers_are_described_in_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    own = recipe_named("images")
    warm = replace(own.teacher, begin="reference")
    for teacher, kind in (
        (own.teacher, "PooledCnn trained offline"),
        (warm, "the committed student of CIFAR-100 with a linear probe"),
    ):
        recipe = replace(own, teacher=teacher)
        session: Any = SimpleNamespace(
            teachers={"teacher": torch.nn.Linear(2, 3)}, run=SimpleNamespace(recipe=recipe)
        )
        _tell(session)
        assert capsys.readouterr().out == f"teacher: {kind}, 0.00 M parameters\n"


def test_fresh_removes_nothing_if_training_cannot_start(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = shutil.copytree(WEIGHTS, tmp_path / "out/weights")
    before = sorted(weights.iterdir())
    asked = ("train", "digits", "--stage", "baselines", "--schemes", "deep_jscc", "--fresh")
    for options, line in {
        ("--epochs", "3"): "which is now given; use the same options, or choose",
        ("--seed", "1"): "was made from another description, data or seed; use the options of",
    }.items():
        assert semlink(*asked, *options, "--out", "out") == 2
        assert line in refused(capsys)
        assert sorted(weights.iterdir()) == before


def test_ablations_need_a_stage_that_trains_them(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("train", "digits", "--stage", "head", "--variants", "no_teacher", "--out", "out")
    assert semlink(*asked) == 2
    told = "--variants goes with --stage stage2 or all, got --stage head"
    assert refused(capsys) == f"semlink: error: {told}\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("extra", "options", "warm"),
    [
        (1, {}, True),
        (0, {}, False),
        (1, {"from_scratch": True}, False),
        (1, {"teacher": "google/vit-base-patch16-224"}, False),
    ],
)
def test_few_images_start_warm_unless_refused(
    extra: int, options: dict[str, Any], warm: bool
) -> None:
    data = few_images()
    assert data.train is not None
    recipe = replace(recipe_named("images"), warm_below=len(data.train.labels) + extra)
    assert _trial(TrainRequest(recipe="images", **options), recipe, data).warm is warm
