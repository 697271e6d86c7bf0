"""What `semlink train` says when it is done."""

from pathlib import Path

import pytest

from simulator.storage.folders import TRAINING, locked
from tests.commands import Command, refused

BRIEF = 'base = "digits"\nviews = 1\n'


@pytest.mark.parametrize(("rate", "guesses"), [("1e-9", True), ("0.02", False)])
def test_parts_that_only_guess_are_named(
    rate: str,
    guesses: bool,
    semlink: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "brief.toml").write_text(BRIEF, encoding="utf-8")
    asked = ("train", "brief.toml", "--stage", "teacher", "--epochs", "2", "--lr", rate)
    assert semlink(*asked) == 0
    out, err = capsys.readouterr()
    assert "teacher" in out
    assert ("no better than a guess on 297 validation images: teacher;" in err) == guesses


@pytest.mark.parametrize(
    ("asked", "folder"),
    [
        (("train", "digits", "--fresh", "--stage", "teacher"), "out"),
        (("search", "digits", "--fresh", "--epochs", "1", "--training", "taught"), "out/teaching"),
        (("search", "digits", "--fresh", "--epochs", "1"), "results/runs/digits"),
    ],
)
def test_a_folder_that_another_process_trains_in_is_refused(
    asked: tuple[str, ...],
    folder: str,
    semlink: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "taught").mkdir()
    with locked(tmp_path / folder, TRAINING):
        kept = tmp_path / "out/weights/teacher.safetensors"
        kept.parent.mkdir(parents=True)
        kept.write_bytes(b"of the other process")
        assert semlink(*asked, "--out", "out") == 2
        assert kept.read_bytes() == b"of the other process"
    assert f"{folder} is in use by another semlink process; wait for it" in refused(capsys)
