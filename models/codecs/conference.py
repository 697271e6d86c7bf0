"""The channel codec of the conference version of RKD-SC, reimplemented from its description.

It does not use the SNR and supports one length only. The encoder applies the MLP before attention,
the decoder attention before the MLP. In the published code, attention runs over the images of a
batch, so that a codeword depends on the other images. Here it runs over the tokens of one image.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

from models.base import ChannelCodec


@dataclass(frozen=True, kw_only=True)
class ConferenceConfig:
    """Size of the codec."""

    feature_dim: int  # D
    max_uses: int  # K, the only supported number of channel uses
    tokens: int  # T
    width: int  # d
    blocks: int  # per side

    def __post_init__(self) -> None:
        if self.feature_dim % self.tokens or 2 * self.max_uses % self.tokens:
            raise ValueError(f"tokens must divide feature_dim and 2 max_uses, got {self}")

    @property
    def kind(self) -> str:
        """Short description of the codec."""
        return "conference codec"

    def serves(self, k: int) -> bool:
        """Whether the codec supports k channel uses."""
        return k == self.max_uses

    def build(self) -> ChannelCodec:
        """The codec with weights drawn from torch's global generator."""
        features, symbols = self.feature_dim, 2 * self.max_uses
        encoder = ConferenceEnd(self, in_width=features, out_width=symbols, mlp_first=True)
        decoder = ConferenceEnd(self, in_width=symbols, out_width=features, mlp_first=False)
        return ChannelCodec(self, encoder, decoder)


class ConferenceBlock(nn.Module):
    """Single-head attention and a ReLU MLP, each with pre-norm and a residual connection.

    Shapes: [B, T, d] -> [B, T, d].
    """

    def __init__(self, width: int, *, mlp_first: bool) -> None:
        super().__init__()
        self.mlp_first = mlp_first
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 3 * width)
        self.from_head = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Apply the block."""
        if self.mlp_first:
            return self._attend(self._mix(tokens))
        return self._mix(self._attend(tokens))

    def _mix(self, tokens: Tensor) -> Tensor:
        out: Tensor = tokens + self.mlp(self.norm2(tokens))
        return out

    def _attend(self, tokens: Tensor) -> Tensor:
        q, k, v = self.to_qkv(self.norm1(tokens)).chunk(3, dim=2)
        out: Tensor = tokens + self.from_head(scaled_dot_product_attention(q, k, v))
        return out


class ConferenceEnd(nn.Module):
    """Encoder or decoder: embedding, blocks, output layer. It does not use the SNR and k.

    Shapes: values [B, w], w <= in_width -> [B, out_width].
    """

    def __init__(
        self, config: ConferenceConfig, *, in_width: int, out_width: int, mlp_first: bool
    ) -> None:
        super().__init__()
        self.config, self.in_width = config, in_width
        self.embed = nn.Linear(in_width // config.tokens, config.width)
        self.position = nn.Parameter(0.02 * torch.randn(config.tokens, config.width))
        self.blocks = nn.Sequential(
            *(ConferenceBlock(config.width, mlp_first=mlp_first) for _ in range(config.blocks))
        )
        self.out = nn.Linear(config.width, out_width // config.tokens)

    def forward(self, values: Tensor, *, snr_db: Tensor, uses: Tensor) -> Tensor:  # noqa: ARG002
        """Symbol values in the encoder, features in the decoder."""
        values = pad(values, (0, self.in_width - values.shape[1]))
        tokens = self.embed(values.unflatten(1, (self.config.tokens, -1))) + self.position
        out: Tensor = self.out(self.blocks(tokens)).flatten(1)
        return out
