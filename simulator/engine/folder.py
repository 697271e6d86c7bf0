"""A sweep in a folder: it resumes from its journal and writes tables and `run.json`."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch

from simulator.engine.checked import is_own, unwrapped
from simulator.engine.earlier import check_repeated, check_same
from simulator.engine.evaluate import BLOCK, image_blocks
from simulator.engine.grid import Point
from simulator.engine.job import open_pool
from simulator.engine.journal import Journal, MemoryStore
from simulator.engine.outcomes import OWN_SCHEMES, own_entries
from simulator.engine.run import NAMES, Results, run_sweep
from simulator.engine.samples import write_samples
from simulator.engine.sweep import Sweep
from simulator.engine.workers import InProcess, Pool
from simulator.errors import Stopped, UserError
from simulator.left_out import LeftOut
from simulator.schemes.own import weights_hash
from simulator.statistics.intervals import accuracy_interval
from simulator.storage.describe import describe
from simulator.storage.environment import environment
from simulator.storage.files import write_json, write_table
from simulator.storage.folders import (
    CHOICES,
    REPORT,
    SAMPLES,
    check_writable,
    forget_figures,
    forget_results,
    remove,
    was_saved,
)

COLUMNS = [
    *(*NAMES, "bandwidth_ratio", "images", "realizations"),
    *("correct", "transmissions", "accuracy", "ci_low", "ci_high"),
    *("mc_low", "mc_high", "delivered"),
    *("train_seed", "settings"),
]
Fresh = bool | Collection[str]  # delete units and results of an earlier sweep; or of some schemes
PILOTS, TABLE_ERROR = "pilot_uses", "table_error"  # last; left out if all are 0


@dataclass(frozen=True, eq=False)
class SweepFolder:
    """A sweep, and the folder that is locked for it."""

    sweep: Sweep
    folder: Path
    journal: Journal
    fresh: Fresh
    began: float = field(default_factory=time.perf_counter)

    @property
    def remarks(self) -> list[str]:
        """What a user should know before the sweep: damaged units, rows that will be left out."""
        return [*self.journal.remarks, *self._rows_to_leave_out()]

    def _rows_to_leave_out(self) -> list[str]:
        """A line if the table in the folder has rows of points that are not swept now."""
        if self.fresh is True:
            return []
        try:
            text = {"scheme": str, "channel": str}
            before = pd.read_csv(self.folder / "results.csv", usecols=list(NAMES), dtype=text)
        except (OSError, ValueError):
            return []
        alien = before[~pd.MultiIndex.from_frame(before[list(NAMES)]).isin(self.sweep.points)]
        if alien.empty:
            return []
        schemes = ", ".join(alien["scheme"].unique())
        return [
            f"{len(alien)} rows of an earlier sweep into {self.folder} will not be in the new "
            f"table (schemes {schemes}); to keep them, sweep its schemes, channels, SNRs and k too"
        ]

    def compute(self, *, workers: int | None = None, cluster: str | None = None) -> Results:
        """Compute the units that the journal lacks.

        Each finished unit is written to disk at once, so it is kept if this is stopped.
        Raises: UserError if a scheme or channel of the user changed, see `check_repeated`.
        """
        sweep = self.sweep
        with open_pool(sweep, self.folder, workers=workers, cluster=cluster) as pool:
            self._begin_anew(pool)
            self.journal.begin(sweep.about)
            return run_sweep(sweep.points, sweep.grid, sweep.facts, pool=pool, store=self.journal)

    def _begin_anew(self, pool: Pool) -> None:
        """Delete what `fresh` names; what stays is checked first, so that an error loses nothing.

        Raises: UserError as `check_repeated`.
        """
        if self.fresh is True:
            self.journal.forget()
            forget_results(self.folder)
            return
        names = self.fresh or ()
        own = self.sweep.own_points
        stay = {point: objects for point, objects in own.items() if point.scheme not in names}
        check_repeated(stay, self.journal, pool)
        if names:
            self.journal.forget_schemes(names)

    def write(
        self,
        results: Results,
        *,
        noiseless: dict[str, float] | None = None,
        left_out: Sequence[LeftOut],
        more: pd.DataFrame | None = None,
    ) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Write tables and description; returns the rows and the content of `run.json`.

        `noiseless` is the accuracy without a channel, which is measured here if it is not given;
        `more` are columns to add to the rows.
        """
        folder, sweep = self.folder, self.sweep
        table = _rows(sweep, results, more)
        own = own_entries(_own_weights(sweep), table, self.journal)
        if noiseless is None:
            noiseless = noiseless_accuracy(sweep)
        run = {
            **_run(sweep, own, noiseless, left_out),
            "journal": self.journal.about_key,
            "wall_seconds": round(time.perf_counter() - self.began, 1),
        }
        _write_rows(folder, table)
        write_table(folder / "timing.csv", results.timing)
        remove(folder, CHOICES)
        if choices := _choices(sweep):
            write_table(folder / CHOICES, pd.DataFrame(choices))
        write_json(folder / "run.json", run)
        write_samples(sweep, folder / SAMPLES)
        return table, run


