"""Stages of `semlink train`: their steps, schemes and parts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.recipes import RECIPES, digits, images
from simulator.commands.train import STAGES
from simulator.data.embedded import embedded
from simulator.errors import UserError
from simulator.schemes.image import KIND, ImageJsccConfig
from simulator.schemes.train import parts_to_train, schemes_to_train, stages_of
from simulator.training.run import TrainingRun

OURS = ("teacher", "cache", "stage1", "head", "words", "stage2")
JOINT = ["deep_jscc", "deep_jscc_q:16qam", "deep_jscc_q", "deep_jscc_q:256qam"]
JOINT += [
    "adjscc",
    "adjscc:distilled",
    "adjscc:distilled:total",
    "dt_jscc",
    "dt_jscc:64qam",
    "vl_vfe",
    "deep_jscc_image",
]


@pytest.mark.parametrize(
    ("stage", "steps"),
    [
        ("teacher", OURS[:1]),
        ("head", OURS[:4]),
        ("stage2", OURS),
        ("words", ("words",)),
        ("baselines", ("baselines",)),
        ("decoded", ("decoded",)),
        ("decoded_teachers", ("decoded_teachers",)),
        ("rebuilt", ("rebuilt",)),
        ("all", (*OURS, "baselines", "decoded", "rebuilt")),
    ],
)
def test_stages_up_to_stage2_include_the_earlier_ones_and_others_stand_alone(
    stage: str, steps: tuple[str, ...]
) -> None:
    assert stages_of(stage) == steps


def test_command_offers_every_stage_that_trains_a_part() -> None:
    steps = {step for stage in STAGES for step in stages_of(stage)}
    assert steps == set(STAGES) - {"all"}
    for make in RECIPES:
        recipe = make()
        assert {part.stage for part in recipe.parts().values()} <= steps - {"cache"}


def test_ablations_are_trained_only_on_request() -> None:
    recipe = digits()
    own = [scheme.name for scheme in schemes_to_train(recipe, "all")]
    assert own == list(recipe.scheme_names)
    for asked in (["no_teacher"], ["all"]):
        found = schemes_to_train(recipe, "stage2", variants=asked)
        assert [scheme.name for scheme in found] == [*own, "rkd_sc:no_teacher"]


def test_training_can_be_limited_to_selected_baselines() -> None:
    found = schemes_to_train(digits(), "baselines", baselines=["adjscc", "deep_jscc_image"])
    names = [scheme.name for scheme in found]
    assert [name for name in names if name in JOINT] == ["adjscc", "deep_jscc_image"]
    others = [name for name in digits().scheme_names if name not in JOINT]
    assert [name for name in names if name not in JOINT] == others


def test_invalid_names_raise_one_line_errors() -> None:
    with pytest.raises(UserError, match="got 'no_techer'; did you mean no_teacher[?]$"):
        schemes_to_train(digits(), "stage2", variants=["no_techer"])
    with pytest.raises(UserError, match="got 'adjsc'; did you mean adjscc[?]$"):
        schemes_to_train(digits(), "baselines", baselines=["adjsc"])
    with pytest.raises(UserError, match="goes with --stage baselines or all, got --stage head"):
        schemes_to_train(digits(), "head", baselines=["adjscc"])


def planned(stage: str, folder: Path, *, variants: Sequence[str] = (), **asked: Any) -> list[str]:
    """Names of the parts that a stage trains in a folder."""
    recipe, cpu = digits(), torch.device("cpu")
    data = embedded("digits")
    run = TrainingRun(recipe=recipe, dataset=data, folder=folder, seed=0, device=cpu)
    schemes = schemes_to_train(recipe, stage, variants=variants, **asked)
    return [part.name for part in parts_to_train(run, stage, schemes)]


def test_parts_are_planned_in_training_order(tmp_path: Path) -> None:
    ours = ["teacher", "student", "head", "digital_semantic", "digital_semantic_words", "codec"]
    assert planned("cache", tmp_path) == ours[:1]
    assert planned("stage2", tmp_path) == ours
    untaught = ["student_no_teacher", "head_no_teacher", "codec_no_teacher"]
    assert planned("stage2", tmp_path, variants=["no_teacher"]) == [*ours, *untaught]
    whole = planned("all", tmp_path)
    assert whole[:9] == [*ours, *untaught[:2], "deep_jscc_k4"]  # the backbone, then its models
    assert whole[-2:] == ["decoded_student", "rebuilt_student_k64"]
    assert len(whole) == len(set(whole))


def test_plan_omits_finished_parts_and_starts_with_missing_ones(tmp_path: Path) -> None:
    assert planned("baselines", tmp_path, baselines=["adjscc"]) == [
        *("teacher", "student_no_teacher", "head_no_teacher", "adjscc_k16", "adjscc_k64")
    ]
    (tmp_path / "weights").mkdir()
    for name in ("teacher", "student", "head"):
        (tmp_path / "weights" / f"{name}.safetensors").touch()
    assert planned("stage2", tmp_path) == ["digital_semantic", "digital_semantic_words", "codec"]


def test_parts_for_images_of_another_size_are_not_planned() -> None:
    recipe = images()
    own = recipe.one(ImageJsccConfig)
    names = [part.name for part in own.trained(recipe, (3, 64, 64))]
    assert names == [f"{kind}_k{k}" for kind in (KIND, "rebuilt_student") for k in (256, 512)]
