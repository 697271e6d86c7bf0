"""`semlink report` as users see it: the files it writes, and the errors it raises."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from simulator.storage.environment import ROOT
from tests.commands import SMALL, WEIGHTS, Command, refused

REFERENCE = ROOT / "results/reference"
LINKS = REFERENCE / "cifar100/links"
SWEEP = ["sweep", "digits", "--weights", WEIGHTS, *SMALL, "--channel-uses", "4"]


def content(path: Path) -> list[dict[str, Any]]:
    """The sweeps of a report."""
    page = path.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    sweeps: list[dict[str, Any]] = json.loads(found[1])["sweeps"]
    return sweeps


def test_sweep_and_report_command_write_the_same_report(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert semlink(*SWEEP, "--schemes", "rkd_sc,label_code", "--out", "out") == 0
    assert capsys.readouterr().out.endswith(f"report:  {Path('out/report.html')}\n")
    first = (tmp_path / "out/report.html").read_bytes()
    assert semlink("report", "out", "--out", "again.html") == 0
    assert capsys.readouterr().out == "report:  again.html\n"
    assert (tmp_path / "again.html").read_bytes() == first
    assert semlink("report", "out") == 0
    assert (tmp_path / "out/report.html").read_bytes() == first
    (sweep,) = content(tmp_path / "again.html")
    assert len(sweep["differences"]["a"]) == 2  # two SNRs, one pair
    top = json.loads((tmp_path / "out/run.json").read_text())["noiseless_accuracy"]["accuracy"]
    assert [*sweep["thresholds"]] == [f"{100 * part * top:.0f}" for part in (0.8, 0.9, 0.95)]


def test_report_without_outcomes_explains_the_missing_reference(
    semlink: Command, tmp_path: Path
) -> None:
    folders = (REFERENCE / "cifar100/codec_per_k", REFERENCE / "cifar100/wrong_snr")
    assert semlink("report", *folders, "--out", "two.html") == 0
    one, two = content(tmp_path / "two.html")
    assert (one["name"], two["name"]) == ("codec_per_k", "wrong_snr")
    for sweep in (one, two):
        assert sweep["differences"] is None
        assert "no outcomes of single images" in sweep["without"]
        assert "published_notebook" in sweep["schemes"]
        assert sweep["published"]["scheme"]["values"] == ["published_notebook"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nowhere",), "nowhere must be the folder of a finished sweep, but does not exist"),
        ((LINKS, LINKS), "FOLDERS must be different sweeps, got"),
        ((LINKS, "--out", "."), "--out must be a file to write, got the folder"),
        ((LINKS, "--out", "file/a.html"), "must be a folder that can be written to"),
        ((), "Missing argument 'FOLDERS...'"),
    ],
)
def test_mistakes_raise_one_line_errors_and_write_no_files(
    semlink: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[object, ...],
    told: str,
) -> None:
    (tmp_path / "file").write_text("")
    assert semlink("report", *arguments) == 2
    assert told in refused(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_damaged_sweep_raises_an_error_and_keeps_the_old_report(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "f3"
    shutil.copytree(REFERENCE / "cifar100/codec_per_k", folder)
    (folder / "report.html").write_text("earlier")
    run = json.loads((folder / "run.json").read_text())
    del run["data"]["title"], run["data"]["classes"]
    (folder / "run.json").write_text(json.dumps(run))
    assert semlink("report", folder) == 2
    assert "run.json must hold title, classes of the data; sweep again" in refused(capsys)
    assert (folder / "report.html").read_text() == "earlier"
