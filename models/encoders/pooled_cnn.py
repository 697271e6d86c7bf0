"""A residual CNN that pools early: few channels at full resolution, many at low resolution.

It follows the fast CIFAR networks of K. Jordan (94 % on CIFAR-10 in 3.29 seconds, 2024, section 3):
per stage one convolution, max pooling, and a second convolution with a shortcut. At equal cost it
learns far faster than a residual network with strides (DECISIONS 24).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.encoders.convolutional import ConvolutionalEncoder


@dataclass(frozen=True, kw_only=True)
class PooledCnnConfig:
    """Size of a `PooledCnn`; the image's channels come from the data."""

    stem: int  # channels at full resolution
    widths: tuple[int, ...]  # one stage each; every stage halves height and width
    projected_dim: int | None  # D after a linear projection; None: the last width, no projection

    def __post_init__(self) -> None:
        if not self.widths or min(self.stem, *self.widths, self.projected_dim or 1) < 1:
            raise ValueError(f"stem, widths and projected_dim must be at least 1, got {self}")

    @property
    def feature_dim(self) -> int:
        """D."""
        return self.projected_dim or self.widths[-1]

    def build(self, *, image_channels: int) -> "PooledCnn":
        """The network with weights drawn from torch's global generator."""
        return PooledCnn(self, image_channels=image_channels)


class PooledStage(nn.Module):
    """Convolution, 2x2 max pooling, then a convolution with an identity shortcut.

    Shapes: [B, in_width, H, W] -> [B, out_width, ceil(H / 2), ceil(W / 2)].
    """

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__()
        self.widen = nn.Conv2d(in_width, out_width, 3, padding=1, bias=False)
        self.pool = nn.MaxPool2d(2, ceil_mode=True)
        self.norm1 = nn.BatchNorm2d(out_width)
        self.conv = nn.Conv2d(out_width, out_width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_width)

    def forward(self, images: Tensor) -> Tensor:
        """The stage's output, after activations."""
        hidden = torch.relu(self.norm1(self.pool(self.widen(images))))
        return hidden + torch.relu(self.norm2(self.conv(hidden)))


class PooledCnn(ConvolutionalEncoder):
    """Stem, stages, global average pooling, and an optional linear projection.

    Shapes: images [B, C, H, W] in [0, 1] -> features [B, D]. Any H and W.
    """

    def __init__(self, config: PooledCnnConfig, *, image_channels: int) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Sequential(
            nn.Conv2d(image_channels, config.stem, 3, padding=1, bias=False),
            nn.BatchNorm2d(config.stem),
            nn.ReLU(),
        )
        pairs = zip((config.stem, *config.widths), config.widths, strict=False)
        self.stages = nn.Sequential(*(PooledStage(before, after) for before, after in pairs))
        self.projection = nn.Identity()
        if config.projected_dim is not None:
            self.projection = nn.Linear(config.widths[-1], config.projected_dim)
