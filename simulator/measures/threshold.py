"""The SNR that schemes of a sweep need for an accuracy: which rows are asked about, and the table.

`semlink threshold` and `Results.threshold` are this one table; `statistics.threshold` computes it.
"""

from collections.abc import Sequence

import pandas as pd

from simulator.errors import UserError
from simulator.measures.choose import check_names, chosen
from simulator.statistics.threshold import thresholds


def threshold_table(
    rows: pd.DataFrame,
    accuracy: float,
    *,
    schemes: Sequence[str] | None = None,
    channels: Sequence[str] | None = None,
    channel_uses: Sequence[int] | None = None,
    reference: str | None = None,
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
    return thresholds(rows, accuracy / 100, reference=reference)
