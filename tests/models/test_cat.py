"""The CAT codec: sizes, prefix property, independence of images."""

from dataclasses import replace

import pytest
import torch

from models import CatConfig, ChannelCodec
from models.blocks import parameter_count
from models.codecs.cat import Prototypes
from tests.models.small_cat import SMALL

CAT_64 = CatConfig(
    feature_dim=512,
    max_uses=256,
    tokens=16,
    width=64,
    blocks=2,
    heads=4,
    mlp_ratio=2,
    use_snr=True,
)
DENSE = replace(SMALL, dense=True, condition_width=8)
CHOOSING = replace(DENSE, prototypes=6)
MIXING_LESS = replace(CHOOSING, attention=False)


@pytest.fixture(
    params=[SMALL, DENSE, CHOOSING, MIXING_LESS],
    ids=["shared", "dense", "prototypes", "no_attention"],
)
def codec(request: pytest.FixtureRequest) -> ChannelCodec:
    """A small codec whose modulation is not zero, so that SNR and k matter."""
    config: CatConfig = request.param
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        codec = config.build()
        for parameter in codec.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
    return codec.eval()


def test_parameter_count_matches_the_specification() -> None:
    codec = CAT_64.build()
    assert round(parameter_count(codec.encoder) / 1000) == 126
    assert round(parameter_count(codec.decoder) / 1000) == 127


def test_dense_layers_let_every_value_reach_every_token() -> None:
    """With dense layers, one changed value changes all tokens before the first block."""
    for config, reached in ((SMALL, 1), (DENSE, 4)):
        trunk = config.build().encoder.trunk
        pieces = torch.zeros(1, 4, 8)
        changed = pieces.clone()
        changed[0, 2, 5] = 1.0
        difference = (trunk.embed(changed) - trunk.embed(pieces)).abs().amax(dim=2)
        assert int((difference > 0).sum()) == reached


def test_only_attention_mixes_tokens_within_a_block() -> None:
    """A changed token changes all tokens after the block, or only itself without attention."""
    for config, reached in ((SMALL, 4), (replace(SMALL, attention=False), 1)):
        block = config.build().encoder.trunk.blocks[0]
        tokens, condition = torch.randn(1, 4, 16), torch.zeros(1, 1, 16)
        changed = tokens.clone()
        changed[0, 2] += torch.linspace(-1, 1, 16)
        difference = (block(changed, condition) - block(tokens, condition)).abs().amax(dim=2)
        assert int((difference > 1e-6).sum()) == reached


def test_prototypes_choose_the_nearest_key() -> None:
    layer = Prototypes(3, 4, 2)
    with torch.no_grad():
        layer.keys.weight.copy_(50 * torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0]]))
        layer.keys.bias.zero_()
    chosen = layer(torch.tensor([[0.0, 0.9, 0.1], [-1.0, 0.2, 0.0]]))
    torch.testing.assert_close(chosen, layer.values.weight.T[[1, 3]])


def test_fresh_block_ignores_the_condition() -> None:
    codec = SMALL.build()
    features = torch.ones(1, 32)
    one = codec.encoder(features, snr_db=torch.tensor([[0.0]]), uses=torch.tensor([[4]]))
    other = codec.encoder(features, snr_db=torch.tensor([[20.0]]), uses=torch.tensor([[16]]))
    torch.testing.assert_close(one, other)


def test_symbols_after_k_do_not_reach_the_decoder(
    codec: ChannelCodec, generator: torch.Generator
) -> None:
    values = torch.randn(3, 32, generator=generator)
    changed = values.clone()
    changed[:, 2 * 5 :] += 1.0
    snr_db, uses = torch.zeros(3, 1), torch.full((3, 1), 5)
    same = codec.decoder(values, snr_db=snr_db, uses=uses)
    torch.testing.assert_close(codec.decoder(changed, snr_db=snr_db, uses=uses), same)
    torch.testing.assert_close(codec.decoder(values[:, :10], snr_db=snr_db, uses=uses), same)
    longer = codec.decoder(changed, snr_db=snr_db, uses=uses + 1)
    assert (longer - same).abs().max() > 1e-3


def test_symbols_are_ordered_with_tokens_innermost() -> None:
    """With the trunk replaced by a counter, symbol s of token t is at position s * T + t."""
    codec = SMALL.build()
    codec.encoder.trunk.forward = lambda _, **__: torch.arange(32.0).view(1, 4, 8)
    values = codec.encoder(
        torch.zeros(1, 32), snr_db=torch.zeros(1, 1), uses=torch.full((1, 1), 16)
    )
    real_parts = values[0, ::2].view(4, 4)  # [symbol, token]
    expected = torch.tensor([[8 * t + 2 * s for t in range(4)] for s in range(4)])
    torch.testing.assert_close(real_parts, expected.float())


def test_decoder_groups_symbols_by_token() -> None:
    codec = SMALL.build()
    seen: list[torch.Tensor] = []

    def trunk(pieces: torch.Tensor, **_: torch.Tensor) -> torch.Tensor:
        seen.append(pieces)
        return torch.zeros(1, 4, 8)

    codec.decoder.trunk.forward = trunk
    values = torch.arange(32.0).view(1, 32)  # symbol i is (2i, 2i + 1)
    codec.decoder(values, snr_db=torch.zeros(1, 1), uses=torch.full((1, 1), 16))
    token_1 = seen[0][0, 1].view(4, 3)  # symbols 1, 5, 9, 13 as (re, im, known)
    expected = torch.tensor([[2.0, 3, 1], [10, 11, 1], [18, 19, 1], [26, 27, 1]])
    torch.testing.assert_close(token_1, expected)


def test_image_does_not_depend_on_its_batch(
    codec: ChannelCodec, generator: torch.Generator
) -> None:
    features = torch.randn(6, 32, generator=generator)
    snr_db = torch.linspace(-10, 20, 6).view(6, 1)
    uses = torch.tensor([[1], [3], [4], [8], [15], [16]])
    together = codec.encoder(features, snr_db=snr_db, uses=uses)
    alone = codec.encoder(features[2:3], snr_db=snr_db[2:3], uses=uses[2:3])
    torch.testing.assert_close(together[2:3], alone, rtol=0, atol=1e-5)
    out = codec.decoder(together, snr_db=snr_db, uses=uses)
    out_alone = codec.decoder(alone, snr_db=snr_db[2:3], uses=uses[2:3])
    torch.testing.assert_close(out[2:3], out_alone, rtol=0, atol=1e-5)


def test_snr_input_is_clamped_and_can_be_switched_off(
    codec: ChannelCodec, generator: torch.Generator
) -> None:
    features, uses = torch.randn(1, 32, generator=generator), torch.tensor([[8]])

    def at(snr: float) -> torch.Tensor:
        values: torch.Tensor = codec.encoder(features, snr_db=torch.tensor([[snr]]), uses=uses)
        return values

    torch.testing.assert_close(at(-20.0), at(-90.0))
    assert (at(0.0) - at(10.0)).abs().max() > 1e-3
    codec.encoder.trunk.use_snr = False
    torch.testing.assert_close(at(0.0), at(10.0))


def test_feature_dim_not_divisible_by_tokens_raises_an_error() -> None:
    with pytest.raises(ValueError, match="feature_dim must be a multiple of tokens=4, got 30"):
        replace(SMALL, feature_dim=30)
