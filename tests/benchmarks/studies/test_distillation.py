"""The study of distillation: what its variants change, and its table, on the digits."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.recipes.cifar100 import cifar100
from benchmarks.recipes.digits import digits
from benchmarks.studies import distillation
from benchmarks.studies.distillation import DistillationRequest, table, variants
from benchmarks.studies.request import StudyRequest
from models import ResidualCnnConfig
from simulator.data.embedded import embedded
from simulator.description.basis import Basis
from simulator.errors import UserError
from simulator.storage.describe import describe
from simulator.training.teachers import train_teachers

SMALL = ResidualCnnConfig(widths=(4, 8), blocks=1, feature_dim=8)


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Every value of a description by its path."""
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = dict(enumerate(value)).items()
    else:
        return {path: value}
    return {p: v for key, own in items for p, v in leaves(own, f"{path}/{key}").items()}


def test_each_variant_changes_one_setting() -> None:
    recipes = variants(cifar100())
    whole = describe(cifar100())
    own = leaves(describe(recipes["base"]))
    changed = {
        name: {place.split("/")[1] for place, _ in leaves(describe(recipe)).items() ^ own.items()}
        for name, recipe in recipes.items()
    }
    assert changed.pop("base") == set()
    assert changed.pop("together") > {"stronger", "student"}
    differs = leaves(describe(recipes["together"])).items() ^ leaves(whole).items()
    assert {place for place, _ in differs} == {"/student/training/epochs"}
    assert all(len(places) == 1 for places in changed.values())
    assert set.union(*changed.values()) == {"more_teachers", "stronger", "student"}


def small() -> Basis:
    """The recipe of the digits with tiny networks, quick to train."""
    recipe = digits()
    student, teacher = recipe.student, recipe.teacher
    training = replace(teacher.training, epochs=1, least_steps=0)
    teacher = replace(teacher, model=SMALL, training=training)
    return replace(
        recipe,
        teacher=teacher,
        more_teachers=(teacher, teacher),
        student=replace(student, model=SMALL, training=training),
    )


def one_by_one(
    work: Callable[[Any, Any], Any], jobs: Sequence[Any], request: DistillationRequest
) -> Iterator[tuple[Any, Any]]:
    """Run the jobs in this process instead of in workers."""
    dataset = request.prepared()
    for job in jobs:
        yield job, work(dataset, job)


def test_students_of_variants_are_compared_with_the_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distillation, "cifar100", small)
    monkeypatch.setattr(f"{StudyRequest.__module__}.load_dataset", lambda _: embedded("digits"))
    monkeypatch.setattr(distillation, "done_by_workers", one_by_one)
    request = DistillationRequest(
        data=tmp_path / "images",
        training=tmp_path / "training",
        out=tmp_path / "out",
        epochs=1,
        views=2,
        only=("standardised", "randaugment", "two_teachers"),
    )
    with pytest.raises(UserError, match="training must hold the weights of teacher, teacher_2"):
        distillation.distillation(request)
    whole = next(request.jobs()).run(embedded("digits"))
    train_teachers(replace(whole, folder=request.training, taught_in=None))
    distillation.distillation(request)
    found = pd.read_csv(request.out / "distillation.csv")
    assert set(found["variant"]) == {"base", *request.only}
    assert found["accuracy"].between(0, 1).all()
    compared = found[found["variant"] != "base"]
    assert (compared["low"] <= compared["difference"]).all()
    assert (compared["difference"] <= compared["high"]).all()
    accuracy = found.set_index("variant")["accuracy"]
    difference = compared.set_index("variant")["difference"]
    expected = accuracy[difference.index] - accuracy["base"]
    np.testing.assert_allclose(difference, expected, atol=1e-12)


def test_unknown_variants_raise_an_error() -> None:
    with pytest.raises(UserError, match="--only must be among base, two_teachers"):
        [*DistillationRequest(only=("nothing",)).jobs()]


def test_differences_are_nan_without_the_base() -> None:
    right = np.array([1.0, 0.0, 1.0, 1.0])
    found = table({"average": right}, {"average": 3})
    assert found[["accuracy", "epochs", "images"]].to_numpy().tolist() == [[0.75, 3, 4]]
    assert found["difference"].isna().all()
