"""Ablations are trained by the code of the recipe, and each one changes what it says."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from simulator.description.experiment import Experiment

from benchmarks.recipes.cifar100 import cifar100
from benchmarks.recipes.digits import digits
from benchmarks.recipes.variants import ablations
from channels.names import channel_from_name
from models import ResidualCnnConfig
from models.blocks import parameter_count
from simulator.commands import train
from simulator.data.embedded import embedded
from simulator.description.parts import recipe_parts, variant_parts
from simulator.description.stages import TrainConfig
from simulator.engine.grid import Grid, plan
from simulator.engine.run import sweep_here
from simulator.errors import UserError
from simulator.measures.sizes import size_table
from simulator.schemes.build import TrainedParts
from simulator.storage.describe import describe
from simulator.storage.files import load_tensors

CPU = torch.device("cpu")
TRAINED = (
    *("ce_ce", "kd_stage2", "one_stage", "uncoded", "noise_free", "r2", "f1", "f2"),
    *("mlp", "heads"),
)


def short(recipe: Experiment) -> Experiment:
    """A recipe whose stages take a few epochs each, and all its variants."""

    def cut(config: TrainConfig, epochs: int) -> TrainConfig:
        return replace(config, epochs=epochs)

    student, codec = recipe.student, recipe.codec
    recipe = replace(
        recipe,
        joint=(),
        image_jscc=None,
        views=1,
        teacher=replace(recipe.teacher, training=cut(recipe.teacher.training, 2)),
        student=replace(student, training=cut(student.training, 3), head=cut(student.head, 3)),
        codec=replace(codec, training=cut(codec.training, 9)),
    )
    return replace(recipe, variants=ablations(recipe))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of some variants of the digits."""
    folder = tmp_path_factory.mktemp("variants")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "recipe_named", lambda _: short(digits()))
        train.train(
            "digits",
            stage="stage2",
            variants=",".join(TRAINED),
            data=None,
            seed=0,
            fresh=False,
            teacher_seed=None,
            minutes=None,
            teacher=None,
            device="cpu",
            out=folder,
        )
    return folder / "weights"


def changed(weights: Path, variant: str) -> set[str]:
    """Tensors of the student that a variant's stage 2 has changed."""
    before, _ = load_tensors(weights / "student.safetensors")
    after, _ = load_tensors(weights / f"codec_{variant}.safetensors")
    return {
        name.removeprefix("body.")
        for name, value in after.items()
        if name.startswith("body.") and not torch.equal(value, before[name])
    }


def test_every_variant_can_be_swept(trained: Path) -> None:
    dataset = embedded("digits")
    parts = TrainedParts(short(digits()), dataset, trained, CPU)
    grid = Grid(
        channels=(channel_from_name("rayleigh"),),
        snr_db=(10.0,),
        channel_uses=(64,),
        realizations=1,
        seed=0,
    )
    names = ["rkd_sc", *(f"rkd_sc:{name}" for name in (*TRAINED, "+3dB", "pilot1"))]
    schemes = [parts.scheme(name) for name in names]
    points, left_out = plan(schemes, grid)
    rows = sweep_here(schemes, points, grid, dataset.test, CPU, num_classes=10).table
    assert not left_out
    assert list(rows["scheme"]) == names
    print(rows[["scheme", "accuracy"]])
    assert (rows["accuracy"] > 0.15).all()  # a guess: 0.1


def test_only_what_may_learn_changes(trained: Path) -> None:
    config = digits().student.model
    assert isinstance(config, ResidualCnnConfig)
    frozen = [f"stages.{block}." for block in range(len(config.widths) - 1)]
    last = changed(trained, "f1")
    assert any(name.startswith("projection.") for name in last)
    assert not any(name.startswith((*frozen, "stem.")) for name in last)
    assert any(name.startswith("stem.") for name in changed(trained, "f2"))
    frozen_link, _ = load_tensors(trained / "codec_r2.safetensors")
    assert not any(name.startswith("body.") for name in frozen_link)