def _write_rows(folder: Path, table: pd.DataFrame) -> None:
    """Write the rows; if they changed, remove report and figures, which show earlier ones."""
    path = folder / "results.csv"
    before = path.read_bytes() if path.exists() else b""
    write_table(path, table)
    if path.read_bytes() != before:
        remove(folder, REPORT)
        forget_figures(folder / "figures")


class InMemory(NamedTuple):
    """A small sweep in memory: its rows, its description for figures, its units."""

    table: pd.DataFrame
    run: dict[str, Any]
    store: MemoryStore


def _rows(sweep: Sweep, results: Results, more: pd.DataFrame | None) -> pd.DataFrame:
    """The rows with columns in order, without optional ones that are 0 everywhere.

    How the user's own schemes were trained is not known, so these have no training seed.
    """
    table = results.table.assign(train_seed=sweep.weights.train_seed)
    table = table[[*COLUMNS, *(name for name in (PILOTS, TABLE_ERROR) if table[name].any())]]
    if own := _own_weights(sweep):
        table["train_seed"] = table["train_seed"].mask(table["scheme"].isin(own))
    return table if more is None else table.join(more)


def _own_weights(sweep: Sweep) -> dict[str, str]:
    """The `weights_hash` of each of the user's own schemes."""
    schemes = {name: built.scheme for name, built in sweep.built.items()}
    return {
        name: weights_hash(unwrapped(scheme)) for name, scheme in schemes.items() if is_own(scheme)
    }


def sweep_in_memory(
    sweep: Sweep,
    *,
    left_out: Sequence[LeftOut] = (),
    measure: Callable[[Mapping[Point, int]], pd.DataFrame] | None = None,
) -> InMemory:
    """Compute a sweep in this process, and keep it in memory.

    `left_out` lists what the figures report as missing. `measure` maps the points and their numbers
    of realisations to columns that are added to the rows.
    """
    pool, store = InProcess(sweep.evaluator()), MemoryStore()
    try:
        results = run_sweep(sweep.points, sweep.grid, sweep.facts, pool=pool, store=store)
    finally:
        pool.close()
    table = _rows(sweep, results, measure(results.realizations) if measure else None)
    run = _run(sweep, _own_weights(sweep), noiseless_accuracy(sweep), left_out)
    return InMemory(table, run, store)


@contextmanager
def sweep_folder(sweep: Sweep, folder: Path, *, fresh: Fresh = False) -> Iterator[SweepFolder]:
    """Lock a folder for a sweep.

    Raises: UserError if the folder cannot be written to, is in use, or holds a sweep with other
    settings; Stopped if Ctrl-C ends the block, with what is kept and how to resume.
    """
    check_writable(folder)
    with Journal(folder) as journal:
        if fresh is not True:
            _check_not_saved(folder)
            check_same(journal.behind_units(without=fresh or ()), sweep.about, folder)
        try:
            yield SweepFolder(sweep, folder, journal, fresh)
        except KeyboardInterrupt:
            without = " without --fresh" if fresh and journal.about_key else ""
            number = len(Journal(folder))  # read again: the last units may be only on disk
            raise Stopped(
                f"{number} finished units are in {journal.path}; run the same command again"
                f"{without} to resume"
            ) from None


