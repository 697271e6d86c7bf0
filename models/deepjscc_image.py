"""Deep joint source-channel coding of images: five convolutions each way, no classifier.

Source: Bourtsoulatze, Kurka and Gunduz, Deep Joint Source-Channel Coding for Wireless Image
Transmission, IEEE Trans. Cogn. Commun. Netw. 5, 2019, fig. 2: 5x5 kernels, PReLU, 16 and 32
channels, sigmoid at the end.
"""

from dataclasses import dataclass

from torch import Tensor, nn

WIDTHS = (16, 32, 32, 32)
STRIDES = (2, 2, 1, 1, 1)


@dataclass(frozen=True, kw_only=True)
class DeepJsccImageConfig:
    """Size of an image-to-image pair: c = 8 has 143 thousand parameters for RGB."""

    bottleneck: int  # c; k = c H W / 32 complex channel uses

    def build(self, *, image_channels: int) -> "DeepJsccImage":
        """The pair with fresh weights from torch's global state."""
        return DeepJsccImage(self, image_channels=image_channels)


class DeepJsccImage(nn.Module):
    """Image to symbols and back.

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
            up = nn.ConvTranspose2d(after, before, 5, stride, 2, output_padding=stride - 1)
            layers += [up, nn.PReLU()]
        self.decoder = nn.Sequential(*layers[:-1], nn.Sigmoid())

    def encode(self, images: Tensor) -> Tensor:
        """Real values of the k symbols, before power control."""
        values: Tensor = self.encoder(images)
        return values.flatten(1).float()

    def decode(self, values: Tensor, *, height: int, width: int) -> Tensor:
        """Images of that height and width."""
        maps = values.view(len(values), self.bottleneck, height // 4, width // 4)
        images: Tensor = self.decoder(maps)
        return images.float()
