"""A wrong SNR report and a gain estimated from pilots."""

import math

import pytest
import torch
from torch import Tensor

from benchmarks.recipes.digits import digits
from channels.awgn import AwgnChannel
from channels.base import Channel, ChannelOutput
from channels.fading import RayleighChannel
from channels.pilots import add_pilots, estimate_gain
from channels.units import noise_power_from_snr_db
from models import CatConfig
from simulator.errors import UserError
from simulator.schemes.codec import clean_estimate, send_features
from simulator.schemes.rkd_sc import LinkError, RkdScConfig
from simulator.training.loop import fresh
from simulator.training.losses import softened_divergence

CONFIG = CatConfig(
    feature_dim=32,
    max_uses=16,
    tokens=4,
    width=16,
    blocks=1,
    heads=2,
    mlp_ratio=2,
    use_snr=True,
)


def sent(told: float | None, *, pilots: int = 0, snr_db: float = 5.0) -> Tensor:
    """Eight feature vectors over Rayleigh fading, always the same gains and noise."""
    codec = fresh(CONFIG.build, seed=0)
    features = torch.randn(8, 32, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return send_features(
            codec,
            features,
            channel=RayleighChannel(coherence=None),
            snr_db=torch.full((8, 1), snr_db),
            uses=torch.full((8, 1), 16),
            generator=torch.Generator().manual_seed(2),
            reported_snr_db=None if told is None else torch.full((8, 1), told),
            pilots=pilots,
        )


def test_a_true_report_changes_nothing() -> None:
    torch.testing.assert_close(sent(5.0), sent(None))
    assert (sent(8.0) - sent(None)).abs().max() > 1e-3


def test_estimation_error_has_noise_power_over_pilots(generator: torch.Generator) -> None:
    channel, pilots, shape = RayleighChannel(coherence=None), 4, (20_000, 8)
    x = add_pilots(torch.ones(shape, dtype=torch.complex64), pilots)
    snr_db = torch.full((shape[0], 1), 3.0)
    received = channel(x, snr_db=snr_db, generator=generator)
    estimated = estimate_gain(received, pilots)
    assert estimated.y.shape == estimated.h.shape == shape
    error = (estimated.h - received.h[:, pilots:])[:, 0].abs().square()
    expected = float(noise_power_from_snr_db(torch.tensor(3.0))) / pilots
    assert abs(float(error.mean()) - expected) < 4 * expected / math.sqrt(shape[0])
    assert torch.equal(estimated.noise_power, received.noise_power)


def test_no_pilots_leave_the_codeword_alone() -> None:
    x = torch.ones((2, 3), dtype=torch.complex64)
    assert add_pilots(x, 0) is x


def test_pilots_are_charged() -> None:
    class Spy(Channel):
        name = "spy"
        seen = torch.empty(0)

        def __call__(
            self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator
        ) -> ChannelOutput:
            self.seen = x
            return RayleighChannel(coherence=None)(x, snr_db=snr_db, generator=generator)

    spy = Spy()
    send_features(
        fresh(CONFIG.build, seed=0),
        torch.randn(3, 32),
        channel=spy,
        snr_db=torch.zeros(3, 1),
        uses=torch.full((3, 1), 16),
        generator=torch.Generator().manual_seed(2),
        pilots=2,
    )
    assert spy.seen.shape == (3, 16)
    torch.testing.assert_close(spy.seen[:, :2], torch.ones((3, 2), dtype=torch.complex64))
    power = spy.seen[:, 2:].abs().square().mean(dim=1)
    torch.testing.assert_close(power, torch.ones(3), rtol=1e-4, atol=1e-4)


def test_clean_estimate_is_the_link_without_noise() -> None:
    codec = fresh(CONFIG.build, seed=0)
    features = torch.randn(8, 32, generator=torch.Generator().manual_seed(1))
    uses = torch.full((8, 1), 16)
    through = send_features(
        codec,
        features,
        channel=AwgnChannel(),
        snr_db=torch.full((8, 1), 200.0),
        uses=uses,
        generator=torch.Generator().manual_seed(2),
    )
    clean = clean_estimate(codec, features, snr_db=torch.full((8, 1), 200.0), uses=uses)
    torch.testing.assert_close(through, clean, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("label", "error"),
    [
        ("+3dB", LinkError("+3dB", 3.0, 0)),
        ("-1.5dB", LinkError("-1.5dB", -1.5, 0)),
        ("pilot4", LinkError("pilot4", 0.0, 4)),
        ("pilot0", None),
        ("3dB", None),
        ("r2", None),
    ],
)
def test_labels(label: str, error: LinkError | None) -> None:
    assert LinkError.of(label) == error
    known = digits().one(RkdScConfig)
    assert known.error == LinkError("", 0.0, 0)  # without a label
    if error is None:
        with pytest.raises(UserError, match=f"takes labels such as .*, got '{label}'"):
            known.labelled(label)
    else:
        assert known.labelled(label).error == error
        assert known.labelled(label).name == f"rkd_sc:{label}"


def test_softened_divergence_by_hand() -> None:
    told, said = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    p = math.e / (math.e + 1)  # softmax of (1, 0): scores over a temperature of 2
    expected = 4 * (p * 1 + (1 - p) * -1)
    assert float(softened_divergence(told, said, 2.0)) == pytest.approx(expected, rel=1e-5)
