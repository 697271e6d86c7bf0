"""Two schemes of one sweep against each other, image by image, from its journal."""

from pathlib import Path
from typing import Any

import pandas as pd

from channels.streams import Streams
from simulator.config import digest
from simulator.errors import UserError
from simulator.journal import Journal
from simulator.outcomes import Tally
from simulator.points import Point, Unit
from simulator.records import read_results
from simulator.statistics import holm, mcnemar, paired_difference

PLACE = ["channel", "channel_uses", "snr_db"]


def compare(folder: Path, a: str, b: str) -> pd.DataFrame:
    """Accuracy of `a` minus accuracy of `b` at every point that both have, with its interval.

    Both met the same images, gains and noise at a point, so the difference is surer than either.
    `p_value` is McNemar's, `p_holm` the same adjusted for the number of points.
    Raises: UserError if the folder holds no sweep with both, or no journal of it.
    """
    rows, run = read_results(folder)
    for name in (a, b):
        if name not in set(rows["scheme"]):
            known = ", ".join(dict.fromkeys(rows["scheme"]))
            raise UserError(f"{folder} must hold the scheme {name!r}, but it has {known}")
    journal = Journal(folder)
    if run.get("journal") not in {digest(about) for about in journal.abouts}:
        raise UserError(
            f"{journal.path} must hold what every image earned in this sweep, but does not; run "
            "the sweep again"
        )
    shared = rows[rows["scheme"] == a].merge(rows[rows["scheme"] == b], on=PLACE)
    if shared.empty:
        raise UserError(f"{a} and {b} must share a point to be compared, but have none")
    classes = int(run["data"]["classes"])
    table = pd.DataFrame([_row(row, journal, a, b, classes) for _, row in shared.iterrows()])
    return table.assign(p_holm=holm(list(table["p_value"])))


def _row(row: Any, journal: Journal, a: str, b: str, classes: int) -> dict[str, Any]:
    place = (str(row["channel"]), float(row["snr_db"]), int(row["channel_uses"]))
    realizations = int(min(row["realizations_x"], row["realizations_y"]))  # both met these draws
    own = {
        scheme: _tally(journal, Point(scheme, *place), realizations, classes) for scheme in (a, b)
    }
    x, y = own[a].credits_of_images, own[b].credits_of_images
    difference = paired_difference(x, y, seed=Streams(seed=0).seed_of("bootstrap", *place))
    return {
        **row[PLACE].to_dict(),
        "a": a,
        "b": b,
        "images": len(x),
        "realizations": realizations,
        "accuracy_a": float(x.mean()),
        "accuracy_b": float(y.mean()),
        "difference": difference.value,
        "ci_low": difference.low,
        "ci_high": difference.high,
        "p_value": mcnemar(x - y),
    }


def _tally(journal: Journal, point: Point, realizations: int, classes: int) -> Tally:
    units = [Unit(point, realization) for realization in range(realizations)]
    if any(unit not in journal for unit in units):
        raise UserError(
            f"{journal.path} must hold what every image earned, but {point.text} is missing; "
            "run the sweep again"
        )
    return Tally.of((journal.read(unit).codes for unit in units), num_classes=classes)
