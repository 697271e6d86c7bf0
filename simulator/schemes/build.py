"""From trained parts on disk to schemes that transmit."""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from simulator.scheme import Scheme
from simulator.schemes.experiment import Experiment
from simulator.training.weights import Weights


class Built(NamedTuple):
    """A scheme, and what its numbers depend on."""

    scheme: Scheme
    identity: dict[str, Any]


def build_scheme(name: str, experiment: Experiment, weights: Weights) -> Built:
    """The scheme of this name, with its weights loaded.

    Its identity is the version of its code, its settings, what these refer to, and weights by hash.
    Raises: UserError for an unknown name, and for weights that are missing, unreadable, of another
    recipe, or for images or classes other than the data's.
    """
    config = experiment.scheme(name)
    with weights.noting() as used:
        scheme = config.build(weights)
    return Built(
        scheme,
        {
            "version": scheme.version,
            **config.identity(scheme),
            "weights": {part: weights.hashes[part] for part in sorted(used)},
        },
    )


def asked_schemes(
    experiment: Experiment, weights: Weights, asked: Sequence[str] = ("all",)
) -> tuple[list[str], list[str]]:
    """The schemes that are asked for, where `all` stands for those that are trained.

    Some schemes have weights beside those that every sweep needs; a line for each that lacks them.
    """
    if "all" not in asked:
        return list(asked), []
    trained, left_out = _trained(experiment, weights)
    parts = (trained if name == "all" else [name] for name in asked)
    return list(dict.fromkeys(itertools.chain.from_iterable(parts))), left_out


def _trained(experiment: Experiment, weights: Weights) -> tuple[list[str], list[str]]:
    names, left_out = [], []
    for name in experiment.scheme_names:
        needed = experiment.scheme(name).needed(experiment, weights.dataset.image_shape)
        missing = next((part for part in needed if not weights.has(part)), None)
        if missing is None:
            names.append(name)
        else:
            path = weights.path(missing)
            left_out.append(f"{name} left out, it is not trained: no {path}")
    return names, left_out
