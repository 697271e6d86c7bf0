"""Frozen descriptions of architecture searches (KDL-DARTS, arXiv 2508.02148)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeVar

from models import CellShape
from models.nas.operations import SearchSpace, space_named
from models.nas.staged_space import StagedSpace
from simulator.description.stages import LossWeights
from simulator.device import Precision


@dataclass(frozen=True, kw_only=True)
class BilevelConfig:
    """How an architecture is searched, in whatever space.

    Weights are trained on half A of the images, the architecture on half B with the same loss plus
    `penalty` times the sum of max(0, ln(expected cost / target)).
    """

    image_size: int  # side to which images are averaged down; targets are those of the whole image
    images: int  # in each half, at most
    epochs: int
    batch_size: int
    temperature: tuple[float, float]  # of the samples, first to last epoch, along a geometric curve
    weights_rate: tuple[float, float]  # SGD, first to last step, along a half cosine
    weights_decay: float
    architecture_rate: float  # Adam
    architecture_decay: float
    clip: float  # largest norm of the gradient of the weights
    warmup: float  # share of the epochs before the architecture begins to learn
    loss: LossWeights
    penalty: float  # lambda
    target: float  # parameters, or another cost, below which the penalty is zero
    stable_epochs: int  # after which an unchanged genotype ends the search
    precision: Precision  # as of `TrainConfig`

    def __post_init__(self) -> None:
        if min(self.images, self.epochs, self.batch_size, self.image_size) < 1:
            raise ValueError("images, epochs, batch_size and image_size must be at least 1")
        if self.target <= 0 or self.penalty < 0 or not 0 <= self.warmup < 1:
            raise ValueError(
                "target > 0, penalty >= 0 and 0 <= warmup < 1 must hold, got "
                f"{self.target}, {self.penalty}, {self.warmup}"
            )

    @property
    def first_epoch(self) -> int:
        """Number of the first epoch in which the architecture learns."""
        return round(self.warmup * self.epochs)

    def temperature_of(self, epoch: int) -> float:
        """Temperature of the samples in this epoch."""
        first, last = self.temperature
        return float(first * (last / first) ** (epoch / max(1, self.epochs - 1)))


@dataclass(frozen=True, kw_only=True)
class SearchConfig(BilevelConfig):
    """A search of the cells of a network."""

    space: str
    shape: CellShape  # of the supernet
    deployed: CellShape  # of the network that is built, and that costs are counted at
    operations: Literal["sampled", "mixed"]  # one per edge and step (GDAS), or all (DARTS)
    cost: Literal["parameters", "macs", "cpu_ms"]
    auxiliary_skip: bool  # beside every edge, its weight falling from 1 to 0
    most_skips: int  # in each cell of the genotype; further ones give way to the next best

    described_also: ClassVar[Mapping[str, Any]] = {
        "order": "first",
        "penalty_form": "hinge",
        "stop_skips": None,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        space_named(self.space)

    @property
    def search_space(self) -> SearchSpace:
        """The space of this name."""
        return space_named(self.space)

    def skip_weight(self, epoch: int) -> float:
        """Weight of the auxiliary skip: 1 in the first epoch, exactly 0 in the last."""
        if not self.auxiliary_skip or epoch >= self.epochs - 1:
            return 0.0
        return 1 - epoch / (self.epochs - 1)


@dataclass(frozen=True, kw_only=True)
class StagedSearchConfig(BilevelConfig):
    """A search of the stages of a network.

    The penalty counts parameters and MACs, whose target is what the hand-made student of as many
    parameters has. Proposals are scaled to both.
    """

    space: StagedSpace
    shrink: int  # widths of the supernet are so many times smaller
    proposals: int  # networks that a search proposes: the most probable one, and drawn ones
    rungs: tuple[int, ...]  # epochs after which the better half of the proposals is kept

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.shrink, self.proposals) < 1 or list(self.rungs) != sorted(set(self.rungs)):
            raise ValueError(
                "shrink and proposals must be at least 1, and rungs ascend, got "
                f"{self.shrink}, {self.proposals}, {self.rungs}"
            )


Config = TypeVar("Config", bound=BilevelConfig, covariant=True)


class SearchPreset(NamedTuple, Generic[Config]):
    """A search, and the training that chooses among its seeds or its proposals."""

    name: str
    search: Config
    retraining_epochs: int
