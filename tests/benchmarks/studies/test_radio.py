"""The study of the simulated radio, on known values."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import semlink
from benchmarks.figures.radio import draw_radio
from benchmarks.studies import radio
from channels.radio.frame import Frame
from channels.radio.receive import receive_frame
from channels.radio.simulated import SimulatedRadio
from tests.commands import WEIGHTS


def made_up(shift_db: float) -> radio.Study:
    """Curves that rise by 5 points per dB; the radio's curve is shifted by `shift_db`."""
    study = radio.Study()
    for snr_db in np.arange(-10.0, 11.0):
        row = {"scheme": "rkd_sc", "channel_uses": 16, "snr_db": snr_db}
        for name, later in ((radio.RADIO, shift_db), (radio.IDEAL, 0.0)):
            value = 0.55 + 0.05 * (snr_db - later)
            study.credits[name, "rkd_sc", 16, snr_db] = np.full(50, value)
            row |= {name: value, f"{name}_low": value - 0.01, f"{name}_high": value + 0.01}
        study.rows.append(row)
    return study


def test_loss_is_the_snr_distance_between_the_curves() -> None:
    found = list(radio.losses(made_up(0.7)))
    assert [own["accuracy"] for own in found] == list(radio.TARGETS)
    assert [own["loss_db"] for own in found] == pytest.approx([0.7] * 3)


def test_unreached_target_accuracies_have_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(radio, "TARGETS", (0.9, 2.0))
    assert [own["accuracy"] for own in radio.losses(made_up(0.7))] == [0.9]


def test_residual_power_is_measured_relative_to_the_radio_noise(generator: torch.Generator) -> None:
    """About 0 dB at the radio's own noise; 3 dB more relative to half of it."""
    frame = Frame(images=300, uses=16)
    x = torch.randn((300, 16), dtype=torch.complex64, generator=generator)
    sent = SimulatedRadio(snr_db=10.0, delay=200, gain=0.1j, trail=20)
    output = receive_frame(sent(frame.signal(x), generator=generator), frame)
    added = radio.noise_added_db(output, x, sent)
    assert abs(added) < 4 * 4.35 / np.sqrt(frame.images * frame.uses) + 0.1
    quieter = SimulatedRadio(snr_db=13.0103, gain=0.1j)
    assert radio.noise_added_db(output, x, quieter) == pytest.approx(added + 3.0103)


def test_both_links_are_measured_and_drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {"SCHEMES": ("label_code",), "USES": (16,), "SNR_DB": (-6.0, 4.0)}.items():
        monkeypatch.setattr(radio, name, value)
    monkeypatch.setattr(radio, "transmissions", lambda _: 2)
    study = radio.measured(semlink.load("digits", weights=WEIGHTS))
    table = pd.DataFrame(study.rows)
    assert (table["not_found"] == 0).all()
    assert (table["difference"].abs() < 0.03).all()
    assert table["radio"].tolist() == pytest.approx([0.887, 0.988], abs=0.03)
    files = draw_radio(table, tmp_path)
    assert all(path.stat().st_size > 2000 for path in files)


def test_unwritable_folder_raises_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("sys.argv", ["radio", "--out", str(tmp_path / "file")])
    with pytest.raises(SystemExit, match="2"):
        radio.main()
    assert "radio: error: --out must be a folder that can be written to" in capsys.readouterr().err
