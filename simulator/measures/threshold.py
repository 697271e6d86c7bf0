"""The SNR that schemes of a sweep need for an accuracy: which rows are asked about, and the table.

`semlink threshold` and `Results.threshold` are this one table; `statistics.threshold` computes it.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from simulator.engine.outcomes import UnitStore, stored_units
from simulator.errors import UserError
from simulator.measures.choose import check_names, chosen
from simulator.measures.compare import credits_from
from simulator.statistics.threshold import thresholds

Credits = Callable[[Any], NDArray[np.float64]]  # of a row to what each image earned there


def credits_of_sweep(
    store: UnitStore | Path, rows: pd.DataFrame, run: Mapping[str, Any]
) -> Credits | None:
    """What every image earned, from memory or a folder; None where that holds tables alone."""
    if isinstance(store, Path):
        try:
            store = stored_units(store, rows, str(run.get("journal")))
        except UserError:
            return None
    return credits_from(store, int(run["data"]["classes"]))


def threshold_table(
    rows: pd.DataFrame,
    accuracy: float,
    *,
    schemes: Sequence[str] | None = None,
    channels: Sequence[str] | None = None,
    channel_uses: Sequence[int] | None = None,
    reference: str | None = None,
    credits_of: Credits | None = None,
) -> pd.DataFrame:
    """As `thresholds`, of the rows that are asked for and of the reference. Units: % accuracy.

    Raises: UserError for an accuracy outside 1..100, and for what the sweep does not hold.
    """
    if not 1 <= accuracy <= 100:
        meant = f"{100 * accuracy if 0.01 <= accuracy < 1 else 60:g}"
        raise UserError(
            f"--accuracy must be from 1 to 100 in percent, got {accuracy:g}; {meant} stands for "
            f"{meant} %"
        )
    if reference is not None:
        check_names("--reference", [reference], rows["scheme"])
        schemes = tuple(dict.fromkeys((*(schemes or rows["scheme"]), reference)))
    rows = chosen(rows, schemes=schemes, channels=channels, channel_uses=channel_uses)
    return thresholds(rows, accuracy / 100, reference=reference, credits_of=credits_of)
