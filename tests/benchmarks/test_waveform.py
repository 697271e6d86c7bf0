"""Peak-to-average power ratio of known signals, and the study on a few digits."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest
import torch

from benchmarks.waveform import IMPAIRMENTS, REFERENCES, measure, peaks, reference
from channels.ofdm.waveform import OVERSAMPLING
from simulator.commands.options import run
from simulator.storage.environment import REFERENCE


def test_equal_symbols_have_the_highest_papr_and_one_tone_the_lowest() -> None:
    equal = peaks(torch.ones((200, 72), dtype=torch.complex64), width=72)
    assert equal.papr_db == pytest.approx(10 * math.log10(72), abs=1e-4)
    assert equal.papr_low == pytest.approx(equal.papr_high)
    tone = peaks(torch.ones((10, 1), dtype=torch.complex64), width=72)
    assert tone.papr_db == pytest.approx(0.0, abs=1e-4)
    assert tone.ofdm_symbols == 10


def test_gaussian_peaks_follow_the_exponential_law() -> None:
    """P(peak < x) = (1 - e^-x)^n with n = 2.8 effective samples per subcarrier [van Nee 1998]."""
    found = peaks(reference("gaussian", 72), width=72)
    expected = 10 * math.log10(-math.log(1 - 0.99 ** (1 / (2.8 * 72))))
    assert found.papr_low < found.papr_db < found.papr_high
    assert found.papr_db == pytest.approx(expected, abs=0.15)
    assert OVERSAMPLING == 4


def test_partially_filled_ofdm_symbols_are_left_out() -> None:
    x = torch.ones((5, 100), dtype=torch.complex64)
    x[:, 72:] = 100.0
    assert peaks(x, width=72).ofdm_symbols == 5
    assert peaks(x, width=72).papr_db == pytest.approx(10 * math.log10(72), abs=1e-4)
    assert peaks(x[:, :72].repeat(1, 2), width=72).ofdm_symbols == 10


def test_papr_interval_covers_the_quantile() -> None:
    """In at least 95 % of samples of a known distribution; at least 33 of 40 are required."""
    true = 10 * math.log10(-math.log(1 - 0.99 ** (1 / (2.8 * 72))))
    x = reference("gaussian", 72)
    whole = peaks(x, width=72).papr_db
    found = [peaks(own, width=72) for own in x.split(500)]
    assert abs(whole - true) < 0.15
    assert sum(own.papr_low <= whole <= own.papr_high for own in found) >= 33


def test_waveform_study_on_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = str(REFERENCE / "digits/weights")
    small = ["--images", "20", "--realizations", "1", "--channel-uses", "16", "--snr-db", "5"]
    arguments = ["digits", "--weights", weights, "--schemes", "rkd_sc,label_code", *small]
    monkeypatch.setattr("sys.argv", ["waveform", *arguments, "--out", str(tmp_path)])
    run(measure.click, "waveform")
    table = pd.read_csv(tmp_path / "waveform.csv").set_index("scheme")
    assert table.index.tolist() == ["qpsk", "16qam", "gaussian", "rkd_sc", "label_code"]
    assert table["papr_db"].between(3, 15).all()
    assert table["accuracy"].isna().tolist() == [True, True, True, False, False]
    for name in IMPAIRMENTS:
        own = table.loc[["rkd_sc", "label_code"]]
        assert (own[f"{name}_low"] <= own[name]).all()
    about = json.loads((tmp_path / "waveform.json").read_text())
    assert about["grid"]["channels"][0] == "tdl:A:300ns"


def test_schemes_that_cannot_use_multipath_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = str(REFERENCE / "digits/weights")
    small = ["--images", "20", "--realizations", "1", "--channel-uses", "64", "--snr-db", "5"]
    arguments = ["digits", "--weights", weights, "--schemes", "separate:genie,label_code", *small]
    monkeypatch.setattr("sys.argv", ["waveform", *arguments, "--out", str(tmp_path)])
    run(measure.click, "waveform")
    assert set(pd.read_csv(tmp_path / "waveform.csv")["scheme"]) == {*REFERENCES, "label_code"}


def test_channels_option_is_rejected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["waveform", "digits", "--channels", "awgn"])
    with pytest.raises(SystemExit) as stop:
        run(measure.click, "waveform")
    assert stop.value.code == 2
    assert "--channels must be left out" in capsys.readouterr().err
