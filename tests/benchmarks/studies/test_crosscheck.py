"""Comparison of the two implementations in the cross-check, on hand-computed values."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.studies.crosscheck.__main__ import (
    BLOCKS,
    CODES,
    LAYERED,
    LINKS,
    MODULATIONS,
    OURS,
    THEIRS,
    Arrays,
    Check,
    ask,
    compare,
    compare_rates,
    snr_at,
    table_of,
)

ERROR = 0.1 * math.sqrt(0.5) / math.log(10)  # standard error in dB of the SNR of `falling`


def falling(shift_db: float = 0.0) -> pd.DataFrame:
    """Block error rates of 0.1 at 0 dB and 0.001 at 2 dB: 1e-2 at 1 dB, e-fold each 0.434 dB.

    The relative deviation of either rate is sqrt((1 - p) / (n p)) = 0.1.
    """
    return pd.DataFrame(
        {
            "snr_db": [shift_db, 2 + shift_db],
            "blocks": [900, 99_900],
            "bler": [0.1, 0.001],
        }
    )


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [(0.0, "ok"), (-1.0, "ok"), (0.1, "ok"), (0.11, "OFF"), (math.inf, "OFF"), (math.nan, "OFF")],
)
def test_check_is_ok_up_to_its_limit(difference: float, verdict: str) -> None:
    assert Check("BLER", "(64, 128)", difference, "dB", 0.1).verdict == verdict


def test_snr_at_a_rate_is_interpolated_in_the_logarithm() -> None:
    found, error = snr_at(falling())
    assert found == pytest.approx(1.0)
    assert error == pytest.approx(ERROR)


def test_snr_error_at_a_measured_point_follows_from_that_point() -> None:
    points = pd.DataFrame({"snr_db": [3.0, 4.0], "blocks": [9900, 10], "bler": [0.01, 0.001]})
    found, error = snr_at(points)
    assert found == pytest.approx(3.0)
    assert error == pytest.approx(0.1 / math.log(10))  # sqrt(0.99 / 99) over a slope of ln 10


@pytest.mark.parametrize("rates", [(0.1, 0.1), (0.01, 0.1), (0.1, 0.0), (0.0, 0.0)])
def test_snr_is_nan_if_the_rate_does_not_fall(rates: tuple[float, float]) -> None:
    found = snr_at(falling().assign(bler=rates))
    assert all(math.isnan(value) for value in found)


def equal_arrays() -> Arrays:
    """Equal outputs of both sides: ones and zeros, base graph 1."""
    names = ["y_awgn", "y_rayleigh_fast"]
    names += [f"{name}_{m}" for m in MODULATIONS for name in ("symbols", "llr")]
    arrays: Arrays = {name: np.ones(2) for name in names}
    for index in range(len(CODES)):
        arrays |= {f"coded_{index}": np.zeros((2, 4)), f"graph_{index}": np.array(1)}
    return arrays


def test_equal_arrays_pass_every_check() -> None:
    checks = compare(equal_arrays(), equal_arrays())
    assert len(checks) == 2 + 2 * len(MODULATIONS) + len(CODES)
    assert {(check.difference, check.verdict) for check in checks} == {(0.0, "ok")}


def test_differences_are_maxima_and_relative_above_one() -> None:
    ours, theirs = equal_arrays(), equal_arrays()
    ours["y_awgn"], theirs["y_awgn"] = np.array([0.5, 1j]), np.array([0.25, 1j])
    ours["y_rayleigh_fast"], theirs["y_rayleigh_fast"] = np.array([3 + 4j]), np.array([3 + 0j])
    ours["llr_4"], theirs["llr_4"] = np.array([-10.0, 1.0]), np.array([-8.0, 1.125])
    ours["symbols_2"] = theirs["symbols_2"] + 0.9e-4
    ours["coded_1"] = np.array([[1, 1, 0, 0], [0, 0, 0, 1]])
    theirs["graph_1"] = np.array(2)
    found = {(check.name, check.inputs): check for check in compare(ours, theirs)}
    off = [name for name, check in found.items() if check.verdict == "OFF"]
    awgn, rayleigh = ("AWGN", "8 x 64 symbols"), ("Rayleigh", "8 x 64 symbols")
    llr = ("exact LLR", "16-QAM, -5 to 25 dB")
    code = ("CRC and LDPC", "(64, 320), 4-QAM, base graph 2, 20 words")
    assert off == [awgn, rayleigh, llr, code]
    assert found[awgn].difference == 0.25  # of 0.25, below 1: absolute
    assert found[rayleigh].difference == pytest.approx(4 / 3)
    assert found[llr].difference == 0.25  # 2 of 8; 0.125 of 1.125 is less
    assert found[code][2:5] == (3.0, "bits", 0.0)
    mapping = found["mapping", "4-QAM, 1,024 symbols"]
    assert mapping.difference == pytest.approx(0.9e-4)


def test_rates_are_compared_by_the_snr_at_equal_rate() -> None:
    shifts = {
        "worse": {OURS: 0.05, LAYERED: 0.2, THEIRS: 0.0},
        "better": {OURS: -0.2, LAYERED: -0.3, THEIRS: 0.0},
    }
    counts = pd.concat(
        falling(shift).assign(link=link, decoder=decoder)
        for link, own in shifts.items()
        for decoder, shift in own.items()
    )
    checks = compare_rates(counts)
    assert [(check.name, check.inputs) for check in checks] == [
        ("BLER, same decoder", "worse"),
        ("BLER, layered, loss", "worse"),
        ("BLER, same decoder", "better"),
        ("BLER, layered, loss", "better"),
    ]
    assert [check.difference for check in checks] == pytest.approx([0.05, 0.2, 0.2, -0.3])
    assert [check.verdict for check in checks] == ["ok", "OFF", "OFF", "ok"]
    errors = [check.standard_error for check in checks]
    assert errors == pytest.approx([math.sqrt(2) * ERROR] * 4)


def test_table_has_a_row_for_each_link_snr_and_decoder() -> None:
    lost = {THEIRS: np.array([[400, 40]] * 3), OURS: np.array([[400, 40], [0, 0], [4000, 0]])}
    table = table_of(lost)
    assert len(table) == len(LINKS) * 2 * 2
    assert BLOCKS == 4000
    assert table["link"].iloc[0] == "(128, 256), 4-QAM, AWGN"
    assert table["link"].iloc[-1] == "(528, 708), 64-QAM, AWGN"
    ours = table[table["decoder"] == OURS].set_index("snr_db")
    row = ours.loc[2.9]
    assert (row["blocks"], row["block_errors"], row["bler"]) == (4000, 40, 0.01)
    # Wilson: (0.01 + z^2/8000 +- z sqrt(0.0099/4000 + z^2/(4 4000^2))) / (1 + z^2/4000), z = 1.96
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((0.0073525, 0.0135878), rel=1e-4)
    assert ours.loc[16.1]["bler"] == 1.0
    assert table["decoder"].value_counts().to_dict() == {THEIRS: 6, OURS: 6}


def interpreter(folder: Path, command: str) -> Path:
    """A program with the arguments of an interpreter: script, inputs, outputs."""
    path = folder / "python"
    path.write_text(f'#!/bin/sh\ntest -f "$1" || exit 9\n{command}\n', encoding="utf-8")
    path.chmod(0o755)
    return path


def test_arrays_are_exchanged_with_the_other_interpreter(tmp_path: Path) -> None:
    given: Arrays = {"x": np.array([1 + 2j, 3.0]), "bits": np.eye(3, dtype=np.uint8)}
    found = ask(interpreter(tmp_path, 'cp "$2" "$3"'), given)
    assert found.keys() == given.keys()
    for name, values in given.items():
        assert found[name].dtype == values.dtype
        assert np.array_equal(found[name], values)


def test_failure_of_the_other_interpreter_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"python tensorflow_side\.py failed with status 3"):
        ask(interpreter(tmp_path, "exit 3"), {"x": np.zeros(1)})
