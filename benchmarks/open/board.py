"""The leaderboard: a self-contained `leaderboard.html`, and a CSV table for each task."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import pandas as pd

from benchmarks.figures.styles import channel_title
from benchmarks.open.entry import Entry
from benchmarks.open.ranks import rows_of
from benchmarks.open.task import Task
from benchmarks.report.looks import DARK
from benchmarks.report.page import embedded_json, filled, source
from simulator.errors import UserError
from simulator.storage.files import replacing, write_table

BOARD: Final = "leaderboard.html"
DIGITS: Final = 5  # after the decimal point, of fractions and of dB
Entries = Sequence[tuple[Task, Sequence[Entry]]]


def write_board(folder: Path, found: Entries) -> Path:
    """Write the tables and then the page, each atomically; equal entries give equal bytes.

    Raises: UserError if there is no entry.
    """
    if not found:
        raise UserError(f"{folder} must hold at least one entry; semlink submit FILE makes one")
    contents = []
    for task, entries in found:
        rows = rows_of(task, entries)
        write_table(folder / f"{task.name}.csv", table_of(task, rows, entries))
        contents.append(content_of(task, rows, entries))
    path = folder / BOARD
    with replacing(path) as temporary:
        temporary.write_text(page_of(contents), encoding="utf-8", newline="\n")
    return path


def table_of(task: Task, rows: pd.DataFrame, entries: Sequence[Entry]) -> pd.DataFrame:
    """The rows with their provenance: authors, link, hashes, version and commit of semlink."""
    by_name = {own.about.name: own for own in entries}
    here = [by_name[name] for name in rows["name"]]
    return rows.round(DIGITS).assign(
        authors=[own.about.authors for own in here],
        link=[own.about.link for own in here],
        task_digest=task.digest,
        submission=[" ".join(own.submission.values()) for own in here],
        semlink=[own.made_with["semlink"] for own in here],
        commit=[own.made_with["commit"] for own in here],
    )


def content_of(task: Task, rows: pd.DataFrame, entries: Sequence[Entry]) -> dict[str, Any]:
    """The page's data for one task."""
    return {
        **asdict(task),
        "digest": task.digest,
        "titles": {name: channel_title(name) for name in task.channels},
        "rows": [_row(task, row) for row in rows.to_dict("records")],
        "entries": {own.about.name: _entry(own) for own in entries},
    }


def page_of(contents: Sequence[Mapping[str, Any]]) -> str:
    """HTML of the leaderboard for some tasks."""
    parts = {
        "STYLE": source("page.css") + source("page.css", "benchmarks.open"),
        "DARK": DARK,
        "DATA": embedded_json(contents),
        "SCRIPT": source("page.js", "benchmarks.open"),
    }
    return filled(source("page.html", "benchmarks.open"), parts)


def _row(task: Task, row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row of the page: accuracies in %, differences in points, required SNRs in dB."""
    percent = {
        name: [_rounded(100 * row[key]) for key in keys]
        for name, keys in {
            "accuracy": ("accuracy", "ci_low", "ci_high"),
            "difference": ("difference", "difference_low", "difference_high"),
            "curve": tuple(f"accuracy_{snr:g}db" for snr in task.snr_db),
        }.items()
    }
    names = ("rank", "name", "channel", "channel_uses")
    needed = [_needed(row[f"snr_for_{own:g}"]) for own in task.targets]
    return {**{name: row[name] for name in names}, **percent, "needed": needed}


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, DIGITS - 2)


def _needed(snr_db: float) -> float | str:
    """The SNR in dB, or "below" or "above" if it is outside the swept range."""
    return round(snr_db, 2) if math.isfinite(snr_db) else "below" if snr_db < 0 else "above"


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        **asdict(entry.about),
        "origin": entry.origin,
        "settings": {f"k = {k}": text for k, text in entry.settings.items()},
        "submission": dict(entry.submission),
        "made_with": dict(entry.made_with),
    }
