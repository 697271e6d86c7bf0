"""The neural link: transmitted symbols, and inputs of the encoder and the decoder."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from channels.base import Channel, ChannelOutput
from channels.equalize import mmse, receive_snr_db
from channels.names import channel_from_name
from channels.symbols import from_symbols
from models import CatConfig, ChannelCodec, ResidualCnnConfig, UncodedConfig
from simulator.scheme import in_pieces
from simulator.schemes.codec import send_features, validated_uses
from simulator.schemes.rkd_sc import RkdScheme
from simulator.training.loop import fresh

CONFIG = CatConfig(
    feature_dim=16, max_uses=8, tokens=4, width=8, blocks=1, heads=2, mlp_ratio=2, use_snr=True
)
FEATURES = torch.randn(4, 16, generator=torch.Generator().manual_seed(0))
SNR_DB = torch.tensor([[-5.0], [0.0], [5.0], [10.0]])
USES = torch.tensor([[1], [3], [8], [5]])


class Spy(Channel):
    """A channel that records its inputs and outputs."""

    def __init__(self, name: str = "rayleigh") -> None:
        self.right = channel_from_name(name)
        self.sent: list[tuple[Tensor, Tensor]] = []
        self.received: list[ChannelOutput] = []

    @property
    def name(self) -> str:
        return self.right.name

    def __call__(self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
        received = self.right(x, snr_db=snr_db, generator=generator)
        self.sent.append((x, snr_db))
        self.received.append(received)
        return received


class Told:
    """Replaces the encoder or decoder of a codec, and records its inputs."""

    def __init__(self, answer: Tensor) -> None:
        self.answer = answer
        self.calls: list[dict[str, Tensor]] = []

    def __call__(self, values: Tensor, **told: Tensor) -> Tensor:
        self.calls.append({"values": values, **told})
        return self.answer


@pytest.fixture
def codec() -> ChannelCodec:
    """A small codec whose weights are all nonzero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        codec = CONFIG.build().eval()
        for parameter in codec.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return codec


def test_symbols_have_unit_power_over_their_channel_uses(
    codec: ChannelCodec, generator: torch.Generator
) -> None:
    spy = Spy()
    send_features(codec, FEATURES, channel=spy, snr_db=SNR_DB, uses=USES, generator=generator)
    ((x, snr_db),) = spy.sent
    assert x.shape == (4, 8)
    assert torch.equal(snr_db, SNR_DB)
    power = x.abs().square().sum(dim=1, keepdim=True) / USES
    torch.testing.assert_close(power, torch.ones(4, 1))
    assert (x[torch.arange(8) >= USES] == 0).all()


def test_number_of_symbols_is_the_largest_number_of_channel_uses(
    codec: ChannelCodec, generator: torch.Generator
) -> None:
    spy = Spy()
    uses = torch.full((4, 1), 5)
    send_features(codec, FEATURES, channel=spy, snr_db=SNR_DB, uses=uses, generator=generator)
    assert spy.sent[0][0].shape == (4, 5)


@pytest.mark.parametrize("channel", ["rayleigh", "rayleigh_fast"])
def test_encoder_and_decoder_receive_only_available_knowledge(
    channel: str, generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Encoder: average SNR and k. Decoder: MMSE-equalised symbols, received SNR and k."""
    spy = Spy(channel)
    codec = CONFIG.build()
    encoder = Told(torch.randn(4, 16, generator=generator))
    decoder = Told(FEATURES)
    monkeypatch.setattr(codec.encoder, "forward", encoder)
    monkeypatch.setattr(codec.decoder, "forward", decoder)
    send_features(codec, FEATURES, channel=spy, snr_db=SNR_DB, uses=USES, generator=generator)
    (told,) = encoder.calls
    assert torch.equal(told["snr_db"], SNR_DB)
    assert torch.equal(told["uses"], USES)
    assert torch.equal(told["values"], FEATURES)
    (told,) = decoder.calls
    (received,) = spy.received
    assert torch.equal(told["values"], from_symbols(mmse(received)))
    used = torch.arange(8) < USES
    torch.testing.assert_close(told["snr_db"], receive_snr_db(received, used=used))
    assert (told["snr_db"] - SNR_DB).abs().min() > 1e-3  # it depends on the gain
    assert torch.equal(told["uses"], USES)


def test_features_do_not_depend_on_the_batch_without_noise(
    codec: ChannelCodec, generator: torch.Generator
) -> None:
    quiet = torch.full((4, 1), 100.0)
    channel = channel_from_name("awgn")

    def send(rows: slice) -> Tensor:
        return send_features(
            codec,
            FEATURES[rows],
            channel=channel,
            snr_db=quiet[rows],
            uses=USES[rows],
            generator=generator,
        )

    torch.testing.assert_close(send(slice(1, 2)), send(slice(0, 4))[1:2], atol=1e-3, rtol=0)


def test_gradients_reach_the_encoder(codec: ChannelCodec, generator: torch.Generator) -> None:
    out = send_features(
        codec,
        FEATURES,
        channel=channel_from_name("rayleigh"),
        snr_db=SNR_DB,
        uses=USES,
        generator=generator,
    )
    out.square().sum().backward()
    gradient = codec.encoder.trunk.position.grad
    assert gradient is not None
    assert gradient.abs().max() > 0


def test_encoding_in_pieces_matches_encoding_the_whole_batch() -> None:
    config = ResidualCnnConfig(widths=(4,), blocks=1, feature_dim=3)
    body = fresh(lambda: config.build(image_channels=1), seed=0).eval()
    images = torch.rand(3, 1, 900, 700, generator=torch.Generator().manual_seed(1))
    sizes = []

    def encode(piece: Tensor) -> Tensor:
        sizes.append(len(piece))
        features: Tensor = body(piece)
        return features

    with torch.inference_mode():
        torch.testing.assert_close(in_pieces(encode, images), body(images), atol=1e-5, rtol=0)
    assert sizes == [1, 1, 1]


def test_codec_is_validated_at_channel_uses_used_in_training() -> None:
    assert validated_uses(CONFIG, (1, 2, 8)) == [2, 8]
    assert validated_uses(CONFIG, (1, 8)) == [8]
    assert validated_uses(CONFIG, (1, 4)) == [4]


@pytest.mark.parametrize(
    ("config", "only", "served"),
    [
        (CONFIG, None, "k = 1 to 8"),
        (CONFIG, 4, "k in {4}"),
        (replace(CONFIG, lengths=(8, 2)), None, "k in {2, 8}"),
        (UncodedConfig(feature_dim=4, max_uses=8), None, "k in {2, 4, 6, 8}"),
    ],
)
def test_exactly_the_served_channel_uses_are_stated(
    config: CatConfig | UncodedConfig, only: int | None, served: str
) -> None:
    network = torch.nn.Identity()
    scheme = RkdScheme(student=network, codec=config.build(), head=network, only=only)
    assert scheme.channel_uses == served
