"""Costs of networks, and parameters of the operations of cells at their deployed width."""

import functools

import torch
from torch import Tensor

from models import CellShape, Genotype, GenotypeCnnConfig, StudentConfig
from models.blocks import parameter_count
from models.nas.cell_supernet import CostTable
from models.nas.genotype import Edge
from models.nas.operations import NONE, SearchSpace
from simulator.measures.sizes import cpu_ms, macs
from simulator.search.config import SearchConfig
from simulator.training.loop import fresh

BATCH = 64  # images in a timed batch


def cost_table(config: SearchConfig, *, image_channels: int) -> CostTable:
    """Parameters of each operation on an edge, summed over all cells of a kind, and the fixed ones.

    The fixed ones are all but those of the operations: stem, entries of the cells, projection.
    """
    space, shape = config.search_space, config.deployed
    totals = {"normal": torch.zeros(len(space.operations), dtype=torch.float64)}
    totals["reduce"] = totals["normal"].clone()
    measured: dict[int, Tensor] = {}  # stage to parameters
    for kind, stage in shape.cells:
        if stage not in measured:
            measured[stage] = _operations(space, shape.widths[stage])
        totals[kind] += measured[stage]
    whole, kept = _cheapest(space, shape)
    inside = 2 * space.nodes * sum(float(totals[kind][kept]) for kind in totals)
    network = fresh(lambda: whole.build(image_channels=image_channels), seed=0)
    return CostTable(
        fixed=parameter_count(network) - inside,
        normal=totals["normal"],
        reduce=totals["reduce"],
    )


@functools.cache  # so that the time of a network is one number in one run
def network_costs(student: StudentConfig, image_shape: tuple[int, int, int]) -> dict[str, float]:
    """Parameters, MACs, and CPU milliseconds per image (in batches of 64) of an encoder."""
    network = fresh(lambda: student.build(image_channels=image_shape[0]), seed=0).eval()
    batch = torch.zeros(BATCH, *image_shape)
    return {
        "parameters": parameter_count(network),
        "macs": macs(lambda: network(batch[:1])),
        "cpu_ms": round(cpu_ms(network, batch), 4),
    }


def _operations(space: SearchSpace, width: int) -> Tensor:
    """Parameters of each operation [operations] at this width; `none` has 0."""
    with torch.device("meta"):  # without weights
        costs = [
            0 if own.name == NONE else parameter_count(own.build(width, False))
            for own in space.operations
        ]
    return torch.tensor(costs, dtype=torch.float64)


def _cheapest(space: SearchSpace, shape: CellShape) -> tuple[GenotypeCnnConfig, int]:
    """A network whose edges are all skips, and the index of the skip operation."""
    plan = tuple((Edge(0, "skip"), Edge(1, "skip")) for _ in range(space.nodes))
    genotype = Genotype(space=space.name, normal=plan, reduce=plan)
    return GenotypeCnnConfig(genotype=genotype, shape=shape), space.names.index("skip")
