"""How fast the simulator is: core-seconds, medians, and ratios measured in one run.

`python -m benchmarks.speed --out results/reference/speed` (about 20 minutes on two quiet cores, 25
with --data and --kaira-python) writes speed.csv and run.json. Rates are per core-second of one
thread; a value is the median of `repeats` measurements. `--quick` is a trial run of some minutes.
`--only a,d` runs single sections and keeps the results of the others; run.json states when the run
of each section began, and its commit. Ratios across sections need one run that measured both.

a, b  networks in our engine, in both precisions, and in a plain loop that encodes every time; the
      effect of bf16 and --compile on accuracy, on the digits and, with --data, on CIFAR-100
c     the DeepJSCC network in Kaira, in the interpreter of --kaira-python; PSNRs of both on
      CIFAR-100 with --data, else on random images
d     LDPC decoding, ours and Sionna's; block error tables in place of it
e     wall time and memory against points, realisations and images (of CIFAR-100 with --data)
f     two workers against one, one sweep each (8 minutes)
g     the share of time outside matrix products, and the limit at the peak rate of such products
h     channels against the receiver of rkd_sc, and a sweep over multipath against one over Rayleigh
grid  the paper's grid on two cores, with --data for CIFAR-100 (4 minutes)
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import torch

from benchmarks.speed.links import links
from benchmarks.speed.networks import CPU, engine, kaira, plain_loop, shares
from benchmarks.speed.sweeps import growth, ldpc, papers_grid, precisions, separate, workers
from benchmarks.speed.table import FULL, QUICK, Row, Size, keep
from simulator.storage.environment import environment

SECTIONS = ("a", "b", "c", "d", "e", "f", "g", "h", "grid")


def chosen(options: argparse.Namespace, folder: Path) -> dict[str, Callable[[], Iterable[Row]]]:
    """The sections to run; sweeps go into `folder`.

    Raises: SystemExit for an unknown section, and for a section whose option is missing.
    """
    size: Size = QUICK if options.quick else FULL
    parts: dict[str, Callable[[], Iterable[Row]]] = {
        "a": lambda: [*engine(size), *precisions(size, folder, options.data)],
        "b": partial(plain_loop, size),
        "d": lambda: [*ldpc(size), *separate(size, folder)],
        "e": partial(growth, size, folder, options.data),
        "f": partial(workers, size, folder),
        "g": partial(shares, size),
        "h": partial(links, size),
    }
    if options.kaira_python is not None:
        parts["c"] = partial(kaira, size, options.kaira_python, options.data)
    if options.data is not None:
        parts["grid"] = partial(papers_grid, size, folder, options.data)
    names = sorted(parts, key=SECTIONS.index) if options.only is None else options.only.split(",")
    for name in names:
        if name not in SECTIONS:
            raise SystemExit(f"--only must name sections among {', '.join(SECTIONS)}, got {name!r}")
        if name not in parts:
            raise SystemExit(
                f"section {name} needs {'--kaira-python' if name == 'c' else '--data'}"
            )
    return {name: parts[name] for name in names}


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("results/runs/speed"))
    parser.add_argument("--only", metavar="A,B", help="sections to run; others are kept")
    parser.add_argument(
        "--quick", action="store_true", help="a quick trial run; its numbers are not valid"
    )
    parser.add_argument("--kaira-python", type=Path, metavar="PYTHON", help="for section c")
    parser.add_argument("--data", type=Path, metavar="DIR", help="CIFAR-100, for a, c, e, grid")
    options = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    about = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "commit": environment(CPU)["commit"],
        "quick": options.quick,
    }
    with tempfile.TemporaryDirectory(prefix="semlink-speed-") as folder:
        for name, run in chosen(options, Path(folder)).items():
            keep(options.out, name, list(run()), about)
    print(f"table: {options.out / 'speed.csv'}")


if __name__ == "__main__":
    main()
