"""Deep joint source-channel coding of images: five convolutions each way, no classifier.

Source: Bourtsoulatze, Kurka and Gunduz, Deep Joint Source-Channel Coding for Wireless Image
Transmission, IEEE Trans. Cogn. Commun. Netw. 5, 2019, fig. 2: 5x5 kernels, PReLU, 16 and 32
channels, sigmoid at the end.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import conv2d, pad, pixel_shuffle

WIDTHS = (16, 32, 32, 32)
STRIDES = (2, 2, 1, 1, 1)


class SubPixelTransposed(nn.ConvTranspose2d):
    """A transposed 5x5 convolution of stride 2, computed as four parallel 3x3 convolutions.

    It omits most weights of the 5x5 kernel that would be multiplied by the zeros between input
    pixels. A plain convolution is fast on CPUs: with few output channels it takes a third of the
    time.
    Source: Shi et al., Is the deconvolution layer the same as a convolutional layer?, 2016.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 5, 2, padding=2, output_padding=1)

    def forward(self, maps: Tensor) -> Tensor:  # type: ignore[override] # its size is fixed
        """Shapes: [B, in, H, W] -> [B, out, 2H, 2W]."""
        # output row 2i + a is the sum of weight[a + 2 - 2d] over input rows i + d, d in -1, 0, 1
        phases = pad(self.weight, (0, 1, 0, 1)).unflatten(3, (3, 2)).unflatten(2, (3, 2))
        kernels = phases.flip(2, 4).permute(1, 3, 5, 0, 2, 4).flatten(0, 2)  # [4 out, in, 3, 3]
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        return pixel_shuffle(conv2d(maps, kernels, bias, padding=1), 2)


@dataclass(frozen=True, kw_only=True)
class DeepJsccImageConfig:
    """Size of an encoder and decoder of images; 143 thousand parameters for c = 8 and RGB."""

    bottleneck: int  # c; k = c H W / 32 complex channel uses

    def build(self, *, image_channels: int) -> "DeepJsccImage":
        """The encoder and decoder with weights drawn from torch's global generator."""
        return DeepJsccImage(self, image_channels=image_channels)


class DeepJsccImage(nn.Module):
    """Encoder from images to symbols, and decoder back to images.

    Shapes: encode: images [B, C, H, W] in [0, 1] -> values [B, c H W / 16]; decode: values ->
    images [B, C, H, W] in [0, 1]. H and W are multiples of 4.
    """

    def __init__(self, config: DeepJsccImageConfig, *, image_channels: int) -> None:
        super().__init__()
        self.bottleneck = config.bottleneck
        there = (image_channels, *WIDTHS, config.bottleneck)
        steps = list(zip(there, there[1:], STRIDES, strict=False))
        layers: list[nn.Module] = []
        for before, after, stride in steps:
            layers += [nn.Conv2d(before, after, 5, stride, padding=2), nn.PReLU()]
        self.encoder = nn.Sequential(*layers)
        layers = []
        for before, after, stride in reversed(steps):
            layers += [_upwards(after, before, stride), nn.PReLU()]
        self.decoder = nn.Sequential(*layers[:-1], nn.Sigmoid())

    def encode(self, images: Tensor) -> Tensor:
        """Real values of the k symbols, before power control."""
        values: Tensor = self.encoder(images)
        return values.flatten(1).float()

    def decode(self, values: Tensor, *, height: int, width: int) -> Tensor:
        """Images of this height and width."""
        maps = values.view(len(values), self.bottleneck, height // 4, width // 4)
        images: Tensor = self.decoder(maps)
        return images.float()


def _upwards(in_channels: int, out_channels: int, stride: int) -> nn.ConvTranspose2d:
    if stride == 2 and 4 * out_channels <= in_channels:
        return SubPixelTransposed(in_channels, out_channels)
    return nn.ConvTranspose2d(in_channels, out_channels, 5, stride, 2, output_padding=stride - 1)
