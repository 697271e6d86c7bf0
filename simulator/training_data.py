"""Which data the weights in a folder were made of, so that others can go on from them.

Parts of a training name their data by `Dataset.key`, which covers test images too. Who has other
test images beside the same training and validation images goes on under the name that is written.
"""

import json
from pathlib import Path

from simulator.data import Dataset
from simulator.errors import UserError
from simulator.records import write_json

NAME = "data.json"


def data_name(weights: Path, dataset: Dataset) -> str:
    """How parts in this folder name their data: as is written there of the same training images.

    Raises: UserError if what is written is damaged.
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
        write_json(path, {"data": dataset.key, "training": dataset.training_key})
