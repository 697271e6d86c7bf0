"""Costs of networks, and cost tables of operations, counted or timed at their deployed width."""

import functools
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from models import CellShape, Genotype, GenotypeCnnConfig, StudentConfig
from models.blocks import parameter_count
from models.nas.genotype import Edge
from models.nas.operations import NONE, SearchSpace
from models.nas.search_space import CostTable
from simulator.measures.sizes import cpu_ms, macs
from simulator.search.config import SearchConfig
from simulator.training.loop import fresh

BATCH = 64  # images in a timed batch
Measure = Callable[[nn.Module, tuple[int, ...]], float]  # network and input shape to cost


def cost_table(config: SearchConfig, *, image_shape: tuple[int, int, int]) -> CostTable:
    """Cost of each operation on an edge, summed over all cells of a kind, and the fixed cost.

    The fixed cost is that of everything but the operations: stem, entries of the cells, projection.
    `image_shape` (C, H, W) is that of full-size images, on which deployed networks run.
    """
    measure, space, shape = MEASURES[config.cost], config.search_space, config.deployed
    totals = {"normal": torch.zeros(len(space.operations), dtype=torch.float64)}
    totals["reduce"] = totals["normal"].clone()
    measured: dict[int, Tensor] = {}  # stage to costs
    for kind, stage in shape.cells:
        if stage not in measured:
            size = [-(-side // 2 ** (stage + 1)) for side in image_shape[1:]]
            input_shape = (shape.widths[stage], *size)
            measured[stage] = _operations(space, input_shape, measure)
        totals[kind] += measured[stage]
    whole, kept = _cheapest(space, shape)
    inside = 2 * space.nodes * sum(float(totals[kind][kept]) for kind in totals)
    network = fresh(lambda: whole.build(image_channels=image_shape[0]), seed=0).eval()
    return CostTable(
        fixed=measure(network, image_shape) - inside,
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


def _operations(space: SearchSpace, input_shape: tuple[int, ...], measure: Measure) -> Tensor:
    """Cost of each operation [operations] at this width and resolution; `none` costs 0."""
    width, costs = input_shape[0], []
    for operation in space.operations:
        module = fresh(lambda build=operation.build: build(width, False), seed=0)  # type: ignore[misc]
        costs.append(0.0 if operation.name == NONE else measure(module.eval(), input_shape))
    return torch.tensor(costs, dtype=torch.float64)


def _cheapest(space: SearchSpace, shape: CellShape) -> tuple[GenotypeCnnConfig, int]:
    """A network whose edges are all skips, and the index of the skip operation."""
    plan = tuple((Edge(0, "skip"), Edge(1, "skip")) for _ in range(space.nodes))
    genotype = Genotype(space=space.name, normal=plan, reduce=plan)
    return GenotypeCnnConfig(genotype=genotype, shape=shape), space.names.index("skip")


def _cpu_ms(network: nn.Module, input_shape: tuple[int, ...]) -> float:
    images = torch.zeros(BATCH, *input_shape).to(memory_format=torch.channels_last)
    return cpu_ms(network, images)


MEASURES: Mapping[str, Measure] = {
    "parameters": lambda network, _: parameter_count(network),
    "macs": lambda network, shape: macs(lambda: network(torch.zeros(1, *shape))),
    "cpu_ms": _cpu_ms,
}
