"""Features through a channel codec and a channel: code, power, channel, equalise, decode."""

import functools

import torch
from torch import Tensor

from channels.base import Channel, ChannelOutput
from channels.equalize import mmse, receive_snr_db
from channels.mixture import ChannelMixture
from channels.names import channel_from_name
from channels.pilots import add_pilots, estimate_gain
from channels.symbols import from_symbols, to_symbols
from channels.units import noise_power_from_snr_db
from models import ChannelCodec


@functools.cache
def mixture_of(channels: tuple[str, ...]) -> ChannelMixture:
    """Channels by name, in equal shares of a batch."""
    return ChannelMixture(channels=tuple(map(channel_from_name, channels)))


def send_features(
    codec: ChannelCodec,
    features: Tensor,
    *,
    channel: Channel,
    snr_db: Tensor,
    uses: Tensor,
    generator: torch.Generator,
    reported_snr_db: Tensor | None = None,
    pilots: int = 0,
) -> Tensor:
    """Features through the channel codec and the channel.

    The transmitter knows the average SNR and k. The receiver knows the gain, the noise power and
    k, equalises by MMSE, and feeds the SNR that it received to its decoder.

    `reported_snr_db` is what both ends believe in place of the true average SNR `snr_db`. With
    `pilots` > 0 the receiver does not know the gain, taken to be one per image, but estimates it
    from so many pilots of unit power, which are charged: `uses - pilots` are left for the codeword.

    Shapes: features [B, D], snr_db and reported_snr_db [B, 1], uses [B, 1] integers in 1..K
    (above `pilots`) -> features [B, D].
    """
    told = snr_db if reported_snr_db is None else reported_snr_db
    x = codeword(codec, features, snr_db=told, uses=uses - pilots)
    received = channel(add_pilots(x, pilots), snr_db=snr_db, generator=generator)
    return receive_features(
        codec, received, uses=uses, reported_snr_db=reported_snr_db, pilots=pilots
    )


def receive_features(
    codec: ChannelCodec,
    received: ChannelOutput,
    *,
    uses: Tensor,
    reported_snr_db: Tensor | None = None,
    pilots: int = 0,
) -> Tensor:
    """The receiver's half of `send_features`: received [B, w] of pilots and codeword -> [B, D]."""
    if reported_snr_db is not None:
        believed = noise_power_from_snr_db(reported_snr_db).to(received.noise_power)
        received = received._replace(noise_power=believed)
    if pilots:
        received = estimate_gain(received, pilots)
    left = uses - pilots
    gamma = receive_snr_db(received, used=_used(left, width=received.y.shape[1]))
    features: Tensor = codec.decoder(from_symbols(mmse(received)), snr_db=gamma, uses=left)
    return features.float()


def clean_estimate(
    codec: ChannelCodec, features: Tensor, *, snr_db: Tensor, uses: Tensor
) -> Tensor:
    """What the decoder makes of the very codeword, no channel between; shapes as above."""
    x = codeword(codec, features, snr_db=snr_db, uses=uses)
    estimate: Tensor = codec.decoder(from_symbols(x), snr_db=snr_db, uses=uses)
    return estimate.float()


def codeword(codec: ChannelCodec, features: Tensor, *, snr_db: Tensor, uses: Tensor) -> Tensor:
    """Symbols of unit power over `uses`, zero beyond; snr_db is what the transmitter believes.

    Shapes: features [B, D], snr_db [B, 1], uses [B, 1] -> [B, w] complex64, w the largest of uses.
    """
    width = int(uses.max())
    values = codec.encoder(features, snr_db=snr_db, uses=uses)[:, : 2 * width].float()
    return to_symbols(values, used=_used(uses, width=width))


def _used(uses: Tensor, *, width: int) -> Tensor:
    """Which of `width` symbols an image uses, [B, width] bool."""
    return torch.arange(width, device=uses.device) < uses
