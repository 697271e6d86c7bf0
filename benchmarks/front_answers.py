"""What retrained networks of a front answer, kept without their weights."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from models import StudentConfig
from simulator.records import write_json
from simulator.search_run import SearchRun, retrain, retraining_key
from simulator.size_table import Credits, right_answers
from simulator.training_run import classifier_accuracy


class Answers(NamedTuple):
    """Which test images are right, 1 or 0 each, and the accuracy on validation images."""

    right: Credits
    validation: float


def answers_of(whole: SearchRun, name: str, model: StudentConfig, epochs: int) -> Answers:
    """The answers of a network after its retraining: those that are kept, else it is retrained."""
    path = whole.run.folder / "answers" / f"{name}.json"
    key = retraining_key(whole, name, model, epochs=epochs)
    test = whole.run.dataset.test
    kept = _kept(path, key, len(test.labels))
    if kept is not None:
        return kept
    network = retrain(whole, name, model, epochs=epochs)
    right = right_answers(lambda images: network(images).scores, test)
    with torch.no_grad():
        validation = classifier_accuracy(whole.run, network)
    bits = np.packbits(right.astype(bool)).tobytes().hex()
    write_json(path, {"key": key, "validation": validation, "right": bits})
    return Answers(right, validation)


def _kept(path: Path, key: str, images: int) -> Answers | None:
    """What the file holds; None if there is none, or of another retraining."""
    if not path.exists():
        return None
    told = json.loads(path.read_text(encoding="utf-8"))
    if told["key"] != key:
        return None
    packed = np.frombuffer(bytes.fromhex(told["right"]), dtype=np.uint8)
    return Answers(np.unpackbits(packed, count=images).astype(np.float64), told["validation"])
