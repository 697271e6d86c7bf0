"""Closed forms that the simulator is tested against: error rates, capacity, fading moments.

SNR is Es/N0 in dB per complex channel use; all rates assume coherent detection with a known gain.

[1] Proakis and Salehi, Digital Communications, 5th ed., 2008.
[2] Simon and Alouini, Digital Communication over Fading Channels, 2nd ed., 2005.
[3] Cho and Yoon, On the general BER expression of one- and two-dimensional amplitude modulations,
    IEEE Trans. Commun. 50(7), 2002.
[4] Tse and Viswanath, Fundamentals of Wireless Communication, 2005.
[5] Polyanskiy, Poor and Verdu, Channel coding rate in the finite blocklength regime, IEEE Trans.
    Inf. Theory 56(5), 2010.
[6] Cornish and Fisher, Moments and cumulants in the specification of distributions, Revue de
    l'Institut International de Statistique 5(4), 1938.
[7] Cover and Thomas, Elements of Information Theory, 2nd ed., 2006.
"""

import functools
import math
from collections.abc import Callable

import numpy as np
import scipy  # loads its submodules at first use
from numpy.typing import NDArray

from channels.units import db_to_linear

LARGE_K_FACTOR = 1e5  # above it, SciPy's noncentral chi-square takes seconds; fails from 1e11

Floats = NDArray[np.float64]


def q_function(x: float) -> float:
    """Probability that a standard normal variable exceeds x [1, sec. 2.3]."""
    return 0.5 * math.erfc(x / math.sqrt(2.0))


def capacity_bits(snr_db: float) -> float:
    """Capacity of the AWGN channel in bits per complex use, log2(1 + SNR) [4, sec. 5.1]."""
    return math.log2(1.0 + db_to_linear(snr_db))


def normal_approximation_bits(snr_db: Floats, *, uses: int, block_error_rate: float) -> Floats:
    """Bits that the best code carries over `uses` complex AWGN uses at this block error rate.

    n C - sqrt(n V) Q^-1(e) + log2(n) / 2 with n = 2 `uses` real uses, C = log2(1 + S) / 2 and
    V = S (S + 2) / (2 (S + 1)^2) log2(e)^2 [5, eq. 1 and 296, theorem 54]; from 0 to n C, because
    log2(n) / 2 exceeds the capacity at very low SNR.
    """
    snr = np.minimum(np.power(10.0, np.asarray(snr_db) / 10.0), 1e150)  # keeps its square finite
    real_uses = 2 * uses
    capacity = np.log1p(snr) / (2 * math.log(2.0))
    dispersion = snr * (snr + 2.0) / (2.0 * (snr + 1.0) ** 2) / math.log(2.0) ** 2
    lost = np.sqrt(real_uses * dispersion) * -scipy.special.ndtri(block_error_rate)
    most = real_uses * capacity
    return np.clip(most - lost + math.log2(real_uses) / 2, 0.0, most)


def fano_error_rate(payload_bits: int, *, carried_bits: Floats) -> Floats:
    """Lower bound on the error rate of equally likely payloads, given the bits a channel carries.

    h(e) + e log2(2^K - 1) = K - B by Fano's inequality [7, sec. 2.10], for K payload bits and
    B carried bits; 0 from B = K upwards. Interpolated between 8,000 error rates.
    """
    most = 1.0 - 2.0**-payload_bits
    rates = np.concatenate([[0.0], np.logspace(-9, 0, 4000) * most, np.linspace(0, most, 4000)[1:]])
    rates = np.unique(np.minimum(rates, most))
    others = payload_bits + math.log1p(-(2.0**-payload_bits)) / math.log(2.0)  # log2(2^K - 1)
    entropy = scipy.special.entr(rates) + scipy.special.entr(1.0 - rates)
    lost = entropy / math.log(2.0) + rates * others
    missing = np.maximum(payload_bits - np.asarray(carried_bits), 0.0)
    return np.asarray(np.interp(missing, lost, rates))


# Error rates of BPSK and square Gray QAM. Each is a sum of terms weight Q(sqrt(2 scale SNR)), so
# that fading only replaces Q by its mean.


def bpsk_bit_error_rate_awgn(snr_db: float) -> float:
    """Bit error rate of BPSK on AWGN, Q(sqrt(2 SNR)) [1, sec. 4.2-1]."""
    return _q_awgn(db_to_linear(snr_db))


def bpsk_bit_error_rate_rayleigh(snr_db: float) -> float:
    """Bit error rate of BPSK with Rayleigh fading, (1 - sqrt(SNR/(1+SNR))) / 2 [1, eq. 13.3-7]."""
    return _q_rayleigh(db_to_linear(snr_db))


