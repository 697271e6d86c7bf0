"""SNR-adaptive deep joint source-channel coding: attention-feature modules at both ends.

Source: Xu, Ai, Chen, Yang, Sun and Rodrigues, Wireless Image Transmission Using Deep Source Channel
Coding With Attention Modules, 2020 (arXiv 2012.00533); here around the MLPs of a classifier in
place of the convolutions of an image codec.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from models.blocks import mlp, snr_input
from models.joint.base import JointConfig, JointModel


@dataclass(frozen=True, kw_only=True)
class AdjsccConfig(JointConfig):
    """Size of an SNR-adaptive encoder and decoder."""

    attention: int  # hidden width of every attention-feature module

    knows_snr: ClassVar[bool] = True

    def build(self, *, image_channels: int | None, num_classes: int, uses: int) -> "Adjscc":
        """The model for `uses` channel uses, with weights drawn from torch's global generator."""
        return Adjscc(self, image_channels=image_channels, num_classes=num_classes, uses=uses)


class AttentionFeature(nn.Module):
    """Scales every feature by a factor between 0 and 1, computed from all features and the SNR.

    Shapes: features [B, N], snr_db [B, 1] -> [B, N]. The source first pools a feature map to one
    number per channel; a vector needs no pooling.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.factors = mlp(width + 1, hidden, width)

    def forward(self, features: Tensor, *, snr_db: Tensor) -> Tensor:
        """Features times their factors."""
        context = torch.cat([features, snr_input(snr_db)], dim=1)
        return features * torch.sigmoid(self.factors(context))


class Attended(nn.Module):
    """An `mlp` with attention at its hidden layer and, if `at_input`, at its input.

    Shapes: [B, in_width], snr_db [B, 1] -> [B, out_width].
    """

    def __init__(
        self, in_width: int, hidden: int, out_width: int, *, attention: int, at_input: bool
    ) -> None:
        super().__init__()
        self.attend_input = AttentionFeature(in_width, attention) if at_input else None
        self.into = nn.Linear(in_width, hidden)
        self.attend_hidden = AttentionFeature(hidden, attention)
        self.out = nn.Linear(hidden, out_width)

    def forward(self, values: Tensor, *, snr_db: Tensor) -> Tensor:
        """Output values [B, out_width]."""
        if self.attend_input is not None:
            values = self.attend_input(values, snr_db=snr_db)
        hidden = nn.functional.gelu(self.into(values))
        out: Tensor = self.out(self.attend_hidden(hidden, snr_db=snr_db))
        return out


class Adjscc(JointModel):
    """`DeepJscc` with attention after every layer that outputs features.

    Shapes: as `JointModel`. Attention uses the average SNR in the encoder and the receive SNR in
    the decoder.
    """

    def __init__(
        self, config: AdjsccConfig, *, image_channels: int | None, num_classes: int, uses: int
    ) -> None:
        super().__init__(config, uses=uses, image_channels=image_channels)
        dim, hidden, attention = config.body.feature_dim, config.hidden, config.attention
        self.to_values = Attended(dim, hidden, 2 * uses, attention=attention, at_input=True)
        self.from_values = Attended(2 * uses, hidden, dim, attention=attention, at_input=False)
        self.attend_output = AttentionFeature(dim, attention)
        self.head = nn.Linear(dim, num_classes)

    def encode(self, features: Tensor, *, snr_db: Tensor) -> Tensor:
        """Real values of the k symbols, before power control."""
        values: Tensor = self.to_values(features, snr_db=snr_db)
        return values.float()

    def decode(self, received: Tensor, *, snr_db: Tensor, gamma_db: Tensor) -> Tensor:  # noqa: ARG002
        """Features from equalised values."""
        estimate = self.from_values(received, snr_db=gamma_db)
        features: Tensor = self.attend_output(estimate, snr_db=gamma_db)
        return features
