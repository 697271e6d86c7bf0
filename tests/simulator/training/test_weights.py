"""Weights of a training run: each file is read once, and identified by its hash."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from benchmarks.recipes.digits import digits
from simulator.data.embedded import embedded
from simulator.errors import UserError
from simulator.schemes.experiment import build_scheme
from simulator.storage.files import file_hash, load_tensors, read_weights, save_tensors, write_json
from simulator.training import weights as module
from simulator.training.weights import Weights
from tests.commands import WEIGHTS

CPU = torch.device("cpu")
OURS = ("student", "head", "codec")


def test_each_file_is_read_only_once_for_several_schemes(monkeypatch: pytest.MonkeyPatch) -> None:
    read: Counter[str] = Counter()

    def counted(path: Path) -> tuple[dict[str, Tensor], dict[str, Any], str]:
        read[path.stem] += 1
        return read_weights(path)

    monkeypatch.setattr(module, "checked_weights", counted)
    weights = Weights(digits(), embedded("digits"), WEIGHTS, CPU)
    assert not read  # files are read on demand
    names = ("rkd_sc", "rkd_sc:+3dB", "label_code", "deep_jscc_image", "adjscc")
    used = {name: build_scheme(name, digits(), weights).identity["weights"] for name in names}
    assert used["rkd_sc"].keys() == used["rkd_sc:+3dB"].keys() == {"student", "codec"}
    assert used["label_code"].keys() == {"student", "head"}
    assert used["deep_jscc_image"].keys() == {"student", "head", "deep_jscc_image_k64"}
    assert used["adjscc"].keys() == {"student_no_teacher", "adjscc_k16", "adjscc_k64"}
    assert read == dict.fromkeys(weights.hashes, 1)
    assert weights.hashes == {part: file_hash(WEIGHTS / f"{part}.safetensors") for part in read}
    assert weights.student() is weights.student()


def test_loaded_parts_at_chance_level_are_reported(tmp_path: Path) -> None:
    data, recipe = embedded("digits"), digits()
    for part in recipe.student_parts():
        tensors, header = load_tensors(WEIGHTS / f"{part.name}.safetensors")
        if part.name == "head":
            header["history"][-1]["validation"] = 0.13  # 10 classes, 297 images
        save_tensors(tmp_path / f"{part.name}.safetensors", tensors, header)
    weights = Weights(recipe, data, tmp_path, CPU)
    assert weights.remarks == []  # nothing is loaded yet
    weights.classifier()
    (told,) = weights.remarks
    assert told.startswith(
        "not significantly better than a guess on 297 validation images: head; it takes more "
    )
    weights.dataset = replace(data, train=None, validation=None)
    assert weights.remarks == []  # the number of images is unknown
    write_json(tmp_path / "data.json", {"validation_images": 30})
    assert "on 30 validation images: head;" in weights.remarks[0]
    write_json(tmp_path / "data.json", {"validation_images": 3000})
    assert weights.remarks == []


def test_read_weights_and_load_tensors_agree(tmp_path: Path) -> None:
    path = tmp_path / "part.safetensors"
    save_tensors(path, {"a": torch.arange(3.0), "b": torch.tensor([[True]])}, {"key": "abc"})
    for file in (path, *(WEIGHTS / f"{part}.safetensors" for part in OURS)):
        tensors, header, hashed = read_weights(file)
        mapped, same = load_tensors(file)
        assert header == same
        assert hashed == file_hash(file)
        assert tensors.keys() == mapped.keys()
        assert all(torch.equal(tensors[name], mapped[name]) for name in mapped)


def test_invalid_weight_files_raise_errors_in_both_readers(tmp_path: Path) -> None:
    whole = WEIGHTS / "head.safetensors"
    (tmp_path / "cut").write_bytes(whole.read_bytes()[:-50])
    (tmp_path / "short").write_bytes(b"text")
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign")
    save_file({"a": torch.zeros(1)}, tmp_path / "listed", metadata={"semlink": "[]"})
    save_file({"a": torch.zeros(1)}, tmp_path / "torn", metadata={"semlink": "{"})
    for name in ("gone", "cut", "short", "empty", "folder", "foreign", "listed", "torn"):
        for read in (read_weights, load_tensors):
            with pytest.raises(UserError, match=name):
                read(tmp_path / name)
