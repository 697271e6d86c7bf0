"""The space of staged networks: what is decided, what a network costs, networks drawn from it.

Costs are formulas, so that thousands of networks are compared without building any.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from models.encoders.staged_cnn import BlockKind, Pooling, Stage, StagedCnnConfig, groups_of
from models.nas.fitting import scaled_stages

FINE = 64  # scales tried between a network and one of twice its widths
MOST_SCALE = 8
MOST_DRAWS = 100_000


@dataclass(frozen=True, kw_only=True)
class StagedSpace:
    """Options of every decision; each stage decides for itself."""

    stages: int
    widths: tuple[int, ...]  # the ladder
    depths: tuple[int, ...]
    blocks: tuple[BlockKind, ...]
    kernels: tuple[int, ...]
    expansions: tuple[int, ...]
    poolings: tuple[Pooling, ...]
    stems: tuple[int, ...]
    projected_dim: int  # D

    @property
    def decisions(self) -> dict[str, tuple[Any, ...]]:
        """Name of every decision to its options: "width_0" is that of the first stage."""
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
        """The network of these options, by their places."""
        found = {name: options[picks[name]] for name, options in self.decisions.items()}
        stages = tuple(
            Stage(**{name: found[f"{name}_{stage}"] for name in STAGE_DECISIONS})
            for stage in range(self.stages)
        )
        return StagedCnnConfig(stem=found["stem"], stages=stages, projected_dim=self.projected_dim)

    def nearest(self, config: StagedCnnConfig) -> dict[str, int]:
        """The places of the options that are nearest to a network, whose widths may be others.

        Raises: ValueError if it has an option that the space does not have.
        """
        found = {"stem": config.stem}
        for number, stage in enumerate(config.stages):
            found |= {f"{name}_{number}": getattr(stage, name) for name in STAGE_DECISIONS}
        return {name: _nearest(options, found[name]) for name, options in self.decisions.items()}

    def uniform(self, *, generator: torch.Generator) -> StagedCnnConfig:
        """A network whose every decision is drawn uniformly."""
        return self.network(
            {
                name: int(torch.randint(len(options), (), generator=generator))
                for name, options in self.decisions.items()
            }
        )


def _nearest(options: tuple[Any, ...], value: Any) -> int:
    """The place of a value, or of the nearest of numbers."""
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
    """Of one image through an encoder."""

    parameters: int
    macs: int

    def plus(self, *others: "Cost") -> "Cost":
        """Of all together."""
        every = (self, *others)
        return Cost(sum(own.parameters for own in every), sum(own.macs for own in every))


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a network may cost at most, and at least."""

    parameters: tuple[int, int]
    macs: tuple[float, float]
    image_shape: tuple[int, int, int]  # at which MACs are counted


def cost(config: StagedCnnConfig, image_shape: tuple[int, int, int]) -> Cost:
    """Parameters of a `StagedCnn`, and MACs of an image (C, H, W): those of the built network."""
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
    """Sides behind 2x2 pooling."""
    return [-(-side // 2) for side in sides]


def layer_cost(
    in_width: int, width: int, kernel: int, sides: Sequence[int], *, groups: int = 1
) -> Cost:
    """A convolution without bias, and the two parameters per channel of its normalisation."""
    weights = in_width * width * kernel**2 // groups
    return Cost(weights + 2 * width, weights * sides[0] * sides[1])


def block_cost(stage: Stage, sides: Sequence[int]) -> Cost:
    """One block of a stage."""
    width, kernel = stage.width, stage.kernel
    if stage.block in ("plain", "residual"):
        return layer_cost(width, width, kernel, sides)
    if stage.block == "pair":
        once = layer_cost(width, width, kernel, sides)
        return once.plus(once)
    if stage.block == "grouped":
        grouped = layer_cost(width, width, kernel, sides, groups=groups_of(width))
        return grouped.plus(layer_cost(width, width, 1, sides))
    inner = inner_width(stage)
    inside = layer_cost(
        inner, inner, kernel, sides, groups=inner if stage.block == "inverted" else 1
    )
    return inside.plus(layer_cost(width, inner, 1, sides), layer_cost(inner, width, 1, sides))


def inner_width(stage: Stage) -> int:
    """Channels between the pointwise convolutions of a `bottleneck` or an `inverted` residual."""
    if stage.block == "inverted":
        return stage.width * stage.expansion
    return max(1, stage.width // stage.expansion)


def drawn(space: StagedSpace, budget: Budget, *, generator: torch.Generator) -> StagedCnnConfig:
    """A network that costs what the budget says: uniformly drawn, then all widths scaled.

    Networks that cannot meet the budget are drawn again.
    Raises: ValueError if none of many does.
    """
    for _ in range(MOST_DRAWS):
        found = fitted_to(space.uniform(generator=generator), budget)
        if found is not None:
            return found
    raise ValueError(f"no network of {MOST_DRAWS} drawn meets {budget}")


def fitted_to(config: StagedCnnConfig, budget: Budget) -> StagedCnnConfig | None:
    """The same stages at the largest widths within the budget; None if they cost too little."""
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
