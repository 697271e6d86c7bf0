"""What a training and its data lend to baselines, besides the classifier of the noiseless chain."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from simulator.config import Classify
from simulator.data import Split


@dataclass(frozen=True, kw_only=True)
class Supplies:
    """Validation images to choose on, and the teacher."""

    key: str  # of the classifier: equal for equal weights
    validation: Split | None
    device: torch.device
    teacher: Callable[[], tuple[Classify, str]]  # it and its key; UserError if it is not there
