"""The finished student of CIFAR-100, and its features of the views of a training run."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from benchmarks.recipes.cifar100 import cifar100
from simulator.description.basis import Part
from simulator.schemes.codec import CodecStage, LinkModel
from simulator.schemes.rkd_sc import RkdScheme
from simulator.training.cache import cached_features
from simulator.training.run import TrainingRun, validation_outputs
from simulator.training.student import TrainedStudent
from simulator.training.teachers import Views
from simulator.training.weights import Weights


@dataclass(frozen=True, kw_only=True)
class FrozenStudent:
    """A finished student behind which codecs are trained, and its outputs."""

    run: TrainingRun
    taught: TrainedStudent  # student and head, with the student's features of the training views
    hashes: tuple[str, str]  # SHA-256 of the student's and the head's files
    validation: Tensor  # features [M, D]
    views: Views | None = None  # the teachers' outputs for the training views


def frozen_student(run: TrainingRun, weights: Path) -> FrozenStudent:
    """Student and head from their files, without teachers.

    The student's features are cached below the folder of the run.

    Raises: UserError if a file is missing, or belongs to another recipe or to other images.
    """
    found = Weights(cifar100(), run.dataset, weights, run.device)
    student, head = found.student(), found.head()
    part = Part("student_features", ("fp32", found.hashes["student"]))
    features = cached_features(run, part, student.body, "fp32")
    return FrozenStudent(
        run=run,
        taught=TrainedStudent(student, features, head),
        hashes=(found.hashes["student"], found.hashes["head"]),
        validation=validation_outputs(run, student.body),
    )


def scheme_of(
    taught: TrainedStudent, link: LinkModel, *, name: str, stage: CodecStage
) -> RkdScheme:
    """A trained codec behind a finished student, as a scheme."""
    return RkdScheme(
        student=taught.student.body,
        codec=link.codec.eval(),
        head=link.head.eval(),
        name=name,
        trained_snr_db=stage.conditions.snr_range,
    )
