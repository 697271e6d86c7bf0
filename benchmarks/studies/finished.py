"""The finished student of CIFAR-100, and what it says of the views of a training run."""

from pathlib import Path

from torch import nn

from benchmarks.recipes.cifar100 import cifar100
from simulator.description.basis import Part
from simulator.training.cache import cached_features
from simulator.training.run import TrainingRun
from simulator.training.student import Taught
from simulator.training.weights import Weights


def taught_already(run: TrainingRun, weights: Path) -> Taught:
    """Student and head from their files, its features of the run's views cached below its folder.

    Raises: UserError if a file is missing, or is not of the recipe or of these images.
    """
    found = Weights(cifar100(), run.dataset, weights, run.device)
    student = found.student()
    head = found.load(
        cifar100().student_parts().head,
        lambda: nn.Linear(student.body.config.feature_dim, run.dataset.num_classes),
    )
    part = Part("student_features", ("fp32", found.hashes["student"]))
    return Taught(student, cached_features(run, part, student.body, "fp32"), head)
