"""The candidate operations of an architecture search, and the search spaces.

All operations keep width and resolution; a reduction cell pools its inputs first (DECISIONS 42).
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

NONE, SKIP = "none", "skip"


class Operation(NamedTuple):
    """A candidate for an edge of a cell: [B, width, H, W] -> the same."""

    name: str
    build: Callable[[int, bool], nn.Module]  # (width, searched) to a new module


class SearchSpace(NamedTuple):
    """The candidate edges and operations of a cell."""

    name: str
    nodes: int  # N of a cell; node i can have an edge from each of i + 2 inputs
    operations: tuple[Operation, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the operations, in the order of their weights."""
        return tuple(operation.name for operation in self.operations)

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """(node, source) of every edge; sources are the cell's two inputs, then its nodes."""
        return tuple((node, source) for node in range(self.nodes) for source in range(node + 2))


class Zero(nn.Module):
    """No connection: outputs zeros."""

    def forward(self, images: Tensor) -> Tensor:
        """Zeros of the input's shape."""
        return torch.zeros_like(images)


def batch_norm(width: int, searched: bool) -> nn.BatchNorm2d:
    """Batch normalisation; in a supernet with batch statistics only, no parameters [1, sec. 3.1].

    In a supernet the mixture changes from step to step, so running statistics would fit no network.

    [1] Liu, Simonyan and Yang, DARTS: Differentiable Architecture Search, 2019.
    """
    return nn.BatchNorm2d(width, affine=not searched, track_running_stats=not searched)


def _layer(
    width_in: int, width_out: int, kernel: int, searched: bool, *, dilation: int = 1
) -> list[nn.Module]:
    """ReLU, convolution that keeps the resolution, normalisation."""
    padding = dilation * (kernel // 2)
    conv = nn.Conv2d(width_in, width_out, kernel, padding=padding, dilation=dilation, bias=False)
    return [nn.ReLU(), conv, batch_norm(width_out, searched)]


def _separable(width: int, kernel: int, searched: bool, *, dilation: int = 1) -> list[nn.Module]:
    """ReLU, depthwise and pointwise convolution, normalisation."""
    padding = dilation * (kernel // 2)
    depthwise = nn.Conv2d(
        width, width, kernel, padding=padding, dilation=dilation, groups=width, bias=False
    )
    pointwise = nn.Conv2d(width, width, 1, bias=False)
    return [nn.ReLU(), depthwise, pointwise, batch_norm(width, searched)]


def _bottleneck(width: int, searched: bool) -> nn.Module:
    """Pointwise convolution to half the width, 3x3, pointwise back."""
    half = max(1, width // 2)
    layers = _layer(width, half, 1, searched) + _layer(half, half, 3, searched)
    return nn.Sequential(*layers, *_layer(half, width, 1, searched))


def _conv3(width: int, searched: bool, *, dilation: int = 1) -> nn.Module:
    return nn.Sequential(*_layer(width, width, 3, searched, dilation=dilation))


def _sep(width: int, searched: bool, *, kernel: int) -> nn.Module:
    """Separable convolution, applied twice as in DARTS."""
    once, again = (_separable(width, kernel, searched) for _ in range(2))
    return nn.Sequential(*once, *again)


def _dil(width: int, searched: bool, *, kernel: int) -> nn.Module:
    """Dilated separable convolution."""
    return nn.Sequential(*_separable(width, kernel, searched, dilation=2))


SKIP_OPERATION = Operation(SKIP, lambda *_: nn.Identity())
AVG3 = Operation("avg3", lambda *_: nn.AvgPool2d(3, 1, padding=1, count_include_pad=False))
CONV = SearchSpace(
    "conv",
    3,
    (
        SKIP_OPERATION,
        AVG3,
        Operation("conv3", _conv3),
        Operation("dilated3", partial(_conv3, dilation=2)),
        Operation("bottleneck", _bottleneck),
    ),
)
DARTS = SearchSpace(
    "darts",
    4,
    (
        Operation(NONE, lambda *_: Zero()),
        Operation("max3", lambda *_: nn.MaxPool2d(3, 1, padding=1)),
        AVG3,
        SKIP_OPERATION,
        Operation("sep3", partial(_sep, kernel=3)),
        Operation("sep5", partial(_sep, kernel=5)),
        Operation("dil3", partial(_dil, kernel=3)),
        Operation("dil5", partial(_dil, kernel=5)),
    ),
)
SPACES = (CONV, DARTS)


def space_named(name: str) -> SearchSpace:
    """The space of this name. Raises: ValueError if there is none."""
    for space in SPACES:
        if space.name == name:
            return space
    raise ValueError(f"space must be one of {', '.join(s.name for s in SPACES)}, got {name!r}")
