"""`semlink threshold` on the committed sweep of the digits."""

from pathlib import Path

import pandas as pd
import pytest

from semlink import Error, Results
from simulator.storage.environment import ROOT
from tests.commands import Command, refused

DIGITS = ROOT / "results/reference/digits"


def test_threshold_lists_the_required_snr_of_each_scheme(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schemes = ["--schemes", "separate,analog_pixels", "--reference", "capacity_bound"]
    place = ["--channels", "awgn", "--channel-uses", "64", "--csv", "t.csv"]
    assert semlink("threshold", DIGITS, "--accuracy", 90, *schemes, *place) == 0
    out = capsys.readouterr().out
    table = pd.read_csv(tmp_path / "t.csv")
    assert list(table["scheme"]) == ["separate", "analog_pixels", "capacity_bound"]
    assert (table["ci_low"] <= table["snr_db"]).all()
    assert (table["snr_db"] <= table["ci_high"]).all()
    for row in table.itertuples():
        assert f"{row.snr_db:.2f}" in out
    assert "linear interpolation between the swept SNRs" in out
    assert "minus that of capacity_bound; its interval is from a paired bootstrap" in out


def test_only_the_reference_is_called_the_reference(tmp_path: Path) -> None:
    for name in ("results.csv", "run.json"):
        (tmp_path / name).write_bytes((DIGITS / name).read_bytes())
    rows = pd.read_csv(tmp_path / "results.csv")
    same = rows[rows["scheme"] == "separate"].assign(scheme="separate:webp")
    pd.concat([rows, same]).to_csv(tmp_path / "results.csv", index=False)
    asked = Results.read(tmp_path)
    found = asked.threshold(
        90,
        schemes=["separate:webp"],
        channels=["awgn"],
        channel_uses=[64],
        reference="separate",
    )
    said = {line.split()[2]: line for line in repr(found).splitlines() if "separate" in line}
    assert said["separate"].endswith("reference")
    assert "+0.00" in said["separate:webp"]


def test_difference_is_unpaired_without_outcomes_of_images(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("results.csv", "run.json"):
        (tmp_path / name).write_bytes((DIGITS / name).read_bytes())
    some = ["--schemes", "separate", "--channels", "awgn", "--reference", "label_code"]
    assert semlink("threshold", tmp_path, "--accuracy", 90, *some) == 0
    assert "its interval is unpaired" in capsys.readouterr().out
    (tmp_path / "outcomes.npz").write_bytes(b"damaged")
    assert semlink("threshold", tmp_path, "--accuracy", 90, *some) == 2
    assert refused(capsys).endswith("outcomes.npz is damaged; run the sweep again\n")


def test_python_api_gives_the_same_table(semlink: Command, tmp_path: Path) -> None:
    place = ["--channels", "awgn", "--channel-uses", "16,64", "--schemes", "rkd_sc,adjscc"]
    asked = ["--accuracy", 90, *place, "--reference", "separate"]
    assert semlink("threshold", DIGITS, *asked, "--csv", tmp_path / "t.csv") == 0
    table = Results.read(DIGITS).threshold(
        90,
        schemes=["rkd_sc", "adjscc"],
        channels=["awgn"],
        channel_uses=[16, 64],
        reference="separate",
    )
    pd.testing.assert_frame_equal(table, pd.read_csv(tmp_path / "t.csv"))
    with pytest.raises(Error, match="^accuracy must be from 1 to 100 in percent, got 0.9; 90 stan"):
        Results.read(DIGITS).threshold(0.9)


def test_percent_sign_and_case_are_ignored(
    semlink: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    some = ["--channels", "AWGN", "--channel-uses", "16", "--schemes"]
    assert semlink("threshold", DIGITS, "--accuracy", "90%", *some, "RKD_SC,adjscc") == 0
    signed = capsys.readouterr().out
    assert semlink("threshold", DIGITS, "--accuracy", "90", *some, "rkd_sc,adjscc") == 0
    assert capsys.readouterr().out == signed


@pytest.mark.parametrize(
    ("accuracy", "said"), [(99.9, "not reached by 20"), (5, "at or below -10 (first SNR)")]
)
def test_thresholds_outside_the_swept_snrs_are_described(
    semlink: Command, capsys: pytest.CaptureFixture[str], accuracy: float, said: str
) -> None:
    assert semlink("threshold", DIGITS, "--accuracy", accuracy, "--schemes", "rkd_sc") == 0
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--accuracy", "0.6"], "--accuracy must be from 1 to 100 in percent, got 0.6; 60 stands"),
        (["--accuracy", "190"], "--accuracy must be from 1 to 100 in percent, got 190\n"),
        (["--accuracy", "most"], "--accuracy must be a number in percent such as 90, got 'most'"),
        (["--accuracy", "60", "--reference", "rkd"], "--reference must be among rkd_sc, "),
        (["--accuracy", "60", "--schemes", "rkdsc"], "got 'rkdsc'; did you mean rkd_sc?"),
        (["--accuracy", "60", "--channels", "raylei"], "did you mean rayleigh?"),
        (["--accuracy", "60", "--channel-uses", "5"], "--channel-uses must be among 4, 16, 64, "),
    ],
)
def test_mistakes_raise_one_line_errors(
    semlink: Command, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert semlink("threshold", DIGITS, *arguments) == 2
    assert told in refused(capsys)
