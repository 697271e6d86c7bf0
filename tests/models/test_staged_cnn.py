"""Staged networks: equivalence to the hand-made student, costs, and drawing within a budget."""

from dataclasses import replace
from functools import partial
from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from models import PooledCnn, PooledCnnConfig, Stage, StagedCnn, StagedCnnConfig
from models.blocks import parameter_count
from models.encoders.staged_cnn import BLOCKS, BlockKind, Pooling, groups_of
from models.nas.fitting import MULTIPLE, encoder_parameters, fitted, scaled
from models.nas.staged_space import STAGES, Budget, cost, drawn, fitted_to
from simulator.measures.sizes import macs
from simulator.training.loop import fresh

STAGE = Stage(width=16, depth=1, block="residual", kernel=3, expansion=2, pooling="after")
CONFIG = StagedCnnConfig(stem=8, stages=(STAGE, replace(STAGE, width=24)), projected_dim=5)
KINDS: tuple[BlockKind, ...] = get_args(BlockKind)
SPACE = replace(STAGES, projected_dim=32)
BUDGET = Budget(parameters=(95_000, 100_000), macs=(2e6, 4e6), image_shape=(3, 16, 16))


def built(config: StagedCnnConfig, *, image_channels: int = 3) -> StagedCnn:
    """A network in `eval` mode with weights from a fixed seed."""
    return fresh(lambda: config.build(image_channels=image_channels), seed=0).eval()


def test_hand_made_student_equals_a_staged_network(generator: torch.Generator) -> None:
    pooled = fresh(
        lambda: PooledCnnConfig(stem=8, widths=(16, 24), projected_dim=5).build(image_channels=3),
        seed=1,
    ).eval()
    staged = built(CONFIG)
    assert parameter_count(staged) == parameter_count(pooled)
    ours, theirs = tensors_in_order(staged), tensors_of_pooled(pooled)
    for own, other in zip(ours, theirs, strict=True):
        own.data.copy_(other)
    images = torch.rand(4, 3, 9, 16, generator=generator)
    assert torch.equal(staged(images), pooled(images))


@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize("block", BLOCKS)
def test_reduced_configs_are_equal_exactly_for_equal_networks(
    block: BlockKind, depth: int, generator: torch.Generator
) -> None:
    images = torch.rand(2, 3, 8, 8, generator=generator)
    stages = [
        replace(STAGE, depth=depth, block=block, kernel=kernel, expansion=expansion)
        for kernel, expansion in ((3, 2), (3, 4), (5, 2))
    ]
    configs = [replace(CONFIG, stages=(own, own)) for own in stages]
    outputs = [built(own)(images) for own in configs]
    for config, output in zip(configs, outputs, strict=True):
        assert torch.equal(built(config.reduced)(images), output)
        for other, out in zip(configs, outputs, strict=True):
            same = output.shape == out.shape and torch.equal(output, out)
            assert (config.reduced == other.reduced) == same


def tensors_in_order(staged: StagedCnn) -> list[Tensor]:
    """Parameters in the order of the layers."""
    return [*staged.parameters()]


def tensors_of_pooled(pooled: PooledCnn) -> list[Tensor]:
    """Likewise: convolution, normalisation, convolution, normalisation of every stage."""
    layers: list[nn.Module] = [pooled.stem]
    for stage in pooled.stages:
        layers += [getattr(stage, name) for name in ("widen", "norm1", "conv", "norm2")]
    return [own for layer in (*layers, pooled.projection) for own in layer.parameters()]


@pytest.mark.parametrize("pooling", ["after", "before", "none"])
@pytest.mark.parametrize("block", BLOCKS)
def test_cost_matches_the_built_network(block: BlockKind, pooling: Pooling) -> None:
    for kernel, expansion, depth in ((3, 2, 1), (5, 4, 3), (3, 4, 0)):
        stage = replace(
            STAGE, block=block, pooling=pooling, kernel=kernel, expansion=expansion, depth=depth
        )
        config = replace(CONFIG, stages=(STAGE, replace(stage, width=24), stage))
        for shape in ((3, 16, 16), (1, 9, 11)):
            network = built(config, image_channels=shape[0])
            found = cost(config, shape)
            assert found.parameters == parameter_count(network)
            assert found.macs == macs(partial(network, torch.zeros(1, *shape)))


