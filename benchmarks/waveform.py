"""The transmitted signal: its peak-to-average power, and the cost of amplifier and carrier offset.

    python -m benchmarks.waveform digits --schemes rkd_sc,digital_semantic --channel-uses 64

The symbols of every scheme are modulated by OFDM, oversampled four times. Random QPSK, 16-QAM and
Gaussian symbols are included for comparison. The peak-to-average ratio of an OFDM symbol is its
peak power over the mean power of the signal; one OFDM symbol in a hundred exceeds `papr_db`.
Accuracy is measured over multipath without impairments, and with each of them.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from channels.base import Channel
from channels.digital.qam import qam_points
from channels.names import channel_from_name
from channels.ofdm.waveform import rows_of, time_signal
from channels.streams import Streams
from simulator.commands.options import (
    GridRequest,
    WeightsRequest,
    command,
    note,
    option,
    out_option,
    run,
)
from simulator.data.dataset import Split
from simulator.engine.grid import Grid, Point, plan
from simulator.engine.run import Results, sweep_here
from simulator.engine.send import send_images
from simulator.errors import UserError
from simulator.scheme import Scheme
from simulator.schemes.experiment import build_scheme, requested_schemes
from simulator.statistics.paired import paired_difference
from simulator.storage.describe import describe
from simulator.storage.environment import environment
from simulator.storage.files import write_json, write_table
from simulator.storage.folders import check_writable

EXCEEDED: Final = 0.01  # share of OFDM symbols with a higher peak
REFERENCES: Final = ("qpsk", "16qam", "gaussian")
REFERENCE_SYMBOLS: Final = 20_000  # rows of k random symbols
BASE: Final = "tdl:A:300ns"
IMPAIRMENTS: Final = ("pa:0", "pa:3", "pa:6", "cfo:0.1", "cfo:1")


class Peaks(NamedTuple):
    """Peak-to-average power in dB that a share of OFDM symbols exceeds, and its 95 % interval."""

    papr_db: float
    papr_low: float
    papr_high: float
    ofdm_symbols: int


def peaks(x: Tensor, *, width: int) -> Peaks:
    """Peak-to-average power of symbols x [N, k] of unit power, row by row on `width` subcarriers.

    Partly filled rows are left out if there are full ones. The interval is that of an order
    statistic, by the binomial distribution, with OFDM symbols as the sampling unit.
    """
    used = min(x.shape[1], width)
    grid = rows_of(x[:, : x.shape[1] // used * used], width).flatten(end_dim=1)
    power = time_signal(grid.to(torch.complex64)).abs().square() / (used / width)
    papr = np.sort(10 * np.log10(power.amax(dim=1).double().numpy()))
    return Peaks(*_quantile(papr, 1 - EXCEEDED), len(papr))


def _quantile(values: NDArray[np.float64], level: float) -> tuple[float, float, float]:
    """A quantile of sorted values, and its distribution-free 95 % interval."""
    count = len(values)
    low, high = (int(stats.binom.ppf(tail, count, level)) for tail in (0.025, 0.975))
    places = (math.ceil(level * count) - 1, low - 1, high)
    value, least, most = (float(values[min(max(place, 0), count - 1)]) for place in places)
    return value, least, most


def reference(name: str, k: int) -> Tensor:
    """Random symbols of unit power, [REFERENCE_SYMBOLS, k]."""
    shape, draws = (REFERENCE_SYMBOLS, k), Streams(seed=0)("waveform", name, k)
    if name == "gaussian":
        return torch.randn(shape, dtype=torch.complex64, generator=draws)
    points = qam_points({"qpsk": 2, "16qam": 4}[name], torch.device("cpu"))
    return points[torch.randint(len(points), shape, generator=draws)]


def peaks_of(scheme: Scheme, images: Tensor, grid: Grid, k: int) -> Peaks | None:
    """Peaks of a scheme's symbols at the highest SNR of the grid; None if it has no symbols."""
    channel = channel_from_name(BASE)
    sent = send_images(scheme, images, channel=channel, snr_db=max(grid.snr_db), k=k)
    return None if sent.x is None else peaks(sent.x, width=_width(channel))


