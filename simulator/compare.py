"""Two schemes of one sweep against each other, image by image."""

from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from channels.streams import Streams
from simulator.errors import UserError
from simulator.records import load_tensors, save_tensors
from simulator.statistics import paired_difference

FILE = "outcomes.safetensors"
POINT = ["channel", "channel_uses", "snr_db"]


def save_outcomes(folder: Path, results: pd.DataFrame, outcomes: Tensor) -> None:
    """Keep what every image earned at every point, in the order of the rows."""
    points = results[["scheme", *POINT]].to_dict(orient="records")
    save_tensors(folder / FILE, {"credits": outcomes}, {"points": points})


def compare(folder: Path, a: str, b: str) -> pd.DataFrame:
    """Accuracy of `a` minus accuracy of `b` at every point that both have, with its interval.

    Both met the same images, gains and noise at a point, so the difference is surer than either.
    Raises: UserError if the folder holds no outcomes, or a scheme is not in it.
    """
    tensors, header = load_tensors(folder / FILE)
    points = pd.DataFrame(header["points"])
    for name in (a, b):
        if name not in set(points["scheme"]):
            known = ", ".join(dict.fromkeys(points["scheme"]))
            raise UserError(f"{folder} must hold the scheme {name!r}, but it has {known}")
    rows = [
        _row(point, tensors["credits"][list(own.index)], tuple(own["scheme"]), a, b)
        for point, own in points[points["scheme"].isin([a, b])].groupby(POINT, sort=True)
        if len(own) == len({a, b})
    ]
    if not rows:
        raise UserError(f"{a} and {b} must share a point to be compared, but have none")
    return pd.DataFrame(rows)


def _row(point: Any, outcomes: Tensor, schemes: tuple[str, ...], a: str, b: str) -> dict[str, Any]:
    own = {scheme: outcomes[i].double().numpy() for i, scheme in enumerate(schemes)}
    channel, k, snr_db = point
    seed = Streams(seed=0).seed_of("bootstrap", str(channel), int(k), float(snr_db))
    difference = paired_difference(own[a], own[b], seed=seed)
    return {
        **dict(zip(POINT, point, strict=True)),
        "a": a,
        "b": b,
        "images": outcomes.shape[1],
        "accuracy_a": float(own[a].mean()),
        "accuracy_b": float(own[b].mean()),
        "difference": difference.value,
        "ci_low": difference.low,
        "ci_high": difference.high,
    }
