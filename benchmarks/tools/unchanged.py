"""Compare the numbers of two checkouts: run the same commands in both and compare all files.

    python -m benchmarks.tools.unchanged --before DIR [--data CIFAR100] [--work DIR] [--only A,B]

DIR is a checkout of the commit to compare with. Sweeps, links, comparisons, tables, short training
runs and a short search run in both checkouts, each with its own cache. Then this checkout resumes
from a copy of the other one's results, and must leave them unchanged. Tables, figures, outcomes of
every image, weights and descriptions of their origin must be equal to the byte. Times, versions and
the description of the recipe in `run.json` are not compared.

It takes about 90 minutes on two cores with CIFAR-100, mostly for its image codecs, and 15 without.
Results are written to --work (default: a temporary folder); those of an earlier call in the same
--work are not computed again. The exit status is 1 if anything differs.
"""

import argparse
import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import KW_ONLY, dataclass
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
OWN = (  # listed, because one checkout may have schemes that the other one lacks
    "rkd_sc,deep_jscc,deep_jscc_q,deep_jscc_q:16qam,deep_jscc_q:256qam,adjscc,dt_jscc,dt_jscc:64qam,"
    "vl_vfe,{}deep_jscc_image,analog_pixels,separate,capacity_bound,digital_semantic,label_code"
)
ALL, ALL_OF_CIFAR = OWN.format(""), OWN.format("deep_jscc:distilled,adjscc:distilled,")
SCHEMES = {  # every label once
    "digits": f"{ALL},adjscc:distilled,adjscc:distilled:total,label_code:regular,"
    "rkd_sc:+3dB,rkd_sc:-6dB,deep_jscc_image:retrained,"
    "separate:genie,separate:jpeg_file,separate:retrained,separate:webp,capacity_bound:finite,"
    "capacity_bound:genie,digital_semantic:genie,digital_semantic:bound:finite,label_code:polar",
    "cifar100": f"{ALL_OF_CIFAR},deep_jscc_image:teacher,deep_jscc_image:retrained,"
    "separate:teacher,separate:avif:genie,capacity_bound:files,label_code:polar",
}
SHORT_STEPS = 2  # of every part of a short training run
TIMES = {"cpu_ms_alone", "cpu_ms_batch64", "core_seconds"}  # ignored columns of tables and journals
PLACES = {"environment", "wall_seconds", "recipe"}  # ignored keys of run.json and search.json
COSTS = {"cpu_ms"}  # ignored keys of genotype.json and seed_*.json
IGNORED = {".lock", "SHA256SUMS", "timing.csv", "results.parquet", "tensorboard", "prepared"}


@dataclass(frozen=True)
class Case:
    """One command; braces stand for folders, those of earlier cases by the names of the cases."""

    name: str
    arguments: str
    _: KW_ONLY
    short: bool = False  # training runs are cut to a few steps
    continued: bool = False  # this checkout also resumes from the other one's folder
    copies: str = ""  # another case, in a copy of whose folder this one works


