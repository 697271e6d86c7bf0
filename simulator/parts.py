"""The trained parts of a recipe: what shapes each one, and which others it is trained on."""

from typing import NamedTuple

from simulator.config import Experiment


class Part(NamedTuple):
    """What shapes a part besides data and seed, and the parts that it is trained on."""

    description: tuple[object, ...]
    made_from: tuple[str, ...]


def recipe_parts(experiment: Experiment) -> dict[str, Part]:
    """Every part that `semlink train` makes, in its order."""
    student, codec, joint = experiment.student, experiment.codec, experiment.deep_jscc
    seen = (experiment.augment, experiment.views)
    parts = {
        "teacher": Part((experiment.augment, experiment.teacher), ()),
        "student": Part((*seen, student.model, student.training, student.loss), ("teacher",)),
        "head": Part((*seen, student.head), ("student",)),
        "codec": Part((*seen, codec), ("teacher", "student", "head")),
    }
    settings = (joint.model, joint.training, joint.channels, joint.snr_db)
    for uses in joint.uses:
        parts[deep_jscc_part(uses)] = Part((*seen, *settings, uses), ())
    return parts


def deep_jscc_part(uses: int) -> str:
    """Name of the deep JSCC model for `uses` channel uses."""
    return f"deep_jscc_k{uses}"
