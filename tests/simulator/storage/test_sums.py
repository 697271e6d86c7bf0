"""Checksums of weights: a damaged file is reported by name."""

import shutil
from pathlib import Path

import pytest
import torch

from simulator.errors import UserError
from simulator.storage.environment import ROOT
from simulator.storage.files import file_hash, read_weights, save_tensors
from simulator.storage.folders import forget_parts
from simulator.storage.sums import LIST, checked_weights, note_sum
from tests.commands import WEIGHTS, Command, refused

TRAINED = [ROOT / "results/reference" / name for name in ("digits", "cifar100")]


def flip(path: Path, place: int) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("place", [9, 60, -1])
def test_flipped_bit_raises_an_error_naming_the_file(tmp_path: Path, place: int) -> None:
    path = tmp_path / "weights/part.safetensors"
    save_tensors(path, {"a": torch.arange(8.0)}, {"key": "abc"})
    note_sum(path)
    assert checked_weights(path)[1] == read_weights(path)[1]
    flip(path, place)
    with pytest.raises(UserError, match=f"^{path} is damaged, or was replaced"):
        checked_weights(path)
    save_tensors(path, {"a": torch.arange(9.0)}, {"key": "abc"})
    note_sum(path)
    assert (tmp_path / LIST).read_text() == f"{file_hash(path)}  weights/part.safetensors\n"
    assert len(checked_weights(path)[0]["a"]) == 9


def test_retrained_weights_are_not_reported_as_damaged(tmp_path: Path) -> None:
    path = tmp_path / "weights/part.safetensors"
    save_tensors(path, {"a": torch.zeros(1)}, {})
    note_sum(path)
    forget_parts(tmp_path, ["part"])
    save_tensors(path, {"a": torch.ones(1)}, {})  # killed before its sum was noted
    assert checked_weights(path)[0]["a"] == 1


def test_weights_without_checksums_are_read_unchecked(tmp_path: Path) -> None:
    path = tmp_path / "weights/part.safetensors"
    save_tensors(path, {"a": torch.zeros(1)}, {})
    flip(path, -1)
    assert checked_weights(path)[0]["a"] != 0


def test_sweep_rejects_damaged_weights(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(WEIGHTS, tmp_path / "weights")
    shutil.copy(WEIGHTS.parent / LIST, tmp_path)
    flip(tmp_path / "weights/codec.safetensors", -1)
    assert semlink("sweep", "digits", "--schemes", "rkd_sc", "--weights", "weights") == 2
    assert "weights/codec.safetensors is damaged" in refused(capsys)


@pytest.mark.parametrize("folder", TRAINED, ids=lambda folder: folder.name)
def test_committed_weights_match_their_checksums(folder: Path) -> None:
    lines = (folder / LIST).read_text().splitlines()
    listed = {line.partition("  ")[2]: line.partition("  ")[0] for line in lines}
    assert listed == {name: file_hash(folder / name) for name in listed}
    assert {"weights/student.safetensors", "weights/codec.safetensors"} <= listed.keys()
