"""Channel estimation: error against theory, pilot placement, and the channel contract."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from channels.awgn import AwgnChannel
from channels.base import Channel, ChannelOutput
from channels.estimate import EstimatedChannel, filter_of
from channels.fading import RayleighChannel
from channels.interleave import permutation
from channels.names import ESTIMATED, channel_from_name
from channels.own import OwnChannel
from channels.pilots import data_places, insert_pilots, pilot_places
from channels.streams import Streams
from tests import contracts

IMAGES = 3_000
CASES = (
    *("awgn+ls:8", "awgn+lmmse:8", "rayleigh+ls:1", "rayleigh+lmmse:4", "rician:4+lmmse:2"),
    *("rayleigh_block:4+ls:8", "rayleigh_block:4+lmmse:8", "rayleigh_fast+lmmse:4"),
    *("tdl:A+ls:8", "tdl:A:300ns+lmmse:8", "tdl:C:300ns:120kmh+ls:8"),
    *("tdl:C:300ns:120kmh+lmmse:8", "tdl:D:300ns:60kmh+lmmse:8"),
)


def estimated(name: str) -> EstimatedChannel:
    """The channel of this name."""
    found = channel_from_name(name)
    assert isinstance(found, EstimatedChannel)
    return found


def both(name: str, k: int, *, snr_db: float, images: int = IMAGES) -> tuple[ChannelOutput, Tensor]:
    """The receiver's channel output, and the true gains [images, k]."""
    own = estimated(name)
    x = torch.ones((images, k), dtype=torch.complex64)
    snr = torch.full((images, 1), snr_db)
    found = own(x, snr_db=snr, generator=Streams(3)(name, k))
    everything = insert_pilots(x, own.pilots, own.channel.subcarriers)
    true = own.channel(everything, snr_db=snr, generator=Streams(3)(name, k))
    places = data_places(k + own.pilots, own.pilots, own.channel.subcarriers)
    torch.testing.assert_close(found.y, true.y[:, places])  # the same gains and noise
    return found, true.h[:, places]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("snr_db", [0.0, 15.0])
def test_reported_estimation_error_equals_actual_error_at_every_use(
    name: str, snr_db: float
) -> None:
    for k in (16, 100):
        found, h = both(name, k, snr_db=snr_db)
        error = (found.h - h).abs().double().square()
        told = found.noise_power[0].double() - 10 ** (-snr_db / 10)
        away = (error.mean(dim=0) - told).abs() / (error.std(dim=0) / math.sqrt(IMAGES))
        assert float(away.max()) < 4.5  # maximum over up to 100 uses
        assert bool((found.noise_power == found.noise_power[:1]).all())


@pytest.mark.parametrize("pilots", [1, 4])
def test_least_squares_error_is_noise_over_pilot_energy(pilots: int) -> None:
    found, _ = both(f"rayleigh+ls:{pilots}", 8, snr_db=3.0, images=4)
    expected = 10**-0.3 * (1 + 1 / pilots)
    assert torch.allclose(found.noise_power, torch.tensor(expected))
    at_a_pilot = filter_of(estimated("tdl:A+ls:8"), 72, torch.device("cpu")).slope
    assert float(at_a_pilot.max()) == pytest.approx(1.0)  # held beyond the last pilot


def test_wiener_error_of_a_single_gain_matches_closed_form() -> None:
    """Error N0 / (P + N0) for P pilots of unit power and a gain of unit variance."""
    found, _ = both("rayleigh+lmmse:4", 8, snr_db=0.0, images=4)
    assert torch.allclose(found.noise_power, torch.tensor(1 + 1 / 5))


@pytest.mark.parametrize("snr_db", [0.0, 30.0, 60.0, 90.0])
@pytest.mark.parametrize("name", ["rayleigh+lmmse:4", "tdl:A+lmmse:8", "tdl:C:300ns+lmmse:32"])
def test_wiener_error_is_precise_up_to_high_snr(name: str, snr_db: float) -> None:
    """The error R_dd - R_dp (R_pp + N0 I)^-1 R_pd, in double precision."""
    own, uses, noise = estimated(name), 100 + estimated(name).pilots, 10 ** (-snr_db / 10)
    row, covariance = own.channel.subcarriers, own.channel.law.covariance
    at, data = pilot_places(uses, own.pilots, row), data_places(uses, own.pilots, row)
    pairs = ((at, at), (data, at), (data, data))
    between, across, prior = (np.asarray(covariance(*pair)) for pair in pairs)
    solved = np.linalg.solve(between + noise * np.eye(len(at)), across.conj().T)
    expected = (np.diag(prior) - np.einsum("dp,pd->d", across, solved)).real
    silence = torch.zeros((1, own.pilots), dtype=torch.complex64)
    found = filter_of(own, uses, torch.device("cpu"))
    _, told = found(silence, torch.tensor([[noise]], dtype=torch.float32))
    assert told[0].double().numpy() == pytest.approx(expected, rel=1e-4, abs=1e-3 * noise)


