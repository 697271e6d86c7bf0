"""Students of several networks and sizes under the same teachers: accuracy, cost, retention.

    python -m benchmarks.studies.students --data DIR --training DIR --networks hand_made,NAME=FILE

A network is `hand_made` or a genotype file of `semlink search`, its widths scaled to every size
(staged networks also to the MACs of the hand-made one of that size). Choices are made by the column
`validation`; test images are used once, at the end. Writes OUT/students.csv (a row per training
run), retention.csv (a row per training run and teacher) and a figure; finished students and their
answers are kept below OUT.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import click
import pandas as pd
import torch

from benchmarks.figures.retention import draw_retention
from benchmarks.recipes.cifar100 import cifar100, two_teachers
from benchmarks.studies.pool import done_by_workers
from benchmarks.studies.taught import Job, TaughtRequest
from models import Ensemble, ImageClassifier, StagedCnnConfig, StudentConfig
from models.blocks import parameter_count
from models.nas.fitting import fitted
from models.nas.staged_space import Budget, fitted_to
from simulator.commands.options import command, option, run, whole
from simulator.data.dataset import Dataset, Split
from simulator.errors import UserError
from simulator.measures.sizes import right_answers
from simulator.parse import parse_count
from simulator.search.cost import network_costs
from simulator.search.written import read_student
from simulator.statistics.intervals import accuracy_interval
from simulator.statistics.paired import paired_ratio
from simulator.statistics.tally import Credits
from simulator.storage.describe import describe
from simulator.storage.environment import environment
from simulator.storage.files import write_json, write_table
from simulator.training.teachers import Teacher, train_teachers

HAND_MADE: Final = "hand_made"
SHAPE: Final = (3, 32, 32)
SORTED: Final = ["network", "size", "seed"]


def network_named(text: str) -> tuple[str, StudentConfig]:
    """Name and network of `hand_made` or NAME=FILE. Raises: UserError for any other text."""
    name, _, path = text.partition("=")
    if text == HAND_MADE:
        return name, cifar100().student.model
    if not path:
        raise UserError(f"--networks must be {HAND_MADE} or NAME=FILE, got {text!r}")
    return name, read_student(Path(path))


def at_size(model: StudentConfig, size: int) -> StudentConfig:
    """The network with the largest widths within `size` encoder parameters.

    A staged network must also stay within the MACs of the hand-made one of this size.

    Raises: UserError if even the narrowest one costs more.
    """
    hand_made = fitted(cifar100().student.model, size, image_channels=SHAPE[0])
    if not isinstance(model, StagedCnnConfig):
        return fitted(model, size, image_channels=SHAPE[0])
    most = network_costs(hand_made, SHAPE)["macs"]
    found = fitted_to(model, Budget(parameters=(0, size), macs=(0, most), image_shape=SHAPE))
    if found is None:
        raise UserError(f"--sizes must leave room for the narrowest network, got {size}")
    return found


@dataclass(frozen=True, kw_only=True)
class StudentsRequest(TaughtRequest):
    """The options of `students`."""

    splits = ("validation", "test")
    out: Path = option(default=Path("results/runs/students"), help="Folder to write to.")
    networks: tuple[str, ...] = option(default=(HAND_MADE,), help="hand_made, NAME=FILE, ...")
    sizes: tuple[str, ...] = option(default=("0.36M", "1.2M"), help="Encoder parameters.")
    seeds: int = option(default=3, type=whole(1, 100), help="Seeds of every network and size.")
    epochs: int = option(default=24, type=whole(1, 1000), help="Epochs of every training run.")
    views: int = option(default=12, type=whole(2, 100), help="Augmented views, an even number.")
    teachers: int = option(
        default=3, type=whole(2, 3), help="2: without the one that is pretrained on ImageNet."
    )

    def jobs(self) -> Iterator[Job]:
        """All networks and sizes with one seed, then with the next. Raises: UserError."""
        made = cifar100() if self.teachers == 3 else two_teachers()
        recipe = replace(made, views=self.views)
        training = replace(recipe.student.training, epochs=self.epochs)
        found = dict(map(network_named, self.networks))
        for seed in range(self.seeds):
            for text in self.sizes:
                size = parse_count(text, option="--sizes")
                for name, model in found.items():
                    own = replace(recipe.student, training=training, model=at_size(model, size))
                    part = f"{name}_{size}_seed{seed}"
                    yield Job(part, replace(recipe, student=own), self.out, self.training, seed)


def trained(dataset: Dataset, job: Job) -> tuple[Credits, Credits]:
    """Correct answers to validation and test images; the function that workers run."""
    return job.right(dataset, "validation"), job.right(dataset, "test")


def taught(dataset: Dataset, job: Job) -> dict[str, tuple[int, Credits]]:
    """Encoder parameters and correct test answers of every teacher and of their ensemble."""
    run = job.run(dataset)
    members = train_teachers(run)
    every: Mapping[str, Teacher | Ensemble] = {**members, "all": Ensemble([*members.values()])}
    return {name: outputs_of(own.eval(), run.dataset.test) for name, own in every.items()}


def outputs_of(network: ImageClassifier | Ensemble | Teacher, test: Split) -> tuple[int, Credits]:
    """Encoder parameters, and correct answers by the joint scores of an image and its mirror."""

    def classify(images: torch.Tensor) -> torch.Tensor:
        both = (network(images).scores, network(images.flip(3)).scores)
        return torch.stack([own.log_softmax(dim=1) for own in both]).sum(dim=0)

    return parameter_count(network.body), right_answers(classify, test)


def student_row(job: Job, answers: tuple[Credits, Credits]) -> dict[str, Any]:
    """A row of students.csv."""
    network, size, seed = job.name.rsplit("_", maxsplit=2)
    validation, test = answers
    costs = network_costs(job.recipe.student.model, SHAPE)
    return {
        "network": network,
        "size": int(size),
        "seed": int(seed.removeprefix("seed")),
        "params": costs["parameters"],
        "macs": costs["macs"],
        "cpu_ms": costs["cpu_ms"],
        "validation": validation.mean(),
        "accuracy": test.mean(),
        **dict(zip(("low", "high"), accuracy_interval(test), strict=True)),
    }


def retention_rows(
    row: Mapping[str, Any], test: Credits, teachers: Mapping[str, tuple[int, Credits]]
) -> Iterator[dict[str, Any]]:
    """Rows of retention.csv: shares of each teacher's accuracy kept and of its encoder removed."""
    for name, (params, right) in teachers.items():
        kept, low, high = paired_ratio(test, right)
        told = {"teacher": name, "teacher_params": params, "teacher_accuracy": right.mean()}
        removed = 1 - row["params"] / params
        own = {key: row[key] for key in (*SORTED, "params")}
        yield {**own, **told, "removed": removed, "retention": kept, "low": low, "high": high}


