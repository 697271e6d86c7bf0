"""The digital link: round trips, LLR scaling, outages, scrambling and fading."""

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor

from channels.awgn import AwgnChannel
from channels.base import Channel, ChannelOutput
from channels.digital.bit_pipe import BitPipe, BitPipeOutput, payload_bits_for, qam_llr
from channels.digital.polar_pipe import PolarPipe
from channels.equalize import receive_snr_db
from channels.fading import RayleighChannel
from channels.streams import Streams, sionna_phy

STREAMS = Streams(seed=30)
RATE_HALF = BitPipe(payload_bits=112, channel_uses=128, bits_per_symbol=2)


@dataclass(frozen=True)
class RecordingChannel(Channel):
    """Forwards to another channel and records inputs and outputs."""

    channel: Channel
    sent: list[Tensor] = field(default_factory=list)
    received: list[ChannelOutput] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.channel.name

    def __call__(self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
        self.sent.append(x)
        self.received.append(self.channel(x, snr_db=snr_db, generator=generator))
        return self.received[-1]


@dataclass(frozen=True)
class FixedGainChannel(Channel):
    """A channel with given gains, one per image."""

    gains: Tensor  # [B, 1] complex
    name: str = "fixed"

    def __call__(self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
        h = self.gains.expand_as(x)
        silence = torch.zeros_like(x)
        noise, _, noise_power = AwgnChannel()(silence, snr_db=snr_db, generator=generator)
        return ChannelOutput(y=h * x + noise, h=h, noise_power=noise_power)


def random_payload(pipe: BitPipe, batch: int) -> Tensor:
    shape = (batch, pipe.payload_bits)
    return torch.randint(0, 2, shape, generator=STREAMS("payload"), dtype=torch.uint8)


def send(
    pipe: BitPipe,
    payload: Tensor,
    *,
    channel: Channel | None = None,
    snr_db: float | Tensor = math.inf,
    stream: str = "one",
) -> BitPipeOutput:
    """Send payloads over a channel, by default AWGN."""
    if not isinstance(snr_db, Tensor):
        snr_db = torch.full((len(payload), 1), snr_db)
    return pipe(
        payload,
        channel=AwgnChannel() if channel is None else channel,
        snr_db=snr_db,
        channel_generator=STREAMS("channel", stream),
        scrambling_generator=STREAMS("scrambling", stream),
    )


@pytest.mark.parametrize("snr_db", [45.0, math.inf])
@pytest.mark.parametrize(
    ("payload_bits", "channel_uses", "bits_per_symbol"),
    [
        (1, 10, 2),
        (16, 80, 2),
        (112, 64, 4),
        (113, 43, 6),
        (368, 64, 8),
        (1000, 275, 4),
        (3825, 520, 8),
    ],
)
def test_round_trip_without_errors(
    payload_bits: int, channel_uses: int, bits_per_symbol: int, snr_db: float
) -> None:
    pipe = BitPipe(
        payload_bits=payload_bits, channel_uses=channel_uses, bits_per_symbol=bits_per_symbol
    )
    payload = random_payload(pipe, 3)
    arrived = send(pipe, payload, snr_db=snr_db)
    assert arrived.payload.dtype == torch.uint8
    assert arrived.crc_ok.shape == (3,)
    assert arrived.crc_ok.dtype == torch.bool
    assert torch.equal(arrived.payload, payload)
    assert bool(arrived.crc_ok.all())


@pytest.mark.parametrize(
    "payload",
    [
        torch.zeros(2, 111, dtype=torch.uint8),
        torch.zeros(112, dtype=torch.uint8),
        torch.zeros(0, 112, dtype=torch.uint8),
        torch.zeros(2, 112),
        torch.full((2, 112), 2, dtype=torch.uint8),
    ],
)
def test_invalid_payloads_raise_an_error(payload: Tensor) -> None:
    with pytest.raises(ValueError, match="payload must"):
        send(RATE_HALF, payload)


@pytest.mark.parametrize("bits_per_symbol", [2, 4, 6, 8])
def test_symbols_have_unit_mean_power_without_per_image_normalisation(
    bits_per_symbol: int,
) -> None:
    pipe = BitPipe(
        payload_bits=464,
        channel_uses=960 // bits_per_symbol,
        bits_per_symbol=bits_per_symbol,
        iterations=1,
    )
    channel = RecordingChannel(AwgnChannel())
    send(pipe, random_payload(pipe, 100), channel=channel)
    power = channel.sent[0].abs().double().square()
    points = torch.from_numpy(sionna_phy().mapping.qam(bits_per_symbol)).abs().double().square()
    assert float(points.mean()) == pytest.approx(1.0, abs=1e-6)
    standard_error = float(points.std(correction=0)) / math.sqrt(power.numel())
    assert abs(float(power.mean()) - 1.0) < 4 * standard_error + 1e-6
    if bits_per_symbol > 2:
        assert float(power.mean(dim=1).std()) > 0.5 * float(points.std()) / math.sqrt(
            pipe.channel_uses
        )


@pytest.mark.parametrize("bits_per_symbol", [2, 4, 8])
def test_sent_bits_are_interleaved_and_scrambled(bits_per_symbol: int) -> None:
    """f[i + j Q] = e[i E / Q + j] (TS 38.212 sec. 5.4.2.2), then scrambling bits are added."""
    pipe = BitPipe(payload_bits=24, channel_uses=24, bits_per_symbol=bits_per_symbol)
    payload, channel = random_payload(pipe, 5), RecordingChannel(AwgnChannel())
    send(pipe, payload, channel=channel)
    sent = qam_llr(
        channel.sent[0], noise_power=torch.full((5, 1), 0.01), bits_per_symbol=bits_per_symbol
    )

    fec = sionna_phy().fec
    protected = fec.crc.CRCEncoder("CRC16", device="cpu")(payload.float())
    coded_bits = 24 * bits_per_symbol
    encoder = fec.ldpc.LDPC5GEncoder(pipe.payload_bits + 16, coded_bits, device="cpu")
    rows = encoder(protected).reshape(5, bits_per_symbol, 24)
    interleaved = rows.transpose(1, 2).flatten(start_dim=1)
    generator = STREAMS("scrambling", "one")
    scrambling = torch.randint(0, 2, (5, coded_bits), generator=generator)
    assert torch.equal(sent > 0, interleaved.bool() ^ scrambling.bool())


@pytest.mark.parametrize("bits_per_symbol", [2, 4])
def test_blocks_decode_above_the_cliff_and_fail_below(bits_per_symbol: int) -> None:
    uses = 128
    payload_bits = payload_bits_for(
        channel_uses=uses, bits_per_symbol=bits_per_symbol, code_rate=Fraction(1, 2)
    )
    pipe = BitPipe(payload_bits=payload_bits, channel_uses=uses, bits_per_symbol=bits_per_symbol)
    payload = random_payload(pipe, 250)
    # capacity bits_per_symbol / 2 is reached at 0 and at 4.8 dB
    shannon_db = 10 * math.log10(2 ** (bits_per_symbol / 2) - 1)
    above = send(pipe, payload, snr_db=shannon_db + 6.0)
    assert bool(above.crc_ok.all())
    assert torch.equal(above.payload, payload)
    below = send(pipe, payload, snr_db=shannon_db - 3.0)
    assert int(below.crc_ok.sum()) <= 1  # a random word passes a 16 bit CRC once in 65,536
    assert bool((below.payload != payload).any(dim=1).all())
    lost = send(pipe, payload, snr_db=-20.0)
    assert int(lost.crc_ok.sum()) <= 1
    assert abs(float((lost.payload != payload).float().mean()) - 0.5) < 0.1


def test_payloads_passing_the_crc_are_correct() -> None:
    pipe = BitPipe(payload_bits=240, channel_uses=256, bits_per_symbol=2)
    payload = random_payload(pipe, 250)
    arrived = send(pipe, payload, snr_db=1.2)
    right = (arrived.payload == payload).all(dim=1)
    assert 25 < int(right.sum()) < 225  # on the cliff
    assert bool(right[arrived.crc_ok].all())  # 225 wrong words pass with probability 0.003


def test_correctly_scaled_llrs_decode_best() -> None:
    """Belief propagation depends on the scale: a wrong noise power loses blocks."""

    @dataclass(frozen=True)
    class Liar(Channel):
        factor: float
        name: str = "liar"

        def __call__(
            self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator
        ) -> ChannelOutput:
            y, h, noise_power = AwgnChannel()(x, snr_db=snr_db, generator=generator)
            return ChannelOutput(y=y, h=h, noise_power=self.factor * noise_power)

    pipe = BitPipe(payload_bits=240, channel_uses=256, bits_per_symbol=2, decoder="sionna")
    payload = random_payload(pipe, 250)
    honest, flat, steep = (
        int(send(pipe, payload, channel=Liar(factor), snr_db=1.5).crc_ok.sum())
        for factor in (1.0, 8.0, 1 / 8)
    )
    assert honest > flat + 10
    assert honest > steep + 10


def test_scrambling_balances_the_bits_of_an_all_zero_payload() -> None:
    channel = RecordingChannel(AwgnChannel())
    nothing = torch.zeros(200, RATE_HALF.payload_bits, dtype=torch.uint8)
    generators = (STREAMS("channel"), STREAMS("scrambling"))
    for _ in range(2):
        arrived = RATE_HALF(
            nothing,
            channel=channel,
            snr_db=torch.full((200, 1), 20.0),
            channel_generator=generators[0],
            scrambling_generator=generators[1],
        )
        assert bool(arrived.crc_ok.all())
        assert not bool(arrived.payload.any())
    bits = torch.view_as_real(channel.sent[0]).flatten(start_dim=1) < 0  # [200, 256]
    limit = 4 * 0.5 / math.sqrt(bits.numel())
    assert abs(float(bits.double().mean()) - 0.5) < limit
    assert not torch.equal(channel.sent[0], channel.sent[1])  # fresh bits for every block
    assert len(bits.unique(dim=0)) == 200  # and for every image
    products = (1.0 - 2.0 * bits[:-1].double()) * (1.0 - 2.0 * bits[1:].double())
    assert abs(float(products.mean())) < 4 / math.sqrt(products.numel())


def test_output_is_determined_by_the_streams() -> None:
    payload = random_payload(RATE_HALF, 50)
    first, again, other = (
        send(RATE_HALF, payload, snr_db=-1.0, stream=stream) for stream in ("one", "one", "two")
    )
    assert torch.equal(first.payload, again.payload)
    assert torch.equal(first.crc_ok, again.crc_ok)
    assert not torch.equal(first.payload, other.payload)


def test_images_do_not_affect_each_other() -> None:
    payload = random_payload(RATE_HALF, 20)
    snr_db = torch.full((20, 1), 0.0)
    first = send(RATE_HALF, payload, snr_db=snr_db)
    snr_db[1], payload[1] = -20.0, 1 - payload[1]
    second = send(RATE_HALF, payload, snr_db=snr_db)
    others = torch.arange(20) != 1
    assert torch.equal(first.payload[others], second.payload[others])
    assert torch.equal(first.crc_ok[others], second.crc_ok[others])
    assert not torch.equal(first.payload[1], second.payload[1])


def test_global_random_state_is_unchanged() -> None:
    before = torch.get_rng_state()
    send(BitPipe(payload_bits=50, channel_uses=77, bits_per_symbol=2), torch.zeros(2, 50).byte())
    assert torch.equal(torch.get_rng_state(), before)


def test_a_real_gain_is_equivalent_to_another_snr() -> None:
    """With a real gain g, y/h and its noise equal AWGN at g^2 times the SNR, image by image."""
    payload = random_payload(RATE_HALF, 250)
    gain = 10 ** torch.empty(250, 1).uniform_(-0.6, 0.6, generator=STREAMS("gain"))
    faded = send(RATE_HALF, payload, channel=FixedGainChannel(gain.to(torch.complex64)), snr_db=1.0)
    shifted = send(RATE_HALF, payload, snr_db=1.0 + 20 * gain.log10())
    assert 50 < int(faded.crc_ok.sum()) < 200
    assert int((faded.crc_ok != shifted.crc_ok).sum()) <= 2  # rounding may tip a block on the cliff


def test_rayleigh_outages_follow_the_gain_of_each_image() -> None:
    channel = RecordingChannel(RayleighChannel(coherence=None))
    payload = random_payload(RATE_HALF, 250)
    arrived = send(RATE_HALF, payload, channel=channel, snr_db=6.0)
    snr_db = receive_snr_db(channel.received[0]).flatten()
    good, bad = snr_db > 5.0, snr_db < -3.0  # Shannon: 0 dB
    assert int(good.sum()) > 100
    assert int(bad.sum()) > 10
    assert bool(arrived.crc_ok[good].all())
    assert torch.equal(arrived.payload[good], payload[good])
    assert int(arrived.crc_ok[bad].sum()) == 0


class Erasures(AwgnChannel):
    """AWGN whose receiver finds a gain of 0 in every n-th use."""

    def __init__(self, every: int) -> None:
        self.every = every

    def __call__(self, x: Tensor, **given: Any) -> ChannelOutput:
        received = super().__call__(x, **given)
        gain = (torch.arange(x.shape[1]) % self.every > 0).to(x.dtype).expand_as(x)
        return ChannelOutput(received.y * gain, gain, received.noise_power)


@pytest.mark.parametrize(
    "pipe",
    [
        BitPipe(payload_bits=48, channel_uses=96, bits_per_symbol=2),
        PolarPipe(payload_bits=30, channel_uses=96, bits_per_symbol=2),
    ],
)
def test_payloads_survive_some_erasures_and_are_lost_with_all_uses(pipe: Any) -> None:
    payload = random_payload(pipe, 20)
    arrived = send(pipe, payload, channel=Erasures(3), snr_db=15.0)
    assert bool(arrived.crc_ok.all())
    assert torch.equal(arrived.payload, payload)
    assert not bool(send(pipe, payload, channel=Erasures(1), snr_db=15.0).crc_ok.any())
