"""`semlink export`: the files, their accuracy, and errors."""

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from simulator.commands.export import remark_loss
from simulator.export import build
from simulator.export.build import KINDS, MOST_DIFFERENCE, file_of
from simulator.export.files import onnx_network
from simulator.storage.environment import ROOT
from tests.commands import WEIGHTS, Command, refused, status

PARTS = ("encoder", "transmitter", "receiver", "head", "classifier")
EXPORT = ["export", "digits", "--weights", WEIGHTS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of the digits."""
    out = tmp_path_factory.mktemp("export") / "digits"
    with pytest.MonkeyPatch.context() as patch:
        assert status(patch, *EXPORT, "--out", out) == 0
    return out


def test_every_part_is_exported_in_fp32_and_int8(folder: Path) -> None:
    files = {file_of(folder, part, kind).name for part in PARTS for kind in KINDS}
    assert {path.name for path in folder.iterdir()} == files | {"export.json", "export.csv"}
    told = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    assert tuple(told["parts"]) == PARTS
    assert told["channel_uses"] == list(range(1, 65))


def test_fp32_matches_pytorch_and_int8_loses_little_accuracy(folder: Path) -> None:
    rows = rows_of(folder)
    assert all(rows[part, "fp32"]["largest_difference"] <= MOST_DIFFERENCE for part in PARTS)
    torch_, fp32, int8 = (rows["link", kind] for kind in ("torch", *KINDS))
    assert fp32["accuracy"] == torch_["accuracy"]
    assert int8["accuracy"] >= torch_["accuracy"] - 0.01
    assert int8["megabytes"] < fp32["megabytes"]


def test_committed_table_matches_the_committed_weights(folder: Path) -> None:
    """Sizes and accuracies only; times depend on the machine."""
    own, committed = rows_of(folder), rows_of(ROOT / "results/reference/digits")
    assert list(own) == list(committed)
    for place, row in own.items():
        assert row["megabytes"] == pytest.approx(committed[place]["megabytes"], rel=0.02)
    for kind, most in {"torch": 0.002, "fp32": 0.002, "int8": 0.01}.items():  # int8: by CPU
        accuracy = own["link", kind]["accuracy"]
        assert accuracy == pytest.approx(committed["link", kind]["accuracy"], abs=most)


def rows_of(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The rows of an export by part and runtime."""
    rows = pd.read_csv(folder / "export.csv").to_dict("records")
    return {(row["part"], row["runtime"]): {str(k): v for k, v in row.items()} for row in rows}


@pytest.mark.parametrize("kind", KINDS)
def test_exported_encoder_accepts_any_batch_size(
    folder: Path, kind: str, generator: torch.Generator
) -> None:
    encoder = onnx_network(file_of(folder, "encoder", kind))
    images = torch.rand((5, 1, 8, 8), generator=generator)
    one_by_one = torch.cat([encoder(image[None]) for image in images])
    assert torch.allclose(encoder(images), one_by_one, atol=1e-5)


def test_export_replaces_only_folders_of_an_earlier_export(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("kept")
    assert semlink(*EXPORT, "--images", "4", "--out", "mine") == 2
    assert "one that holds export.json, got mine" in refused(capsys)
    (tmp_path / "mine/letter.txt").rename(tmp_path / "mine/export.json")
    (tmp_path / "mine/encoder.onnx").write_text("old")
    assert semlink(*EXPORT, "--images", "4", "--out", "mine") == 0
    assert not (tmp_path / "mine/encoder.onnx").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_networks_that_differ_from_pytorch_are_not_written(
    semlink: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(build, "MOST_DIFFERENCE", 1e-12)
    assert semlink(*EXPORT, "--images", "4", "--out", "a") == 2
    assert "got a difference of " in refused(capsys)
    assert not any(tmp_path.iterdir())


def test_missing_package_is_named_in_the_error(
    semlink: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert semlink(*EXPORT) == 2
    assert "pip install 'semlink[export]'" in refused(capsys)


@pytest.mark.parametrize(
    ("int8", "told"), [(0.97, "semlink: int8 files lose 1.0 points of accuracy\n"), (0.976, "")]
)
def test_accuracy_loss_of_int8_is_reported(
    int8: float, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table = {"part": ["link"] * 3, "runtime": ["torch", *KINDS], "accuracy": [0.98, 0.98, int8]}
    remark_loss(pd.DataFrame(table))
    assert capsys.readouterr().err == told
