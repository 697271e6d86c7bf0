"""Frozen description of an architecture search (KDL-DARTS, arXiv 2508.02148)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

from models import CellShape
from models.nas.operations import SearchSpace, space_named
from simulator.description.stages import LossWeights
from simulator.device import Precision


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """How an architecture is searched, and for what.

    Weights are trained on half A of the images, the architecture on half B with the same loss plus
    `penalty` times max(0, ln(expected cost / target)).
    """

    space: str
    shape: CellShape  # of the supernet
    deployed: CellShape  # of the network that is built, and that costs are counted at
    image_size: int  # side to which images are averaged down; targets are those of the whole image
    images: int  # in each half, at most
    epochs: int
    batch_size: int
    operations: Literal["sampled", "mixed"]  # one per edge and step (GDAS), or all (DARTS)
    temperature: tuple[float, float]  # of the samples, first to last epoch, along a geometric curve
    weights_rate: tuple[float, float]  # SGD, first to last step, along a half cosine
    weights_decay: float
    architecture_rate: float  # Adam
    architecture_decay: float
    clip: float  # largest norm of the gradient of the weights
    warmup: float  # share of the epochs before the architecture begins to learn
    loss: LossWeights
    penalty: float  # lambda
    target: float  # cost below which the penalty is zero
    cost: Literal["parameters", "macs", "cpu_ms"]
    auxiliary_skip: bool  # beside every edge, its weight falling from 1 to 0
    most_skips: int  # in each cell of the genotype; further ones give way to the next best
    stable_epochs: int  # after which an unchanged genotype ends the search
    precision: Precision  # as of `TrainConfig`

    described_also: ClassVar[Mapping[str, Any]] = {
        "order": "first",
        "penalty_form": "hinge",
        "stop_skips": None,
    }

    def __post_init__(self) -> None:
        space_named(self.space)
        if min(self.images, self.epochs, self.batch_size, self.image_size) < 1:
            raise ValueError("images, epochs, batch_size and image_size must be at least 1")
        if self.target <= 0 or self.penalty < 0 or not 0 <= self.warmup < 1:
            raise ValueError(
                "target > 0, penalty >= 0 and 0 <= warmup < 1 must hold, got "
                f"{self.target}, {self.penalty}, {self.warmup}"
            )

    @property
    def search_space(self) -> SearchSpace:
        """The space of this name."""
        return space_named(self.space)

    @property
    def first_epoch(self) -> int:
        """Number of the first epoch in which the architecture learns."""
        return round(self.warmup * self.epochs)

    def skip_weight(self, epoch: int) -> float:
        """Weight of the auxiliary skip: 1 in the first epoch, exactly 0 in the last."""
        if not self.auxiliary_skip or epoch >= self.epochs - 1:
            return 0.0
        return 1 - epoch / (self.epochs - 1)

    def temperature_of(self, epoch: int) -> float:
        """Temperature of the samples in this epoch."""
        first, last = self.temperature
        return float(first * (last / first) ** (epoch / max(1, self.epochs - 1)))


class SearchPreset(NamedTuple):
    """A search, and the short retraining that chooses among its seeds."""

    name: str
    search: SearchConfig
    retraining_epochs: int