@pytest.mark.parametrize("block", BLOCKS)
def test_image_does_not_depend_on_its_batch(block: BlockKind, generator: torch.Generator) -> None:
    network = built(replace(CONFIG, stages=(replace(STAGE, block=block, depth=2),)))
    images = torch.rand(3, 3, 8, 8, generator=generator)
    torch.testing.assert_close(network(images)[1:2], network(images[1:2]))


def test_blocks_with_zero_weights_reduce_to_their_shortcut(generator: torch.Generator) -> None:
    """`plain` gives zero, `residual` and `inverted` the identity, and the others its ReLU."""
    images = torch.randn(2, 16, 6, 6, generator=generator)
    for block in KINDS:
        module = BLOCKS[block](replace(STAGE, block=block)).eval()
        for own in module.parameters():
            nn.init.zeros_(own)
        expected = {"plain": 0 * images, "residual": images, "inverted": images}
        torch.testing.assert_close(module(images), expected.get(block, images.relu()))


def test_drawn_networks_are_within_budget_and_distinct(generator: torch.Generator) -> None:
    found = [drawn(SPACE, BUDGET, generator=generator) for _ in range(10)]
    for config in found:
        total = cost(config, BUDGET.image_shape)
        assert BUDGET.parameters[0] <= total.parameters <= BUDGET.parameters[1]
        assert BUDGET.macs[0] <= total.macs <= BUDGET.macs[1]
        assert all(stage.width % MULTIPLE == 0 for stage in config.stages)
    assert len(set(found)) == len(found)
    assert {stage.block for config in found for stage in config.stages} > {"plain", "pair"}


def test_unreachable_budget_raises_an_error(
    generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.nas.staged_space.MOST_DRAWS", 20)
    with pytest.raises(ValueError, match="no network of 20 drawn"):
        drawn(SPACE, replace(BUDGET, macs=(1, 2)), generator=generator)


def test_fitted_stages_are_the_widest_that_fit() -> None:
    most = 100_000
    found = fitted_to(CONFIG, replace(BUDGET, parameters=(0, most), macs=(0, 1e9)))
    assert found is not None
    assert cost(found, BUDGET.image_shape).parameters <= most
    wider = scaled(CONFIG, (found.stages[0].width + MULTIPLE) / CONFIG.stages[0].width)
    assert encoder_parameters(wider, image_channels=3) > most
    assert fitted(CONFIG, most, image_channels=3) == found
    few_macs = fitted_to(CONFIG, replace(BUDGET, parameters=(0, most), macs=(0, 1e6)))
    assert few_macs is not None
    assert cost(few_macs, BUDGET.image_shape).macs <= 1e6
    assert fitted_to(CONFIG, replace(BUDGET, parameters=(0, 100))) is None
    assert fitted_to(CONFIG, replace(BUDGET, parameters=(0, most), macs=(1e8, 1e9))) is None


def test_all_but_the_last_stage_are_frozen() -> None:
    network = built(CONFIG)
    network.freeze_all_but_last_stage()
    frozen = {name for name, own in network.named_parameters() if not own.requires_grad}
    assert frozen == {name for name in dict(network.named_parameters()) if "stem" in name} | {
        name for name in dict(network.named_parameters()) if name.startswith("stages.0.")
    }


@pytest.mark.parametrize(
    "change",
    [{"width": 0}, {"depth": -1}, {"kernel": 4}, {"expansion": 0}, {"block": "x"}, {"pooling": ""}],
)
def test_invalid_stages_raise_an_error_that_names_the_field(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"^.*{next(iter(change))}.* (must be|odd).*"):
        replace(STAGE, **change)


def test_number_of_groups_for_a_width() -> None:
    assert [groups_of(width) for width in (7, 16, 24, 48)] == [1, 1, 2, 3]
