"""A classifier of images: any network from images to features, and a linear head.

Students and offline teachers are such classifiers, of different size.
"""

from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn


class BodyConfig(Protocol):
    """Size of a network from images to features."""

    @property
    def feature_dim(self) -> int:
        """D."""

    def build(self, *, image_channels: int) -> nn.Module:
        """The network, [B, C, H, W] in [0, 1] -> [B, D], with fresh weights."""


class Classified(NamedTuple):
    """Features [B, D] and class scores [B, num_classes] of a batch, both float32."""

    features: Tensor
    scores: Tensor


class ImageClassifier(nn.Module):
    """A network from images to features, and a linear head.

    Shapes: images [B, C, H, W] in [0, 1] -> features [B, D], scores [B, num_classes].
    """

    def __init__(self, config: BodyConfig, *, image_channels: int, num_classes: int) -> None:
        super().__init__()
        self.body: Any = config.build(image_channels=image_channels)
        self.head = nn.Linear(config.feature_dim, num_classes)

    def forward(self, images: Tensor) -> Classified:
        """Features and scores."""
        features = self.body(images)
        return Classified(features, self.head(features).float())
