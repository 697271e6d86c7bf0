"""The grid of a sweep: points, the units of a point, and the random streams of a unit.

A point is one row of the table. It is made of units, one for each realisation of the channel on all
test images. A unit's noise comes from streams named by (channel, SNR, uses, realisation), so
schemes with the same number of channel uses meet the same gains and noise, and a unit depends on
nothing else that is computed. For an estimated channel the name is that of the true channel, and
the pilots count as uses: perfect, LS and LMMSE knowledge meet the same draws at equal total length.

A channel may leave the number of pilots open (tdl:A+lmmse:best). Then pilots are among the k uses
of a point, so every number costs as much: a division is P pilots and the most data symbols beside
them that the scheme serves. Uses that neither needs stay idle.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol, TypeVar

from channels.base import Channel
from channels.names import MOST_PILOTS
from channels.streams import PointStreams, Streams
from simulator.errors import UserError
from simulator.left_out import LeftOut
from simulator.parse import MOST_REALIZATIONS, in_range
from simulator.scheme import Scheme

PURPOSES = ("channel", "scrambling", "decoding", "other payload", "other payload, bits")
MANY = 200  # realisations, among which one more or less does not matter
TASK_REALIZATIONS = 5  # units that a worker computes at a time, from one pass of the encoder


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What to evaluate: every scheme at every (channel, k, SNR).

    Every point gets `realizations` units. With `mc` it gets as many again, and again, until the
    channel's 95 % interval is at most +-`mc` points of accuracy, or `max_realizations` are reached.
    """

    channels: tuple[Channel, ...]
    snr_db: tuple[float, ...]
    channel_uses: tuple[int, ...]
    realizations: int
    seed: int
    realizations_of: Mapping[str, int] = field(default_factory=dict)  # channel -> its own number
    mc: float | None = None  # half-width in points (percent)
    max_realizations: int = 200

    def until(self, mc: float | None, max_realizations: int) -> "Grid":
        """With rounds until the channel's interval is +-`mc` points. Raises: UserError."""
        if mc is not None and not 0 < mc < 100:
            raise UserError(f"--mc must be a half-width between 0 and 100 points, got {mc:g}")
        in_range("--max-realizations", max_realizations, 1, MOST_REALIZATIONS)
        return replace(self, mc=mc, max_realizations=max_realizations)

    def repeats(self, channel: str) -> int:
        """Realisations of one round on a channel."""
        return self.realizations_of.get(channel, self.realizations)

    def most(self, channel: str) -> int:
        """The most realisations that a point on this channel may get: whole rounds."""
        own = self.repeats(channel)
        return own if self.mc is None else max(own, self.max_realizations // own * own)


class Named(Protocol):
    """A scheme or a channel: rows of the table know it by its name."""

    @property
    def name(self) -> str:
        """In tables."""
        ...


Item = TypeVar("Item", bound=Named)


def by_name(items: Iterable[Item], *, option: str) -> dict[str, Item]:
    """What is swept by its name, each once. Raises: UserError if two that differ share a name."""
    found: dict[str, Item] = {}
    for item in items:
        if found.setdefault(item.name, item) != item:
            raise UserError(
                f"{option} must have different names, got two called {item.name}; rename one, or "
                "leave it out"
            )
    return found


class Point(NamedTuple):
    """One row of the table, by names."""

    scheme: str
    channel: str
    snr_db: float
    k: int

    @property
    def text(self) -> str:
        """For progress bars."""
        return f"{self.scheme} {self.channel} k={self.k} {self.snr_db:g} dB"


class Unit(NamedTuple):
    """One realisation of a point."""

    point: Point
    realization: int


class Task(NamedTuple):
    """Units of one point that a worker computes in one go."""

    point: Point
    realizations: tuple[int, ...]


class Division(NamedTuple):
    """How the uses of a point are divided where the number of pilots is chosen."""

    pilots: int
    data_uses: int


Divisions = Mapping[Point, Division]  # of points whose channel leaves the number of pilots open


def numbers_of_pilots(k: int) -> list[int]:
    """Those that are tried among k uses: 1, 2, 3, 4, 6, 8, 12, ..., at most as many as data."""
    powers = [2**n for n in range(MOST_PILOTS.bit_length())]
    both = sorted({*powers, *(3 * number for number in powers)})
    return [number for number in both if number <= min(MOST_PILOTS, k // 2)]


def divisions(scheme: Scheme, channel: Channel, k: int) -> list[Division]:
    """The divisions of k uses with which a scheme can be sent, the fewest pilots first."""
    found = []
    for pilots in numbers_of_pilots(k):
        left = range(k - pilots, pilots - 1, -1)
        data_uses = next((uses for uses in left if scheme.serves(uses)), None)
        if data_uses and not scheme.objection(channel.with_pilots(pilots), data_uses):
            found.append(Division(pilots, data_uses))
    return found


def placed(point: Point, channel: Channel, found: Divisions) -> tuple[Channel, int]:
    """The channel and the number of data symbols with which a point is sent."""
    own = found.get(point)
    return (channel, point.k) if own is None else (channel.with_pilots(own.pilots), own.data_uses)


def plan(schemes: Sequence[Scheme], grid: Grid) -> tuple[list[Point], list[LeftOut]]:
    """The points of a sweep, and each scheme and k that is left out.

    Raises: UserError if no point is left, if a channel has more pilots than any k data symbols, or
    if two streams of the sweep would share a seed.
    """
    for channel in grid.channels:
        check_pilots(channel, max(grid.channel_uses))
    points: list[Point] = []
    left_out: list[LeftOut] = []
    for scheme, k in itertools.product(schemes, grid.channel_uses):
        served, others = _served(scheme, k, grid.channels)
        points += [Point(scheme.name, name, snr, k) for name in served for snr in grid.snr_db]
        left_out += others
    if not points:
        raise UserError("nothing to sweep: " + "; ".join(own.text for own in left_out))
    _check_seeds(grid)
    return points, left_out


def _served(scheme: Scheme, k: int, channels: Sequence[Channel]) -> tuple[list[str], list[LeftOut]]:
    """Names of the channels over which a scheme is sent with k uses, and the others with why."""
    if not scheme.serves(k) and not any(channel.pilots_open for channel in channels):
        return [], [LeftOut(scheme.name, f"serves {scheme.channel_uses}", k)]
    by_objection: dict[str, list[str]] = {}  # why, empty where there is none -> channels
    for channel in channels:
        by_objection.setdefault(_objection(scheme, channel, k), []).append(channel.name)
    served = by_objection.pop("", [])
    others = by_objection.items()
    return served, [LeftOut(scheme.name, why, k, tuple(names)) for why, names in others]


def _objection(scheme: Scheme, channel: Channel, k: int) -> str:
    """Why a scheme is not sent over a channel with k uses; empty if it is."""
    if channel.pilots_open:
        fits = "serves no k beside pilots that fit, or not this channel"
        return "" if divisions(scheme, channel, k) else fits
    if not scheme.serves(k):
        return f"serves {scheme.channel_uses}"
    if channel.pilots > k:
        return f"needs k of at least the {channel.pilots} pilots"
    return scheme.objection(channel, k)


def tasks_of(point: Point, realizations: Sequence[int]) -> Iterator[Task]:
    """Tasks for these realisations of a point."""
    for first in range(0, len(realizations), TASK_REALIZATIONS):
        yield Task(point, tuple(realizations[first : first + TASK_REALIZATIONS]))


def unit_streams(
    unit: Unit, channel: Channel, seed: int, *, data_uses: int | None = None
) -> PointStreams:
    """The streams of a unit; the scheme is not in their name. Its k counts, unless given."""
    snr_db, uses = unit.point.snr_db, (data_uses or unit.point.k) + channel.pilots
    return PointStreams(Streams(seed=seed), channel.draws_as, snr_db, uses, unit.realization)


def check_pilots(channel: Channel, k: int) -> None:
    """Raises: UserError unless the grid holds the pilots of a channel beside k data symbols."""
    if channel.pilots > k:
        raise UserError(
            f"{channel.name} must have at most as many pilots as data symbols, got "
            f"{channel.pilots} pilots with k = {k}"
        )


def _check_seeds(grid: Grid) -> None:
    """Check that the draws of a point differ; otherwise its interval would be wrong.

    Seeds have 32 bits, so two points far apart may share one; that biases no row of the table. Nor
    does a repeated draw among very many: it changes an interval by less than a percent.
    """
    streams = Streams(seed=grid.seed)
    places = itertools.product(PURPOSES, grid.channels, grid.snr_db, grid.channel_uses)
    for purpose, channel, snr_db, k in places:
        draws = range(min(grid.most(channel.name), MANY))
        place = (channel.draws_as, snr_db, k + channel.pilots)
        seeds = {streams.seed_of(purpose, *place, r) for r in draws}
        if len(seeds) < len(draws):
            raise UserError(
                f"two noise streams of one point would be equal under --seed {grid.seed}; "
                "choose another seed"
            )
