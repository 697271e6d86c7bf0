"""Task-oriented deep joint source-channel coding: trained end to end, one model per k.

Source: Bourtsoulatze, Kurka and Gunduz, Deep Joint Source-Channel Coding for Wireless Image
Transmission, 2019, with the decoder of images replaced by a classifier (METHOD, baseline B2).
"""

from dataclasses import dataclass

from torch import Tensor, nn

from models.blocks import mlp
from models.students import StudentConfig


@dataclass(frozen=True, kw_only=True)
class DeepJsccConfig:
    """Size of a task-oriented deep JSCC pair."""

    body: StudentConfig  # the backbone, the same as the student's for a fair comparison
    hidden: int  # hidden width of the channel encoder and decoder

    def build(self, *, image_channels: int, num_classes: int, uses: int) -> "DeepJscc":
        """The pair for `uses` channel uses, fresh weights from torch's global state."""
        return DeepJscc(self, image_channels=image_channels, num_classes=num_classes, uses=uses)


class DeepJscc(nn.Module):
    """Backbone and MLP to k symbols; MLP and linear classifier from k symbols.

    Shapes: encode: images [B, C, H, W] -> values [B, 2k]; decode: values [B, 2k] -> scores
    [B, num_classes]. Neither side is told the SNR: the model is made for one.
    """

    def __init__(
        self, config: DeepJsccConfig, *, image_channels: int, num_classes: int, uses: int
    ) -> None:
        super().__init__()
        dim = config.body.feature_dim
        self.uses = uses
        self.body = config.body.build(image_channels=image_channels)
        self.to_values = mlp(dim, config.hidden, 2 * uses)
        self.from_values = mlp(2 * uses, config.hidden, dim)
        self.head = nn.Linear(dim, num_classes)

    def encode(self, images: Tensor) -> Tensor:
        """Real values of the k symbols, before power control."""
        values: Tensor = self.to_values(self.body(images))
        return values.float()

    def decode(self, values: Tensor) -> Tensor:
        """Class scores from equalised values."""
        scores: Tensor = self.head(self.from_values(values))
        return scores.float()
