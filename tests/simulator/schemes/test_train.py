"""Stages of `semlink train`: what each stands for, and for which schemes."""

import pytest

from benchmarks.recipes import RECIPES, digits
from simulator.commands.train import STAGES
from simulator.errors import UserError
from simulator.schemes.train import schemes_to_train, stages_of

OURS = ("teacher", "cache", "stage1", "head", "stage2")
JOINT = ["deep_jscc", "adjscc", "dt_jscc", "dt_jscc:64qam", "vl_vfe", "deep_jscc_image"]


@pytest.mark.parametrize(
    ("stage", "steps"),
    [
        ("teacher", OURS[:1]),
        ("head", OURS[:4]),
        ("stage2", OURS),
        ("baselines", ("baselines",)),
        ("decoded", ("decoded",)),
        ("decoded_teachers", ("decoded_teachers",)),
        ("rebuilt", ("rebuilt",)),
        ("all", (*OURS, "baselines", "decoded", "rebuilt")),
    ],
)
def test_a_stage_stands_for_all_before_it_of_ours(stage: str, steps: tuple[str, ...]) -> None:
    assert stages_of(stage) == steps


def test_the_command_offers_every_stage_that_makes_a_part() -> None:
    steps = {step for stage in STAGES for step in stages_of(stage)}
    assert steps == set(STAGES) - {"all"}
    for make in RECIPES:
        recipe = make()
        assert {part.stage for part in recipe.parts().values()} <= steps - {"cache"}


def test_ablations_are_trained_when_they_are_asked_for() -> None:
    recipe = digits()
    own = [scheme.name for scheme in schemes_to_train(recipe, "all")]
    assert own == list(recipe.scheme_names)
    for asked in (["no_teacher"], ["all"]):
        found = schemes_to_train(recipe, "stage2", variants=asked)
        assert [scheme.name for scheme in found] == [*own, "rkd_sc:no_teacher"]


def test_baselines_may_be_trained_alone() -> None:
    found = schemes_to_train(digits(), "baselines", baselines=["adjscc", "deep_jscc_image"])
    names = [scheme.name for scheme in found]
    assert [name for name in names if name in JOINT] == ["adjscc", "deep_jscc_image"]
    others = [name for name in digits().scheme_names if name not in JOINT]
    assert [name for name in names if name not in JOINT] == others


def test_a_name_that_is_none_is_one_line() -> None:
    with pytest.raises(UserError, match="got 'no_techer'; did you mean no_teacher[?]$"):
        schemes_to_train(digits(), "stage2", variants=["no_techer"])
    with pytest.raises(UserError, match="got 'adjsc'; did you mean adjscc[?]$"):
        schemes_to_train(digits(), "baselines", baselines=["adjsc"])
    with pytest.raises(UserError, match="goes with --stage baselines or all, got --stage head"):
        schemes_to_train(digits(), "head", baselines=["adjscc"])