@command(StudentsRequest)
def students(request: StudentsRequest) -> None:
    """Train networks of several sizes under the same teachers, and compare them."""
    jobs = [*request.jobs()]
    answers: dict[str, tuple[Credits, Credits]] = {}
    for job, own in done_by_workers(trained, jobs, request):
        answers[job.name] = own
    rows = [student_row(job, answers[job.name]) for job in jobs]
    table = pd.DataFrame(rows).sort_values(SORTED, ignore_index=True)
    write_table(request.out / "students.csv", table)
    teachers = taught(request.prepared(), jobs[0])
    tests = [answers[job.name][1] for job in jobs]
    kept = [
        entry
        for row, test in zip(rows, tests, strict=True)
        for entry in retention_rows(row, test, teachers)
    ]
    retention = pd.DataFrame(kept).sort_values(["teacher", *SORTED], ignore_index=True)
    write_table(request.out / "retention.csv", retention)
    draw_retention(retention, request.out)
    about = {
        "students": {job.name: describe(job.recipe.student) for job in jobs},
        "environment": environment(torch.device("cpu")),
    }
    write_json(request.out / "students.json", about)
    means = table.groupby(SORTED[:2])[["params", "macs", "cpu_ms", "validation", "accuracy"]]
    click.echo(means.mean().round(4).to_string())


def main() -> None:
    """The command."""
    run(students.click, "students")


if __name__ == "__main__":
    main()
