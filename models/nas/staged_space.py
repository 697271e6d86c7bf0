"""Random staged networks of equal cost: a space in which the shape of a network is chosen.

Costs are formulas, so that thousands of networks are drawn without building any.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar, get_args

import torch

from models.encoders.staged_cnn import BlockKind, Pooling, Stage, StagedCnnConfig, groups_of
from models.nas.fitting import scaled_stages

DEPTHS = (0, 1, 2, 3, 4)
KERNELS = (3, 5)
EXPANSIONS = (2, 4)
KINDS: tuple[BlockKind, ...] = get_args(BlockKind)
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
STEMS = (16, 24, 32)
WIDTHS = (32, 48, 64, 96, 128, 192, 256)  # the ladder
STAGES = 3
FINE = 64  # scales tried between a network and one of twice its widths
MOST_DRAWS = 100_000


class Cost(NamedTuple):
    """Of one image through an encoder."""

    parameters: int
    macs: int

    def __add__(self, other: "Cost") -> "Cost":  # type: ignore[override]
        return Cost(self.parameters + other.parameters, self.macs + other.macs)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What networks may cost: parameters between `least` of `parameters` and these, and MACs."""

    parameters: int
    least: float  # as a share
    macs: tuple[float, float]
    image_shape: tuple[int, int, int]  # of the images, at which MACs are counted


def cost(config: StagedCnnConfig, image_shape: tuple[int, int, int]) -> Cost:
    """Parameters of a `StagedCnn`, and MACs of an image (C, H, W): those of the built network."""
    channels, *sides = image_shape
    total = _layer(channels, config.stem, 3, sides)
    in_width = config.stem
    for stage in config.stages:
        entry, sides = sides, [-(-side // 2) for side in sides] if _pools(stage) else sides
        total += _layer(in_width, stage.width, 3, sides if stage.pooling == "before" else entry)
        for _ in range(stage.depth):
            total += _block(stage, sides)
        in_width = stage.width
    weights = in_width * config.projected_dim
    return total + Cost(weights + config.projected_dim, weights)


def _pools(stage: Stage) -> bool:
    return stage.pooling != "none"


def _layer(
    in_width: int, width: int, kernel: int, sides: Sequence[int], *, groups: int = 1
) -> Cost:
    """A convolution without bias, and the two parameters per channel of its normalisation."""
    weights = in_width * width * kernel**2 // groups
    return Cost(weights + 2 * width, weights * sides[0] * sides[1])


def _block(stage: Stage, sides: Sequence[int]) -> Cost:
    width, kernel = stage.width, stage.kernel
    if stage.block in ("plain", "residual"):
        return _layer(width, width, kernel, sides)
    if stage.block == "pair":
        return _layer(width, width, kernel, sides) + _layer(width, width, kernel, sides)
    if stage.block == "grouped":
        grouped = _layer(width, width, kernel, sides, groups=groups_of(width))
        return grouped + _layer(width, width, 1, sides)
    inner, groups = max(1, width // stage.expansion), 1
    if stage.block == "inverted":
        inner = groups = width * stage.expansion
    inside = _layer(inner, inner, kernel, sides, groups=groups)
    return _layer(width, inner, 1, sides) + inside + _layer(inner, width, 1, sides)


Choice = TypeVar("Choice")


def drawn(budget: Budget, *, projected_dim: int, generator: torch.Generator) -> StagedCnnConfig:
    """A network that costs what the budget says: every decision uniform, then all widths scaled.

    Networks that cannot meet the budget are drawn again.
    Raises: ValueError if none of many does.
    """

    def pick(options: Sequence[Choice]) -> Choice:
        return options[int(torch.randint(len(options), (), generator=generator))]

    for _ in range(MOST_DRAWS):
        stages = tuple(
            Stage(
                width=pick(WIDTHS),
                depth=pick(DEPTHS),
                block=pick(KINDS),
                kernel=pick(KERNELS),
                expansion=pick(EXPANSIONS),
                pooling=pick(POOLINGS),
            )
            for _ in range(STAGES)
        )
        config = StagedCnnConfig(stem=pick(STEMS), stages=stages, projected_dim=projected_dim)
        found = fitted_to(config, budget)
        if found is not None:
            return found
    raise ValueError(f"no network of {MOST_DRAWS} drawn meets {budget}")


def fitted_to(config: StagedCnnConfig, budget: Budget) -> StagedCnnConfig | None:
    """The same stages at the largest widths whose parameters fit; None if the cost does not."""

    def at(steps: int) -> StagedCnnConfig:
        return scaled_stages(config, steps / FINE)

    def parameters(steps: int) -> int:
        return cost(at(steps), budget.image_shape).parameters

    steps = bisect_right(range(1, 8 * FINE), budget.parameters, key=parameters)
    if steps == 0:
        return None
    found = at(steps)
    total = cost(found, budget.image_shape)
    if total.parameters < budget.least * budget.parameters:
        return None
    return found if budget.macs[0] <= total.macs <= budget.macs[1] else None
