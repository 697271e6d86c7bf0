"""Joint baselines on the channel: what is sent, what the receiver is told, what a batch costs."""

import math

import pytest
import torch
from torch import Tensor

from benchmarks.recipes.digits import digits
from channels.base import ChannelOutput
from channels.names import channel_from_name
from channels.streams import Streams
from channels.theory import qam_symbol_error_rate_awgn, qam_symbol_error_rate_rayleigh
from models import DtJscc, DtJsccConfig, JointModel, ResidualCnnConfig
from simulator.schemes.dt_jscc import decide, modulate
from simulator.schemes.joint import JointSchemeConfig, Passage
from simulator.training.loop import fresh

NAMES = ("deep_jscc", "deep_jscc_q", "adjscc", "dt_jscc", "dt_jscc:64qam", "vl_vfe")
THEORY = {"awgn": qam_symbol_error_rate_awgn, "rayleigh": qam_symbol_error_rate_rayleigh}


def stage(name: str) -> JointSchemeConfig:
    """A baseline of the digits."""
    found = digits().scheme(name)
    assert isinstance(found, JointSchemeConfig)
    return found


def built(name: str, uses: int = 16) -> JointModel:
    """A model of the digits with fresh weights, its backbone elsewhere."""
    return fresh(lambda: stage(name).fresh(uses=uses, image_channels=1, num_classes=10), seed=0)


def discrete(bits: int, uses: int) -> DtJscc:
    """A DT-JSCC model of nothing but its constellation."""
    body = ResidualCnnConfig(widths=(4,), blocks=1, feature_dim=4)
    config = DtJsccConfig(
        body=body, hidden=4, bits_per_symbol=bits, word=2, robustness=1e-3, temperature=0.5
    )
    return config.build(image_channels=None, num_classes=2, uses=uses)


@pytest.mark.parametrize("bits", [4, 6])
@pytest.mark.parametrize("channel", ["awgn", "rayleigh"])
def test_hard_channel_has_the_symbol_error_rate_of_theory(
    bits: int, channel: str, generator: torch.Generator
) -> None:
    """Also where the points are scaled: 2 dB less power is an SNR 2 dB lower."""
    count, snr_db, power = 60_000, 12.0, 10**0.2
    model = discrete(bits, uses=1)
    model.power.fill_(power)
    chosen = torch.randint(0, 2**bits, (count, 1), generator=generator)
    snr = torch.full((count, 1), snr_db)
    x = modulate(model, chosen)
    assert float(x.abs().square().mean()) == pytest.approx(1 / power, rel=0.02)
    received = channel_from_name(channel)(x, snr_db=snr, generator=generator)
    errors = int((decide(model, received) != chosen).sum())
    rate = THEORY[channel](snr_db - 2.0, bits_per_symbol=bits)
    assert abs(errors - count * rate) < 4 * math.sqrt(count * rate * (1 - rate))


def test_decoder_is_told_the_snr_that_its_image_met(generator: torch.Generator) -> None:
    """A deep fade: the decoder hears of it, the encoder does not."""
    told: dict[str, Tensor] = {}

    class Told(JointModel):
        def encode(self, features: Tensor, *, snr_db: Tensor) -> Tensor:
            told["encoder"] = snr_db
            return features

        def decode(self, received: Tensor, *, snr_db: Tensor, gamma_db: Tensor) -> Tensor:
            told.update(average=snr_db, gamma=gamma_db, values=received)
            return received

    model = Told(stage("adjscc").model, uses=2, image_channels=None)
    features, snr_db = torch.tensor([[3.0, 4.0, 0.0, 0.0]]), torch.tensor([[7.0]])
    x = stage("adjscc").symbols(model, features, snr_db=snr_db)
    assert float(x.abs().square().mean()) == pytest.approx(1)
    h = torch.full_like(x, 0.1j)
    noise_power = torch.tensor([[10**-0.7]])
    stage("adjscc").scores(model, ChannelOutput(h * x, h, noise_power), snr_db=snr_db)
    assert torch.equal(told["encoder"], snr_db)
    assert torch.equal(told["average"], snr_db)
    assert float(told["gamma"]) == pytest.approx(7.0 - 20.0, abs=1e-4)
    shrunk = 0.01 / (0.01 + 10**-0.7)
    torch.testing.assert_close(told["values"], features * shrunk * math.sqrt(2) / 5)


@pytest.mark.parametrize("name", NAMES)
def test_a_loss_repeats_and_reaches_every_weight(name: str, generator: torch.Generator) -> None:
    features = torch.randn(8, 64, generator=generator)
    labels = torch.arange(8)

    def loss(model: JointModel, stream: str) -> Tensor:
        return stage(name).loss(
            model,
            features,
            labels,
            Passage(
                channel=channel_from_name("rayleigh"),
                snr_db=torch.full((8, 1), 3.0),
                generator=Streams(seed=1)(stream),
                progress=0.5,
            ),
        )

    model = built(name)
    first = loss(model, "one")
    first.backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.abs().max() > 0, key
    assert float(loss(built(name), "one").detach()) == float(first.detach())
    assert float(loss(built(name), "other").detach()) != float(first.detach())


def test_divergence_counts_only_once_the_codec_has_begun(generator: torch.Generator) -> None:
    model = built("vl_vfe")
    features, snr_db = torch.randn(8, 64, generator=generator), torch.full((8, 1), 20.0)

    def loss(progress: float) -> float:
        generator = Streams(seed=1)("noise")
        passage = Passage(channel_from_name("awgn"), snr_db, generator, progress)
        with torch.no_grad():
            return float(stage("vl_vfe").loss(model, features, torch.arange(8), passage))

    assert loss(0.0) == loss(1 / 16) < loss(3 / 32) < loss(1 / 8) == loss(0.15)
