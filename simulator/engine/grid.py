"""The grid of a sweep: points, the units of a point, and the random streams of a unit.

A point is one row of the table. It is made of units, one for each realisation of the channel on all
test images. A unit's noise comes from streams named by (channel, SNR, uses, realisation), so
schemes with the same number of channel uses meet the same gains and noise, and a unit depends on
nothing else that is computed. For an estimated channel the name is that of the true channel, and
the pilots count as uses: perfect, LS and LMMSE knowledge meet the same draws at equal total length.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol, TypeVar

from channels.base import Channel
from channels.streams import PointStreams, Streams
from simulator.errors import UserError
from simulator.parse import MOST_REALIZATIONS, in_range
from simulator.scheme import Scheme

PURPOSES = ("channel", "scrambling", "decoding")
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
                f"{option} must have different names, got two called {item.name}; rename one"
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


def plan(schemes: Sequence[Scheme], grid: Grid) -> tuple[list[Point], list[str]]:
    """The points of a sweep, and one line for each scheme and k that is left out.

    Raises: UserError if no point is left, if a channel has more pilots than any k data symbols, or
    if two streams of the sweep would share a seed.
    """
    for channel in grid.channels:
        check_pilots(channel, max(grid.channel_uses))
    points: list[Point] = []
    left_out: list[str] = []
    for scheme, k in itertools.product(schemes, grid.channel_uses):
        served, lines = _served(scheme, k, grid.channels)
        points += [Point(scheme.name, name, snr, k) for name in served for snr in grid.snr_db]
        left_out += lines
    if not points:
        raise UserError("nothing to sweep: " + "; ".join(left_out))
    _check_seeds(grid)
    return points, left_out


def _served(scheme: Scheme, k: int, channels: Sequence[Channel]) -> tuple[list[str], list[str]]:
    """Names of the channels over which a scheme is sent with k uses, and lines about the others."""
    if not scheme.serves(k):
        return [], [f"{scheme.name} serves {scheme.channel_uses}: k = {k} left out"]
    by_objection: dict[str, list[str]] = {}  # why, empty where there is none -> channels
    for channel in channels:
        pilots = channel.pilots > k
        why = f"needs k of at least the {channel.pilots} pilots" if pilots else ""
        by_objection.setdefault(why or scheme.objection(channel, k), []).append(channel.name)
    served = by_objection.pop("", [])
    lines = (
        f"{scheme.name} {why}: {', '.join(names)} with k = {k} left out"
        for why, names in by_objection.items()
    )
    return served, list(lines)


def tasks_of(point: Point, realizations: Sequence[int]) -> Iterator[Task]:
    """Tasks for these realisations of a point."""
    for first in range(0, len(realizations), TASK_REALIZATIONS):
        yield Task(point, tuple(realizations[first : first + TASK_REALIZATIONS]))


def unit_streams(unit: Unit, channel: Channel, seed: int) -> PointStreams:
    """The streams of a unit; the scheme is not in their name."""
    snr_db, uses = unit.point.snr_db, unit.point.k + channel.pilots
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
