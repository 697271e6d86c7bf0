"""Classifiers fine-tuned on images decoded from image codecs: `separate:retrained`.

A classifier is fine-tuned by cross-entropy on the shared views of the training images. The images
are compressed and decoded by the recipe's codecs at random qualities, except for a clean share.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import torch
from torch import Tensor

import models
from benchmarks.baselines.image_files import CodecDamage
from simulator.description.basis import Basis, Part
from simulator.description.stages import TrainConfig
from simulator.errors import UserError
from simulator.scheme import Classifier
from simulator.training.cache import cached
from simulator.training.loop import ClassifierLesson
from simulator.training.run import SHARED, TrainingRun, accuracy, check_finished, in_chunks
from simulator.training.student import finished_classifier, finished_student
from simulator.training.weights import Weights, scores_by

STAGES = {"decoded": "student", "decoded_teachers": "teacher"}  # stage -> what it fine-tunes


@dataclass(frozen=True, kw_only=True)
class DecodedStage:
    """Fine-tuning of classifiers on decoded images."""

    damage: CodecDamage
    training: TrainConfig
    views: int  # decoded views of the training images, used by the epochs in turn
    clean_share: float  # of the images of a view, which are not compressed


class Reader(NamedTuple):
    """A classifier to fine-tune on decoded images."""

    begin: tuple[Part, ...]  # the parts whose weights it starts from
    part: Part
    model: models.ClassifierConfig | models.PretrainedTeacherConfig


def readers(recipe: Basis, stage: DecodedStage, who: str) -> Iterator[Reader]:
    """The classifiers to fine-tune: the student, or (`who` is "teacher") every teacher."""
    shape = (*recipe.seen, stage)
    if who == "student":
        begin = recipe.student_parts()
        part = Part("decoded_student", shape, tuple(own.name for own in begin), "decoded")
        yield Reader(begin, part, recipe.student.model)
        return
    for name, own in recipe.teacher_parts.items():
        part = Part(f"decoded_{name}", shape, (name,), "decoded_teachers")
        yield Reader((own,), part, recipe.teachers[name].model)


def lessons(run: TrainingRun, stage: DecodedStage, who: str) -> list["DecodedLesson"]:
    """The lessons that fine-tune the student, or every offline teacher.

    Raises: UserError if one is not trained yet, or cannot be trained.
    """
    found = []
    for begin, part, model in readers(run.recipe, stage, who):
        if isinstance(model, models.PretrainedTeacherConfig):
            raise UserError(
                f"teachers that are trained on decoded images must be offline networks, but "
                f"{begin[-1].name} is pretrained; leave out the label teacher:retrained"
            )
        check_finished(run, *begin)
        found.append(
            DecodedLesson(
                run=run, part=part, config=stage.training, model=model, stage=stage, begin=begin
            )
        )
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class DecodedLesson(ClassifierLesson):
    """Fine-tuning of one classifier, from its finished weights."""

    stage: DecodedStage
    begin: tuple[Part, ...]

    def build(self) -> models.ImageClassifier:
        """The trained classifier; the student has the head of the link, not that of stage 1."""
        if len(self.begin) == 2:
            return finished_student(self.run)
        return finished_classifier(self.run, self.begin[0], self.model)

    def images(self, index: int) -> Tensor:
        """A shared view, with all but a clean share of its images compressed and decoded."""
        view, share = index % self.stage.views, self.stage.clean_share
        own = partial(self.run.view, SHARED, view)
        return decoded(self.run, f"view_{view}", own, self.stage, clean_share=share)

    @cached_property
    def _validation(self) -> Tensor:
        images = self.run.validation.images
        return decoded(self.run, "validation", lambda: images, self.stage, clean_share=0.0)

    def validate(self, model: models.ImageClassifier) -> float:
        """Accuracy on decoded validation images."""
        scores = in_chunks(lambda x: model(x).scores, self._validation, precision="fp32")
        return accuracy(scores, self.run.validation.labels)


def decoded(
    run: TrainingRun,
    name: str,
    images: Callable[[], Tensor],
    stage: DecodedStage,
    *,
    clean_share: float,
) -> Tensor:
    """Images uint8 [N, C, H, W], all but a clean share decoded from random qualities; cached."""

    def compute() -> dict[str, Tensor]:
        own = images().cpu()
        kept = torch.rand(len(own), generator=run.streams("decoded, clean", name)) < clean_share
        damaged = stage.damage(own, run.streams("decoded", name))
        return {"images": torch.where(kept[:, None, None, None], own, damaged)}

    found = cached(run, Part(f"decoded_{name}", (stage, clean_share)), compute)
    return found["images"].to(run.device)


def retrained(weights: Weights, stage: DecodedStage | None, who: str) -> Classifier:
    """The student, or the ensemble of teachers, fine-tuned on decoded images.

    Raises: UserError with the command that trains them if they are not trained.
    """
    recipe, members = weights.recipe, {}
    for _, part, model in readers(recipe, stage, who) if stage else ():
        if isinstance(model, models.PretrainedTeacherConfig) or not weights.has(part):
            raise _missing(part.name, weights, who)
        members[part.name] = weights.image_classifier(part, model)
    if not members:
        raise _missing(f"decoded_{who}", weights, who)
    if who == "student":
        return Classifier(scores_by(*members.values()), weights.key(members))
    network = weights.mirrored(models.Ensemble(list(members.values())))
    return Classifier(scores_by(network), weights.key(members, recipe.mirrored))


def _missing(part: str, weights: Weights, who: str) -> UserError:
    stage = next(name for name, learns in STAGES.items() if learns == who)
    again = f"run {weights.training_command(f' --stage {stage}')}"
    return UserError(f"there is no {part} in {weights.folder}; {again}")
