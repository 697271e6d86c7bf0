"""A tiny link learns and resumes; the committed weights have the README's accuracy."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from benchmarks.baselines.digital_semantic import DigitalSemanticConfig
from benchmarks.baselines.separate import SeparateConfig
from benchmarks.recipes import RECIPES, cifar100, digits, images
from benchmarks.recipes.cifar100 import two_teachers
from channels.names import channel_from_name
from simulator.commands.train import TrainRequest, train
from simulator.data.embedded import embedded
from simulator.engine.grid import Grid, plan
from simulator.engine.run import sweep_here
from simulator.errors import Stopped, UserError
from simulator.schemes.experiment import Experiment, build_scheme
from simulator.schemes.joint import JointSchemeConfig
from simulator.schemes.rkd_sc import RkdScConfig
from simulator.storage.describe import describe
from simulator.storage.environment import ROOT
from simulator.storage.files import load_tensors
from simulator.training.weights import Weights
from tests.commands import stop_within_epochs, use_recipe

CPU = torch.device("cpu")
WEIGHTS = ROOT / "results/reference/digits/weights"


def tiny() -> Experiment:
    """The recipe `digits` with a few epochs for every part, and without joint baselines."""
    recipe = digits()
    teacher, student = recipe.teacher, recipe.student
    codec = recipe.one(RkdScConfig).codec
    separate, semantic = recipe.one(SeparateConfig), recipe.one(DigitalSemanticConfig)
    assert semantic.quantiser is not None
    assert separate.retraining is not None
    brief = replace(codec.training, epochs=2)
    decoded = replace(separate.retraining, training=replace(student.training, epochs=1), views=1)
    return replace(
        recipe,
        views=2,
        teacher=replace(teacher, training=replace(teacher.training, epochs=2)),
        student=replace(
            student,
            training=replace(student.training, epochs=4),
            head=replace(student.head, epochs=4),
        ),
        schemes=(
            RkdScConfig(codec=replace(codec, training=replace(codec.training, epochs=6))),
            replace(separate, retraining=decoded),
            replace(semantic, quantiser=replace(semantic.quantiser, training=brief)),
        ),
    )


def sweep(experiment: Experiment, weights: Path, names: list[str], **grid: object) -> pd.DataFrame:
    """A sweep of some schemes on the digits."""
    dataset = embedded("digits")
    parts = Weights(experiment, dataset, weights, CPU)
    settings = {"channels": (channel_from_name("awgn"),), "realizations": 2, "seed": 0}
    asked = Grid(**{**settings, **grid})  # type: ignore[arg-type]
    schemes = [build_scheme(name, experiment, parts).scheme for name in names]
    points, _ = plan(schemes, asked)
    return sweep_here(schemes, points, asked, dataset.test, CPU, num_classes=10).table


def test_tiny_link_learns_and_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_recipe(monkeypatch, tiny())

    def trained(
        seed: int = 0, *, teacher_seed: int | None = None, stage: str = "all", out: Path = tmp_path
    ) -> None:
        train(
            TrainRequest(
                recipe="digits", stage=stage, seed=seed, teacher_seed=teacher_seed, out=out
            )
        )

    with monkeypatch.context() as patch:
        stopped = stop_within_epochs(patch)
        for name in ("teacher", "student", "head", "digital_semantic", "codec"):
            with pytest.raises(Stopped):
                trained()
            assert stopped[-1] == name
            assert list((tmp_path / "checkpoints").iterdir())
        with pytest.raises(Stopped):
            trained()
        assert stopped[-1] == "decoded_student"
        trained()
    assert not list((tmp_path / "checkpoints").iterdir())
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "weights").iterdir()}
    trained()  # every part is trained already
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "weights").iterdir()} == before
    trained(out=tmp_path / "whole")  # never interrupted
    for part in before:
        assert part.read_bytes() == (tmp_path / "whole/weights" / part.name).read_bytes()
    with pytest.raises(UserError, match="was made from another description, data or seed"):
        trained(seed=1)
    other = tmp_path / "other"  # a student of another seed under the same teacher
    (other / "weights").mkdir(parents=True)
    taught = shutil.copy2(tmp_path / "weights/teacher.safetensors", other / "weights")
    cache = Path(shutil.copytree(tmp_path / "cache", other / "cache"))
    told = cache / "teacher_views" / "view_00_from_0.safetensors"
    times = [Path(path).stat().st_mtime_ns for path in (taught, told)]
    trained(seed=1, teacher_seed=0, stage="stage2", out=other)
    assert [Path(path).stat().st_mtime_ns for path in (taught, told)] == times
    first, second = (
        load_tensors(folder / "weights/student.safetensors")[0]["head.bias"]
        for folder in (tmp_path, other)
    )
    assert not torch.equal(first, second)
    sweep(tiny(), other / "weights", ["rkd_sc"], snr_db=(0.0,), channel_uses=(16,))

    rows = sweep(
        tiny(), tmp_path / "weights", ["rkd_sc"], snr_db=(-10.0, 10.0), channel_uses=(16, 64)
    ).set_index(["channel_uses", "snr_db"])["accuracy"]
    assert rows[64, 10.0] > 0.8
    assert rows[64, 10.0] > rows[16, -10.0] + 0.2


def test_committed_digits_weights_are_accurate_and_improve_with_snr_and_k() -> None:
    rows = sweep(
        digits(),
        WEIGHTS,
        ["rkd_sc", "label_code"],
        snr_db=(-10.0, 0.0, 10.0, 40.0),
        channel_uses=(4, 16, 64),
    ).set_index(["scheme", "channel_uses", "snr_db"])["accuracy"]
    noiseless = rows["label_code", 64, 40.0]
    assert noiseless > 0.97
    assert rows["rkd_sc", 16, 10.0] > noiseless - 0.02
    for k in (4, 16, 64):  # one nested model, better with more symbols, no cliff
        assert rows["rkd_sc", k, -10.0] < rows["rkd_sc", k, 10.0]
    assert rows["rkd_sc", 4, 0.0] + 0.05 < rows["rkd_sc", 16, 0.0]
    assert rows["rkd_sc", 16, -10.0] > 0.4


def test_committed_weights_reproduce_the_committed_table() -> None:
    """Every scheme at two SNRs and k = 16 and 64; another kind of CPU may flip single decisions."""
    committed = pd.read_csv(ROOT / "results/reference/digits/results.csv")
    point = ["scheme", "channel", "snr_db", "channel_uses"]
    names = [own.name for own in digits().schemes if own.name in set(committed["scheme"])]
    rows = sweep(
        digits(),
        WEIGHTS,
        names,
        channels=tuple(map(channel_from_name, ("awgn", "rayleigh"))),
        snr_db=(-6.0, 4.0),
        channel_uses=(16, 64),
        realizations=3,
    )
    both = rows.merge(committed, on=point, suffixes=("", "_committed"))
    assert len(both) == len(rows) > 8 * len(names) / 2
    assert (both["transmissions"] == both["transmissions_committed"]).all()
    assert (both["correct"] - both["correct_committed"]).abs().max() <= 3  # of 1,500


def test_separate_fails_at_low_snr_and_stays_below_its_bound() -> None:
    schemes = ["separate", "capacity_bound"]
    rows = sweep(digits(), WEIGHTS, schemes, snr_db=(-10.0, 6.0, 16.0), channel_uses=(64,))
    ours, bound = (rows[rows["scheme"] == name]["accuracy"].tolist() for name in schemes)
    assert ours[0] < 0.12  # outage: a uniform guess
    assert ours[0] < ours[1] < ours[2]
    assert ours[2] > 0.95
    for own, best in zip(ours, bound, strict=True):
        assert own <= best + 3 * (best * (1 - best) / 500) ** 0.5


def test_digital_semantic_works_at_low_snr_and_stays_below_its_bound() -> None:
    schemes = ["digital_semantic", "digital_semantic:bound"]
    rows = sweep(digits(), WEIGHTS, schemes, snr_db=(-10.0, 4.0, 10.0), channel_uses=(16,))
    ours, bound = (rows[rows["scheme"] == name]["accuracy"].tolist() for name in schemes)
    assert ours[0] > 0.4  # a class index in 16 uses; image files are lost here
    assert ours[2] > 0.93
    for own, best in zip(ours, bound, strict=True):
        assert own <= best + 3 * (best * (1 - best) / 500) ** 0.5


def test_committed_weights_are_under_three_megabytes() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 3_000_000


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_list_their_schemes_with_equal_training_budgets(
    recipe: Callable[[], Experiment],
) -> None:
    experiment = recipe()
    described = describe(experiment)
    assert described["name"] == experiment.name == recipe.__name__
    both = (
        *("deep_jscc:distilled", "adjscc:distilled"),
        *("deep_jscc:distilled:total", "adjscc:distilled:total"),
    )
    distilled = {
        "digits": ("adjscc:distilled", "adjscc:distilled:total"),
        "cifar100": both,
        "images": both,
    }.get(experiment.name, ())
    assert experiment.scheme_names == (
        *("rkd_sc", "deep_jscc", "deep_jscc_q:16qam", "deep_jscc_q", "deep_jscc_q:256qam"),
        *("adjscc", "dt_jscc", "dt_jscc:64qam", "vl_vfe"),
        *distilled,
        "deep_jscc_image",
        *(() if experiment.name == "digits" else ("deep_jscc_q_image",)),
        *("separate", "capacity_bound", "digital_semantic", "label_code", "analog_pixels"),
    )
    codec = experiment.one(RkdScConfig).codec
    ours = experiment.student.training.epochs + codec.training.epochs
    joint = [scheme for scheme in experiment.schemes if isinstance(scheme, JointSchemeConfig)]
    assert len(joint) == 8 + len(distilled)
    for scheme in joint:  # as many epochs as RKD-SC, and the same training channels
        backbone = 0 if scheme.backbone == "scratch" else experiment.student.training.epochs
        if scheme.backbone_of:
            ablation = experiment.ablations[scheme.backbone_of]
            assert isinstance(ablation, RkdScConfig)
            taught = ablation.student
            assert taught is not None
            assert taught == scheme.backbone_stage
            assert taught.loss.mse == taught.loss.kl == 0  # labels only
            backbone = taught.training.epochs
        assert backbone + scheme.training.epochs == ours
        assert scheme.model.body == experiment.student.model
        assert scheme.channels == codec.conditions.channels
        assert scheme.losses == (codec.loss if scheme.name in distilled else None)
        divided = len(codec.conditions.uses) if scheme.name.endswith(":total") else 1
        assert scheme.shares == divided
    assert codec.model.feature_dim == experiment.student.model.feature_dim


def test_images_recipe_is_cifar100_with_more_epochs_on_few_images() -> None:
    own, theirs = images(), cifar100()
    assert own_parts(own) == [
        part
        for part in own_parts(theirs)
        if "teacher_" not in part and part != "digital_semantic_words"
    ]
    assert own.one(RkdScConfig).codec.model == theirs.one(RkdScConfig).codec.model
    assert own.student.training.epochs_on(45_000) == two_teachers().student.training.epochs
    assert own.student.training.epochs_on(100) >= 100


def own_parts(recipe: Experiment) -> list[str]:
    """Parts of the recipe itself, without ablations and joint baselines."""
    kinds = (RkdScConfig, SeparateConfig, DigitalSemanticConfig)
    own = [s for s in recipe.schemes if isinstance(s, kinds) and not s.ablation]
    return sorted(replace(recipe, schemes=tuple(own)).parts())
