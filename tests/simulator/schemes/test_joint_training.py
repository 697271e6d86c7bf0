"""Joint baselines: how they are trained, and what the committed ones of the digits promise."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from simulator.description.experiment import Experiment
from simulator.training.joint import train_joint
from torch import Tensor

from benchmarks.recipes.digits import digits
from channels.names import channel_from_name
from models import VlVfe
from simulator.commands import train as command
from simulator.data.embedded import embedded
from simulator.description.stages import JointStage, TrainConfig
from simulator.engine.grid import Grid, plan
from simulator.engine.run import sweep_here
from simulator.errors import UserError
from simulator.schemes.build import TrainedParts
from simulator.schemes.joint import JointScheme, active_dimensions
from simulator.storage.environment import ROOT
from simulator.storage.files import load_tensors
from simulator.training.run import TrainingRun

CPU = torch.device("cpu")
WEIGHTS = ROOT / "results/reference/digits/weights"
NAMES = ("deep_jscc", "adjscc", "dt_jscc", "dt_jscc:64qam", "vl_vfe")


def stage(name: str) -> JointStage:
    """A baseline of the digits."""
    found = digits().joint_stage(name)
    assert found is not None
    return found


@cache
def committed(name: str) -> JointScheme:
    """A scheme with the committed weights of the digits."""
    scheme = TrainedParts(digits(), embedded("digits"), WEIGHTS, CPU).scheme(name)
    assert isinstance(scheme, JointScheme)
    return scheme


def tiny(name: str, epochs: int, backbone: str) -> tuple[Experiment, JointStage]:
    """The digits with one baseline, trained for a few epochs from scratch or fine-tuned."""
    recipe = digits()
    training: TrainConfig = replace(recipe.codec.training, epochs=epochs)
    own: dict[str, Any] = {"backbone": backbone}
    own |= {"backbone_of": ""} if backbone == "scratch" else {}
    joint = replace(stage(name), training=training, uses=(16,), **own)
    return replace(recipe, joint=(joint,), image_jscc=None, views=2), joint


def run_of(experiment: Experiment, folder: Path) -> TrainingRun:
    """A training of the digits in a folder."""
    return TrainingRun(
        experiment=experiment, dataset=embedded("digits"), folder=folder, seed=0, device=CPU
    )


@pytest.mark.parametrize("name", ["adjscc", "dt_jscc", "vl_vfe"])
def test_training_resumes_to_the_same_numbers(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From scratch, stopped in the second of two epochs."""
    experiment, joint = tiny(name, 2, "scratch")
    whole = train_joint(run_of(experiment, tmp_path / "a"), joint, 16, taught=None)
    run = run_of(experiment, tmp_path / "b")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        view = TrainingRun.view

        def stopped(self: TrainingRun, purpose: str, index: int) -> Tensor:
            if index == 1:
                raise KeyboardInterrupt
            return view(self, purpose, index)

        patch.setattr(TrainingRun, "view", stopped)
        train_joint(run, joint, 16, taught=None)
    resumed = train_joint(run, joint, 16, taught=None)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key
    assert whole.body is not None


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Path]:
    """A frozen and a fine-tuned baseline, trained by the command on a short recipe."""
    folder = tmp_path_factory.mktemp("joint")
    recipe, tuned = tiny("adjscc", 6, "tuned")
    _, frozen = tiny("dt_jscc", 30, "frozen")
    variant = recipe.variant("no_teacher")
    assert variant.student is not None
    student = replace(
        variant.student,
        training=replace(variant.student.training, epochs=6),
        head=replace(variant.student.head, epochs=4),
    )
    recipe = replace(
        recipe,
        joint=(tuned, frozen),
        variants=(replace(variant, student=student),),
        teacher=replace(recipe.teacher, training=replace(recipe.teacher.training, epochs=1)),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "recipe_named", lambda _: recipe)
        train(folder, "baselines", None)
    return recipe, folder / "weights"


def train(folder: Path, stage: str, schemes: str | None) -> None:
    """`semlink train digits --stage STAGE --schemes ...`."""
    command.train(
        "digits",
        stage=stage,
        schemes=schemes,
        variants=None,
        data=None,
        seed=0,
        fresh=False,
        teacher_seed=None,
        minutes=None,
        teacher=None,
        device="cpu",
        out=folder,
    )


