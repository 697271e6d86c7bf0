"""Students that a search finds: what they cost, how they are retrained, how they are read."""

import json
from dataclasses import replace
from pathlib import Path

import torch

from models import GenotypeCnnConfig, ImageClassifier, StudentConfig
from models.blocks import parameter_count
from simulator.description.stages import StudentStage
from simulator.errors import UserError
from simulator.measures.sizes import cpu_ms, macs
from simulator.search.task import SearchRun
from simulator.training.loop import fresh
from simulator.training.student import train_student


def retrain(whole: SearchRun, name: str, model: StudentConfig, *, epochs: int) -> ImageClassifier:
    """A student trained as the recipe's, for so many epochs; kept as the part student_NAME.

    Whatever is compared is retrained like this, hand-made networks too.
    """
    stage = _retraining(whole, model, epochs)
    part = whole.run.recipe.student_parts(name, stage).student
    return train_student(whole.run, part, stage, whole.views)


def retraining_key(whole: SearchRun, name: str, model: StudentConfig, *, epochs: int) -> str:
    """Equal for retrainings of the same description, data, teachers and seed."""
    stage = _retraining(whole, model, epochs)
    return whole.run.origin(whole.run.recipe.student_parts(name, stage).student).key


def _retraining(whole: SearchRun, model: StudentConfig, epochs: int) -> StudentStage:
    recipe = whole.run.recipe.student
    return replace(recipe, model=model, training=replace(recipe.training, epochs=epochs))


def network_costs(student: StudentConfig, image_shape: tuple[int, int, int]) -> dict[str, float]:
    """Parameters, MACs and CPU milliseconds per image in a batch of 64 of an encoder."""
    network = fresh(lambda: student.build(image_channels=image_shape[0]), seed=0).eval()
    batch = torch.zeros(64, *image_shape)
    return {
        "parameters": parameter_count(network),
        "macs": macs(lambda: network(batch[:1])),
        "cpu_ms": round(cpu_ms(network, batch), 4),
    }


def read_student(path: Path) -> GenotypeCnnConfig:
    """The student of a genotype file. Raises: UserError naming the file."""
    try:
        return GenotypeCnnConfig.from_json(json.loads(path.read_text(encoding="utf-8"))["student"])
    except FileNotFoundError:
        raise UserError(f"no such file: {path}") from None
    except (KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} must be a genotype of semlink search, but: {reason}") from None
