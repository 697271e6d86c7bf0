"""A student built from a searched genotype."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.nas.cells import CellBackbone, CellShape
from models.nas.genotype import CellPlan, Genotype, Kind
from models.nas.operations import SearchSpace, space_named


@dataclass(frozen=True, kw_only=True)
class GenotypeCnnConfig:
    """Genotype and size of a `GenotypeCnn`; the image's channels come from the data."""

    genotype: Genotype
    shape: CellShape

    @property
    def feature_dim(self) -> int:
        """D."""
        return self.shape.projected_dim

    def build(self, *, image_channels: int) -> "GenotypeCnn":
        """The network with weights drawn from torch's global generator."""
        return GenotypeCnn(self, image_channels=image_channels)

    @classmethod
    def from_json(cls, value: Any) -> "GenotypeCnnConfig":
        """The config from its description by `simulator.storage.describe`. Raises: ValueError."""
        try:
            shape = {name: item for name, item in value["shape"].items() if name != "type"}
            for name in ("widths", "normal_cells"):
                shape[name] = tuple(map(int, shape[name]))
            genotype = Genotype.from_json(value["genotype"])
            return cls(genotype=genotype, shape=CellShape(**shape))
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"a student must have genotype and shape: {error!r}") from None


class PlannedCell(nn.Module):
    """A cell with two edges per node.

    Shapes: both inputs [B, width, H, W] -> [B, nodes * width, H, W].
    """

    def __init__(
        self, plan: CellPlan, space: SearchSpace, width: int, *, residual: bool = False
    ) -> None:
        super().__init__()
        self.residual = residual
        builders = {operation.name: operation.build for operation in space.operations}
        self.sources = [[edge.source for edge in edges] for edges in plan]
        self.nodes = nn.ModuleList(
            nn.ModuleList(builders[edge.operation](width, False) for edge in edges)
            for edges in plan
        )

    def forward(self, before: Tensor, last: Tensor) -> Tensor:
        """Concatenated nodes; each is the sum of its edges, plus the last input if residual."""
        states = [before, last]
        for sources, operations in zip(self.sources, self.nodes, strict=True):
            assert isinstance(operations, nn.ModuleList)
            first, second = (
                operation(states[source])
                for source, operation in zip(sources, operations, strict=True)
            )
            states.append(first + second + last if self.residual else first + second)
        return torch.cat(states[2:], dim=1)


class GenotypeCnn(nn.Module):
    """Stem, cells of a genotype, global average pooling, linear projection.

    Shapes: images [B, C, H, W] in [0, 1] -> features [B, D]. Any H and W.
    """

    def __init__(self, config: GenotypeCnnConfig, *, image_channels: int) -> None:
        super().__init__()
        self.config = config
        genotype = config.genotype
        space = space_named(genotype.space)

        def cell(kind: Kind, width: int) -> PlannedCell:
            return PlannedCell(genotype.of(kind), space, width, residual=config.shape.residual)

        self.backbone = CellBackbone(
            config.shape,
            nodes=len(genotype.normal),
            image_channels=image_channels,
            build=cell,
            searched=False,
        )

    def freeze_all_but_last_stage(self) -> None:
        """Leave only the last stage and the projection trainable."""
        self.requires_grad_(False)
        for module in (*self.backbone.steps[self.backbone.last_stage :], self.backbone.projection):
            module.requires_grad_(True)

    def forward(self, images: Tensor) -> Tensor:
        """Features [B, D] of images [B, C, H, W]; float32 also under autocast."""
        return self.backbone.run(images, lambda cell, _, before, last: cell(before, last))
