"""Frozen descriptions of architecture searches (KDL-DARTS, arXiv 2508.02148)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeVar

from models import CellShape
from models.nas.operations import SearchSpace, space_named
from models.nas.staged_space import StagedSpace
from simulator.description.stages import LossWeights
from simulator.device import Precision
from simulator.errors import UserError
from simulator.parse import in_range, parse_count

MOST_PENALTY = 1000.0
GUIDED = {"kd", "ce"}  # with distillation, or with labels only


@dataclass(frozen=True, kw_only=True)
class BilevelConfig:
    """Settings of a bilevel architecture search that do not depend on the search space.

    Weights are trained on half A of the images. The architecture is trained on half B, with the
    same loss plus `penalty` times the sum over costs of max(0, ln(expected cost / target)).
    """

    image_size: int  # side to which images are averaged down; the teachers see full-size images
    images: int  # in each half, at most (fewer if the training set is small)
    epochs: int
    batch_size: int
    temperature: tuple[float, float]  # of Gumbel sampling, first to last epoch, geometric
    weights_rate: tuple[float, float]  # of SGD, first to last step, half cosine
    weights_decay: float
    architecture_rate: float  # of Adam
    architecture_decay: float
    clip: float  # maximum gradient norm of the weights
    warmup: float  # share of the epochs in which only the weights are trained
    loss: LossWeights
    penalty: float  # weight of the cost penalty, lambda
    target: float  # cost in the unit of the search, such as parameters; no penalty below it
    stable_epochs: int  # epochs with an unchanged genotype after which the search ends
    precision: Precision  # as in `TrainConfig`

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
        """Index of the first epoch in which the architecture is trained."""
        return round(self.warmup * self.epochs)

    def temperature_of(self, epoch: int) -> float:
        """Temperature of Gumbel sampling in this epoch."""
        first, last = self.temperature
        return float(first * (last / first) ** (epoch / max(1, self.epochs - 1)))


@dataclass(frozen=True, kw_only=True)
class SearchConfig(BilevelConfig):
    """Settings of a search for the normal and the reduction cell of a network."""

    space: str
    shape: CellShape  # of the supernet
    deployed: CellShape  # of the network that is built; costs are those at this size
    operations: Literal["sampled", "mixed"]  # one per edge and step (GDAS), or all of them (DARTS)
    auxiliary_skip: bool  # add a skip to every edge, with a weight that falls from 1 to 0
    most_skips: int  # per cell of the genotype; further ones become the next best operation

    described_also: ClassVar[Mapping[str, Any]] = {
        "order": "first",
        "penalty_form": "hinge",
        "stop_skips": None,
        "cost": "parameters",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        space_named(self.space)

    @property
    def search_space(self) -> SearchSpace:
        """The search space named by `space`."""
        return space_named(self.space)

    def skip_weight(self, epoch: int) -> float:
        """Weight of the auxiliary skip: 1 in the first epoch, exactly 0 in the last."""
        if not self.auxiliary_skip or epoch >= self.epochs - 1:
            return 0.0
        return 1 - epoch / (self.epochs - 1)


@dataclass(frozen=True, kw_only=True)
class StagedSearchConfig(BilevelConfig):
    """Settings of a search for the stages of a network.

    The penalty applies to parameters and to MACs. The target of the MACs is the number of MACs of
    the hand-made student with `target` parameters. Proposals are scaled to meet both targets.
    """

    space: StagedSpace
    shrink: int  # factor by which the widths of the supernet are smaller
    proposals: int  # networks proposed by a search: the most probable one, then random draws
    rungs: tuple[int, ...]  # epochs after which the worse half of the proposals is dropped

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.shrink, self.proposals) < 1 or list(self.rungs) != sorted(set(self.rungs)):
            raise ValueError(
                "shrink and proposals must be at least 1, and rungs must ascend, got "
                f"{self.shrink}, {self.proposals}, {self.rungs}"
            )


Config = TypeVar("Config", bound=BilevelConfig, covariant=True)


class SearchPreset(NamedTuple, Generic[Config]):
    """A search, and the length of the training runs that rank its seeds or its proposals."""

    name: str
    search: Config
    retraining_epochs: int


def adjusted(
    preset: SearchPreset[BilevelConfig],
    *,
    penalty: float,
    target: str | None = None,
    teaching: str = "kd",
    image_size: int | None = None,
    epochs: int | None = None,
) -> SearchPreset[BilevelConfig]:
    """The preset with these options of the command line. Raises: UserError naming the option."""
    if not 0 <= penalty <= MOST_PENALTY:
        raise UserError(f"--lambda must be from 0 to {MOST_PENALTY:g}, got {penalty:g}")
    config = replace(preset.search, penalty=penalty)
    if target is not None:
        config = replace(config, target=float(parse_count(target, option="--target-params")))
    if teaching not in GUIDED:
        raise UserError(f"--teaching must be kd or ce, got {teaching!r}")
    if teaching == "ce":
        config = replace(config, loss=LossWeights(mse=0.0, ce=1.0, kl=0.0, temperature=1.0))
    if image_size is not None:
        config = replace(config, image_size=in_range("--images-size", image_size, 4, 1024))
    if epochs is not None:
        config = replace(config, epochs=in_range("--epochs", epochs, 1, 10_000))
    return preset._replace(search=config)
