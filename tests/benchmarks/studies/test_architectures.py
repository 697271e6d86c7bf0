"""Studies of architectures on a tiny proxy: equal costs, spread and search methods."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.recipes import search as search_recipes
from benchmarks.studies.architectures import (
    front,
    methods,
    proxy,
    searching,
    signals,
    spread,
    zero_cost,
)
from benchmarks.studies.architectures.proxy import Proxy, Trained
from benchmarks.studies.architectures.searching import Chosen, Searching
from models import StagedCnnConfig
from models.nas.staged_space import STAGES, Budget, cost, drawn
from simulator.data.dataset import Dataset, Split
from simulator.search.run import budget_of, searched_task
from simulator.storage.environment import REFERENCE
from simulator.training.losses import TeacherTargets

CLASSES, SUPERNET = 4, ("supernet_loss", "probability")
IMAGES = 96
SPACE = replace(STAGES, widths=(16, 32), depths=(0, 1))


@pytest.fixture(name="tiny")
def tiny_proxy(generator: torch.Generator, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    """A proxy of random images, on which every step is quick."""
    monkeypatch.setattr(proxy, "TRAINING", replace(proxy.TRAINING, batch_size=32))
    monkeypatch.setattr(searching, "PARAMETERS", 60_000)
    monkeypatch.setattr(searching, "SEARCH_EPOCHS", 2)
    monkeypatch.setattr(searching, "PROPOSALS", 2)
    monkeypatch.setattr(searching, "DRAWN", {"random": 3, "zero_cost": 3})
    monkeypatch.setattr(searching, "VOTED", {"zero_cost": 5, "kdl_vote": 5})
    monkeypatch.setattr(search_recipes, "STAGES", SPACE)

    def split(count: int) -> Split:
        images = torch.randint(0, 256, (count, 3, 16, 16), generator=generator, dtype=torch.uint8)
        return Split(images, torch.arange(count) % CLASSES)

    names = tuple(f"class {number}" for number in range(CLASSES))
    dataset = Dataset("tiny", names, split(IMAGES), split(20), split(20), key="tiny")
    features = torch.randn(IMAGES, 256, generator=generator)
    scores = torch.randn(IMAGES, CLASSES, generator=generator)
    return Proxy(dataset=dataset, targets=TeacherTargets(features, scores), key="tiny")


def ways(tiny: Proxy, method: str, folder: Path) -> Searching:
    """One search method with its first seed."""
    weights = REFERENCE / "cifar100/weights"
    return Searching(proxy=tiny, method=method, seed=0, folder=folder, weights=weights)


@pytest.mark.parametrize("method", searching.METHODS)
def test_every_method_chooses_within_the_budget(
    method: str, tiny: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = ways(tiny, method, tmp_path)
    chosen = methods.kept_choice(way, tmp_path / "chosen.json")
    budget = budget_of(way.whole().run, way.whole().preset.search)
    if method == "hand_made":
        assert chosen.proposals == 1
    else:
        assert isinstance(chosen.model, StagedCnnConfig)
        found = cost(chosen.model, budget.image_shape)
        assert found.parameters <= budget.parameters[1]
        assert found.macs <= budget.macs[1]
        assert chosen.proposals == (2 if method in searching.SEARCHES else 3)
    monkeypatch.setattr(Searching, "chosen", None)  # a stored choice is not made again
    assert methods.kept_choice(way, tmp_path / "chosen.json") == chosen


def test_search_variants_differ_only_in_the_named_setting(tiny: Proxy, tmp_path: Path) -> None:
    configs = {own: ways(tiny, own, tmp_path).whole().preset.search for own in searching.SEARCHES}
    ours = configs["kdl_darts"]
    assert configs["no_penalty"] == replace(ours, penalty=0.0)
    assert configs["labels"] == replace(ours, loss=configs["labels"].loss)
    assert (configs["labels"].loss.mse, configs["labels"].loss.kl) == (0, 0)


def test_training_result_is_stored_and_depends_on_its_seed(tiny: Proxy, tmp_path: Path) -> None:
    model = replace(STAGES.network(dict.fromkeys(STAGES.decisions, 0)), stem=4)
    first = tiny.trained("a", model, seed=0, folder=tmp_path, epochs=2)
    assert len(first.losses) == 2
    written = (tmp_path / "trainings/a_seed0.json").read_bytes()
    assert tiny.trained("a", model, seed=0, folder=tmp_path, epochs=2) == first
    assert (tmp_path / "trainings/a_seed0.json").read_bytes() == written
    assert tiny.trained("a", model, seed=1, folder=tmp_path, epochs=2).losses != first.losses
    again = tiny.trained("b", model, seed=0, folder=tmp_path, epochs=2)
    assert (again.losses, again.accuracy) == (first.losses, first.accuracy)


def test_images_are_downsampled_by_averaging() -> None:
    image = torch.arange(32 * 32, dtype=torch.float).view(1, 1, 32, 32) // 64 * 10
    small = proxy._small(image.byte())
    assert small.shape == (1, 1, 16, 16)
    assert small[0, 0, 3, 5] == image[0, 0, 6:8, 10:12].mean().round()


def test_spread_between_networks_and_seeds_is_estimated(generator: torch.Generator) -> None:
    """Recovers deviations of 0.03 between networks and 0.01 between seeds, and their ratio."""
    numbers = np.random.default_rng(int(torch.randint(1000, (), generator=generator)))
    rows = [
        (f"n{network}", seed, 0.4 + 0.03 * own + 0.01 * numbers.standard_normal())
        for network, own in enumerate(numbers.standard_normal(200))
        for seed in range(3)
    ]
    found = spread.spread_of(pd.DataFrame(rows, columns=["network", "seed", "accuracy"]))
    assert (found["networks"], found["seeds"]) == (200, 3)
    assert found["between_seeds"] == pytest.approx(0.01, rel=0.15)
    assert found["between_networks_without_luck"] == pytest.approx(0.03, rel=0.2)
    assert found["ratio_low"] < found["ratio"] < found["ratio_high"]
    assert found["ratio_low"] < np.sqrt(0.03**2 + 0.01**2 / 3) / 0.01 < found["ratio_high"]


def test_candidates_have_similar_cost() -> None:
    found = list(spread.candidates(2))
    assert [own.space for own in found] == ["hand_made", *["cells"] * 2, *["staged"] * 2]
    for own in found[1:]:
        low, high = spread.MACS[own.space]
        assert low <= own.macs <= high
        assert spread.LEAST * spread.PARAMETERS <= own.params <= spread.PARAMETERS
    assert spread.MACS["staged"][0] <= found[0].macs <= spread.MACS["staged"][1]


def test_vote_is_a_reproducible_order_of_the_networks(
    tiny: Proxy, generator: torch.Generator
) -> None:
    budget = Budget(parameters=(50_000, 60_000), macs=(1e5, 1e8), image_shape=(3, 16, 16))
    models = [drawn(STAGES, budget, generator=generator) for _ in range(6)]
    order = zero_cost.vote(models, tiny, budget, seed=0)
    assert sorted(map(repr, order)) == sorted(map(repr, models))
    assert zero_cost.vote(models, tiny, budget, seed=0) == order
    images, features = zero_cost.sample(tiny, 0)
    table = [zero_cost.scores(own, images, features, budget) for own in models]
    assert np.isfinite(np.array(table)).all()
    assert len({own.trainability for own in table}) == len(models)


def test_zero_cost_scores_match_known_values() -> None:
    alike = torch.randn(8, 1, 4, 4, generator=torch.Generator().manual_seed(0)).expand(8, 6, 4, 4)
    assert zero_cost.entropy(alike) == pytest.approx(0.0, abs=1e-3)
    free = torch.randn(4000, 6, 1, 1, generator=torch.Generator().manual_seed(0))
    assert zero_cost.entropy(free) == pytest.approx(np.log(6), abs=1e-2)
    even = [torch.ones(2, 3), torch.ones(4, 5)]
    assert zero_cost.evenness(even) == 0
    assert zero_cost.evenness([even[0], 0.1 * even[1]]) == pytest.approx(-np.log(100), rel=1e-5)
    relations = zero_cost.relations(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
    torch.testing.assert_close(relations, torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))


def test_method_differences_are_computed_over_searches() -> None:
    rows = [
        (method, seed, training, base + 0.01 * seed + 0.1 * training)
        for method, base in (("kdl_darts", 0.5), ("random", 0.4), ("hand_made", 0.3))
        for seed in range(1 if method == "hand_made" else 4)
        for training in range(2)
    ]
    table = pd.DataFrame(rows, columns=["method", "search_seed", "training_seed", "accuracy"])
    found = methods.differences(table)
    assert found[["a", "b"]].to_numpy().tolist() == [["kdl_darts", "random"]]
    assert found["difference"][0] == pytest.approx(0.1)
    assert found["low"][0] < 0.1 < found["high"][0]


def test_result_rows_include_every_training_run(
    tiny: Proxy, tmp_path: Path, monkeypatch: Any
) -> None:
    model = STAGES.network(dict.fromkeys(STAGES.decisions, 0))
    monkeypatch.setattr(methods, "kept_choice", lambda *_: Chosen(model, 12.0, 8))
    told = Trained(0.5, [1.0])
    monkeypatch.setattr(Proxy, "trained", lambda *_, **__: told)
    job = methods.Job("random", 3, 2, tmp_path, REFERENCE / "cifar100/weights")
    rows = methods.rows_of(job, methods.work(tiny, job))
    found = cost(model, (3, 16, 16))
    assert rows == [("random", 3, seed, *found, 8, 12.0, 0.5) for seed in range(2)]


def test_correlations_of_signals_with_accuracy() -> None:
    numbers = np.random.default_rng(1)
    accuracy = numbers.random(40)
    table = pd.DataFrame({"accuracy": accuracy, "right": accuracy**3, "wrong": -accuracy})
    table["noise"] = numbers.random(40)
    found = signals.correlations(table, ["right", "wrong", "noise"])
    right, wrong, noise = found[["spearman", "low", "high"]].to_numpy()
    assert list(right) == pytest.approx([1, 1, 1])
    assert list(wrong) == pytest.approx([-1, -1, -1])
    assert noise[1] < 0 < noise[2]
    assert np.isnan(signals.spearman(np.ones((5, 2))))


def test_signals_before_training_exist_for_every_network(
    tiny: Proxy, tmp_path: Path, generator: torch.Generator
) -> None:
    models = [SPACE.uniform(generator=generator) for _ in range(4)]
    task, _ = searched_task(ways(tiny, "kdl_darts", tmp_path).whole(), 0)
    found = list(signals.before_training(tiny, models, task))
    assert len(found) == 4
    for own in found:
        assert set(own) == {*zero_cost.Scores._fields, "zero_cost_vote", *SUPERNET}
        assert all(np.isfinite(list(own.values())))
        assert own["probability"] < 0
    assert signals.after_epochs(Trained(0.5, [3.0, 2.0, 1.0])) == {
        "summed_loss_1": -3,
        "summed_loss_2": -5,
        "summed_loss_4": -6,
        "summed_loss_8": -6,
    }


def test_front_trains_the_network_found_by_the_search(tiny: Proxy, tmp_path: Path) -> None:
    job = front.Job(10.0, 0, 1, tmp_path, REFERENCE / "cifar100/weights")
    outcome = front.work(tiny, job)
    (row,) = front.rows_of(job, outcome)
    found = dict(zip(front.COLUMNS, row, strict=True))
    smallest = cost(SPACE.network(dict.fromkeys(SPACE.decisions, 0)), (3, 16, 16)).parameters
    assert found["lambda"] == 10
    assert smallest <= found["params"]
    assert found["expected_params"] > 0
    assert found["accuracy"] == outcome.trained[0].accuracy
