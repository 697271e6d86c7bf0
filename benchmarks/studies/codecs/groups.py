"""A decoder whose tokens are groups of symbols, each conditioned on its own SNR.

With unequal gains within a grid, attention could help here: groups received at a high SNR can make
up for those at a low SNR.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from channels.units import linear_to_db
from models import CatConfig, ChannelCodec
from models.blocks import mlp, snr_input
from models.codecs.cat import CatBlock, CatEncoder, Prototypes

SLOTS = 3  # values of a symbol: real and imaginary part, reliability
LEAST = 1e-3  # lowest SNR of a group as condition, linear


@dataclass(frozen=True, kw_only=True)
class GroupsConfig:
    """A codec with the transmitter of `cat`, and a receiver with a token for each group."""

    cat: CatConfig
    group: int  # symbols per token
    width: int  # of a token
    attention: bool  # False: groups are combined only in the last layer
    reliability: bool = True  # the decoder takes the reliability of every symbol

    @property
    def feature_dim(self) -> int:
        """D."""
        return self.cat.feature_dim

    @property
    def max_uses(self) -> int:
        """K."""
        return self.cat.max_uses

    @property
    def kind(self) -> str:
        """The codec in words."""
        return "one nested model, a token for each group of symbols"

    def serves(self, k: int) -> bool:
        """Whether the transmitter serves k."""
        return self.cat.serves(k)

    def build(self) -> ChannelCodec:
        """The codec with fresh weights from torch's global state."""
        return ChannelCodec(self, CatEncoder(self.cat), GroupsDecoder(self))


class GroupsDecoder(nn.Module):
    """Received symbols to features, by blocks of `cat` over groups of symbols.

    Every group has a first layer of its own. The last layer and the prototypes take all groups, as
    the dense ends of `cat` do. Groups without a symbol are masked.

    Shapes: values [B, 2w] with w <= K, snr_db [B, 1], uses [B, 1], reliability [B, w] -> [B, D].
    """

    def __init__(self, config: GroupsConfig) -> None:
        super().__init__()
        cat, width = config.cat, config.width
        self.group, self.groups = config.group, cat.max_uses // config.group
        self.max_uses = cat.max_uses
        inside = SLOTS * config.group
        self.embed = nn.Parameter(torch.randn(self.groups, inside, width) / math.sqrt(inside))
        self.position = nn.Parameter(0.02 * torch.randn(self.groups, width))
        condition = cat.condition_width or width
        self.condition = mlp(3, width, condition)
        inner = replace(cat, width=width, attention=config.attention)
        self.blocks = nn.ModuleList(CatBlock(inner) for _ in range(cat.blocks))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(self.groups * width, cat.feature_dim)
        self.choice = Prototypes(self.groups * width, cat.prototypes, cat.feature_dim)

    def forward(
        self, values: Tensor, *, snr_db: Tensor, uses: Tensor, reliability: Tensor
    ) -> Tensor:
        """Estimated features."""
        known = (torch.arange(self.max_uses, device=values.device) < uses).to(values.dtype)
        told = pad(reliability, (0, self.max_uses - reliability.shape[1])) * known
        symbols = pad(values, (0, 2 * self.max_uses - values.shape[1])).unflatten(1, (-1, 2))
        slots = torch.cat([symbols * known.unsqueeze(2), told.unsqueeze(2)], dim=2)
        tokens = torch.einsum("bgi,gid->bgd", self._grouped(slots).flatten(2), self.embed)
        counts = self._grouped(known).sum(dim=2)  # symbols of each group, [B, G]
        condition = self._conditions(self._grouped(told).sum(dim=2), counts, snr_db, uses)
        there = counts > 0
        tokens = tokens + self.position
        for block in self.blocks:
            tokens = block(tokens, condition, there[:, None, None, :])
        hidden = (self.norm(tokens) * there.unsqueeze(2)).flatten(1)
        out: Tensor = self.out(hidden) + self.choice(hidden)
        return out

    def _grouped(self, symbols: Tensor) -> Tensor:
        """[B, K, ...] -> [B, G, group, ...]."""
        grouped: Tensor = symbols.unflatten(1, (self.groups, self.group))
        return grouped

    def _conditions(self, told: Tensor, counts: Tensor, snr_db: Tensor, uses: Tensor) -> Tensor:
        """Condition of each group [B, G, c]: the SNR of the image, k, and the group's mean SNR."""
        mean = told / counts.clamp(min=1)
        own_db = linear_to_db((mean / (1 - mean).clamp(min=LEAST)).clamp(min=LEAST))
        length = (2 * uses / self.max_uses - 1).to(mean.dtype)
        common = [own.expand_as(mean) for own in (snr_input(snr_db), length)]
        out: Tensor = self.condition(torch.stack([*common, snr_input(own_db)], dim=2))
        return out
