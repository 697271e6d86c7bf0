"""Evaluation over channel x SNR x channel uses.

Images are computed and noise is drawn in fixed blocks of 250 images in data order, the last one
padded, by one thread. A point's noise comes from a stream named by (channel, SNR, k, realisation),
so schemes that use equally many channel uses meet the same gains and the same noise, and nothing
depends on which other points are computed.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from channels.base import Channel
from channels.streams import PointStreams, Streams
from simulator.data import Split, to_float
from simulator.errors import UserError
from simulator.link import Scheme
from simulator.objectives import image_credits
from simulator.statistics import accuracy_interval

BLOCK = 250  # images computed and drawn at a time
PURPOSES = ("channel", "scrambling")


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What to evaluate: every scheme at every (channel, k, SNR), `realizations` times."""

    channels: tuple[Channel, ...]
    snr_db: tuple[float, ...]
    channel_uses: tuple[int, ...]
    realizations: int
    seed: int
    realizations_of: Mapping[str, int] = field(default_factory=dict)  # channel -> its own number

    def repeats(self, channel: Channel) -> int:
        """Realisations on a channel."""
        return self.realizations_of.get(channel.name, self.realizations)


class Point(NamedTuple):
    """One row of the table."""

    scheme: Scheme
    channel: Channel
    k: int
    snr_db: float


class Tables(NamedTuple):
    """Result rows, the core-seconds that each took, and credits [rows, N] over draws."""

    results: pd.DataFrame
    timing: pd.DataFrame
    outcomes: Tensor


def plan(schemes: Sequence[Scheme], grid: Grid) -> tuple[list[Point], list[str]]:
    """The points of a sweep, and one line for each (scheme, k) that is left out.

    Raises: UserError if no point is left, or if two streams of the sweep would share a seed.
    """
    points: list[Point] = []
    left_out: list[str] = []
    for scheme in schemes:
        for k in grid.channel_uses:
            if not scheme.serves(k):
                left_out.append(f"{scheme.name} serves {scheme.channel_uses}: k = {k} left out")
                continue
            points += [
                Point(scheme, channel, k, snr)
                for channel, snr in itertools.product(grid.channels, grid.snr_db)
            ]
    if not points:
        raise UserError("nothing to sweep: " + "; ".join(left_out))
    _check_seeds(grid)
    return points, left_out


def run_sweep(points: Sequence[Point], grid: Grid, split: Split, device: torch.device) -> Tables:
    """Evaluate all points on the images of `split`, showing progress on stderr."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    total = len(split.labels) * sum(grid.repeats(point.channel) for point in points)
    try:
        with tqdm(total=total, desc="sweep", unit="img", smoothing=0.05, mininterval=0.5) as bar:
            return _evaluate(points, grid, split, device, bar)
    finally:
        torch.set_num_threads(threads)


@torch.inference_mode()
def noiseless_accuracy(
    classify: Callable[[Tensor], Tensor], split: Split, device: torch.device
) -> dict[str, float]:
    """Accuracy of a classifier without a channel, with its interval over images."""
    right = []
    for block, labels in zip(_blocks(split.images, device), split.labels.split(BLOCK), strict=True):
        scores = classify(block)[: len(labels)]
        right.append((scores.argmax(dim=1).cpu() == labels).double())
    values = torch.cat(right).numpy()
    interval = accuracy_interval(values)
    return {"accuracy": float(values.mean()), "ci_low": interval.low, "ci_high": interval.high}


def _evaluate(
    points: Sequence[Point], grid: Grid, split: Split, device: torch.device, bar: Any
) -> Tables:
    blocks = list(_blocks(split.images, device))
    labels = split.labels.to(device)
    results, timing, earned = [], [], []
    for scheme, own in itertools.groupby(points, key=lambda point: point.scheme):
        start = time.process_time()
        prepared = [scheme.prepare(block) for block in blocks]
        preparation = time.process_time() - start
        for point in own:
            now = f"{scheme.name} {point.channel.name} k={point.k}"
            bar.set_postfix_str(now, refresh=False)
            start = time.process_time()
            outcome = _transmit(point, grid, prepared, labels, bar)
            spent = time.process_time() - start
            results.append(_row(point, grid, outcome, split))
            earned.append((outcome.credits / grid.repeats(point.channel)).float())
            timing.append(
                {**_names(point), "core_seconds": spent, "prepare_core_seconds": preparation}
            )
    return Tables(pd.DataFrame(results), pd.DataFrame(timing), torch.stack(earned))


class _Outcome(NamedTuple):
    credits: Tensor  # [N], summed over realisations
    delivered: int  # transmissions that were not outages


def _transmit(
    point: Point, grid: Grid, prepared: Sequence[Any], labels: Tensor, bar: Any
) -> _Outcome:
    total = torch.zeros(len(labels), dtype=torch.float64)
    delivered = 0
    snr_db = torch.full((BLOCK, 1), point.snr_db, device=labels.device)
    for realization in range(grid.repeats(point.channel)):
        streams = PointStreams(Streams(seed=grid.seed), *_stream_name(point, realization))
        for index, block in enumerate(prepared):
            own = labels[index * BLOCK : (index + 1) * BLOCK]
            received = point.scheme.transmit(
                block, channel=point.channel, snr_db=snr_db, k=point.k, streams=streams
            )
            scores, arrived = received.scores[: len(own)], received.delivered[: len(own)]
            total[index * BLOCK :][: len(own)] += image_credits(scores, own, arrived).cpu()
            delivered += int(arrived.sum())
            bar.update(len(own))
    return _Outcome(total, delivered)


def _row(point: Point, grid: Grid, outcome: _Outcome, split: Split) -> dict[str, Any]:
    images, realizations = len(split.labels), grid.repeats(point.channel)
    transmissions = images * realizations
    interval = accuracy_interval((outcome.credits / realizations).numpy())
    correct = round(float(outcome.credits.sum()), 9)
    return {
        **_names(point),
        "bandwidth_ratio": point.k / split.images[0].numel(),
        "images": images,
        "realizations": realizations,
        "correct": correct,
        "transmissions": transmissions,
        "accuracy": correct / transmissions,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "delivered": outcome.delivered / transmissions,
        "settings": point.scheme.settings(point.k),
    }


def _names(point: Point) -> dict[str, Any]:
    return {
        "scheme": point.scheme.name,
        "channel": point.channel.name,
        "snr_db": point.snr_db,
        "channel_uses": point.k,
    }


def _blocks(images: Tensor, device: torch.device) -> Iterator[Tensor]:
    """Blocks [250, C, H, W] in [0, 1]; the last one is filled up with black images."""
    for chunk in images.split(BLOCK):
        block = torch.zeros((BLOCK, *images.shape[1:]), device=device)
        block[: len(chunk)] = to_float(chunk.to(device))
        yield block


def _stream_name(point: Point, realization: int) -> tuple[str | int | float, ...]:
    return (point.channel.name, point.snr_db, point.k, realization)


def _check_seeds(grid: Grid) -> None:
    names = itertools.product(
        PURPOSES,
        (channel.name for channel in grid.channels),
        grid.snr_db,
        grid.channel_uses,
        range(max(map(grid.repeats, grid.channels))),
    )
    streams = Streams(seed=grid.seed)
    seeds = [streams.seed_of(*name) for name in names]
    if len(set(seeds)) < len(seeds):
        raise UserError(
            f"two noise streams of this sweep would be equal under --seed {grid.seed}; "
            "choose another seed"
        )
