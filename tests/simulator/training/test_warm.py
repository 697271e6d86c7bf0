"""A warm start: training that starts from the committed student of CIFAR-100."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.recipes import digits, images
from models import ImageClassifier, PooledCnnConfig
from simulator.data.augment import augment, erase, recolour
from simulator.data.dataset import Dataset, Split
from simulator.description import trial
from simulator.description.stages import StudentStage
from simulator.description.trial import Trial, warm_started
from simulator.errors import UserError
from simulator.schemes.joint import JointSchemeConfig
from simulator.schemes.rkd_sc import RkdScConfig
from simulator.storage.files import load_tensors, read_header
from simulator.training.run import TrainingRun, classifier_accuracy
from simulator.training.student import Session, StudentLesson
from simulator.training.warm import STUDENT, clearly_lower, reference_body, validation_losses

CPU = torch.device("cpu")
MODEL = images().student.model


def collection(channels: int = 3) -> Dataset:
    """Three classes of noise with different brightness; 24 training and 12 other images."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(36) % 3
    noise = torch.randint(0, 60, (36, channels, 16, 16), generator=generator)
    pixels = (noise + 80 * labels[:, None, None, None]).to(torch.uint8)
    train, validation, test = (
        Split(pixels[own], labels[own]) for own in (slice(24), slice(24, 30), slice(30, 36))
    )
    return Dataset("three", ("a", "b", "c"), train, validation, test, "key")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainingRun:
    for name in ("SMALL_SGD", "SMALL_ADAMW"):
        few = {**getattr(trial, name), "epochs": 1, "least_steps": 2, "batch_size": 12}
        monkeypatch.setattr(trial, name, few)
    recipe = replace(warm_started(images()), views=2)
    return TrainingRun(recipe=recipe, dataset=collection(), folder=tmp_path, seed=0, device=CPU)


def test_teacher_is_a_probe_on_the_committed_student(run: TrainingRun) -> None:
    session = Session(run)
    teacher = session.teachers["teacher"]
    assert isinstance(teacher, ImageClassifier)
    committed, _ = load_tensors(STUDENT)
    for name, value in teacher.body.state_dict().items():
        assert torch.equal(value, committed[f"body.{name}"].to(value.dtype))
    student = session.student(run.recipe.student_parts(), run.recipe.student)
    tuned, frozen = validation_losses(run, student), validation_losses(run, teacher)
    assert torch.equal(tuned, frozen) or clearly_lower(tuned, frozen)
    told = read_header(run.path("student"))["history"][-1]["validation"]
    assert told == pytest.approx(classifier_accuracy(run, student))


def test_gain_within_two_standard_errors_is_not_significant() -> None:
    frozen = torch.tensor([1.0, 1.2, 0.8, 1.0])
    gain = torch.tensor([0.1, 0.3, -0.1, 0.1])  # a mean of 0.1, a standard error of 0.082
    assert not clearly_lower(frozen - gain, frozen)
    assert clearly_lower(frozen - gain - 0.1, frozen)
    assert not clearly_lower(frozen + 1, frozen)
    assert not clearly_lower(frozen[:1] - 1, frozen[:1])
    assert not clearly_lower(frozen, frozen)


def test_student_worse_than_its_teacher_is_reset_to_the_teacher(run: TrainingRun) -> None:
    session = Session(run)
    teacher = session.teachers["teacher"]
    assert isinstance(teacher, ImageClassifier)
    stage = run.recipe.student
    lesson = StudentLesson(
        run=run,
        part=run.recipe.student_parts().student,
        config=stage.training,
        model=stage.model,
        loss=stage.loss,
        views=session.views,
        teacher=teacher,
    )
    model = lesson.build()
    assert torch.equal(model.head.weight, teacher.head.weight)
    with torch.no_grad():
        model.head.weight.copy_(-teacher.head.weight * 10)
    assert lesson.revise(model)
    assert torch.equal(model.head.weight, teacher.head.weight)


def test_grey_images_give_the_features_of_three_equal_channels(generator: torch.Generator) -> None:
    grey = torch.rand((2, 1, 16, 16), generator=generator)
    one, three = (reference_body(MODEL, image_channels=channels) for channels in (1, 3))
    torch.testing.assert_close(one(grey), three(grey.expand(-1, 3, -1, -1)))


def test_warm_start_of_another_network_raises_an_error() -> None:
    with pytest.raises(UserError, match="--from-scratch"):
        reference_body(PooledCnnConfig(stem=4, widths=(8,), projected_dim=8), image_channels=3)


def test_compared_schemes_share_initial_weights_and_training_settings() -> None:
    recipe = warm_started(images())
    assert recipe.teachers.keys() == {"teacher"}
    codec = recipe.one(RkdScConfig).codec
    joint = [scheme for scheme in recipe.schemes if isinstance(scheme, JointSchemeConfig)]
    assert {scheme.training for scheme in joint} == {codec.training}
    untaught = recipe.ablations["no_teacher"]
    assert isinstance(untaught, RkdScConfig)
    students: list[StudentStage | None] = [recipe.student, untaught.student]
    assert all(student and student.begin == "teacher" for student in students)
    assert untaught.student is not None
    assert untaught.student.training == recipe.student.training


def test_warm_start_adds_recolouring_and_erasing_to_the_augmentation(run: TrainingRun) -> None:
    config = images().augment
    assert (config.jitter, config.erased) == (0.0, 0.0)  # unchanged for larger collections
    view = run.view("shared", 0)
    assert torch.equal(view, run.view("shared", 0))
    plain = replace(run, recipe=replace(run.recipe, augment=config)).view("shared", 0)
    assert not torch.equal(view, plain)
    own = torch.Generator().set_state(run.streams_of("shared")("view", "shared", 0).get_state())
    cropped = augment(
        run.training.images, crop_padding=config.crop_padding, flip=config.flip, generator=own
    )
    assert torch.equal(plain, cropped)
    coloured = recolour(cropped, jitter=run.recipe.augment.jitter, generator=own)
    assert torch.equal(view, erase(coloured, share=run.recipe.augment.erased, generator=own))


def test_trials_are_stored_and_other_trials_raise_errors(tmp_path: Path) -> None:
    for own in (Trial(), Trial(epochs=3), Trial(3, 0.1, True)):
        own.note(tmp_path)
        assert Trial.of(tmp_path) == own
    (tmp_path / "student.safetensors").touch()  # weights of Trial(3, 0.1, True)
    for own, told in (
        (Trial(warm=True), "trained with --epochs 3 --lr 0.1, which are not given now; add"),
        (Trial(3, 0.1), "trained with a warm start, which is not given now; add --fresh"),
        (
            Trial(2, 0.1, True),
            "trained with --epochs 3, which is not given now and without --epochs 2, which is now",
        ),
    ):
        with pytest.raises(UserError, match=told):
            own.note(tmp_path)
    assert Trial.of(tmp_path) == Trial(3, 0.1, True)
    (tmp_path / "trial.json").write_text("[1]")
    with pytest.raises(UserError, match="must be a JSON object"):
        Trial.of(tmp_path)
    assert digits().warm_below == 0
