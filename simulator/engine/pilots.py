"""Choice of the number of pilots where a channel leaves it open, on validation images, per point.

A scheme is simulated with every division of the k uses of a point into pilots and data. The
division with the highest accuracy is used; among equal ones, that with the fewest pilots.
"""

from collections.abc import Sequence
from typing import Final

import torch

from channels.base import Channel
from channels.streams import Streams
from simulator.data.dataset import Split
from simulator.engine.grid import Division, Grid, Point, divisions
from simulator.engine.run import sweep_here
from simulator.errors import UserError
from simulator.scheme import Scheme

IMAGES: Final = 500  # number of validation images on which every division is tried
REALIZATIONS: Final = 4

Trials = dict[Point, dict[Division, Point]]  # point -> division -> point simulated to try it


def best_divisions(
    schemes: Sequence[Scheme],
    channels: Sequence[Channel],
    points: Sequence[Point],
    validation: Split | None,
    device: torch.device,
    *,
    num_classes: int,
) -> dict[Point, Division]:
    """The best division of every point whose channel leaves the number of pilots open.

    Gains and noise differ from those of the sweep, and do not depend on its seed.
    Raises: UserError if there are such points, but no validation images.
    """
    named = {own.name: own for own in channels if own.pilots_open}
    trials = _trials({own.name: own for own in schemes}, named, points)
    if not trials:
        return {}
    if validation is None:
        raise UserError(
            f"{next(iter(named))} needs validation images to choose the number of pilots, but the "
            "data has none; give a number, such as +lmmse:8"
        )
    count = min(IMAGES, len(validation.labels))
    tried = list(dict.fromkeys(trial for own in trials.values() for trial in own.values()))
    numbers = {division.pilots for own in trials.values() for division in own}
    grid = Grid(
        channels=tuple(own.with_pilots(n) for own in named.values() for n in sorted(numbers)),
        snr_db=(),
        channel_uses=(),
        realizations=REALIZATIONS,
        seed=Streams(seed=0).seed_of("choice of pilots"),
    )
    split = Split(images=validation.images[:count], labels=validation.labels[:count])
    results = sweep_here(schemes, tried, grid, split, device, num_classes=num_classes)
    accuracy = dict(zip(tried, results.table["accuracy"], strict=True))
    return {
        point: max(own, key=lambda division: accuracy[own[division]])
        for point, own in trials.items()
    }


def _trials(
    schemes: dict[str, Scheme], channels: dict[str, Channel], points: Sequence[Point]
) -> Trials:
    """The divisions of every point on these channels, fewest pilots first."""
    found: Trials = {}
    for point in points:
        if channel := channels.get(point.channel):
            found[point] = {
                own: point._replace(channel=channel.with_pilots(own.pilots).name, k=own.data_uses)
                for own in divisions(schemes[point.scheme], channel, point.k)
            }
    return found
