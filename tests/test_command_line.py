"""The command line as a user meets it: what it writes, and the one line for every mistake."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from simulator.__main__ import main
from simulator.evaluate import Evaluator
from simulator.journal import Finished
from simulator.points import Task
from simulator.records import ROOT, load_tensors, save_tensors
from tests.simulator.data_files import write_folders

WEIGHTS = ROOT / "results/reference/digits/weights"
SMALL = ["--images", "20", "--realizations", "1", "--snr-db", "-10,10", "--channels", "awgn"]
Run = Callable[..., int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run semlink with some arguments in an empty folder; gives the exit status."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> int:
        monkeypatch.setattr("sys.argv", ["semlink", *map(str, arguments)])
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0)
        return 0

    return run


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr, and nothing on stdout."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("semlink: error: ")
    assert err.count("\n") == 1
    return err


def test_sweep_writes_table_description_and_figures(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("sweep", "digits", *SMALL, "--channel-uses", "16", "--out", "made/here") == 0
    folder = tmp_path / "made/here"
    rows = pd.read_csv(folder / "results.csv")
    names = ["rkd_sc", "deep_jscc", "adjscc", "dt_jscc", "dt_jscc:64qam", "vl_vfe"]
    names += ["capacity_bound", "digital_semantic", "label_code"]
    assert list(rows["scheme"].unique()) == names
    assert len(rows) == 2 * len(names)
    choices = pd.read_csv(folder / "choices.csv")
    assert list(choices["scheme"]) == ["capacity_bound"] * 2 + ["digital_semantic"] * 2
    assert list(choices["snr_db"]) == [-10, 10] * 2
    assert rows["accuracy"].between(0, 1).all()
    assert (rows["ci_low"] <= rows["accuracy"]).all()
    assert (rows["accuracy"] <= rows["ci_high"]).all()
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "results.parquet"), rows)
    description = json.loads((folder / "run.json").read_text())
    assert description["grid"]["snr_db"] == [-10, 10]
    assert description["recipe"]["codec"]["model"]["type"] == "CatConfig"
    assert set(description["weights"]) >= {"student", "codec", "head"}
    assert (folder / "figures/accuracy_snr_k16.png").stat().st_size > 10_000
    assert (folder / "figures/accuracy_snr_k16.pdf").exists()
    out, err = capsys.readouterr()
    assert str(Path("made/here/results.csv")) in out
    assert "separate serves" in err  # left out at k = 16, and said so


def test_same_seed_same_bytes(run: Run, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert run("sweep", "digits", *SMALL, "--channel-uses", "4,64", "--out", name) == 0
    one, two = (tmp_path / name / "results.csv" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_plot_draws_a_finished_sweep_again(run: Run, tmp_path: Path) -> None:
    run("sweep", "digits", *SMALL, "--channel-uses", "4", "--schemes", "label_code", "--out", "a")
    figure = tmp_path / "a/figures/accuracy_snr_k4.png"
    drawn = figure.read_bytes()
    figure.unlink()
    assert run("plot", "a") == 0
    assert figure.read_bytes() == drawn
    assert run("plot", "a", "--out", "b") == 0
    assert (tmp_path / "b/figures/accuracy_snr_k4.png").exists()


def test_folder_with_only_a_test_split_sweeps(run: Run, tmp_path: Path) -> None:
    classes = [str(digit) for digit in range(10)]
    pictures = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    labels = [index % 10 for index in range(20)]
    write_folders(tmp_path / "mine/test", pictures, labels, classes)
    arguments = ["--data", "mine", "--snr-db", "10", "--channel-uses", "16", "--out", "out"]
    assert run("sweep", "digits", *arguments, "--schemes", "rkd_sc,label_code") == 0
    assert pd.read_csv(tmp_path / "out/results.csv")["images"].eq(20).all()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["sweep", "letters"],
            "RECIPE must be one of digits, cifar100, cifar100_gpu, images, got 'letters'",
        ),
        (["train", "letters"], "RECIPE must be one of"),
        (["sweep", "digits", "--schemes", "magic"], "--schemes must name schemes among rkd_sc"),
        (["sweep", "digits", "--schemes", ""], "--schemes must name schemes among rkd_sc"),
        (["sweep", "digits", "--schemes", "rkd_sc:"], "must have a label behind each colon"),
        (["sweep", "digits", "--channels", "fog"], "--channels:"),
        (["sweep", "digits", "--snr-db", "abc"], "--snr-db must be"),
        (["sweep", "digits", "--snr-db", "nan"], "--snr-db must be"),
        (["sweep", "digits", "--snr-db", "10:0:1"], "--snr-db must be"),
        (["sweep", "digits", "--channel-uses", "0"], "--channel-uses must be"),
        (["sweep", "digits", "--channel-uses", "2.5"], "--channel-uses must be"),
        (["sweep", "digits", "--channel-uses", "65", "--schemes", "rkd_sc"], "nothing to sweep"),
        (["sweep", "digits", "--images", "0"], "--images must be a whole number from 1 to 500"),
        (["sweep", "digits", "--images", "501"], "--images must be a whole number from 1 to 500"),
        (["sweep", "digits", "--images", "many"], "--images"),
        (["sweep", "digits", "--realizations", "0"], "--realizations must be"),
        (["sweep", "digits", "--seed", "-1"], "--seed must be"),
        (["sweep", "digits", "--device", "abacus"], "--device must be"),
        (["sweep", "digits", "--device", "cuda:99"], "--device must be"),
        (["sweep", "digits", "--colour", "red"], "No such option"),
        (["sweep", "digits", "--data", "nowhere"], "nowhere: no such folder"),
        (["sweep", "digits", "--weights", "nowhere"], "--weights must be a folder"),
        (["sweep", "cifar100"], "recipe cifar100 needs images: add --data DIR"),
        (["sweep"], "Missing argument 'RECIPE'"),
        (["plot", "nowhere"], "results.csv is missing"),
        (["paint"], "No such command 'paint'"),
    ],
)
def test_mistake_is_one_line_and_leaves_nothing(
    run: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    told: str,
) -> None:
    assert run(*arguments) == 2
    assert told in refused(capsys)
    assert list(tmp_path.iterdir()) == []


def test_out_that_cannot_be_written_is_refused(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    for command in (["sweep", "digits", *SMALL], ["train", "digits"]):
        assert run(*command, "--out", "file/out") == 2
        assert "--out must be a folder that can be written to" in refused(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_wrong_data_is_refused(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut/test-00000-of-00001.parquet").write_bytes(b"PAR1 and then nothing")
    (tmp_path / "cut/train-00000-of-00001.parquet").write_bytes(b"PAR1 and then nothing")
    for folder, told in (("empty", "empty: must hold"), ("cut", ".parquet")):
        assert run("sweep", "digits", "--data", folder, "--out", "out") == 2
        assert told in refused(capsys)
    assert not (tmp_path / "out").exists()


def test_wrong_weights_are_refused(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(reason: str) -> None:
        assert run("sweep", "digits", *SMALL, "--weights", "weights", "--out", "out") == 2
        assert reason in refused(capsys)
        assert not (tmp_path / "out").exists()

    folder = tmp_path / "weights"
    folder.mkdir()
    told("student.safetensors must hold trained weights, but is missing")
    for path in WEIGHTS.glob("*.safetensors"):
        shutil.copy(path, folder)
    student, codec = folder / "student.safetensors", folder / "codec.safetensors"
    tensors, header = load_tensors(student)
    other = {**header, "origin": {**header["origin"], "recipe": "cifar100"}}
    save_tensors(student, tensors, other)
    told("must belong to recipe digits, but was trained for 'cifar100'")
    save_tensors(student, tensors, {**header, "origin": {**header["origin"], "classes": ["a"]}})
    told("was trained on 1 classes")
    save_tensors(student, {"a": torch.zeros(2)}, header)
    told("does not fit the models of recipe digits")
    save_file({"a": torch.zeros(2)}, student)
    told("holds no semlink header")
    student.write_text("not tensors")
    told("student.safetensors must be a safetensors file")
    save_tensors(student, tensors, header)
    codec.write_bytes(codec.read_bytes()[:1000])
    told("codec.safetensors must be a safetensors file")


def test_help_and_version(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert "semlink" in capsys.readouterr().out
    for command in ((), ("sweep",), ("train",), ("plot",), ("doctor",)):
        assert run(*command, "--help") == 0
        assert "Usage: semlink" in capsys.readouterr().out


def test_ctrl_c_in_a_sweep_keeps_what_is_finished(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [*SMALL, "--schemes", "rkd_sc,label_code", "--channel-uses", "4,16"]
    assert run("sweep", "digits", *arguments, "--out", "whole") == 0
    computed, whole = [0], Evaluator.__call__

    def count_down(self: Evaluator, task: Task) -> list[Finished]:
        if computed[0] == 3:
            raise KeyboardInterrupt
        computed[0] += 1
        return whole(self, task)

    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "__call__", count_down)
        assert run("sweep", "digits", *arguments, "--out", "out") == 130
    assert "3 finished units are in out/journal.jsonl; run the same" in capsys.readouterr().err
    assert not (tmp_path / "out/results.csv").exists()
    computed[0] = -5
    monkeypatch.setattr(Evaluator, "__call__", count_down)
    assert run("sweep", "digits", *arguments, "--out", "out") == 0
    assert computed[0] == 0  # five of eight units were left
    one, two = (tmp_path / name / "results.csv" for name in ("whole", "out"))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    "moment",
    [
        "simulator.sweep_job.Job.write_images",
        "simulator.commands.sweep.open_pool",
        "simulator.journal.Journal.begin",
        "simulator.workers.InProcess.close",
        "simulator.commands.sweep.write_table",
        "simulator.commands.sweep.draw",
    ],
)
def test_ctrl_c_before_and_after_the_units_tells_how_to_go_on(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    arguments = [*SMALL, "--schemes", "label_code", "--channel-uses", "4", "--out", "out"]
    with monkeypatch.context() as patch:
        patch.setattr(moment, interrupted)
        assert run("sweep", "digits", *arguments) == 130
    kept = 2 if moment.endswith(("close", "write_table", "draw")) else 0
    told = f"{kept} finished units are in out/journal.jsonl; run the same command again to go on\n"
    assert capsys.readouterr().err.endswith(f"semlink: stopped; {told}")
    assert run("sweep", "digits", *arguments) == 0


def test_ctrl_c_in_a_fresh_sweep_does_not_advise_to_begin_anew_again(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("simulator.commands.sweep.write_table", interrupted)
    arguments = [*SMALL, "--schemes", "label_code", "--channel-uses", "4", "--fresh"]
    assert run("sweep", "digits", *arguments) == 130
    assert "run the same command again without --fresh to go on" in capsys.readouterr().err


def test_a_larger_grid_takes_what_is_there(run: Run, tmp_path: Path) -> None:
    arguments = ["--schemes", "label_code", "--channel-uses", "4", "--images", "20"]
    assert run("sweep", "digits", *arguments, "--snr-db", "0", "--out", "a") == 0
    before = (tmp_path / "a/journal.jsonl").read_bytes()
    assert run("sweep", "digits", *arguments, "--snr-db", "0,5", "--out", "a") == 0
    assert (tmp_path / "a/journal.jsonl").read_bytes().startswith(before)
    assert pd.read_csv(tmp_path / "a/results.csv")["snr_db"].tolist() == [0, 5, 0, 5]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (["--seed", "1"], "changed: seed 0 -> 1"),
        (["--images", "30"], "changed: images 20 -> 30"),
        (["--precision", "bf16"], "changed: precision fp32 -> bf16"),
    ],
)
def test_a_changed_description_says_what_changed(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: list[str], told: str
) -> None:
    arguments = [*SMALL, "--schemes", "rkd_sc", "--channel-uses", "4", "--out", "a"]
    assert run("sweep", "digits", *arguments) == 0
    before = (tmp_path / "a/journal.jsonl").read_bytes()
    capsys.readouterr()
    assert run("sweep", "digits", *arguments, *change) == 2
    assert told in capsys.readouterr().err
    assert (tmp_path / "a/journal.jsonl").read_bytes() == before
    assert run("sweep", "digits", *arguments, *change, "--fresh") == 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch by torch
def test_a_compiled_receiver_gives_the_same_table(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--schemes", "rkd_sc,label_code", "--channel-uses", "4,64", "--snr-db", "0"]
    for name, extra in {"plain": [], "compiled": ["--compile"]}.items():
        assert run("sweep", "digits", *arguments, "--out", name, "--workers", "1", *extra) == 0
    tables = [pd.read_csv(tmp_path / name / "results.csv") for name in ("plain", "compiled")]
    plain, compiled = tables
    assert (plain["correct"] - compiled["correct"]).abs().max() <= 1  # of 1,500
    assert json.loads((tmp_path / "compiled/run.json").read_text())["compiled"] is True
    capsys.readouterr()
    assert run("sweep", "digits", *arguments, "--out", "compiled") == 2
    assert "changed: precision fp32, compiled -> fp32" in capsys.readouterr().err


def test_compiling_without_a_compiler_is_one_line(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    assert run("sweep", "digits", "--compile", "--out", "a") == 2
    assert "--compile needs a C++ compiler" in capsys.readouterr().err


def test_weights_changed_under_a_sweep_are_named(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(WEIGHTS, tmp_path / "w")
    arguments = [*SMALL, "--schemes", "rkd_sc", "--channel-uses", "4", "--out", "a"]
    assert run("sweep", "digits", *arguments, "--weights", "w") == 0
    tensors, header = load_tensors(tmp_path / "w/codec.safetensors")
    tensors["head.bias"] += 1
    save_tensors(tmp_path / "w/codec.safetensors", tensors, header)
    capsys.readouterr()
    assert run("sweep", "digits", *arguments, "--weights", "w") == 2
    assert "changed: codec of rkd_sc. Add --fresh" in capsys.readouterr().err


def test_all_leaves_out_what_is_not_trained(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Deep JSCC has weights of its own: without them the others are swept, and a line says so."""
    shutil.copytree(WEIGHTS, tmp_path / "w")
    (tmp_path / "w/deep_jscc_k64.safetensors").unlink()
    few = ["--snr-db", "0", "--channel-uses", "16", "--channels", "awgn", "--images", "20"]
    arguments = ["sweep", "digits", *few, "--weights", str(tmp_path / "w")]
    asked = ["--schemes", "all,rkd_sc:+3dB"]
    assert run(*arguments, *asked, "--out", str(tmp_path / "out")) == 0
    rows = pd.read_csv(tmp_path / "out/results.csv")
    assert {"rkd_sc", "label_code", "rkd_sc:+3dB"} <= set(rows["scheme"])
    assert "deep_jscc" not in set(rows["scheme"])
    assert "semlink: deep_jscc left out, it is not trained: no " in capsys.readouterr().err
    assert run(*arguments, "--schemes", "deep_jscc", "--out", str(tmp_path / "named")) == 2


def test_fresh_forgets_only_what_the_stage_makes(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(WEIGHTS, tmp_path / "a/weights")
    (tmp_path / "a/weights/deep_jscc_image_k64.safetensors").unlink()
    before = {path.name for path in (tmp_path / "a/weights").iterdir()}
    assert run("train", "digits", "--stage", "rebuilt", "--fresh", "--out", "a") == 2
    assert "deep_jscc_image_k64.safetensors must be there first" in refused(capsys)
    left = {path.name for path in (tmp_path / "a/weights").iterdir()}
    assert before - left == {"rebuilt_student_k64.safetensors"}


def test_new_sweep_replaces_the_figures_of_the_old_one(run: Run, tmp_path: Path) -> None:
    for k in ("4", "16"):
        grid = ["--channel-uses", k, "--schemes", "label_code"]
        assert run("sweep", "digits", *SMALL, *grid, "--out", "a") == 0
    names = {path.stem for path in (tmp_path / "a/figures").iterdir()}
    assert names == {"accuracy_snr_k16"}
