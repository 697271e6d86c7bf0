"""The finished student of CIFAR-100, and its features of the views of a training run."""

from pathlib import Path
from typing import NamedTuple

from torch import nn

from benchmarks.recipes.cifar100 import cifar100
from simulator.description.basis import Part
from simulator.schemes.codec import CodecStage, LinkModel
from simulator.schemes.rkd_sc import RkdScheme
from simulator.training.cache import cached_features
from simulator.training.run import TrainingRun
from simulator.training.student import TrainedStudent
from simulator.training.weights import Weights


class Finished(NamedTuple):
    """A finished student with its head, and the SHA-256 of their files."""

    taught: TrainedStudent
    hashes: tuple[str, str]


def load_finished_student(run: TrainingRun, weights: Path) -> Finished:
    """Student and head from their files, and the student's features of the run's views.

    The features are cached below the folder of the run.

    Raises: UserError if a file is missing, or belongs to another recipe or to other images.
    """
    found = Weights(cifar100(), run.dataset, weights, run.device)
    student = found.student()
    head = found.load(
        cifar100().student_parts().head,
        lambda: nn.Linear(student.body.config.feature_dim, run.dataset.num_classes),
    )
    part = Part("student_features", ("fp32", found.hashes["student"]))
    features = cached_features(run, part, student.body, "fp32")
    hashes = found.hashes["student"], found.hashes["head"]
    return Finished(TrainedStudent(student, features, head), hashes)


def scheme_of(
    taught: TrainedStudent, link: LinkModel, *, name: str, stage: CodecStage
) -> RkdScheme:
    """A trained codec behind a finished student, as a scheme."""
    return RkdScheme(
        student=taught.student.body,
        codec=link.codec.eval(),
        head=link.head.eval(),
        name=name,
        trained_snr_db=stage.conditions.snr_db,
    )
