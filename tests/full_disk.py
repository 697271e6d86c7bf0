"""What test_trouble.py runs where it may mount: sweeps on a full and on a read-only disk.

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

SWEEP = "semlink sweep digits --schemes label_code --channels awgn --snr-db -5 --channel-uses 4"
SIZES = ("16k", "60k", "152k", "64m")  # of the disk, more of it every time


def attempt(size: str, folder: Path, *more: str) -> None:
    """One sweep; its exit status, what it said, and how many units are kept."""
    sys.argv = [*SWEEP.split(), "--realizations", "300", "--out", str(folder), *more]
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
    """Mount a disk on the folder, or change it."""
    subprocess.run(["mount", *arguments, str(folder)], check=True)


def run(folder: Path) -> None:
    """All sweeps."""
    attempt("another", folder / "whole")
    disk = folder / "disk"
    disk.mkdir()
    mount(disk, "-t", "tmpfs", "-o", f"size={SIZES[0]}", "tmpfs")
    attempt(SIZES[0], disk / "out", "--workers", "2")  # for these, images are written
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
