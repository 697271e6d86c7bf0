"""A network of cells, the common base of searched networks and of their supernet.

The graph is that of DARTS (Liu, Simonyan and Yang, 2019, section 2.1): a cell has two inputs, the
outputs of the two cells before it, and outputs the concatenation of its nodes. The network has the
shape of `PooledCnn`: the width grows from stage to stage, and a widening convolution followed by
pooling halves the resolution, not a stride (DECISIONS 24, 42).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.blocks import normalised
from models.nas.genotype import Kind
from models.nas.operations import batch_norm

BuildCell = Callable[[Kind, int], nn.Module]  # (kind, width of a node) to a cell
ApplyCell = Callable[[nn.Module, Kind, Tensor, Tensor], Tensor]  # to the cell's two inputs


@dataclass(frozen=True, kw_only=True)
class CellShape:
    """Size of a network of cells."""

    stem: int  # channels at full resolution
    widths: tuple[int, ...]  # of a node, one per stage; a stage begins with a reduction cell
    normal_cells: tuple[int, ...]  # number per stage, after its reduction cell
    projected_dim: int  # D
    residual: bool = False  # every node adds its cell's last input, as in a residual block

    def __post_init__(self) -> None:
        if not self.widths or min(self.stem, *self.widths, self.projected_dim) < 1:
            raise ValueError(f"stem, widths and projected_dim must be at least 1, got {self}")
        if len(self.normal_cells) != len(self.widths) or min(self.normal_cells) < 0:
            raise ValueError(f"normal_cells must have an entry for every width, got {self}")
        if not isinstance(self.residual, bool):
            raise ValueError(f"residual must be true or false, got {self.residual!r}")

    @property
    def cells(self) -> tuple[tuple[Kind, int], ...]:
        """(kind, stage) of every cell."""
        found: list[tuple[Kind, int]] = []
        for stage, normal in enumerate(self.normal_cells):
            found += [("reduce", stage), *[("normal", stage)] * normal]  # type: ignore[list-item]
        return tuple(found)


class Entry(nn.Module):
    """Maps an input of a cell to the width and the resolution of its nodes.

    Shapes: [B, in_width, H, W] -> [B, width, ceil(H / 2^halvings), ceil(W / 2^halvings)].
    """

    def __init__(
        self, in_width: int, width: int, *, kernel: int, halvings: int, searched: bool
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_width, width, kernel, padding=kernel // 2, bias=False)
        self.norm = batch_norm(width, searched)
        self.pool: nn.Module = nn.Identity()
        if halvings:
            self.pool = nn.MaxPool2d(2**halvings, ceil_mode=True)
        self.widens = kernel > 1

    def forward(self, images: Tensor) -> Tensor:
        """Pooling follows a 3x3 convolution, but precedes a pointwise one, which is cheaper."""
        active = torch.relu(images)
        mixed = self.pool(self.conv(active)) if self.widens else self.conv(self.pool(active))
        normalised: Tensor = self.norm(mixed)
        return normalised


class CellStep(nn.Module):
    """A cell and the entries of its two inputs."""

    def __init__(self, kind: Kind, before: Entry, last: Entry, cell: nn.Module) -> None:
        super().__init__()
        self.kind: Kind = kind
        self.before = before
        self.last = last
        self.cell = cell


class CellBackbone(nn.Module):
    """Stem, cells, global average pooling, linear projection.

    Shapes: images [B, C, H, W] in [0, 1] -> features [B, D]. Any H and W.
    """

    def __init__(
        self, shape: CellShape, *, nodes: int, image_channels: int, build: BuildCell, searched: bool
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(image_channels, shape.stem, 3, padding=1, bias=False),
            batch_norm(shape.stem, searched),
        )
        steps: list[CellStep] = []
        last_stage = 0
        inputs = [(shape.stem, 0), (shape.stem, 0)]  # (width, halvings so far) of both
        for kind, stage in shape.cells:
            width, halvings = shape.widths[stage], stage + 1
            entries = []
            for (in_width, halved), kernel in zip(
                inputs, (1, 3 if kind == "reduce" else 1), strict=True
            ):
                more = halvings - halved
                entries.append(
                    Entry(in_width, width, kernel=kernel, halvings=more, searched=searched)
                )
            if kind == "reduce":
                last_stage = len(steps)
            steps.append(CellStep(kind, entries[0], entries[1], build(kind, width)))
            inputs = [inputs[1], (nodes * width, halvings)]
        self.steps = nn.ModuleList(steps)
        self.last_stage = last_stage  # index of its first step
        self.projection = nn.Linear(inputs[1][0], shape.projected_dim)

    def run(self, images: Tensor, apply: ApplyCell) -> Tensor:
        """Features [B, D]; `apply` runs a cell. Float32 also under autocast."""
        before = last = self.stem(normalised(images))
        for step in self.steps:
            assert isinstance(step, CellStep)
            output = apply(step.cell, step.kind, step.before(before), step.last(last))
            before, last = last, output
        features: Tensor = self.projection(torch.relu(last).mean(dim=(2, 3)))
        return features.float()
