"""No codec at all: the feature vector itself is sent at unit power."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from models.base import ChannelCodec


@dataclass(frozen=True, kw_only=True)
class UncodedConfig:
    """Sends D features as D/2 complex symbols, repeated to fill k channel uses."""

    feature_dim: int  # D, even
    max_uses: int  # K, a multiple of D/2

    def __post_init__(self) -> None:
        if self.feature_dim % 2 or self.max_uses % (self.feature_dim // 2):
            raise ValueError(f"max_uses must be a multiple of feature_dim / 2, got {self}")

    @property
    def kind(self) -> str:
        """Short description of the codec."""
        return "features sent uncoded"

    def serves(self, k: int) -> bool:
        """Whether k channel uses hold a whole number of copies of the feature vector."""
        return 1 <= k <= self.max_uses and k % (self.feature_dim // 2) == 0

    def build(self) -> ChannelCodec:
        """The codec; it has no weights."""
        return ChannelCodec(self, UncodedEncoder(self), UncodedDecoder(self))


class UncodedEncoder(nn.Module):
    """Repeats the features. Shapes: features [B, D] -> values [B, 2K]."""

    def __init__(self, config: UncodedConfig) -> None:
        super().__init__()
        self.copies = 2 * config.max_uses // config.feature_dim

    def forward(self, features: Tensor, *, snr_db: Tensor, uses: Tensor) -> Tensor:  # noqa: ARG002
        """Real values of all symbols, before power control."""
        return features.repeat(1, self.copies)


class UncodedDecoder(nn.Module):
    """Averages all received copies. Shapes: values [B, 2k] -> features [B, D].

    Power control removes the scale of an image's features; the estimate has mean square 1.
    """

    def __init__(self, config: UncodedConfig) -> None:
        super().__init__()
        self.feature_dim = config.feature_dim

    def forward(self, values: Tensor, *, snr_db: Tensor, uses: Tensor) -> Tensor:  # noqa: ARG002
        """Estimated features."""
        known = torch.arange(values.shape[1], device=values.device) < 2 * uses
        padded = pad(values * known, (0, -values.shape[1] % self.feature_dim))
        total = padded.unflatten(1, (-1, self.feature_dim)).sum(dim=1)
        out: Tensor = math.sqrt(2) * total * self.feature_dim / (2 * uses)
        return out