def bpsk_bit_error_rate_rician(snr_db: float, *, k_factor: float) -> float:
    """Bit error rate of BPSK with Rician fading of linear K factor [2, sec. 5.1.3]."""
    return _q_rician(db_to_linear(snr_db), k_factor)


def qam_bit_error_rate_awgn(snr_db: float, *, bits_per_symbol: int) -> float:
    """Exact bit error rate of square Gray QAM on AWGN, QPSK included [3, eq. 14 and 16]."""
    return _qam_bit_error_rate(_q_awgn, snr_db, bits_per_symbol)


def qam_bit_error_rate_rayleigh(snr_db: float, *, bits_per_symbol: int) -> float:
    """Exact bit error rate of square Gray QAM with Rayleigh fading: [3] averaged term by term."""
    return _qam_bit_error_rate(_q_rayleigh, snr_db, bits_per_symbol)


def qam_bit_error_rate_rician(snr_db: float, *, bits_per_symbol: int, k_factor: float) -> float:
    """Exact bit error rate of square Gray QAM with Rician fading: [3] averaged term by term."""
    return _qam_bit_error_rate(lambda mean: _q_rician(mean, k_factor), snr_db, bits_per_symbol)


def qam_bit_error_rate_nakagami(snr_db: float, *, bits_per_symbol: int, m: float) -> float:
    """Exact bit error rate of square Gray QAM with Nakagami-m fading: [3] averaged term by term."""
    return _qam_bit_error_rate(lambda mean: _q_nakagami(mean, m), snr_db, bits_per_symbol)


def qam_symbol_error_rate_awgn(snr_db: float, *, bits_per_symbol: int) -> float:
    """Symbol error rate of square QAM on AWGN, 4 c Q - 4 c^2 Q^2 [2, eq. 8.10].

    c = 1 - 1/sqrt(M) and Q = Q(sqrt(3 SNR / (M - 1))).
    """
    edge = 1.0 - 1.0 / _pam_levels(bits_per_symbol)
    one_side = _q_awgn(_qam_scale(bits_per_symbol) * db_to_linear(snr_db))
    return 4.0 * edge * one_side - (2.0 * edge * one_side) ** 2


def qam_symbol_error_rate_rayleigh(snr_db: float, *, bits_per_symbol: int) -> float:
    """Symbol error rate of square QAM with Rayleigh fading [2, sec. 8.2]: means of Q and Q^2."""
    edge = 1.0 - 1.0 / _pam_levels(bits_per_symbol)
    mean = _qam_scale(bits_per_symbol) * db_to_linear(snr_db)
    root = math.sqrt(mean / (1.0 + mean))
    mean_q_squared = 0.25 * (1.0 - root * 4.0 / math.pi * math.atan(1.0 / root)) if mean else 0.25
    return 4.0 * edge * _q_rayleigh(mean) - 4.0 * edge**2 * mean_q_squared


def _q_awgn(mean: float) -> float:
    """Q(sqrt(2 mean)) without fading."""
    return q_function(math.sqrt(2.0 * mean))


def _q_rayleigh(mean: float) -> float:
    """Mean of Q(sqrt(2 mean g)) over g exponential with mean 1, accurate at large SNR."""
    root = math.sqrt(mean / (1.0 + mean))
    return 0.5 / ((1.0 + mean) * (1.0 + root))


def _q_rician(mean: float, k_factor: float) -> float:
    """Mean of Q(sqrt(2 mean g)) over a Rician power g, by Craig's form of Q [2, sec. 5.1.3]."""

    def integrand(angle: float) -> float:
        scattered = (1.0 + k_factor) * math.sin(angle) ** 2
        total = scattered + mean
        return scattered / total * math.exp(-k_factor * mean / total) / math.pi

    return float(scipy.integrate.quad(integrand, 0.0, math.pi / 2.0, epsabs=0.0, epsrel=1e-9)[0])


def _q_nakagami(mean: float, m: float) -> float:
    """Mean of Q(sqrt(2 mean g)) over g gamma of shape m and mean 1, in closed form [2, sec. 5.1.4].

    2 m g is chi-square with 2 m degrees of freedom and Q the tail of a normal variable Z, so this
    is the chance that Z / sqrt(g) > sqrt(2 mean): the tail of Student's t with 2 m degrees.
    """
    return float(scipy.special.stdtr(2.0 * m, -math.sqrt(2.0 * mean)))


