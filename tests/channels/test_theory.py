"""Closed forms against independent numerical values."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, stats

from channels.streams import sionna_phy
from channels.theory import (
    average_over_rayleigh,
    biorthogonal_symbol_error_rate,
    bpsk_bit_error_rate_awgn,
    bpsk_bit_error_rate_rayleigh,
    bpsk_bit_error_rate_rician,
    capacity_bits,
    fano_error_rate,
    nakagami_power_cdf,
    nakagami_power_quantile,
    nakagami_snr_spread_db,
    normal_approximation_bits,
    orthogonal_symbol_error_rate,
    q_function,
    qam_bit_error_rate_awgn,
    qam_bit_error_rate_nakagami,
    qam_bit_error_rate_rayleigh,
    qam_bit_error_rate_rician,
    qam_symbol_error_rate_awgn,
    qam_symbol_error_rate_rayleigh,
    rayleigh_power_cdf,
    rayleigh_power_quantile,
    rayleigh_snr_spread_db,
    rician_power_cdf,
    rician_power_quantile,
    rician_power_variance,
    simplex_symbol_error_rate,
)

SNRS_DB = [-10.0, 0.0, 7.0, 15.0]


def mean_over(pdf: Callable[[float], float], function: Callable[[float], float]) -> float:
    """Mean of a function of a positive variable, in pieces small enough for `quad`."""
    edges = [0.0, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 1.0, 2.0, 5.0, 20.0, 60.0]
    pieces = itertools.pairwise(edges)
    return sum(integrate.quad(lambda g: pdf(g) * function(g), *piece)[0] for piece in pieces)


def exponential(power: float) -> float:
    return math.exp(-power)


def rician_pdf(k_factor: float) -> Callable[[float], float]:
    """Density of |h|^2 through the Rice distribution of |h|, which the library does not use."""
    scale = math.sqrt(0.5 / (1.0 + k_factor))
    rice = stats.rice(math.sqrt(2.0 * k_factor), scale=scale)
    return lambda power: float(rice.pdf(math.sqrt(power))) / (2.0 * math.sqrt(power))


def nakagami_pdf(m: float) -> Callable[[float], float]:
    """Density of |h|^2 through the Nakagami distribution of |h|, which the library does not use."""
    nakagami = stats.nakagami(m)
    return lambda power: float(nakagami.pdf(math.sqrt(power))) / (2.0 * math.sqrt(power))


def test_textbook_values() -> None:
    assert q_function(0.0) == 0.5
    assert q_function(1.6448536269514722) == pytest.approx(0.05)
    assert bpsk_bit_error_rate_awgn(9.6) == pytest.approx(1e-5, rel=0.03)
    assert bpsk_bit_error_rate_rayleigh(10.0) == pytest.approx(0.0232687)
    assert bpsk_bit_error_rate_rayleigh(80.0) == pytest.approx(0.25e-8, rel=1e-6)  # 1 / (4 SNR)
    assert capacity_bits(0.0) == 1.0
    assert capacity_bits(10 * math.log10(15.0)) == pytest.approx(4.0)
    assert rayleigh_snr_spread_db() == pytest.approx(5.5700, abs=5e-5)


@pytest.mark.parametrize("snr_db", SNRS_DB)
def test_bpsk_error_rate_with_fading_is_the_mean_over_gains(snr_db: float) -> None:
    def rate(gain: float) -> float:
        return bpsk_bit_error_rate_awgn(snr_db + 10 * math.log10(gain))

    rayleigh = bpsk_bit_error_rate_rayleigh(snr_db)
    assert rayleigh == pytest.approx(mean_over(exponential, rate), rel=1e-6)
    assert bpsk_bit_error_rate_rician(snr_db, k_factor=0.0) == pytest.approx(rayleigh, rel=1e-8)
    for k_factor in (1.0, 4.0, 10.0):
        expected = mean_over(rician_pdf(k_factor), rate)
        rician = bpsk_bit_error_rate_rician(snr_db, k_factor=k_factor)
        assert rician == pytest.approx(expected, rel=1e-6)
    awgn = bpsk_bit_error_rate_awgn(snr_db)
    assert bpsk_bit_error_rate_rician(snr_db, k_factor=1e6) == pytest.approx(awgn, rel=1e-2)


def literal_qam(snr_db: float, bits_per_symbol: int) -> tuple[float, float]:
    """Bit and symbol error rates summed over all decisions, with Sionna's Gray labels."""
    points: NDArray[np.complex128] = sionna_phy().mapping.qam(bits_per_symbol).astype(complex)
    deviation = math.sqrt(0.5 * 10 ** (-snr_db / 10))
    levels = np.unique(points.real.round(6))
    bounds = np.concatenate([[-np.inf], (levels[1:] + levels[:-1]) / 2, [np.inf]])
    to_level = np.diff(stats.norm.cdf((bounds[None] - levels[:, None]) / deviation), axis=1)
    column = np.abs(points.real[:, None] - levels).argmin(axis=1)
    row = np.abs(points.imag[:, None] - levels).argmin(axis=1)
    chance = to_level[column[:, None], column] * to_level[row[:, None], row]  # sent, decided
    index = np.arange(len(points))
    different = (index[:, None] ^ index)[..., None] >> np.arange(bits_per_symbol) & 1
    bit_rate = (chance * different.mean(axis=2)).sum(axis=1).mean()
    return float(bit_rate), float(1.0 - np.diag(chance).mean())