def _width(channel: Channel) -> int:
    assert channel.subcarriers is not None
    return channel.subcarriers


def costs(results: Results, scheme: str, k: int, snr_db: float) -> dict[str, float]:
    """Accuracy without impairments, and its change by each one, with paired intervals."""
    plain = results.tally(Point(scheme, channel_from_name(BASE).name, snr_db, k)).credits_of_images
    row = {"accuracy": float(plain.mean())}
    for name in IMPAIRMENTS:
        channel = channel_from_name(f"{BASE}+{name}").name
        own = results.tally(Point(scheme, channel, snr_db, k)).credits_of_images
        difference = paired_difference(own, plain)
        row |= {name: difference.value, f"{name}_low": difference.low}
        row[f"{name}_high"] = difference.high
    return row


@dataclass(frozen=True, kw_only=True)
class WaveformRequest(WeightsRequest, GridRequest):
    """The options of `semlink sweep`, except for the channels, which the study sets."""

    schemes: tuple[str, ...] = option(default=("all",), help="Schemes, or all.")
    out: Path | None = out_option("results/runs/RECIPE/waveform")


def waveform(request: WaveformRequest) -> pd.DataFrame:
    """Measure, write the files, and return the table."""
    if request.channels is not None:
        raise UserError(f"--channels must be left out: the study uses {BASE} and its impairments")
    experiment = request.experiment()
    names = (BASE, *(f"{BASE}+{name}" for name in IMPAIRMENTS))
    grid = replace(request.grid(experiment), channels=tuple(map(channel_from_name, names)))
    (experiment, weights), test = request.loaded(experiment, torch.device("cpu"))
    folder = request.out or Path("results/runs") / request.recipe_name / "waveform"
    check_writable(folder)
    schemes_named, left_out = requested_schemes(experiment, weights, request.schemes)
    schemes = [build_scheme(name, experiment, weights).scheme for name in schemes_named]
    points, more = plan(schemes, grid)
    note(*(own.text for own in (*left_out, *more)))
    device, classes = torch.device("cpu"), weights.dataset.num_classes
    results = sweep_here(schemes, points, grid, test, device, num_classes=classes)
    table = pd.DataFrame(_rows(schemes, results, points, test, grid))
    write_table(folder / "waveform.csv", table)
    run = {
        "recipe": describe(experiment),
        "grid": {**describe(grid), "channels": list(names)},
        "data": {"name": weights.dataset.name, "test_images": len(test.labels)},
        "weights": weights.hashes,
        "environment": environment(device),
    }
    write_json(folder / "waveform.json", run)
    return table


def _rows(
    schemes: Sequence[Scheme], results: Results, points: Sequence[Point], test: Split, grid: Grid
) -> Iterator[dict[str, Any]]:
    width = _width(grid.channels[0])
    for k in grid.channel_uses:
        for name in REFERENCES:
            found = peaks(reference(name, k), width=width)
            yield {"scheme": name, "channel_uses": k, **found._asdict()}
        for scheme in schemes:
            if not any((own.scheme, own.k) == (scheme.name, k) for own in points):
                continue
            own = peaks_of(scheme, test.images, grid, k)
            for snr_db in grid.snr_db:
                if Point(scheme.name, grid.channels[0].name, snr_db, k) in points:
                    yield {
                        "scheme": scheme.name,
                        "channel_uses": k,
                        **(own._asdict() if own else {}),
                        "snr_db": snr_db,
                        "images": len(test.labels),
                        **costs(results, scheme.name, k, snr_db),
                    }


@command(WaveformRequest)
def measure(request: WaveformRequest) -> None:
    """Measure the peak-to-average power of each scheme's signal, and the cost of impairments."""
    torch.set_num_threads(1)
    table = waveform(request)
    shown = ["scheme", "channel_uses", "papr_db", "snr_db", "accuracy", *IMPAIRMENTS]
    percent = {name: (100 * table[name]).round(1) for name in ("accuracy", *IMPAIRMENTS)}
    percent["papr_db"] = table["papr_db"].round(2)
    click.echo(table.assign(**percent)[shown].to_string(index=False))


def main() -> None:
    """The command."""
    run(measure.click, "waveform")


if __name__ == "__main__":
    main()
