"""The bilevel search: a known best architecture, costs, stopping rules and resuming."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.recipes.cifar100 import cifar100
from benchmarks.recipes.search import cells, preset
from channels.streams import Streams
from models import CellShape, Genotype, GenotypeCnnConfig
from models.blocks import parameter_count
from models.nas.cell_supernet import Architecture, Choices, CostTable, Plans
from models.nas.genotype import random_plan
from models.nas.operations import SPACES
from simulator.errors import TimeUp, UserError
from simulator.search.cost import cost_table
from simulator.search.loop import SearchTask, finished, search
from simulator.search.relaxed import RelaxedCells
from simulator.training.loop import Checkpoint
from tests.simulator.search.toy_search import TOY, TWINS, toy_config, toy_task

SEEDS = 10


def found(task: SearchTask, seed: int, folder: Path) -> list[dict[str, Any]]:
    """Run the whole search, and return its history."""
    checkpoint = Checkpoint(path=folder / f"{seed}.safetensors", key="toy")
    return search(task, streams=Streams(seed=seed), checkpoint=checkpoint)


def operations(task: SearchTask) -> list[str]:
    """Operations of the two edges of the only node."""
    return [edge.operation for edge in plans(task).normal[0]]


def plans(task: SearchTask) -> Plans:
    """The plans of both cells."""
    assert isinstance(task.relaxed, RelaxedCells)
    return task.relaxed.plans()


@pytest.mark.parametrize("mode", ["sampled", "mixed"])
def test_search_finds_the_known_best_architecture(tmp_path: Path, mode: str) -> None:
    hits = 0
    for seed in range(SEEDS):
        task = toy_task(TOY, toy_config(operations=mode), seed)
        history = found(task, seed, tmp_path)
        hits += operations(task) == ["conv3", "conv3"]
        assert history[0]["auxiliary_skip"] == 1
        assert history[-1]["auxiliary_skip"] == 0
    assert hits >= 9


def test_penalty_selects_the_cheaper_of_two_equal_operations(tmp_path: Path) -> None:
    """`heavy` computes the same as conv3; the penalty starts above the cost of two conv3."""
    hits = 0
    for seed in range(SEEDS):
        task = toy_task(TWINS, toy_config(penalty=2.0, target=200.0), seed)
        found(task, seed, tmp_path)
        hits += "heavy" not in operations(task)
    assert hits >= 9


def test_resumed_search_ends_bitwise_equal(tmp_path: Path) -> None:
    config = toy_config(epochs=5)
    whole = toy_task(TOY, config, 0)
    history = found(whole, 0, tmp_path)
    checkpoint = Checkpoint(path=tmp_path / "again", key="toy", deadline=-math.inf)
    for _ in range(4):
        with pytest.raises(TimeUp):
            search(toy_task(TOY, config, 0), streams=Streams(seed=0), checkpoint=checkpoint)
    again = toy_task(TOY, config, 0)
    assert search(again, streams=Streams(seed=0), checkpoint=checkpoint)[2:] == history[2:]
    for a, b in (
        (whole.relaxed.architecture.state_dict(), again.relaxed.architecture.state_dict()),
        (whole.model.state_dict(), again.model.state_dict()),
    ):
        assert all(torch.equal(a[name], b[name]) for name in a)
    assert plans(whole) == plans(again)


def test_checkpoint_of_another_search_raises_an_error(tmp_path: Path) -> None:
    task = toy_task(TOY, toy_config(epochs=1), 0)
    found(task, 0, tmp_path)
    other = Checkpoint(path=tmp_path / "0.safetensors", key="other")
    with pytest.raises(UserError, match="another description"):
        search(task, streams=Streams(seed=0), checkpoint=other)


def entry(genotype: str) -> dict[str, Any]:
    """The part of a history entry that the stopping rules read."""
    return {"genotype": genotype}


def test_search_stops_after_all_epochs_or_with_a_stable_genotype() -> None:
    config = toy_config(epochs=20, warmup=0.25, stable_epochs=4)
    changing = [entry(str(number)) for number in range(20)]
    assert not finished(changing[:19], config)
    assert finished(changing, config)
    settled = [entry("same") for _ in range(20)]
    assert not finished(settled[:8], config)  # the first five epochs are a warm-up
    assert finished(settled[:9], config)


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_cost_of_plans_equals_the_parameter_count_of_the_network(
    space: Any, generator: torch.Generator
) -> None:
    shape = CellShape(stem=5, widths=(4, 7, 9), normal_cells=(0, 2, 1), projected_dim=6)
    config = toy_config(space=space.name, deployed=shape)
    table = cost_table(config, image_channels=3)
    for _ in range(5):
        plans = Plans(*(random_plan(space, generator=generator, most_skips=2) for _ in range(2)))
        genotype = Genotype(space=space.name, normal=plans.normal, reduce=plans.reduce)
        network = GenotypeCnnConfig(genotype=genotype, shape=shape).build(image_channels=3)
        assert table.of(plans, space) == parameter_count(network)


def test_expected_cost_weights_every_edge_by_its_probability() -> None:
    """Node 0 keeps both of its edges, node 1 two of three."""
    space = TOY._replace(nodes=2)
    table = CostTable(7.0, torch.tensor([0.0, 1.0, 10.0]).double(), torch.zeros(3).double())
    weights = torch.tensor([[0.5, 0.0, 0.5]] * 2 + [[0.0, 1.0, 0.0]] * 3)
    expected = table.expected(Choices(weights, weights), space)
    assert float(expected) == pytest.approx(7 + 2 * 5 + 2 / 3 * 3)


def test_penalty_is_a_hinge_of_the_log_cost() -> None:
    table = CostTable(300.0, torch.zeros(3).double(), torch.zeros(3).double())

    def told(target: float) -> float:
        task = toy_task(TOY, toy_config(target=target), 0)
        assert isinstance(task.relaxed, RelaxedCells)
        return float(replace(task.relaxed, costs=table).excess().detach())

    assert told(100.0) == pytest.approx(math.log(3))
    assert told(400.0) == 0


def test_expected_cost_of_presets_is_near_the_hand_made_student() -> None:
    recipe = cifar100()
    hand_made = parameter_count(recipe.student.model.build(image_channels=3))
    for name in ("cpu", "gpu"):
        config = cells(recipe, name).search
        table = cost_table(config, image_channels=3)
        uniform = Architecture(config.search_space).probabilities()
        expected = float(table.expected(uniform, config.search_space).detach())
        assert 0.3 * hand_made < expected < 1.5 * hand_made, (name, expected, hand_made)
    with pytest.raises(UserError, match="--preset"):
        preset(recipe, "tpu")
