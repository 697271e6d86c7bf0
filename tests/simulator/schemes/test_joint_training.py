"""Joint baselines: their training, and the accuracy of the committed ones of the digits."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from benchmarks.recipes.digits import digits
from channels.names import channel_from_name
from models import JointModel, VlVfe
from simulator import resolve
from simulator.commands.train import TrainRequest, train
from simulator.data.embedded import embedded
from simulator.engine.grid import Grid, plan
from simulator.engine.run import sweep_here
from simulator.errors import UserError
from simulator.schemes.experiment import Experiment, build_scheme
from simulator.schemes.joint import JointLesson, JointScheme, JointSchemeConfig, snr_drawn
from simulator.schemes.rkd_sc import RkdScConfig
from simulator.schemes.vl_vfe import active_dimensions
from simulator.storage.environment import ROOT
from simulator.storage.files import load_tensors
from simulator.training.loop import train_part
from simulator.training.run import TrainingRun
from simulator.training.weights import Weights
from tests.commands import stop_within_epochs

CPU = torch.device("cpu")
WEIGHTS = ROOT / "results/reference/digits/weights"
MODULATED = ("deep_jscc_q:16qam", "deep_jscc_q", "deep_jscc_q:256qam")
DISTILLED = ("adjscc:distilled", "adjscc:distilled:total")
NAMES = ("deep_jscc", *MODULATED, "adjscc", *DISTILLED, "dt_jscc", "dt_jscc:64qam", "vl_vfe")


def baseline(name: str) -> JointSchemeConfig:
    """A baseline of the digits."""
    found = digits().scheme(name)
    assert isinstance(found, JointSchemeConfig)
    return found


@cache
def committed(name: str) -> JointScheme:
    """A scheme with the committed weights of the digits."""
    weights = Weights(digits(), embedded("digits"), WEIGHTS, CPU)
    scheme = build_scheme(name, digits(), weights).scheme
    assert isinstance(scheme, JointScheme)
    return scheme


def tiny(name: str, epochs: int, backbone: Literal["scratch", "frozen"]) -> JointSchemeConfig:
    """A baseline of the digits, trained for a few epochs from scratch or on a frozen backbone."""
    training = replace(digits().one(RkdScConfig).codec.training, epochs=epochs)
    joint = replace(baseline(name), training=training, uses=(16,))
    if backbone == "frozen":
        return joint
    return replace(joint, backbone=backbone, backbone_of="", backbone_stage=None)


def of_few_views(*schemes: JointSchemeConfig) -> Experiment:
    """The recipe `digits` with two views, `rkd_sc` and these schemes."""
    recipe = digits()
    return replace(recipe, schemes=(recipe.one(RkdScConfig), *schemes), views=2)


def run_of(recipe: Experiment, folder: Path) -> TrainingRun:
    """A training run on the digits in a folder."""
    return TrainingRun(recipe=recipe, dataset=embedded("digits"), folder=folder, seed=0, device=CPU)


def trained_alone(run: TrainingRun, scheme: JointSchemeConfig) -> JointModel:
    """The model of a scheme for k = 16, trained from scratch."""
    part = scheme.part(run.recipe, 16)
    return train_part(
        JointLesson(
            run=run,
            part=part,
            config=scheme.training,
            scheme=scheme,
            uses=16,
            taught=None,
            validation=None,
            channels=scheme.channels,
            stream=part.name,
        )
    )


@pytest.mark.parametrize("name", ["adjscc", "deep_jscc_q", "dt_jscc", "vl_vfe"])
def test_resumed_training_gives_identical_weights(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training from scratch, interrupted within an epoch."""
    joint = tiny(name, 2, "scratch")
    recipe = of_few_views(joint)
    whole = trained_alone(run_of(recipe, tmp_path / "a"), joint)
    run = run_of(recipe, tmp_path / "b")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_within_epochs(patch)
        trained_alone(run, joint)
    resumed = trained_alone(run, joint)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key
    assert whole.body is not None


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Path]:
    """Two baselines on a frozen backbone, trained by the command with a short recipe."""
    folder = tmp_path_factory.mktemp("joint")
    student = digits().ablations["no_teacher"]
    assert isinstance(student, RkdScConfig)
    assert student.student is not None
    backbone = replace(
        student.student,
        training=replace(student.student.training, epochs=6),
        head=replace(student.student.head, epochs=4),
    )
    recipe = of_few_views(
        *(
            replace(tiny(name, 30, "frozen"), backbone_stage=backbone)
            for name in ("adjscc", "dt_jscc")
        )
    )
    teacher = replace(recipe.teacher, training=replace(recipe.teacher.training, epochs=1))
    recipe = replace(recipe, teacher=teacher)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resolve, "recipe_named", lambda *_, **__: recipe)
        train(TrainRequest(recipe="digits", stage="baselines", out=folder))
    return recipe, folder / "weights"


def test_command_trains_only_the_baselines_and_what_they_need(
    trained: tuple[Experiment, Path],
) -> None:
    recipe, weights = trained
    names = {path.stem for path in weights.glob("*.safetensors")}
    backbone = {"student_no_teacher", "head_no_teacher"}
    assert names == {"teacher", *backbone, "adjscc_k16", "dt_jscc_k16"}
    for part in ("adjscc_k16", "dt_jscc_k16"):
        _, header = load_tensors(weights / f"{part}.safetensors")
        assert set(header["origin"]["made_from"]) == backbone
        frozen, _ = load_tensors(weights / f"{part}.safetensors")
        assert not any(key.startswith("body.") for key in frozen)
    assert 0.3 < float(frozen["power"]) < 1.8
    rows = table(recipe, weights, ("adjscc", "dt_jscc"), channels=("awgn",), snr_db=(10.0,))
    assert (rows > 0.4).all()  # chance level: 0.1


