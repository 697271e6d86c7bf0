"""The SNR that a scheme needs for an accuracy, read off its curve."""

import math
from functools import lru_cache

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from channels.streams import Streams
from simulator.statistics.intervals import Estimate
from simulator.statistics.tally import CreditsOf

PLACE = ["channel", "channel_uses"]
DIFFERENCE = ("difference_db", "difference_low", "difference_high")
RESAMPLES, PIECE = 2000, 100  # of the bootstrap, and how many are summed at a time
UNKNOWN = Estimate(math.nan, math.nan, math.nan)


def crossings(
    snr_db: NDArray[np.floating], values: NDArray[np.floating], target: float
) -> list[float]:
    """The SNRs in dB at which straight lines between the points rise to the target, ascending.

    The first is minus infinity if the first point already reaches the target.
    Shapes: snr_db [S], ascending; values [S].
    """
    reached = values >= target
    rises = np.flatnonzero(reached[1:] & ~reached[:-1]) + 1
    found = [float(np.interp(target, values[e - 1 : e + 1], snr_db[e - 1 : e + 1])) for e in rises]
    return [-math.inf, *found] if reached[0] else found


def crossing(snr_db: NDArray[np.floating], values: NDArray[np.floating], target: float) -> float:
    """The SNR in dB above which straight lines between the points stay at the target or above.

    Minus infinity if all points reach the target, infinity if the last one does not.
    Shapes: snr_db [S], ascending; values [S].
    """
    return crossings(snr_db, values, target)[-1] if values[-1] >= target else math.inf


def needed_snr(curve: pd.DataFrame, target: float) -> Estimate:
    """The SNR above which a curve stays at an accuracy or above, and its 95 % interval.

    The interval is the set of SNRs at which the target is inside the 95 % interval of the accuracy:
    it begins where `ci_high` reaches the target and ends where `ci_low` does, both interpolated as
    the accuracy is. An end is infinite if it is outside the swept SNRs.
    """
    rows = curve.sort_values("snr_db")
    snr_db = rows["snr_db"].to_numpy(dtype=np.float64)
    columns = ("accuracy", "ci_high", "ci_low")
    return Estimate(*(crossing(snr_db, rows[column].to_numpy(), target) for column in columns))


def difference(a: Estimate, b: Estimate) -> Estimate:
    """The estimate a minus b, with its 95 % interval [1]; NaN if either is infinite.

    The two are taken as independent: the squared distances of their ends add up. Schemes that used
    the same images and noise are correlated, so for them the interval is wider than necessary.

    [1] Zou and Donner, Construction of Confidence Limits about Effect Measures, Stat. Med. 2008.
    """
    if not (math.isfinite(a.value) and math.isfinite(b.value)):
        return UNKNOWN
    value = a.value - b.value
    low = math.hypot(a.value - a.low, b.high - b.value)
    high = math.hypot(a.high - a.value, b.value - b.low)
    return Estimate(value, value - low, value + high)


def paired_difference_db(
    a: pd.DataFrame, b: pd.DataFrame, target: float, credits_of: CreditsOf
) -> Estimate:
    """The needed SNR of a minus that of b, with a 95 % interval by a bootstrap over images.

    Both curves use the same resampled images, so common variation cancels. Errors of tables of
    error rates are drawn too, independently for every scheme and SNR. A resample in which the
    difference is undefined (both SNRs infinite) counts against both ends. NaN if the needed SNR of
    a or b is outside the swept SNRs.
    """
    value = needed_snr(a, target).value - needed_snr(b, target).value
    if not math.isfinite(value):
        return UNKNOWN
    with np.errstate(invalid="ignore"):
        apart = _resampled(a, target, credits_of) - _resampled(b, target, credits_of)
    low, high = (np.where(np.isnan(apart), end, apart) for end in (-math.inf, math.inf))
    return Estimate(
        value,
        float(np.quantile(low, 0.025, method="lower")),
        float(np.quantile(high, 0.975, method="higher")),
    )


