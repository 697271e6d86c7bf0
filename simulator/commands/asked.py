"""Which schemes a sweep evaluates, and which it cannot for want of weights."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from simulator.config import Experiment
from simulator.data import Dataset
from simulator.options import parse_names
from simulator.parts import QUANTISER, backbone_parts, image_jscc_part, joint_part
from simulator.schemes import scheme_names


def asked_schemes(
    experiment: Experiment, dataset: Dataset, weights: Path, schemes: str | None
) -> tuple[Sequence[str], list[str]]:
    """The schemes that --schemes names, where `all` stands for those that are trained.

    Some schemes have weights beside those that every sweep needs; a line for each that lacks them.
    """
    asked = parse_names("all" if schemes is None else schemes)
    if "all" not in asked:
        return asked, []
    trained, left_out = _trained(experiment, dataset, weights)
    parts = (trained if name == "all" else [name] for name in asked)
    return tuple(dict.fromkeys(itertools.chain.from_iterable(parts))), left_out


def _trained(
    experiment: Experiment, dataset: Dataset, weights: Path
) -> tuple[Sequence[str], list[str]]:
    names, left_out = list(scheme_names(experiment)), []
    for name, parts in _own_parts(experiment, dataset).items():
        files = (weights / f"{part}.safetensors" for part in parts)
        missing = next((file for file in files if not file.exists()), None)
        if missing is not None:
            names.remove(name)
            left_out.append(f"{name} left out, it is not trained: no {missing}")
    return names, left_out


def _own_parts(experiment: Experiment, dataset: Dataset) -> dict[str, list[str]]:
    """Parts of schemes that not every sweep needs, by the scheme's name."""
    found = {
        stage.name: [
            *(joint_part(stage.name, uses) for uses in stage.uses),
            *backbone_parts(experiment, stage)[:1],
        ]
        for stage in experiment.joint
    }
    if image := experiment.image_jscc:
        found[image.name] = list(map(image_jscc_part, image.models(dataset.image_shape)))
    if experiment.quantiser:
        found[QUANTISER] = [QUANTISER]
    return found
