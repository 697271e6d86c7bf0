"""`semlink submit` adds schemes and answers; bad input raises an error and writes nothing."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import semlink as face
from simulator.data.embedded import embedded
from simulator.storage.environment import ROOT
from tests.benchmarks.open.tasks import SMALL
from tests.commands import WEIGHTS, Command, refused

HEAD = 'NAME = "mine"\nAUTHORS = "A. Reader"\nDESCRIPTION = "a test"\n'
GOOD = """
import torch
import semlink
def scheme(task):
    torch.manual_seed(0)
    encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 32))
    return semlink.own_scheme("linear", encoder, torch.nn.Linear(32, 10), k=16)
"""
CLASS = """
import torch
from simulator.scheme import Received, Scheme, all_delivered
class Mine(Scheme):
    name, channel_uses = "mine", "k = 16"
    def serves(self, k): return k == 16
    def settings(self, k): return "nothing"
    def prepare(self, images): return {{"images": images}}
    def encode(self, prepared, *, channel, snr_db, k):
        return {{"x": torch.ones(len(prepared["images"]), 16, dtype=torch.complex64)}}
    def transmit(self, encoded, *, channel, snr_db, k, streams):
        x = encoded["x"]
        {send}
        scores = torch.zeros(len(x), 10)
        {last}
        return Received(scores, all_delivered(x))
def scheme(task): return Mine()
"""
SEND = 'channel(x, snr_db=snr_db, generator=streams("channel", device=x.device))'
NAMELESS = CLASS.format(send=SEND, last="pass").replace(
    'name, channel_uses = "mine",', "channel_uses ="
)
TEXTS = {"name": "mine", "authors": "A. Reader", "description": "a test"}
TEXTS |= {"simulation": "my own", "charged": "16 uses"}


@pytest.fixture(autouse=True)
def _small_task(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A task with two SNRs and two draws, and no entries shipped with semlink."""
    for module in ("task", "submit"):
        monkeypatch.setattr(f"benchmarks.open.{module}.tasks", lambda: {"digits": SMALL})
    monkeypatch.setattr("benchmarks.open.submit.OPEN", tmp_path / "none")


def file_of(text: str, folder: Path) -> Path:
    path = folder / "mine.py"
    path.write_text(HEAD + text)
    return path


def answers_in(folder: Path, texts: dict[str, Any], **arrays: Any) -> Path:
    folder.mkdir(exist_ok=True)
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in texts.items()]
    (folder / "submission.toml").write_text("".join(lines))
    np.savez_compressed(folder / "answers.npz", **arrays)
    return folder


def decided(value: int | None = None) -> Any:
    """Answers [SNRs, draws, images]: the labels, or one value everywhere."""
    labels = embedded("digits").test.labels.numpy()
    return np.broadcast_to(labels if value is None else value, (2, 2, 500)).copy()


def everything_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_submitted_scheme_uses_the_draws_of_a_sweep(tmp_path: Path, semlink: Command) -> None:
    assert semlink("submit", file_of(GOOD, tmp_path), "--out", "board") == 0
    row = pd.read_csv(tmp_path / "board/digits.csv").iloc[0]
    torch.manual_seed(0)
    encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 32))
    own = face.own_scheme("linear", encoder, torch.nn.Linear(32, 10), k=16)
    grid = face.Grid(snr_db=(0, 10), channel_uses=16, channels="awgn", realizations=2)
    table = face.sweep(face.load("digits", weights=WEIGHTS), own, grid).table
    assert [row["accuracy_0db"], row["accuracy_10db"]] == pytest.approx(
        table["accuracy"].tolist(), abs=1e-5
    )
    assert (row["name"], row["rank"], row["origin"]) == ("mine", 1, "run by semlink")


TWO = """
import torch
import semlink


def scheme(task):
    return [made(k) for k in (16, 64)]


def made(k):
    torch.manual_seed(k)
    encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2 * k))
    return semlink.own_scheme(NAMED, encoder, torch.nn.Linear(2 * k, 10), k=k)
"""


def test_schemes_for_different_k_may_share_a_name(tmp_path: Path, semlink: Command) -> None:
    accuracies = []
    for board, named in (("equal", '"own"'), ("other", 'f"own_{k}"')):
        path = file_of(TWO.replace("NAMED", named), tmp_path)
        assert semlink("submit", path, "--out", board) == 0
        rows = pd.read_csv(tmp_path / board / "digits.csv")
        assert rows["channel_uses"].tolist() == [16, 64]
        accuracies.append(rows["accuracy"].tolist())
    assert accuracies[0] == accuracies[1]


