"""What retrained networks of a front answer, kept without their weights."""

from typing import NamedTuple

import numpy as np
import torch

from models import StudentConfig
from simulator.precision import native
from simulator.records import read_keyed, write_json
from simulator.search_run import SearchRun, retrain, retraining_key
from simulator.size_table import Credits, right_answers
from simulator.training_run import classifier_accuracy


class Answers(NamedTuple):
    """Which test images are right, 1 or 0 each, and the accuracy on validation images."""

    right: Credits
    validation: float


def answers_of(whole: SearchRun, name: str, model: StudentConfig, epochs: int) -> Answers:
    """The answers of a network after its retraining: those that are kept, else it is retrained.

    Raises: UserError if those that are kept are of another retraining.
    """
    path = whole.run.folder / "answers" / f"{name}.json"
    key = retraining_key(whole, name, model, epochs=epochs)
    test = whole.run.dataset.test
    if kept := read_keyed(path, key):
        packed = np.frombuffer(bytes.fromhex(kept["right"]), dtype=np.uint8)
        right = np.unpackbits(packed, count=len(test.labels)).astype(np.float64)
        return Answers(right, kept["validation"])
    network = retrain(whole, name, model, epochs=epochs)
    right = right_answers(lambda images: network(images).scores, test)
    with torch.no_grad():
        validation = classifier_accuracy(whole.run, network)
    value = {
        "key": key,
        "precision": native(whole.run.device, whole.run.experiment.student.training.precision),
        "validation": validation,
        "right": np.packbits(right.astype(bool)).tobytes().hex(),
    }
    write_json(path, value)
    return Answers(right, validation)
