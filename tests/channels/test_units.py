"""Unit conversions against values calculated by hand."""

import math

import pytest
import torch

from channels.units import (
    db_to_linear,
    ebn0_db_from_snr_db,
    linear_to_db,
    noise_power_from_snr_db,
    snr_db_from_ebn0_db,
)


@pytest.mark.parametrize(
    ("value_db", "value"), [(0.0, 1.0), (10.0, 10.0), (-20.0, 0.01), (3.010299956639812, 2.0)]
)
def test_decibel_conversions(value_db: float, value: float) -> None:
    assert db_to_linear(value_db) == pytest.approx(value)
    assert linear_to_db(value) == pytest.approx(value_db)
    torch.testing.assert_close(db_to_linear(torch.tensor([[value_db]])), torch.tensor([[value]]))
    torch.testing.assert_close(linear_to_db(torch.tensor([[value]])), torch.tensor([[value_db]]))


def test_zero_power_is_minus_infinity_db_and_negative_power_raises() -> None:
    assert linear_to_db(0.0) == -math.inf
    with pytest.raises(ValueError, match="at least 0"):
        linear_to_db(-1.0)


def test_noise_power_from_snr() -> None:
    assert noise_power_from_snr_db(10.0) == pytest.approx(0.1)
    assert noise_power_from_snr_db(-3.0) == pytest.approx(1.9952623)
    assert noise_power_from_snr_db(math.inf) == 0.0
    snr_db = torch.tensor([[20.0], [0.0]])
    torch.testing.assert_close(noise_power_from_snr_db(snr_db), torch.tensor([[0.01], [1.0]]))


def test_ebn0_of_16_qam_at_rate_one_half_lies_3_db_below_es_over_n0() -> None:
    # 4 bits times 1/2 are 2 information bits per use: Es = 2 Eb
    assert snr_db_from_ebn0_db(5.0, bits_per_symbol=4, code_rate=0.5) == pytest.approx(8.0103)
    assert ebn0_db_from_snr_db(8.0103, bits_per_symbol=4, code_rate=0.5) == pytest.approx(5.0)
    back = ebn0_db_from_snr_db(
        snr_db_from_ebn0_db(torch.tensor([[5.0]]), bits_per_symbol=6), bits_per_symbol=6
    )
    torch.testing.assert_close(back, torch.tensor([[5.0]]))


@pytest.mark.parametrize(("bits", "rate"), [(0, 0.5), (2, 0.0), (2, 1.1), (2, math.nan)])
def test_invalid_bits_or_rates_raise_an_error(bits: int, rate: float) -> None:
    with pytest.raises(ValueError, match="code_rate"):
        snr_db_from_ebn0_db(0.0, bits_per_symbol=bits, code_rate=rate)