def _pam_levels(bits_per_symbol: int) -> int:
    """Levels per real dimension of square QAM."""
    if bits_per_symbol < 2 or bits_per_symbol % 2:
        raise ValueError(f"bits_per_symbol must be even and at least 2, got {bits_per_symbol}")
    return 1 << (bits_per_symbol // 2)


def _qam_scale(bits_per_symbol: int) -> float:
    """Squared half distance of neighbours over Es: 3 / (2 (M - 1)), unit power."""
    _pam_levels(bits_per_symbol)
    return 1.5 / ((1 << bits_per_symbol) - 1)


def _qam_bit_error_rate(q: Callable[[float], float], snr_db: float, bits_per_symbol: int) -> float:
    """Mean over the bits of one real dimension; 2 Q(sqrt(2 x)) = erfc(sqrt(x)) in [3]."""
    levels = _pam_levels(bits_per_symbol)
    mean = _qam_scale(bits_per_symbol) * db_to_linear(snr_db)
    total = 0.0
    for bit in range(1, bits_per_symbol // 2 + 1):
        half = 1 << (bit - 1)
        for i in range(levels - levels // (1 << bit)):
            sign = -1.0 if (i * half // levels) % 2 else 1.0
            weight = half - math.floor(i * half / levels + 0.5)
            total += sign * weight * 2.0 * q((2 * i + 1) ** 2 * mean) / levels
    return total / (bits_per_symbol // 2)


# Sets of equally likely signals of equal energy, sent over real dimensions with N0/2 each.


def orthogonal_symbol_error_rate(num_signals: int, energy_ratio: float) -> float:
    """Error rate of coherent detection among orthogonal signals [1, sec. 4.4-1].

    P = int (1 - (1 - Q(x))^(M-1)) phi(x - sqrt(2 E/N0)) dx.

    Units:  energy_ratio is the total E/N0 of a signal, linear: k Es/N0 over k channel uses.
    Raises: ValueError if num_signals < 2 or energy_ratio < 0.
    """
    if num_signals < 2 or energy_ratio < 0:
        raise ValueError(
            "num_signals must be at least 2 and energy_ratio at least 0, "
            f"got {num_signals} and {energy_ratio}"
        )
    mean = math.sqrt(2.0 * energy_ratio)
    x, weights = _normal_nodes(mean, lower=-math.inf)
    wrong = -np.expm1((num_signals - 1) * scipy.special.log_ndtr(x))
    return float(weights @ wrong)


def simplex_symbol_error_rate(num_signals: int, energy_ratio: float) -> float:
    """Error rate of coherent detection among signals of equal correlation -1 / (M - 1).

    They are orthogonal signals of energy E M / (M - 1) minus their mean, which is uninformative.

    Units:  energy_ratio is the total E/N0 of a signal, linear: k Es/N0 over k channel uses.
    Raises: ValueError as for orthogonal signals.
    """
    gain = num_signals / max(num_signals - 1, 1)
    return orthogonal_symbol_error_rate(num_signals, energy_ratio * gain)


def biorthogonal_symbol_error_rate(num_signals: int, energy_ratio: float) -> float:
    """Error rate of coherent detection among M/2 orthogonal signals and their negatives.

    P = Q(sqrt(2 E/N0)) + int_0^inf (1 - (1 - 2 Q(x))^(M/2-1)) phi(x - sqrt(2 E/N0)) dx
    [1, sec. 4.4-2].

    Units:  energy_ratio is the total E/N0 of a signal, linear: k Es/N0 over k channel uses.
    Raises: ValueError if num_signals is odd or below 2, or energy_ratio < 0.
    """
    if num_signals < 2 or num_signals % 2 or energy_ratio < 0:
        raise ValueError(
            "num_signals must be even and at least 2 and energy_ratio at least 0, "
            f"got {num_signals} and {energy_ratio}"
        )
    mean = math.sqrt(2.0 * energy_ratio)
    x, weights = _normal_nodes(mean, lower=0.0)
    all_smaller = (num_signals // 2 - 1) * np.log1p(-2.0 * scipy.special.ndtr(-x))
    return q_function(mean) + float(weights @ -np.expm1(all_smaller))


def average_over_rayleigh(error_rate: Callable[[float], float], energy_ratio: float) -> float:
    """Mean of error_rate(g energy_ratio) over one Rayleigh gain, g exponential with mean 1.

    With g = e^t the integrand error_rate(e^t energy_ratio) e^(t - e^t) is smooth in t.

    Raises: ValueError if energy_ratio < 0.
    """
    if energy_ratio < 0:
        raise ValueError(f"energy_ratio must be at least 0, got {energy_ratio}")

    def integrand(t: float) -> float:
        return error_rate(math.exp(t) * energy_ratio) * math.exp(t - math.exp(t))

    # outside the limits, the probabilities e^-40 and e^-e^4 are negligible
    return float(scipy.integrate.quad(integrand, -40.0, 4.0, epsabs=0.0, epsrel=1e-8, limit=200)[0])


@functools.cache
def _legendre() -> tuple[Floats, Floats]:
    """Nodes and weights of Gauss-Legendre quadrature on [-1, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(256)
    return nodes, weights


def _normal_nodes(mean: float, *, lower: float) -> tuple[Floats, Floats]:
    """Nodes x and weights of an integral with density N(mean, 1) from `lower` to infinity."""
    low, high = max(lower, mean - 12.0), mean + 12.0  # N(0, 1) beyond 12 is below 1e-32
    nodes, weights = _legendre()
    x = low + (high - low) * (nodes + 1.0) / 2.0
    return x, weights * (high - low) / 2.0 * scipy.stats.norm.pdf(x - mean)


# Fading power |h|^2, mean 1.


def rayleigh_power_cdf(power: Floats) -> Floats:
    """Distribution function of |h|^2 with Rayleigh fading, 1 - exp(-power) [4, sec. 2.4.2]."""
    return np.asarray(-np.expm1(-np.maximum(power, 0.0)))


def rician_power_cdf(power: Floats, *, k_factor: float) -> Floats:
    """Distribution function of |h|^2 with Rician fading of linear K factor.

    2 (1 + K) |h|^2 is noncentral chi-square, 2 degrees of freedom, noncentrality 2 K [1, sec. 2.3].
    For a large K it is the inverse of the approximation in `rician_power_quantile`.
    """
    if k_factor > LARGE_K_FACTOR:
        deviation, skew = _large_k_moments(k_factor)
        shifted = (np.clip(power, 0.0, 2.0) - 1.0) / deviation + skew  # z + skew z^2
        root = np.sqrt(np.maximum(1.0 + 4.0 * skew * shifted, 0.0))
        return np.asarray(scipy.special.ndtr(2.0 * shifted / (1.0 + root)))
    return np.asarray(scipy.stats.ncx2.cdf(2.0 * (1.0 + k_factor) * power, df=2, nc=2.0 * k_factor))


def nakagami_power_cdf(power: Floats, *, m: float) -> Floats:
    """Distribution function of |h|^2 with Nakagami-m fading: gamma of shape m [2, sec. 2.2.1.4]."""
    return np.asarray(scipy.special.gammainc(m, m * np.maximum(power, 0.0)))


def rayleigh_power_quantile(level: Floats) -> Floats:
    """The inverse of `rayleigh_power_cdf`, -ln(1 - level)."""
    return np.asarray(-np.log1p(-level))


def rician_power_quantile(level: Floats, *, k_factor: float) -> Floats:
    """The inverse of `rician_power_cdf`; if K is large, a normal with a skewness term [6].

    At K = 1e5 the exact and the approximate quantile agree to 3e-8.
    """
    if k_factor > LARGE_K_FACTOR:
        deviation, skew = _large_k_moments(k_factor)
        z = scipy.special.ndtri(level)
        return np.asarray(1.0 + deviation * (z + skew * (z**2 - 1.0)))
    upper = scipy.stats.ncx2.ppf(level, df=2, nc=2.0 * k_factor)
    return np.asarray(upper / (2.0 * (1.0 + k_factor)))


def _large_k_moments(k_factor: float) -> tuple[float, float]:
    """Standard deviation of Rician |h|^2, and a sixth of its skewness; finite for every K."""
    deviation = math.sqrt(rician_power_variance(k_factor))
    third_over_variance = (2.0 + 6.0 * k_factor) / (1.0 + k_factor) / (1.0 + 2.0 * k_factor)
    return deviation, third_over_variance / deviation / 6.0


def nakagami_power_quantile(level: Floats, *, m: float) -> Floats:
    """The inverse of `nakagami_power_cdf`."""
    return np.asarray(scipy.special.gammaincinv(m, level) / m)


def rician_power_variance(k_factor: float) -> float:
    """Variance of |h|^2, (1 + 2 K) / (1 + K)^2; 1 for Rayleigh fading, K = 0."""
    if k_factor > LARGE_K_FACTOR:  # its square may overflow
        return (1.0 + 2.0 * k_factor) / (1.0 + k_factor) / (1.0 + k_factor)
    return (1.0 + 2.0 * k_factor) / (1.0 + k_factor) ** 2


def rayleigh_snr_spread_db() -> float:
    """Standard deviation of the receive SNR in dB with Rayleigh fading, about 5.57 dB.

    ln |h|^2 is minus a Gumbel variable, whose standard deviation is pi / sqrt(6).
    """
    return 10.0 / math.log(10.0) * math.pi / math.sqrt(6.0)


def nakagami_snr_spread_db(m: float) -> float:
    """Standard deviation of the receive SNR in dB with Nakagami-m fading; 5.57 dB for m = 1.

    ln |h|^2 is the log of a gamma variable, whose variance is the trigamma function of m.
    """
    return 10.0 / math.log(10.0) * math.sqrt(scipy.special.polygamma(1, m))
