"""Codecs other than CAT: shapes, independence of images, and properties of each codec."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from channels.awgn import AwgnChannel
from models import (
    ChannelCodec,
    CodecConfig,
    ConferenceConfig,
    MlpCodecConfig,
    UncodedConfig,
)
from simulator.schemes.codec import send_features
from simulator.training.loop import fresh
from tests.models.small_cat import SMALL

CAT = replace(SMALL, max_uses=32, lengths=(8, 32))
MLP = MlpCodecConfig(feature_dim=32, max_uses=32, hidden=24)
CONFERENCE = ConferenceConfig(feature_dim=32, max_uses=32, tokens=4, width=16, blocks=1)
UNCODED = UncodedConfig(feature_dim=32, max_uses=32)


def built(config: CodecConfig) -> ChannelCodec:
    """A codec with all weights, including the modulation, drawn from a fixed seed."""

    def build() -> nn.Module:
        codec = config.build()
        assert isinstance(codec, nn.Module)
        for parameter in codec.parameters():
            nn.init.normal_(parameter, std=0.3)
        return codec

    codec: ChannelCodec = fresh(build, seed=0)  # type: ignore[assignment]
    return codec


def send(codec: ChannelCodec, features: Tensor, *, snr_db: float = float("inf")) -> Tensor:
    """Features over AWGN with k = K."""
    shape = (len(features), 1)
    return send_features(
        codec,
        features,
        channel=AwgnChannel(),
        snr_db=torch.full(shape, snr_db),
        uses=torch.full(shape, codec.config.max_uses),
        generator=torch.Generator().manual_seed(1),
        reported_snr_db=torch.full(shape, 10.0),
    )


@pytest.mark.parametrize("config", [CAT, MLP, CONFERENCE, UNCODED])
def test_image_does_not_depend_on_its_batch(
    config: CodecConfig, generator: torch.Generator
) -> None:
    codec, features = built(config), torch.randn(6, 32, generator=generator)
    whole, alone = send(codec, features), send(codec, features[2:3])
    assert whole.shape == (6, 32)
    torch.testing.assert_close(whole[2:3], alone, rtol=1e-4, atol=1e-4)


def test_heads_send_nothing_beyond_their_length(generator: torch.Generator) -> None:
    codec, features = built(CAT), torch.randn(2, 32, generator=generator)
    uses = torch.tensor([[8], [32]])
    values = codec.encoder(features, snr_db=torch.zeros(2, 1), uses=uses)
    assert values.shape == (2, 64)
    assert values[0, 16:].abs().max() == 0
    assert (values[1] != 0).all()
    assert [k for k in range(1, 33) if CAT.serves(k)] == [8, 32]


def test_uncoded_is_exact_without_noise(generator: torch.Generator) -> None:
    codec, features = built(UNCODED), torch.randn(5, 32, generator=generator)
    shape = (5, 1)
    out = send_features(
        codec,
        features,
        channel=AwgnChannel(),
        snr_db=torch.full(shape, float("inf")),
        uses=torch.full(shape, 32),
        generator=generator,
    )
    scale = features.square().mean(dim=1, keepdim=True).sqrt()
    torch.testing.assert_close(out * scale, features, rtol=1e-4, atol=1e-4)
    assert [k for k in range(1, 33) if UNCODED.serves(k)] == [16, 32]


@pytest.mark.parametrize("config", [MLP, UNCODED], ids=["mlp", "uncoded"])
def test_symbols_after_k_do_not_reach_the_decoder(
    config: CodecConfig, generator: torch.Generator
) -> None:
    codec = built(config)
    values = torch.randn(3, 64, generator=generator)
    changed = values.clone()
    changed[:, 2 * 5 :] += 1.0
    snr_db, uses = torch.zeros(3, 1), torch.full((3, 1), 5)
    same = codec.decoder(values, snr_db=snr_db, uses=uses)
    torch.testing.assert_close(codec.decoder(changed, snr_db=snr_db, uses=uses), same)
    longer = codec.decoder(changed, snr_db=snr_db, uses=uses + 1)
    assert (longer - same).abs().max() > 1e-3
