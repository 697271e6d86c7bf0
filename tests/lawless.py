"""A user's own channel, without a law."""

from dataclasses import dataclass

import torch
from torch import Tensor

from channels.base import Channel, ChannelOutput
from channels.fading import RayleighChannel


@dataclass(frozen=True, kw_only=True)
class LawlessChannel(Channel):
    """Rayleigh fading that does not state its law."""

    coherence: int | None = None

    @property
    def name(self) -> str:
        return "lawless"

    def __call__(self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
        return RayleighChannel(coherence=self.coherence)(x, snr_db=snr_db, generator=generator)
