"""Students of several descriptions under the teachers of one training, by several processes."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from models import ImageClassifier
from simulator.commands.options import data_option, option, whole
from simulator.data.dataset import Dataset, load_dataset
from simulator.description.basis import Basis
from simulator.errors import UserError
from simulator.storage.folders import check_writable
from simulator.training.run import TrainingRun
from simulator.training.student import train_student
from simulator.training.teachers import teacher_views, told_views, train_teachers


class Job(NamedTuple):
    """The training of one student; the answers of its teachers lie in `folder`, itself too."""

    name: str
    recipe: Basis
    folder: Path
    training: Path  # folder of the training of the teachers
    seed: int = 0

    def run(self, dataset: Dataset) -> TrainingRun:
        """Its training run: teachers and views are those of seed 0."""
        return TrainingRun(
            recipe=self.recipe,
            dataset=dataset,
            folder=self.folder,
            seed=self.seed,
            device=torch.device("cpu"),
            teacher_seed=0,
            taught_in=self.training,
        )

    def student(self, dataset: Dataset) -> ImageClassifier:
        """The student of its recipe, trained; its teachers were asked before."""
        whole = self.run(dataset)
        views = told_views(whole)
        assert views is not None  # see `TaughtRequest.prepared`
        stage = whole.recipe.student
        part = whole.recipe.student_parts(self.name, stage).student
        return train_student(whole, part, stage, views)


@dataclass(frozen=True, kw_only=True)
class TaughtRequest(ABC):
    """The options of these studies. Subclasses say which students there are."""

    data: Path | None = data_option()
    training: Path = option(
        default=Path("results/runs/cifar100"), help="Folder of the training of the teachers."
    )
    out: Path = option(default=Path("results/runs/study"), help="Folder to write to.")
    workers: int = option(default=2, type=whole(1, 1000), help="Processes of one thread each.")

    @abstractmethod
    def jobs(self) -> Iterator[Job]:
        """All trainings."""

    def prepared(self) -> Dataset:
        """The images; teachers are asked about the views the first time.

        Raises: UserError if there are no images or no weights of a teacher.
        """
        if self.data is None:
            raise UserError("--data must name the folder of CIFAR-100, got none")
        check_writable(self.out)
        dataset = load_dataset(self.data)
        for run in (job.run(dataset) for job in self.jobs()):
            missing = [name for name in run.recipe.teachers if not run.path(name).exists()]
            if missing:
                raise UserError(f"{self.training} must hold the weights of {', '.join(missing)}")
            if told_views(run) is None:
                teacher_views(run, train_teachers(run))
        return dataset
