"""Ablations use the recipe's training code, and each one changes what it declares."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.recipes import cifar100, digits
from benchmarks.recipes.variants import ablations, no_teacher
from channels.names import channel_from_name
from models import ResidualCnnConfig
from models.blocks import parameter_count
from simulator.commands.train import TrainRequest, train
from simulator.data.embedded import embedded
from simulator.description.stages import TrainConfig
from simulator.engine.grid import Grid, plan
from simulator.engine.run import sweep_here
from simulator.errors import UserError
from simulator.measures.sizes import size_table
from simulator.schemes.codec import CodecStage
from simulator.schemes.experiment import Experiment, build_scheme
from simulator.schemes.joint import JointSchemeConfig
from simulator.schemes.rkd_sc import RkdScConfig
from simulator.schemes.train import schemes_to_train
from simulator.storage.describe import describe
from simulator.storage.files import load_tensors
from simulator.training.weights import Weights
from tests.commands import use_recipe

CPU = torch.device("cpu")
TRAINED = (
    *("ce_ce", "kd_stage2", "one_stage", "uncoded", "noise_free", "r2", "f1", "f2"),
    *("mlp", "heads"),
)


def short(recipe: Experiment) -> Experiment:
    """A recipe whose stages take a few epochs each, and all its ablations."""

    def cut(config: TrainConfig, epochs: int) -> TrainConfig:
        return replace(config, epochs=epochs)

    codec = codec_of(recipe)
    codec = replace(codec, training=cut(codec.training, 2))
    student = recipe.student
    student = replace(student, training=cut(student.training, 3), head=cut(student.head, 3))
    kept = [s for s in recipe.schemes if not isinstance(s, RkdScConfig | JointSchemeConfig)]
    return replace(
        recipe,
        views=1,
        teacher=replace(recipe.teacher, training=cut(recipe.teacher.training, 2)),
        student=student,
        schemes=(
            RkdScConfig(codec=codec),
            *kept,
            *ablations(student, codec, untaught=no_teacher(student, codec)),
        ),
    )


def codec_of(recipe: Experiment) -> CodecStage:
    """The recipe's own codec."""
    return recipe.one(RkdScConfig).codec


