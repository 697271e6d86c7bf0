"""A channel codec of two plain MLPs, the alternative to CAT at equal size."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from models.base import ChannelCodec
from models.blocks import mlp, snr_input


@dataclass(frozen=True, kw_only=True)
class MlpCodecConfig:
    """Size of an MLP codec.

    At D = K = 256, the encoder has as many parameters as that of CAT-64 if `hidden` is 163, and as
    many as that of the recipe `cifar100` if it is 301.
    """

    feature_dim: int  # D
    max_uses: int  # K
    hidden: int

    @property
    def kind(self) -> str:
        """Short description of the codec."""
        return "one nested MLP"

    def serves(self, k: int) -> bool:
        """Whether the codec supports k channel uses."""
        return 1 <= k <= self.max_uses

    def build(self) -> ChannelCodec:
        """The codec with weights drawn from torch's global generator."""
        features, symbols = self.feature_dim, 2 * self.max_uses
        encoder = MlpEnd(self, in_width=features, out_width=symbols)
        return ChannelCodec(self, encoder, MlpDecoder(self, in_width=symbols, out_width=features))


class MlpEnd(nn.Module):
    """Encoder or decoder: values, SNR and k are the inputs of an MLP with one hidden layer.

    Shapes: values [B, in_width], snr_db [B, 1], uses [B, 1] -> [B, out_width].
    """

    def __init__(self, config: MlpCodecConfig, *, in_width: int, out_width: int) -> None:
        super().__init__()
        self.in_width = in_width
        self.max_uses = config.max_uses
        self.net = mlp(in_width + 2, config.hidden, out_width)

    def forward(self, values: Tensor, *, snr_db: Tensor, uses: Tensor) -> Tensor:
        """Symbol values in the encoder, features in the decoder."""
        snr = snr_input(snr_db)
        length = 2 * uses.to(snr.dtype) / self.max_uses - 1
        out: Tensor = self.net(torch.cat([values, snr, length], dim=1))
        return out


class MlpDecoder(MlpEnd):
    """Decoder from received symbols to features; sets symbols at or beyond `uses` to zero.

    Shapes: values [B, 2w] with w <= K -> features [B, D].
    """

    def forward(self, values: Tensor, *, snr_db: Tensor, uses: Tensor) -> Tensor:
        """Estimated features."""
        padded = pad(values, (0, self.in_width - values.shape[1]))
        known = torch.arange(self.in_width, device=values.device) < 2 * uses
        return super().forward(padded * known, snr_db=snr_db, uses=uses)
