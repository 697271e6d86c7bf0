"""Kill a sweep at random moments, resume it, and compare the table with an uninterrupted one.

`python -m benchmarks.torture --kills 20 --workers 2 --out results/runs/torture`, or `make torture`.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

SWEEP = ("--snr-db", "-10:20:2", "--channel-uses", "4,16,64", "--realizations", "20")


def sweep(folder: Path, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
    """A sweep of the digits in a process group of its own."""
    command = [sys.executable, "-m", "simulator", "sweep", "digits", "--out", str(folder)]
    return subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(folder: Path, arguments: Sequence[str]) -> bytes:
    """Run a sweep to its end; the bytes of its table."""
    process = sweep(folder, arguments)
    _, said = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"the sweep failed: {said.decode()[-500:]}")
    return (folder / "results.csv").read_bytes()


def kill_once(folder: Path, arguments: Sequence[str], *, chance: random.Random) -> bool:
    """Start or resume a sweep, and kill it and all its workers; False if it ended before that.

    The moment is random, after this process has journalled its first unit.
    """
    journal = folder / "journal.jsonl"
    before = journal.stat().st_size if journal.exists() else 0
    process = sweep(folder, arguments)
    while process.poll() is None and (not journal.exists() or journal.stat().st_size <= before):
        time.sleep(0.002)
    time.sleep(chance.uniform(0, 0.5))
    ended = process.poll() is not None
    if not ended:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stderr is not None:
        process.stderr.close()
    return not ended


def torture(folder: Path, arguments: Sequence[str], *, kills: int, seed: int = 0) -> int:
    """How often the sweep was killed before it ended, with the same table each time.

    Raises: SystemExit if a resumed sweep gives another table.
    """
    whole = finish(folder / "whole", arguments)
    chance, killed = random.Random(seed), 0
    while killed < kills:
        shutil.rmtree(folder / "killed", ignore_errors=True)
        while killed < kills and kill_once(folder / "killed", arguments, chance=chance):
            killed += 1
        if finish(folder / "killed", arguments) != whole:
            raise SystemExit(f"after {killed} kills the table differs: {folder}")
    return killed


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("results/runs/torture"))
    options = parser.parse_args()
    shutil.rmtree(options.out, ignore_errors=True)
    arguments = [*SWEEP, "--workers", str(options.workers)]
    killed = torture(options.out, arguments, kills=options.kills)
    print(f"{killed} kills, each resumed to the same results.csv, byte for byte")


if __name__ == "__main__":
    main()
