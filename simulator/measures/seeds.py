"""One recipe trained from several seeds: the variation between training runs."""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from simulator.engine.outcomes import OWN_SCHEMES
from simulator.engine.run import NAMES
from simulator.errors import UserError
from simulator.statistics.intervals import mean_interval
from simulator.storage.folders import read_results

# keys of run.json that must agree, and what errors call them
ALIKE = {"test_images": "number of test images", "hash": "test images", "seed": "seed of the noise"}


def across_seeds(folders: Sequence[Path]) -> pd.DataFrame:
    """Mean accuracy over training runs at every common point of the sweeps.

    `ci_low, ci_high` is Student's interval for the mean over training runs on these test images.
    The intervals over images are those of the sweeps; `lowest_ci_low` is the lower end for the
    training run of the lowest accuracy.
    If `Results.save` wrote the sweeps, only the user's own schemes in all of them are compared, and
    their weights must differ.
    Raises: UserError unless there are two sweeps or more, of different training seeds, on the same
    data and noise, of weights with the same descriptions, with a point in common.
    """
    if len(folders) < 2:
        raise UserError(f"seeds needs two sweeps or more, got {len(folders)}")
    sweeps = [read_results(folder) for folder in folders]
    runs = [run for _, run in sweeps]
    _check_alike(folders, runs)
    rows = pd.concat([table for table, _ in sweeps], ignore_index=True)
    if own := _own_schemes(folders, runs):
        rows = rows[rows["scheme"].isin(own)]
    else:
        _check_training_seeds(folders, runs)
        others = {name for run in runs for name in run.get(OWN_SCHEMES) or {}}
        rows = rows[~rows["scheme"].isin(others)]
    shared = [own for _, own in rows.groupby([*NAMES], sort=False) if len(own) == len(folders)]
    if not shared:
        raise UserError("the sweeps must have a point in common, but have none")
    return pd.DataFrame([_row(own) for own in shared])


def _row(own: pd.DataFrame) -> dict[Hashable, Any]:
    accuracy = own["accuracy"]
    interval = mean_interval(accuracy.to_numpy())
    return {
        **own.iloc[0][[*NAMES, "images"]].to_dict(),
        "seeds": len(own),
        "accuracy": float(accuracy.mean()),
        "deviation": float(accuracy.std(ddof=1)),
        "ci_low": interval.low,
        "ci_high": interval.high,
        "lowest": float(accuracy.min()),
        "lowest_ci_low": float(own["ci_low"].to_numpy()[accuracy.argmin()]),
        "highest": float(accuracy.max()),
    }


def _check_alike(folders: Sequence[Path], runs: Sequence[dict[str, Any]]) -> None:
    _check_weights(folders, runs)
    for what, called in ALIKE.items():
        values = [{**run["data"], **run}.get(what) for run in runs]
        for folder, value in zip(folders, values, strict=True):
            if value != values[0]:
                got = "others" if what == "hash" else f"{value}, not {values[0]}"
                raise UserError(f"{folder} must have the same {called} as {folders[0]}, got {got}")


def _own_schemes(folders: Sequence[Path], runs: Sequence[dict[str, Any]]) -> list[str]:
    """The user's own schemes that all sweeps have.

    Raises: UserError if weights (or outcomes, of schemes that are functions) are repeated.
    """
    own = [run.get(OWN_SCHEMES) or {} for run in runs]
    shared = [name for name in own[0] if all(name in each for each in own)]
    for name in shared:
        hashes = [each[name]["weights"] or each[name]["outcomes"] for each in own]
        for folder, found in zip(folders[1:], hashes[1:], strict=True):
            if hashes.count(found) > 1:
                raise UserError(
                    f"every sweep must have other weights of {name}, but {folder} repeats some; "
                    "train it from another seed, sweep it, and save the results"
                )
    return shared


def _check_training_seeds(folders: Sequence[Path], runs: Sequence[dict[str, Any]]) -> None:
    seeds = [run.get("train_seed") for run in runs]
    for folder, seed in zip(folders[1:], seeds[1:], strict=True):
        if seeds.count(seed) > 1:
            raise UserError(
                f"every sweep must have a different training seed, but {folder} repeats {seed}; "
                "train with --seed N into a separate folder, and sweep its --weights"
            )


def _check_weights(folders: Sequence[Path], runs: Sequence[dict[str, Any]]) -> None:
    """Check that parts used by two sweeps have one description; other parts may differ."""
    for folder, run in zip(folders, runs, strict=True):
        if "weights" not in run:
            raise UserError(
                f"{folder} must describe its weights, but an earlier version of Results.save wrote "
                "it; sweep again"
            )
    for folder, run in zip(folders, runs, strict=True):
        for part in sorted(runs[0]["weights"].keys() & run["weights"].keys()):
            own, first = (each["weights"][part]["origin"]["description"] for each in (run, runs[0]))
            if own != first:
                raise UserError(
                    f"{folder} must have a {part} trained like that of {folders[0]}, but "
                    "its recipe differs"
                )
