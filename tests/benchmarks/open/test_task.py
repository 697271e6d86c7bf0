"""Tasks: fixed digests, and test images identified by their pixels."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.open.task import Place, image_prefixes, task_named, tasks
from simulator.data.dataset import Dataset, Split
from simulator.data.embedded import embedded
from simulator.data.splits import Pool, in_order
from simulator.errors import UserError
from simulator.storage.environment import ROOT


def test_task_digests_are_frozen() -> None:
    """To change a task, raise its version: all its entries must be made again."""
    assert {name: (own.version, own.digest) for name, own in tasks().items()} == {
        "digits": (1, "42246513b297be56"),
        "cifar100": (1, "91037216a85b67f8"),
    }


def with_more_test_images() -> Dataset:
    """The digits with 200 training images among the test images, as hubs may hold more."""
    whole = embedded("digits")
    assert whole.train is not None
    images = torch.cat([whole.test.images, whole.train.images[:200]]).numpy()
    labels = torch.cat([whole.test.labels, whole.train.labels[:200]]).numpy()
    return replace(whole, test=Split(*map(torch.from_numpy, in_order(Pool(images, labels)))))


def test_task_images_are_found_in_a_larger_test_set(monkeypatch: pytest.MonkeyPatch) -> None:
    test = embedded("digits").test
    listed = frozenset(image_prefixes(test.images.numpy()))
    monkeypatch.setattr("benchmarks.open.task._listed", lambda name: listed)
    found = task_named("digits").test_split(with_more_test_images())
    assert torch.equal(found.images, test.images)
    assert torch.equal(found.labels, test.labels)


def test_wrong_test_images_raise_an_error() -> None:
    with pytest.raises(UserError, match="must hold the 500 test images of task digits"):
        task_named("digits").test_split(with_more_test_images())


def test_cifar100_image_list_has_one_entry_per_image() -> None:
    from benchmarks.open.task import _listed

    listed = _listed("cifar100")
    assert listed is not None
    assert len(listed) == task_named("cifar100").images


def test_columns_are_all_pairs_of_channel_and_k() -> None:
    own = task_named("digits")
    assert list(own.places)[:2] == [Place("awgn", 4), Place("awgn", 16)]
    assert len(list(own.places)) == len(own.channels) * len(own.channel_uses)
    grid = own.grid()
    assert [channel.name for channel in grid.channels] == list(own.channels)
    assert np.allclose(grid.snr_db, own.snr_db)


def test_documented_answers_have_the_shape_of_the_task() -> None:
    page = (ROOT / "docs/open.md").read_text()
    task = task_named("digits")
    shape = len(task.snr_db), task.realizations, task.images
    assert f"integers(0, {task.classes}, {shape})" in page
