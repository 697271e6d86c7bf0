"""Losses and credits against values worked out by hand."""

import math

import pytest
import torch

from simulator.config import LossWeights
from simulator.objectives import TeacherTargets, distillation_loss, image_credits

FEATURES = torch.tensor([[1.0, 0.0]])
SCORES = torch.tensor([[math.log(3.0), 0.0]])  # probabilities 3/4, 1/4
LABELS = torch.tensor([1])
TARGETS = TeacherTargets(torch.tensor([[0.0, 2.0]]), torch.tensor([[0.0, 0.0]]))


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ((1.0, 0.0, 0.0), (1 + 4) / 2),
        ((0.0, 1.0, 0.0), math.log(4)),
        ((0.0, 0.0, 1.0), 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)),
        ((2.0, 1.0, 0.0), 5 + math.log(4)),
        ((0.0, 0.0, 0.0), 0.0),
    ],
)
def test_distillation_loss(weights: tuple[float, float, float], expected: float) -> None:
    mse, ce, kl = weights
    config = LossWeights(mse=mse, ce=ce, kl=kl, temperature=1.0)
    loss = distillation_loss(FEATURES, SCORES, LABELS, TARGETS, config)
    assert float(loss) == pytest.approx(expected, abs=1e-6)


def test_temperature_softens_and_rescales() -> None:
    config = LossWeights(mse=0.0, ce=0.0, kl=1.0, temperature=2.0)
    loss = distillation_loss(FEATURES, SCORES, LABELS, TARGETS, config)
    p = math.sqrt(3) / (math.sqrt(3) + 1)
    expected = 4 * (0.5 * math.log(0.5 / p) + 0.5 * math.log(0.5 / (1 - p)))
    assert float(loss) == pytest.approx(expected, abs=1e-6)


def test_credits_of_right_wrong_and_lost_images() -> None:
    scores = torch.tensor([[0.0, 1.0, 0.0, 0.0]] * 3)
    delivered = torch.tensor([True, True, False])
    assert image_credits(scores, torch.tensor([1, 2, 1]), delivered).tolist() == [1.0, 0.0, 0.25]
