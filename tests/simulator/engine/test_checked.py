"""Schemes of the user's own class: every mistake is one line, none passes for a result."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import pytest
import torch
from torch import Tensor

import semlink
from channels.base import Channel
from channels.streams import PointStreams
from channels.symbols import to_symbols
from simulator.scheme import Received, Scheme, Tensors, all_delivered
from tests.commands import WEIGHTS

GRID = semlink.Grid(snr_db=10, channel_uses=16, channels="awgn", realizations=1)
Step = Callable[[Any], Any]
Made = TypeVar("Made")


class Mine(Scheme):
    """Sixteen pairs of pixels as symbols; what a step gives may be replaced."""

    channel_uses = "k = 16"

    def __init__(self, name: Any = "mine", **steps: Step) -> None:
        if name is not None:
            self.name = name
        self.steps = steps

    def serves(self, k: int) -> bool:
        return k == 16

    def settings(self, k: int) -> str:
        return "nothing charged"

    def prepare(self, images: Tensor) -> Tensors:
        return self._made("prepare", {"x": to_symbols(images.flatten(1)[:, :32] + 0.01)})

    def encode(self, prepared: Tensors, *, channel: Channel, snr_db: Tensor, k: int) -> Tensors:
        return {"x": self._made("symbols", prepared["x"])}

    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        x = encoded["x"]
        received = channel(x, snr_db=snr_db, generator=streams("channel", device=x.device))
        found = Received(received.y.real[:, :10], all_delivered(x))
        return self._made("received", found)

    def _made(self, step: str, given: Made) -> Made:
        made: Made = self.steps[step](given) if step in self.steps else given
        return made


def swept(scheme: Scheme) -> None:
    link = semlink.load("digits", weights=WEIGHTS)
    semlink.sweep(link, scheme, GRID, images=20)


@pytest.mark.parametrize(
    ("scheme", "line"),
    [
        (Mine(symbols=lambda x: 100 * x), "symbols of mine must have unit power on average, got 1"),
        (Mine(symbols=lambda x: 1.1 * x), "must have unit power on average, got 1.21"),
        (Mine(symbols=lambda x: x.repeat(1, 50)), r"called with x \[B, k\] = \[250, 16\]"),
        (Mine(symbols=lambda x: x.real), "transmit of mine must not fail, but raised"),
        (Mine(symbols=lambda x: x * torch.nan), "symbols x must be finite"),
        (Mine(prepare=lambda own: own["x"]), "prepare of mine must give a dictionary of tensors"),
        (
            Mine(received=lambda own: own._replace(scores=own.scores * torch.nan)),
            r"must give finite scores \[B, classes\] = \[250, 10\], got nan or inf",
        ),
        (
            Mine(received=lambda own: own._replace(delivered=own.delivered.float())),
            r"must give delivered, bool \[B\]",
        ),
        (Mine("rkd_sc"), "must not be that of a built-in scheme"),
        (Mine(None), "a scheme must have a name"),
    ],
)
def test_a_mistake_is_told(scheme: Scheme, line: str) -> None:
    with pytest.raises(semlink.Error, match=line):
        swept(scheme)


def test_what_is_right_passes_in_a_sweep_and_in_a_transmission() -> None:
    swept(Mine())
    images = semlink.load("digits", weights=WEIGHTS).data.test.images[:3]
    assert semlink.send(Mine(), images, k=16).scores.shape == (3, 10)
    with pytest.raises(semlink.Error, match="unit power"):
        semlink.send(Mine(symbols=lambda x: 100 * x), images, k=16)


@pytest.mark.parametrize("images", [1, 20])
def test_the_power_of_few_images_is_not_hidden_by_black_ones(images: int) -> None:
    """A block is padded by black images, to which this scheme gives no power."""
    scheme = Mine(
        prepare=lambda own: {"x": 3 * own["x"] * own["x"].abs().var(dim=1, keepdim=True).sign()}
    )
    link = semlink.load("digits", weights=WEIGHTS)
    with pytest.raises(semlink.Error, match="must have unit power on average, got 9"):
        semlink.sweep(link, scheme, GRID, images=images)
    with pytest.raises(semlink.Error, match="must have unit power on average, got 9"):
        semlink.send(scheme, link.data.test.images[:images], k=16)


def test_a_constellation_may_exceed_unit_power_by_chance() -> None:
    strong = torch.arange(16) < torch.arange(250)[:, None] % 5 + 8  # more than half of them
    points = torch.where(strong, 1.8, 0.2).sqrt() + 0j  # unit power on average over both
    scheme = Mine(symbols=lambda _: points)
    images = semlink.load("digits", weights=WEIGHTS).data.test.images[:2]
    assert semlink.send(scheme, images, k=16).x is not None


def test_networks_of_a_scheme_compute_in_eval_mode() -> None:
    dropout = torch.nn.Dropout(0.5)
    scheme = Mine(received=lambda own: own._replace(scores=dropout(own.scores)))
    images = semlink.load("digits", weights=WEIGHTS).data.test.images[:3]
    for networks in ({"a": dropout}, [dropout], (dropout,), dropout):
        scheme.networks = networks  # type: ignore[attr-defined]
        one, two = (semlink.send(scheme, images, k=16).scores for _ in range(2))
        assert torch.equal(one, two)
        assert dropout.training


def _with_seen(seen: Any, received: Received) -> Received:
    return received._replace(seen=seen)


def test_intermediate_results_are_checked_too() -> None:
    images = semlink.load("digits", weights=WEIGHTS).data.test.images[:3]
    for seen in (None, {"a": 1.0}, {"a": torch.tensor(1.0)}):
        scheme = Mine(received=partial(_with_seen, seen))
        with pytest.raises(semlink.Error, match="transmit of mine must give a dictionary"):
            semlink.send(scheme, images, k=16)