def table(
    recipe: Experiment,
    weights: Path,
    names: tuple[str, ...],
    *,
    channels: tuple[str, ...],
    snr_db: tuple[float, ...],
    uses: tuple[int, ...] = (16,),
) -> Any:
    """Accuracies by scheme, channel, SNR and k."""
    dataset = embedded("digits")
    parts = Weights(recipe, dataset, weights, CPU)
    grid = Grid(
        channels=tuple(map(channel_from_name, channels)),
        snr_db=snr_db,
        channel_uses=uses,
        realizations=1,
        seed=0,
    )
    schemes = [build_scheme(name, recipe, parts).scheme for name in names]
    points, _ = plan(schemes, grid)
    rows = sweep_here(schemes, points, grid, dataset.test, CPU, num_classes=10).table
    print(rows[["scheme", "channel", "snr_db", "channel_uses", "accuracy"]])
    return rows.set_index(["scheme", "channel", "snr_db", "channel_uses"])["accuracy"]


def test_committed_baselines_are_accurate_and_degrade_at_low_snr() -> None:
    rows = table(
        digits(),
        WEIGHTS,
        NAMES,
        channels=("awgn", "rayleigh"),
        snr_db=(-10.0, 10.0),
        uses=(16, 64),
    )
    for name in NAMES:
        assert rows[name, "awgn", 10.0, 16] > 0.9
        assert rows[name, "rayleigh", 10.0, 16] > 0.6
        assert 0.1 < rows[name, "awgn", -10.0, 16] < rows[name, "awgn", 10.0, 16] - 0.1
    assert rows["adjscc", "awgn", -10.0, 64] > rows["adjscc", "awgn", -10.0, 16] + 0.1


def test_number_of_active_dimensions_decreases_with_the_snr() -> None:
    scheme = committed("vl_vfe")
    for k, model in scheme.models.items():
        assert isinstance(model, VlVfe)
        counts = [active_dimensions(model, snr_db) for snr_db in (-10, 0, 10, 20)]
        assert counts == sorted(counts, reverse=True)
        assert counts[-1] >= 1
        assert k == 16 or counts[0] > counts[-1]  # with 32 values, all may be needed
        said = "/".join(map(str, counts))
        assert f"{said} of {2 * k} real dimensions sent at -10/0/10/20 dB" in scheme.settings(k)


def test_settings_describe_channel_knowledge_and_training() -> None:
    frozen = "no header, backbone frozen"
    assert committed("deep_jscc").settings(16) == (
        f"one model for k = 16, trained at 10 dB, {frozen}"
    )
    assert committed("adjscc").settings(64) == (
        "one model for k = 64, average SNR known to both ends, trained at -12 to 26 dB, " + frozen
    )
    assert committed("adjscc:distilled:total").settings(16) == (
        "one model for k = 16, average SNR known to both ends, trained at -12 to 26 dB, no header, "
        "the backbone of rkd_sc frozen, losses of rkd_sc, 1/5 of the passes of rkd_sc"
    )
    assert committed("deep_jscc_q:256qam").settings(4) == (
        "one model for k = 4, points of 256-QAM, unit power on average over images, trained at "
        "10 dB, " + frozen
    )
    assert committed("dt_jscc:64qam").settings(16) == (
        "one model for k = 16, 64-QAM with 64 learnt words, hard decisions, unit power on average "
        "over images, trained at 6 dB, " + frozen
    )


@pytest.mark.parametrize(
    ("stage", "schemes", "told"),
    [
        ("baselines", "dt_jscc:8psk", "among deep_jscc, deep_jscc_q:16qam, .*, got 'dt_jscc:8psk'"),
        ("baselines", "separate", "must name trained baselines among"),
        ("head", "adjscc", "goes with --stage baselines or all, got --stage head"),
    ],
)
def test_invalid_scheme_names_raise_one_line_errors(
    tmp_path: Path, stage: str, schemes: str, told: str
) -> None:
    with pytest.raises(UserError, match=told):
        train(TrainRequest(recipe="digits", stage=stage, schemes=(schemes,), out=tmp_path))
    assert not list(tmp_path.iterdir())


def test_unknown_labels_raise_one_line_errors() -> None:
    with pytest.raises(UserError, match="^adjscc takes no label, got '64qam'; write adjscc$"):
        committed("adjscc:64qam")
    with pytest.raises(UserError, match=r"^deep_jscc_q takes no label, got '64qam'; .*\(64-QAM\)"):
        committed("deep_jscc_q:64qam")
    with pytest.raises(
        UserError, match="unknown scheme 'adjsc:64qam'; choose from .* did you mean adjscc"
    ):
        committed("adjsc:64qam")


def test_backbone_of_requires_a_frozen_backbone() -> None:
    with pytest.raises(
        ValueError, match="backbone_of goes with backbone 'frozen', got backbone 'scratch'"
    ):
        replace(baseline("adjscc"), backbone="scratch")


def test_every_image_of_a_batch_has_its_own_snr() -> None:
    drawn = snr_drawn((-12.0, 26.0), 1000, generator=torch.Generator().manual_seed(0))
    assert drawn.shape == (1000, 1)
    assert len(drawn.unique()) > 990
    assert -12 <= float(drawn.min()) < -11
    assert 25 < float(drawn.max()) <= 26
    one = snr_drawn((10.0, 10.0), 3, generator=torch.Generator())
    assert one.tolist() == [[10.0]] * 3
