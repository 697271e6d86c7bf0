"""Sections (d) to (f) of the speed benchmark, accuracy, and the paper's grid.

Decoders run in this process, sweeps in a separate one, as a user starts them. Sweeps always use the
committed weights, so that all measurements are comparable.
"""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.speed.table import Row, Size, announced, rate, single
from channels.digital.bit_pipe import qam_llr
from channels.digital.ldpc import LayeredDecoder
from channels.streams import Streams, sionna_phy
from simulator.engine.journal import Journal
from simulator.measures.compare import credits_from
from simulator.statistics.paired import paired_difference
from simulator.storage.environment import REFERENCE
from simulator.storage.folders import read_results

MEMORY_EVERY_S = 2.0  # reading it takes 18 ms for a process of 1.3 GB
NETWORKS = ("fp32", "bf16", "fp32, compiled", "bf16, compiled")
SNR_DB = 7.0  # at which LDPC (512, 1024) over 16-QAM loses about one block in a hundred
BITS = "information bits per core-second"


class Cost(NamedTuple):
    """Time and memory of a sweep."""

    wall_seconds: float
    core_seconds: float  # in which its workers computed units
    peak_mb: float  # of all its processes together

    def rows(self, section: str, what: str) -> Iterator[Row]:
        """The rows of the table."""
        yield single(section, f"{what}, wall", self.wall_seconds, "s")
        yield single(section, f"{what}, in units", self.core_seconds, "core-seconds")
        yield single(section, f"{what}, peak memory", self.peak_mb, "MB")


