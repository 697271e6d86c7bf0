"""User-defined schemes: every mistake raises a one-line error instead of giving wrong results."""

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any, TypeVar

import pytest
import torch
from torch import Tensor

import semlink
from channels.base import Channel
from channels.streams import PointStreams
from channels.symbols import to_symbols
from simulator.engine.checked import MOST_OF_BLOCK, MOST_POWER, Power
from simulator.scheme import Received, Scheme, Tensors, all_delivered
from simulator.schemes.own import networks_of
from tests.commands import WEIGHTS

GRID = semlink.Grid(snr_db=10, channel_uses=16, channels="awgn", realizations=1)
Step = Callable[[Any], Any]
Made = TypeVar("Made")


class Mine(Scheme):
    """Sends sixteen pairs of pixels as symbols; the output of each step can be replaced."""

    channel_uses = "k = 16"
    held: Any = None  # what a user's class may hold as an attribute

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
        (Mine(symbols=lambda x: 1.03 * x), "must have unit power on average, got 1.06"),
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
def test_mistakes_raise_one_line_errors(scheme: Scheme, line: str) -> None:
    with pytest.raises(semlink.Error, match=line):
        swept(scheme)


def test_sweep_and_send_accept_a_valid_scheme_and_send_checks_power() -> None:
    swept(Mine())
    images = semlink.load("digits", weights=WEIGHTS).data.test.images[:3]
    assert semlink.send(Mine(), images, k=16).scores.shape == (3, 10)
    with pytest.raises(semlink.Error, match="unit power"):
        semlink.send(Mine(symbols=lambda x: 100 * x), images, k=16)


@pytest.mark.parametrize("images", [1, 20])
def test_padding_images_do_not_lower_the_measured_power(images: int) -> None:
    """Blocks are padded with black images, to which this scheme assigns zero power."""
    scheme = Mine(
        prepare=lambda own: {"x": 3 * own["x"] * own["x"].abs().var(dim=1, keepdim=True).sign()}
    )
    link = semlink.load("digits", weights=WEIGHTS)
    with pytest.raises(semlink.Error, match="must have unit power on average, got 9"):
        semlink.sweep(link, scheme, GRID, images=images)
    with pytest.raises(semlink.Error, match="must have unit power on average, got 9"):
        semlink.send(scheme, link.data.test.images[:images], k=16)


def test_constellation_may_exceed_unit_power_by_chance_on_few_images() -> None:
    strong = torch.arange(16) < torch.arange(250)[:, None] % 5 + 8  # 8 to 12 of 16 symbols
    points = torch.where(strong, 1.8, 0.2).sqrt() + 0j  # mean of the two powers: 1
    scheme = Mine(symbols=lambda _: points)
    images = semlink.load("digits", weights=WEIGHTS).data.test.images[:2]
    assert semlink.send(scheme, images, k=16).x is not None


def test_networks_of_a_scheme_run_in_eval_mode() -> None:
    dropout = torch.nn.Dropout(0.5)
    scheme = Mine(received=lambda own: own._replace(scores=dropout(own.scores)))
    images = semlink.load("digits", weights=WEIGHTS).data.test.images[:3]
    for networks in ({"a": dropout}, [dropout], (dropout,), dropout):
        scheme.held = networks
        one, two = (semlink.send(scheme, images, k=16).scores for _ in range(2))
        assert torch.equal(one, two)
        assert dropout.training


def _with_seen(seen: Any, received: Received) -> Received:
    return received._replace(seen=seen)


def test_invalid_intermediate_results_raise_an_error() -> None:
    images = semlink.load("digits", weights=WEIGHTS).data.test.images[:3]
    for seen in (None, {"a": 1.0}, {"a": torch.tensor(1.0)}):
        scheme = Mine(received=partial(_with_seen, seen))
        with pytest.raises(
            semlink.Error, match="transmit of mine must give as seen of Received a dict"
        ):
            semlink.send(scheme, images, k=16)


def test_few_strong_images_among_weak_ones_exceed_the_power_limit() -> None:
    strong = torch.arange(250) % 12 == 0
    scheme = Mine(symbols=lambda x: x * torch.where(strong, 20.0, 0.1).sqrt()[:, None])
    with pytest.raises(semlink.Error, match="must have unit power on average, got 1.7"):
        semlink.sweep(semlink.load("digits", weights=WEIGHTS), scheme, GRID)


@pytest.mark.parametrize("k", [1, 16])
def test_power_limit_tolerates_chance_and_rejects_strong_symbols(k: int) -> None:
    generator = torch.Generator().manual_seed(0)
    levels = torch.tensor([0.2, 1.0, 1.0, 1.8]).sqrt() + 0j  # amplitudes of 16-QAM
    for images in (1, 2, 5, 20, 250):
        for _ in range(200):
            x = levels[torch.randint(4, (images, k), generator=generator)]
            assert not Power().plus(x).above(MOST_POWER, k)
        assert Power().plus(torch.full((images, k), 3 + 0j)).above(MOST_OF_BLOCK, k)


def test_finding_networks_does_not_consume_attributes_of_a_scheme() -> None:
    scheme, endless = Mine(), count()
    scheme.held = {"a": [torch.nn.Linear(1, 1)], "b": (torch.nn.Linear(1, 1).forward, 3, endless)}
    assert len(networks_of(scheme)) == 2
    images = semlink.load("digits", weights=WEIGHTS).data.test.images[:1]
    semlink.send(scheme, images, k=16)
    scheme.held = endless
    semlink.send(scheme, images, k=16)
    assert next(endless) == 0
