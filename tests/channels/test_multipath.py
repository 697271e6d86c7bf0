"""OFDM over 3GPP multipath: powers, correlations and error rates against closed form and Sionna."""

import math

import numpy as np
import pytest
import torch
from scipy.special import j0

from channels.ofdm.multipath import LONGEST, Multipath, multipath_from_text
from channels.ofdm.tdl import SINUSOIDS, TdlChannel, covariance, taps_of
from channels.streams import Streams, sionna_phy
from channels.theory import qam_bit_error_rate_rayleigh, qam_bit_error_rate_rician

FOUR = 4.0  # standard errors
DROPS = 6_000
NAMES = ("A:300ns", "B:30kmh", "C:300ns:120kmh", "D:300ns:60kmh", "E:200ns:30kmh")


def channel(text: str) -> TdlChannel:
    """The channel of this text."""
    return TdlChannel(link=multipath_from_text(text))


def gains(text: str, uses: int, drops: int = DROPS) -> torch.Tensor:
    """Gains [drops, uses] in double precision."""
    return channel(text).gains(drops, uses, generator=Streams(7)(text)).to(torch.complex128)


@pytest.mark.parametrize("text", NAMES)
def test_every_subcarrier_has_unit_power(text: str) -> None:
    power = gains(text, 73).abs().square()
    error = power.std(dim=0) / math.sqrt(DROPS)
    assert bool(((power.mean(dim=0) - 1).abs() < 4.5 * error).all())  # 73 comparisons


@pytest.mark.parametrize("text", NAMES)
def test_covariance_matches_the_drawn_gains(text: str) -> None:
    """Over subcarriers and OFDM symbols, within the standard error of the sample covariance."""
    places = np.array([0, 1, 9, 40, 71, 72, 81, 143, 144])
    h = gains(text, 145)[:, places]
    products = h * h[:, :1].conj()
    found = covariance(channel(text).link, places, places[:1])[:, 0]
    for part in (torch.real, torch.imag):
        error = part(products).std(dim=0) / math.sqrt(DROPS)
        assert bool(
            (
                (part(products).mean(dim=0) - part(torch.from_numpy(found))).abs()
                <= 4.5 * error + 1e-6
            ).all()
        )


@pytest.mark.parametrize("text", NAMES)
def test_decorrelation_over_short_distances_matches_theory(text: str) -> None:
    """1 - Re corr = E|h_i - h_j|^2 / 2 is small for nearby places; measured to within 3 %."""
    places = np.array([0, 3, 72])
    h = gains(text, 73)[:, places]
    theory = 1 - covariance(channel(text).link, places, places[:1])[:, 0].real
    for column in (1, 2):
        apart = (h[:, column] - h[:, 0]).abs().square() / 2
        error = float(apart.std()) / math.sqrt(DROPS)
        assert error < 0.03 * theory[column]
        assert abs(float(apart.mean()) - theory[column]) < FOUR * error


@pytest.mark.parametrize("profile", ["A", "B", "C"])
def test_covariance_matches_sionna(profile: str) -> None:
    """Sionna's matrices over frequency and over time, for the profiles that it supports."""
    sionna_phy()
    from sionna.phy import ofdm

    link = Multipath(profile=profile, delay_spread_ns=300.0, speed_kmh=120.0)
    over_frequency = ofdm.tdl_freq_cov_mat(
        profile, 15e3, 72, 300e-9, precision="double", device="cpu"
    ).numpy()
    own = covariance(link, np.arange(72), np.arange(72))
    assert np.abs(own - over_frequency).max() < 1e-6
    over_time = ofdm.tdl_time_cov_mat(
        profile, 120 / 3.6, 3.5e9, link.symbol, 5, precision="double", device="cpu"
    ).numpy()
    own = covariance(link, 72 * np.arange(5), 72 * np.arange(5))
    assert np.abs(own - over_time).max() < 1e-6


def test_time_correlation_is_a_bessel_function() -> None:
    link = multipath_from_text("A:120kmh")
    doppler = 120 / 3.6 / 299_792_458 * 3.5e9
    assert link.doppler == pytest.approx(doppler)
    expected = j0(2 * np.pi * doppler * (1 + 144 / 2048) / 15e3 * np.arange(4))
    found = covariance(link, 72 * np.arange(4), np.array([0]))[:, 0]
    assert np.allclose(found, expected, atol=1e-7)


