"""A single transmission with all its intermediate results."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from channels.base import Channel, ChannelOutput, WrappedChannel
from channels.equalize import mmse
from channels.streams import PointStreams
from simulator.device import cpu_threads
from simulator.engine.checked import IMAGES, Checked, with_checks
from simulator.engine.evaluate import BLOCK, image_blocks
from simulator.engine.grid import Point, Unit, check_pilots, unit_streams
from simulator.errors import UserError
from simulator.parse import check_pilots_named
from simulator.scheme import Received, Scheme

RATE = "error_rate"  # key of `Received.seen` if no block was decoded


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One transmission of N images over k complex channel uses each, y = h x + w.

    `x`, `y` and `equalised` are None if a digital scheme drew block errors from a table of error
    rates and sent no symbols; load the link with `bit_true=True` to get them.
    """

    scheme: str
    settings: str  # what the scheme charges and assumes to be known
    x: Tensor | None  # symbols [N, k] complex64; unit power on average
    y: Tensor | None  # received symbols [N, k]
    h: Tensor  # gain of every use as known to the receiver [N, k]
    noise_power: Tensor  # E|w|^2 per use [N, 1], or [N, k] with the error of an estimated gain
    equalised: Tensor | None  # MMSE estimate of x [N, k]
    scores: Tensor  # of the classes [N, num_classes]
    delivered: Tensor  # False in outage, where the class is a uniform guess [N]
    prepared: Mapping[str, Tensor]  # results of `Scheme.prepare`, each [N, ...]
    seen: Mapping[str, Tensor]  # intermediate results of the receiver, see `Received`
    choice: Mapping[str, Any]  # of source, modulation and code rate; empty with a genie

    def __repr__(self) -> str:
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        named = {**found, **self.prepared, **self.seen}
        shapes = ", ".join(
            f"{name} {list(value.shape)}"
            for name, value in named.items()
            if isinstance(value, Tensor)
        )
        images, k = self.h.shape
        return f"<Sent: {images} images by {self.scheme}, k = {k}; {shapes}>"

    @property
    def classes(self) -> Tensor:
        """Decided classes [N]; undefined for images in outage."""
        return self.scores.argmax(dim=1)

    @property
    def features(self) -> Tensor | None:
        """The receiver's estimate of the features [N, D]; None if there is none."""
        return self.seen.get("features")

    @property
    def images(self) -> Tensor | None:
        """Decoded images [N, C, H, W] in [0, 1]; None if the scheme reconstructs none."""
        return self.seen.get("images")

    @property
    def bits(self) -> Tensor | None:
        """The payload of every image [N, bits]; None unless blocks were decoded."""
        return self.seen.get("bits")


class RecordingChannel(WrappedChannel):
    """A channel that remembers the last transmission."""

    def __init__(self, channel: Channel) -> None:
        """`x` and `output` are those of the last transmission."""
        self.channel = channel
        self.x = torch.empty(0)
        self.output: ChannelOutput

    def __call__(self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
        """Send x through the channel, and remember x and the output."""
        self.x, self.output = x, self.channel(x, snr_db=snr_db, generator=generator)
        return self.output


@torch.inference_mode()
def send_images(
    scheme: Scheme,
    images: Tensor,
    *,
    channel: Channel,
    snr_db: float,
    k: int,
    seed: int = 0,
    realization: int = 0,
) -> Sent:
    """Send uint8 images [N, C, H, W] once.

    Image i sees the gains and noise of the i-th test image in a sweep with this seed and
    realisation. Units: snr_db is the average Es/N0 in dB.
    Raises: UserError if the scheme does not serve k or the channel.
    """
    scheme = with_checks(scheme)
    check_served(scheme, channel, k)
    unit = Unit(Point(scheme.name, channel.name, snr_db, k), realization)
    streams = unit_streams(unit, channel, seed)
    snr = torch.full((BLOCK, 1), snr_db, device=scheme.device)
    recording = RecordingChannel(channel)
    parts = []
    with cpu_threads(1):  # as in a sweep
        for block in image_blocks(images, scheme.device):
            prepared = scheme.prepare(block)
            received = _transmit(scheme, prepared, recording, snr, k, streams)
            parts.append(_tensors(prepared, received, recording))
    if isinstance(scheme, Checked):
        scheme.check_power()
    tensors = {name: torch.cat([part[name] for part in parts])[: len(images)] for name in parts[0]}
    return _sent(scheme, k, tensors, _choice(scheme, channel, snr_db, k))


def _choice(scheme: Scheme, channel: Channel, snr_db: float, k: int) -> Mapping[str, Any]:
    """The choice for all images; empty with a genie, who chooses for each image."""
    rows = scheme.choices([(channel, snr_db, k)])
    return rows[0] if rows and rows[0].get("channel", channel.name) == channel.name else {}


def check_served(scheme: Scheme, channel: Channel, k: int) -> None:
    """Raises: UserError unless a scheme can be sent with k uses over this channel."""
    if not scheme.serves(k):
        raise UserError(f"{scheme.name} serves {scheme.channel_uses}, got k = {k}")
    check_pilots_named(channel)
    check_pilots(channel, k)
    if why := scheme.objection(channel, k):
        raise UserError(f"{scheme.name} {why}, got {channel.name} with k = {k}")


def _transmit(
    scheme: Scheme,
    prepared: Mapping[str, Tensor],
    channel: Channel,
    snr: Tensor,
    k: int,
    streams: PointStreams,
) -> Received:
    encoded = scheme.encode(prepared, channel=channel, snr_db=snr, k=k)
    return scheme.transmit(encoded, channel=channel, snr_db=snr, k=k, streams=streams)


def _tensors(
    prepared: Mapping[str, Tensor], received: Received, recording: RecordingChannel
) -> dict[tuple[str, str], Tensor]:
    """All tensors of a block, by origin ("prepared", "link" or "seen") and name."""
    link = {"x": recording.x, **recording.output._asdict(), "equalised": mmse(recording.output)}
    link |= {"scores": received.scores, "delivered": received.delivered}
    made = {"prepared": prepared, "link": link, "seen": received.seen}
    return {
        (origin, name): value
        for origin, own in made.items()
        for name, value in own.items()
        if name != IMAGES
    }


def _sent(
    scheme: Scheme, k: int, tensors: Mapping[tuple[str, str], Tensor], choice: Mapping[str, Any]
) -> Sent:
    def made_by(origin: str) -> dict[str, Tensor]:
        return {name: value for (own, name), value in tensors.items() if own == origin}

    link, seen = made_by("link"), made_by("seen")
    symbols: dict[str, Any] = dict.fromkeys(("x", "y", "equalised")) if RATE in seen else {}
    return Sent(
        scheme=scheme.name,
        settings=scheme.settings(k),
        prepared=made_by("prepared"),
        seen=seen,
        choice=choice,
        **{**link, **symbols},
    )
