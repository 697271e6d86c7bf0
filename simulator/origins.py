"""Whether a file of weights belongs to a recipe and to a data set."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from simulator.config import describe
from simulator.data import Dataset
from simulator.errors import UserError
from simulator.records import Origin
from simulator.training_run import TEACHER


def check_origin(
    path: Path,
    part: str,
    origin: Any,
    *,
    recipe: str,
    dataset: Dataset,
    description: tuple[object, ...],
) -> dict[str, Any]:
    """Check what a file says of itself, and give it back.

    Raises: UserError naming the file and what does not agree.
    """
    if not isinstance(origin, dict) or not origin.keys() >= {f.name for f in fields(Origin)}:
        raise UserError(f"{path} does not say what it was made from; train it again")
    if origin["recipe"] != recipe:
        raise UserError(
            f"{path} must belong to recipe {recipe}, but was trained for "
            f"{origin['recipe']!r}; name another folder with --weights"
        )
    if tuple(origin["image_shape"]) != dataset.image_shape:
        raise UserError(
            f"{path} was trained on images {origin['image_shape']} [C, H, W], but the data "
            f"holds {list(dataset.image_shape)}; train on this data first"
        )
    if tuple(origin["classes"]) != dataset.classes:
        raise UserError(
            f"{path} was trained on {_some(origin['classes'])}, but the data holds "
            f"{_some(dataset.classes)}; train on this data first"
        )
    if origin["part"] != part or origin["description"] != describe(description):
        raise UserError(f"{path} was trained by another version of recipe {recipe}; train it again")
    return origin


def check_company(
    path: Path,
    part: str,
    origin: dict[str, Any],
    *,
    hashes: Mapping[str, str],
    origins: Mapping[str, dict[str, Any]],
) -> None:
    """Parts that are used together must come from one training; teachers may be older.

    `hashes` holds the part's own and those of the parts in `origins`, which were loaded before.

    Raises: UserError naming the file and what does not agree.
    """
    for name, wanted in origin["made_from"].items():
        if hashes.get(name, wanted) != wanted:
            raise UserError(f"{path} was trained on another {name} than the one beside it")
    for name, own in origins.items():
        if own["made_from"].get(part, hashes[part]) != hashes[part]:
            raise UserError(f"{path} is another {part} than the one that {name} was trained on")
    seeds = {own["seed"] for name, own in origins.items() if not name.startswith(TEACHER)}
    if not part.startswith(TEACHER) and seeds - {origin["seed"]}:
        raise UserError(
            f"{path} was trained with seed {origin['seed']}, the parts beside it with {seeds.pop()}"
        )


def _some(classes: Sequence[str]) -> str:
    return f"{len(classes)} classes ({', '.join(classes[:3])}, ...)"
