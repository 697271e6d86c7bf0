"""The origin of a weights file, and checks that it belongs to a recipe and a data set."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from simulator.data.dataset import Dataset
from simulator.description.basis import TEACHER, Part
from simulator.errors import UserError
from simulator.storage.describe import describe, digest


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Everything that a file of tensors was made from."""

    recipe: str
    part: str  # "student", "codec", ...
    description: Any  # JSON form of all settings that it depends on
    data: str  # Dataset.key
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    seed: int
    made_from: dict[str, str]  # part -> SHA-256 of its file, for parts used in training

    @property
    def key(self) -> str:
        """Short hash of all fields."""
        return digest(asdict(self))

    @property
    def header(self) -> dict[str, Any]:
        """The header by which a file of tensors records its origin."""
        return {"key": self.key, "origin": describe(self)}


def check_origin(
    path: Path, part: Part, origin: Any, *, recipe: str, dataset: Dataset
) -> dict[str, Any]:
    """Check the origin in a file, and return it. Raises: UserError naming file and difference."""
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


def check_same_run(
    path: Path,
    part: str,
    origin: dict[str, Any],
    *,
    hashes: Mapping[str, str],
    origins: Mapping[str, dict[str, Any]],
) -> None:
    """Check that a part and those loaded before it come from the same training run.

    Teachers may come from a run with another seed. `origins` holds the parts loaded before;
    `hashes` holds theirs and this part's.
    Raises: UserError naming the file and the disagreement.
    """
    for name, wanted in origin["made_from"].items():
        if hashes.get(name, wanted) != wanted:
            raise UserError(f"{path} was trained on another {name} than the one in the same folder")
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