@pytest.mark.parametrize("name", [name for name in CASES if "lmmse" in name])
def test_wiener_error_does_not_exceed_least_squares_error(name: str) -> None:
    for k in (16, 100):
        uses = k + estimated(name).pilots
        noise = torch.tensor([[1.0], [0.03]])
        silence = torch.zeros((2, estimated(name).pilots), dtype=torch.complex64)
        _, wiener = filter_of(estimated(name), uses, torch.device("cpu"))(silence, noise)
        other = estimated(name.replace("lmmse", "ls"))
        _, plain = filter_of(other, uses, torch.device("cpu"))(silence, noise)
        assert bool((wiener <= plain + 1e-5).all())


@pytest.mark.parametrize("snr_db", [0.0, 8.0])
@pytest.mark.parametrize("method", ["ls", "lmmse"])
def test_bit_error_rate_with_one_pilot_matches_closed_form(method: str, snr_db: float) -> None:
    """QPSK over Rayleigh, a pilot as strong as a symbol: (1 - rho / sqrt(2 - rho^2)) / 2 [1].

    rho = SNR / (1 + SNR) is the correlation of the estimate with the received symbol after
    removing its modulation. [1] Proakis and Salehi, Digital Communications, app. B.
    """
    own, streams = estimated(f"rayleigh+{method}:1"), Streams(5)
    bits = torch.randint(0, 2, (60_000, 1, 2), generator=streams("bits"))
    x = torch.view_as_complex((1.0 - 2.0 * bits) / math.sqrt(2.0))
    received = own(x, snr_db=torch.full((len(x), 1), snr_db), generator=streams("channel"))
    wrong = ((torch.view_as_real(received.y * received.h.conj()) < 0) != bits).double()
    snr = 10 ** (snr_db / 10)
    rho = snr / (1 + snr)
    expected = (1 - rho / math.sqrt(2 - rho**2)) / 2
    per_image = wrong.mean(dim=(1, 2))
    error = float(per_image.std()) / math.sqrt(len(x))
    assert abs(float(per_image.mean()) - expected) < 4 * error


