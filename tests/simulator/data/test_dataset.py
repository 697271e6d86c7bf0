"""Reading digits, parquet and folders; splits, keys, augmentation and epoch order."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import Tensor

from simulator.data.augment import augment, epoch_order
from simulator.data.dataset import load_dataset, to_float
from simulator.data.embedded import embedded
from simulator.data.splits import shares
from simulator.storage.environment import ROOT
from tests.simulator.data.data_files import (
    class_counts,
    contents,
    expected,
    pictures,
    write_folders,
    write_parquet,
)

CIFAR_TEST = ROOT.parent / "shared/data/cifar100/test-00000-of-00001.parquet"
DIGITS_KEY = "47172997b3ee00f927b695d6463e6613786a0f0f8fa381610edaea0722c35473"


def test_digits_hold_all_images_in_a_fixed_stratified_split() -> None:
    digits = embedded("digits")
    splits = (digits.train, digits.validation, digits.test)
    together = [item for split in splits for item in contents(split).items()]
    source = load_digits()
    exact = [[round(v * 255 / 16) for v in image] for image in source.data.tolist()]
    assert sorted(together) == sorted(zip(map(bytes, exact), source.target.tolist(), strict=True))
    assert (digits.name, digits.image_shape) == ("digits", (1, 8, 8))
    assert digits.classes == tuple("0123456789")
    assert digits.key == DIGITS_KEY  # changes only where results on digits may change
    of_class = np.bincount(source.target)
    for split, size in zip(splits, (1000, 297, 500), strict=True):
        assert split is not None
        assert len(split.labels) == size
        assert np.abs(np.array(class_counts(split)) - of_class * size / 1797).max() < 1.5


def test_first_test_images_are_a_balanced_sample() -> None:
    labels = embedded("digits").test.labels
    counts = torch.bincount(labels[:250], minlength=10)
    # 250 of 500 drawn without replacement: variance 250 * 0.1 * 0.9 * 250 / 499 per class
    assert (counts - 25).abs().max() < 4 * (250 * 0.1 * 0.9 * 250 / 499) ** 0.5


def test_containers_of_the_same_images_give_the_same_data(tmp_path: Path) -> None:
    names = ["2", "10"]  # in numerical order; alphabetically "10" would be first
    train, train_labels = pictures(40, 1), [0, 1] * 20
    test, test_labels = pictures(9, 2), [0, 1, 1] * 3

    hub = tmp_path / "hub"
    for split, images, labels in (("train", train, train_labels), ("test", test, test_labels)):
        write_parquet(hub / f"{split}-00000-of-00001.parquet", images, labels, names=names)

    shards = tmp_path / "shards" / "data"
    for number, part in enumerate((slice(0, 13), slice(13, 40))):
        path = shards / f"train-0000{number}-of-00002.parquet"
        write_parquet(
            path, train[part], train_labels[part], form="WEBP",
            columns=("image", "fine_label"), names=names,
        )  # fmt: skip
    write_parquet(
        shards / "test-00000-of-00001.parquet", test, test_labels,
        form="WEBP", columns=("image", "fine_label"), names=names,
    )  # fmt: skip

    folders = tmp_path / "folders"
    write_folders(folders / "train", train[::-1], train_labels[::-1], names)
    write_folders(folders / "test", test, test_labels, names)

    sets = [load_dataset(folder) for folder in (hub, shards.parent, folders)]
    assert [data.name for data in sets] == ["hub", "shards", "folders"]
    assert len({data.key for data in sets}) == 1
    for data in sets:
        assert data.classes == ("2", "10")
        assert data.image_shape == (3, 6, 5)
        assert contents(data.test) == expected(test, test_labels)
        assert contents(data.train) | contents(data.validation) == expected(train, train_labels)
        assert class_counts(data.train) == [18, 18]
        assert class_counts(data.validation) == [2, 2]


def test_key_depends_on_pixels_labels_and_class_names(tmp_path: Path) -> None:
    images, labels = pictures(4), [0, 1, 0, 1]
    changed = images.copy()
    changed[0, 0, 0, 0] ^= 1
    variants: list[tuple[NDArray[np.uint8], list[int], list[str]]] = [
        (images, labels, ["a", "b"]),
        (changed, labels, ["a", "b"]),
        (images, [1, 1, 0, 1], ["a", "b"]),
        (images, labels, ["a", "c"]),
    ]
    keys = set()
    for number, (pixels, marks, names) in enumerate(variants):
        write_parquet(tmp_path / f"{number}/test-0.parquet", pixels, marks, names=names)
        keys.add(load_dataset(tmp_path / f"{number}").key)
    assert len(keys) == len(variants)


def test_classes_without_names_are_numbers_and_a_test_split_suffices(tmp_path: Path) -> None:
    write_parquet(tmp_path / "test-00000-of-00001.parquet", pictures(3), [2, 0, 2])
    data = load_dataset(tmp_path)
    assert data.classes == ("0", "1", "2")
    assert data.train is None
    assert data.validation is None
    assert contents(data.test) == expected(pictures(3), [2, 0, 2])


def test_existing_validation_split_is_used(tmp_path: Path) -> None:
    for seed, split in enumerate(("train", "validation", "test")):
        write_parquet(tmp_path / f"{split}.parquet", pictures(6, seed), [0, 1] * 3)
    data = load_dataset(tmp_path)
    assert contents(data.train) == expected(pictures(6, 0), [0, 1] * 3)
    assert contents(data.validation) == expected(pictures(6, 1), [0, 1] * 3)
    assert contents(data.test) == expected(pictures(6, 2), [0, 1] * 3)


@pytest.mark.parametrize(
    ("sizes", "total", "given"),
    [
        ([500, 500], 100, [50, 50]),
        ([5, 3, 2], 3, [1, 1, 1]),  # exact shares 1.5, 0.9, 0.6: the remaining two to the latter
        ([3, 3, 2], 3, [1, 1, 1]),  # 1.125, 1.125, 0.75
        ([4, 4], 1, [1, 0]),  # equal remainders: the first class
        ([6, 1, 1], 2, [2, 0, 0]),  # a class with one image keeps it
        ([1, 1], 1, [0, 0]),
    ],
)
def test_shares_are_largest_remainders(sizes: list[int], total: int, given: list[int]) -> None:
    assert shares(np.array(sizes), total).tolist() == given


def test_class_folders_are_split_70_10_20_regardless_of_order_and_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels = pictures(47), [0] * 20 + [1] * 20 + [2] * 2 + [3] * 5
    names = ["ant", "bee", "cat", "dog"]
    write_folders(tmp_path / "one", images, labels, names)
    write_folders(tmp_path / "two", images[::-1], labels[::-1], names)
    (tmp_path / "one" / "readme.txt").write_text("not read")
    (tmp_path / "one" / "ant" / ".DS_Store").write_text("not read")
    one = load_dataset(tmp_path / "one")
    listed = Path.iterdir

    def backwards(self: Path) -> Iterator[Path]:
        return iter(sorted(listed(self), reverse=True))

    monkeypatch.setattr(Path, "iterdir", backwards)
    assert load_dataset(tmp_path / "two").key == one.key
    assert one.classes == tuple(names)
    assert class_counts(one.test) == [4, 4, 0, 1]
    assert class_counts(one.validation) == [2, 2, 0, 1]
    assert class_counts(one.train) == [14, 14, 2, 3]
    parts = [contents(split) for split in (one.train, one.validation, one.test)]
    assert parts[0] | parts[1] | parts[2] == expected(images, labels)


def test_folders_with_only_a_test_split_are_read(tmp_path: Path) -> None:
    write_folders(tmp_path / "test", pictures(4), [0, 1, 0, 1], ["bus", "car"])
    data = load_dataset(tmp_path)
    assert (data.train, data.validation) == (None, None)
    assert contents(data.test) == expected(pictures(4), [0, 1, 0, 1])


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    write_folders(tmp_path, pictures(6), [0, 1] * 3, ["bus", "train"])
    data = load_dataset(tmp_path)
    assert data.classes == ("bus", "train")
    assert class_counts(data.train) == class_counts(data.validation) == class_counts(data.test)


def test_grey_images_keep_one_channel_unless_mixed_with_colour(tmp_path: Path) -> None:
    images = pictures(6, grey=True)
    write_folders(tmp_path / "test", images, [0, 1] * 3, ["a", "b"])
    grey = load_dataset(tmp_path)
    assert grey.image_shape == (1, 6, 5)
    assert contents(grey.test) == {image.tobytes(): i % 2 for i, image in enumerate(images)}

    write_folders(tmp_path / "train", pictures(6, 1), [0, 1] * 3, ["a", "b"])
    mixed = load_dataset(tmp_path)
    assert mixed.image_shape == (3, 6, 5)
    assert contents(mixed.test) == expected(np.stack([images] * 3, axis=-1), [0, 1] * 3)


@pytest.mark.skipif(not CIFAR_TEST.exists(), reason="no ../shared/data")
def test_real_cifar_100(tmp_path: Path) -> None:
    (tmp_path / CIFAR_TEST.name).symlink_to(CIFAR_TEST.resolve())
    data = load_dataset(tmp_path)
    assert data.image_shape == (3, 32, 32)
    assert data.num_classes == 100
    assert class_counts(data.test) == [50] * 100


def test_to_float_maps_0_to_0_and_255_to_1() -> None:
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(1, 1, 1, 3)
    floats = to_float(images)
    assert floats.dtype == torch.float32
    assert torch.equal(floats.flatten(), torch.tensor([0.0, 0.2, 1.0]))
    with pytest.raises(TypeError, match="uint8"):
        to_float(floats)


def shifts_and_flips(image: Tensor, padding: int) -> Iterator[tuple[int, int, bool, Tensor]]:
    """Every outcome that `augment` may have for [C, H, W], made one by one."""
    channels, height, width = image.shape
    canvas = torch.zeros(channels, height + 2 * padding, width + 2 * padding)
    canvas[:, padding : padding + height, padding : padding + width] = image
    for top in range(2 * padding + 1):
        for left in range(2 * padding + 1):
            cropped = canvas[:, top : top + height, left : left + width]
            yield top, left, False, cropped
            yield top, left, True, cropped.flip(dims=[2])


def test_augment_without_crop_and_flip_returns_the_images(generator: torch.Generator) -> None:
    images = torch.rand(5, 3, 6, 4, generator=generator)
    assert torch.equal(augment(images, crop_padding=0, flip=False, generator=generator), images)


def test_augment_gives_every_shift_and_flip_equally_often(generator: torch.Generator) -> None:
    number, padding = 3600, 1
    image = torch.rand(2, 5, 4, generator=generator)
    images = image.expand(number, -1, -1, -1)
    out = augment(images, crop_padding=padding, flip=True, generator=generator)
    assert out.shape == images.shape
    counts = torch.tensor(
        [int((out == way).all(dim=(1, 2, 3)).sum()) for *_, way in shifts_and_flips(image, padding)]
    )
    assert len(counts) == 18
    assert counts.sum() == number  # every output is one of the 18 ways, which all differ
    share = 1 / 18
    assert (counts - number * share).abs().max() < 4 * (number * share * (1 - share)) ** 0.5


def test_augment_without_flip_only_shifts(generator: torch.Generator) -> None:
    image = torch.rand(1, 5, 4, generator=generator)
    out = augment(image.expand(200, -1, -1, -1), crop_padding=1, flip=False, generator=generator)
    ways = [way for *_, flipped, way in shifts_and_flips(image, 1) if not flipped]
    assert all(any(torch.equal(one, way) for way in ways) for one in out)


def test_augment_treats_images_independently() -> None:
    def augmented(images: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(7)
        return augment(images, crop_padding=2, flip=True, generator=generator)

    images = torch.rand(8, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    others = torch.cat([images[:1], 1 - images[1:]])
    assert torch.equal(augmented(images)[0], augmented(others)[0])
    assert torch.equal(augmented(images)[:3], augmented(images[:3]))
    bytes_in = (images * 255).to(torch.uint8)
    assert torch.equal(augmented(bytes_in).float(), augmented(bytes_in.float()))


def test_augment_with_invalid_arguments_raises_an_error(generator: torch.Generator) -> None:
    with pytest.raises(ValueError, match=r"\[B, C, H, W\], got \[3, 6, 6\]"):
        augment(torch.zeros(3, 6, 6), crop_padding=1, flip=True, generator=generator)
    with pytest.raises(ValueError, match="got -1"):
        augment(torch.zeros(1, 3, 6, 6), crop_padding=-1, flip=True, generator=generator)


def test_epoch_order_is_a_permutation_determined_by_its_generator() -> None:
    first, second = (epoch_order(50, generator=torch.Generator().manual_seed(3)) for _ in "ab")
    assert torch.equal(first, second)
    assert sorted(first.tolist()) == list(range(50))
    assert first.tolist() != list(range(50))
    with pytest.raises(ValueError, match="at least 1"):
        epoch_order(0, generator=torch.Generator())