def variants_of(recipe: Experiment) -> dict[str, RkdScConfig]:
    """All ablations by name."""
    return {name: own for name, own in recipe.ablations.items() if isinstance(own, RkdScConfig)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of some ablations of the digits."""
    folder = tmp_path_factory.mktemp("variants")
    with pytest.MonkeyPatch.context() as patch:
        use_recipe(patch, short(digits()))
        train(TrainRequest(recipe="digits", stage="stage2", variants=TRAINED, out=folder))
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
    recipe = short(digits())
    weights = Weights(recipe, dataset, trained, CPU)
    grid = Grid(
        channels=(channel_from_name("rayleigh"),),
        snr_db=(10.0,),
        channel_uses=(64,),
        realizations=1,
        seed=0,
    )
    names = ["rkd_sc", *(f"rkd_sc:{name}" for name in (*TRAINED, "+3dB"))]
    schemes = [build_scheme(name, recipe, weights).scheme for name in names]
    points, left_out = plan(schemes, grid)
    rows = sweep_here(schemes, points, grid, dataset.test, CPU, num_classes=10).table
    assert not left_out
    assert list(rows["scheme"]) == names
    print(rows[["scheme", "accuracy"]])
    assert (rows["accuracy"] > 0.15).all()  # a guess: 0.1


def test_only_trainable_layers_change(trained: Path) -> None:
    config = digits().student.model
    assert isinstance(config, ResidualCnnConfig)
    frozen = [f"stages.{block}." for block in range(len(config.widths) - 1)]
    last = changed(trained, "f1")
    assert any(name.startswith("projection.") for name in last)
    assert not any(name.startswith((*frozen, "stem.")) for name in last)
    assert any(name.startswith("stem.") for name in changed(trained, "f2"))
    frozen_link, _ = load_tensors(trained / "codec_r2.safetensors")
    assert not any(name.startswith("body.") for name in frozen_link)


def test_weights_record_the_parts_they_were_made_from(trained: Path) -> None:
    _, header = load_tensors(trained / "codec_ce_ce.safetensors")
    assert set(header["origin"]["made_from"]) == {"teacher", "student_ce_ce", "head_ce_ce"}
    _, header = load_tensors(trained / "codec_r2.safetensors")
    assert set(header["origin"]["made_from"]) == {"teacher", "student", "head"}


def test_size_table_reports_parameters_macs_and_retention(trained: Path) -> None:
    dataset = embedded("digits")
    recipe = short(digits())
    weights = Weights(recipe, dataset, trained, CPU)
    table = size_table(recipe, weights, dataset.test, realizations=2, seed=0)
    assert list(table["name"]) == ["teacher", "student", "student_ce_ce"]
    rows: dict[Any, dict[Any, Any]] = table.set_index("name").to_dict("index")
    student = digits().student.model.build(image_channels=1)
    assert rows["student"]["encoder_parameters"] == parameter_count(student)
    codec = codec_of(digits()).model.build()
    assert isinstance(codec, torch.nn.Module)
    both = rows["student"]["both_ends_parameters"]
    assert both == parameter_count(student) + parameter_count(codec)
    first = 8 * 8 * 12 * 9  # MACs of the stem only
    assert rows["student"]["encoder_macs"] > 20 * first
    assert rows["teacher"]["retention_low"] == rows["teacher"]["retention_high"] == 1
    ratio = rows["student"]["accuracy"] / rows["teacher"]["accuracy"]
    assert rows["student"]["retention"] == pytest.approx(ratio)
    assert rows["student"]["retention_low"] < ratio < rows["student"]["retention_high"]


def test_unknown_variant_raises_an_error() -> None:
    with pytest.raises(
        UserError,
        match="--variants must name ablations of recipe digits among no_teacher, got 'r3'",
    ):
        schemes_to_train(digits(), "stage2", variants=("r3",))


def test_variants_leave_the_recipe_unchanged() -> None:
    recipe = cifar100()
    own = [s for s in recipe.schemes if not s.ablation and not isinstance(s, JointSchemeConfig)]
    bare = replace(recipe, schemes=tuple(own)).parts()
    whole = recipe.parts()
    assert {name: describe(whole[name]) for name in bare} == {
        name: describe(part) for name, part in bare.items()
    }
    names = [variant.codec_part(recipe).name for variant in variants_of(recipe).values()]
    assert len(set(names)) == len(names) >= 20


def test_two_variants_share_a_student(trained: Path) -> None:
    recipe = cifar100()
    found = [variants_of(recipe)[name].student_parts(recipe) for name in ("ce_ce", "kd_stage2")]
    assert found[0] == found[1]
    assert [part.name for part in found[0]] == ["student_ce_ce", "head_ce_ce"]
    assert not (trained / "student_kd_stage2.safetensors").exists()


def test_variants_train_for_as_many_epochs_as_their_reference() -> None:
    recipe = cifar100()
    variants = variants_of(recipe)
    short, brief = variants["short"], variants["brief"]
    assert short.student is not None
    for name, variant in variants.items():
        if name == "no_teacher":
            assert variant.codec.training == codec_of(recipe).training
            assert (variant.student or recipe.student).training == recipe.student.training
            continue
        if name == "one_stage":
            both = short.student.training.epochs + short.codec.training.epochs
            assert variant.codec.training.epochs == both
            continue
        assert variant.codec.training.epochs == brief.codec.training.epochs
        if variant.student:
            assert variant.student.training.epochs == short.student.training.epochs


def test_mlp_codec_has_as_many_transmitter_parameters_as_cat() -> None:
    cat = codec_of(cifar100()).model.build().encoder
    mlp = variants_of(cifar100())["mlp"].codec.model.build().encoder
    assert isinstance(cat, torch.nn.Module)
    assert isinstance(mlp, torch.nn.Module)
    assert parameter_count(mlp) == pytest.approx(parameter_count(cat), rel=0.03)
