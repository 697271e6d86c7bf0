"""Students of several descriptions, trained under the same teachers by several processes.

The answers of a finished student are kept in OUT/answers, some kilobytes each. With these files a
study can continue even if its weights and the cached outputs of its teachers are gone.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import torch

from benchmarks.studies.request import ParallelStudyRequest
from models import ImageClassifier
from simulator.commands.options import option
from simulator.data.dataset import Dataset
from simulator.description.basis import Basis, Part
from simulator.errors import UserError
from simulator.measures.sizes import right_answers
from simulator.statistics.tally import Credits
from simulator.storage.files import read_keyed, write_json
from simulator.storage.sums import checked_weights
from simulator.training.run import TrainingRun
from simulator.training.student import finished_classifier, train_student
from simulator.training.teachers import cached_teacher_views, teacher_views, train_teachers

SplitName = Literal["validation", "test"]


class Job(NamedTuple):
    """The training of one student; `folder` holds it, and the cached outputs of its teachers."""

    name: str
    recipe: Basis
    folder: Path
    training: Path  # folder of the training of the teachers
    seed: int = 0

    def run(self, dataset: Dataset) -> TrainingRun:
        """Its training run; teachers and views are those of seed 0."""
        return TrainingRun(
            recipe=self.recipe,
            dataset=dataset,
            folder=self.folder,
            seed=self.seed,
            device=torch.device("cpu"),
            teacher_seed=0,
            taught_in=self.training,
        )

    @property
    def part(self) -> Part:
        """The student."""
        return self.recipe.student_parts(self.name, self.recipe.student).student

    def student(self, dataset: Dataset) -> ImageClassifier:
        """The student of its recipe, trained; the teachers' outputs must be cached.

        If the training run of the teachers has the same student, it is not trained again.
        """
        whole = self.run(dataset)
        if (found := self._taught_there(whole)) is not None:
            return found
        views = cached_teacher_views(whole)
        assert views is not None  # see `TaughtRequest.prepared`
        return train_student(whole, self.part, self.recipe.student, views)

    def _taught_there(self, whole: TrainingRun) -> ImageClassifier | None:
        """The student in the folder `training`, if it has the same settings and seed."""
        there = replace(whole, folder=self.training, taught_in=None)
        part = self.recipe.student_parts().student
        path = there.path(part.name)
        if not path.exists() or checked_weights(path)[1].get("key") != there.origin(part).key:
            return None
        return finished_classifier(there, part, self.recipe.student.model)

    def kept(self, dataset: Dataset, split: SplitName) -> Credits | None:
        """The stored answers of the trained student, as `right`; None if there is no file.

        Raises: UserError if it is damaged, or of another training run.
        """
        found = read_keyed(self._path(split), self.run(dataset).origin(self.part).key)
        if found is None:
            return None
        packed = np.frombuffer(bytes.fromhex(found["right"]), dtype=np.uint8)
        return np.unpackbits(packed, count=found["images"]).astype(np.float64)

    def right(self, dataset: Dataset, split: SplitName) -> Credits:
        """1 for every image of the split that the trained student classifies correctly, else 0."""
        if (kept := self.kept(dataset, split)) is not None:
            return kept
        student, run = self.student(dataset).eval(), self.run(dataset)
        images = run.validation if split == "validation" else dataset.test
        right = right_answers(lambda x: student(x).scores, images)
        told = {"images": len(right), "right": np.packbits(right > 0).tobytes().hex()}
        write_json(self._path(split), {"key": run.origin(self.part).key, **told})
        return right

    def _path(self, split: SplitName) -> Path:
        return self.folder / "answers" / f"{self.name}_{split}.json"


@dataclass(frozen=True, kw_only=True)
class TaughtRequest(ParallelStudyRequest, ABC):
    """The options of these studies; subclasses define the students."""

    training: Path = option(
        default=Path("results/runs/cifar100"), help="Folder of the training of the teachers."
    )

    splits: ClassVar[tuple[SplitName, ...]]  # on whose images the students are evaluated

    @abstractmethod
    def jobs(self) -> Iterator[Job]:
        """All training runs."""

    def prepared(self) -> Dataset:
        """The images; the teachers' outputs are cached if a student must still be trained.

        Raises: UserError if there are no images or no weights of a teacher.
        """
        dataset = self.dataset()
        for job in self.jobs():
            run = job.run(dataset)
            missing = [name for name in run.recipe.teachers if not run.path(name).exists()]
            if missing:
                raise UserError(f"{self.training} must hold the weights of {', '.join(missing)}")
            todo = any(job.kept(dataset, split) is None for split in self.splits)
            if todo and cached_teacher_views(run) is None:
                teacher_views(run, train_teachers(run))
        return dataset
