"""Training conditions and the pairing of images, targets and labels."""

import itertools
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
import torch
from torch.nn.functional import cross_entropy

from benchmarks.recipes.digits import digits
from benchmarks.recipes.variants import no_teacher
from models import ImageClassifier, StudentConfig
from simulator.data.dataset import to_float
from simulator.schemes.codec import LinkConditions
from simulator.schemes.rkd_sc import RkdScConfig
from simulator.storage.files import load_tensors
from simulator.training.loop import fresh
from simulator.training.run import TrainingRun, in_chunks
from simulator.training.student import StudentLesson
from simulator.training.teachers import Views, teacher_views

CONDITIONS = LinkConditions(
    channels=("awgn",), snr_db=(-12.0, 26.0), uses=(16, 4, 64), full_share=0.25
)


def test_snr_and_k_are_drawn_independently_for_every_image(generator: torch.Generator) -> None:
    snr_db, uses = CONDITIONS.draw(30_000, generator=generator)
    assert snr_db.shape == uses.shape == (30_000, 1)
    assert snr_db.min() >= -12
    assert snr_db.max() <= 26
    deviation = 38 / 12**0.5
    assert abs(float(snr_db.mean()) - 7) < 4 * deviation / 30_000**0.5
    assert abs(float(snr_db.std()) - deviation) < 0.15
    shares = [float((uses == k).double().mean()) for k in (4, 16, 64)]
    error = 4 * (0.25 / 30_000) ** 0.5
    assert shares == pytest.approx([0.25, 0.25, 0.5], abs=error)  # 64: full share + a third of rest
    correlation = torch.corrcoef(torch.cat([snr_db, uses.double()], dim=1).T)[0, 1]
    assert abs(float(correlation)) < 4 / 30_000**0.5


def classifier(run: TrainingRun, config: StudentConfig, *, seed: int) -> ImageClassifier:
    """A fresh classifier for the data of a run."""
    return fresh(lambda: ImageClassifier(config, **run.dataset.sizes), seed=seed)


def test_views_are_reproducible_and_differ_by_index_and_purpose(run: TrainingRun) -> None:
    one = run.view("shared", 0)
    assert torch.equal(one, run.view("shared", 0))
    assert not torch.equal(one, run.view("shared", 1))
    assert not torch.equal(one, run.view("teacher", 0))


def test_stronger_augmentation_does_not_affect_teachers(run: TrainingRun) -> None:
    stronger = replace(run.recipe.augment, operations=2)
    other = replace(run, recipe=replace(run.recipe, stronger=stronger))
    assert torch.equal(run.view("teacher_2", 0), other.view("teacher_2", 0))
    assert run.recipe.teacher_parts == other.recipe.teacher_parts
    for purpose in ("shared", "no_teacher"):
        assert not torch.equal(run.view(purpose, 0), other.view(purpose, 0))
    assert run.recipe.student_parts() != other.recipe.student_parts()


def test_every_second_view_can_be_augmented_more_strongly(run: TrainingRun) -> None:
    whole = replace(run.recipe, stronger=replace(run.recipe.augment, operations=2))
    mixed = replace(run, recipe=replace(whole, stronger_every=2))
    stronger = replace(run, recipe=whole)
    for index, other in enumerate((run, stronger, run, stronger)):
        assert torch.equal(mixed.view("shared", index), other.view("shared", index))
    parts = [own.recipe.student_parts() for own in (run, stronger, mixed)]
    assert all(one != two for one, two in itertools.combinations(parts, 2))
    with pytest.raises(ValueError, match="stronger_every must be at least 1, got 0"):
        replace(whole, stronger_every=0)