@pytest.mark.parametrize("bits_per_symbol", [2, 4, 6, 8])
@pytest.mark.parametrize("snr_db", SNRS_DB)
def test_qam_error_rates_on_awgn_match_summed_decisions(
    snr_db: float, bits_per_symbol: int
) -> None:
    bit_rate, symbol_rate = literal_qam(snr_db, bits_per_symbol)
    ours = qam_bit_error_rate_awgn(snr_db, bits_per_symbol=bits_per_symbol)
    assert ours == pytest.approx(bit_rate, rel=1e-4)
    ours = qam_symbol_error_rate_awgn(snr_db, bits_per_symbol=bits_per_symbol)
    assert ours == pytest.approx(symbol_rate, rel=1e-4)


@pytest.mark.parametrize("bits_per_symbol", [2, 4, 6, 8])
@pytest.mark.parametrize("snr_db", SNRS_DB)
def test_qam_error_rates_with_fading_are_means_over_gains(
    snr_db: float, bits_per_symbol: int
) -> None:
    def bit_rate(gain: float) -> float:
        faded_db = snr_db + 10 * math.log10(gain)
        return qam_bit_error_rate_awgn(faded_db, bits_per_symbol=bits_per_symbol)

    def symbol_rate(gain: float) -> float:
        faded_db = snr_db + 10 * math.log10(gain)
        return qam_symbol_error_rate_awgn(faded_db, bits_per_symbol=bits_per_symbol)

    ours = qam_bit_error_rate_rayleigh(snr_db, bits_per_symbol=bits_per_symbol)
    assert ours == pytest.approx(mean_over(exponential, bit_rate), rel=1e-6)
    ours = qam_symbol_error_rate_rayleigh(snr_db, bits_per_symbol=bits_per_symbol)
    assert ours == pytest.approx(mean_over(exponential, symbol_rate), rel=1e-6)
    if bits_per_symbol < 6:
        ours = qam_bit_error_rate_rician(snr_db, bits_per_symbol=bits_per_symbol, k_factor=4.0)
        assert ours == pytest.approx(mean_over(rician_pdf(4.0), bit_rate), rel=1e-6)


def test_qpsk_is_bpsk_with_half_the_energy() -> None:
    half_db = 6.0 - 10 * math.log10(2.0)
    qpsk = qam_bit_error_rate_awgn(6.0, bits_per_symbol=2)
    assert qpsk == pytest.approx(bpsk_bit_error_rate_awgn(half_db))


