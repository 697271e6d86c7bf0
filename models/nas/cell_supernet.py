"""The supernet of an architecture search: every operation on every edge, mixed by weights.

A step runs all operations (the continuous relaxation of DARTS) or one per edge, drawn by Gumbel
softmax with a hard forward and a soft backward pass (GDAS: Dong and Yang, 2019, section 3.2).
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.encoders.classifier import Classified
from models.nas.cells import CellBackbone, CellShape
from models.nas.genotype import CellPlan, Kind, discretise, one_hot
from models.nas.operations import SearchSpace

SPREAD = 1e-3  # standard deviation of the architecture's initial values


class Mixture(NamedTuple):
    """Weights of the operations on every edge of one kind of cell."""

    weights: Tensor  # [edges, operations]
    active: tuple[tuple[int, ...], ...]  # indices of the operations run on every edge

    @classmethod
    def of(cls, weights: Tensor) -> "Mixture":
        """The mixture that runs only operations with nonzero weights."""
        rows = weights.detach().cpu().tolist()
        active = (tuple(o for o, w in enumerate(row) if w != 0) for row in rows)
        return cls(weights, tuple(active))


class Mixtures(NamedTuple):
    """One mixture for each kind of cell."""

    normal: Mixture
    reduce: Mixture

    def of(self, kind: Kind) -> Mixture:
        """The mixture of this kind of cell."""
        return self.normal if kind == "normal" else self.reduce

    def detached(self) -> "Mixtures":
        """The same without gradients for the architecture, to update the network weights."""
        return Mixtures(*(own._replace(weights=own.weights.detach()) for own in self))


class Choices(NamedTuple):
    """One tensor [edges, operations] for each kind of cell: probabilities, noise, or weights."""

    normal: Tensor
    reduce: Tensor

    def mixtures(self) -> Mixtures:
        """These as the weights of a supernet."""
        return Mixtures(*map(Mixture.of, self))


class Plans(NamedTuple):
    """One plan for each kind of cell."""

    normal: CellPlan
    reduce: CellPlan

    def choices(self, space: SearchSpace) -> Choices:
        """One-hot weights: 1 for what is kept, 0 elsewhere."""
        return Choices(*(one_hot(plan, space) for plan in self))


class Architecture(nn.Module):
    """Parameters of the upper level: a value alpha for every operation on every edge.

    Shapes: normal, reduce [edges, operations]. Initialised by N(0, 1e-6) from torch's global
    generator.
    """

    def __init__(self, space: SearchSpace) -> None:
        super().__init__()
        shape = (len(space.edges), len(space.operations))
        self.normal = nn.Parameter(SPREAD * torch.randn(shape))
        self.reduce = nn.Parameter(SPREAD * torch.randn(shape))

    def probabilities(self) -> Choices:
        """P = softmax(alpha) on every edge."""
        return Choices(self.normal.softmax(dim=1), self.reduce.softmax(dim=1))

    def sampled(self, noise: Choices, temperature: float) -> Choices:
        """One operation per edge: hard values, gradients of softmax((ln p + noise) / temperature).

        `noise` is Gumbel(0, 1), see `gumbel`.
        """
        pairs = zip((self.normal, self.reduce), noise, strict=True)
        return Choices(
            *(
                hard(alpha.log_softmax(dim=1) + g.to(alpha.device), temperature)
                for alpha, g in pairs
            )
        )

    def plans(self, space: SearchSpace, *, most_skips: int | None) -> Plans:
        """Discretise both cells; `most_skips` is the limit in each."""
        kinds = self.probabilities()
        return Plans(*(discretise(own, space, most_skips=most_skips) for own in kinds))


def gumbel(space: SearchSpace, *, generator: torch.Generator) -> Choices:
    """Gumbel(0, 1) noise for both kinds of cells, each [edges, operations]."""
    shape = (len(space.edges), len(space.operations))
    return Choices(*(gumbel_noise(*shape, generator=generator) for _ in range(2)))


def gumbel_noise(*shape: int, generator: torch.Generator) -> Tensor:
    """Gumbel(0, 1) noise of this shape, on the CPU."""
    uniform = torch.rand(shape, generator=generator, dtype=torch.float64, device="cpu")
    return -(-uniform.clamp(min=1e-12).log()).log().float()


def hard(scores: Tensor, temperature: float) -> Tensor:
    """One-hot at the largest score, with gradients of softmax(scores / temperature).

    Shapes: [..., options] -> the same; the last dimension is one choice.
    """
    soft = (scores / temperature).softmax(dim=-1)
    found = torch.zeros_like(soft).scatter(-1, scores.argmax(dim=-1, keepdim=True), 1.0)
    return found + soft - soft.detach()


class MixedEdge(nn.Module):
    """All operations of an edge.

    Shapes: [B, width, H, W], weights [operations] -> [B, width, H, W].
    """

    def __init__(self, space: SearchSpace, width: int) -> None:
        super().__init__()
        self.operations = nn.ModuleList(o.build(width, True) for o in space.operations)

    def forward(self, images: Tensor, weights: Tensor, active: tuple[int, ...]) -> Tensor:
        """Sum over the active operations of weight * operation(images)."""
        terms = [weights[o] * self.operations[o](images) for o in active]
        return torch.stack(terms).sum(dim=0) if len(terms) > 1 else terms[0]


class MixedCell(nn.Module):
    """A cell with all its edges.

    Shapes: both inputs [B, width, H, W] -> [B, nodes * width, H, W].
    """

    def __init__(self, space: SearchSpace, width: int, *, residual: bool = False) -> None:
        super().__init__()
        self.residual = residual
        self.space_edges = space.edges
        self.num_nodes = space.nodes
        self.edges = nn.ModuleList(MixedEdge(space, width) for _ in space.edges)

    def forward(self, before: Tensor, last: Tensor, mixture: Mixture, skip: float) -> Tensor:
        """All nodes, concatenated; `skip` is the weight of the auxiliary skip of every edge.

        The auxiliary skip keeps signal and gradient alive early in the search, so that the skip
        operation is not needed for it (DARTS-: Chu et al., 2021, section 3).
        """
        states = [before, last]
        for node in range(self.num_nodes):
            terms = [last] if self.residual else []
            for index, (into, source) in enumerate(self.space_edges):
                if into != node or not mixture.active[index]:
                    continue
                edge, active = self.edges[index], mixture.active[index]
                terms.append(edge(states[source], mixture.weights[index], active))
                if skip:
                    terms.append(skip * states[source])
            states.append(torch.stack(terms).sum(dim=0))
        return torch.cat(states[2:], dim=1)


class Supernet(nn.Module):
    """All networks of a space in one, with shared weights.

    Shapes: images [B, C, H, W] in [0, 1] -> features [B, D], scores [B, num_classes]. It always
    uses batch statistics, so the outputs for an image depend on its batch; those of networks built
    from a genotype do not in evaluation mode.
    """

    def __init__(
        self, space: SearchSpace, shape: CellShape, *, image_channels: int, num_classes: int
    ) -> None:
        super().__init__()
        self.backbone = CellBackbone(
            shape,
            nodes=space.nodes,
            image_channels=image_channels,
            build=lambda _, width: MixedCell(space, width, residual=shape.residual),
            searched=True,
        )
        self.head = nn.Linear(shape.projected_dim, num_classes)

    def forward(self, images: Tensor, mixtures: Mixtures, skip: float) -> Classified:
        """Features and scores under these mixtures."""

        def apply(cell: nn.Module, kind: Kind, before: Tensor, last: Tensor) -> Tensor:
            output: Tensor = cell(before, last, mixtures.of(kind), skip)
            return output

        features = self.backbone.run(images, apply)
        return Classified(features, self.head(features).float())


class CostTable(NamedTuple):
    """Cost of a network at deployment: a fixed part, and the cost of every operation on an edge.

    Shapes: normal, reduce [operations], for one edge, summed over all cells of the kind.
    """

    fixed: float
    normal: Tensor
    reduce: Tensor

    def expected(self, choices: Choices, space: SearchSpace) -> Tensor:
        """Expected cost: an edge counts by the probability 2 / (i + 2) that node i keeps it."""
        keeps = torch.tensor([2 / (node + 2) for node, _ in space.edges])
        return self._total(choices, keeps[:, None].to(choices.normal.device))

    def of(self, plans: Plans, space: SearchSpace) -> float:
        """Cost of the network with these plans: only edges that are kept count, each fully."""
        return float(self._total(plans.choices(space), torch.ones(1, 1)))

    def _total(self, choices: Choices, keeps: Tensor) -> Tensor:
        total = torch.full((), self.fixed, dtype=torch.float64, device=keeps.device)
        for weights, costs in zip(choices, (self.normal, self.reduce), strict=True):
            total = total + (keeps * weights * costs.to(weights.device)).double().sum()
        return total
