"""The channel-aware transformer (CAT) codec with a variable number of channel uses.

Source: RKD-SC (arXiv 2508.02148) names the block. Its layers follow the published text as far as it
describes them. The channel condition uses the adaptive layer normalisation of DiT (Peebles and Xie,
2023).
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

from models.base import ChannelCodec
from models.blocks import mlp, snr_input


@dataclass(frozen=True, kw_only=True)
class CatConfig:
    """Size of a CAT codec."""

    feature_dim: int  # D
    max_uses: int  # K, symbols of the longest codeword
    tokens: int  # T, pieces into which the feature vector is cut
    width: int  # d, width of a token
    blocks: int  # transformer blocks per side
    heads: int  # attention heads
    mlp_ratio: int  # hidden width of a block's MLP over d
    use_snr: bool  # False: the codec ignores the SNR (an ablation)
    lengths: tuple[int, ...] = ()  # an output layer for each of these k, instead of prefixes
    dense: bool = False  # the first and last layers mix all tokens
    condition_width: int | None = None  # of the channel condition; None: d
    prototypes: int = 0  # M, vectors among which each end can choose; 0: no such layer
    reliability: bool = False  # the decoder also takes the reliability of each symbol
    attention: bool = True  # False: blocks have only an MLP; only dense layers mix tokens

    def __post_init__(self) -> None:
        for name, value in (("feature_dim", self.feature_dim), ("max_uses", self.max_uses)):
            if value % self.tokens:
                raise ValueError(f"{name} must be a multiple of tokens={self.tokens}, got {value}")
        if any(2 * k % self.tokens or not 0 < k <= self.max_uses for k in self.lengths):
            raise ValueError(
                "2 k must be a multiple of tokens, and k from 1 to max_uses, for k in lengths, got "
                f"{self}"
            )
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads={self.heads}, got {self.width}")

    @property
    def kind(self) -> str:
        """Short description of the codec."""
        return "one model, a head per k" if self.lengths else "one nested model"

    def serves(self, k: int) -> bool:
        """Whether the codec supports k channel uses."""
        return k in self.lengths if self.lengths else 1 <= k <= self.max_uses

    def build(self) -> ChannelCodec:
        """The codec with weights drawn from torch's global generator."""
        return ChannelCodec(self, CatEncoder(self), CatDecoder(self))


