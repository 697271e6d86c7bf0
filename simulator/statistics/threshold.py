"""The SNR that a scheme needs for an accuracy, read off its curve."""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from simulator.statistics.intervals import Estimate

PLACE = ["channel", "channel_uses"]
DIFFERENCE = ("difference_db", "difference_low", "difference_high")
UNKNOWN = Estimate(math.nan, math.nan, math.nan)


def crossing(snr_db: NDArray[np.floating], values: NDArray[np.floating], target: float) -> float:
    """The lowest SNR in dB at which straight lines between the points reach the target.

    Minus infinity where the first point is there already, infinity where none is.
    Shapes: snr_db [S], ascending; values [S].
    """
    reached = np.flatnonzero(values >= target)
    if reached.size == 0:
        return math.inf
    end = int(reached[0]) + 1
    if end == 1:
        return -math.inf
    return float(np.interp(target, values[end - 2 : end], snr_db[end - 2 : end]))


def needed_snr(curve: pd.DataFrame, target: float) -> Estimate:
    """The SNR at which one curve reaches an accuracy, and its 95 % interval.

    The interval is the set of SNRs at which the target is inside the 95 % interval of the accuracy:
    it begins where `ci_high` reaches the target and ends where `ci_low` does, both interpolated as
    the accuracy is. An end is infinite where the swept SNRs do not hold it.
    """
    rows = curve.sort_values("snr_db")
    snr_db = rows["snr_db"].to_numpy(dtype=np.float64)
    columns = ("accuracy", "ci_high", "ci_low")
    return Estimate(*(crossing(snr_db, rows[column].to_numpy(), target) for column in columns))


def difference(a: Estimate, b: Estimate) -> Estimate:
    """The estimate a minus b, with its 95 % interval [1]; NaN if either is infinite.

    The two are taken as independent: each end adds the squared distances of their ends. Schemes
    that met the same images and noise are correlated, so the interval is wider than necessary.

    [1] Zou and Donner, Construction of Confidence Limits about Effect Measures, Stat. Med. 2008.
    """
    if not (math.isfinite(a.value) and math.isfinite(b.value)):
        return UNKNOWN
    value = a.value - b.value
    low = math.hypot(a.value - a.low, b.high - b.value)
    high = math.hypot(a.high - a.value, b.value - b.low)
    return Estimate(value, value - low, value + high)


def thresholds(rows: pd.DataFrame, target: float, *, reference: str | None = None) -> pd.DataFrame:
    """The SNR needed by every scheme on every channel at every k, in the order of the rows.

    `snr_db`, `ci_low`, `ci_high` as `needed_snr` has them; `first_db`, `last_db`: the SNRs swept.
    With a reference, `difference_db` is the needed SNR minus that of the reference scheme on this
    channel at this k, NaN where one of the two is not known. Units: target is a fraction.
    """
    found = []
    for place, here in rows.groupby(PLACE, sort=False):
        needed = {name: needed_snr(curve, target) for name, curve in here.groupby("scheme")}
        for scheme in here["scheme"].unique():
            own, swept = needed[scheme], here.loc[here["scheme"] == scheme, "snr_db"]
            row = dict(zip(PLACE, place, strict=True)) | {"scheme": scheme, "accuracy": target}
            row |= {"snr_db": own.value, "ci_low": own.low, "ci_high": own.high}
            row |= {"first_db": swept.min(), "last_db": swept.max()}
            if reference is not None:
                other = needed.get(reference, UNKNOWN)
                apart = Estimate(0, 0, 0) if scheme == reference else difference(own, other)
                row |= dict(zip(DIFFERENCE, apart, strict=True))
            found.append(row)
    return pd.DataFrame(found)
