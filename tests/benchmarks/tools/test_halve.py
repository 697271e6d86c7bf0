"""Weight matrices are rounded to half precision; rounding again changes nothing."""

from pathlib import Path

import torch

from benchmarks.tools.halve import halve
from simulator.storage.environment import ROOT
from simulator.storage.files import file_hash, load_tensors, save_tensors


def test_only_matrices_are_rounded_to_half_precision(
    tmp_path: Path, generator: torch.Generator
) -> None:
    path = tmp_path / "part.safetensors"
    made = {
        "weight": torch.randn((5, 3), generator=generator),
        "bias": torch.randn(5, generator=generator),
        "steps": torch.tensor(7),
    }
    save_tensors(path, made, {"key": "kept"})
    halve(path)
    tensors, header = load_tensors(path)
    assert torch.equal(tensors["weight"], made["weight"].half())
    assert torch.equal(tensors["bias"], made["bias"])
    assert torch.equal(tensors["steps"], made["steps"])
    assert header == {"key": "kept"}


def test_history_keeps_every_third_epoch_and_the_last(tmp_path: Path) -> None:
    path = tmp_path / "part.safetensors"
    history = [{"epoch": epoch, "loss": 1 / epoch} for epoch in range(1, 8)]
    save_tensors(path, {"bias": torch.ones(2)}, {"history": history})
    halve(path, every=3)
    assert load_tensors(path)[1]["history"] == [history[2], history[5], history[6]]


def test_committed_teachers_do_not_change(tmp_path: Path) -> None:
    for name in ("teacher", "teacher_2"):
        committed = ROOT / f"results/reference/cifar100/weights/{name}.safetensors"
        path = tmp_path / committed.name
        path.write_bytes(committed.read_bytes())
        halve(path)
        assert file_hash(path) == file_hash(committed)
