"""Sweeps on a full and on a read-only disk; test_trouble.py runs this file if it may mount disks.

`unshare -rm python full_disk.py FOLDER` prints a line of JSON for every sweep.
"""

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path

from simulator.__main__ import main
from simulator.engine.journal import Journal
from simulator.storage.environment import ROOT

SWEEP = "semlink sweep digits --schemes label_code --channels awgn --snr-db -5 --channel-uses 4"
WEIGHTS = ROOT / "results/reference/digits/weights"
SIZES = ("16k", "60k", "152k", "64m")  # sizes of the disk, which grows after every sweep


def attempt(size: str, folder: Path, *more: str) -> None:
    """Run a sweep; print its exit status, its last message, and the number of kept units."""
    arguments = ["--weights", str(WEIGHTS), "--realizations", "300", "--out", str(folder), *more]
    sys.argv = [*SWEEP.split(), *arguments]
    status, said = 0, io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            main()
        except SystemExit as stop:
            status = int(stop.code or 0)
    last = said.getvalue().splitlines()[-1]
    there = {"table": (folder / "results.csv").exists(), "units": len(Journal(folder))}
    print(json.dumps({"size": size, "status": status, "said": last, **there}))


def mount(folder: Path, *arguments: str) -> None:
    """Mount a disk on the folder, or remount it with other options."""
    subprocess.run(["mount", *arguments, str(folder)], check=True)


def run(folder: Path) -> None:
    """Run all sweeps."""
    attempt("another", folder / "whole")
    disk = folder / "disk"
    disk.mkdir()
    mount(disk, "-t", "tmpfs", "-o", f"size={SIZES[0]}", "tmpfs")
    attempt(SIZES[0], disk / "out", "--workers", "2")  # workers read images from files
    for size in SIZES[1:]:
        mount(disk, "-o", f"remount,size={size}")
        attempt(size, disk / "out")
    same = [(out / "results.csv").read_bytes() for out in (folder / "whole", disk / "out")]
    print(json.dumps({"same": same[0] == same[1]}))
    locked = folder / "locked"
    locked.mkdir()
    mount(locked, "--bind", str(disk))
    mount(locked, "-o", "remount,bind,ro")
    attempt("read-only", locked / "out")


if __name__ == "__main__":
    run(Path(sys.argv[1]))
