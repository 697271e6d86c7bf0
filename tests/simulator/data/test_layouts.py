"""Common layouts of published data sets: the hub's converted parquet and Tiny ImageNet."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulator.data.dataset import load_dataset
from simulator.errors import UserError
from tests.simulator.data.data_files import (
    contents,
    encoded,
    expected,
    pictures,
    write_folders,
    write_parquet,
)

TRAIN, TEST, LABELS = pictures(20, 1), pictures(6, 2), [0, 1] * 10


def check(folder: Path, classes: tuple[str, str]) -> None:
    """Check that the folder holds TRAIN and TEST."""
    data = load_dataset(folder)
    assert data.classes == classes
    assert contents(data.test) == expected(TEST, LABELS[:6])
    assert contents(data.train) | contents(data.validation) == expected(TRAIN, LABELS)


def test_hub_converted_parquet_is_read_from_root_and_config_folder(tmp_path: Path) -> None:
    root = tmp_path / "set"
    write_parquet(root / "default" / "train" / "0000.parquet", TRAIN[:9], LABELS[:9])
    write_parquet(root / "default" / "train" / "0001.parquet", TRAIN[9:], LABELS[9:])
    write_parquet(root / "default" / "test" / "0000.parquet", TEST, LABELS[:6])
    check(root, ("0", "1"))
    check(root / "default", ("0", "1"))
    with pytest.raises(UserError, match=f"name {root / 'default'}, or rename or move it"):
        load_dataset(root / "default" / "train")


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("kind", [pa.string(), pa.dictionary(pa.int32(), pa.string())])
def test_string_labels_and_binary_images_are_read(
    tmp_path: Path, binary: bool, kind: pa.DataType
) -> None:
    for split, images in (("train", TRAIN), ("test", TEST)):
        files = [encoded(image) for image in images]
        column = files if binary else [{"bytes": file, "path": None} for file in files]
        labels = [("cat", "dog")[label] for label in LABELS[: len(images)]]
        table = pa.table({"image": column, "label": pa.array(labels).cast(kind)})
        pq.write_table(table, tmp_path / f"{split}.parquet")
    check(tmp_path, ("cat", "dog"))


def test_class_names_have_the_same_index_in_all_files(tmp_path: Path) -> None:
    for name, labels in (("train", ["10", "2", "10", "2"]), ("test", ["10", "10"])):
        files = [encoded(image) for image in pictures(len(labels), len(name))]
        table = pa.table({"image": files, "label": labels})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    data = load_dataset(tmp_path)
    assert data.classes == ("2", "10")
    assert data.test.labels.tolist() == [1, 1]


def tiny_imagenet(folder: Path) -> None:
    """Write the published layout, whose test images have no labels."""
    write_folders(folder / "plain", TRAIN, LABELS, ["n1", "n2"])
    for name in ("n1", "n2"):
        shutil.copytree(folder / "plain" / name, folder / "train" / name / "images")
        (folder / "train" / name / f"{name}_boxes.txt").write_text("0.png\t0\t0\t1\t1\n")
    shutil.rmtree(folder / "plain")
    write_folders(folder / "val", TEST, [0] * 6, ["images"])
    lines = [f"{number}.png\tn{1 + LABELS[number]}\t0\t0\t1\t1\n" for number in range(6)]
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    write_folders(folder / "test", pictures(2, 3), [0, 0], ["images"])


def test_tiny_imagenet_is_read_as_published(tmp_path: Path) -> None:
    tiny_imagenet(tmp_path)
    check(tmp_path, ("n1", "n2"))
    listed = tmp_path / "val" / "val_annotations.txt"
    before = load_dataset(tmp_path).key
    listed.write_text(listed.read_text().replace("0.png\tn1", "0.png\tn2"))
    assert load_dataset(tmp_path).key != before
    listed.write_text("0.png\tn9\n")
    with pytest.raises(UserError, match=r"val_annotations.txt line 1: .* got '0.png\\tn9'"):
        load_dataset(tmp_path)


def test_nested_images_of_a_class_are_read_unless_mixed_with_others(tmp_path: Path) -> None:
    tiny_imagenet(tmp_path)
    assert load_dataset(tmp_path / "train").classes == ("n1", "n2")
    (tmp_path / "train" / "n1" / "1.png").write_bytes(encoded(TRAIN[0]))
    with pytest.raises(UserError, match="a class folder must hold image files only"):
        load_dataset(tmp_path / "train")
