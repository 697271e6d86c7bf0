"""The adaptive budget: at every SNR the fewest channel uses that keep a share of the accuracy.

The rule is a table (channel, average SNR) -> k, chosen on validation images. Both ends have this
table and know the average SNR, so the receiver derives k itself and no header is sent.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pandas as pd
import torch

from channels.streams import Streams
from simulator.data.dataset import Split
from simulator.engine.folder import TABLE_ERROR
from simulator.engine.grid import Grid, Point
from simulator.engine.run import NAMES, sweep_here
from simulator.scheme import Scheme
from simulator.statistics.intervals import Estimate
from simulator.statistics.paired import paired_difference

Rule = dict[tuple[str, float], int]  # (channel, average SNR in dB) -> k

KEPT = [*NAMES, "images", "realizations", "accuracy", "ci_low", "ci_high"]


def smallest_uses(rows: pd.DataFrame, *, share: float) -> Rule:
    """The smallest k whose accuracy is at least `share` of that at the largest k in `rows`."""
    rule: Rule = {}
    for _, own in rows.groupby(["channel", "snr_db"], sort=False):
        by_uses = own.sort_values("channel_uses")
        channel, snr_db = own["channel"].iloc[0], own["snr_db"].iloc[0]
        enough = by_uses["accuracy"] >= share * by_uses["accuracy"].iloc[-1]
        rule[str(channel), float(snr_db)] = int(by_uses.loc[enough, "channel_uses"].iloc[0])
    return rule


def adaptive_table(
    scheme: Scheme,
    points: Sequence[Point],
    grid: Grid,
    *,
    validation: Split,
    test: Split,
    share: float,
    num_classes: int,
    device: torch.device,
) -> pd.DataFrame:
    """Choose the rule on the validation images at all points; measure its loss on the test images.

    One row per (channel, SNR): the chosen k, the accuracy at this k and at the largest k, their
    difference, and whether the share is kept; all on test images, with intervals over images. The
    validation images use independent channel draws, so a k that was chosen by luck has no advantage
    on the test images.
    """
    own_draws = replace(grid, seed=Streams(seed=grid.seed).seed_of("budget rule"))
    here = partial(sweep_here, [scheme], device=device, num_classes=num_classes)
    seen = here(points, grid=own_draws, split=validation)
    rule = smallest_uses(seen.table, share=share)
    most = {place: max(p.k for p in points if _place(p) == place) for place in rule}
    needed = [p for p in points if p.k in (most[_place(p)], rule[_place(p)])]
    results = here(needed, grid=grid, split=test)
    table = results.table
    index = {(*_place(point), point.k): number for number, point in enumerate(needed)}
    rows = []
    for place, k in rule.items():
        chosen, largest = index[*place, k], index[*place, most[place]]
        at_k, at_most = (results.tally(needed[i]).credits_of_images for i in (chosen, largest))
        same = chosen == largest  # nothing can be lost
        error = math.hypot(*table.iloc[[chosen, largest]][TABLE_ERROR])
        lost = (
            Estimate(0.0, 0.0, 0.0) if same else paired_difference(at_k, at_most, table_error=error)
        )
        row = {
            **table.iloc[chosen][KEPT].to_dict(),
            "most_uses": most[place],
            "accuracy_at_most_uses": float(at_most.mean()),
            "difference": lost.value,
            "difference_low": lost.low,
            "difference_high": lost.high,
            "kept": bool(at_k.mean() >= share * at_most.mean()),
        }
        rows.append(row)
    return pd.DataFrame(rows)


def _place(point: Point) -> tuple[str, float]:
    return point.channel, point.snr_db