def test_resubmission_changes_nothing_and_replacement_needs_fresh(
    tmp_path: Path, semlink: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    path = file_of(GOOD, tmp_path)
    assert semlink("submit", path, "--out", "board") == 0
    before = everything_in(tmp_path / "board")
    assert semlink("submit", path, "--out", "board") == 0
    assert "is there already" in capsys.readouterr().out
    assert semlink("submit", path, "--out", "board", "--fresh") == 0
    assert semlink("submit", "--out", "board") == 0
    assert everything_in(tmp_path / "board") == before
    file_of(GOOD.replace("manual_seed(0)", "manual_seed(1)"), tmp_path)
    capsys.readouterr()
    assert semlink("submit", path, "--out", "board") == 2
    assert "add --fresh to replace it" in refused(capsys)
    assert everything_in(tmp_path / "board") == before
    assert semlink("submit", path, "--out", "board", "--fresh") == 0
    assert everything_in(tmp_path / "board") != before


def test_scheme_file_of_the_docs_is_accepted(tmp_path: Path, semlink: Command) -> None:
    """With two training steps instead of 600."""
    page = (ROOT / "docs/open.md").read_text()
    text = page.partition("```python\n")[2].partition("```")[0]
    path = tmp_path / "my_scheme.py"
    path.write_text(text.replace("range(600)", "range(2)"))
    assert semlink("submit", path, "--out", "board") == 0
    rows = pd.read_csv(tmp_path / "board/digits.csv")
    assert rows["channel_uses"].tolist() == [16, 64]
    assert rows["name"].unique().tolist() == ["my_scheme"]


def test_damaged_entry_is_reported_before_any_computation(
    tmp_path: Path, semlink: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "board/digits/other.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{}")
    assert semlink("submit", file_of(GOOD, tmp_path), "--out", "board") == 2
    assert "other.json must be an entry of task digits" in refused(capsys)
    assert list(everything_in(tmp_path / "board")) == [damaged]


def test_weights_next_to_the_file_are_recorded(tmp_path: Path, semlink: Command) -> None:
    from safetensors.torch import save_file

    save_file({"weight": torch.eye(32, 64)}, tmp_path / "w.safetensors")
    text = GOOD.replace(
        "    return",
        '    encoder[1].weight.data = task.weights("w.safetensors")["weight"]\n    return',
    )
    assert semlink("submit", file_of(text, tmp_path), "--out", "board") == 0
    entry = json.loads((tmp_path / "board/digits/mine.json").read_text())
    assert set(entry["submission"]) == {"mine.py", "w.safetensors"}


def test_builtin_scheme_is_accepted(
    tmp_path: Path, semlink: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    own = ["submit", "--schemes", "label_code", "--weights", WEIGHTS, "--out", "board"]
    assert semlink(*own) == 0
    rows = pd.read_csv(tmp_path / "board/digits.csv")
    assert rows["channel_uses"].tolist() == [16, 64]
    assert rows["accuracy_10db"].min() > 0.95
    capsys.readouterr()
    assert semlink(*own) == 0
    assert "is there already" in capsys.readouterr().out


def test_answers_are_compared_with_the_labels(tmp_path: Path, semlink: Command) -> None:
    answers = decided()
    answers[0, 0] = -1  # an outage of every image in one of two draws at 0 dB
    folder = answers_in(tmp_path / "mine", TEXTS, awgn_k16=answers)
    assert semlink("submit", folder, "--out", "board") == 0
    row = pd.read_csv(tmp_path / "board/digits.csv").iloc[0]
    assert row["accuracy_0db"] == pytest.approx((1 + 1 / 10) / 2)
    assert row["accuracy_10db"] == 1
    assert row["origin"] == "own simulation"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def scheme(task:", "must be Python"),
        ("1 / 0", "must run, but raised ZeroDivisionError: division by zero (line 4)"),
        ("raise SystemExit(0)", "must run, but raised SystemExit: 0"),
        ("def scheme(task): raise SystemExit", "scheme(task) raised SystemExit"),
        ("", "must have a function scheme(task)"),
        ("scheme = 3", "must have a function scheme(task), got 3"),
        ("def scheme(task): return []", "must return a scheme"),
        ("def scheme(task): return 'rkd_sc'", "must return a scheme"),
        ("def scheme(task): task.nothing", "raised AttributeError"),
        ("def scheme(task): task.weights('no.safetensors')", "must be a safetensors file"),
        ("NAME = 'label_code'", "none of semlink's schemes"),
        ("NAME = '../up'", "name must be at most 40 small letters"),
        ("AUTHORS = ''", "authors must be a text"),
        ("LINK = 'javascript:x'", "link must begin with https://"),
        (GOOD.replace("64, 32", "64, 30"), "encoder of linear must give [B, 2k]"),
        (GOOD.replace("k=16", "k=5").replace("64, 32", "64, 10"), "nothing to sweep"),
        (GOOD.replace("32, 10", "32, 9"), "must give finite scores [B, classes] = [250, 10]"),
        (
            GOOD.replace("    return semlink", "    return 2 * [semlink").rstrip() + "]",
            "got 2: linear of",
        ),
        (CLASS.format(send="pass", last="pass"), "exactly once, got 0 calls"),
        (
            CLASS.format(send=f"{SEND}; {SEND}", last="pass"),
            "must call the channel exactly once, got 2 calls",
        ),
        (
            CLASS.format(send=f"x = x[:, :8]; {SEND}", last="pass"),
            "with x [B, k] = [250, 16], got [250, 8]",
        ),
        (CLASS.format(send=f"x = 2 * x; {SEND}", last="pass"), "must have unit power on average"),
        (CLASS.format(send=f"x = 1.1 * x; {SEND}", last="pass"), "average, got 1.21 on awgn"),
        (CLASS.format(send=f"x = x * torch.nan; {SEND}", last="pass"), "symbols x must be finite"),
        (CLASS.format(send=f"snr_db = snr_db + 9; {SEND}", last="pass"), "with the snr_db that"),
        (CLASS.format(send=SEND, last="scores[0, 0] = torch.nan"), "got nan or inf"),
        (CLASS.format(send=SEND, last="scores = scores[1:]"), "must give finite scores"),
        (CLASS.format(send=SEND, last="return Received([1], 2)"), "must give finite scores"),
        (CLASS.format(send=SEND, last="return Received(scores, x)"), "must give delivered, bool"),
        (NAMELESS, "class Mine must have a name"),
        (CLASS.format(send=SEND, last="return 3"), "must give Received, got 3"),
        (CLASS.format(send="1 / 0", last="pass"), "raised ZeroDivisionError"),
        (CLASS.format(send="raise SystemExit(0)", last="pass"), "raised SystemExit: 0"),
    ],
)
def test_invalid_scheme_files_raise_an_error(
    text: str, said: str, tmp_path: Path, semlink: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    path = file_of(text, tmp_path)
    assert semlink("submit", path, "--out", "board") == 2
    assert said in refused_after_a_sweep(capsys)
    assert everything_in(tmp_path / "board") == {}


def refused_after_a_sweep(capsys: pytest.CaptureFixture[str]) -> str:
    """The one-line error message, below the progress of the sweep."""
    out, err = capsys.readouterr()
    lines = [line for line in err.replace("\r", "\n").splitlines() if "error:" in line]
    assert out == ""
    assert len(lines) == 1
    return lines[0]


WRONG = decided()
WRONG[1, 1, 7] = 10


@pytest.mark.parametrize(
    ("texts", "arrays", "said"),
    [
        ({}, {"awgn_k16": decided()[:1]}, "[SNRs, draws, images] = [2, 2, 500]"),
        ({}, {"awgn_k16": decided()[..., 1:]}, "got int64 [2, 2, 499]"),
        ({}, {"awgn_k16": decided() * 1.0}, "must be integers"),
        ({}, {"awgn_k16": WRONG}, "class numbers from 0 to 9, or -1 for an outage, got 10"),
        ({}, {"awgn_k16": decided(-2)}, "got -2"),
        ({}, {"awgn_k17": decided()}, "got awgn_k17; did you mean awgn_k16?"),
        ({}, {}, "one or more of the arrays"),
        ({}, {"awgn_k16": np.array({"a": 1}, dtype=object)}, "must be a file of numpy.savez"),
        ({"simulation": ""}, {"awgn_k16": decided()}, "simulation must be a text"),
        ({"charged": 3}, {"awgn_k16": decided()}, "charged must be a text"),
        ({"author": "x"}, {"awgn_k16": decided()}, "got author; did you mean authors?"),
    ],
)
def test_invalid_answers_raise_an_error(
    texts: dict[str, Any],
    arrays: dict[str, Any],
    said: str,
    tmp_path: Path,
    semlink: Command,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = answers_in(tmp_path / "mine", TEXTS | texts, **arrays)
    assert semlink("submit", folder, "--out", "board") == 2
    assert said in refused(capsys)
    assert everything_in(tmp_path / "board") == {}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "answers.npz").unlink(), "answers.npz is missing"),
        (lambda folder: (folder / "answers.npz").write_text("PK"), "must be a file of numpy.savez"),
        (lambda folder: (folder / "submission.toml").write_text("a b"), "must be a TOML file"),
    ],
)
def test_damaged_answer_folders_raise_an_error(
    damage: Any,
    said: str,
    tmp_path: Path,
    semlink: Command,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = answers_in(tmp_path / "mine", TEXTS, awgn_k16=decided())
    damage(folder)
    assert semlink("submit", folder, "--out", "board") == 2
    assert said in refused(capsys)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing.py"], "got nothing.py, which does not exist; check the path"),
        (["mine.txt"], "must be a file .py or a folder with answers.npz"),
        (["mine.txt", "--task", "digit"], "--task must be one of digits, got 'digit'; did you"),
        (["mine.txt", "--schemes", "all"], "must not both be given"),
        (["mine.txt", "--weights", "w"], "--weights belongs to --schemes"),
        (["--schemes", "rkd"], "did you mean rkd_sc?"),
        ([], "must hold at least one entry"),
    ],
)
def test_invalid_arguments_raise_an_error(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    semlink: Command,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "mine.txt").write_text("")
    assert semlink("submit", *arguments, "--out", "board") == 2
    assert said in refused(capsys)
    assert everything_in(tmp_path / "board") == {}