def _check_not_saved(folder: Path) -> None:
    if was_saved(folder):
        raise UserError(
            f"{folder} holds results that Results.save wrote; choose another --out, or add --fresh "
            "to replace them"
        )


def noiseless_accuracy(sweep: Sweep) -> dict[str, float]:
    """Accuracy of student and head without a channel, with its interval over test images.

    Empty if all schemes are objects, because these need no student.
    """
    if not any("weights" in built.identity for built in sweep.built.values()):
        return {}
    classify, right = sweep.weights.classifier().classify, []
    blocks = image_blocks(sweep.test.images, sweep.setting.device)
    for block, labels in zip(blocks, sweep.test.labels.split(BLOCK), strict=True):
        scores = classify(block)[: len(labels)]
        right.append((scores.argmax(dim=1).cpu() == labels).double())
    values = torch.cat(right).numpy()
    interval = accuracy_interval(values)
    return {"accuracy": float(values.mean()), "ci_low": interval.low, "ci_high": interval.high}


def _choices(sweep: Sweep) -> list[dict[str, Any]]:
    """The choices that schemes made on validation images, for the points of a sweep.

    `Scheme.choices` gets all points of a scheme at once, because the rows of a `genie` depend on k
    but not on the SNRs of the points.
    """
    rows = []
    for name, built in sweep.built.items():
        own = [p for p in sweep.points if p.scheme == name and p not in sweep.divisions]
        rows += built.scheme.choices([(sweep.channel(p.channel), p.snr_db, p.k) for p in own])
    return rows + [_choice(sweep, point) for point in sweep.divisions]


def _choice(sweep: Sweep, point: Point) -> dict[str, Any]:
    """The number of pilots chosen at a point, and the other choices of its scheme there."""
    channel, k = sweep.placed(point)
    chosen = sweep.built[point.scheme].scheme.choices([(channel, point.snr_db, k)])
    named = dict(zip(NAMES, point, strict=True))
    return {**named, **(chosen[0] if chosen else {}), **named, **sweep.divisions[point]._asdict()}


def _run(
    sweep: Sweep,
    own: Mapping[str, Any],
    noiseless: Mapping[str, float],
    left_out: Sequence[LeftOut],
) -> dict[str, Any]:
    """The content of `run.json`; `own` is what it records of the user's own schemes."""
    return {
        "schemes": list(sweep.built),
        **({OWN_SCHEMES: own} if own else {}),
        "left_out": [one._asdict() for one in left_out],
        **_description(sweep),
        "data": _data(sweep),
        **({"noiseless_accuracy": noiseless} if noiseless else {}),
    }


def _description(sweep: Sweep) -> dict[str, Any]:
    """What determines the results besides the data: recipe, grid, weights, versions, machine."""
    setting, weights, grid = sweep.setting, sweep.weights, sweep.grid
    return {
        "recipe": describe(sweep.experiment),
        "grid": {
            **describe(replace(grid, channels=())),
            "channels": [channel.name for channel in grid.channels],
        },
        "seed": setting.seed,
        "precision": setting.precision,
        "compiled": setting.compiled,
        "train_seed": weights.train_seed,
        "weights": {
            name: {"sha256": weights.hashes[name], "origin": origin}
            for name, origin in weights.origins.items()
        },
        "environment": environment(setting.device),
    }


def _data(sweep: Sweep) -> dict[str, Any]:
    dataset = sweep.weights.dataset
    channels, height, width = dataset.image_shape
    colour = "grey" if channels == 1 else "RGB"
    return {
        "name": dataset.name,
        "title": f"{dataset.name}, {height}x{width} {colour}, {dataset.num_classes} classes",
        "hash": sweep.data_key,
        "test_images": len(sweep.test.labels),
        "image_shape": list(dataset.image_shape),
        "classes": dataset.num_classes,
        "resize": dataset.resize,
        "remarks": [*dataset.remarks, *sweep.weights.remarks],
    }
