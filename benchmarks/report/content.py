"""The report's data for one sweep: rows, differences, required SNRs, texts, provenance."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.figures.captions import DataText, counts, definitions, reliability
from benchmarks.figures.plans import FRACTION, KEY, MOST_SCHEMES, by_rank, check_rows
from benchmarks.figures.published import with_published
from benchmarks.figures.styles import channel_title, styles_of
from benchmarks.report.columns import CHOICE, choices_of, columns_of
from benchmarks.report.differences import differences
from benchmarks.report.provenance import provenance_of
from benchmarks.report.samples import samples_of
from simulator.engine.outcomes import units_if_stored
from simulator.measures.compare import credits_from
from simulator.measures.threshold import said
from simulator.statistics.threshold import thresholds

SHARES = (0.8, 0.9, 0.95)  # of the noiseless accuracy: the targets in the table of required SNRs


def content_of(
    folder: Path, rows: pd.DataFrame, run: Mapping[str, Any], text: DataText, *, published: bool
) -> dict[str, Any]:
    """JSON data of the sweep in `folder`; `published` adds the published curves of CIFAR-100.

    Raises: UserError if the rows cannot be drawn, or a file beside them is damaged.
    """
    check_rows(rows)
    drawn = with_published(rows) if published else rows
    names = list(drawn["scheme"].unique())
    pairs, why = _pairs(folder, rows, run)
    return {
        "name": folder.resolve().name,
        "title": text.title,
        "classes": text.num_classes,
        "noiseless": text.noiseless,
        "texts": _texts(rows, text),
        "schemes": names,
        "first": by_rank(names)[:MOST_SCHEMES],
        "channels": {name: channel_title(name) for name in rows["channel"].unique()},
        "rows": columns_of(rows.assign(**{CHOICE: choices_of(folder, rows)})),
        "published": columns_of(drawn.iloc[len(rows) :][[*KEY, *FRACTION[:1], "settings"]]),
        "differences": pairs,
        "without": why,
        "thresholds": {f"{100 * own:g}": _needed(rows, own) for own in _targets(rows, text)},
        "samples": samples_of(folder),
        "provenance": provenance_of(folder, run),
    }


def _texts(rows: pd.DataFrame, text: DataText) -> list[str]:
    """Counts, definitions, limits of the accuracies, notes, and untrained schemes."""
    limits = reliability(rows, text, styles_of(rows["scheme"]))
    lines = [counts(rows), definitions(rows, text, k=None), limits]
    lines += [f"Note: {line}." for line in text.notes]
    lines += [f"Not trained: {', '.join(text.untrained)}."] if text.untrained else []
    return [line for line in lines if line]


def _pairs(
    folder: Path, rows: pd.DataFrame, run: Mapping[str, Any]
) -> tuple[dict[str, Any] | None, str]:
    """Paired differences, or None and the reason if there are no outcomes of single images."""
    store = units_if_stored(folder, rows, str(run.get("journal")))
    if store is None:
        return None, "the folder holds no outcomes of single images (journal or outcomes.npz)"
    return differences(rows, credits_from(store, int(run["data"]["classes"]))), ""


def _targets(rows: pd.DataFrame, text: DataText) -> list[float]:
    """Target accuracies of the table of required SNRs: fractions, rounded to whole percent."""
    top = float(rows["accuracy"].max()) if text.noiseless is None else text.noiseless[0]
    return list(dict.fromkeys(round(share * top, 2) for share in SHARES))


def _needed(rows: pd.DataFrame, target: float) -> list[dict[str, Any]]:
    """The SNR that each curve requires for the target, in words, with scheme, channel and k."""
    table = thresholds(rows, target)
    return [
        {
            "scheme": row["scheme"],
            "channel": row["channel"],
            "channel_uses": int(row["channel_uses"]),
            "text": _in_short(row, said(row)),
        }
        for _, row in table.iterrows()
    ]


def _in_short(row: "pd.Series[Any]", words: Mapping[str, str]) -> str:
    """`4.21 (3.90 to 4.52)`, or in words why there is no number."""
    interval = words["95 % interval"]
    known = math.isfinite(row["snr_db"]) and interval
    return f"{words['SNR']} ({interval})" if known else words["SNR"]
