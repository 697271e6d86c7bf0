"""Where the rows of a report come from: command, seed, commit, hashes, machine."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulator.storage.files import file_hash


def provenance_of(folder: Path, run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values in display order, without the date and the run time of the sweep."""
    where = run.get("environment", {})
    packages = ", ".join(f"{name} {own}" for name, own in where.get("packages", {}).items())
    machine = ", ".join(f"{name} {own}" for name, own in where.get("machine", {}).items())
    found = {
        "command, rebuilt from run.json": command_of(run),
        "seed of the channel draws": run.get("seed"),
        "seed of the training": run.get("train_seed"),
        "precision": run.get("precision"),
        "commit": where.get("commit"),
        "versions": f"semlink {where.get('semlink')}, Python {where.get('python')}, {packages}",
        "machine": machine,
        "data, SHA-256": run["data"].get("hash"),
        "outcomes, key of the journal": run.get("journal"),
        "results.csv, SHA-256": file_hash(folder / "results.csv"),
        **{f"weights {name}, SHA-256": own for name, own in _hashes(run).items()},
    }
    return [(name, str(value)) for name, value in found.items() if value not in (None, "")]


def _hashes(run: Mapping[str, Any]) -> dict[str, str]:
    return {name: own["sha256"] for name, own in run.get("weights", {}).items()}


def command_of(run: Mapping[str, Any]) -> str:
    """The `semlink sweep` command with the same recipe, grid, images and seed.

    run.json does not store folders: --data is DIR, and --weights and --student are missing.
    """
    recipe, grid = run.get("recipe", {}), run.get("grid", {})
    options = {
        "--data": None if recipe.get("embedded_data") else "DIR",
        "--resize": run["data"].get("resize"),
        "--schemes": ",".join(run.get("schemes", [])),
        "--channels": ",".join(grid.get("channels", [])),
        "--snr-db": ",".join(f"{snr:g}" for snr in grid.get("snr_db", [])),
        "--channel-uses": ",".join(map(str, grid.get("channel_uses", []))),
        "--realizations": _draws(grid),
        "--mc": grid.get("mc"),
        "--max-realizations": grid.get("max_realizations"),
        "--images": run["data"].get("test_images"),
        "--seed": run.get("seed"),
        "--precision": run.get("precision"),
    }
    words = [f"{name} {value}" for name, value in options.items() if value not in (None, "")]
    words += ["--compile"] if run.get("compiled") else []
    bit_true = any(own.get("bit_true") for own in recipe.get("schemes", []))
    words += ["--bit-true"] if bit_true else []
    return " ".join(["semlink sweep", shlex.quote(str(recipe.get("name", "RECIPE"))), *words])


def _draws(grid: Mapping[str, Any]) -> str:
    """The value of --realizations."""
    every, single = grid.get("realizations"), grid.get("realizations_of") or {}
    named = [f"{name}={number}" for name, number in single.items()]
    whole = [] if every is None or set(single) == set(grid["channels"]) else [str(every)]
    return ",".join(whole + named)
