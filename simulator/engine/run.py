"""A sweep: which units are still to be computed, when a point has enough, and the table of results.

Units are submitted to a pool of workers and kept in a store as they come back. The table is made
only from the store, so it does not depend on which worker computed a unit, in which order, or when.
"""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd
import torch

from channels.base import Channel
from simulator.data.dataset import Split
from simulator.engine.evaluate import Preparation, Setting, blocks_in, evaluator_here
from simulator.engine.grid import (
    Divisions,
    Grid,
    Point,
    Task,
    Unit,
    placed,
    tasks_of,
)
from simulator.engine.journal import Finished, MemoryStore, WritableStore
from simulator.engine.workers import InProcess, Pool
from simulator.parse import check_pilots_named
from simulator.progress import progress, skip, wait
from simulator.scheme import Scheme
from simulator.statistics.intervals import accuracy_interval, channel_interval
from simulator.statistics.tally import Tally

NAMES = ("scheme", "channel", "snr_db", "channel_uses")  # columns that name a point


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The contents of the rows besides outcomes."""

    images: int
    num_classes: int
    source_values: int  # C H W
    settings: Mapping[Point, str]  # the text of Scheme.settings
    pilots: Mapping[str, int] = field(default_factory=dict)  # channel -> pilots, if it has any
    table_errors: Mapping[Point, float] = field(default_factory=dict)  # by Scheme.table_error


@dataclass(frozen=True)
class Results:
    """The rows of a sweep, read from its store point by point."""

    store: WritableStore
    facts: Facts
    realizations: Mapping[Point, int] = field(default_factory=dict)

    def tally(self, point: Point) -> Tally:
        """Outcomes of a point over its realisations."""
        units = (Unit(point, r) for r in range(self.realizations[point]))
        codes = (self.store.read(unit).codes for unit in units)
        return Tally.of(codes, num_classes=self.facts.num_classes)

    @cached_property
    def _read(self) -> list[tuple[dict[str, Any], float]]:
        """Row and core-seconds of every point in the order of the plan; each unit is read once."""
        read = []
        for point, count in self.realizations.items():
            units = [self.store.read(Unit(point, r)) for r in range(count)]
            codes = (unit.codes for unit in units)
            tally = Tally.of(codes, num_classes=self.facts.num_classes)
            seconds = sum(unit.core_seconds for unit in units)
            read.append((_row(point, tally, self.facts), seconds))
        return read

    @property
    def table(self) -> pd.DataFrame:
        """One row per point."""
        return pd.DataFrame([row for row, _ in self._read])

    @property
    def timing(self) -> pd.DataFrame:
        """Core-seconds of every point."""
        return pd.DataFrame(
            [
                {**{name: row[name] for name in NAMES}, "core_seconds": round(seconds, 3)}
                for row, seconds in self._read
            ]
        )


class TimeLeft:
    """Estimates the remaining time of a sweep from the cost of finished units of each scheme.

    The costs of schemes differ by factors of 100, so a mean over all units would mislead.
    """

    def __init__(self) -> None:
        self._to_come: Counter[str] = Counter()  # remaining units, by scheme
        self._done: Counter[str] = Counter()
        self._spent: defaultdict[str, float] = defaultdict(float)  # core-seconds

    def ask(self, scheme: str, units: int) -> None:
        """Add units of a scheme that are to be computed."""
        self._to_come[scheme] += units

    def add(self, finished: Sequence[Finished]) -> None:
        """Record finished units."""
        for item in finished:
            scheme = item.unit.point.scheme
            self._to_come[scheme] -= 1
            self._done[scheme] += 1
            self._spent[scheme] += item.core_seconds

    def seconds(self, elapsed: float) -> float | None:
        """Remaining seconds after `elapsed` seconds; None before a unit is finished.

        A scheme without a finished unit is assumed to cost the mean of the others. The ratio of
        seconds to core-seconds is assumed to stay the same, with any number of workers and load.
        """
        spent = sum(self._spent.values())
        if not spent:
            return None
        means = {scheme: self._spent[scheme] / done for scheme, done in self._done.items()}
        usual = sum(means.values()) / len(means)
        cost = sum(units * means.get(scheme, usual) for scheme, units in self._to_come.items())
        return elapsed * cost / spent


class _Schedule:
    """The units that are requested, and which of these are not finished.

    Further rounds of a point come before other points, so that few tallies are in memory.
    """

    def __init__(self, grid: Grid, facts: Facts, store: WritableStore, bar: Any) -> None:
        self._grid, self._facts, self._store, self._bar = grid, facts, store, bar
        self.waiting: deque[Task] = deque()
        self.asked: dict[Point, int] = {}  # realisations in the rounds requested so far
        self._missing: dict[Point, int] = {}  # requested units that are not finished
        self._none = Tally.none(facts.images, num_classes=facts.num_classes)
        self._tallies: dict[Point, Tally] = {}  # of points that need further rounds
        self._left = TimeLeft()
        bar.left = lambda: self._left.seconds(time.time() - bar.start_t)

    def begin(self, point: Point) -> None:
        """Request rounds of a point, until one has units to compute or the point has enough."""
        self._advance(point, self._none)

    def add(self, finished: Sequence[Finished]) -> None:
        """Store the units of one task; after the last of a round, request the next if needed."""
        self._store.add(finished)
        self._left.add(finished)
        for item in finished:
            self._bar.set_postfix_str(item.unit.point.text, refresh=False)
            self._bar.update(len(item.codes))
        point = finished[0].unit.point
        self._missing[point] -= len(finished)
        if not self._missing[point]:
            tally = self._advance(point, self._tallies.pop(point, self._none))
            if self._missing[point]:
                self._tallies[point] = tally

    def _advance(self, point: Point, tally: Tally) -> Tally:
        """Do as `begin`, given the tally read so far. Return the tally of all units read."""
        while not self._last(point):
            before = self.asked.get(point, 0)
            for realization in range(tally.realizations, before):
                tally = tally.plus(self._store.read(Unit(point, realization)).codes)
            if before and self._sure(tally):
                break
            self.asked[point] = before + self._grid.repeats(point.channel)
            self._ask(point, range(before, self.asked[point]))
            if self._missing[point]:
                break
        return tally

    def _ask(self, point: Point, realizations: range) -> None:
        images = self._facts.images
        missing = [r for r in realizations if Unit(point, r) not in self._store]
        self._missing[point] = len(missing)
        self._left.ask(point.scheme, len(missing))
        self._bar.total += images * len(realizations)
        skip(self._bar, images * (len(realizations) - len(missing)))
        tasks = list(tasks_of(point, missing))
        if realizations.start:
            self.waiting.extendleft(reversed(tasks))
        else:
            self.waiting.extend(tasks)

    def take_first(self) -> dict[str, Task]:
        """Remove the first waiting task of every scheme from the queue, and return them."""
        first: dict[str, Task] = {}
        for task in self.waiting:
            first.setdefault(task.point.scheme, task)
        self.waiting = deque(t for t in self.waiting if t is not first[t.point.scheme])
        return first

    def _last(self, point: Point) -> bool:
        """Whether no round is allowed after those requested."""
        asked, more = self.asked.get(point, 0), self._grid.repeats(point.channel)
        return asked > 0 and asked + more > self._grid.most(point.channel)

    def _sure(self, tally: Tally) -> bool:
        """Whether the interval over channel draws is as narrow as requested."""
        interval = channel_interval(tally)
        return self._grid.mc is not None and 50 * (interval.high - interval.low) <= self._grid.mc


def run_sweep(
    points: Sequence[Point], grid: Grid, facts: Facts, *, pool: Pool, store: WritableStore
) -> Results:
    """Compute the units of these points that the store lacks; show progress on stderr."""
    unit = " transmissions"
    with progress(desc="sweep", unit=unit, smoothing=0.05, mininterval=0.5, total=0) as bar:
        schedule = _Schedule(grid, facts, store, bar)
        for point in points:
            schedule.begin(point)
        _begin(pool, schedule, bar, blocks_in(facts.images))
        while schedule.waiting or pool.in_hand:
            while schedule.waiting and pool.room > 0:
                pool.submit(schedule.waiting.popleft())
            schedule.add(pool.next_done())
    return Results(store, facts, {point: schedule.asked[point] for point in points})


def _begin(pool: Pool, schedule: _Schedule, sweep_bar: Any, blocks: int) -> None:
    """Prepare all blocks of images for every scheme, and put the first task of each scheme first.

    The remaining time can then be estimated early. Preparation does not count as time of the sweep.
    """
    first, here = schedule.take_first(), isinstance(pool, InProcess)
    todo: deque[Task | Preparation] = deque()
    for scheme, task in first.items():
        todo.extend(Preparation(scheme, block) for block in range(blocks))
        if here:  # it holds one scheme at a time, so the task comes before the next scheme
            todo.append(task)
    schedule.waiting.extendleft([] if here else reversed(first.values()))
    settings: dict[str, Any] = {"total": blocks * len(first), "unit": "block", "leave": False}
    with progress(desc="preparing images", delay=2, **settings) as bar:
        while todo or pool.in_hand:
            while todo and pool.room > 0:
                pool.submit(todo.popleft())
            began = time.time()
            if finished := pool.next_done():
                schedule.add(finished)
            else:
                bar.update()
                wait(sweep_bar, time.time() - began)


def sweep_here(
    schemes: Sequence[Scheme],
    points: Sequence[Point],
    grid: Grid,
    split: Split,
    device: torch.device,
    *,
    num_classes: int,
) -> Results:
    """A small sweep in this process, kept in memory; nothing is written.

    Raises: UserError if a channel leaves the number of pilots open.
    """
    for channel in grid.channels:
        check_pilots_named(channel)
    setting = Setting(grid.seed, device)
    facts = facts_of(schemes, grid.channels, points, split, num_classes=num_classes)
    evaluator = evaluator_here(schemes, grid.channels, split, setting, num_classes=num_classes)
    pool = InProcess(evaluator)
    try:
        return run_sweep(points, grid, facts, pool=pool, store=MemoryStore())
    finally:
        pool.close()


def facts_of(
    schemes: Sequence[Scheme],
    channels: Sequence[Channel],
    points: Sequence[Point],
    split: Split,
    *,
    num_classes: int,
    divisions: Divisions | None = None,
) -> Facts:
    """The contents of the rows of these points besides outcomes."""
    named = {scheme.name: scheme for scheme in schemes}
    called = {channel.name: channel for channel in channels}
    places = {p: placed(p, called[p.channel], divisions or {}) for p in points}
    return Facts(
        images=len(split.labels),
        num_classes=num_classes,
        source_values=split.images[0].numel(),
        settings={p: named[p.scheme].settings(k) for p, (_, k) in places.items()},
        pilots={channel.name: channel.pilots for channel in channels if channel.pilots},
        table_errors={
            p: named[p.scheme].table_error(own, p.snr_db, k) for p, (own, k) in places.items()
        },
    )


def _row(point: Point, tally: Tally, facts: Facts) -> dict[str, Any]:
    table_error = facts.table_errors.get(point, 0.0)
    over_images = accuracy_interval(tally.credits_of_images, table_error=table_error)
    over_draws = channel_interval(tally)
    return {
        **dict(zip(NAMES, point, strict=True)),
        "bandwidth_ratio": (point.k + facts.pilots.get(point.channel, 0)) / facts.source_values,
        "images": facts.images,
        "realizations": tally.realizations,
        "correct": tally.correct,
        "transmissions": tally.transmissions,
        "accuracy": tally.correct / tally.transmissions,
        "ci_low": over_images.low,
        "ci_high": over_images.high,
        "mc_low": over_draws.low,
        "mc_high": over_draws.high,
        "delivered": tally.delivered,
        "pilot_uses": facts.pilots.get(point.channel, 0),
        "table_error": table_error,
        "settings": facts.settings[point],
    }