def _resampled(curve: pd.DataFrame, target: float, credits_of: CreditsOf) -> NDArray[np.float64]:
    """The needed SNR in every resample of images and of table errors [RESAMPLES]."""
    rows = curve.sort_values("snr_db")
    earned = np.stack([credits_of(row) for _, row in rows.iterrows()], axis=1)  # [N, S]
    snr_db, counts = rows["snr_db"].to_numpy(dtype=np.float64), _counts(len(earned))
    pieces = (counts[first : first + PIECE] for first in range(0, RESAMPLES, PIECE))
    means = np.concatenate([piece.astype(np.float64) @ earned / len(earned) for piece in pieces])
    means += _table_draws(rows)
    return np.array([crossing(snr_db, values, target) for values in means])


def _table_draws(rows: pd.DataFrame) -> NDArray[np.float64]:
    """Normal errors with the deviations in the column `table_error`, if any [RESAMPLES, S]."""
    errors = rows.get("table_error", pd.Series(0.0, index=rows.index)).to_numpy(dtype=np.float64)
    generator = Streams(seed=0)("bootstrap over tables", str(rows["scheme"].iloc[0]))
    normal = torch.randn((RESAMPLES, len(rows)), generator=generator, dtype=torch.float64)
    return np.asarray(errors * normal.numpy())


@lru_cache(maxsize=1)
def _counts(images: int) -> NDArray[np.uint8]:
    """How often each resample holds each image [RESAMPLES, N], the same for all schemes."""
    generator = Streams(seed=0)("bootstrap over images")
    drawn = (
        torch.randint(images, (images,), generator=generator).numpy() for _ in range(RESAMPLES)
    )
    return np.stack([np.bincount(own, minlength=images).astype(np.uint8) for own in drawn])


def thresholds(
    rows: pd.DataFrame,
    target: float,
    *,
    reference: str | None = None,
    credits_of: CreditsOf | None = None,
) -> pd.DataFrame:
    """The SNR needed by every scheme on every channel at every k, in the order of the rows.

    `snr_db`, `ci_low`, `ci_high` are as in `needed_snr`; `first_db`, `last_db`: lowest and highest
    swept SNR; `crossing_db`: where the curve first reaches the target, which is below `snr_db` if
    it falls below the target again. With a reference, `difference_db` is the needed SNR minus that
    of the reference scheme on this channel at this k, or NaN if one of the two is unknown. Its
    interval is paired if `credits_of` is given, else it takes the two as independent.
    Units: target is a fraction.
    """
    found = []
    for place, here in rows.groupby(PLACE, sort=False):
        curves = {str(name): curve for name, curve in here.groupby("scheme", sort=False)}
        for scheme, curve in curves.items():
            row = dict(zip(PLACE, place, strict=True)) | {"scheme": scheme, "accuracy": target}
            row |= _needed(curve, target)
            if reference is not None:
                apart = _apart(curve, curves.get(reference), target, credits_of)
                row |= dict(zip(DIFFERENCE, apart, strict=True))
            found.append(row)
    return pd.DataFrame(found)


def _needed(curve: pd.DataFrame, target: float) -> dict[str, float]:
    """The columns about one curve."""
    own, rows = needed_snr(curve, target), curve.sort_values("snr_db")
    snr_db = rows["snr_db"].to_numpy(dtype=np.float64)
    first = crossings(snr_db, rows["accuracy"].to_numpy(), target)
    return {
        "snr_db": own.value,
        "ci_low": own.low,
        "ci_high": own.high,
        "first_db": snr_db[0],
        "last_db": snr_db[-1],
        "crossing_db": first[0] if first else math.inf,
    }


def _apart(
    a: pd.DataFrame, b: pd.DataFrame | None, target: float, credits_of: CreditsOf | None
) -> Estimate:
    """The difference of two curves: zero for a curve and itself, NaN without b."""
    if b is None:
        return UNKNOWN
    if a is b:
        return Estimate(0, 0, 0)
    if credits_of is None:
        return difference(needed_snr(a, target), needed_snr(b, target))
    return paired_difference_db(a, b, target, credits_of)