def test_command_trains_baselines_and_their_backbone_alone(
    trained: tuple[Experiment, Path],
) -> None:
    recipe, weights = trained
    names = {path.stem for path in weights.glob("*.safetensors")}
    backbone = {"student_no_teacher", "head_no_teacher"}
    assert names == {"teacher", *backbone, "adjscc_k16", "dt_jscc_k16"}
    for part in ("adjscc_k16", "dt_jscc_k16"):
        _, header = load_tensors(weights / f"{part}.safetensors")
        assert set(header["origin"]["made_from"]) == backbone
    student, _ = load_tensors(weights / "student_no_teacher.safetensors")
    tuned, _ = load_tensors(weights / "adjscc_k16.safetensors")
    assert not torch.equal(tuned["body.stem.0.weight"], student["body.stem.0.weight"])
    frozen, _ = load_tensors(weights / "dt_jscc_k16.safetensors")
    assert not any(key.startswith("body.") for key in frozen)
    assert 0.3 < float(frozen["power"]) < 1.8
    rows = table(recipe, weights, ("adjscc", "dt_jscc"), channels=("awgn",), snr_db=(10.0,))
    assert (rows > 0.4).all()  # a guess: 0.1


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
    parts = TrainedParts(recipe, dataset, weights, CPU)
    grid = Grid(
        channels=tuple(map(channel_from_name, channels)),
        snr_db=snr_db,
        channel_uses=uses,
        realizations=1,
        seed=0,
    )
    schemes = [parts.scheme(name) for name in names]
    points, _ = plan(schemes, grid)
    rows = sweep_here(schemes, points, grid, dataset.test, CPU, num_classes=10).table
    print(rows[["scheme", "channel", "snr_db", "channel_uses", "accuracy"]])
    return rows.set_index(["scheme", "channel", "snr_db", "channel_uses"])["accuracy"]


def test_committed_baselines_are_good_and_fall_with_the_snr() -> None:
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


def test_active_dimensions_fall_with_the_snr() -> None:
    scheme = committed("vl_vfe")
    for k, model in scheme.models.items():
        assert isinstance(model, VlVfe)
        counts = [active_dimensions(model, snr_db) for snr_db in (-10, 0, 10, 20)]
        assert counts[0] > counts[-1] >= 1
        assert counts == sorted(counts, reverse=True)
        said = "/".join(map(str, counts))
        assert f"{said} of {2 * k} real dimensions sent at -10/0/10/20 dB" in scheme.settings(k)


def test_settings_say_what_is_known_and_how_it_was_trained() -> None:
    frozen = "no header, backbone frozen"
    assert committed("deep_jscc").settings(16) == (
        f"one model for k = 16, trained at 10 dB, {frozen}"
    )
    assert committed("adjscc").settings(64) == (
        "one model for k = 64, average SNR known to both ends, trained at -12 to 26 dB, " + frozen
    )
    assert committed("dt_jscc:64qam").settings(16) == (
        "one model for k = 16, 64-QAM with 64 learnt words, hard decisions, unit power on average "
        "over images, trained at 6 dB, " + frozen
    )


@pytest.mark.parametrize(
    ("stage", "schemes", "told"),
    [
        ("baselines", "dt_jscc:8psk", "among deep_jscc, adjscc, .*, got 'dt_jscc:8psk'"),
        ("baselines", "separate", "must name trained baselines among"),
        ("head", "adjscc", "goes with --stage baselines or all, got --stage head"),
    ],
)
def test_a_wrong_name_is_one_line(tmp_path: Path, stage: str, schemes: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        train(tmp_path, stage, schemes)
    assert not list(tmp_path.iterdir())


def test_unknown_label_of_a_sweep_is_one_line() -> None:
    parts = TrainedParts(digits(), embedded("digits"), WEIGHTS, CPU)
    with pytest.raises(UserError, match="must name schemes among .*, got 'adjscc:64qam'"):
        parts.scheme("adjscc:64qam")


def test_a_backbone_that_is_learnt_is_of_no_student() -> None:
    with pytest.raises(ValueError, match="backbone_of goes with a backbone that is not scratch"):
        replace(stage("adjscc"), backbone="scratch")