@pytest.mark.parametrize("bits_per_symbol", [0, 1, 3])
def test_zero_or_odd_bits_per_symbol_raise_an_error(bits_per_symbol: int) -> None:
    for function in (qam_bit_error_rate_awgn, qam_symbol_error_rate_rayleigh):
        with pytest.raises(ValueError, match="bits_per_symbol must be even"):
            function(0.0, bits_per_symbol=bits_per_symbol)


@pytest.mark.parametrize("energy_ratio", [0.0, 0.1, 1.0, 4.0, 12.0, 40.0])
def test_two_orthogonal_and_antipodal_signals(energy_ratio: float) -> None:
    orthogonal = orthogonal_symbol_error_rate(2, energy_ratio)
    assert orthogonal == pytest.approx(q_function(math.sqrt(energy_ratio)), rel=1e-9)
    antipodal = biorthogonal_symbol_error_rate(2, energy_ratio)
    assert antipodal == pytest.approx(q_function(math.sqrt(2 * energy_ratio)), rel=1e-9)


@pytest.mark.parametrize("snr_db", SNRS_DB)
def test_two_and_three_simplex_signals_are_bpsk_and_3_psk(snr_db: float) -> None:
    ratio = 10 ** (snr_db / 10)
    antipodal = simplex_symbol_error_rate(2, ratio)
    assert antipodal == pytest.approx(q_function(math.sqrt(2 * ratio)), rel=1e-9)
    angles = np.linspace(0, math.pi * 2 / 3, 200_001)  # Craig's integral for M-PSK
    integrand = np.exp(-ratio * 0.75 / np.sin(angles[1:]) ** 2)
    psk = float((integrand.sum() - integrand[-1] / 2) * angles[1] / math.pi)
    assert simplex_symbol_error_rate(3, ratio) == pytest.approx(psk, rel=1e-6)


@pytest.mark.parametrize("snr_db", SNRS_DB)
def test_four_biorthogonal_signals_are_qpsk(snr_db: float) -> None:
    ours = biorthogonal_symbol_error_rate(4, 10 ** (snr_db / 10))
    assert ours == pytest.approx(qam_symbol_error_rate_awgn(snr_db, bits_per_symbol=2), rel=1e-9)


