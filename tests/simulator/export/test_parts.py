"""The exported parts compute the same outputs as the scheme."""

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from benchmarks.recipes.digits import digits
from channels.base import ChannelOutput
from channels.fading import RayleighChannel
from channels.streams import Streams
from models import CatConfig, ChannelCodec
from simulator.export.parts import Receiver, Transmitter, parts_of
from simulator.schemes.codec import codeword, receive_features
from simulator.schemes.rkd_sc import RkdScConfig
from simulator.training.loop import fresh
from simulator.training.weights import Weights

PLAIN = digits().one(RkdScConfig).codec.model
DENSE = CatConfig(
    feature_dim=64,
    max_uses=64,
    tokens=4,
    width=32,
    blocks=1,
    heads=4,
    mlp_ratio=2,
    use_snr=True,
    dense=True,
    prototypes=8,
    reliability=True,
)
BATCH, K = 6, 16
USES = torch.full((BATCH, 1), K)
SNR_DB = torch.tensor([[-30.0], [-10.0], [0.0], [5.0], [10.0], [40.0]])


@pytest.fixture(params=[PLAIN, DENSE], ids=["plain", "dense"])
def codec(request: pytest.FixtureRequest) -> ChannelCodec:
    made: ChannelCodec = fresh(request.param.build, seed=0)
    for parameter in made.parameters():  # modulations begin at zero
        parameter.data += 0.05 * torch.randn(
            parameter.shape, generator=torch.Generator().manual_seed(1)
        )
    return made.eval()


def features(generator: torch.Generator) -> Tensor:
    return torch.randn((BATCH, 64), generator=generator)


@torch.inference_mode()
def test_transmitter_sends_the_codeword(codec: ChannelCodec, generator: torch.Generator) -> None:
    z, told = features(generator), SNR_DB.clamp(-12, 26)
    x = Transmitter(codec, (-12, 26))(z, SNR_DB, USES)
    expected = torch.view_as_real(codeword(codec, z, snr_db=told, uses=USES))
    assert torch.allclose(x[:, :K], expected, atol=1e-6)
    assert not x[:, K:].any()


@torch.inference_mode()
def test_receiver_equalises_and_decodes(
    codec: ChannelCodec, generator: torch.Generator, streams: Streams
) -> None:
    x = torch.view_as_complex(Transmitter(codec, (-12, 26))(features(generator), SNR_DB, USES))
    channel = RayleighChannel(coherence=4)
    y, h, noise_power = channel(x, snr_db=SNR_DB, generator=streams("channel"))
    ours = Receiver(codec)(*map(torch.view_as_real, (y, h)), noise_power, USES)
    known = ChannelOutput(y[:, :K], h[:, :K], noise_power)
    expected = receive_features(codec, known, uses=USES)
    assert torch.allclose(ours, expected, atol=1e-5)


def test_transmitter_limits_the_snr_to_the_range_of_training(
    codec: ChannelCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the swept scheme does, also for a codec trained on a list of SNRs."""
    config = digits().one(RkdScConfig)
    conditions = replace(config.codec.conditions, snr_list=(0.0, 10.0))
    listed = replace(config, codec=replace(config.codec, conditions=conditions, student="all"))
    link = SimpleNamespace(codec=codec, head=nn.Linear(64, 10))
    monkeypatch.setattr(RkdScConfig, "modules", lambda *_: (nn.Identity(), link))
    sender = parts_of(listed, cast(Weights, None))["transmitter"].network
    x = features(torch.Generator().manual_seed(0))
    low, high = (torch.full((BATCH, 1), value) for value in (-5.0, 0.0))
    torch.testing.assert_close(sender(x, low, USES), sender(x, high, USES))
