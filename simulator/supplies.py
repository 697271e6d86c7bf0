"""Baselines that choose on validation images: what they are given, and what they tell."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from channels.base import Channel
from models import FeatureQuantiser
from simulator.config import Classify
from simulator.data import Split


class Quantised(NamedTuple):
    """Features of images [B, C, H, W] in [0, 1], what quantises them, and a key of the weights."""

    features: Callable[[Tensor], Tensor]
    quantiser: FeatureQuantiser
    key: str


@dataclass(frozen=True, kw_only=True)
class Supplies:
    """What a training and its data lend besides the classifier of the noiseless chain."""

    key: str  # of that classifier: equal for equal weights
    validation: Split | None
    device: torch.device
    teacher: Callable[[], tuple[Classify, str]]  # it and its key; UserError if it is not there
    quantised: Callable[[], Quantised]  # likewise
    retrained: Callable[[str], tuple[Classify, str]]  # "student" or "teacher" on decoded images


@runtime_checkable
class Adapted(Protocol):
    """A scheme that chooses what it sends, for every channel, SNR and k, on validation images."""

    @property
    def choices_key(self) -> str:
        """Equal where all choices are the same."""

    def choices(self, points: Sequence[tuple[Channel, float, int]]) -> list[dict[str, Any]]:
        """The choices at some points (channel, SNR in dB, k), as rows of a table."""
