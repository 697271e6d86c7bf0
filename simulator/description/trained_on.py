"""data.json beside the weights: the images that they were trained on."""

import json
from pathlib import Path
from typing import NamedTuple

from simulator.data.dataset import Dataset
from simulator.errors import UserError
from simulator.storage.files import write_json

NAME = "data.json"


def data_name(weights: Path, dataset: Dataset) -> str:
    """The key of the data set in origins of this folder, if recorded for these training images.

    If not, it is `Dataset.key`.

    Raises: UserError if the record is damaged.
    """
    recorded = _recorded(weights)
    if recorded is None or recorded.training != dataset.training_key:
        return dataset.key
    return recorded.data


class _Recorded(NamedTuple):
    """The keys in data.json: of the data set, and of its training images."""

    data: str
    training: str


def _recorded(weights: Path) -> _Recorded | None:
    path = weights / NAME
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        return _Recorded(str(written["data"]), str(written["training"]))
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path} must be a JSON object with data and training; remove it") from None


def write_data_name(weights: Path, dataset: Dataset) -> None:
    """Write data.json with the key of the data set, unless it exists next to weights."""
    path = weights / NAME
    if not path.exists() or not any(weights.glob("*.safetensors")):
        names = {"data": dataset.key, "training": dataset.training_key}
        write_json(path, {**names, "validation_images": _validation_images(dataset)})


def check_training_images(weights: Path, dataset: Dataset) -> None:
    """Check that the finished parts of a folder were trained on these images.

    Raises: UserError if there are parts, and data.json names other training images.
    """
    recorded = _recorded(weights)
    if recorded is None or not any(weights.glob("*.safetensors")):
        return
    if recorded.training != dataset.training_key:
        raise UserError(
            f"{weights} holds parts that were trained on other images, or with another --resize; "
            "choose another --out, or add --fresh to delete these parts"
        )


def validation_images(weights: Path, dataset: Dataset) -> int:
    """Number of images on which parts in this folder were validated.

    It is read from data.json. If missing there, it is that of the data set, or 0 without a
    validation split.
    """
    try:
        written = json.loads((weights / NAME).read_text(encoding="utf-8"))
        return int(written["validation_images"])
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return _validation_images(dataset)


def _validation_images(dataset: Dataset) -> int:
    return 0 if dataset.validation is None else len(dataset.validation.labels)