@pytest.mark.parametrize("num_signals", [2, 4, 10, 128])
@pytest.mark.parametrize("energy_ratio", [0.0, 0.5, 3.0, 8.0])
def test_signal_set_error_rates_match_monte_carlo_counts(
    num_signals: int, energy_ratio: float
) -> None:
    """Simulated correlator outputs, directly by the definition."""
    trials = 50_000
    random = np.random.default_rng(0)
    outputs = random.standard_normal((trials, num_signals), dtype=np.float32)
    outputs[:, 0] += math.sqrt(2 * energy_ratio)
    half = outputs[:, : num_signals // 2]
    counts = {
        orthogonal_symbol_error_rate: (outputs.argmax(axis=1) != 0).sum(),
        biorthogonal_symbol_error_rate: (
            (np.abs(half).argmax(axis=1) != 0) | (half[:, 0] < 0)
        ).sum(),
    }
    for closed_form, count in counts.items():
        rate = closed_form(num_signals, energy_ratio)
        deviation = math.sqrt(trials * rate * (1 - rate))
        assert abs(count - trials * rate) < 4 * deviation + 0.5


@pytest.mark.parametrize("num_signals", [4, 10, 100])
def test_zero_energy_gives_the_error_rate_of_guessing(num_signals: int) -> None:
    guess = 1 - 1 / num_signals
    assert orthogonal_symbol_error_rate(num_signals, 0.0) == pytest.approx(guess)
    assert biorthogonal_symbol_error_rate(num_signals, 0.0) == pytest.approx(guess)


@pytest.mark.parametrize("energy_ratio", [30.0, 60.0])
def test_rare_error_rates_approach_the_union_bound(energy_ratio: float) -> None:
    bound = 99 * q_function(math.sqrt(energy_ratio))
    assert orthogonal_symbol_error_rate(100, energy_ratio) == pytest.approx(bound, rel=0.05)
    assert orthogonal_symbol_error_rate(100, energy_ratio) < bound
    bound = 98 * q_function(math.sqrt(energy_ratio)) + q_function(math.sqrt(2 * energy_ratio))
    assert biorthogonal_symbol_error_rate(100, energy_ratio) == pytest.approx(bound, rel=0.05)
    assert biorthogonal_symbol_error_rate(100, energy_ratio) < bound


@pytest.mark.parametrize(("num_signals", "energy_ratio"), [(1, 1.0), (0, 1.0), (4, -1.0)])
def test_invalid_signal_sets_raise_an_error(num_signals: int, energy_ratio: float) -> None:
    for function in (orthogonal_symbol_error_rate, biorthogonal_symbol_error_rate):
        with pytest.raises(ValueError, match="num_signals must be"):
            function(num_signals, energy_ratio)
    with pytest.raises(ValueError, match="num_signals must be even"):
        biorthogonal_symbol_error_rate(5, 1.0)


@pytest.mark.parametrize("energy_ratio", [0.0, 1e-3, 1.0, 100.0, 1e6])
def test_average_over_rayleigh_matches_closed_form(energy_ratio: float) -> None:
    def antipodal(ratio: float) -> float:
        return q_function(math.sqrt(2 * ratio))

    expected = 0.5 * (1 - math.sqrt(energy_ratio / (1 + energy_ratio)))
    assert average_over_rayleigh(antipodal, energy_ratio) == pytest.approx(expected, rel=1e-6)
    assert average_over_rayleigh(lambda ratio: 1.0, energy_ratio) == pytest.approx(1.0, rel=1e-7)


def test_average_of_orthogonal_signals_over_rayleigh() -> None:
    def ten(ratio: float) -> float:
        return orthogonal_symbol_error_rate(10, ratio)

    expected = mean_over(exponential, lambda gain: ten(5.0 * gain))
    assert average_over_rayleigh(ten, 5.0) == pytest.approx(expected, rel=1e-6)
    with pytest.raises(ValueError, match="energy_ratio must be at least 0"):
        average_over_rayleigh(ten, -1.0)


@pytest.mark.parametrize("k_factor", [0.0, 1.0, 4.0])
def test_rician_power_against_its_density(k_factor: float) -> None:
    pdf = rician_pdf(k_factor)
    assert mean_over(pdf, lambda g: g) == pytest.approx(1.0, rel=1e-6)
    variance = mean_over(pdf, lambda g: (g - 1) ** 2)
    assert rician_power_variance(k_factor) == pytest.approx(variance, rel=1e-6)
    for power in (0.01, 0.5, 1.0, 3.0):
        expected = integrate.quad(pdf, 1e-300, power, epsabs=1e-10)[0]
        ours = rician_power_cdf(np.array([power]), k_factor=k_factor)
        assert ours[0] == pytest.approx(expected, rel=1e-6)


def test_rician_power_quantile_with_a_large_k_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    level = (np.arange(400) + 0.5) / 400
    own = rician_power_quantile(level, k_factor=1e3)
    exact = stats.ncx2.ppf(level, df=2, nc=2e3) / 2002  # used for the existing tables
    assert own.tobytes() == exact.tobytes()
    monkeypatch.setattr("channels.theory.LARGE_K_FACTOR", 1e2)
    for k_factor, error in ((1e3, 2e-5), (1e4, 6e-7)):
        exact = stats.ncx2.ppf(level, df=2, nc=2 * k_factor) / (2 + 2 * k_factor)
        approximate = rician_power_quantile(level, k_factor=k_factor)
        np.testing.assert_allclose(approximate, exact, rtol=0, atol=error)
        own = rician_power_cdf(exact, k_factor=k_factor)
        np.testing.assert_allclose(own, level, rtol=0, atol=1e-4)
    variance = rician_power_variance(1e3)
    monkeypatch.undo()
    assert variance == pytest.approx(rician_power_variance(1e3), rel=1e-12)


@pytest.mark.parametrize("k_factor", [1e6, 1e11, 1e16, 1e200])
def test_rician_power_is_finite_for_any_k_factor(k_factor: float) -> None:
    level = (np.arange(400) + 0.5) / 400
    power = rician_power_quantile(level, k_factor=k_factor)
    assert (np.diff(power) >= 0).all()
    np.testing.assert_allclose(power, 1.0, atol=6 / math.sqrt(k_factor) + 1e-15)
    assert rician_power_variance(k_factor) == pytest.approx(2 / k_factor, rel=1e-5)
    far = np.array([-1.0, 0.0, 0.9, 1.0 - 1e-300, 1.1, 1e9, math.inf])
    below = rician_power_cdf(far, k_factor=k_factor)
    np.testing.assert_allclose(below, [0, 0, 0, 0.5, 1, 1, 1], atol=1e-3)
    if k_factor < 1e12:  # beyond, double precision holds too few values near 1
        np.testing.assert_allclose(rician_power_cdf(power, k_factor=k_factor), level, atol=1e-6)


def test_rayleigh_power_is_rician_without_line_of_sight() -> None:
    power = np.array([-1.0, 0.0, 1e-9, 0.1, 1.0, 5.0])
    expected = np.array([0.0, 0.0, 1e-9, 1 - math.exp(-0.1), 1 - math.exp(-1), 1 - math.exp(-5)])
    np.testing.assert_allclose(rayleigh_power_cdf(power), expected, rtol=1e-8)
    np.testing.assert_allclose(rician_power_cdf(power, k_factor=0.0), expected, rtol=1e-8)


def test_rayleigh_snr_spread_matches_numerical_integration() -> None:
    mean = mean_over(exponential, lambda g: 10 * math.log10(g))
    square = mean_over(exponential, lambda g: (10 * math.log10(g)) ** 2)
    assert rayleigh_snr_spread_db() == pytest.approx(math.sqrt(square - mean**2), rel=1e-5)


@pytest.mark.parametrize("m", [0.5, 0.8, 2.0, 7.5])
@pytest.mark.parametrize("bits_per_symbol", [2, 4, 6])
@pytest.mark.parametrize("snr_db", SNRS_DB)
def test_qam_error_rate_with_nakagami_fading_is_the_mean_over_gains(
    snr_db: float, bits_per_symbol: int, m: float
) -> None:
    def bit_rate(gain: float) -> float:
        faded_db = snr_db + 10 * math.log10(gain)
        return qam_bit_error_rate_awgn(faded_db, bits_per_symbol=bits_per_symbol)

    ours = qam_bit_error_rate_nakagami(snr_db, bits_per_symbol=bits_per_symbol, m=m)
    assert ours == pytest.approx(mean_over(nakagami_pdf(m), bit_rate), rel=1e-6)


@pytest.mark.parametrize("bits_per_symbol", [2, 4, 6, 8])
@pytest.mark.parametrize("snr_db", [*SNRS_DB, 60.0])
def test_nakagami_error_rate_limits_are_rayleigh_and_awgn(
    snr_db: float, bits_per_symbol: int
) -> None:
    rayleigh = qam_bit_error_rate_rayleigh(snr_db, bits_per_symbol=bits_per_symbol)
    one = qam_bit_error_rate_nakagami(snr_db, bits_per_symbol=bits_per_symbol, m=1.0)
    assert one == pytest.approx(rayleigh, rel=1e-9)
    awgn = qam_bit_error_rate_awgn(snr_db, bits_per_symbol=bits_per_symbol)
    many = qam_bit_error_rate_nakagami(snr_db, bits_per_symbol=bits_per_symbol, m=1e12)
    assert many == pytest.approx(awgn, rel=1e-6)


@pytest.mark.parametrize("m", [1, 2, 3, 8])
@pytest.mark.parametrize("snr_db", SNRS_DB)
def test_qpsk_error_rate_with_integer_nakagami_m(snr_db: float, m: int) -> None:
    """The finite sum for integer m, as for maximum-ratio combining of m Rayleigh branches."""
    mean = 10 ** (snr_db / 10) / 2  # mean Eb/N0
    root = math.sqrt(mean / (m + mean))
    terms = [math.comb(m - 1 + i, i) * ((1 + root) / 2) ** i for i in range(m)]
    expected = ((1 - root) / 2) ** m * sum(terms)
    ours = qam_bit_error_rate_nakagami(snr_db, bits_per_symbol=2, m=m)
    assert ours == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("m", [0.5, 0.8, 1.0, 2.0, 7.5])
def test_nakagami_power_against_its_density(m: float) -> None:
    pdf = nakagami_pdf(m)
    assert mean_over(pdf, lambda g: g) == pytest.approx(1.0, rel=1e-6)
    assert mean_over(pdf, lambda g: (g - 1) ** 2) == pytest.approx(1 / m, rel=1e-6)
    mean = mean_over(pdf, lambda g: 10 * math.log10(g))
    square = mean_over(pdf, lambda g: (10 * math.log10(g)) ** 2)
    assert nakagami_snr_spread_db(m) == pytest.approx(math.sqrt(square - mean**2), rel=1e-5)
    power = np.array([-1.0, 0.0, 0.01, 0.5, 1.0, 3.0])
    level = nakagami_power_cdf(power, m=m)
    assert level[:2].tolist() == [0.0, 0.0]
    for one, ours in zip(power[2:], level[2:], strict=True):
        expected = integrate.quad(pdf, 1e-300, one, epsabs=1e-10)[0]
        assert ours == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(nakagami_power_quantile(level[1:], m=m), power[1:], rtol=1e-9)


def test_nakagami_power_with_m_1_is_rayleigh() -> None:
    level = np.array([0.0, 1e-12, 0.1, 0.5, 0.999999])
    expected = rayleigh_power_quantile(level)
    np.testing.assert_allclose(nakagami_power_quantile(level, m=1.0), expected, rtol=1e-9)
    assert nakagami_snr_spread_db(1.0) == pytest.approx(rayleigh_snr_spread_db(), rel=1e-12)


@pytest.mark.parametrize(
    ("bits", "carried", "expected"),
    [(4, 4.0, 0.0), (4, 9.0, 0.0), (4, 0.0, 15 / 16), (1, 0.0, 0.5), (1, 0.5, 0.110028)],
)
def test_fano_error_rate_known_values(bits: int, carried: float, expected: float) -> None:
    """One bit over half a bit of capacity: h(0.110028) = 1/2."""
    rate = fano_error_rate(bits, carried_bits=np.array(carried))
    assert float(rate) == pytest.approx(expected, abs=1e-4)


def test_fano_error_rates_solve_fanos_equation_and_decrease() -> None:
    carried = np.linspace(0.0, 10.9, 50)
    rates = fano_error_rate(11, carried_bits=carried)
    entropy = -rates * np.log2(rates) - (1 - rates) * np.log2(1 - rates)
    np.testing.assert_allclose(entropy + rates * np.log2(2**11 - 1), 11 - carried, atol=1e-4)
    assert (np.diff(rates) < 0).all()


@pytest.mark.parametrize("uses", [16, 64, 256])
def test_normal_approximation_stays_between_0_and_the_capacity(uses: int) -> None:
    snr_db = np.arange(-60.0, 41.0, 5.0)
    carried = normal_approximation_bits(snr_db, uses=uses, block_error_rate=1e-3)
    capacity = uses * np.log2(1 + 10 ** (snr_db / 10))
    assert (carried >= 0).all()
    assert (carried <= capacity * (1 + 1e-9)).all()
    assert 0.85 < carried[-1] / capacity[-1] < 1
