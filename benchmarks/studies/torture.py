"""Kill a sweep or training run at random, resume it, and compare with an uninterrupted one.

`python -m benchmarks.studies.torture --kills 20 --workers 2 --out results/runs/torture`, or `make
torture`. `python -m benchmarks.studies.torture --train 3` kills the training of the digits three
times instead.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from simulator.storage.environment import REFERENCE

KINDS = ("worker", "main", "all")  # of kills, in turn
WEIGHTS = REFERENCE / "digits/weights"  # committed: the same for every user
SWEEP = ("--snr-db", "-10:20:2", "--channel-uses", "4,16,64", "--realizations", "20")


def start(
    folder: Path, *arguments: str, stderr: int = subprocess.DEVNULL
) -> "subprocess.Popen[bytes]":
    """Start a command of semlink in a separate process group."""
    return subprocess.Popen(
        [sys.executable, "-m", "simulator", *arguments, "--out", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        start_new_session=True,
    )


def sweep(folder: Path, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
    """A sweep of the digits."""
    weights = ["--weights", str(WEIGHTS)]
    return start(folder, "sweep", "digits", *weights, *arguments, stderr=subprocess.PIPE)


def finish(folder: Path, arguments: Sequence[str]) -> bytes:
    """Run a sweep to its end; the bytes of its table."""
    process = sweep(folder, arguments)
    _, said = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"the sweep failed: {said.decode()[-500:]}")
    return (folder / "results.csv").read_bytes()


def kill_once(folder: Path, arguments: Sequence[str], *, kind: str, chance: random.Random) -> bool:
    """Start or resume a sweep and kill it; False if it ended before that.

    The moment is random, after this process has journalled its first unit. The kind says what is
    killed: a worker and, later, everything ("worker"); the main process, whose workers must then
    end by themselves ("main"); or everything at once ("all").
    """
    journal = folder / "journal.jsonl"
    before = journal.stat().st_size if journal.exists() else 0
    process = sweep(folder, arguments)
    while process.poll() is None and (not journal.exists() or journal.stat().st_size <= before):
        time.sleep(0.002)
    time.sleep(chance.uniform(0, 0.5))
    workers = workers_of(process.pid)
    if kind == "worker" and workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(chance.choice(workers), signal.SIGKILL)
        time.sleep(chance.uniform(0, 0.5))
    ended = process.poll() is not None
    if not ended:
        (os.kill if kind == "main" else os.killpg)(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 120
    while workers_of(process.pid):
        if time.monotonic() > deadline:
            raise SystemExit("workers outlived their sweep")
        time.sleep(0.05)
    if process.stderr is not None:
        process.stderr.close()
    return not ended


def workers_of(session: int) -> list[int]:
    """Processes of a session whose parent is neither its leader nor a process outside of it."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                parents[int(path.parent.name)] = int(fields[1])
    leaders = {pid for pid, parent in parents.items() if parent == session}
    return [pid for pid, parent in parents.items() if parent in leaders]


def torture(
    folder: Path,
    arguments: Sequence[str],
    *,
    whole: bytes,
    kills: int,
    finish: Callable[[Path, Sequence[str]], bytes] = finish,
) -> int:
    """Kill and resume a sweep `kills` times, and compare its table with `whole`.

    The kinds of kills alternate as in `KINDS`; `finish` resumes the sweep for the last time and
    returns its table. Returns how often the sweep was killed before it had ended.

    Raises: SystemExit if a resumed sweep gives another table.
    """
    chance, killed = random.Random(0), 0
    while killed < kills:
        shutil.rmtree(folder / "killed", ignore_errors=True)
        while killed < kills and kill_once(
            folder / "killed", arguments, kind=KINDS[killed % len(KINDS)], chance=chance
        ):
            killed += 1
        if finish(folder / "killed", arguments) != whole:
            raise SystemExit(f"after {killed} kills the table differs: {folder}")
    return killed


def torture_training(folder: Path, arguments: Sequence[str], *, kills: int) -> int:
    """Kill a training at `kills` random moments, and compare weights with an uninterrupted one.

    Returns how often it was killed before it had ended.

    Raises: SystemExit if a file of weights differs in a byte; the losses are in its header.
    """
    begun = time.monotonic()
    if start(folder / "whole", "train", *arguments).wait():
        raise SystemExit("the training failed")
    seconds = time.monotonic() - begun
    chance, killed = random.Random(0), 0
    for _ in range(kills):
        process = start(folder / "killed", "train", *arguments)
        time.sleep(chance.uniform(0.15, 1.5 / (kills + 1)) * seconds)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
    if start(folder / "killed", "train", *arguments).wait():
        raise SystemExit("the training failed after it was killed")
    for path in sorted((folder / "whole/weights").iterdir()):
        if path.read_bytes() != (folder / "killed/weights" / path.name).read_bytes():
            raise SystemExit(f"{path.name} differs after the training was killed")
    return killed


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--train", type=int, metavar="KILLS", help="kill a training instead")
    parser.add_argument(
        "--recipe", nargs="+", default=["digits"], help="recipe to train, and options"
    )
    parser.add_argument("--out", type=Path, default=Path("results/runs/torture"))
    options = parser.parse_args()
    for name in ("whole", "killed"):
        shutil.rmtree(options.out / name, ignore_errors=True)
    if options.train is not None:
        killed = torture_training(options.out, options.recipe, kills=options.train)
        print(f"{killed} kills, resumed to the same weights and losses, byte for byte")
        return
    arguments = [*SWEEP, "--workers", str(options.workers)]
    whole = finish(options.out / "whole", arguments)
    killed = torture(options.out, arguments, whole=whole, kills=options.kills)
    print(f"{killed} kills, each resumed to the same results.csv, byte for byte")


if __name__ == "__main__":
    main()
