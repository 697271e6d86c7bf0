"""`semlink plot` redraws a part of a committed sweep."""

import shutil
from pathlib import Path

import pytest

from simulator.storage.environment import ROOT
from tests.commands import Command, refused

DIGITS = ROOT / "results/reference/digits"
PART = ["--channels", "awgn", "--channel-uses", "4", "--out", "a"]


def test_plot_draws_the_requested_part_and_keeps_other_figures(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--axis", "error", "--width", "column", "--schemes", "label_code,rkd_sc"]
    folder = tmp_path / "a/figures"
    folder.mkdir(parents=True)
    (folder / "accuracy_snr_k16.png").write_bytes(b"kept")
    assert semlink("plot", DIGITS, *PART, *asked) == 0
    told = "figure:  a/figures/error_snr_k4_awgn.{png,pdf,txt,tex}\n"
    assert capsys.readouterr().out == told
    names = {f"error_snr_k4_awgn.{kind}" for kind in ("png", "pdf", "txt", "tex")}
    assert {path.name for path in folder.iterdir()} == names | {"accuracy_snr_k16.png"}
    caption = (folder / "error_snr_k4_awgn.txt").read_text(encoding="utf-8")
    assert caption.startswith("digits, 8x8 grey, 10 classes: error rate versus SNR at k = 4, AWGN.")
    assert "ADJSCC serves k in {16, 64}" in caption
    assert "Noiseless accuracy (student and head, no channel): 98.8 %" in caption


def test_schemes_without_points_are_reported_and_case_is_ignored(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--schemes", "RKD_SC,DT_JSCC:64QAM,separate", "--channel-uses", "16,64"]
    assert semlink("plot", DIGITS, *asked, "--channels", "awgn", "--out", "a") == 0
    gaps = "dt_jscc:64qam at k = 64; separate at k = 16"
    told = f"semlink: not drawn, the sweep has no such points: {gaps}\n"
    assert capsys.readouterr().err == told
    caption = (tmp_path / "a/figures/accuracy_snr_k16.txt").read_text(encoding="utf-8")
    assert "RKD-SC: one nested" in caption
    assert semlink("plot", DIGITS, "--schemes", "rkd_sc", *PART) == 0
    assert capsys.readouterr().err == ""


def test_published_curves_can_be_selected(semlink: Command, tmp_path: Path) -> None:
    cifar100 = ROOT / "results/reference/cifar100"
    part = ["--schemes", "published_notebook,rkd_sc", "--channel-uses", "256", "--channels", "awgn"]
    assert semlink("plot", cifar100, *part, "--out", "a") == 0
    caption = (tmp_path / "a/figures/accuracy_snr_k256.txt").read_text(encoding="utf-8")
    assert "published notebook: conference version" in caption


def test_curves_of_a_file_are_drawn_too(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = "scheme,channel,channel_uses,snr_db,accuracy,settings\n"
    curve = "theirs,awgn,4,0,0.5,read off figure 3\ntheirs,awgn,4,10,0.75,read off figure 3\n"
    (tmp_path / "theirs.csv").write_text(head + curve)
    assert semlink("plot", DIGITS, *PART, "--schemes", "rkd_sc", "--add", "theirs.csv") == 0
    caption = (tmp_path / "a/figures/accuracy_snr_k4.txt").read_text(encoding="utf-8")
    assert "theirs: read off figure 3" in caption
    capsys.readouterr()
    (tmp_path / "theirs.csv").write_text(head + "theirs,awgn,4,0,50,read off figure 3\n")
    assert semlink("plot", DIGITS, *PART, "--add", "theirs.csv") == 2
    assert "accuracy of added curves must be 0 to 1, got 50" in refused(capsys)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--schemes", "label_cod"], "--schemes must be among rkd_sc, "),
        (["--schemes", "label_cod"], "got 'label_cod'; did you mean label_code?"),
        (["--channels", "awg"], "--channels must be among awgn, rayleigh, got 'awg'; did you mean"),
        (["--channel-uses", "5"], "--channel-uses must be among 4, 16, 64, got '5'"),
        (["--axis", "errors"], "'errors' is not one of 'accuracy', 'error'"),
        (["--width", "page"], "'page' is not one of 'auto', 'column', 'text'"),
    ],
)
def test_mistakes_raise_one_line_errors(
    semlink: Command, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert semlink("plot", DIGITS, "--out", "a", *arguments) == 2
    assert told in refused(capsys)


def test_combination_without_points_raises_an_error(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a").mkdir()
    for name in ("results.csv", "run.json"):
        shutil.copy(DIGITS / name, tmp_path / "a")
    assert semlink("plot", "a", "--schemes", "separate", "--channel-uses", "4") == 2
    assert "must hold a point of these --schemes" in refused(capsys)
