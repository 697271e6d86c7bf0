"""A scheme split into transmitter and receiver."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

import semlink
from channels.base import Channel, ChannelOutput
from channels.streams import PointStreams
from simulator.engine.send import send_images
from simulator.errors import UserError
from simulator.radio.ends import CHANNEL, Link, receive, transmit
from simulator.scheme import Received, Scheme, Tensors, all_delivered
from tests.commands import WEIGHTS

LINK = Link(k=8, snr_db=10.0)


class Pixels(Scheme):
    """Sends the first pixels; `honest` decides from what arrives, else from what was sent."""

    name = "pixels"

    def __init__(self, *, honest: bool, symbols: int = 8) -> None:
        self._honest, self._symbols = honest, symbols

    @property
    def channel_uses(self) -> str:
        return "k = 8"

    def serves(self, k: int) -> bool:
        return k == 8

    def settings(self, k: int) -> str:
        return "no header"

    def prepare(self, images: Tensor) -> Tensors:
        return {"pixels": images.flatten(start_dim=1)[:, : self._symbols]}

    def encode(self, prepared: Tensors, *, channel: Channel, snr_db: Tensor, k: int) -> Tensors:
        return {"x": torch.complex(prepared["pixels"], torch.ones_like(prepared["pixels"]))}

    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        received = channel(encoded["x"], snr_db=snr_db, generator=streams("channel"))
        seen = received.y if self._honest else encoded["x"]
        return Received(seen.real, all_delivered(seen))


@pytest.fixture
def images(generator: torch.Generator) -> Tensor:
    shape = (3, 1, 4, 4)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def test_transmit_returns_the_symbols_of_the_scheme(images: Tensor) -> None:
    x = transmit(Pixels(honest=True), images, LINK)
    expected = images.flatten(start_dim=1)[:, :8].float() / 255
    torch.testing.assert_close(x.real, expected)
    assert x.imag.eq(1).all()


def test_receiver_needs_no_image(images: Tensor) -> None:
    x = transmit(Pixels(honest=True), images, LINK)
    output = ChannelOutput(2 * x, torch.ones_like(x), torch.ones((3, 1)))
    found = receive(Pixels(honest=True), output, LINK, image_shape=(1, 4, 4))
    torch.testing.assert_close(found.scores, 2 * x.real)
    assert found.delivered.tolist() == [True] * 3


@pytest.mark.parametrize(
    ("scheme", "link", "told"),
    [
        (Pixels(honest=False), LINK, "must decide from the received symbols only"),
        (Pixels(honest=True, symbols=4), LINK, r"called with x \[B, k\] = \[250, 8\]"),
        (Pixels(honest=True), replace(LINK, k=9), "pixels serves k = 8, got k = 9"),
    ],
)
def test_inseparable_schemes_raise_an_error(
    images: Tensor, scheme: Scheme, link: Link, told: str
) -> None:
    with pytest.raises(UserError, match=told):
        transmit(scheme, images, link)


def test_receiver_raises_an_error_for_an_unserved_k() -> None:
    output = ChannelOutput(torch.ones(3, 9), torch.ones(3, 9), torch.ones(3, 1))
    with pytest.raises(UserError, match="pixels serves k = 8, got k = 9"):
        receive(Pixels(honest=True), output, replace(LINK, k=9), image_shape=(1, 4, 4))


@pytest.mark.parametrize("name", ["rkd_sc", "label_code", "dt_jscc", "vl_vfe", "adjscc"])
def test_receiver_matches_the_simulation_beyond_one_block(name: str) -> None:
    link = semlink.load("digits", weights=WEIGHTS)
    scheme, images, both = link[name], link.data.test.images[:260], Link(k=16, snr_db=-6.0)
    asked: dict[str, Any] = {"channel": CHANNEL, "snr_db": -6.0, "k": 16}
    sent = send_images(scheme, images, **asked)
    assert sent.y is not None
    output = ChannelOutput(sent.y, sent.h, sent.noise_power)
    found = receive(scheme, output, both, image_shape=(1, 8, 8))
    torch.testing.assert_close(found.scores, sent.scores, rtol=1e-4, atol=1e-4)
    assert torch.equal(found.scores.argmax(dim=1), sent.classes)
