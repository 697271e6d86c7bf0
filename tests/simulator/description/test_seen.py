"""Test images that were also used in training are counted, from hashes stored with the weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.recipes import images
from simulator.data.dataset import Dataset, Split
from simulator.data.embedded import embedded
from simulator.description.seen import NAME, seen_hashes, seen_remarks, taught_hashes, write_seen
from simulator.description.trial import warm_started
from simulator.errors import UserError
from simulator.schemes.train import begun
from simulator.training.run import TrainingRun
from tests.commands import WEIGHTS
from tests.simulator.training.test_warm import collection

TOLD = (
    "12 of 40 test images are also training images of these weights, so the accuracy is too high; "
    "remove them from the test images"
)


def joined(*splits: Split) -> Split:
    return Split(torch.cat([s.images for s in splits]), torch.cat([s.labels for s in splits]))


def first(split: Split | None, number: int) -> Split:
    assert split is not None
    return Split(split.images[:number], split.labels[:number])


@pytest.fixture
def digits() -> Dataset:
    """The digits with 40 test images, of which 8 are training and 4 validation images."""
    whole = embedded("digits")
    parts = ((whole.test, 28), (whole.train, 8), (whole.validation, 4))
    return replace(whole, test=joined(*(first(split, number) for split, number in parts)))


def test_test_images_used_in_training_are_reported_once(digits: Dataset, tmp_path: Path) -> None:
    alone = replace(digits, train=None, validation=None)
    assert seen_remarks(tmp_path, alone) == []  # no hashes are stored yet
    write_seen(tmp_path, digits)
    assert seen_remarks(tmp_path, alone) == [TOLD]
    assert seen_remarks(tmp_path, digits) == []  # `Dataset.remarks` counts them
    assert seen_remarks(tmp_path, replace(digits, train=first(digits.train, 7))) == [TOLD]
    assert seen_remarks(tmp_path, replace(alone, test=first(digits.test, 28))) == []


def test_hashes_of_committed_weights_match_the_training_images() -> None:
    digits = embedded("digits")
    assert np.array_equal(seen_hashes(WEIGHTS), np.unique(taught_hashes(digits)))
    assert len(seen_hashes(WEIGHTS)) == 1297
    assert len(seen_hashes(WEIGHTS.parents[1] / "cifar100/weights")) == 49_986  # 14 are duplicates


def test_training_stores_hashes_and_keeps_them_with_the_weights(run: TrainingRun) -> None:
    weights = run.folder / "weights"
    with begun(run, "stage2", (), parts=(), fresh=False):
        pass
    written = seen_hashes(weights)
    assert np.array_equal(written, np.unique(taught_hashes(run.dataset)))
    other = replace(run, dataset=replace(run.dataset, train=first(run.dataset.train, 99)))
    (weights / "student.safetensors").touch()
    with pytest.raises(UserError, match="trained on other images"):
        begun(other, "stage2", (), parts=(), fresh=False).__enter__()
    assert np.array_equal(seen_hashes(weights), written)  # they belong to the existing weights
    (weights / "student.safetensors").unlink()
    with begun(other, "stage2", (), parts=(), fresh=False):
        pass
    assert len(seen_hashes(weights)) == 99 + 297


def test_warm_start_also_stores_the_hashes_of_cifar100(tmp_path: Path) -> None:
    run = TrainingRun(
        recipe=warm_started(images()),
        dataset=collection(),
        folder=tmp_path,
        seed=0,
        device=torch.device("cpu"),
    )
    with begun(run, "stage2", (), parts=(), fresh=False):
        pass
    cifar100 = seen_hashes(WEIGHTS.parents[1] / "cifar100/weights")
    assert np.isin(cifar100, seen_hashes(tmp_path / "weights")).all()
    assert len(seen_hashes(tmp_path / "weights")) == len(cifar100) + 30


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"no hashes"])
def test_damaged_hash_file_raises_an_error(content: bytes, digits: Dataset, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(UserError, match=f"{NAME} must hold hashes .* is damaged; remove it"):
        seen_remarks(tmp_path, digits)