def ldpc(size: Size) -> Iterator[Row]:
    """(d): our LDPC decoder and Sionna's, on the same received words."""
    phy, stream = sionna_phy(), Streams(seed=0)("ldpc")
    code = phy.fec.ldpc.LDPC5GEncoder(
        k=512, n=1024, num_bits_per_symbol=4, precision="single", device="cpu"
    )
    bits = torch.randint(0, 2, (size.blocks, 512), generator=stream).float()
    x = phy.mapping.Mapper("qam", 4, precision="single", device="cpu")(code(bits).to(torch.uint8))
    w = torch.randn((2, *x.shape), generator=stream) * (10 ** (-SNR_DB / 10) / 2) ** 0.5
    noise_power = torch.full((size.blocks, 1), 10 ** (-SNR_DB / 10))
    y = x + torch.complex(w[0], w[1])
    llr = qam_llr(y, noise_power=noise_power, bits_per_symbol=4)
    ours = LayeredDecoder(code)
    theirs = phy.fec.ldpc.LDPC5GDecoder(code, num_iter=20, precision="single", device="cpu")
    ours(llr[:10])
    found = []
    for name, decoder, count in (
        ("layered min-sum", ours, size.blocks),
        ("Sionna, 20 iterations", theirs, size.blocks // 4),
    ):
        wrong = (decoder(llr[:count]).to(torch.uint8) != bits[:count].to(torch.uint8)).any(dim=1)
        yield single("d", f"LDPC {name}, block errors in {count}", float(wrong.sum()), "")
        run = partial(decoded, decoder, llr[:count])
        found.append(rate("d", f"LDPC {name}", run, BITS, repeats=size.repeats))
        yield found[-1]
    yield single("d", "LDPC, ours over Sionna's", found[0].value / found[1].value, "times")


def decoded(decoder: Callable[[Tensor], Tensor], llr: Tensor) -> int:
    """Decode; return the number of information bits."""
    return decoder(llr).numel()


def separate(size: Size, folder: Path) -> Iterator[Row]:
    """(d): the cost of a point in a sweep, for `separate` with its tables and for `rkd_sc`."""
    grid = ["--snr-db", "0,10", "--channel-uses", "64", "--realizations", str(size.realizations)]
    command(folder, "digits", "--schemes", "rkd_sc,separate", "--workers", "1", *grid)
    timing = pd.read_csv(folder / "timing.csv").groupby("scheme")["core_seconds"].mean()
    for scheme in ("rkd_sc", "separate"):
        yield single("d", f"digits, {scheme}, a point", float(timing[scheme]), "core-seconds")
    costs = float(timing["separate"] / timing["rkd_sc"])
    yield single("d", "digits, a point, separate over rkd_sc", costs, "times")


def precisions(size: Size, folder: Path, data: Path | None) -> Iterator[Row]:
    """(a): the effect of bf16 and compilation on accuracies, with the committed weights."""
    draws = ["--realizations", str(size.realizations)]
    yield from accuracies("digits", folder, ["--snr-db", "-5,0,10", "--channel-uses", "16", *draws])
    if data is not None:
        images = ["--data", str(data), "--images", str(size.few)]
        grid = ["--snr-db", "0", "--channel-uses", "64", "--realizations", str(size.draws)]
        yield from accuracies("cifar100", folder, [*images, *grid])


def accuracies(recipe: str, folder: Path, grid: Sequence[str]) -> Iterator[Row]:
    """Accuracy of `rkd_sc` on AWGN in every setting, and its paired difference to plain fp32."""
    plain = folder / recipe / NETWORKS[0]
    for networks in NETWORKS:
        own = folder / recipe / networks
        setting = ["--precision", networks[:4], *(["--compile"] if "compiled" in networks else [])]
        common = ["--schemes", "rkd_sc", "--channels", "awgn", "--workers", "1"]
        command(own, recipe, *common, *grid, *setting)
        before, after = credits_of(plain), credits_of(own)
        for _, row in read_results(own)[0].iterrows():
            what, snr_db = f"{recipe} {networks}, accuracy", float(row["snr_db"])
            interval = row["accuracy"], "", row["ci_low"], row["ci_high"], 1
            yield announced(Row("a", f"{what} at {snr_db:g} dB", *interval))
            if own != plain:
                change = paired_difference(after[snr_db], before[snr_db])
                less = f"{what} minus that of fp32 at {snr_db:g} dB"
                yield announced(Row("a", less, change.value, "", change.low, change.high, 1))


def credits_of(folder: Path) -> dict[float, NDArray[np.float64]]:
    """Mean credit of every image at every SNR of a sweep of one scheme, channel and k."""
    rows, run = read_results(folder)
    credits_of_row = credits_from(Journal(folder), run["data"]["classes"])
    return {float(row["snr_db"]): credits_of_row(row) for _, row in rows.iterrows()}


def growth(size: Size, folder: Path, data: Path | None) -> Iterator[Row]:
    """(e): wall time and memory against points, realisations and images."""
    common = ["--schemes", "rkd_sc", "--channel-uses", "64", "--channels", "awgn", "--workers", "1"]
    digits, draws = ["digits", *common], size.realizations
    points = {n: ["--snr-db", f"0:{n / 2 - 0.5}:0.5"] for n in (4, 8, 16, 32)}
    more = {n: [*points[4], "--realizations", str(n)] for n in (draws, 2 * draws, 4 * draws)}
    few = {n: [*step, "--realizations", str(draws)] for n, step in points.items()}
    yield from against("points", folder, digits, few)
    yield from against("realisations", folder, digits, more)
    if data is None:
        images = {n: [*few[16], "--images", str(n)] for n in (250, 500)}  # whole blocks
        yield from against("images", folder, digits, images)
    else:
        cifar = ["cifar100", *common, "--data", str(data)]
        grid = [*points[4], "--realizations", str(size.draws)]
        counts = (size.many // 4, size.many // 2, size.many)
        images = {n: [*grid, "--images", str(n)] for n in counts}
        yield from against("CIFAR-100 images", folder, cifar, images)


def against(
    kind: str, folder: Path, common: Sequence[str], steps: Mapping[int, Sequence[str]]
) -> Iterator[Row]:
    """Wall time and memory of sweeps of increasing size, and the line fitted to the times."""
    costs = {n: command(folder, *common, *step) for n, step in steps.items()}
    for n, cost in costs.items():
        yield single("e", f"{n} {kind}, wall", cost.wall_seconds, "s")
        yield single("e", f"{n} {kind}, peak memory", cost.peak_mb, "MB")
    x, y = np.array(list(costs)), np.array([cost.wall_seconds for cost in costs.values()])
    slope, start = np.polyfit(x, y, 1)
    unit = f"s per {kind.split()[-1][:-1]}"
    yield single("e", f"wall against {kind}, slope", float(slope), unit)
    yield single("e", f"wall against {kind}, start", float(start), "s")
    if len(costs) > 2:  # two are on a line anyway
        off = float(np.abs(slope * x + start - y).max() / y.max())
        yield single("e", f"wall against {kind}, farthest from the line", off, "of the longest")
    first, *_, last = costs.values()
    change = last.peak_mb / first.peak_mb
    yield single("e", f"peak memory against {kind}, last over first", change, "times")


def workers(size: Size, folder: Path) -> Iterator[Row]:
    """(f): two workers against one, on a sweep that takes one worker about `size.seconds`.

    A pilot sweep gives the time per point: the median, because its first points are slow.
    """
    grid = ["--schemes", "rkd_sc", "--channel-uses", "64", "--snr-db", "-10:20:2"]
    command(folder, "digits", *grid, "--realizations", "5", "--workers", "1")
    pilot = pd.read_csv(folder / "timing.csv")["core_seconds"]
    draws = str(max(5, 5 * round(size.seconds / (len(pilot) * pilot.median()))))
    walls = []
    for number in (1, 2):
        arguments = [*grid, "--realizations", draws, "--workers", str(number)]
        cost = command(folder, "digits", *arguments)
        walls.append(cost.wall_seconds)
        name = f"32 points x {draws} realisations, {number} workers"
        yield from cost.rows("f", name)
    yield single("f", "two workers over one", walls[0] / walls[1], "times")


def papers_grid(size: Size, folder: Path, data: Path) -> Iterator[Row]:
    """18 SNRs, 5 k, 2 channels, 5 and 20 realisations of CIFAR-100's images, on two cores."""
    draws = "awgn=5,rayleigh=20" if size.repeats > 1 else "awgn=1,rayleigh=1"
    grid = ["--snr-db", "-10:24:2", "--channel-uses", "16,32,64,128,256", "--realizations", draws]
    images = ["--images", "5000" if size.repeats > 1 else "250"]
    arguments = ["--schemes", "rkd_sc", "--data", str(data), "--workers", "2", *grid, *images]
    yield from command(folder, "cifar100", *arguments).rows("grid", "the paper's grid")


def command(folder: Path, recipe: str, *arguments: str) -> Cost:
    """Run a fresh sweep of a recipe into a folder with the committed weights; return its cost."""
    weights = str(REFERENCE / recipe / "weights")
    sweep = [sys.executable, "-m", "simulator", "sweep", recipe, "--weights", weights, *arguments]
    start, peak = time.perf_counter(), 0.0
    process = subprocess.Popen(
        [*sweep, "--fresh", "--out", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not ended(process):
        peak = max(peak, memory_mb(process.pid))
    if process.returncode:
        raise SystemExit(f"the sweep failed: {recipe} {' '.join(arguments)}")
    wall_seconds = time.perf_counter() - start
    core_seconds = float(pd.read_csv(folder / "timing.csv")["core_seconds"].sum())
    return Cost(wall_seconds, core_seconds, peak)


def ended(process: "subprocess.Popen[bytes]") -> bool:
    """Wait for a process until its memory must be read again; return whether it has ended."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=MEMORY_EVERY_S)
    return process.returncode is not None


def memory_mb(session: int) -> float:
    """Current memory of all processes of a session in MB; shared memory is counted once."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[3]) == session:
                lines = stat.with_name("smaps_rollup").read_text().splitlines()
                total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024
