"""Distillation losses compared with manual calculations."""

import math

import pytest
import torch

from simulator.description.stages import LossWeights
from simulator.training.losses import TeacherTargets, distillation_loss

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
def test_distillation_loss_matches_manual_calculation(
    weights: tuple[float, float, float], expected: float
) -> None:
    mse, ce, kl = weights
    config = LossWeights(mse=mse, ce=ce, kl=kl, temperature=1.0)
    loss = distillation_loss(FEATURES, SCORES, LABELS, TARGETS, config)
    assert float(loss) == pytest.approx(expected, abs=1e-6)


def test_temperature_softens_and_rescales_the_divergence() -> None:
    config = LossWeights(mse=0.0, ce=0.0, kl=1.0, temperature=2.0)
    loss = distillation_loss(FEATURES, SCORES, LABELS, TARGETS, config)
    p = math.sqrt(3) / (math.sqrt(3) + 1)
    expected = 4 * (0.5 * math.log(0.5 / p) + 0.5 * math.log(0.5 / (1 - p)))
    assert float(loss) == pytest.approx(expected, abs=1e-6)


def test_standardised_divergence_ignores_shift_and_scale_of_scores() -> None:
    generator = torch.Generator().manual_seed(3)
    scores, told = torch.randn((2, 4, 8), generator=generator)
    features, labels = torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64)
    config = LossWeights(mse=0.0, ce=0.0, kl=1.0, temperature=2.0, standardised=True)

    def loss(said: torch.Tensor, teacher: torch.Tensor) -> float:
        targets = TeacherTargets(features, teacher)
        return float(distillation_loss(features, said, labels, targets, config))

    found = loss(scores, told)
    assert loss(5 * scores + 3, 0.1 * told - 1) == pytest.approx(found, rel=1e-4)
    assert loss(5 * told + 3, told) == pytest.approx(0, abs=1e-5)
    said, teacher = (
        (own - own.mean(dim=1, keepdim=True)) / own.std(dim=1, keepdim=True, correction=0)
        for own in (scores, told)
    )
    p, q = (teacher / 2).softmax(dim=1), (said / 2).softmax(dim=1)
    expected = 4 * (p * (p / q).log()).sum(dim=1).mean()
    assert found == pytest.approx(float(expected), rel=1e-5)
    assert found > 0.1


def test_feature_loss_is_weighted_by_the_bits_of_the_channel() -> None:
    generator = torch.Generator().manual_seed(3)
    features, told = torch.randn((2, 4, 8), generator=generator)
    scores, labels = torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64)
    targets = TeacherTargets(told, scores)
    weights = LossWeights(mse=1.0, ce=0.0, kl=0.0, temperature=1.0, mse_bits=100.0)
    bits = torch.tensor([[0.0], [50.0], [100.0], [1000.0]])
    errors = (features - told).square().mean(dim=1)
    expected = (0.5 * errors[1] + errors[2] + errors[3]) / 4
    found = distillation_loss(features, scores, labels, targets, weights, bits=bits)
    torch.testing.assert_close(found, expected)
    whole = distillation_loss(features, scores, labels, targets, weights)
    torch.testing.assert_close(whole, errors.mean())
