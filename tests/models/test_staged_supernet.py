"""The supernet of staged networks matches the built networks in output and cost."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models import StagedCnn
from models.nas.staged_costs import ExpectedCost
from models.nas.staged_space import STAGES, StagedSpace, cost
from models.nas.staged_supernet import Choice, SharedConv, StagedArchitecture, StagedSupernet
from simulator.training.loop import fresh

SPACE = replace(
    STAGES,
    stages=2,
    widths=(16, 32, 48),
    depths=(0, 1, 2),
    stems=(4, 8),
    projected_dim=5,
    blocks=("plain",),
)
ALL = replace(STAGES, stages=2, widths=(16, 32), depths=(0, 1, 2), stems=(4, 8), projected_dim=5)


def one_hot(space: StagedSpace, picks: Mapping[str, int]) -> dict[str, Tensor]:
    """One-hot weights of the options with these indices."""
    return {
        name: functional.one_hot(torch.tensor(picks[name]), len(options)).float()
        for name, options in space.decisions.items()
    }


def picked(space: StagedSpace, generator: torch.Generator) -> dict[str, int]:
    """A random option of every decision."""
    return {
        name: int(torch.randint(len(options), (), generator=generator))
        for name, options in space.decisions.items()
    }


def noise(space: StagedSpace, generator: torch.Generator) -> dict[str, Tensor]:
    """Noise for every option."""
    return {
        name: torch.randn(len(options), generator=generator)
        for name, options in space.decisions.items()
    }


def convolutions(network: nn.Module) -> list[nn.Conv2d]:
    """Convolutions in the order in which they are computed."""
    return [own for own in network.modules() if isinstance(own, nn.Conv2d)]


def shared(supernet: StagedSupernet, choice: Choice) -> list[SharedConv]:
    """Convolutions of a choice, in the order in which they are computed."""
    found: list[nn.Module] = [supernet.stem]
    for stage, entry in enumerate(supernet.entries):
        found.append(entry)
        kind = supernet.space.blocks[choice.picks[f"block_{stage}"]]
        for place in range(supernet.space.depths[choice.picks[f"depth_{stage}"]]):
            layers = supernet.get_submodule(f"blocks.{stage}.{place}.kinds.{kind}")
            found += layers.children()
    return [own for own in found if isinstance(own, SharedConv)]


def test_supernet_output_matches_the_built_network(generator: torch.Generator) -> None:
    supernet = fresh(lambda: StagedSupernet(ALL, shrink=1, image_channels=3, num_classes=4), seed=0)
    images = torch.rand(6, 3, 9, 8, generator=generator)
    kinds = set()
    for _ in range(30):
        picks = picked(ALL, generator)
        choice = Choice.of(one_hot(ALL, picks))
        built: StagedCnn = ALL.network(picks).build(image_channels=3)
        for own, other in zip(convolutions(built), shared(supernet, choice), strict=True):
            out, inside, kernel, _ = own.weight.shape
            edge = (other.weight.shape[2] - kernel) // 2
            part = slice(edge, other.weight.shape[2] - edge)
            own.weight.data.copy_(other.weight[:out, :inside, part, part])
        built.projection.weight.data.copy_(
            supernet.projection.weight[:, : built.projection.in_features]
        )
        built.projection.bias.data.copy_(supernet.projection.bias)
        found = supernet(images, choice).features
        torch.testing.assert_close(found, built.train()(images), rtol=1e-4, atol=1e-4)
        kinds |= {stage.block for stage in built.config.stages if stage.depth}
    assert kinds == set(ALL.blocks)


def test_masks_and_slices_give_the_same_output(generator: torch.Generator) -> None:
    supernet = fresh(lambda: StagedSupernet(ALL, shrink=2, image_channels=1, num_classes=4), seed=0)
    architecture = fresh(lambda: StagedArchitecture(ALL), seed=0)
    images = torch.rand(6, 1, 9, 8, generator=generator)
    for _ in range(20):
        learning = architecture.sampled(noise(ALL, generator), 2.0)
        assert learning.learns
        fixed = learning.detached()
        assert not fixed.learns
        for own, other in zip(supernet(images, learning), supernet(images, fixed), strict=True):
            torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-4)


def test_gradients_reach_every_decision(generator: torch.Generator) -> None:
    supernet = fresh(lambda: StagedSupernet(ALL, shrink=2, image_channels=1, num_classes=4), seed=0)
    architecture = fresh(lambda: StagedArchitecture(ALL), seed=0)
    images = torch.rand(6, 1, 8, 8, generator=generator)
    reached = dict.fromkeys(ALL.decisions, 0.0)
    for _ in range(20):
        scores = supernet(images, architecture.sampled(noise(ALL, generator), 2.0)).scores
        scores.square().mean().backward()
    for name, own in architecture.values.items():
        reached[name] += float(own.grad.abs().sum()) if own.grad is not None else 0.0
    assert min(reached.values()) > 0, reached


def test_best_network_has_the_most_probable_options() -> None:
    architecture = fresh(lambda: StagedArchitecture(ALL), seed=0)
    with torch.no_grad():
        for own in architecture.values.values():
            own[-1] = 5.0
    best = architecture.best()
    assert all(best.picks[name] == len(own) - 1 for name, own in ALL.decisions.items())
    assert not best.learns
    assert ALL.network(best.picks).stages[0].depth == 2


def test_networks_are_drawn_according_to_their_probabilities(generator: torch.Generator) -> None:
    architecture = fresh(lambda: StagedArchitecture(ALL), seed=0)
    with torch.no_grad():
        architecture.values["depth_0"].copy_(torch.tensor([0.5, 0.3, 0.2]).log())
    drawn = [architecture.drawn(generator=generator).stages[0].depth for _ in range(4000)]
    for depth, chance in enumerate((0.5, 0.3, 0.2)):
        share = drawn.count(depth) / len(drawn)
        assert abs(share - chance) < 4 * math.sqrt(chance * (1 - chance) / len(drawn))


@pytest.mark.parametrize("image_shape", [(3, 16, 16), (1, 9, 5)])
def test_expected_cost_of_one_hot_weights_matches_the_built_network(
    image_shape: tuple[int, int, int], generator: torch.Generator
) -> None:
    space = STAGES
    expected = ExpectedCost(space, image_shape)
    for _ in range(50):
        picks = picked(space, generator)
        found = expected(one_hot(space, picks))
        assert tuple(found.tolist()) == pytest.approx(cost(space.network(picks), image_shape))


def test_expected_cost_is_the_mean_over_all_networks(generator: torch.Generator) -> None:
    chances = {
        name: torch.rand(len(options), generator=generator).softmax(dim=0)
        for name, options in SPACE.decisions.items()
    }
    names = [name for name in SPACE.decisions if not name.startswith(("expansion", "block"))]
    mean = torch.zeros(2, dtype=torch.float64)
    for places in itertools.product(*(range(len(SPACE.decisions[name])) for name in names)):
        picks = dict.fromkeys(SPACE.decisions, 0) | dict(zip(names, places, strict=True))
        chance = math.prod(float(chances[name][picks[name]]) for name in names)
        mean += chance * torch.tensor(cost(SPACE.network(picks), (3, 9, 8)), dtype=torch.float64)
    torch.testing.assert_close(ExpectedCost(SPACE, (3, 9, 8))(chances), mean, rtol=1e-6, atol=0)


def test_nearest_options_recover_a_network_of_the_space(generator: torch.Generator) -> None:
    for _ in range(20):
        picks = picked(STAGES, generator)
        network = STAGES.network(picks)
        assert STAGES.nearest(network) == picks
        wider = replace(
            network, stages=tuple(replace(s, width=s.width + 4) for s in network.stages)
        )
        assert STAGES.nearest(wider) == picks
    with pytest.raises(ValueError, match="not in tuple"):
        replace(STAGES, blocks=("plain",)).nearest(
            STAGES.network(picks | {"block_0": 1, "block_1": 1, "block_2": 1})
        )
