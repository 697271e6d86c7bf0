"""The origin of a weights file, and checks that it belongs to a recipe and a data set."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from simulator.data.dataset import Dataset
from simulator.description.basis import TEACHER, Part
from simulator.errors import UserError
from simulator.storage.describe import describe, digest
from simulator.storage.files import write_json


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a file of tensors was made from."""

    recipe: str
    part: str  # "student", "codec", ...
    description: Any  # JSON form of everything that shaped it
    data: str  # Dataset.key
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    seed: int
    made_from: dict[str, str]  # part -> SHA-256 of the file that it was trained on

    @property
    def key(self) -> str:
        """Short hash of all fields."""
        return digest(asdict(self))

    @property
    def header(self) -> dict[str, Any]:
        """How a file of tensors records what it was made from."""
        return {"key": self.key, "origin": describe(self)}


def check_origin(
    path: Path, part: Part, origin: Any, *, recipe: str, dataset: Dataset
) -> dict[str, Any]:
    """Check the origin in a file. Raises: UserError naming the file and the difference."""
    if not isinstance(origin, dict) or not origin.keys() >= {f.name for f in fields(Origin)}:
        raise UserError(f"{path} does not record what it was trained from; train it again")
    if origin["recipe"] != recipe:
        raise UserError(
            f"{path} must belong to recipe {recipe}, but was trained for "
            f"{origin['recipe']!r}; name another folder with --weights"
        )
    if tuple(origin["image_shape"]) != dataset.image_shape:
        channels, *size = origin["image_shape"]
        square = channels == dataset.image_shape[0] and len(set(size)) == 1
        wayout = f"add --resize {size[0]}, or " if square else ""
        raise UserError(
            f"{path} was trained on images {origin['image_shape']} [C, H, W], but the data "
            f"holds {list(dataset.image_shape)}; {wayout}train on this data first"
        )
    if tuple(origin["classes"]) != dataset.classes:
        raise UserError(
            f"{path} was trained on {_some(origin['classes'])}, but the data holds "
            f"{_some(dataset.classes)}; train on this data first"
        )
    if origin["part"] != part.name or origin["description"] != describe(part.description):
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


NAME = "data.json"


def data_name(weights: Path, dataset: Dataset) -> str:
    """The name of the data in this folder's parts, as recorded there for these training images.

    Raises: UserError if the record is damaged.
    """
    path = weights / NAME
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        name, training = str(written["data"]), str(written["training"])
    except FileNotFoundError:
        return dataset.key
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path} must be a JSON object with data and training; remove it") from None
    return name if training == dataset.training_key else dataset.key


def write_data_name(weights: Path, dataset: Dataset) -> None:
    """Write the name of the data, where there is none or no weights are beside it."""
    path = weights / NAME
    if not path.exists() or not any(weights.glob("*.safetensors")):
        names = {"data": dataset.key, "training": dataset.training_key}
        write_json(path, {**names, "validation_images": _validation_images(dataset)})


def validation_images(weights: Path, dataset: Dataset) -> int:
    """On how many images parts in this folder were validated: as is written there, else the data's.

    0 where neither says.
    """
    try:
        written = json.loads((weights / NAME).read_text(encoding="utf-8"))
        return int(written["validation_images"])
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return _validation_images(dataset)


def _validation_images(dataset: Dataset) -> int:
    return 0 if dataset.validation is None else len(dataset.validation.labels)
