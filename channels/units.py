"""Decibels, Es/N0, Eb/N0 and noise power: the only file that converts between them.

SNR means Es/N0 per complex channel use, averaged over the fading; Es = E|x|^2 = 1 and E|h|^2 = 1.
"""

import math
from typing import TypeVar

import torch
from torch import Tensor

Quantity = TypeVar("Quantity", float, Tensor)


def db_to_linear(value_db: Quantity) -> Quantity:
    """Power ratio of a value in decibels, 10^(value_db / 10), for a number or a tensor."""
    if isinstance(value_db, Tensor):
        return torch.pow(10.0, value_db / 10.0)
    return float(10.0 ** (value_db / 10.0))


def linear_to_db(value: Quantity) -> Quantity:
    """Decibels of a power ratio, 10 log10(value); minus infinity for 0.

    Raises: ValueError if a number is negative (a tensor gives nan there).
    """
    if isinstance(value, Tensor):
        return 10.0 * torch.log10(value)
    if value < 0:
        raise ValueError(f"a power ratio must be at least 0, got {value}")
    return 10.0 * math.log10(value) if value else -math.inf


def noise_power_from_snr_db(snr_db: Quantity) -> Quantity:
    """Noise power N0 = E|w|^2 per complex channel use for unit signal power, 10^(-snr_db / 10).

    Half of it falls on each real dimension. An SNR of plus infinity gives 0, a noiseless link.
    """
    return db_to_linear(-snr_db)


def _information_bits_db(bits_per_symbol: int, code_rate: float) -> float:
    """Information bits per channel use in dB, 10 log10(bits_per_symbol code_rate)."""
    if bits_per_symbol < 1 or not 0 < code_rate <= 1:
        raise ValueError(
            "bits_per_symbol must be at least 1 and code_rate in (0, 1], "
            f"got {bits_per_symbol} and {code_rate}"
        )
    return linear_to_db(float(bits_per_symbol * code_rate))


def snr_db_from_ebn0_db(
    ebn0_db: Quantity, *, bits_per_symbol: int, code_rate: float = 1.0
) -> Quantity:
    """Es/N0 in dB from Eb/N0 in dB: Es = bits_per_symbol code_rate Eb.

    Raises: ValueError if bits_per_symbol < 1 or code_rate is not in (0, 1].
    """
    return ebn0_db + _information_bits_db(bits_per_symbol, code_rate)


def ebn0_db_from_snr_db(
    snr_db: Quantity, *, bits_per_symbol: int, code_rate: float = 1.0
) -> Quantity:
    """Eb/N0 in dB from Es/N0 in dB, the inverse of `snr_db_from_ebn0_db`.

    Raises: ValueError if bits_per_symbol < 1 or code_rate is not in (0, 1].
    """
    return snr_db - _information_bits_db(bits_per_symbol, code_rate)
