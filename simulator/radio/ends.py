"""A scheme split in two: a transmitter without a channel, and a receiver without the images."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from channels.awgn import AwgnChannel
from channels.base import Channel, ChannelOutput
from channels.law import ChannelLaw
from simulator.device import cpu_threads
from simulator.engine.evaluate import BLOCK
from simulator.engine.grid import Point, Unit, unit_streams
from simulator.engine.send import Sent, check_served, send_images
from simulator.errors import UserError
from simulator.scheme import Received, Scheme

CHANNEL = AwgnChannel()  # the channel that the transmitter assumes
CHECKED = BLOCK  # number of images on which the split is checked


@dataclass(frozen=True, kw_only=True)
class Link:
    """Settings that both ends know: k, the average SNR in dB, and the seed of the scrambling."""

    k: int
    snr_db: float
    seed: int = 0


class _Recorded(Channel):
    """A channel that ignores its input and returns recorded blocks of B images, one per call."""

    def __init__(self, blocks: Iterator[ChannelOutput]) -> None:
        self._blocks = blocks

    @property
    def name(self) -> str:
        return CHANNEL.name

    @property
    def law(self) -> ChannelLaw:
        return CHANNEL.law

    def __call__(self, *_: Any, **_named: Any) -> ChannelOutput:
        return next(self._blocks)


def transmit(scheme: Scheme, images: Tensor, link: Link) -> Tensor:
    """The symbols of uint8 images [N, C, H, W]: [N, k] complex64.

    Raises: UserError if the scheme does not serve k or sends no symbols, or if its simulated
            receiver uses more than the received symbols.
    """
    sent = _sent(scheme, images, link)
    if sent.x is None:
        raise UserError(
            f"{scheme.name} must send {link.k} symbols for every image, but sends none; "
            "choose another scheme"
        )
    _check_separate(scheme, images, sent, link)
    return sent.x


def _sent(scheme: Scheme, images: Tensor, link: Link) -> Sent:
    return send_images(
        scheme, images, channel=CHANNEL, snr_db=link.snr_db, k=link.k, seed=link.seed
    )


def _check_separate(scheme: Scheme, images: Tensor, sent: Sent, link: Link) -> None:
    """Check that `receive` gets the same results as the simulation. Raises: UserError."""
    assert sent.y is not None
    output = ChannelOutput(sent.y[:CHECKED], sent.h[:CHECKED], sent.noise_power[:CHECKED])
    alone = receive(scheme, output, link, image_shape=tuple(images.shape[1:]))
    same = torch.allclose(alone.scores, sent.scores[:CHECKED], rtol=1e-3, atol=1e-3)
    if not same or not torch.equal(alone.delivered, sent.delivered[:CHECKED]):
        raise UserError(
            f"{scheme.name} must decide from the received symbols only, but its simulation also "
            "uses the transmitted data; choose rkd_sc, deep_jscc, adjscc or label_code"
        )


@torch.inference_mode()
def receive(
    scheme: Scheme, output: ChannelOutput, link: Link, *, image_shape: tuple[int, ...]
) -> Received:
    """Scores and delivery of N images, from the channel's output only.

    The transmitter's steps of the scheme run on black images; the recorded output replaces that of
    the channel.
    Shapes: y, h [N, k], noise_power [N, 1] or [N, k] -> scores [N, num_classes], delivered [N].
    Raises: UserError if the scheme does not serve k.
    """
    check_served(scheme, CHANNEL, link.k)
    count, snr = len(output.y), torch.full((BLOCK, 1), link.snr_db)
    recorded = _Recorded(_blocks(output))
    point = Point(scheme.name, CHANNEL.name, link.snr_db, link.k)
    streams = unit_streams(Unit(point, 0), CHANNEL, link.seed)
    found = []
    with cpu_threads(1):  # as in a sweep
        prepared = scheme.prepare(torch.zeros((BLOCK, *image_shape)))
        encoded = scheme.encode(prepared, channel=recorded, snr_db=snr, k=link.k)
        for _ in range(0, count, BLOCK):
            found.append(
                scheme.transmit(encoded, channel=recorded, snr_db=snr, k=link.k, streams=streams)
            )
    scores = torch.cat([part.scores for part in found])[:count]
    return Received(scores, torch.cat([part.delivered for part in found])[:count])


def _blocks(output: ChannelOutput) -> Iterator[ChannelOutput]:
    """Blocks of 250 images; the last is padded with y = 0 at gain 1 and noise power 1."""
    for first in range(0, len(output.y), BLOCK):
        y, h, noise_power = (part[first : first + BLOCK] for part in output)
        rest = BLOCK - len(y)
        yield ChannelOutput(
            torch.cat([y, y.new_zeros((rest, y.shape[1]))]),
            torch.cat([h, h.new_ones((rest, h.shape[1]))]),
            torch.cat([noise_power, noise_power.new_ones((rest, noise_power.shape[1]))]),
        )