CASES = (
    Case(
        "digits",
        f"sweep digits --weights {{weights}} --schemes {SCHEMES['digits']} "
        "--channel-uses 4,16,32,64",
        continued=True,
    ),
    Case(
        "channels",
        f"sweep digits --weights {{weights}} --schemes {ALL} --images 60 --channel-uses 16,64 "
        "--snr-db 0,12 "
        "--channels rayleigh_block:4,rayleigh_fast,rician:4 --realizations 2 --workers 2",
    ),
    Case(
        "bit_true",
        "sweep digits --weights {weights} --bit-true --images 100 --snr-db -4:14:6 "
        "--realizations 1 --schemes separate,digital_semantic,capacity_bound,label_code "
        "--channel-uses 16,64",
    ),
    Case(
        "rounds",
        "sweep digits --weights {weights} --images 100 --mc 1.5 --max-realizations 40 "
        "--schemes rkd_sc,separate --channel-uses 64 --snr-db 0,8",
    ),
    Case(
        "bf16",
        f"sweep digits --weights {{weights}} --schemes {ALL} --images 100 --precision bf16 "
        "--snr-db 0 --realizations 1 --channel-uses 16",
    ),
    Case("compare", "compare {out} --b rkd_sc", copies="digits"),
    Case("plot", "plot {out}", copies="digits"),
    Case("adapt", "adapt digits --weights {weights} --images 200 --snr-db -6:12:6"),
    Case("table", "table digits --weights {weights} --images 200"),
    Case(
        "link",
        "link --code-rate 1/2 --modulation 16 --channel rayleigh --ebn0-db 4:10:3 --errors 30",
    ),
    Case(
        "uncoded",
        "link --code-rate 1 --modulation 64 --channel rician:4 --ebn0-db 0:10:5 --errors 100",
    ),
    Case("training", "train digits --variants all", short=True, continued=True),
    Case(
        "search",
        "search digits --epochs 3 --seeds 2 --training {training}",
        short=True,
        continued=True,
    ),
    Case("searched", "train digits --stage stage2 --student {search}/genotype.json", short=True),
    Case("images", "train images --data {images}", short=True, continued=True),
    Case(
        "images_swept",
        f"sweep images --data {{images}} --weights {{images_out}}/weights --schemes {ALL_OF_CIFAR} "
        "--snr-db 0,10 "
        "--channel-uses 16,256 --realizations 1",
    ),
    Case("ablations", "train cifar100 --data {images} --variants all", short=True, continued=True),
    Case(
        "ablations_swept",
        "sweep cifar100 --data {images} --weights {ablations}/weights --snr-db 6 "
        "--channel-uses 16,64,256 --realizations 1 --channels rayleigh --schemes "
        f"{ALL_OF_CIFAR},{{variants}}",
    ),
    Case("ablations_table", "table cifar100 --data {images} --weights {ablations}/weights"),
    Case(
        "cifar100",
        f"sweep cifar100 --data {{data}} --weights {{cifar}} --images 500 "
        f"--snr-db -4,6,16 --channel-uses 16,64,256,768 --schemes {SCHEMES['cifar100']}",
        continued=True,
    ),
    Case("cifar100_table", "table cifar100 --data {data} --weights {cifar} --images 200"),
)
VARIANTS = (  # of the recipe cifar100
    *("short", "brief", "no_teacher", "ce_ce", "kd_stage2", "one_stage", "p1", "p2", "p3"),
    *("kd_stage1", "uncoded", "noise_free", "r1", "mse_always", "r2", "f1", "f2", "no_snr", "mlp"),
    *("no_prototypes", "cat64", "d32", "d96", "d128", "heads", "k16", "k64", "k256"),
    *("awgn_only", "multipath", "reliable", "no_attention", "no_blocks", "snr10", "conference"),
)


@dataclass(frozen=True)
class Side:
    """One checkout, and the folder of its results."""

    checkout: Path
    work: Path
    data: Path | None

    def run(self, case: Case, out: Path) -> None:
        """Run a case unless it is done. Raises: SystemExit if it fails; its output is printed."""
        log = self.work / f"{case.name}.log"
        done = out.with_name(f"{out.name}.done")
        if done.exists():
            return
        if case.copies:
            shutil.copytree(self.work / case.copies, out, dirs_exist_ok=True)
        command = [sys.executable, "-P", __file__, "--child", *(["--short"] if case.short else [])]
        command += case.arguments.format(out=out, **self._places()).split()
        if not case.copies:
            command += ["--out", str(out)]
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.checkout),
            "SEMLINK_CACHE": str(self.work / "cache"),
            "OMP_NUM_THREADS": "1",
        }
        start = time.perf_counter()
        with log.open("a", encoding="utf-8") as file:
            status = subprocess.run(
                command, cwd=self.work, env=environment, stdout=file, stderr=file, check=False
            ).returncode
        if status:
            print(log.read_text(encoding="utf-8")[-3000:])
            raise SystemExit(f"{case.name} failed in {self.checkout}")
        seconds = time.perf_counter() - start
        print(f"  {self.work.name}: {out.name} took {seconds:.0f} s", flush=True)
        done.touch()

    def _places(self) -> dict[str, object]:
        """What the braces stand for; committed weights are those of this side's checkout."""
        reference = self.checkout / "results/reference"
        return {
            **{case.name: self.work / case.name for case in CASES},
            "images_out": self.work / "images",
            "images": self.work.parent / "own_images",
            "weights": reference / "digits/weights",
            "cifar": reference / "cifar100/weights",
            "variants": ",".join(f"rkd_sc:{name}" for name in VARIANTS),
            "data": self.data,
        }


def child(arguments: list[str]) -> None:
    """Run semlink from the checkout in PYTHONPATH; --short shortens its training runs."""
    short, arguments = arguments[0] == "--short", [a for a in arguments if a != "--short"]
    if short:
        _cut_trainings()
    from simulator.__main__ import main

    sys.argv = ["semlink", *arguments]
    main()


def _cut_trainings() -> None:
    """Shorten the training of every part to one epoch of a few steps."""
    from simulator.description import stages

    config: Any = stages.TrainConfig
    whole = config.steps_on
    config.epochs_on = lambda self, num_images: 1  # noqa: ARG005
    config.steps_on = lambda self, num_images: min(SHORT_STEPS, whole(self, num_images))


