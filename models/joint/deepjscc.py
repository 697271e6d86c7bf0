"""Task-oriented deep joint source-channel coding: one model per k, trained for one SNR.

Source: Bourtsoulatze, Kurka and Gunduz, Deep Joint Source-Channel Coding for Wireless Image
Transmission, 2019, with the image decoder replaced by a classifier.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from models.blocks import mlp
from models.joint.base import JointConfig, JointModel


@dataclass(frozen=True, kw_only=True)
class DeepJsccConfig(JointConfig):
    """Size of a task-oriented deep JSCC encoder and decoder."""

    def build(self, *, image_channels: int | None, num_classes: int, uses: int) -> "DeepJscc":
        """The model for `uses` channel uses, with weights drawn from torch's global generator."""
        return DeepJscc(self, image_channels=image_channels, num_classes=num_classes, uses=uses)


class DeepJscc(JointModel):
    """MLP from features to k symbols; MLP and linear classifier from k symbols.

    Shapes: as `JointModel`. Neither end uses the SNR: the model is trained for one.
    """

    def __init__(
        self, config: DeepJsccConfig, *, image_channels: int | None, num_classes: int, uses: int
    ) -> None:
        super().__init__(config, uses=uses, image_channels=image_channels)
        dim = config.body.feature_dim
        self.to_values = mlp(dim, config.hidden, 2 * uses)
        self.from_values = mlp(2 * uses, config.hidden, dim)
        self.head = nn.Linear(dim, num_classes)

    def encode(self, features: Tensor, *, snr_db: Tensor) -> Tensor:  # noqa: ARG002
        """Real values of the k symbols, before power control."""
        values: Tensor = self.to_values(features)
        return values.float()

    def decode(self, received: Tensor, *, snr_db: Tensor, gamma_db: Tensor) -> Tensor:  # noqa: ARG002
        """Features from equalised values."""
        features: Tensor = self.from_values(received)
        return features