class DenseLinear(nn.Module):
    """A linear layer from all tokens to all tokens: [B, T, in_width] -> [B, T, out_width].

    A linear layer shared by the tokens cannot distinguish between them, so it cannot form codewords
    over the whole feature vector.
    """

    def __init__(self, tokens: int, in_width: int, out_width: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.linear = nn.Linear(tokens * in_width, tokens * out_width)

    def forward(self, pieces: Tensor) -> Tensor:
        """The new tokens."""
        out: Tensor = self.linear(pieces.flatten(1)).unflatten(1, (self.tokens, -1))
        return out


class Prototypes(nn.Module):
    """A soft choice among M learnt prototypes: V softmax(K x + b), [B, in_width] -> [B, out_width].

    A channel of low capacity can carry little more than a choice, such as the class. Narrow blocks
    learn such a choice slowly; this layer computes it in one step.
    """

    def __init__(self, in_width: int, number: int, out_width: int) -> None:
        super().__init__()
        self.keys = nn.Linear(in_width, number)
        self.values = nn.Linear(number, out_width, bias=False)

    def forward(self, values: Tensor) -> Tensor:
        """The mean of the prototypes, weighted by the softmax."""
        out: Tensor = self.values(self.keys(values).softmax(dim=1))
        return out


def outer_layer(config: CatConfig, in_width: int, out_width: int) -> nn.Module:
    """The first or the last layer of a trunk."""
    if config.dense:
        return DenseLinear(config.tokens, in_width, out_width)
    return nn.Linear(in_width, out_width)


class CatBlock(nn.Module):
    """Pre-norm attention and MLP; the condition shifts, scales and gates both branches.

    Shapes: tokens [B, T, d], condition [B, 1, c] or, per token, [B, T, c], there
    [B, 1, 1, T] bool -> [B, T, d]. Attention runs over the tokens of one image. The modulation
    starts at zero, so that a new block is a plain transformer block.
    """

    def __init__(self, config: CatConfig) -> None:
        super().__init__()
        d, self.attention = config.width, config.attention
        if config.attention:
            self.heads = config.heads
            self.norm1 = nn.LayerNorm(d, elementwise_affine=False)
            self.to_qkv = nn.Linear(d, 3 * d)
            self.from_heads = nn.Linear(d, d)
        self.norm2 = nn.LayerNorm(d, elementwise_affine=False)
        self.mlp = mlp(d, config.mlp_ratio * d, d)
        changes = 3 * (1 + config.attention)  # shift, scale and gate of every branch
        self.modulation = nn.Linear(config.condition_width or d, changes * d)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, tokens: Tensor, condition: Tensor, there: Tensor | None = None) -> Tensor:
        """Apply the block; if `there` is given, only tokens where it is True are attended to."""
        modulation = self.modulation(condition)  # [B, 1 or T, 3d or 6d]
        shift, scale, gate, *others = modulation.chunk(6 if self.attention else 3, dim=2)
        if self.attention:
            attended = self._attend(self.norm1(tokens) * (1 + scale) + shift, there)
            tokens = tokens + (1 + gate) * attended
            shift, scale, gate = others
        mixed: Tensor = self.mlp(self.norm2(tokens) * (1 + scale) + shift)
        out: Tensor = tokens + (1 + gate) * mixed
        return out

    def _attend(self, tokens: Tensor, there: Tensor | None) -> Tensor:
        batch, num_tokens, width = tokens.shape
        shape = (batch, num_tokens, 3, self.heads, width // self.heads)
        q, k, v = self.to_qkv(tokens).view(shape).permute(2, 0, 3, 1, 4)  # [B, heads, T, d/heads]
        attended = scaled_dot_product_attention(q, k, v, attn_mask=there).transpose(1, 2)
        out: Tensor = self.from_heads(attended.reshape(batch, num_tokens, width))
        return out


class CatTrunk(nn.Module):
    """Position embedding, channel condition and blocks, in both encoder and decoder.

    Shapes: pieces [B, T, in_width] -> [B, T, out_width]. The condition is an MLP of
    [SNR / 10 dB, 2 k / K - 1].
    """

    def __init__(
        self, config: CatConfig, *, in_width: int, out_width: int, choose: Literal["in", "out"]
    ) -> None:
        super().__init__()
        self.max_uses = config.max_uses
        self.use_snr = config.use_snr
        self.embed = outer_layer(config, in_width, config.width)
        self.position = nn.Parameter(0.02 * torch.randn(config.tokens, config.width))
        self.condition = mlp(2, config.width, config.condition_width or config.width)
        self.blocks = nn.ModuleList(CatBlock(config) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(config.width) if config.dense else nn.Identity()
        self.out = outer_layer(config, config.width, out_width)
        if config.prototypes:
            ends = (in_width, config.width) if choose == "in" else (config.width, out_width)
            first, last = (config.tokens * width for width in ends)
            self.choice = Prototypes(first, config.prototypes, last)
        self.choose = choose if config.prototypes else None

    def forward(self, pieces: Tensor, *, snr_db: Tensor, uses: Tensor) -> Tensor:
        """The trunk's output, one row per token."""
        tokens = self.hidden(pieces, snr_db=snr_db, uses=uses)
        out: Tensor = self.out(tokens)
        return out + self._chosen(tokens, out) if self.choose == "out" else out

    def hidden(self, pieces: Tensor, *, snr_db: Tensor, uses: Tensor) -> Tensor:
        """Tokens [B, T, d] before the output layer."""
        snr = snr_input(snr_db) if self.use_snr else torch.zeros_like(snr_db)
        length = 2 * uses.to(snr.dtype) / self.max_uses - 1
        condition = self.condition(torch.cat([snr, length], dim=1)).unsqueeze(1)  # [B, 1, c]
        tokens: Tensor = self.embed(pieces) + self.position
        if self.choose == "in":
            tokens = tokens + self._chosen(pieces, tokens)
        for block in self.blocks:
            tokens = block(tokens, condition)
        out: Tensor = self.norm(tokens)
        return out

    def _chosen(self, tokens: Tensor, like: Tensor) -> Tensor:
        """Output of the prototype layer, in the shape of `like`."""
        chosen: Tensor = self.choice(tokens.flatten(1)).view_as(like)
        return chosen


class CatEncoder(nn.Module):
    """Encoder from features to symbols. Every prefix of the K symbols is a codeword of its own.

    Shapes: features [B, D], snr_db [B, 1], uses [B, 1] -> values [B, 2K], pairs (re, im).
    The order is symbol-major, tokens inner: symbol 1 of every token, then symbol 2, and so on,
    so that a prefix of k >= T symbols covers all tokens evenly.
    """

    def __init__(self, config: CatConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = CatTrunk(
            config,
            in_width=config.feature_dim // config.tokens,
            out_width=2 * config.max_uses // config.tokens,
            choose="in",
        )
        if config.lengths:
            self.trunk.out = nn.Identity()
            widths = (2 * k // config.tokens for k in config.lengths)
            outs = (outer_layer(config, config.width, width) for width in widths)
            self.outs = nn.ModuleList(outs)

    def forward(self, features: Tensor, *, snr_db: Tensor, uses: Tensor) -> Tensor:
        """Real values of all K symbols, before power control."""
        pieces = features.view(features.shape[0], self.config.tokens, -1)
        if self.config.lengths:
            tokens = self.trunk.hidden(pieces, snr_db=snr_db, uses=uses)
            return self._by_length(tokens, uses)
        out: Tensor = self.trunk(pieces, snr_db=snr_db, uses=uses)  # [B, T, 2K/T]
        values: Tensor = out.unflatten(2, (-1, 2)).transpose(1, 2).flatten(1)
        return values

    def _by_length(self, tokens: Tensor, uses: Tensor) -> Tensor:
        """Values from the output layer for each image's k, followed by zeros."""
        values = tokens.new_zeros((tokens.shape[0], 2 * self.config.max_uses))
        for k, layer in zip(self.config.lengths, self.outs, strict=True):
            own = layer(tokens).transpose(1, 2).flatten(1)  # [B, 2k], tokens inner
            values = torch.where(uses == k, pad(own, (0, values.shape[1] - own.shape[1])), values)
        return values


class CatDecoder(nn.Module):
    """Decoder from received symbols to features.

    Shapes: values [B, 2w] with w <= K, snr_db [B, 1], uses [B, 1] -> features [B, D].
    Symbols at or beyond `uses` are set to zero. A flag per symbol marks them as missing, so that a
    token has 3K/T input values. Dense layers have no flags, only the condition on k, and 2K/T
    values. With `reliability` [B, w], from 0 to 1 for every symbol, there are K/T more.
    """

    def __init__(self, config: CatConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = CatTrunk(
            config,
            in_width=_slots(config) * config.max_uses // config.tokens,
            out_width=config.feature_dim // config.tokens,
            choose="out",
        )

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile only the trunk, whose shapes are the same for every k."""
        self.trunk.compile(*args, **kwargs)

    def forward(
        self, values: Tensor, *, snr_db: Tensor, uses: Tensor, reliability: Tensor | None = None
    ) -> Tensor:
        """Estimated features."""
        config = self.config
        padded = pad(values, (0, 2 * config.max_uses - values.shape[1])).unflatten(1, (-1, 2))
        known = torch.arange(config.max_uses, device=values.device) < uses  # [B, K]
        known = known.unsqueeze(2).to(values.dtype)
        given = [padded * known] if config.dense else [padded * known, known]
        if reliability is not None:
            more = config.max_uses - reliability.shape[1]
            given.append(pad(reliability, (0, more)).unsqueeze(2) * known)
        slots = torch.cat(given, dim=2)
        pieces = slots.unflatten(1, (-1, config.tokens)).transpose(1, 2).flatten(2)
        out: Tensor = self.trunk(pieces, snr_db=snr_db, uses=uses)  # [B, T, D/T]
        return out.flatten(1)


def _slots(config: CatConfig) -> int:
    """Number of input values of the decoder per symbol."""
    return 2 + (not config.dense) + config.reliability
