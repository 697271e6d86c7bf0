"""The interface between search loop and search space, implemented for cells and for stages."""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self

import torch
from torch import Tensor, nn

from models import Classified, Genotype, GenotypeCnnConfig, StagedCnnConfig, StudentConfig
from models.nas.cell_supernet import Architecture, CostTable, Mixtures, Plans, gumbel, gumbel_noise
from models.nas.genotype import skips
from models.nas.operations import SearchSpace
from models.nas.staged_costs import ExpectedCost
from models.nas.staged_space import Budget, StagedSpace, cost
from models.nas.staged_supernet import Choice, StagedArchitecture
from simulator.search.config import BilevelConfig, SearchConfig, StagedSearchConfig
from simulator.storage.describe import describe


class Drawn(Protocol):
    """The part of the supernet that a step runs."""

    def detached(self) -> Self:
        """The same, without gradients to the architecture."""


@dataclass(frozen=True, kw_only=True)
class Relaxed(ABC):
    """A supernet, the architecture parameters, which the upper level trains, and network costs."""

    model: nn.Module  # the supernet
    architecture: nn.Module
    config: BilevelConfig

    @abstractmethod
    def draw(self, generator: torch.Generator, epoch: int) -> Drawn:
        """Draw the part of the supernet that the next step runs."""

    @abstractmethod
    def run(self, images: Tensor, drawn: Any) -> Classified:
        """Features and scores of the drawn part."""

    @abstractmethod
    def student(self) -> StudentConfig:
        """The network that the current architecture gives."""

    @abstractmethod
    def excess(self) -> Tensor:
        """Sum over costs of max(0, ln(expected cost / target)), differentiable."""

    @abstractmethod
    def observed(self, validate: Callable[[Any], float], epoch: int, /) -> dict[str, Any]:
        """Entries of the history for an epoch; `validate` maps a drawn part to its loss."""


class CellsDrawn(NamedTuple):
    """Weights of the operations on every edge, and of the auxiliary skips."""

    mixtures: Mixtures
    skip: float = 0.0

    def detached(self) -> "CellsDrawn":
        """The same, without gradients to the architecture."""
        return self._replace(mixtures=self.mixtures.detached())


@dataclass(frozen=True, kw_only=True)
class RelaxedCells(Relaxed):
    """The space of cells: a normal and a reduction cell, which the network repeats."""

    config: SearchConfig
    space: SearchSpace
    architecture: Architecture
    costs: CostTable

    def plans(self) -> Plans:
        """Both cells that the current architecture gives, with at most `most_skips` skips each."""
        return self.architecture.plans(self.space, most_skips=self.config.most_skips)

    def student(self) -> GenotypeCnnConfig:
        """The deployed network with the current cells."""
        plans = self.plans()
        genotype = Genotype(space=self.space.name, normal=plans.normal, reduce=plans.reduce)
        return GenotypeCnnConfig(genotype=genotype, shape=self.config.deployed)

    def alone(self, plans: Plans) -> CellsDrawn:
        """Run only the operations of these plans, with weight 1."""
        return CellsDrawn(plans.choices(self.space).mixtures())

    def draw(self, generator: torch.Generator, epoch: int) -> CellsDrawn:
        """All operations of every edge, or one sampled per edge."""
        noise, skip = gumbel(self.space, generator=generator), self.config.skip_weight(epoch)
        if self.config.operations == "mixed":
            return CellsDrawn(self.architecture.probabilities().mixtures(), skip)
        choices = self.architecture.sampled(noise, self.config.temperature_of(epoch))
        return CellsDrawn(choices.mixtures(), skip)

    def run(self, images: Tensor, drawn: CellsDrawn) -> Classified:
        """Features and scores with these weights of operations."""
        found: Classified = self.model(images, *drawn)
        return found

    def excess(self) -> Tensor:
        """max(0, ln(expected cost / target)) of the cost in the table."""
        expected = self.costs.expected(self.architecture.probabilities(), self.space)
        return (expected / self.config.target).log().clamp(min=0)

    def observed(self, validate: Callable[[Any], float], epoch: int, /) -> dict[str, Any]:
        """Costs, entropy, number of skips, genotype, and losses of the mixture and the genotype."""
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
    """The space of stages: every stage of the network has its own decisions."""

    config: StagedSearchConfig
    architecture: StagedArchitecture
    budget: Budget  # its upper limits are the targets of the penalty

    @property
    def space(self) -> StagedSpace:
        """The options of every decision."""
        return self.config.space

    def draw(self, generator: torch.Generator, epoch: int) -> Choice:
        """Sample one option of every decision."""
        noise = {
            name: gumbel_noise(len(options), generator=generator)
            for name, options in self.space.decisions.items()
        }
        return self.architecture.sampled(noise, self.config.temperature_of(epoch))

    def run(self, images: Tensor, drawn: Choice) -> Classified:
        """Features and scores of the drawn network."""
        found: Classified = self.model(images, drawn)
        return found

    def excess(self) -> Tensor:
        """max(0, ln(expected cost / target)), summed over parameters and MACs."""
        targets = torch.tensor([self.budget.parameters[1], self.budget.macs[1]])
        return (self._expected() / targets).log().clamp(min=0).sum()

    def student(self) -> StagedCnnConfig:
        """The network of the most probable option of every decision."""
        return self.space.network(self.architecture.best().picks)

    def observed(self, validate: Callable[[Any], float], _epoch: int, /) -> dict[str, Any]:
        """Costs, entropy, and the most probable network with its loss."""
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
    """Mean normalised entropy of probabilities [options]; 1 if all options are equally probable."""
    shares = [-(p * p.log()).sum() / math.log(len(p)) for p in choices if len(p) > 1]
    return float(torch.stack(shares).mean().detach())
