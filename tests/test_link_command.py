"""`semlink link` as users see it: table, figure, and a one-line error for every mistake."""

import errno
import json
import os
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.figures.plans import over_ebn0
from channels import names
from simulator.measures import digital_link as link_level
from tests.commands import Command
from tests.lawless import LawlessChannel

COLUMNS = [
    *("ebn0_db", "bits", "bit_errors", "ber", "blocks", "block_errors", "bler"),
    *("ci_low", "ci_high", "theory_ber", "snr_db", "ber_low", "ber_high"),
]


def test_link_writes_table_description_and_figure(
    semlink: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--modulation", "16", "--ebn0-db", "1:7:3", "--max-blocks", "200", "--out", "a"]
    assert semlink("link", *arguments) == 0
    rows = pd.read_csv(tmp_path / "a/link.csv")
    assert list(rows.columns) == COLUMNS
    assert rows["ebn0_db"].tolist() == [1, 4, 7]
    assert rows["bler"].iloc[0] > 0.5 > rows["bler"].iloc[2]
    assert (rows["ci_low"] <= rows["bler"]).all()
    assert (rows["bler"] <= rows["ci_high"]).all()
    description = json.loads((tmp_path / "a/run.json").read_text())
    assert description["link"]["pipe"]["payload_bits"] == 512
    assert description["link"]["pipe"]["channel_uses"] == 264
    assert (tmp_path / "a/figures/link.png").stat().st_size > 10_000
    assert (tmp_path / "a/figures/link.pdf").exists()
    assert "a/link.csv" in capsys.readouterr().out
    assert semlink("link", *arguments[:-1], "b") == 0
    assert (tmp_path / "a/link.csv").read_bytes() == (tmp_path / "b/link.csv").read_bytes()
    one, two = (tmp_path / f"{name}/figures/link.png" for name in "ab")
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "payload", "uses"),
    [
        (["--code-rate", "1", "--modulation", "64"], 510, 85),
        (["--code-rate", "1", "--channel-uses", "10"], 20, 10),
        (["--code-rate", "0.75", "--channel-uses", "100"], 134, 100),
        (["--channel-uses", "100", "--payload-bits", "50"], 50, 100),
        (["--code-rate", "1/20", "--payload-bits", "64"], 64, 800),
    ],
)
def test_payload_and_channel_uses_follow_from_the_options(
    semlink: Command,
    tmp_path: Path,
    arguments: list[str],
    payload: int,
    uses: int,
) -> None:
    few = ["--ebn0-db", "3", "--max-blocks", "20", "--channel", "rayleigh", "--out", "a"]
    assert semlink("link", *arguments, *few) == 0
    rows = pd.read_csv(tmp_path / "a/link.csv")
    assert rows["bits"].tolist() == [20 * payload]
    pipe = json.loads((tmp_path / "a/run.json").read_text())["link"]["pipe"]
    assert pipe["channel_uses"] == uses


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--modulation", "5"], "--modulation must be the points of a QAM constellation, one of 4"),
        (["--modulation", "qpsk"], "--modulation must be 4 for QPSK, or 16, 64 or 256 for QAM"),
        (["--code-rate", "0"], "--code-rate must be above 0 and at most 0.926 (5G LDPC), or 1"),
        (["--code-rate", "-1/2"], "--code-rate must be above 0"),
        (["--code-rate", "1/1000"], "at code rate 1/1000 they take 264000; choose a higher"),
        (
            ["--code-rate", "948/1024", "--payload-bits", "106"],
            "106 payload bits in 66 channel uses of QPSK (code rate 0.924) cannot be decoded",
        ),
        (["--code-rate", "2"], "--code-rate must be"),
        (["--code-rate", "1/0"], "--code-rate must be"),
        (["--code-rate", "nan"], "--code-rate must be"),
        (["--code-rate", "half"], "--code-rate must be"),
        (["--payload-bits", "8425"], "--payload-bits must be a whole number from 1 to 8424"),
        (["--payload-bits", "0"], "--payload-bits must be"),
        (
            ["--payload-bits", "85", "--channel-uses", "100"],
            "--payload-bits must be at most 84 for 100 channel uses of 2 bits at code rate 1/2",
        ),
        (["--channel-uses", "5"], "ask for more channel uses"),
        (["--channel-uses", "90000"], "must fit one code block of 8448 bits"),
        (["--code-rate", "1", "--payload-bits", "7"], "--payload-bits must fill whole symbols"),
        (["--code-rate", "1", "--payload-bits", "1"], "--payload-bits must fill whole symbols"),
        (["--code-rate", "1", "--decoder", "sionna"], "--decoder sionna needs a code"),
        (["--ebn0-db", "6:0:1"], "--ebn0-db must be FIRST:LAST:STEP"),
        (["--ebn0-db", ""], "--ebn0-db must be"),
        (["--channel", "fog"], "--channel: channel must be one of awgn"),
        (["--channel", "awgn,rayleigh"], "--channel: channel must be one of"),
        (["--errors", "0"], "--errors must be"),
        (["--max-blocks", "0"], "--max-blocks must be"),
        (["--seed", "-1"], "--seed must be"),
    ],
)
def test_mistakes_raise_one_line_errors_and_leave_no_files(
    semlink: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    told: str,
) -> None:
    assert semlink("link", *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("semlink: error: ")
    assert err.count("\n") == 1
    assert told in err
    assert list(tmp_path.iterdir()) == []


def test_no_figure_is_drawn_without_block_errors(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ["--code-rate", "1", "--max-blocks", "20", "--out", "a"]
    assert semlink("link", *few, "--ebn0-db", "5") == 0
    assert (tmp_path / "a/figures/link.png").exists()
    assert semlink("link", *few, "--ebn0-db", "5") == 0  # the same request is simply repeated
    before = (tmp_path / "a/link.csv").read_bytes()
    assert semlink("link", *few, "--ebn0-db", "40") == 2
    told = "a holds a result with other settings; changed: ebn0_db. Add --fresh to replace it"
    assert told in capsys.readouterr().err
    assert (tmp_path / "a/link.csv").read_bytes() == before
    assert semlink("link", *few, "--ebn0-db", "40", "--fresh") == 0
    assert pd.read_csv(tmp_path / "a/link.csv")["block_errors"].tolist() == [0]
    assert not any((tmp_path / "a/figures").iterdir())  # the earlier figure is removed too
    assert "no figure" in capsys.readouterr().out


@pytest.mark.parametrize("rate", ["1", "1/2"])
def test_channel_without_closed_form_has_no_theory_curve(
    semlink: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    rate: str,
) -> None:
    rows = (*names.CHANNELS, names.Row("lawless", "", LawlessChannel))
    monkeypatch.setattr(names, "CHANNELS", rows)
    few = ["--code-rate", rate, "--ebn0-db", "0:10:5", "--max-blocks", "100", "--out", "a"]
    assert semlink("link", "--channel", "lawless", *few) == 0
    table = pd.read_csv(tmp_path / "a/link.csv")
    assert list(table.columns) == COLUMNS
    assert table["theory_ber"].isna().all()
    assert (tmp_path / "a/figures/link.png").stat().st_size > 10_000
    assert "theory_ber: not known for lawless" in capsys.readouterr().out
    plan = over_ebn0(table, title="", about="")
    assert list(plan.shown) == ["measured"]


@pytest.mark.parametrize(
    ("point", "drawn"),
    [
        (["--ebn0-db", "40", "--code-rate", "1", "--max-blocks", "20"], False),
        (["--ebn0-db=-60", "--payload-bits", "1", "--max-blocks", "1", "--seed", "1"], True),
    ],
)
def test_channel_without_closed_form_at_bler_0_and_1(
    semlink: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    point: list[str],
    drawn: bool,
) -> None:
    rows = (*names.CHANNELS, names.Row("lawless", "", LawlessChannel))
    monkeypatch.setattr(names, "CHANNELS", rows)
    assert semlink("link", "--channel", "lawless", *point, "--out", "a") == 0
    assert pd.read_csv(tmp_path / "a/link.csv")["bler"].tolist() == [float(drawn)]
    assert (tmp_path / "a/figures/link.png").exists() == drawn
    assert ("no figure: there is no error rate above 0" in capsys.readouterr().out) != drawn


def test_full_disk_error_names_the_file_and_the_remedy(
    semlink: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert semlink("link", "--ebn0-db", "5", "--max-blocks", "5", "--out", "a") == 2
    assert capsys.readouterr().err.endswith(
        "semlink: error: a/link.csv: No space left on device; make room there, then run the same "
        "command again\n"
    )
    assert list((tmp_path / "a").iterdir()) == []


def test_ctrl_c_leaves_no_files(
    semlink: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(link_level, "_send", interrupt)
    assert semlink("link", "--out", "a") == 130
    assert "semlink: stopped; nothing was written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
