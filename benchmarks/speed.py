"""How fast the simulator is: core-seconds, medians, and ratios measured in one run.

`python -m benchmarks.speed --out results/reference/speed` (about 12 minutes on two quiet cores)
writes speed.csv and run.json. Rates are per core-second of one thread. `--quick` rehearses it in a
minute or two, `--only a,d` runs single sections:

a, b  networks in our engine, in both precisions, and in a plain loop that encodes every time
c     the DeepJSCC network in Kaira, where --kaira-python names an interpreter that has it; PSNRs of
      both on CIFAR-100 where --data names it, else on random pictures
d     LDPC decoding, ours and Sionna's; block error tables in place of it
e, f  wall time and memory against points and images; two workers against one
g     the share of time outside matrix products, and what is left to gain
grid  the paper's grid on two cores, where --data names CIFAR-100 (some 10 minutes more)
"""

import argparse
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pandas as pd
import torch

from benchmarks.speed_networks import CPU, engine, kaira, plain_loop, shares
from benchmarks.speed_rows import FULL, QUICK, Row, Size
from benchmarks.speed_sweeps import growth, ldpc, papers_grid, precisions, separate, workers
from simulator.records import environment, write_json, write_table

SECTIONS = ("a", "b", "c", "d", "e", "f", "g", "grid")


def chosen(options: argparse.Namespace) -> dict[str, Callable[[], Iterable[Row]]]:
    """The sections to run.

    Raises: SystemExit for a name that is none, and for a section whose option is missing.
    """
    size: Size = QUICK if options.quick else FULL
    folder: Path = options.out / "sweep"
    parts: dict[str, Callable[[], Iterable[Row]]] = {
        "a": lambda: [*engine(size), *precisions(size, folder)],
        "b": partial(plain_loop, size),
        "d": lambda: [*ldpc(size), *separate(size, folder)],
        "e": partial(growth, size, folder),
        "f": partial(workers, size, folder),
        "g": partial(shares, size),
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
    parser.add_argument("--only", metavar="A,B", help="sections to run; those of --out are kept")
    parser.add_argument("--quick", action="store_true", help="a rehearsal: numbers mean nothing")
    parser.add_argument("--kaira-python", type=Path, metavar="PYTHON", help="for section c")
    parser.add_argument("--data", type=Path, metavar="DIR", help="CIFAR-100, for sections c, grid")
    options = parser.parse_args(arguments)
    sections = chosen(options)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    path: Path = options.out / "speed.csv"
    for name, run in sections.items():
        rows = pd.DataFrame([asdict(row) for row in run()])
        if path.exists():
            before = pd.read_csv(path, keep_default_na=False)
            rows = pd.concat([before[before["section"] != name], rows], ignore_index=True)
        write_table(path, rows.sort_values("section", kind="stable"))
    write_json(options.out / "run.json", {"quick": options.quick, "environment": environment(CPU)})
    print(f"table: {path}")


if __name__ == "__main__":
    main()