@pytest.mark.parametrize("row", [None, 72, 16])
@pytest.mark.parametrize(
    ("k", "pilots"), [(1, 1), (16, 8), (64, 8), (64, 64), (200, 3), (1000, 30)]
)
def test_pilots_and_data_partition_the_grid(k: int, pilots: int, row: int | None) -> None:
    at, data = (places(k + pilots, pilots, row) for places in (pilot_places, data_places))
    assert len(at) == pilots
    assert sorted([*at, *data]) == list(range(k + pilots))
    assert np.array_equal(at, np.sort(at))
    if row is not None and k + pilots > 2 * row:
        own = np.bincount(at // row)
        assert own[own > 0].max() - own[own > 0].min() <= 1  # spread evenly over its rows


def test_zero_or_too_many_pilots_raise_an_error() -> None:
    for pilots in (0, 9):
        with pytest.raises(ValueError, match="at most as many as the data symbols"):
            pilot_places(8 + pilots, pilots, 72)


def test_ls_and_lmmse_use_the_draws_of_the_plain_channel() -> None:
    names = ("tdl:A+ls:8", "tdl:A+lmmse:8", "tdl:A+lmmse:8+interleaved")
    assert {channel_from_name(name).stream_name for name in names} == {"tdl:A"}
    x = contracts.qpsk(6, 64)
    outputs = [contracts.send(channel_from_name(name), x) for name in names[:2]]
    assert torch.equal(outputs[0].y, outputs[1].y)


def test_unknown_covariance_raises_an_error_for_lmmse_but_not_for_ls() -> None:
    own = OwnChannel("mine", RayleighChannel(coherence=None).__call__)  # type: ignore[arg-type]
    lmmse = EstimatedChannel(channel=own, method="lmmse", own_pilots=2)
    with pytest.raises(ValueError, match=r"which mine does not give; take mine\+ls:2"):
        filter_of(lmmse, 10, torch.device("cpu"))
    ls = filter_of(
        EstimatedChannel(channel=own, method="ls", own_pilots=2), 10, torch.device("cpu")
    )
    assert float(ls.floor.max()) == 0.0


def test_memory_is_bounded_for_long_codewords() -> None:
    made = filter_of(estimated("tdl:A+lmmse:16"), 20_016, torch.device("cpu"))
    assert sum(t.numel() * t.element_size() for t in made if isinstance(t, Tensor)) < 5e6
    found = contracts.send(estimated("tdl:A+lmmse:16"), contracts.qpsk(2, 20_000))
    assert found.h.shape == (2, 20_000)


WRAPPED = (
    *ESTIMATED,
    "tdl:A+interleaved",
    "tdl:A+lmmse:4+interleaved",
    "tdl:A+pa:6",
    "tdl:A+cfo:0.1",
)


@pytest.fixture(params=WRAPPED)
def wrapped(request: pytest.FixtureRequest) -> Channel:
    return channel_from_name(request.param)


@pytest.mark.parametrize(
    "contract",
    [
        contracts.channel_repeats_with_the_same_stream,
        contracts.channel_differs_with_another_stream,
        contracts.channel_goes_on_with_its_stream,
        contracts.channel_keeps_images_apart,
        contracts.channel_leaves_global_randomness_alone,
        contracts.channel_rejects_what_it_cannot_send,
        contracts.channel_is_a_value,
    ],
)
def test_wrapped_channels_fulfil_the_channel_contract(wrapped: Channel, contract: object) -> None:
    assert callable(contract)
    contract(wrapped)


def test_gradients_reach_the_sent_symbols(wrapped: Channel) -> None:
    x = contracts.qpsk(3, 16).requires_grad_()
    received = contracts.send(wrapped, x)
    received.y.abs().square().sum().backward()
    assert x.grad is not None
    assert bool((x.grad.abs() > 0).all())


def test_interleaving_only_permutes_the_gains() -> None:
    x = contracts.qpsk(5, 64)
    plain = contracts.send(channel_from_name("tdl:A:300ns+lmmse:8"), x)
    moved = contracts.send(channel_from_name("tdl:A:300ns+lmmse:8+interleaved"), x)
    assert not torch.equal(plain.h, moved.h)
    for a, b in zip(plain, moved, strict=True):
        if a is not plain.y:
            torch.testing.assert_close(a.abs().sort(dim=1)[0], b.abs().sort(dim=1)[0])
    there, back = permutation(64, x.device)  # the channel receives the symbols in permuted order
    inner = contracts.send(channel_from_name("tdl:A:300ns+lmmse:8"), x[:, there])
    for one, other in zip(inner, moved, strict=True):
        torch.testing.assert_close(one[:, back], other)
    noise = contracts.send(channel_from_name("tdl:A:300ns+interleaved"), x, snr_db=100.0)
    torch.testing.assert_close(noise.y, noise.h * x, atol=1e-4, rtol=1e-4)


def test_interleaved_channel_with_one_gain_keeps_its_law() -> None:
    fading = channel_from_name("rayleigh").law
    interleaved = channel_from_name("rayleigh+interleaved").law
    assert replace(interleaved, title=fading.title) == fading
    assert channel_from_name("rayleigh_block:4+interleaved").law.uses_per_gain is None


def test_plain_channels_have_no_pilots_and_perfect_knowledge() -> None:
    own = AwgnChannel()
    assert (own.pilots, own.stream_name, own.subcarriers) == (0, "awgn", None)
    assert own.law.knowledge == "perfect"


def test_a_block_without_a_pilot_has_no_estimate() -> None:
    """The gains of other blocks carry no information about it."""
    channel = channel_from_name("rayleigh_block:4+ls:4")
    x = contracts.qpsk(2000, 64)
    received = contracts.send(channel, x, snr_db=20.0)
    known = received.h.abs().mean(dim=0) > 0
    assert 3 <= int(known.sum()) <= 12  # data symbols in the four blocks with a pilot
    left = (received.y - received.h * x).abs().square().mean(dim=0)
    assert torch.allclose(left, received.noise_power.mean(dim=0), rtol=0.15)
    assert torch.allclose(left[~known], torch.tensor(1.01), rtol=0.15)


class Uneven(AwgnChannel):
    """Twice the noise in the second half of the uses."""

    def __call__(self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
        y, h, noise_power = super().__call__(x, snr_db=snr_db, generator=generator)
        power = noise_power.repeat(1, x.shape[1])
        power[:, x.shape[1] // 2 :] *= 2
        return ChannelOutput(x + (y - x) * (power / noise_power).sqrt(), h, power)


def test_noise_power_may_vary_between_uses() -> None:
    x = contracts.qpsk(3000, 16)
    received = contracts.send(
        EstimatedChannel(channel=Uneven(), method="ls", own_pilots=4), x, snr_db=10.0
    )
    left = (received.y - received.h * x).abs().square().mean(dim=0)
    assert torch.allclose(left, received.noise_power.mean(dim=0), rtol=0.2)
    assert left[-1] > 1.5 * left[0]


@pytest.mark.parametrize("name", ["rayleigh+lmmse:4", "tdl:A+lmmse:8"])
def test_lmmse_without_noise_is_finite(name: str) -> None:
    x = torch.ones((3, 16), dtype=torch.complex64)
    received = channel_from_name(name)(
        x, snr_db=torch.full((3, 1), math.inf), generator=Streams(seed=0)("lmmse")
    )
    assert torch.isfinite(torch.view_as_real(received.h)).all()
    assert torch.isfinite(received.noise_power).all()
    if name.startswith("rayleigh"):
        assert torch.allclose(received.y, received.h * x, atol=1e-5)


def test_estimated_own_channels_of_one_name_have_different_identities() -> None:
    def channel(factor: float) -> EstimatedChannel:
        own = OwnChannel("mine", lambda x, snr_db, _: (factor * x, x, snr_db))
        return EstimatedChannel(channel=own, method="ls", own_pilots=2)

    one, two = channel(1), channel(2)
    assert one.identity == replace(one).identity
    assert one.identity != two.identity