def test_targets_match_the_view_and_the_images(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Target i of view v is the teacher's output for image i as augmented in view v."""
    teacher = classifier(run, digits().student.model, seed=0).eval()
    monkeypatch.setattr(type(run), "origin", lambda *_: _Origin())
    views = teacher_views(run, {"teacher": teacher})
    indices = torch.tensor([3, 999, 0])
    targets = views.targets(5, indices)
    shown = run.view("shared", 5)[indices]
    expected = in_chunks(lambda x: teacher(x).scores, shown, precision="fp32").log_softmax(dim=1)
    torch.testing.assert_close(targets.scores, expected, atol=2e-3, rtol=2e-3)
    features = in_chunks(teacher.body, shown, precision="fp32")
    project, _ = load_tensors(run.folder / "cache/teacher_projection.safetensors")
    normalised = (features - project["mean"]) / project["scale"]
    torch.testing.assert_close(targets.features, normalised, atol=2e-2, rtol=2e-3)


def test_first_epochs_can_use_downscaled_images(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = classifier(run, digits().student.model, seed=0).eval()
    monkeypatch.setattr(type(run), "origin", lambda *_: _Origin())
    stage = replace(run.recipe.student, small_share=0.5, small_side=4)
    lesson = StudentLesson(
        run=run,
        part=run.recipe.student_parts(stage=stage).student,
        config=stage.training,
        model=stage.model,
        loss=stage.loss,
        views=teacher_views(run, {"teacher": teacher}),
        small_share=stage.small_share,
        small_side=stage.small_side,
    )
    images, half = run.view("shared", 0)[:3], lesson.epochs // 2
    assert lesson.shown(images, half).shape[2:] == images.shape[2:]
    small = lesson.shown(images, half - 1)
    assert small.shape[2:] == (4, 4)
    assert float(small.mean()) == pytest.approx(float(to_float(images).mean()), rel=1e-5)
    assert lesson.part.description != run.recipe.student_parts().student.description


def test_student_without_teacher_uses_fresh_views_and_label_smoothing(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Like a teacher, it learns from images that are augmented anew in every epoch."""
    monkeypatch.setattr(type(run), "origin", lambda *_: _Origin())
    teacher = classifier(run, digits().student.model, seed=0).eval()
    stage = no_teacher(digits().student, digits().one(RkdScConfig).codec).student
    assert stage is not None
    part = run.recipe.student_parts("no_teacher", stage).student
    lesson = StudentLesson(
        run=run,
        part=part,
        config=stage.training,
        model=stage.model,
        loss=stage.loss,
        views=teacher_views(run, {"teacher": teacher}),
        fresh_views=stage.fresh_views,
        label_smoothing=stage.label_smoothing,
    )
    index, indices = run.recipe.views, torch.arange(50)  # shared views would start over
    found = lesson.epoch(teacher, index).loss(indices)
    scores = teacher(to_float(run.view(part.name, index)[indices])).scores
    expected = cross_entropy(scores, run.labels[indices], label_smoothing=0.1)
    torch.testing.assert_close(found, expected)
    shared = teacher(to_float(run.shared_view(index)[indices])).scores
    assert not torch.allclose(scores, shared)
    small = replace(lesson, small_share=1.0, small_side=4).epoch(teacher, index).loss(indices)
    assert not torch.allclose(found, small)
    plain = replace(stage, fresh_views=False, label_smoothing=0.0)
    assert run.recipe.student_parts("no_teacher", plain).student.description != part.description


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"label_smoothing": 0.1}, "label_smoothing must be 0 without fresh_views, got 0.1"),
        ({"fresh_views": True}, "loss.mse and loss.kl must be 0, got 1.0 and 0.0"),
    ],
)
def test_invalid_settings_of_fresh_views_raise_an_error(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        replace(digits().student, **changes)


def test_teacher_features_are_normalised_to_unit_variance(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = classifier(run, digits().student.model, seed=0).eval()
    monkeypatch.setattr(type(run), "origin", lambda *_: _Origin())
    views: Views = teacher_views(run, {"teacher": teacher})
    assert float(views.features.float().square().mean()) == pytest.approx(1, abs=0.01)


@dataclass(frozen=True)
class _Origin:
    """Stands in for the origin of a cache."""

    key: str = "key"
    header: ClassVar = {"key": "key"}


def test_mirrored_views_share_their_targets(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Targets are the mean of the teacher outputs for an image and for its mirror image."""
    pairs = replace(run, recipe=replace(run.recipe, views=4, mirrored=True))
    assert torch.equal(pairs.view("shared", 2), pairs.view("shared", 0).flip(3))
    assert torch.equal(pairs.view("shared", 0), run.view("shared", 0))
    teacher = classifier(run, digits().student.model, seed=0).eval()
    monkeypatch.setattr(type(run), "origin", lambda *_: _Origin())
    views = teacher_views(pairs, {"teacher": teacher})
    assert len(views.scores) == 2
    indices = torch.tensor([3, 999, 0])
    same, mirror = (views.targets(view, indices) for view in (1, 3))
    assert torch.equal(same.features, mirror.features)
    shown = run.view("shared", 1)[indices]
    both = [
        in_chunks(lambda x: teacher(x).scores, images, precision="fp32").log_softmax(dim=1)
        for images in (shown, shown.flip(3))
    ]
    torch.testing.assert_close(same.scores, (both[0] + both[1]) / 2, atol=5e-3, rtol=2e-3)


def test_several_teachers_are_combined_with_equal_weight(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Features are weighted equally and reduced to the student's length; scores are averaged."""
    config = digits().student.model
    one, two = (classifier(run, config, seed=seed).eval() for seed in (0, 1))
    with torch.no_grad():
        two.body.projection.weight.mul_(100)  # larger, but not more important
    recipe = replace(run.recipe, views=1, more_teachers=(run.recipe.teacher,))
    pair = replace(run, recipe=recipe)
    assert list(recipe.teachers) == ["teacher", "teacher_2"]
    monkeypatch.setattr(type(run), "origin", lambda _, part: _Origin(part.name))
    views = teacher_views(pair, {"teacher": one, "teacher_2": two})
    assert views.features.shape == (1, len(run.labels), config.feature_dim)
    shown = run.view("shared", 0)
    said = [_scores(teacher, shown) for teacher in (one, two)]
    mean = sum(scores.log_softmax(dim=1) for scores in said) / 2
    torch.testing.assert_close(views.scores[0].float(), mean, atol=0.05, rtol=5e-3)
    variance = views.features.float().var(dim=(0, 1))
    assert bool((variance[:-1] >= variance[1:] - 1e-3).all())  # principal components, in order
    for teacher in (one, two):  # neither dominates the other
        own = in_chunks(teacher.body, shown, precision="fp32")
        own = (own - own.mean(dim=0)) / own.std()
        joined = views.features[0].float()
        fitted = joined @ torch.linalg.lstsq(joined, own).solution
        assert float((own - fitted).square().mean()) < 0.5


def _scores(teacher: ImageClassifier, images: torch.Tensor) -> torch.Tensor:
    return in_chunks(lambda x: teacher(x).scores, images, precision="fp32")
