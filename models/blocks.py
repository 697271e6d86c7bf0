"""Layers used by at least two models."""

import torch
from torch import Tensor, nn

SNR_RANGE_DB = (-20.0, 30.0)  # of receive SNRs, which vary by fading around those of training


def normalised(images: Tensor) -> Tensor:
    """Images [B, C, H, W] in [0, 1] with about zero mean and unit variance, channels last."""
    return ((images - 0.5) / 0.25).to(memory_format=torch.channels_last)


class Pointwise(nn.Conv2d):
    """A 1x1 convolution with stride `every`, without bias.

    The pixels are selected before the convolution, because a strided 1x1 convolution with fewer
    than 8 channels writes out of bounds in the backward pass of oneDNN on CPUs with AVX2
    (uxlfoundation/oneDNN, issue 6035).

    Shapes: [B, in_width, H, W] -> [B, out_width, ceil(H / every), ceil(W / every)].
    """

    def __init__(self, in_width: int, out_width: int, *, every: int) -> None:
        super().__init__(in_width, out_width, 1, bias=False)
        self.every = every

    def forward(self, images: Tensor) -> Tensor:
        """The convolution of the selected pixels."""
        return super().forward(images[..., :: self.every, :: self.every])


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation and an identity or 1x1 shortcut.

    Shapes: [B, in_width, H, W] -> [B, out_width, ceil(H / stride), ceil(W / stride)].
    Source: He et al., Deep Residual Learning for Image Recognition, 2016, fig. 2.
    """

    def __init__(self, in_width: int, out_width: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_width, out_width, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_width)
        self.conv2 = nn.Conv2d(out_width, out_width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_width)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_width != out_width:
            conv = Pointwise(in_width, out_width, every=stride)
            self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(out_width))

    def forward(self, images: Tensor) -> Tensor:
        """The block's output, after the last activation."""
        hidden = torch.relu(self.norm1(self.conv1(images)))
        hidden = self.norm2(self.conv2(hidden))
        return torch.relu(hidden + self.shortcut(images))


def mlp(in_width: int, hidden: int, out_width: int) -> nn.Sequential:
    """One hidden layer with GELU: [B, in_width] -> [B, out_width]."""
    return nn.Sequential(nn.Linear(in_width, hidden), nn.GELU(), nn.Linear(hidden, out_width))


def snr_input(snr_db: Tensor) -> Tensor:
    """SNR in dB as an input of networks: clamped and divided by 10, [B, 1] -> [B, 1]."""
    return snr_db.clamp(*SNR_RANGE_DB) / 10


def parameter_count(*modules: nn.Module) -> int:
    """Number of parameters, trainable or frozen, without buffers."""
    return sum(p.numel() for module in modules for p in module.parameters())
