"""The grid of a sweep: points, the units of a point, and the random streams of a unit.

A point is one row of the table. It consists of units: a unit is one realisation of the channel for
all test images. The random streams of a unit are named by (channel, SNR, uses, realisation).
Schemes with the same number of channel uses therefore see the same gains and noise, and a unit does
not depend on what else is computed. For an estimated channel the name is that of the true channel,
and pilots count as uses. Perfect, LS and LMMSE channel knowledge therefore see the same draws at
equal total length.

A channel may leave the number of pilots open (tdl:A+lmmse:best). The pilots are then among the k
uses of a point, so that every number of pilots has the same cost. A division consists of P pilots
and the largest number of data symbols beside them that the scheme serves. All other uses stay idle.
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
MANY = 200  # realisations; among more, a repeated one does not matter
TASK_REALIZATIONS = 5  # units of one task, for which the encoder runs once


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What to evaluate: every scheme at every (channel, k, SNR).

    Every point gets a round of `realizations` units. With `mc`, further rounds follow until the
    95 % interval over channel draws is at most +-`mc` points of accuracy, or until another round
    would exceed `max_realizations`.
    """

    channels: tuple[Channel, ...]
    snr_db: tuple[float, ...]
    channel_uses: tuple[int, ...]
    realizations: int
    seed: int
    realizations_of: Mapping[str, int] = field(default_factory=dict)  # channel -> its own number
    mc: float | None = None  # half-width in points (percent)
    max_realizations: int = 200

    def until(self, mc: float | None, max_realizations: int | None) -> "Grid":
        """Return the grid with this `mc` and this limit, if given. Raises: UserError."""
        if mc is not None and not 0 < mc < 100:
            raise UserError(f"--mc must be a half-width between 0 and 100 points, got {mc:g}")
        most = self.max_realizations if max_realizations is None else max_realizations
        in_range("--max-realizations", most, 1, MOST_REALIZATIONS)
        return replace(self, mc=mc, max_realizations=most)

    def repeats(self, channel: str) -> int:
        """Realisations per round on a channel."""
        return self.realizations_of.get(channel, self.realizations)

    def most(self, channel: str) -> int:
        """Largest number of realisations of a point on a channel, in whole rounds."""
        own = self.repeats(channel)
        return own if self.mc is None else max(own, self.max_realizations // own * own)


class Named(Protocol):
    """A scheme or a channel, which the table identifies by its name."""

    @property
    def name(self) -> str:
        """The name in tables."""
        ...


Item = TypeVar("Item", bound=Named)


def by_name(items: Iterable[Item], *, option: str) -> dict[str, Item]:
    """Map names to items, each once. Raises: UserError if two different items share a name."""
    found: dict[str, Item] = {}
    for item in items:
        if found.setdefault(item.name, item) != item:
            raise UserError(
                f"{option} must have different names, got two called {item.name}; rename one, or "
                "leave it out"
            )
    return found


class Point(NamedTuple):
    """One row of the table, by the names of its scheme and channel."""

    scheme: str
    channel: str
    snr_db: float
    k: int

    @property
    def text(self) -> str:
        """The point in one line."""
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
    """A division of the uses of a point into pilots and data, where the number is open."""

    pilots: int
    data_uses: int


Divisions = Mapping[Point, Division]  # for points whose channel leaves the number of pilots open


def numbers_of_pilots(k: int) -> list[int]:
    """Numbers of pilots to try among k uses: 1, 2, 3, 4, 6, 8, 12, ..., at most k / 2."""
    powers = [2**n for n in range(MOST_PILOTS.bit_length())]
    both = sorted({*powers, *(3 * number for number in powers)})
    return [number for number in both if number <= min(MOST_PILOTS, k // 2)]


def divisions(scheme: Scheme, channel: Channel, k: int) -> list[Division]:
    """The divisions of k uses that a scheme can use on a channel, fewest pilots first."""
    found = []
    for pilots in numbers_of_pilots(k):
        left = range(k - pilots, pilots - 1, -1)
        data_uses = next((uses for uses in left if scheme.serves(uses)), None)
        if data_uses and not scheme.objection(channel.with_pilots(pilots), data_uses):
            found.append(Division(pilots, data_uses))
    return found


def placed(point: Point, channel: Channel, found: Divisions) -> tuple[Channel, int]:
    """The channel, with its number of pilots, and the number of data symbols of a point."""
    own = found.get(point)
    return (channel, point.k) if own is None else (channel.with_pilots(own.pilots), own.data_uses)


def plan(schemes: Sequence[Scheme], grid: Grid) -> tuple[list[Point], list[LeftOut]]:
    """The points of a sweep, and each scheme and k that is left out.

    Raises: UserError if no point is left, if a channel has more pilots than the largest k, or if
    two noise streams of one point would share a seed.
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
    """Names of the channels that a scheme serves with k uses; the others with the reason."""
    if not scheme.serves(k) and not any(channel.pilots_open for channel in channels):
        return [], [LeftOut(scheme.name, f"serves {scheme.channel_uses}", k)]
    by_objection: dict[str, list[str]] = {}  # objection, empty if served -> channels
    for channel in channels:
        by_objection.setdefault(_objection(scheme, channel, k), []).append(channel.name)
    served = by_objection.pop("", [])
    others = by_objection.items()
    return served, [LeftOut(scheme.name, why, k, tuple(names)) for why, names in others]


def _objection(scheme: Scheme, channel: Channel, k: int) -> str:
    """Why a scheme cannot use a channel with k uses; empty if it can."""
    if channel.pilots_open:
        fits = "serves no k beside pilots that fit, or not this channel"
        return "" if divisions(scheme, channel, k) else fits
    if not scheme.serves(k):
        return f"serves {scheme.channel_uses}"
    if channel.pilots > k:
        return f"needs k of at least the {channel.pilots} pilots"
    return scheme.objection(channel, k)


def tasks_of(point: Point, realizations: Sequence[int]) -> Iterator[Task]:
    """Split realisations of a point into tasks."""
    for first in range(0, len(realizations), TASK_REALIZATIONS):
        yield Task(point, tuple(realizations[first : first + TASK_REALIZATIONS]))


def unit_streams(
    unit: Unit, channel: Channel, seed: int, *, data_uses: int | None = None
) -> PointStreams:
    """The random streams of a unit. Their names do not depend on the scheme.

    `data_uses` is the number of data symbols; by default it is the k of the point.
    """
    snr_db, uses = unit.point.snr_db, (data_uses or unit.point.k) + channel.pilots
    return PointStreams(Streams(seed=seed), channel.stream_name, snr_db, uses, unit.realization)


def check_pilots(channel: Channel, k: int) -> None:
    """Raises: UserError if a channel has more pilots than k data symbols."""
    if channel.pilots > k:
        raise UserError(
            f"{channel.name} must have at most as many pilots as data symbols, got "
            f"{channel.pilots} pilots with k = {k}"
        )


def _check_seeds(grid: Grid) -> None:
    """Check that the draws of a point differ; otherwise its interval would be wrong.

    Seeds have 32 bits, so two different points may share one, which biases no row of the table. A
    repeated draw among very many does no harm either: an interval changes by less than a percent.

    Raises: UserError if two draws of a point share a seed.
    """
    streams = Streams(seed=grid.seed)
    places = itertools.product(PURPOSES, grid.channels, grid.snr_db, grid.channel_uses)
    for purpose, channel, snr_db, k in places:
        draws = range(min(grid.most(channel.name), MANY))
        place = (channel.stream_name, snr_db, k + channel.pilots)
        seeds = {streams.seed_of(purpose, *place, r) for r in draws}
        if len(seeds) < len(draws):
            raise UserError(
                f"two noise streams of one point would be equal under --seed {grid.seed}; "
                "choose another seed"
            )
