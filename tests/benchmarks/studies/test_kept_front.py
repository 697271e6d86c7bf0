"""Searches and answers in results/reference still belong to the present descriptions.

`search_front` takes up what is kept only under its key, so a key that changed disowns it.
"""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from benchmarks.recipes.cifar100 import cifar100
from benchmarks.recipes.search import preset
from benchmarks.studies.search_front.entries import Searches
from models import GenotypeCnnConfig, PooledCnnConfig, StudentConfig
from simulator.data.dataset import Dataset, Split
from simulator.schemes.rkd_sc import RkdScConfig
from simulator.search.run import SearchRun, retraining_key, search_key
from simulator.search.written import read_student
from simulator.storage.describe import describe
from simulator.storage.environment import ROOT
from simulator.storage.files import load_tensors
from simulator.training.run import TrainingRun
from simulator.training.teachers import Views

KEPT = ROOT / "results/reference/cifar100"
SEARCHES = [*((penalty, "kd") for penalty in (0.0, 0.03, 0.1, 0.3)), (0.1, "ce")]


@pytest.fixture(scope="module")
def front() -> SearchRun:
    """The front of docs/studies.md; its images and what its teachers say are not needed."""
    origin = load_tensors(KEPT / "weights/student.safetensors")[1]["origin"]
    image = torch.zeros((1, *origin["image_shape"]), dtype=torch.uint8)
    dataset = Dataset(
        name="cifar100",
        classes=tuple(origin["classes"]),
        train=None,
        validation=None,
        test=Split(image, torch.zeros(1, dtype=torch.int64)),
        key=origin["data"],
    )
    recipe = replace(cifar100(), views=4)
    run = TrainingRun(
        recipe=recipe,
        dataset=dataset,
        folder=KEPT / "search",
        seed=0,
        device=torch.device("cpu"),
        taught_in=KEPT,
    )
    views = Views(*(torch.zeros(0) for _ in Views._fields))
    return SearchRun(run=run, preset=preset(recipe, "cpu"), views=views)


@pytest.mark.parametrize(("penalty", "teaching"), SEARCHES)
def test_kept_search_is_the_presets(front: SearchRun, penalty: float, teaching: str) -> None:
    codec = cifar100().one(RkdScConfig).codec.model
    searches = Searches(whole=front, codec=codec, seed=0, target="600k", epochs=None)
    own = searches.of(penalty, teaching)
    about = json.loads((own.run.folder / "search.json").read_text())
    assert describe(own.preset.search) == about["search"]
    path = own.run.folder / "genotype.json"
    assert search_key(own, 0) == json.loads(path.read_text())["key"]
    assert searches.found(penalty, teaching) == read_student(path)


def test_every_kept_search_is_tested() -> None:
    names = {f"{teaching}_lambda{penalty:g}" for penalty, teaching in SEARCHES}
    assert names == {path.name for path in (KEPT / "search/searches").iterdir()}


@pytest.mark.parametrize(("folder", "epochs"), [("search", 4), ("search/long", 24)])
def test_kept_answers_are_of_the_kept_networks(front: SearchRun, folder: str, epochs: int) -> None:
    paths = list((KEPT / folder / "answers").glob("*.json"))
    assert len(paths) == 12
    for path in paths:
        name, _, seed = path.stem.partition("_seed")
        run = replace(front.run, seed=int(seed or 0), teacher_seed=0)
        own, model = replace(front, run=run), kept_network(name)
        key = retraining_key(own, path.stem, model, epochs=epochs)
        assert key == json.loads(path.read_text())["key"], path


def kept_network(name: str) -> StudentConfig:
    """A network of the front, from its file."""
    path = KEPT / "search/genotypes" / f"{name}.json"
    described: dict[str, Any] = json.loads(path.read_text())["student"]
    if described.pop("type") == "GenotypeCnnConfig":
        return GenotypeCnnConfig.from_json(described)
    return PooledCnnConfig(**described | {"widths": tuple(described["widths"])})
