"""Compute the outcomes of schemes: a sweep over the task's grid with the task's seed."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.open.entry import Outcomes
from benchmarks.open.task import Place, Task
from simulator.data.dataset import Split
from simulator.engine.checked import Checked
from simulator.engine.grid import Point, plan
from simulator.engine.run import Results, sweep_here
from simulator.errors import UserError
from simulator.scheme import Scheme
from simulator.storage.environment import environment

PACKAGES = ("torch", "sionna-no-rt")  # whose versions determine every random draw


class Swept(NamedTuple):
    """Settings (what is charged and known) by k, and outcomes by column."""

    settings: Mapping[int, str]
    outcomes: Mapping[Place, Outcomes]


def swept(task: Task, schemes: Sequence[Scheme], split: Split) -> Swept:
    """Sweep a task with schemes of which at most one serves each k.

    Raises: UserError if several serve one k, none serves any, or a scheme fails.
    """
    for k in task.channel_uses:
        serving = [scheme.name for scheme in schemes if scheme.serves(k)]
        if len(serving) > 1:
            raise UserError(
                f"one scheme of a submission must serve k = {k}, got {len(serving)}: "
                f"{', '.join(serving)}"
            )
    grid = task.grid()
    points, _ = plan(schemes, grid)
    cpu = torch.device("cpu")
    results = sweep_here(schemes, points, grid, split, cpu, num_classes=task.classes)
    named = {scheme.name: scheme for scheme in schemes}
    settings = {point.k: named[point.scheme].settings(point.k) for point in points}
    return Swept(settings, _outcomes(task, points, results))


def swept_checked(task: Task, schemes: Sequence[Scheme], name: str, split: Split) -> Swept:
    """As `swept`, but checks every step of the schemes. Raises: UserError also for wrong power."""
    own_names = [own.name for own in schemes]  # points identify schemes by name: number equal ones
    numbers = [f" {n}" if own_names.count(own) > 1 else "" for n, own in enumerate(own_names, 1)]
    checked = [
        Checked(own, f"{own.name} of {name}{number}", task.classes)
        for own, number in zip(schemes, numbers, strict=True)
    ]
    return swept(task, checked, split)


def made_with() -> dict[str, str]:
    """Versions and semlink's commit: all that determines the numbers besides the submission."""
    about: dict[str, Any] = environment(torch.device("cpu"))
    packages = {name: version(name) for name in PACKAGES}
    return {"semlink": about["semlink"], "commit": about["commit"], **packages}


def _outcomes(task: Task, points: Sequence[Point], results: Results) -> dict[Place, Outcomes]:
    """Outcomes by column, from the tallies of its points in the order of SNRs."""
    found = {}
    for place in task.places:
        here = [point for point in points if (point.channel, point.k) == place]
        if here:
            tallies = [results.tally(point) for point in here]
            counts = (
                np.stack([getattr(own, part) for own in tallies]).astype(np.uint8)
                for part in ("right", "outages")
            )
            found[place] = Outcomes(*counts)
    return found
