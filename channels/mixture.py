"""Several channels in one batch, for training under diverse conditions."""

from dataclasses import dataclass

import torch
from torch import Tensor

from channels.base import Channel, ChannelOutput, check_inputs


@dataclass(frozen=True, kw_only=True)
class ChannelMixture(Channel):
    """Sends equal, consecutive parts of the batch over each of `channels`.

    If the batch is shuffled, every image is sent over every channel with equal probability.

    Shapes: x [B, k] complex, snr_db [B, 1] -> y [B, k], h [B, k], noise_power [B, 1] or [B, k].
    Units:  snr_db is Es/N0 in dB, averaged over the fading.
    Raises: ValueError if a shape, a type or a device is wrong; if there is no channel.
    """

    channels: tuple[Channel, ...]

    def __post_init__(self) -> None:
        if not self.channels:
            raise ValueError("channels must hold at least one channel, got none")

    @property
    def name(self) -> str:
        """The names of its channels, joined by "+"."""
        return "+".join(channel.name for channel in self.channels)

    def __call__(self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
        """Send each part over its channel; the channels draw from the same generator in turn."""
        check_inputs(x, snr_db=snr_db, generator=generator)
        shares = zip(
            self.channels,
            x.tensor_split(len(self.channels)),
            snr_db.tensor_split(len(self.channels)),
            strict=True,
        )
        parts = [
            channel(symbols, snr_db=snr, generator=generator)
            for channel, symbols, snr in shares
            if len(symbols)
        ]
        return ChannelOutput(*(_joined(tensors) for tensors in zip(*parts, strict=True)))


def _joined(shares: tuple[Tensor, ...]) -> Tensor:
    """Concatenate parts [b, k] of a batch; a noise power [b, 1] is expanded to [b, k] if needed."""
    width = max(share.shape[1] for share in shares)
    return torch.cat([share.expand(-1, width) for share in shares])
