"""The search of stages: a known best network, the penalty, resuming and the final selection."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from channels.streams import Streams
from models.nas.staged_space import STAGES, Budget, cost
from models.nas.staged_supernet import StagedArchitecture
from simulator.errors import TimeUp
from simulator.search.halving import halved, proposed, trainings
from simulator.search.loop import SearchTask, search
from simulator.search.relaxed import RelaxedStages
from simulator.training.loop import Checkpoint, fresh
from tests.simulator.search.toy_stages import SIDE, SPACE, staged_config, staged_task

SEEDS = 10
AMPLE = Budget(parameters=(0, 10**6), macs=(0, 1e9), image_shape=(1, SIDE, SIDE))


def found(task: SearchTask, seed: int, folder: Path) -> list[dict[str, Any]]:
    """Run the whole search, and return its history."""
    checkpoint = Checkpoint(path=folder / f"{seed}.safetensors", key="toy")
    return search(task, streams=Streams(seed=seed), checkpoint=checkpoint)


def stages(task: SearchTask) -> RelaxedStages:
    """The relaxed space of a task."""
    assert isinstance(task.relaxed, RelaxedStages)
    return task.relaxed


def test_search_finds_the_known_best_network(tmp_path: Path) -> None:
    hits = 0
    for seed in range(SEEDS):
        task = staged_task(staged_config(), seed, AMPLE)
        history = found(task, seed, tmp_path)
        hits += stages(task).student().stages[0].kernel == 5
        assert history[0]["entropy"] > history[-1]["entropy"]
    assert hits >= 9


def test_strong_penalty_selects_the_cheapest_network(tmp_path: Path) -> None:
    """The cost decides before the network has learnt from the images."""
    cheap = cost(SPACE.network(dict.fromkeys(SPACE.decisions, 0)), AMPLE.image_shape)
    budget = Budget(
        parameters=(0, cheap.parameters), macs=(0, cheap.macs), image_shape=AMPLE.image_shape
    )
    config = staged_config(epochs=2, warmup=0.0, penalty=100.0, architecture_rate=0.2)
    task = staged_task(config, 0, budget)
    history = found(task, 0, tmp_path)
    assert stages(task).student().stages[0].kernel == 3
    assert history[-1]["expected_cost"] < history[0]["expected_cost"]
    assert history[-1]["genotype_cost"] == cheap.parameters
    assert history[-1]["genotype_macs"] == cheap.macs


def test_excess_is_a_hinge_of_the_log_of_both_costs() -> None:
    task = staged_task(staged_config(), 0, AMPLE)
    told = stages(task).observed(lambda _: 0.0, 0)

    def excess(parameters: float, macs: float) -> float:
        budget = replace(AMPLE, parameters=(0, round(parameters)), macs=(0, macs))
        return float(stages(staged_task(staged_config(), 0, budget)).excess().detach())

    half = told["expected_cost"] / 2, told["expected_macs"] / 3
    assert excess(half[0], half[1]) == pytest.approx(math.log(2) + math.log(3), rel=1e-3)
    assert excess(half[0], 1e12) == pytest.approx(math.log(2), rel=1e-3)
    assert excess(1e12, 1e12) == 0


def test_resumed_search_ends_bitwise_equal(tmp_path: Path) -> None:
    config = staged_config(epochs=3, warmup=0.3)
    whole = staged_task(config, 0, AMPLE)
    history = found(whole, 0, tmp_path)
    checkpoint = Checkpoint(path=tmp_path / "again", key="toy", deadline=-math.inf)
    for _ in range(2):
        with pytest.raises(TimeUp):
            search(staged_task(config, 0, AMPLE), streams=Streams(seed=0), checkpoint=checkpoint)
    again = staged_task(config, 0, AMPLE)
    assert search(again, streams=Streams(seed=0), checkpoint=checkpoint)[1:] == history[1:]
    for a, b in (
        (whole.relaxed.architecture.state_dict(), again.relaxed.architecture.state_dict()),
        (whole.model.state_dict(), again.model.state_dict()),
    ):
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_halving_continues_training_only_for_the_better_half() -> None:
    asked: list[tuple[int, int]] = []

    def train_to(number: int, epochs: int) -> float:
        asked.append((number, epochs))
        return float({0: 5, 1: 2, 2: 4, 3: 1, 4: 3}[number] * epochs)

    ranked = halved(5, (1, 2, 4, 8), train_to)
    assert ranked.winner == 3
    assert asked == [*((n, 1) for n in range(5)), (3, 2), (1, 2), (4, 2), (3, 4), (1, 4)]
    assert trainings(5, (1, 2, 4, 8)) == len(asked)
    assert [row[:2] for row in ranked.rows] == asked
    assert halved(1, (1, 2), train_to).winner == 0
    assert trainings(1, (1, 2)) == 0


def test_proposals_differ_and_are_scaled_to_the_budget(generator: torch.Generator) -> None:
    space = replace(STAGES, projected_dim=32)
    budget = Budget(parameters=(0, 100_000), macs=(0, 4e6), image_shape=(3, 16, 16))
    architecture = fresh(lambda: StagedArchitecture(space), seed=0)
    best = space.network(architecture.best().picks)

    def draw() -> Any:
        return architecture.drawn(generator=generator)

    models = proposed(6, budget, draw, first=best)
    assert len(set(models)) == len(models) == 6
    shape = [(own.block, own.kernel, own.pooling) for own in models[0].stages]
    assert shape == [(own.block, own.kernel, own.pooling) for own in best.reduced.stages]
    for model in models:
        total = cost(model, budget.image_shape)
        assert total.parameters <= 100_000
        assert total.macs <= 4e6
        wider = [own.width for own in model.stages]
        assert max(wider) > 8


def test_fewer_proposals_if_no_other_networks_are_drawn() -> None:
    only = SPACE.network(dict.fromkeys(SPACE.decisions, 0))
    assert len(proposed(4, AMPLE, lambda: only)) == 1