@pytest.mark.parametrize("text", ["A:300ns", "C:300ns"])
def test_fourth_moment_is_close_to_that_of_rayleigh_fading(text: str) -> None:
    """E|h|^4 is 2 - sum p^2 / 20, close to that of Rayleigh fading, 2."""
    fourth = gains(text, 72, 10_000)[:, 5].abs() ** 4
    powers = taps_of(channel(text).link).powers
    expected = 2 - float((powers**2).sum()) / SINUSOIDS
    assert abs(float(fourth.mean()) - expected) < FOUR * float(fourth.std()) / 100


@pytest.mark.parametrize("text", NAMES)
@pytest.mark.parametrize("snr_db", [0.0, 10.0])
def test_qpsk_error_rate_on_a_subcarrier_matches_flat_fading(text: str, snr_db: float) -> None:
    own, streams = channel(text), Streams(11)
    bits = torch.randint(0, 2, (30_000, 1, 2), generator=streams("bits", text))
    x = torch.view_as_complex((1.0 - 2.0 * bits) / math.sqrt(2.0))
    received = own(x, snr_db=torch.full((len(x), 1), snr_db), generator=streams(text, snr_db))
    wrong = (torch.view_as_real(received.y * received.h.conj()) < 0) != bits
    share = taps_of(own.link).line_of_sight
    rate = (
        qam_bit_error_rate_rician(snr_db, bits_per_symbol=2, k_factor=share / (1 - share))
        if share
        else qam_bit_error_rate_rayleigh(snr_db, bits_per_symbol=2)
    )
    assert own.law.qam_bit_error_rate is not None
    assert own.law.qam_bit_error_rate(snr_db, bits_per_symbol=2) == pytest.approx(rate)
    per_image = wrong.double().mean(dim=(1, 2))
    assert abs(float(per_image.mean()) - rate) < FOUR * float(per_image.std()) / math.sqrt(len(x))


@pytest.mark.parametrize("profile", list(LONGEST))
def test_delay_spread_is_the_rms_delay_and_powers_sum_to_one(profile: str) -> None:
    link = Multipath(profile=profile)
    taps = taps_of(link)
    assert taps.delays.max() == pytest.approx(link.longest_delay, rel=1e-6)
    assert taps.powers.sum() + taps.line_of_sight == pytest.approx(1.0, abs=1e-6)
    first, second = ((taps.powers * taps.delays**power).sum() for power in (1, 2))
    rms = math.sqrt(second - first**2)  # the line of sight has delay 0
    assert rms == pytest.approx(1e-9 * link.delay_spread_ns, rel=0.01)


def test_long_codewords_are_generated_in_memory_bounded_chunks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """K = 20,000: at most as many sinusoids at a time as for 36 OFDM symbols of 250 images."""
    from channels.ofdm import tdl

    own = channel("A")
    whole = own.gains(2, 20_000, generator=Streams(0)("long"))
    assert whole.shape == (2, 20_000)
    asked: list[int] = []
    model = tdl._model(own.link, "cpu")

    def noted(batch: int, rows: int, rate: float) -> tuple[torch.Tensor, torch.Tensor]:
        asked.append(batch * rows * 23 * SINUSOIDS)
        found: tuple[torch.Tensor, torch.Tensor] = model(batch, rows, rate)
        return found

    monkeypatch.setattr(tdl, "_model", lambda link, device: noted)
    assert own.gains(60, 20_000, generator=Streams(0)("long")).shape == (60, 20_000)
    assert max(asked) <= 2**22
    assert len(asked) > 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("F", "a profile of A, B, C, D, E, got 'F'"),
        ("A:-5ns", "delay spread of tdl must be 0 to 100000 ns, got -5 ns"),
        ("A:1200kmh", "speed of tdl must be 0 to 1000 kmh, got 1200 kmh"),
        ("A:33m/s", "a number with its unit, .*, got '33m/s'"),
        ("A:0.1GHz", "carrier of tdl must be 0.5 to 100 GHz, got 0.1 GHz"),
        ("A:0kHz", "subcarrier spacing of tdl must be 1 to 960 kHz, got 0 kHz"),
        ("A:0sc", "number of subcarriers of tdl must be 1 to 4096 sc, got 0 sc"),
        ("A:7.5sc", "the number of subcarriers of tdl must be whole, got '7.5sc'"),
        ("A:3kmh:4kmh", "tdl must have one speed, got a second one, '4kmh'"),
        ("A:500ns", r"4\.83 us, must be within the cyclic prefix, 4\.69 us at 15 kHz"),
        ("A:900kmh", "2919 Hz, must be at most 3 % of the subcarrier spacing of 15 kHz"),
        ("A:0ns:4096sc:960kHz", "a bandwidth of at most 2000 MHz"),
    ],
)
def test_invalid_options_raise_one_line_errors(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        multipath_from_text(text)
    assert "\n" not in str(error.value)
