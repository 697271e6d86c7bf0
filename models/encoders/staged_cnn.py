"""A CNN of stages, each with a depth, a width, a kind of block, a kernel and a pooling.

These are choices of macro-architecture: of the whole network, not of a cell that is repeated. If
every stage pools `after` its first convolution and has one `residual` block of kernel 3, the
network is a `PooledCnn`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from models.encoders.convolutional import ConvolutionalEncoder

BlockKind = Literal["plain", "residual", "pair", "bottleneck", "inverted", "grouped"]
Pooling = Literal["after", "before", "none"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
EXPANDING = ("bottleneck", "inverted")  # blocks with an inner width of their own
GROUP = 16  # channels per group of a grouped convolution; fewer if it does not divide the width


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A convolution to a new width, with or without pooling, then equal blocks.

    The inner width is `width` divided by `expansion` in a `bottleneck`, and multiplied by it in an
    `inverted` residual. Other blocks do not use `expansion`.
    """

    width: int
    depth: int  # number of blocks after the first convolution
    block: BlockKind
    kernel: int  # of the blocks
    expansion: int
    pooling: Pooling  # 2x2, after the first convolution, before it, or not at all

    def __post_init__(self) -> None:
        if self.width < 1 or self.depth < 0 or self.expansion < 1 or self.kernel % 2 == 0:
            raise ValueError(
                "width and expansion must be at least 1, depth at least 0 and kernel odd, got "
                f"{self}"
            )
        if self.block not in BLOCKS:
            raise ValueError(f"block must be one of {', '.join(BLOCKS)}, got {self.block!r}")
        if self.pooling not in POOLINGS:
            raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}, got {self.pooling!r}")

    @property
    def inner_width(self) -> int:
        """Channels between the pointwise convolutions of a `bottleneck` or `inverted` residual."""
        if self.block == "inverted":
            return self.width * self.expansion
        return max(1, self.width // self.expansion)

    @property
    def reduced(self) -> "Stage":
        """The same stage in canonical form: settings without effect have fixed values."""
        if self.depth == 0:
            return replace(self, block="plain", kernel=3, expansion=1)
        return self if self.block in EXPANDING else replace(self, expansion=1)


@dataclass(frozen=True, kw_only=True)
class StagedCnnConfig:
    """Stages of a `StagedCnn`; the image's channels come from the data."""

    stem: int  # channels at full resolution
    stages: tuple[Stage, ...]
    projected_dim: int  # D

    def __post_init__(self) -> None:
        if not self.stages or min(self.stem, self.projected_dim) < 1:
            raise ValueError(f"stem, stages and projected_dim must be at least 1, got {self}")

    @property
    def feature_dim(self) -> int:
        """D."""
        return self.projected_dim

    @property
    def reduced(self) -> "StagedCnnConfig":
        """The same network in canonical form, so that equal networks compare equal."""
        return replace(self, stages=tuple(own.reduced for own in self.stages))

    def build(self, *, image_channels: int) -> "StagedCnn":
        """The network with weights drawn from torch's global generator."""
        return StagedCnn(self, image_channels=image_channels)

    @classmethod
    def from_json(cls, value: Any) -> "StagedCnnConfig":
        """The config from its description by `simulator.storage.describe`. Raises: ValueError."""
        try:
            stages = tuple(Stage(**_without_type(own)) for own in value["stages"])
            return cls(**_without_type(value) | {"stages": stages})
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(
                f"a student must have stem, stages and projected_dim: {error!r}"
            ) from None


def _without_type(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in value.items() if name != "type"}


def _layer(
    in_width: int, width: int, kernel: int, *, groups: int = 1, last: bool = False
) -> list[nn.Module]:
    """Convolution that keeps the resolution, normalisation, and ReLU unless `last`."""
    conv = nn.Conv2d(in_width, width, kernel, padding=kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(width), *([] if last else [nn.ReLU()])]


class Sum(nn.Module):
    """x + branch(x), followed by a ReLU if `active`: [B, C, H, W] -> the same."""

    def __init__(self, *branch: nn.Module, active: bool) -> None:
        super().__init__()
        self.branch = nn.Sequential(*branch)
        self.active = active

    def forward(self, images: Tensor) -> Tensor:
        """The sum."""
        total: Tensor = images + self.branch(images)
        return torch.relu(total) if self.active else total


def _plain(stage: Stage) -> nn.Module:
    return nn.Sequential(*_layer(stage.width, stage.width, stage.kernel))


def _residual(stage: Stage) -> nn.Module:
    """One convolution with an identity shortcut, as in K. Jordan's networks (see `PooledCnn`)."""
    return Sum(*_layer(stage.width, stage.width, stage.kernel), active=False)


def _pair(stage: Stage) -> nn.Module:
    """Two convolutions with an identity shortcut (He et al., 2016, fig. 2)."""
    width, kernel = stage.width, stage.kernel
    first, second = _layer(width, width, kernel), _layer(width, width, kernel, last=True)
    return Sum(*first, *second, active=True)


def _bottleneck(stage: Stage) -> nn.Module:
    """Reduce the width, convolve, and restore the width (He et al., 2016, fig. 5)."""
    inner = stage.inner_width
    layers = _layer(stage.width, inner, 1) + _layer(inner, inner, stage.kernel)
    return Sum(*layers, *_layer(inner, stage.width, 1, last=True), active=True)


def _inverted(stage: Stage) -> nn.Module:
    """Expand the width, convolve depthwise, and restore the width (MobileNetV2, 2018, fig. 3)."""
    inner = stage.inner_width
    layers = _layer(stage.width, inner, 1) + _layer(inner, inner, stage.kernel, groups=inner)
    return Sum(*layers, *_layer(inner, stage.width, 1, last=True), active=False)


def _grouped(stage: Stage) -> nn.Module:
    """A grouped and a pointwise convolution with a shortcut (ResNeXt, 2017, simplified)."""
    width = stage.width
    layers = _layer(width, width, stage.kernel, groups=groups_of(width))
    return Sum(*layers, *_layer(width, width, 1, last=True), active=True)


def groups_of(width: int) -> int:
    """Number of groups of a grouped convolution of this width."""
    size = next(size for size in range(min(GROUP, width), 0, -1) if width % size == 0)
    return width // size


BLOCKS: Mapping[str, Callable[[Stage], nn.Module]] = {
    "plain": _plain,
    "residual": _residual,
    "pair": _pair,
    "bottleneck": _bottleneck,
    "inverted": _inverted,
    "grouped": _grouped,
}


def _entry(in_width: int, stage: Stage) -> list[nn.Module]:
    """A 3x3 convolution to the stage's width, with its pooling."""
    conv, *rest = _layer(in_width, stage.width, 3)
    if stage.pooling == "none":
        return [conv, *rest]
    pool = nn.MaxPool2d(2, ceil_mode=True)
    return [conv, pool, *rest] if stage.pooling == "after" else [pool, conv, *rest]


class StagedCnn(ConvolutionalEncoder):
    """The stages of a `StagedCnnConfig`, global average pooling, and a linear projection."""

    projection: nn.Linear

    def __init__(self, config: StagedCnnConfig, *, image_channels: int) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Sequential(*_layer(image_channels, config.stem, 3))
        stages, in_width = [], config.stem
        for stage in config.stages:
            blocks = [BLOCKS[stage.block](stage) for _ in range(stage.depth)]
            stages.append(nn.Sequential(*_entry(in_width, stage), *blocks))
            in_width = stage.width
        self.stages = nn.Sequential(*stages)
        self.projection = nn.Linear(in_width, config.projected_dim)
