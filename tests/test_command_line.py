"""The command line as users see it: files written, and a one-line error for every mistake."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from benchmarks.recipes import digits
from simulator.names import RECIPES
from simulator.storage.files import load_tensors, save_tensors
from tests.commands import SMALL, WEIGHTS, Command, refused
from tests.simulator.data.data_files import write_folders


def test_sweep_writes_table_description_and_figures(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert semlink("sweep", "digits", *SMALL, "--channel-uses", "16", "--out", "made/here") == 0
    told = capsys.readouterr().err
    assert "semlink: left out, wholly or in part: " in told
    assert "; add -v to this command for the reasons\n" in told
    asked = ["--channel-uses", "16", "--out", "made/here", "-v"]
    assert semlink("sweep", "digits", *SMALL, *asked) == 0
    folder = tmp_path / "made/here"
    rows = pd.read_csv(folder / "results.csv")
    names = [name for name in digits().scheme_names if name not in {"deep_jscc_image", "separate"}]
    assert list(rows["scheme"].unique()) == names
    assert len(rows) == 2 * len(names)
    choices = pd.read_csv(folder / "choices.csv")
    assert list(choices["scheme"]) == ["capacity_bound"] * 2 + ["digital_semantic"] * 2
    assert list(choices["snr_db"]) == [-10, 10] * 2
    assert rows["accuracy"].between(0, 1).all()
    assert (rows["ci_low"] <= rows["accuracy"]).all()
    assert (rows["accuracy"] <= rows["ci_high"]).all()
    description = json.loads((folder / "run.json").read_text())
    assert description["grid"]["snr_db"] == [-10, 10]
    assert description["recipe"]["schemes"][0]["codec"]["model"]["type"] == "CatConfig"
    assert set(description["weights"]) >= {"student", "codec", "head"}
    assert (folder / "figures/accuracy_snr_k16.png").stat().st_size > 10_000
    assert (folder / "figures/accuracy_snr_k16.pdf").exists()
    out, err = capsys.readouterr()
    assert str(Path("made/here/results.csv")) in out
    assert "separate serves" in err  # left out at k = 16, and reported


def test_same_seed_gives_identical_tables(semlink: Command, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert semlink("sweep", "digits", *SMALL, "--channel-uses", "4,64", "--out", name) == 0
    one, two = (tmp_path / name / "results.csv" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_plot_redraws_a_finished_sweep(semlink: Command, tmp_path: Path) -> None:
    semlink(
        "sweep", "digits", *SMALL, "--channel-uses", "4", "--schemes", "label_code", "--out", "a"
    )
    figure = tmp_path / "a/figures/accuracy_snr_k4.png"
    drawn = figure.read_bytes()
    figure.unlink()
    assert semlink("plot", "a") == 0
    assert figure.read_bytes() == drawn
    assert semlink("plot", "a", "--out", "b") == 0
    assert (tmp_path / "b/figures/accuracy_snr_k4.png").exists()


def test_folder_with_only_a_test_split_can_be_swept(semlink: Command, tmp_path: Path) -> None:
    classes = [str(digit) for digit in range(10)]
    pictures = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    labels = [index % 10 for index in range(20)]
    write_folders(tmp_path / "mine/test", pictures, labels, classes)
    arguments = ["--data", "mine", "--snr-db", "10", "--channel-uses", "16", "--out", "out"]
    assert semlink("sweep", "digits", *arguments, "--schemes", "rkd_sc,label_code") == 0
    assert pd.read_csv(tmp_path / "out/results.csv")["images"].eq(20).all()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["sweep", "letters"],
            f"RECIPE must be one of {', '.join(RECIPES)}, or a file .toml, got 'letters'",
        ),
        (["train", "letters"], "RECIPE must be one of"),
        (["sweep", "digits", "--schemes", "magic"], "unknown scheme 'magic'; choose from rkd_sc"),
        (["sweep", "digits", "--schemes", ""], "--schemes: unknown scheme ''; choose from rkd_sc"),
        (["sweep", "digits", "--schemes", "rkd_sc:"], "must have a label behind each colon"),
        (["sweep", "digits", "--channels", "fog"], "--channels:"),
        (["sweep", "digits", "--snr-db", "abc"], "--snr-db must be"),
        (["sweep", "digits", "--snr-db", "nan"], "--snr-db must be"),
        (["sweep", "digits", "--snr-db", "10:0:1"], "--snr-db must be"),
        (["sweep", "digits", "--channel-uses", "0"], "--channel-uses must be"),
        (["sweep", "digits", "--channel-uses", "2.5"], "--channel-uses must be"),
        (["sweep", "digits", "--channel-uses", "65", "--schemes", "rkd_sc"], "nothing to sweep"),
        (["sweep", "digits", "--images", "0"], "--images must be a whole number of at least 1"),
        (["sweep", "digits", "--images", "501"], "--images must be a whole number from 1 to 500"),
        (["sweep", "digits", "--images", "many"], "--images"),
        (["sweep", "digits", "--realizations", "0"], "--realizations must be"),
        (["sweep", "digits", "--seed", "-1"], "--seed must be"),
        (["sweep", "digits", "--device", "abacus"], "--device must be"),
        (["sweep", "digits", "--device", "cuda:99"], "--device must be"),
        (["sweep", "digits", "--colour", "red"], "No such option"),
        (["sweep", "digits", "--data", "nowhere"], "--data nowhere: no such folder"),
        (["sweep", "digits", "--weights", "nowhere"], "--weights must be a folder"),
        (["sweep", "digits", "--weights", WEIGHTS.parent], "must be the folder of the files, "),
        (["table", "digits", "--weights", "."], "student.safetensors must hold trained weights"),
        (["doctor", "--data", "nowhere"], "--data nowhere: no such folder"),
        (["compare", "nowhere", "--b", "rkd_sc"], "finished sweep, but does not exist"),
        (["seeds", "nowhere", "here"], "finished sweep, but does not exist"),
        (["adapt", "digits", "--weights", "."], "student.safetensors must hold trained weights"),
        (["train", "digits", "--student", "."], "must be a genotype of semlink search"),
        (["sweep", "cifar100"], "recipe cifar100 needs images: add --data DIR"),
        (["sweep"], "Missing argument 'RECIPE'"),
        (
            ["sweep", "digits", "--channels", "awgn", "rayleigh"],
            "Got unexpected extra argument (rayleigh) (separate several values by commas)",
        ),
        (["train", "digits", "rayleigh"], "Got unexpected extra argument (rayleigh)\n"),
        (["help"], "No such command 'help'; semlink --help lists the commands"),
        (
            ["train", "digits", "--stage", "baselines", "--schemes", "rkd_sc"],
            "--schemes must name trained baselines, got rkd_sc, which is trained by --stage stage2",
        ),
        (
            ["train", "digits", "--stage", "baselines", "--schemes", "separate"],
            "--schemes must name trained baselines among deep_jscc, ",
        ),
        (["plot", "nowhere"], "finished sweep, but does not exist"),
        (["paint"], "No such command 'paint'"),
    ],
)
def test_mistakes_raise_one_line_errors_and_leave_no_files(
    semlink: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[object],
    told: str,
) -> None:
    assert semlink(*arguments) == 2
    assert told in refused(capsys)
    assert list(tmp_path.iterdir()) == []


def test_unwritable_output_folder_raises_an_error(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    for command in (["sweep", "digits", *SMALL], ["train", "digits"]):
        assert semlink(*command, "--out", "file/out") == 2
        assert "--out must be a folder that can be written to" in refused(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_invalid_data_folders_raise_an_error(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut/test-00000-of-00001.parquet").write_bytes(b"PAR1 and then nothing")
    (tmp_path / "cut/train-00000-of-00001.parquet").write_bytes(b"PAR1 and then nothing")
    for folder, told in (("empty", "empty: must hold"), ("cut", ".parquet")):
        assert semlink("sweep", "images", "--data", folder, "--out", "out") == 2
        assert told in refused(capsys)
        assert semlink("sweep", "digits", "--data", folder, "--out", "out") == 2
        assert "use recipe images for --data" in refused(capsys)
    assert not (tmp_path / "out").exists()


def test_invalid_weights_raise_an_error(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(reason: str) -> None:
        assert semlink("sweep", "digits", *SMALL, "--weights", "weights", "--out", "out") == 2
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


def test_help_and_version(semlink: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert semlink("--version") == 0
    assert "semlink" in capsys.readouterr().out
    for command in ((), ("sweep",), ("train",), ("plot",), ("doctor",)):
        assert semlink(*command, "--help") == 0
        assert "Usage: semlink" in capsys.readouterr().out


@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++"))), reason="no C++ compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # raised within torch itself
def test_compiled_receiver_agrees_with_the_plain_one(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--schemes", "rkd_sc,label_code", "--channel-uses", "4,64", "--snr-db", "0"]
    for name, extra in {"plain": [], "compiled": ["--compile"]}.items():
        assert semlink("sweep", "digits", *arguments, "--out", name, "--workers", "1", *extra) == 0
    tables = [pd.read_csv(tmp_path / name / "results.csv") for name in ("plain", "compiled")]
    plain, compiled = tables
    assert (plain["correct"] - compiled["correct"]).abs().max() <= 1  # of 1,500
    assert json.loads((tmp_path / "compiled/run.json").read_text())["compiled"] is True
    capsys.readouterr()
    assert semlink("sweep", "digits", *arguments, "--out", "compiled") == 2
    assert "changed: precision fp32, compiled -> fp32" in capsys.readouterr().err


def test_compile_without_a_compiler_raises_an_error(
    semlink: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    assert semlink("sweep", "digits", "--compile", "--out", "a") == 2
    assert "--compile needs a C++ compiler" in capsys.readouterr().err


def test_all_leaves_out_untrained_schemes(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the weights of Deep JSCC, the other schemes are swept, and a line reports this."""
    shutil.copytree(WEIGHTS, tmp_path / "w")
    (tmp_path / "w/deep_jscc_k64.safetensors").unlink()
    few = ["--snr-db", "0", "--channel-uses", "16", "--channels", "awgn", "--images", "20"]
    arguments = ["sweep", "digits", *few, "--weights", str(tmp_path / "w")]
    asked = ["--schemes", "all,rkd_sc:+3dB"]
    assert semlink(*arguments, *asked, "-v", "--out", str(tmp_path / "out")) == 0
    rows = pd.read_csv(tmp_path / "out/results.csv")
    assert {"rkd_sc", "label_code", "rkd_sc:+3dB"} <= set(rows["scheme"])
    assert "deep_jscc" not in set(rows["scheme"])
    assert "semlink: deep_jscc left out, it is not trained: no " in capsys.readouterr().err
    assert semlink(*arguments, "--schemes", "deep_jscc", "--out", str(tmp_path / "named")) == 2
    told = "run semlink train digits --stage baselines --schemes deep_jscc, or name another"
    assert told in capsys.readouterr().err
    assert semlink("adapt", "digits", "--scheme", "label_cod", *arguments[2:4]) == 2
    assert "--scheme: unknown scheme 'label_cod'" in refused(capsys)
