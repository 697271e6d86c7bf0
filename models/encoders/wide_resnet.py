"""Wide residual networks, the offline teacher for a GPU.

Source: Zagoruyko and Komodakis, Wide Residual Networks, 2016, table 1: pre-activation basic blocks.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.blocks import Pointwise, normalised


@dataclass(frozen=True, kw_only=True)
class WideResNetConfig:
    """WRN-depth-widen; the image's channels come from the data."""

    depth: int  # 6 n + 4 layers, n blocks in each of three groups
    widen: int  # factor on the widths 16, 32, 64

    def __post_init__(self) -> None:
        if self.depth < 10 or (self.depth - 4) % 6 or self.widen < 1:
            raise ValueError(f"depth must be 6 n + 4 and widen at least 1, got {self}")

    @property
    def feature_dim(self) -> int:
        """D, the number of channels before the classifier."""
        return 64 * self.widen

    def build(self, *, image_channels: int) -> "WideResNet":
        """The network with weights drawn from torch's global generator."""
        return WideResNet(self, image_channels=image_channels)


class WideBlock(nn.Module):
    """Norm, ReLU and a 3x3 convolution, twice, with an identity or 1x1 shortcut.

    Shapes: [B, in_width, H, W] -> [B, out_width, ceil(H / stride), ceil(W / stride)].
    """

    def __init__(self, in_width: int, out_width: int, *, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_width)
        self.conv1 = nn.Conv2d(in_width, out_width, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_width)
        self.conv2 = nn.Conv2d(out_width, out_width, 3, padding=1, bias=False)
        self.shortcut: nn.Module | None = None
        if stride != 1 or in_width != out_width:
            self.shortcut = Pointwise(in_width, out_width, every=stride)

    def forward(self, images: Tensor) -> Tensor:
        """The block's output, before any activation."""
        active = torch.relu(self.norm1(images))
        hidden: Tensor = self.conv2(torch.relu(self.norm2(self.conv1(active))))
        return hidden + (images if self.shortcut is None else self.shortcut(active))


class WideResNet(nn.Module):
    """Stem, three groups of blocks, global average pooling.

    Shapes: images [B, C, H, W] in [0, 1] -> features [B, 64 widen], float32.
    """

    def __init__(self, config: WideResNetConfig, *, image_channels: int) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Conv2d(image_channels, 16, 3, padding=1, bias=False)
        blocks: list[nn.Module] = []
        in_width = 16
        for group, base in enumerate((16, 32, 64)):
            for block in range((config.depth - 4) // 6):
                stride = 2 if group > 0 and block == 0 else 1
                blocks.append(WideBlock(in_width, base * config.widen, stride=stride))
                in_width = base * config.widen
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.BatchNorm2d(in_width)

    def forward(self, images: Tensor) -> Tensor:
        """Features [B, D] of images [B, C, H, W]."""
        hidden = torch.relu(self.norm(self.blocks(self.stem(normalised(images)))))
        return hidden.mean(dim=(2, 3)).float()
