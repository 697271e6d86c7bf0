"""A residual CNN from images to features."""

from dataclasses import dataclass

from torch import nn

from models.blocks import ResidualBlock
from models.encoders.convolutional import ConvolutionalEncoder


@dataclass(frozen=True, kw_only=True)
class ResidualCnnConfig:
    """Size of a `ResidualCnn`; the image's channels come from the data."""

    widths: tuple[int, ...]  # one stage each; every stage but the first halves height and width
    blocks: int  # residual blocks per stage
    feature_dim: int  # D

    def __post_init__(self) -> None:
        if not self.widths or min(self.widths) < 1 or self.blocks < 1 or self.feature_dim < 1:
            raise ValueError(f"widths, blocks and feature_dim must be at least 1, got {self}")

    def build(self, *, image_channels: int) -> "ResidualCnn":
        """The network with weights drawn from torch's global generator."""
        return ResidualCnn(self, image_channels=image_channels)


class ResidualCnn(ConvolutionalEncoder):
    """Stem, residual stages, global average pooling, one linear projection.

    Shapes: images [B, C, H, W] in [0, 1] -> features [B, D]. Any H and W.
    """

    def __init__(self, config: ResidualCnnConfig, *, image_channels: int) -> None:
        super().__init__()
        self.config = config
        first = config.widths[0]
        self.stem = nn.Sequential(
            nn.Conv2d(image_channels, first, 3, padding=1, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
        )
        self.stages = nn.Sequential(*_stages(config))
        self.projection = nn.Linear(config.widths[-1], config.feature_dim)

    def freeze_all_but_last_stage(self) -> None:
        """Leave only the last stage and the projection trainable."""
        self.requires_grad_(False)
        last = self.stages[-self.config.blocks :]
        for module in (last, self.projection):
            module.requires_grad_(True)


def _stages(config: ResidualCnnConfig) -> list[nn.Module]:
    blocks: list[nn.Module] = []
    in_width = config.widths[0]
    for stage, width in enumerate(config.widths):
        for block in range(config.blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            blocks.append(ResidualBlock(in_width, width, stride=stride))
            in_width = width
    return blocks
