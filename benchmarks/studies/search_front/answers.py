"""Outputs of retrained networks of a front, kept without their weights."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from models import StudentConfig
from simulator.description.basis import TEACHER
from simulator.device import native
from simulator.measures.sizes import Credits, right_answers
from simulator.search.run import SearchRun, retrain, retraining_key
from simulator.storage.files import read_keyed, write_json
from simulator.training.run import classifier_accuracy


class Answers(NamedTuple):
    """Which test images are right, 1 or 0 each, and the accuracy on validation images."""

    right: Credits
    validation: float


class Answered(NamedTuple):
    """The answers of a network from several seeds of its retraining."""

    by_seed: dict[int, Answers]

    @property
    def right(self) -> Credits:
        """Share of the seeds from which a test image is right, [N]."""
        shares: Credits = np.mean([own.right for own in self.by_seed.values()], axis=0)
        return shares

    @property
    def accuracies(self) -> Credits:
        """Accuracy on test images by seed, [S]."""
        return np.array([own.right.mean() for own in self.by_seed.values()])

    @property
    def validation(self) -> float:
        """Mean accuracy on validation images."""
        return float(np.mean([own.validation for own in self.by_seed.values()]))


def answered(
    whole: SearchRun, name: str, model: StudentConfig, *, epochs: int, seeds: Sequence[int]
) -> Answered:
    """The answers of a network retrained from every seed; teachers and views stay the same.

    Raises: UserError as `answers_of`.
    """
    run, found = whole.run, {}
    for seed in seeds:
        own, part = whole, name
        if seed != run.seed:
            taught = run.streams_of(TEACHER).seed
            own = replace(whole, run=replace(run, seed=seed, teacher_seed=taught))
            part = f"{name}_seed{seed}"
        found[seed] = answers_of(own, part, model, epochs)
    return Answered(found)


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
        "precision": native(whole.run.device, whole.run.recipe.student.training.precision),
        "validation": validation,
        "right": np.packbits(right.astype(bool)).tobytes().hex(),
    }
    write_json(path, value)
    return Answers(right, validation)
