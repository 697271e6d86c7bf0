"""The table of the speed benchmark: its rows, the measurement of rates, and its files."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import torch

from simulator.storage.environment import environment
from simulator.storage.files import write_json, write_table

SNR_DB = tuple(float(snr) for snr in range(-6, 14, 2))  # the ten points of (a) to (c)
REALIZATIONS = 5
TRANSMISSIONS = "transmissions per core-second"
RATIOS = "ratios"  # section of the rows of ratios
Measured = Mapping[str, Mapping[str, Any]]  # section -> time its run began, commit, quick


@dataclass(frozen=True)
class Row:
    """One measured number, with the least and the most of its repeats or its 95 % interval."""

    section: str
    what: str
    value: float
    unit: str
    least: float
    most: float
    repeats: int


@dataclass(frozen=True, kw_only=True)
class Size:
    """The size of the benchmark."""

    repeats: int
    images: int  # of (a)
    few: int  # images of slower measurements
    blocks: int  # LDPC words; Sionna decodes a quarter of them
    realizations: int  # of sweeps of the digits
    draws: int  # realisations of sweeps of CIFAR-100
    many: int  # the most images of CIFAR-100 in (e)
    seconds: float  # approximate time of one worker in (f)


FULL = Size(
    repeats=3,
    images=1250,
    few=1000,
    blocks=4000,
    realizations=100,
    draws=10,
    many=5000,
    seconds=340,
)
QUICK = Size(
    repeats=1, images=250, few=250, blocks=200, realizations=5, draws=1, many=1000, seconds=2
)


def single(section: str, what: str, value: float, unit: str) -> Row:
    """A number that was measured once."""
    return of_several(section, what, [value], unit)


def of_several(section: str, what: str, values: list[float], unit: str) -> Row:
    """The median of several measurements."""
    return announced(
        Row(section, what, median(values), unit, min(values), max(values), len(values))
    )


def announced(row: Row) -> Row:
    """Print the row and return it."""
    print(
        f"({row.section}) {row.what}: {row.value:,.5g} {row.unit} "
        f"({row.least:,.5g} to {row.most:,.5g})"
    )
    return row


def rate(section: str, what: str, run: Callable[[], int], unit: str, *, repeats: int) -> Row:
    """A rate per core-second, measured `repeats` times; `run` returns the number of items done."""
    rates = []
    for _ in range(repeats):
        start = time.process_time()
        count = run()
        rates.append(count / (time.process_time() - start))
    return of_several(section, what, rates, unit)


def keep(folder: Path, section: str, rows: Sequence[Row], about: Mapping[str, Any]) -> None:
    """Write a section to speed.csv and run.json in place of its earlier rows; keep the others."""
    table = [row for row in rows_of(folder) if row.section not in (section, RATIOS)]
    table = sorted([*table, *rows], key=lambda row: row.section)
    measured = {**measured_of(folder), section: about}
    table += ratios(table, measured)
    write_table(folder / "speed.csv", pd.DataFrame([asdict(row) for row in table]))
    run = {"sections": measured, "environment": environment(torch.device("cpu"))}
    write_json(folder / "run.json", run)


def rows_of(folder: Path) -> list[Row]:
    """The rows of an earlier run, if there are any."""
    path = folder / "speed.csv"
    if not path.exists():
        return []
    table = pd.read_csv(path, keep_default_na=False)
    return [Row(*own) for own in table.itertuples(index=False)]


def measured_of(folder: Path) -> dict[str, Mapping[str, Any]]:
    """When and at which commit the sections of a folder were measured."""
    path = folder / "run.json"
    if not path.exists():
        return {}
    found: dict[str, Mapping[str, Any]] = json.loads(path.read_text()).get("sections", {})
    return found


def ratios(table: Sequence[Row], measured: Measured) -> Iterator[Row]:
    """Our engine over the plain loop and over Kaira, if one run has measured both.

    The work is the same: the engine's rate includes the preparation of images.
    """
    for network in ("rkd_sc k=64", "deep_jscc_image k=256"):
        for precision in ("fp32", "bf16"):
            name = f"{network} {precision}"
            peers = {f"{name}, engine over plain loop": ("b", f"{name}, plain loop")}
            if network.startswith("deep_jscc_image"):
                peers[f"{name}, engine over Kaira in fp32"] = ("c", "Kaira ")
            engine = _first(table, "a", f"{name}, sweep of ")
            for what, place in peers.items():
                peer = _first(table, *place)
                if engine and peer and _together(engine, peer, measured):
                    yield ratio(what, engine, peer)


def ratio(what: str, ours: Row, theirs: Row) -> Row:
    """One rate over another; least and most are the extremes over the repeats of both."""
    least, most = ours.least / theirs.most, ours.most / theirs.least
    repeats = min(ours.repeats, theirs.repeats)
    return announced(Row(RATIOS, what, ours.value / theirs.value, "times", least, most, repeats))


def _first(table: Sequence[Row], section: str, start: str) -> Row | None:
    return next((r for r in table if r.section == section and r.what.startswith(start)), None)


def _together(a: Row, b: Row, measured: Measured) -> bool:
    """Whether one run has measured the sections of two rows."""
    both = [measured.get(row.section) for row in (a, b)]
    return None not in both and both[0] == both[1]
