"""A genotype: which two edges every node of a cell keeps, and with which operation.

Discretisation is that of DARTS, with a limit on the number of skips.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from models.nas.operations import NONE, SKIP, SearchSpace, space_named

Kind = Literal["normal", "reduce"]
KINDS: tuple[Kind, Kind] = ("normal", "reduce")
KEPT = 2  # edges into every node


class Edge(NamedTuple):
    """An edge that is kept, from `source`: 0 and 1 are the cell's inputs, then come its nodes."""

    source: int
    operation: str


CellPlan = tuple[tuple[Edge, Edge], ...]  # the edges into every node


@dataclass(frozen=True, kw_only=True)
class Genotype:
    """The two cells of a network.

    Raises: ValueError if the source of an edge does not exist or comes twice into a node, or if the
            operation is not in the space.
    """

    space: str
    normal: CellPlan
    reduce: CellPlan

    def __post_init__(self) -> None:
        names = set(space_named(self.space).names) - {NONE}
        for kind in KINDS:
            for node, edges in enumerate(self.of(kind)):
                sources = [edge.source for edge in edges]
                named = all(edge.operation in names for edge in edges)
                if len(set(sources)) != KEPT or not 0 <= min(sources) <= max(sources) < node + 2:
                    raise ValueError(f"node {node} of {kind} must have two sources, got {sources}")
                if not named:
                    raise ValueError(f"{kind} must hold operations of {self.space}, got {edges}")

    def of(self, kind: Kind) -> CellPlan:
        """The cell of this kind."""
        return self.normal if kind == "normal" else self.reduce

    @classmethod
    def from_json(cls, value: Any) -> "Genotype":
        """The genotype from its description by `simulator.storage.describe`. Raises: ValueError."""
        try:
            cells = {
                kind: tuple(tuple(Edge(int(s), str(o)) for s, o in node) for node in value[kind])
                for kind in KINDS
            }
            return cls(space=value["space"], **cells)  # type: ignore[arg-type]
        except (KeyError, TypeError) as error:
            raise ValueError(f"a genotype must have space, normal, reduce: {error!r}") from None


def discretise(weights: Tensor, space: SearchSpace, *, most_skips: int | None = None) -> CellPlan:
    """The two edges of the largest weight into every node, each with its best operation.

    `none` is never chosen. If more than `most_skips` edges are skips, those with the smallest
    weights get their next best operation.

    Shapes: weights [edges, operations], in the order of `space.edges` and `space.operations`.
    """
    usable = weights.detach().double().cpu().clone()
    if NONE in space.names:
        usable[:, space.names.index(NONE)] = -torch.inf
    kept: list[list[int]] = []
    for node in range(space.nodes):
        own = [edge for edge, (into, _) in enumerate(space.edges) if into == node]
        best = sorted(own, key=lambda edge: float(usable[edge].max()), reverse=True)
        kept.append(sorted(best[:KEPT]))
    if most_skips is not None and SKIP in space.names:
        skip = space.names.index(SKIP)
        skips = [e for node in kept for e in node if int(usable[e].argmax()) == skip]
        skips.sort(key=lambda edge: float(usable[edge, skip]), reverse=True)
        usable[skips[most_skips:], skip] = -torch.inf

    def edge(index: int) -> Edge:
        return Edge(space.edges[index][1], space.names[int(usable[index].argmax())])

    return tuple((edge(first), edge(second)) for first, second in kept)


def one_hot(plan: CellPlan, space: SearchSpace) -> Tensor:
    """Weights [edges, operations] of a plan: 1 for what it keeps, 0 elsewhere."""
    weights = torch.zeros(len(space.edges), len(space.operations))
    for node, edges in enumerate(plan):
        for source, name in edges:
            weights[space.edges.index((node, source)), space.names.index(name)] = 1
    return weights


def skips(plan: CellPlan) -> int:
    """Number of skip connections."""
    return sum(operation == SKIP for edges in plan for _, operation in edges)


def random_plan(space: SearchSpace, *, generator: torch.Generator, most_skips: int) -> CellPlan:
    """A plan from uniformly random weights, under the same rules as a searched one."""
    weights = torch.rand(len(space.edges), len(space.operations), generator=generator)
    return discretise(weights, space, most_skips=most_skips)
