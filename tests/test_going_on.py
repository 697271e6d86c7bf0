"""Reusing an output folder: stopped sweeps resume, and finished results are kept."""

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from simulator.engine.evaluate import Evaluator
from simulator.engine.grid import Task
from simulator.engine.journal import Finished, Journal
from simulator.storage.files import load_tensors, save_tensors
from tests.commands import SMALL, WEIGHTS, Command, refused


def test_ctrl_c_in_a_sweep_keeps_finished_units(
    semlink: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = [*SMALL, "--schemes", "rkd_sc,label_code", "--channel-uses", "4,16"]
    assert semlink("sweep", "digits", *arguments, "--out", "whole") == 0
    computed, whole = [0], Evaluator.__call__

    def count_down(self: Evaluator, task: Task) -> list[Finished]:
        if computed[0] == 3:
            raise KeyboardInterrupt
        computed[0] += 1
        return whole(self, task)

    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "__call__", count_down)
        assert semlink("sweep", "digits", *arguments, "--out", "out") == 130
    assert "3 finished units are in out/journal.jsonl; run the same" in capsys.readouterr().err
    assert not (tmp_path / "out/results.csv").exists()
    computed[0] = -5
    monkeypatch.setattr(Evaluator, "__call__", count_down)
    assert semlink("sweep", "digits", *arguments, "--out", "out") == 0
    assert computed[0] == 0  # five of eight units were left
    one, two = (tmp_path / name / "results.csv" for name in ("whole", "out"))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("moment", "workers"),
    [
        ("simulator.engine.job.Job.write_images", "2"),
        ("simulator.engine.folder.open_pool", "1"),
        ("simulator.engine.journal.Journal.begin", "1"),
        ("simulator.engine.workers.InProcess.close", "1"),
        ("simulator.engine.folder.write_table", "1"),
        ("simulator.resolve.draw", "1"),
    ],
)
def test_ctrl_c_before_or_after_the_units_explains_how_to_resume(
    semlink: Command,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
    workers: str,
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    arguments = [*SMALL, "--schemes", "label_code", "--channel-uses", "4", "--out", "out"]
    with monkeypatch.context() as patch:
        patch.setattr(moment, interrupted)
        assert semlink("sweep", "digits", *arguments, "--workers", workers) == 130
    kept = 2 if moment.endswith(("close", "write_table", "draw")) else 0
    told = f"{kept} finished units are in out/journal.jsonl; run the same command again to resume\n"
    assert capsys.readouterr().err.endswith(f"semlink: stopped; {told}")
    assert semlink("sweep", "digits", *arguments) == 0


def test_ctrl_c_during_writing_counts_the_units_on_disk(
    semlink: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flush = os.fsync

    def interrupted(file: int) -> None:
        flush(file)
        if len(Journal(tmp_path / "out")) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("simulator.engine.journal.os.fsync", interrupted)
    arguments = [*SMALL, "--schemes", "label_code", "--channel-uses", "4", "--out", "out"]
    assert semlink("sweep", "digits", *arguments) == 130
    assert "semlink: stopped; 2 finished units are in" in capsys.readouterr().err


def test_ctrl_c_in_a_fresh_sweep_advises_resuming_without_fresh(
    semlink: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("simulator.engine.folder.write_table", interrupted)
    arguments = [*SMALL, "--schemes", "label_code", "--channel-uses", "4", "--fresh"]
    assert semlink("sweep", "digits", *arguments) == 130
    assert "run the same command again without --fresh to resume" in capsys.readouterr().err


def test_larger_grid_reuses_finished_units(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--schemes", "label_code", "--channel-uses", "4", "--images", "20"]
    assert semlink("sweep", "digits", *arguments, "--snr-db", "0", "--out", "a") == 0
    before = (tmp_path / "a/journal.jsonl").read_bytes()
    assert semlink("sweep", "digits", *arguments, "--snr-db", "0,5", "--out", "a") == 0
    assert (tmp_path / "a/journal.jsonl").read_bytes().startswith(before)
    assert pd.read_csv(tmp_path / "a/results.csv")["snr_db"].tolist() == [0, 5, 0, 5]
    assert "earlier sweep" not in capsys.readouterr().err
    assert semlink("sweep", "digits", *arguments, "--snr-db", "0", "--out", "a") == 0
    assert (
        "semlink: 2 rows of an earlier sweep into a will not be in the new table (schemes "
        "label_code); to keep them, sweep its schemes, channels, SNRs and k too\n"
    ) in capsys.readouterr().err


def test_run_stopped_before_its_first_unit_allows_other_settings(
    semlink: Command, tmp_path: Path
) -> None:
    with Journal(tmp_path / "a") as journal:
        journal.begin({"seed": 0, "images": 30, "schemes": {}})
    asked = ["--schemes", "label_code", "--channel-uses", "4", "--images", "20", "--snr-db", "0"]
    assert semlink("sweep", "digits", *asked, "--out", "a") == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (["--seed", "1"], "changed: seed 0 -> 1"),
        (["--images", "30"], "changed: images 20 -> 30"),
        (["--precision", "bf16"], "changed: precision fp32 -> bf16"),
    ],
)
def test_error_lists_the_changed_settings_of_a_sweep(
    semlink: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: list[str],
    told: str,
) -> None:
    arguments = [*SMALL, "--schemes", "rkd_sc", "--channel-uses", "4", "--out", "a"]
    assert semlink("sweep", "digits", *arguments) == 0
    before = (tmp_path / "a/journal.jsonl").read_bytes()
    capsys.readouterr()
    assert semlink("sweep", "digits", *arguments, *change) == 2
    assert told in capsys.readouterr().err
    assert (tmp_path / "a/journal.jsonl").read_bytes() == before
    assert semlink("sweep", "digits", *arguments, *change, "--fresh") == 0


def test_error_names_weights_changed_since_the_sweep(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(WEIGHTS, tmp_path / "w")
    arguments = [*SMALL, "--schemes", "rkd_sc", "--channel-uses", "4", "--out", "a"]
    assert semlink("sweep", "digits", *arguments, "--weights", "w") == 0
    tensors, header = load_tensors(tmp_path / "w/codec.safetensors")
    tensors["head.bias"] += 1
    save_tensors(tmp_path / "w/codec.safetensors", tensors, header)
    capsys.readouterr()
    assert semlink("sweep", "digits", *arguments, "--weights", "w") == 2
    assert "changed: codec of rkd_sc. Add --fresh" in capsys.readouterr().err


def test_fresh_removes_only_the_parts_of_its_stage(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(WEIGHTS, tmp_path / "a/weights")
    before = {path.name: path.read_bytes() for path in (tmp_path / "a/weights").iterdir()}
    train = ["train", "digits", "--stage", "rebuilt", "--fresh", "--out", "a"]
    assert semlink(*train, "--minutes", "1e-9") == 0
    left = {path.name for path in (tmp_path / "a/weights").iterdir()}
    assert before.keys() - left == {"rebuilt_student_k64.safetensors"}

    name = "rebuilt_student_k64.safetensors"
    (tmp_path / "a/weights" / name).write_bytes(before[name])
    (tmp_path / "a/weights/deep_jscc_image_k64.safetensors").unlink()
    capsys.readouterr()
    assert semlink(*train) == 2
    assert "deep_jscc_image_k64.safetensors must be there first" in refused(capsys)
    assert (tmp_path / "a/weights" / name).read_bytes() == before[name]


def test_fresh_baselines_remove_only_their_own_weights(semlink: Command, tmp_path: Path) -> None:
    shutil.copytree(WEIGHTS, tmp_path / "a/weights")
    before = {path.name for path in (tmp_path / "a/weights").glob("*.safetensors")}
    train = ["train", "digits", "--stage", "baselines", "--schemes", "deep_jscc", "--out", "a"]
    assert semlink(*train, "--fresh", "--minutes", "1e-9") == 0
    left = {path.name for path in (tmp_path / "a/weights").glob("*.safetensors")}
    gone = before - left
    assert gone
    assert all(name.startswith("deep_jscc_k") for name in gone)


def test_new_sweep_replaces_the_figures_of_the_old_one(semlink: Command, tmp_path: Path) -> None:
    for k in ("4", "16"):
        grid = ["--channel-uses", k, "--schemes", "label_code"]
        assert semlink("sweep", "digits", *SMALL, *grid, "--out", "a") == 0
    names = {path.stem for path in (tmp_path / "a/figures").iterdir()}
    assert names == {"accuracy_snr_k16"}