def write_images(folder: Path) -> None:
    """Write 160 images of 4 classes, 32x32 RGB, drawn from a fixed seed."""
    if folder.exists():
        return
    import numpy as np
    from PIL import Image

    draws = np.random.default_rng(0)
    for label in range(4):
        for number in range(40):
            small = draws.integers(0, 256, (4, 4, 3)) // 2 + 30 * label
            pixels = np.kron(small, np.ones((8, 8, 1))).clip(0, 255).astype(np.uint8)
            path = folder / f"class_{label}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)


def compared(path: Path) -> bytes:
    """The part of a file's content that must be equal."""
    reader = READERS.get(path.name) or READERS.get(path.suffix)
    return reader(path) if reader else path.read_bytes()


def _table(path: Path) -> bytes:
    with path.open(encoding="utf-8", newline="") as file:
        rows = [_without(TIMES, row) for row in csv.DictReader(file)]
    return json.dumps(rows).encode()


def _described(left_out: set[str], path: Path) -> bytes:
    value = json.loads(path.read_text(encoding="utf-8"))
    return json.dumps(_without(left_out, value), sort_keys=True).encode()


def _journal(path: Path) -> bytes:
    """Records without times, sorted, because workers finish in any order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    records = [_without(TIMES, json.loads(line.partition(" ")[2])) for line in lines]
    return "\n".join(sorted(json.dumps(own, sort_keys=True) for own in records)).encode()


def _without(names: set[str], value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: own for name, own in value.items() if name not in names}


READERS: Mapping[str, Callable[[Path], bytes]] = {
    ".csv": _table,
    "journal.jsonl": _journal,
    **dict.fromkeys(("run.json", "search.json"), partial(_described, PLACES)),
    **dict.fromkeys(("genotype.json", "seed_0.json", "seed_1.json"), partial(_described, COSTS)),
}


def differences(before: Path, after: Path) -> Iterator[str]:
    """A line for each file that differs between two folders or that only one has."""
    for name in sorted({*files_of(before), *files_of(after)}):
        files = (before / name, after / name)
        missing = [str(file) for file in files if not file.exists()]
        if missing:
            yield f"{missing[0]} is missing"
        elif compared(files[0]) != compared(files[1]):
            yield f"{files[0]} and {files[1]} differ"


def fingerprint(folder: Path) -> str:
    """The number of compared files, and a hash of their compared contents."""
    digest, names = hashlib.sha256(), files_of(folder)
    for name in names:
        digest.update(str(name).encode() + compared(folder / name))
    return f"{len(names)} files, sha256 {digest.hexdigest()[:16]}"


def files_of(folder: Path) -> list[Path]:
    """The files of a folder that must be equal; those in `IGNORED` depend on time or machine."""
    return sorted(
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.is_file() and IGNORED.isdisjoint(path.relative_to(folder).parts)
    )


def check(case: Case, before: Side, after: Side) -> list[str]:
    """Run a case on both sides, and resume a `continued` one from the first side's results."""
    with ThreadPoolExecutor() as both:
        list(both.map(lambda side: side.run(case, side.work / case.name), (before, after)))
    found = list(differences(before.work / case.name, after.work / case.name))
    if case.continued:
        copy = after.work / f"{case.name}_continued"
        if not copy.exists():
            shutil.copytree(before.work / case.name, copy)
        after.run(case, copy)
        found += differences(before.work / case.name, copy)
    verdict = "equal" if not found else f"{len(found)} DIFFERENCES"
    also = ", also when resumed" if case.continued and not found else ""
    print(f"{case.name}: {verdict}{also}; {fingerprint(before.work / case.name)}", flush=True)
    return found


def main() -> None:
    """Compare two checkouts."""
    if sys.argv[1:2] == ["--child"]:
        return child(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, required=True, help="checkout to compare with")
    parser.add_argument("--data", type=Path, help="CIFAR-100; without it its cases are left out")
    parser.add_argument("--work", type=Path, help="where to write; existing results are kept")
    parser.add_argument("--only", help="cases, joined by commas")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (options.work or Path(temporary)).resolve()
        data = options.data.resolve() if options.data else None
        before = Side(options.before.resolve(), work / "before", data)
        after = Side(ROOT, work / "after", data)
        for side in (before, after):
            side.work.mkdir(parents=True, exist_ok=True)
        write_images(work / "own_images")
        names = options.only.split(",") if options.only else [case.name for case in CASES]
        found: list[str] = []
        for case in CASES:
            if case.name in names and (data or "{data}" not in case.arguments):
                found += check(case, before, after)
    for line in found:
        print(line)
    print("everything is equal" if not found else f"{len(found)} files differ")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
