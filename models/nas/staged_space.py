"""The space of staged networks: its decisions, the cost of a network, and random networks.

Costs are computed by formulas, so that thousands of networks are compared without building any.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from models.encoders.staged_cnn import BlockKind, Pooling, Stage, StagedCnnConfig, groups_of
from models.nas.fitting import scaled_stages

FINE = 64  # number of width scales tried between 1 and 2
MOST_SCALE = 8
MOST_DRAWS = 100_000


@dataclass(frozen=True, kw_only=True)
class StagedSpace:
    """Options of every decision; the decisions of the stages are independent."""

    stages: int
    widths: tuple[int, ...]  # of a stage, ascending
    depths: tuple[int, ...]
    blocks: tuple[BlockKind, ...]
    kernels: tuple[int, ...]
    expansions: tuple[int, ...]
    poolings: tuple[Pooling, ...]
    stems: tuple[int, ...]
    projected_dim: int  # D

    @property
    def decisions(self) -> dict[str, tuple[Any, ...]]:
        """Options of every decision, by name: "width_0" is the width of the first stage."""
        own = {
            "width": self.widths,
            "depth": self.depths,
            "block": self.blocks,
            "kernel": self.kernels,
            "expansion": self.expansions,
            "pooling": self.poolings,
        }
        stages = range(self.stages)
        named = {f"{name}_{stage}": options for stage in stages for name, options in own.items()}
        return {**named, "stem": self.stems}

    def network(self, picks: Mapping[str, int]) -> StagedCnnConfig:
        """The network whose decisions have the options with these indices."""
        found = {name: options[picks[name]] for name, options in self.decisions.items()}
        stages = tuple(
            Stage(**{name: found[f"{name}_{stage}"] for name in STAGE_DECISIONS})
            for stage in range(self.stages)
        )
        return StagedCnnConfig(stem=found["stem"], stages=stages, projected_dim=self.projected_dim)

    def nearest(self, config: StagedCnnConfig) -> dict[str, int]:
        """Indices of the options nearest to a network, whose numbers need not be options.

        Raises: ValueError if a kind of block or a pooling is not an option.
        """
        found = {"stem": config.stem}
        for number, stage in enumerate(config.stages):
            found |= {f"{name}_{number}": getattr(stage, name) for name in STAGE_DECISIONS}
        return {name: _nearest(options, found[name]) for name, options in self.decisions.items()}

    def uniform(self, *, generator: torch.Generator) -> StagedCnnConfig:
        """A network whose decisions are drawn uniformly."""
        return self.network(
            {
                name: int(torch.randint(len(options), (), generator=generator))
                for name, options in self.decisions.items()
            }
        )


def _nearest(options: tuple[Any, ...], value: Any) -> int:
    """Index of a value; for numbers, of the nearest option."""
    if value in options or isinstance(value, str):
        return options.index(value)
    return min(range(len(options)), key=lambda place: abs(options[place] - value))


STAGES = StagedSpace(
    stages=3,
    widths=(32, 48, 64, 96, 128, 192, 256),
    depths=(0, 1, 2, 3, 4),
    blocks=("plain", "residual", "pair", "bottleneck", "inverted", "grouped"),
    kernels=(3, 5),
    expansions=(2, 4),
    poolings=("after", "before", "none"),
    stems=(16, 24, 32),
    projected_dim=256,
)
STAGE_DECISIONS = ("width", "depth", "block", "kernel", "expansion", "pooling")


class Cost(NamedTuple):
    """Cost of an encoder: its parameters, and MACs for one image."""

    parameters: int
    macs: int

    def plus(self, *others: "Cost") -> "Cost":
        """Sum of these costs."""
        every = (self, *others)
        return Cost(sum(own.parameters for own in every), sum(own.macs for own in every))


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Minimum and maximum of the cost of a network."""

    parameters: tuple[int, int]
    macs: tuple[float, float]
    image_shape: tuple[int, int, int]  # (C, H, W) for which MACs are counted


def cost(config: StagedCnnConfig, image_shape: tuple[int, int, int]) -> Cost:
    """Parameters of a `StagedCnn` and MACs for an image (C, H, W); equal to the built network's."""
    channels, *sides = image_shape
    total = layer_cost(channels, config.stem, 3, sides)
    in_width = config.stem
    for stage in config.stages:
        before, sides = sides, halved(sides) if stage.pooling != "none" else sides
        at = before if stage.pooling == "after" else sides
        blocks = [block_cost(stage, sides)] * stage.depth
        total = total.plus(layer_cost(in_width, stage.width, 3, at), *blocks)
        in_width = stage.width
    weights = in_width * config.projected_dim
    return total.plus(Cost(weights + config.projected_dim, weights))


def halved(sides: Sequence[int]) -> list[int]:
    """Height and width after 2x2 pooling."""
    return [-(-side // 2) for side in sides]


def layer_cost(
    in_width: int, width: int, kernel: int, sides: Sequence[int], *, groups: int = 1
) -> Cost:
    """Cost of a convolution without bias and of its normalisation (2 parameters per channel)."""
    weights = in_width * width * kernel**2 // groups
    return Cost(weights + 2 * width, weights * sides[0] * sides[1])


def block_cost(stage: Stage, sides: Sequence[int]) -> Cost:
    """Cost of one block of a stage."""
    width, kernel = stage.width, stage.kernel
    if stage.block in ("plain", "residual"):
        return layer_cost(width, width, kernel, sides)
    if stage.block == "pair":
        once = layer_cost(width, width, kernel, sides)
        return once.plus(once)
    if stage.block == "grouped":
        grouped = layer_cost(width, width, kernel, sides, groups=groups_of(width))
        return grouped.plus(layer_cost(width, width, 1, sides))
    inner = stage.inner_width
    inside = layer_cost(
        inner, inner, kernel, sides, groups=inner if stage.block == "inverted" else 1
    )
    return inside.plus(layer_cost(width, inner, 1, sides), layer_cost(inner, width, 1, sides))


def drawn(space: StagedSpace, budget: Budget, *, generator: torch.Generator) -> StagedCnnConfig:
    """A random network within the budget: decisions are drawn uniformly, then widths are scaled.

    Networks that cannot meet the budget are drawn again.

    Raises: ValueError if none of MOST_DRAWS networks meets it.
    """
    for _ in range(MOST_DRAWS):
        found = fitted_to(space.uniform(generator=generator), budget)
        if found is not None:
            return found
    raise ValueError(f"no network of {MOST_DRAWS} drawn meets {budget}")


def fitted_to(config: StagedCnnConfig, budget: Budget) -> StagedCnnConfig | None:
    """The same stages at the largest widths within the budget; None if there are none."""
    most = (budget.parameters[1], budget.macs[1])

    def too_large(steps: int) -> bool:
        found = cost(scaled_stages(config, steps / FINE), budget.image_shape)
        return found.parameters > most[0] or found.macs > most[1]

    steps = bisect_right(range(1, MOST_SCALE * FINE), False, key=too_large)
    if steps == 0:
        return None
    found = scaled_stages(config, steps / FINE)
    total = cost(found, budget.image_shape)
    enough = total.parameters >= budget.parameters[0] and total.macs >= budget.macs[0]
    return found if enough else None
