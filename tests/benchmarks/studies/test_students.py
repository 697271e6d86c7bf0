"""The study of networks and sizes: costs, result rows, and a full run on tiny networks."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.recipes.cifar100 import cifar100
from benchmarks.studies import students, taught
from benchmarks.studies.request import StudyRequest
from benchmarks.studies.students import StudentsRequest, at_size, network_named, retention_rows
from models import PooledCnnConfig, ResidualCnnConfig
from models.nas.staged_space import STAGES
from simulator.data.dataset import Dataset, Split
from simulator.description.basis import Basis
from simulator.errors import UserError
from simulator.search.cost import network_costs
from simulator.storage.describe import describe
from simulator.training.student import Session
from simulator.training.teachers import teacher_views, train_teachers

SMALL = ResidualCnnConfig(widths=(4, 8), blocks=1, feature_dim=8)


@pytest.fixture(name="dataset")
def few_images(generator: torch.Generator) -> Dataset:
    """Random images of four classes."""

    def split(count: int) -> Split:
        images = torch.randint(0, 256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)
        return Split(images, torch.arange(count) % 4)

    names = tuple(f"class {number}" for number in range(4))
    return Dataset("few", names, split(64), split(20), split(20), key="few")


def small() -> Basis:
    """The recipe of CIFAR-100 with tiny networks, quick to train."""
    recipe = cifar100()
    student, teacher = recipe.student, recipe.teacher
    training = replace(teacher.training, epochs=1, batch_size=32)
    teacher = replace(teacher, model=SMALL, training=training)
    model = PooledCnnConfig(stem=4, widths=(8, 8, 8), projected_dim=8)
    return replace(
        recipe,
        teacher=teacher,
        more_teachers=(teacher,),
        student=replace(student, model=model, training=training),
    )


def test_networks_are_scaled_to_similar_cost() -> None:
    generator = torch.Generator().manual_seed(1)
    size = 360_000
    hand_made = network_costs(at_size(cifar100().student.model, size), (3, 32, 32))
    assert 0.98 * size < hand_made["parameters"] <= size
    for _ in range(3):
        found = network_costs(at_size(STAGES.uniform(generator=generator), size), (3, 32, 32))
        assert found["parameters"] <= size
        assert found["macs"] <= hand_made["macs"]
    with pytest.raises(UserError, match="--sizes must leave room"):
        at_size(replace(STAGES.uniform(generator=generator), stem=999), 9000)


def test_students_have_two_or_three_teachers(tmp_path: Path) -> None:
    for count in (2, 3):
        request = StudentsRequest(data=tmp_path, seeds=1, sizes=("0.36M",), teachers=count)
        assert [len(job.recipe.teachers) for job in request.jobs()] == [count]


def test_networks_are_given_by_name_or_file(tmp_path: Path) -> None:
    model = STAGES.uniform(generator=torch.Generator().manual_seed(1))
    path = tmp_path / "genotype.json"
    path.write_text(json.dumps({"student": describe(model)}))
    assert network_named(f"found={path}") == ("found", model)
    assert network_named("hand_made")[1] == cifar100().student.model
    with pytest.raises(UserError, match="--networks must be hand_made or NAME=FILE, got 'other'"):
        network_named("other")


def test_retention_matches_hand_computed_values() -> None:
    row = {"network": "n", "size": 10, "seed": 0, "params": 10}
    test, teacher = np.array([1.0, 0.0, 1.0, 0.0]), np.array([1.0, 1.0, 1.0, 0.0])
    (found,) = retention_rows(row, test, {"teacher": (200, teacher)})
    assert found["removed"] == pytest.approx(0.95)
    assert found["retention"] == pytest.approx(2 / 3)
    assert found["teacher_accuracy"] == 0.75
    assert found["low"] < 2 / 3 < found["high"]


def one_by_one(
    work: Callable[[Any, Any], Any], jobs: Sequence[Any], request: StudentsRequest
) -> Iterator[tuple[Any, Any]]:
    """Run the jobs in this process instead of in workers."""
    given = request.prepared()
    for job in jobs:
        yield job, work(given, job)


def test_students_are_trained_compared_and_reused(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(students, "cifar100", small)
    monkeypatch.setattr(f"{StudyRequest.__module__}.load_dataset", lambda _: dataset)
    monkeypatch.setattr(students, "done_by_workers", one_by_one)
    request = StudentsRequest(
        data=tmp_path / "images",
        training=tmp_path / "training",
        out=tmp_path / "out",
        sizes=("3000", "6000"),
        seeds=2,
        epochs=1,
        views=2,
    )
    whole = next(request.jobs()).run(dataset)
    train_teachers(replace(whole, folder=request.training, taught_in=None))
    students.students(request)
    rows = pd.read_csv(request.out / "students.csv")
    assert rows[["size", "seed"]].to_numpy().tolist() == [
        [3000, 0],
        [3000, 1],
        [6000, 0],
        [6000, 1],
    ]
    assert (rows["params"] <= rows["size"]).all()
    assert (rows["low"] <= rows["accuracy"]).all()
    kept = pd.read_csv(request.out / "retention.csv")
    assert sorted(kept["teacher"].unique()) == ["all", "teacher", "teacher_2"]
    assert len(kept) == 3 * len(rows)
    both = kept[kept["teacher"] == "all"]["teacher_params"]
    assert (both == 2 * kept[kept["teacher"] == "teacher"]["teacher_params"].iloc[0]).all()
    assert (request.out / "retention.pdf").exists()
    for folder in ("weights", "cache"):
        shutil.rmtree(request.out / folder)
    monkeypatch.setattr(taught, "train_student", None)  # calling it would be an error
    students.students(request)
    again = pd.read_csv(request.out / "students.csv")
    pd.testing.assert_frame_equal(again.drop(columns="cpu_ms"), rows.drop(columns="cpu_ms"))
    assert not (request.out / "cache").exists()


def test_student_from_the_training_of_the_teachers_is_not_trained_again(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(students, "cifar100", small)
    request = StudentsRequest(
        out=tmp_path / "out", training=tmp_path, sizes=("3000",), seeds=2, epochs=1, views=2
    )
    same, other = request.jobs()
    there = Session(replace(same.run(dataset), folder=tmp_path, taught_in=None))
    found = there.student(there.run.recipe.student_parts(), there.run.recipe.student)
    monkeypatch.setattr(taught, "train_student", None)  # calling it would be an error
    assert torch.equal(same.student(dataset).head.weight, found.head.weight)
    teacher_views(other.run(dataset), there.teachers)
    with pytest.raises(TypeError, match="not callable"):
        other.student(dataset)


def test_answers_of_another_training_run_raise_an_error(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(students, "cifar100", small)
    request = StudentsRequest(out=tmp_path, training=tmp_path, sizes=("3000",), seeds=1, epochs=1)
    job = next(request.jobs())
    train_teachers(replace(job.run(dataset), taught_in=None))
    (tmp_path / "answers").mkdir()
    path = tmp_path / "answers" / f"{job.name}_test.json"
    path.write_text('{"key": "other"}')
    assert job.kept(dataset, "validation") is None
    with pytest.raises(UserError, match="was made with other settings, data or seed"):
        job.kept(dataset, "test")
