"""What the channel is like for every image of a training batch: SNR and channel uses."""

from dataclasses import replace

import torch
from torch import Tensor

from simulator.stages import LinkConditions


def conditions_at(conditions: LinkConditions, progress: float) -> LinkConditions:
    """The conditions at this share of the training, if they change from epoch to epoch."""
    if not conditions.snr_list:
        return conditions
    snr_db = conditions.snr_list[int(progress * len(conditions.snr_list))]
    return replace(conditions, snr_db=(snr_db, snr_db))


def draw_conditions(
    batch: int, conditions: LinkConditions, *, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """SNR in dB and channel uses for every image of a batch, both [batch, 1]."""
    low, high = conditions.snr_db
    position = torch.rand((batch, 1), generator=generator) ** conditions.snr_skew
    snr_db = low + (high - low) * position
    choices = torch.tensor(sorted(conditions.uses))
    drawn = choices[torch.randint(len(choices), (batch, 1), generator=generator)]
    full = torch.rand((batch, 1), generator=generator) < conditions.full_share
    return snr_db, torch.where(full, choices[-1], drawn)
