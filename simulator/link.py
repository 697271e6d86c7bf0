"""The contract of every scheme, and the neural schemes: encode, power, channel, equalise, decode.

A scheme works in two steps, and this is what makes sweeps cheap: `prepare` does once what depends
on no channel, `transmit` does the rest for one point of the sweep.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from channels.base import Channel
from channels.equalize import mmse, receive_snr_db
from channels.streams import PointStreams
from channels.symbols import from_symbols, to_symbols
from models import CatCodec, DeepJscc, FeatureDecoder, FeatureEncoder

PIECE_PIXELS = 250 * 64 * 64  # pixels encoded at a time: about 3 GB in a student of width 24


class Received(NamedTuple):
    """What a receiver hands over: class scores [B, num_classes] and delivered [B] bool."""

    scores: Tensor
    delivered: Tensor


class Scheme(Protocol):
    """A way to send images over k complex channel uses each and to classify what arrives."""

    @property
    def name(self) -> str:
        """Name in tables and on the command line."""

    @property
    def channel_uses(self) -> str:
        """The range of k that it serves, in words."""

    def serves(self, k: int) -> bool:
        """Whether it can use exactly k channel uses per image."""

    def settings(self, k: int) -> str:
        """Modulation, rate, codec; what is charged; what is taken as known beforehand."""

    def prepare(self, images: Tensor) -> Any:
        """Everything that depends on no channel. Shapes: images [B, C, H, W] in [0, 1]."""

    def transmit(
        self, prepared: Any, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """One transmission of every prepared image. Shapes: snr_db [B, 1]."""


def send_features(
    codec: CatCodec,
    features: Tensor,
    *,
    channel: Channel,
    snr_db: Tensor,
    uses: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Features through the CAT codec and the channel.

    The transmitter knows the average SNR and k. The receiver knows the gain, the noise power and
    k, equalises by MMSE, and feeds the SNR that it received to its decoder.

    Shapes: features [B, D], snr_db [B, 1], uses [B, 1] integers in 1..K -> features [B, D].
    """
    width = int(uses.max())
    values = codec.encoder(features, snr_db=snr_db, uses=uses)[:, : 2 * width]
    used = torch.arange(width, device=uses.device) < uses  # [B, width]
    x = to_symbols(values, used=used)
    received = channel(x, snr_db=snr_db, generator=generator)
    equalised = from_symbols(mmse(received))
    gamma = receive_snr_db(received, used=used)
    out: Tensor = codec.decoder(equalised, snr_db=gamma, uses=uses)
    return out


def send_values(
    values: Tensor, *, channel: Channel, snr_db: Tensor, generator: torch.Generator
) -> Tensor:
    """Real values at unit power through the channel to MMSE-equalised values, both [B, 2k]."""
    received = channel(to_symbols(values), snr_db=snr_db, generator=generator)
    return from_symbols(mmse(received))


class RkdScheme:
    """RKD-SC: frozen student, CAT codec with a granted k, linear head."""

    name = "rkd_sc"

    def __init__(self, *, student: FeatureEncoder, codec: CatCodec, head: FeatureDecoder) -> None:
        self._student = student
        self._codec = codec
        self._head = head

    @property
    def channel_uses(self) -> str:
        """1 to K."""
        return f"k = 1 to {self._codec.config.max_uses}"

    def serves(self, k: int) -> bool:
        """Any k up to K."""
        return 1 <= k <= self._codec.config.max_uses

    def settings(self, k: int) -> str:  # noqa: ARG002 - one nested model for every k
        """One model for every k and SNR."""
        return "one nested model, average SNR and k known to both ends, no header"

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> Tensor:
        """Student features [B, D]."""
        return in_pieces(self._student, images)

    @torch.inference_mode()
    def transmit(
        self, prepared: Tensor, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """Features through the codec and the channel to scores."""
        features = send_features(
            self._codec,
            prepared,
            channel=channel,
            snr_db=snr_db,
            uses=torch.full_like(snr_db, k, dtype=torch.int64),
            generator=streams("channel", device=prepared.device),
        )
        return Received(self._head(features), _all_delivered(prepared))


class DeepJsccScheme:
    """Task-oriented deep JSCC: one end-to-end model for each k, all trained at one SNR."""

    name = "deep_jscc"

    def __init__(self, models: Mapping[int, DeepJscc], *, train_snr_db: float) -> None:
        self._models = dict(models)
        self._train_snr_db = train_snr_db

    @property
    def channel_uses(self) -> str:
        """Where a model was trained."""
        return "k in {" + ", ".join(str(k) for k in sorted(self._models)) + "}"

    def serves(self, k: int) -> bool:
        """Where a model was trained."""
        return k in self._models

    def settings(self, k: int) -> str:
        """How this k's model was trained."""
        return f"one model for k = {k}, trained at {self._train_snr_db:g} dB, no header"

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> dict[int, Tensor]:
        """The values [B, 2k] of every model: no encoder is told the channel."""
        return {k: in_pieces(model.encode, images) for k, model in self._models.items()}

    @torch.inference_mode()
    def transmit(
        self,
        prepared: dict[int, Tensor],
        *,
        channel: Channel,
        snr_db: Tensor,
        k: int,
        streams: PointStreams,
    ) -> Received:
        """This k's values through the channel to scores."""
        values = prepared[k]
        generator = streams("channel", device=values.device)
        equalised = send_values(values, channel=channel, snr_db=snr_db, generator=generator)
        return Received(self._models[k].decode(equalised), _all_delivered(values))


def in_pieces(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """`function` of images [B, C, H, W], at most 250 of 64x64 at a time and fewer of larger ones.

    The pieces depend on H and W alone, so results do not depend on the batch.
    """
    size = max(1, PIECE_PIXELS // (images.shape[2] * images.shape[3]))
    return torch.cat([function(piece) for piece in images.split(size)])


def _all_delivered(batch: Tensor) -> Tensor:
    return torch.ones(len(batch), dtype=torch.bool, device=batch.device)
