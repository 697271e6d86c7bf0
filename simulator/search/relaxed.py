"""A relaxed space, as the search loop sees it: one class for cells, one for stages."""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self

import torch
from torch import Tensor, nn

from models import Classified, Genotype, GenotypeCnnConfig, StagedCnnConfig, StudentConfig
from models.nas.genotype import skips
from models.nas.operations import SearchSpace
from models.nas.search_space import Architecture, CostTable, Mixtures, Plans, gumbel
from models.nas.staged_costs import ExpectedCost
from models.nas.staged_space import Budget, StagedSpace, cost
from models.nas.staged_supernet import Choice, StagedArchitecture
from simulator.search.config import BilevelConfig, SearchConfig, StagedSearchConfig
from simulator.storage.describe import describe


class Drawn(Protocol):
    """What a step runs of the supernet."""

    def detached(self) -> Self:
        """The same, without gradients of the architecture."""


@dataclass(frozen=True, kw_only=True)
class Relaxed(ABC):
    """The supernet of a space, the architecture that is learnt, and what networks cost."""

    model: nn.Module
    config: BilevelConfig

    @property
    @abstractmethod
    def values(self) -> nn.Module:
        """The architecture: what the upper level learns."""

    @abstractmethod
    def draw(self, generator: torch.Generator, epoch: int) -> Drawn:
        """What the next step runs."""

    @abstractmethod
    def run(self, images: Tensor, drawn: Any) -> Classified:
        """Features and scores under what is drawn."""

    @abstractmethod
    def student(self) -> StudentConfig:
        """The network as it would be built now."""

    @abstractmethod
    def excess(self) -> Tensor:
        """Sum of max(0, ln(expected cost / target)), with gradients."""

    @abstractmethod
    def observed(self, validate: Callable[[Any], float], epoch: int, /) -> dict[str, Any]:
        """What an epoch's entry says of the space; `validate` gives the loss of what is drawn."""


class CellsDrawn(NamedTuple):
    """Weights of operations, and of the auxiliary skip beside every edge."""

    mixtures: Mixtures
    skip: float = 0.0

    def detached(self) -> "CellsDrawn":
        """The same, without gradients of the architecture."""
        return self._replace(mixtures=self.mixtures.detached())


@dataclass(frozen=True, kw_only=True)
class RelaxedCells(Relaxed):
    """Two cells, repeated in the network."""

    config: SearchConfig
    space: SearchSpace
    architecture: Architecture
    costs: CostTable

    @property
    def values(self) -> nn.Module:
        """Values of the operations on every edge."""
        return self.architecture

    def plans(self) -> Plans:
        """Both cells as they are now, with the limit on skips."""
        return self.architecture.plans(self.space, most_skips=self.config.most_skips)

    def student(self) -> GenotypeCnnConfig:
        """Both cells in the deployed network."""
        plans = self.plans()
        genotype = Genotype(space=self.space.name, normal=plans.normal, reduce=plans.reduce)
        return GenotypeCnnConfig(genotype=genotype, shape=self.config.deployed)

    def alone(self, plans: Plans) -> CellsDrawn:
        """The operations of these plans alone."""
        return CellsDrawn(plans.choices(self.space).mixtures())

    def draw(self, generator: torch.Generator, epoch: int) -> CellsDrawn:
        """All operations of every edge, or one."""
        noise, skip = gumbel(self.space, generator=generator), self.config.skip_weight(epoch)
        if self.config.operations == "mixed":
            return CellsDrawn(self.architecture.probabilities().mixtures(), skip)
        choices = self.architecture.sampled(noise, self.config.temperature_of(epoch))
        return CellsDrawn(choices.mixtures(), skip)

    def run(self, images: Tensor, drawn: CellsDrawn) -> Classified:
        """Features and scores under these mixtures."""
        found: Classified = self.model(images, *drawn)
        return found

    def excess(self) -> Tensor:
        """Of the one cost that the table holds."""
        expected = self.costs.expected(self.architecture.probabilities(), self.space)
        return (expected / self.config.target).log().clamp(min=0)

    def observed(self, validate: Callable[[Any], float], epoch: int, /) -> dict[str, Any]:
        """Costs, entropy, skips, losses of the mixture and of the genotype, the genotype."""
        probabilities, plans = self.architecture.probabilities(), self.plans()
        raw = self.architecture.plans(self.space, most_skips=None)
        return {
            "expected_cost": float(self.costs.expected(probabilities, self.space)),
            "genotype_cost": self.costs.of(plans, self.space),
            "entropy": entropy(row for kind in probabilities for row in kind),
            "skips": skips(raw.normal),
            "auxiliary_skip": self.config.skip_weight(epoch),
            "validation_p": validate(CellsDrawn(probabilities.mixtures())),
            "validation_genotype": validate(self.alone(plans)),
            "genotype": json.dumps(describe(plans)),
        }


@dataclass(frozen=True, kw_only=True)
class RelaxedStages(Relaxed):
    """The stages of a network, each with decisions of its own."""

    config: StagedSearchConfig
    architecture: StagedArchitecture
    budget: Budget  # its most is the target of the penalty

    @property
    def space(self) -> StagedSpace:
        """The options."""
        return self.config.space

    @property
    def values(self) -> nn.Module:
        """Values of the options of every decision."""
        return self.architecture

    def draw(self, generator: torch.Generator, epoch: int) -> Choice:
        """One option of every decision."""
        noise = {
            name: -(-uniform.clamp(min=1e-12).log()).log().float()
            for name, options in self.space.decisions.items()
            for uniform in [torch.rand(len(options), generator=generator, dtype=torch.float64)]
        }
        return self.architecture.sampled(noise, self.config.temperature_of(epoch))

    def run(self, images: Tensor, drawn: Choice) -> Classified:
        """Features and scores of the network that is drawn."""
        found: Classified = self.model(images, drawn)
        return found

    def excess(self) -> Tensor:
        """Of parameters and of MACs."""
        targets = torch.tensor([self.budget.parameters[1], self.budget.macs[1]])
        return (self._expected() / targets).log().clamp(min=0).sum()

    def student(self) -> StagedCnnConfig:
        """The most probable option of every decision."""
        return self.space.network(self.architecture.best().picks)

    def observed(self, validate: Callable[[Any], float], _epoch: int, /) -> dict[str, Any]:
        """Costs, entropy, loss of the most probable network, and that network."""
        expected, best = self._expected().tolist(), self.student()
        built = cost(best, self.budget.image_shape)
        return {
            "expected_cost": expected[0],
            "genotype_cost": built.parameters,
            "expected_macs": expected[1],
            "genotype_macs": built.macs,
            "entropy": entropy(self.architecture.probabilities().values()),
            "validation_genotype": validate(self.architecture.best()),
            "genotype": json.dumps(describe(best)),
        }

    def _expected(self) -> Tensor:
        expected = ExpectedCost(self.space, self.budget.image_shape)
        return expected(self.architecture.probabilities())


def entropy(choices: Iterable[Tensor]) -> float:
    """Mean over choices of the entropy of probabilities [options], as a share of the uniform's."""
    shares = [-(p * p.log()).sum() / math.log(len(p)) for p in choices if len(p) > 1]
    return float(torch.stack(shares).mean().detach())
