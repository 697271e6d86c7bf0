"""The contract of every scheme, and RKD-SC: encode, power, channel, equalise, decode.

A scheme works in three steps, and this is what makes sweeps cheap: `prepare` does once what depends
on no channel, `encode` once for a point what depends on no draw, `transmit` the rest.
"""

import torch
from torch import Tensor, nn

from channels.base import Channel, ChannelOutput
from channels.equalize import mmse, receive_snr_db
from channels.pilots import add_pilots, estimate_gain
from channels.streams import PointStreams
from channels.symbols import from_symbols, to_symbols
from channels.units import noise_power_from_snr_db
from models import ChannelCodec, FeatureDecoder, FeatureEncoder
from simulator.scheme import Received, Tensors, all_delivered, in_pieces


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
    equalised = from_symbols(mmse(received))
    return codec.decoder(equalised, snr_db=gamma, uses=left).float()


def clean_estimate(
    codec: ChannelCodec, features: Tensor, *, snr_db: Tensor, uses: Tensor
) -> Tensor:
    """What the decoder makes of the very codeword, no channel between; shapes as above."""
    x = codeword(codec, features, snr_db=snr_db, uses=uses)
    return codec.decoder(from_symbols(x), snr_db=snr_db, uses=uses).float()


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


class RkdScheme:
    """RKD-SC: frozen student, channel codec with a granted k, linear head.

    `snr_offset_db` is how far the SNR that both ends believe in lies above the true one, `pilots`
    how many of the k uses serve to estimate the gain (0: it is known). `only` is the one k that
    the codec was trained for, where it was trained for one.
    """

    name = "rkd_sc"
    version = 1

    def __init__(
        self,
        *,
        student: FeatureEncoder,
        codec: ChannelCodec,
        head: FeatureDecoder,
        label: str = "",
        snr_offset_db: float = 0.0,
        pilots: int = 0,
        only: int | None = None,
    ) -> None:
        self._student = student
        self._only = only
        self._codec = codec
        self._head = head
        self._snr_offset_db = snr_offset_db
        self._pilots = pilots
        if label:
            self.name = f"{RkdScheme.name}:{label}"

    @property
    def channel_uses(self) -> str:
        """The budgets that the codec serves, pilots included."""
        if self._only is not None:
            return f"k = {self._only + self._pilots}"
        return f"k = {1 + self._pilots} to {self._codec.config.max_uses + self._pilots}"

    def serves(self, k: int) -> bool:
        """Any k up to K, or the lengths that the codec has heads or training for."""
        if self._only is not None:
            return k - self._pilots == self._only
        return self._codec.config.serves(k - self._pilots)

    def settings(self, k: int) -> str:  # noqa: ARG002 - one model for every k
        """The codec, for every k or for one; what is charged or wrongly known."""
        known = "average SNR and k known to both ends"
        if self._snr_offset_db:
            known = f"k known to both ends, average SNR believed {self._snr_offset_db:+g} dB off"
        pilots = f", gain estimated from {self._pilots} pilots, charged" if self._pilots else ""
        kind = self._codec.config.kind
        if self._only is not None:
            kind = f"trained for k = {self._only} alone"
        return f"{kind}, {known}, no header{pilots}"

    def compile(self) -> None:
        """Compile the channel decoder for batches of one size."""
        if isinstance(self._codec.decoder, nn.Module):
            self._codec.decoder.compile(dynamic=False)

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> Tensors:
        """Student features [B, D]."""
        return {"features": in_pieces(self._student, images)}

    @torch.inference_mode()
    def encode(
        self,
        prepared: Tensors,
        *,
        channel: Channel,  # noqa: ARG002 - the transmitter does not know it
        snr_db: Tensor,
        k: int,
    ) -> Tensors:
        """Pilots and codeword [B, k]."""
        uses = torch.full_like(snr_db, k - self._pilots, dtype=torch.int64)
        told = snr_db + self._snr_offset_db
        x = codeword(self._codec, prepared["features"], snr_db=told, uses=uses)
        return {"x": add_pilots(x, self._pilots)}

    @torch.inference_mode()
    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """The codeword through the channel to scores."""
        features = self.features(encoded, channel=channel, snr_db=snr_db, k=k, streams=streams)
        return Received(self.scores(features), all_delivered(features))

    @torch.inference_mode()
    def features(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Tensor:
        """The codeword through the channel to the receiver's features [B, D]."""
        x = encoded["x"]
        generator = streams("channel", device=x.device)
        received = channel(x, snr_db=snr_db, generator=generator)
        return receive_features(
            self._codec,
            received,
            uses=torch.full_like(snr_db, k, dtype=torch.int64),
            reported_snr_db=snr_db + self._snr_offset_db if self._snr_offset_db else None,
            pilots=self._pilots,
        )

    @torch.inference_mode()
    def scores(self, features: Tensor) -> Tensor:
        """Class scores of features [B, D]."""
        return self._head(features)