def test_a_variant_says_what_it_was_made_from(trained: Path) -> None:
    _, header = load_tensors(trained / "codec_ce_ce.safetensors")
    assert set(header["origin"]["made_from"]) == {"teacher", "student_ce_ce", "head_ce_ce"}
    _, header = load_tensors(trained / "codec_r2.safetensors")
    assert set(header["origin"]["made_from"]) == {"teacher", "student", "head"}


def test_size_table_counts_and_keeps(trained: Path) -> None:
    dataset = embedded("digits")
    parts = TrainedParts(short(digits()), dataset, trained, CPU)
    table = size_table(parts, dataset.test, realizations=2, seed=0)
    assert list(table["name"]) == ["teacher", "student", "student_ce_ce"]
    rows: dict[Any, dict[Any, Any]] = table.set_index("name").to_dict("index")
    student = digits().student.model.build(image_channels=1)
    assert rows["student"]["encoder_parameters"] == parameter_count(student)
    codec = digits().codec.model.build()
    assert isinstance(codec, torch.nn.Module)
    both = rows["student"]["both_ends_parameters"]
    assert both == parameter_count(student) + parameter_count(codec)
    first = 8 * 8 * 12 * 9  # MACs of the stem alone
    assert rows["student"]["encoder_macs"] > 20 * first
    assert rows["teacher"]["retention_low"] == rows["teacher"]["retention_high"] == 1
    ratio = rows["student"]["accuracy"] / rows["teacher"]["accuracy"]
    assert rows["student"]["retention"] == pytest.approx(ratio)
    assert rows["student"]["retention_low"] < ratio < rows["student"]["retention_high"]


def test_unknown_variant_is_one_line() -> None:
    with pytest.raises(UserError, match="recipe digits has no variant 'r3'; it has no_teacher"):
        digits().variant("r3")


def test_variants_leave_the_recipe_as_it_is() -> None:
    recipe = cifar100()
    bare = recipe_parts(replace(recipe, variants=(), joint=()))
    whole = recipe_parts(recipe)
    assert {name: describe(whole[name]) for name in bare} == {
        name: describe(part) for name, part in bare.items()
    }
    names = [variant_parts(variant).codec for variant in recipe.variants]
    assert len(set(names)) == len(names) >= 20


def test_two_variants_share_a_student(trained: Path) -> None:
    recipe = cifar100()
    parts = [variant_parts(recipe.variant(name)) for name in ("ce_ce", "kd_stage2")]
    assert parts[0][:2] == parts[1][:2] == ("student_ce_ce", "head_ce_ce")
    assert not (trained / "student_kd_stage2.safetensors").exists()


def test_variants_have_the_passes_of_what_they_are_compared_with() -> None:
    recipe = cifar100()
    short, brief = recipe.variant("short"), recipe.variant("brief")
    assert short.student is not None
    for variant in recipe.variants:
        if variant.name in {"no_teacher", "wide"}:
            assert variant.codec.training == recipe.codec.training
            assert (variant.student or recipe.student).training == recipe.student.training
            continue
        if variant.name == "one_stage":
            both = short.student.training.epochs + short.codec.training.epochs
            assert variant.codec.training.epochs == both
            continue
        assert variant.codec.training.epochs == brief.codec.training.epochs
        if variant.student:
            assert variant.student.training.epochs == short.student.training.epochs


def test_mlp_codec_has_as_many_transmitter_parameters_as_cat() -> None:
    cat = cifar100().codec.model.build().encoder
    mlp = cifar100().variant("mlp").codec.model.build().encoder
    assert isinstance(cat, torch.nn.Module)
    assert isinstance(mlp, torch.nn.Module)
    assert parameter_count(mlp) == pytest.approx(parameter_count(cat), rel=0.03)
