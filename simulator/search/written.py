"""Files of a search: genotypes, which can be read again, and the description of the search."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from models import GenotypeCnnConfig, StagedCnnConfig
from models.encoders.staged_cnn import EXPANDING
from simulator.device import native
from simulator.errors import UserError
from simulator.search.cost import network_costs
from simulator.search.prepare import SearchRun
from simulator.search.run import Found, search_key
from simulator.storage.describe import describe
from simulator.storage.environment import environment
from simulator.storage.files import write_json, write_table
from simulator.storage.folders import remove


def read_student(path: Path) -> GenotypeCnnConfig | StagedCnnConfig:
    """The student in a genotype file. Raises: UserError naming the file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))["student"]
        staged = value.get("type") == StagedCnnConfig.__name__
        return (StagedCnnConfig if staged else GenotypeCnnConfig).from_json(value)
    except FileNotFoundError:
        raise UserError(f"no such file: {path}") from None
    except IsADirectoryError:
        raise UserError(
            f"{path} must be a genotype of semlink search, but is a folder; name the genotype.json "
            "in it"
        ) from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} must be a genotype of semlink search, but: {reason}") from None


def write_found(
    whole: SearchRun, found: Found, path: Path, *, validation: float | None = None
) -> dict[str, Any]:
    """Write a genotype with its costs and the settings of its search; return the content."""
    config, image_shape = whole.preset.search, whole.run.dataset.image_shape
    value = {
        "key": search_key(whole, found.seed),
        "preset": whole.preset.name,
        "seed": found.seed,
        "lambda": config.penalty,
        "loss": describe(config.loss),
        "epochs": len(found.history),
        **network_costs(found.student, image_shape),
        "validation_accuracy": validation,
        "student": describe(found.student),
    }
    write_json(path, value)
    return value


def write_search(
    whole: SearchRun,
    found: list[Found],
    best: Found,
    accuracies: dict[int, float],
    *,
    draw: Callable[[Found, Path, dict[str, Any]], list[Path]],
) -> tuple[dict[str, Any], list[Path]]:
    """Write genotypes, figures and the description of the search.

    `draw(found, folder, told)` draws the figures of a result, where `told` is the content of
    genotype.json, and returns their paths. Returns the content of genotype.json, which describes
    the best result, and the paths of that file and of the figures.
    """
    folder = whole.run.folder
    told = write_found(whole, best, folder / "genotype.json", validation=accuracies.get(best.seed))
    write_table(folder / "search.csv", pd.DataFrame(best.history))
    write_json(folder / "search.json", _description(whole, found))
    figures = draw(best, folder / "figures", told)
    for one in found:  # written last: if they exist, so do the others
        path = folder / "genotypes" / f"seed_{one.seed}.json"
        write_found(whole, one, path, validation=accuracies.get(one.seed))
    return told, [folder / "genotype.json", *figures]


def _description(whole: SearchRun, found: list[Found]) -> dict[str, Any]:
    run = whole.run
    return {
        "recipe": run.recipe.name,
        "preset": whole.preset.name,
        "search": describe(whole.preset.search),
        "precision": native(run.device, whole.preset.search.precision),
        "retraining_epochs": whole.preset.retraining_epochs,
        "seeds": [one.seed for one in found],
        "data": {"name": run.dataset.name, "key": run.dataset.key},
        "training_seed": run.seed,
        "environment": environment(run.device),
    }


def summary(told: dict[str, Any]) -> str:
    """The content of genotype.json as text: size, cells or stages, validation accuracy."""
    size = f"{told['parameters']:,} parameters, {told['macs']:,} MACs"
    lines = [f"seed {told['seed']}: {size}, {told['cpu_ms']:g} ms per image"]
    lines += (
        _cells_told(told["student"]) if "genotype" in told["student"] else _told(told["student"])
    )
    if told["validation_accuracy"] is not None:
        lines.append(f"  validation accuracy {100 * told['validation_accuracy']:.2f} %")
    return "\n".join(lines)


def _cells_told(student: dict[str, Any]) -> Iterator[str]:
    for kind in ("normal", "reduce"):
        edges = student["genotype"][kind]
        nodes = (" + ".join(f"{name}({source})" for source, name in own) for own in edges)
        yield f"  {kind}: " + "; ".join(nodes)


def _told(student: dict[str, Any]) -> Iterator[str]:
    yield f"  stem: {student['stem']} channels"
    for number, own in enumerate(student["stages"], start=1):
        pooling = {"none": "no pooling"}.get(own["pooling"], f"pooling {own['pooling']}")
        yield f"  stage {number}: {own['width']} channels, {pooling}, {_blocks(own)}"


def _blocks(stage: dict[str, Any]) -> str:
    if stage["depth"] == 0:
        return "no blocks"
    told = f"{stage['block']} blocks: {stage['depth']} of kernel {stage['kernel']}"
    return f"{told}, expansion {stage['expansion']}" if stage["block"] in EXPANDING else told


def forget_search(folder: Path) -> None:
    """Remove what earlier searches left."""
    remove(folder, "history/proposals_*", "checkpoints/search_*", "checkpoints/student_seed*")
    remove(folder, "weights/student_seed*", "history/search_*", "figures/*")
    remove(folder, "genotype.json", "genotypes/seed_*.json", "search.csv", "search.json")
