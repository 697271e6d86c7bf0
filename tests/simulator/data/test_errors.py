"""Errors in the files of a data set are reported in one line that names them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulator.data.dataset import load_dataset
from simulator.errors import UserError
from tests.simulator.data.data_files import (
    damaged,
    encoded,
    pictures,
    write_folders,
    write_parquet,
)

TEST = "test-00000-of-00001.parquet"
LABELS = [0, 1] * 3


def message(folder: Path) -> str:
    """The one-line error that `load_dataset` raises for the folder."""
    with pytest.raises(UserError) as raised:
        load_dataset(folder)
    line = str(raised.value)
    assert "\n" not in line
    assert str(folder) in line
    return line


def write_table(path: Path, columns: dict[str, object]) -> None:
    """A parquet file of any columns."""
    pq.write_table(pa.table(columns), path)


def image_column(number: int) -> list[dict[str, bytes | None]]:
    """Images as the hub stores them."""
    return [{"bytes": encoded(image), "path": None} for image in pictures(number)]


def test_missing_empty_and_non_data_folders_raise_an_error(tmp_path: Path) -> None:
    assert "no such folder" in message(tmp_path / "absent")
    (tmp_path / "file").write_text("")
    assert "got a file" in message(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert "got nothing" in message(tmp_path / "empty")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "readme.txt").write_text("")
    assert "got other files" in message(tmp_path / "other")


def test_truncated_parquet_raises_an_error(tmp_path: Path) -> None:
    write_parquet(tmp_path / TEST, pictures(6), LABELS)
    damaged(tmp_path / TEST)
    assert f"{TEST}: not a readable parquet file" in message(tmp_path)


def test_damaged_parquet_pages_raise_an_error(tmp_path: Path) -> None:
    write_parquet(tmp_path / TEST, pictures(6), LABELS)
    content = bytearray((tmp_path / TEST).read_bytes())
    content[4:400] = bytes(396)
    (tmp_path / TEST).write_bytes(content)
    assert TEST in message(tmp_path)


def test_non_image_and_empty_files_are_named(tmp_path: Path) -> None:
    write_folders(tmp_path, pictures(6), LABELS, ["a", "b"])
    path = tmp_path / "b" / "notes.txt"
    path.write_text("no image")
    assert message(tmp_path) == f"{path}: not an image in any format that Pillow knows"
    path.write_text("")
    assert message(tmp_path).startswith(f"{path}: ")
    others = [tmp_path / "b" / f"{name}.txt" for name in ("o", "p", "q")]
    for other in others:
        other.write_text("no image")
    (tmp_path / "b/r.png").write_bytes(encoded(pictures(1)[0])[:-20])  # an image, but cut off
    assert message(tmp_path) == (
        "4 files are no images in any format that Pillow knows: "
        f"{path}, {others[0]}, {others[1]}, ...; remove them"
    )


def test_unreadable_images_in_parquet_are_named_by_row(tmp_path: Path) -> None:
    images = image_column(4)
    images[2]["bytes"] = b"no image"
    write_table(tmp_path / TEST, {"img": images, "label": [0, 1, 0, 1]})
    assert f"{TEST} row 2: not an image" in message(tmp_path)
    images[2]["bytes"] = None
    write_table(tmp_path / TEST, {"img": images, "label": [0, 1, 0, 1]})
    assert f"{TEST} row 2: the image bytes are missing" in message(tmp_path)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"picture": [b""], "label": [0]}, "named img or image, got picture, label"),
        ({"img": image_column(1), "class": [0]}, "named label or fine_label, got img, class"),
        ({"img": image_column(1), "label": [0], "fine_label": [0]}, "got img, label, fine_label"),
        ({"img": ["x"], "label": [0]}, "column img must hold image files, binary or as a struct"),
        ({"img": [b"x", b"y"], "label": [0, 1]}, f"{TEST} row 0: not an image"),
        ({"img": [None, b"y"], "label": [0, 1]}, f"{TEST} row 0: the image bytes are missing"),
        ({"img": image_column(1), "label": ["cat"]}, "at least two classes, got 1"),
        ({"img": image_column(2), "label": ["cat", None]}, f"{TEST} row 1: labels must be"),
        (
            {"img": image_column(1), "label": [1.0]},
            "must be of integers or class names, got double",
        ),
        ({"img": image_column(2), "label": [0, -1]}, f"{TEST} row 1: labels must be"),
        ({"img": image_column(2), "label": [0, None]}, "got None"),
        ({"img": image_column(2), "label": [0, 1 << 40]}, "got 1099511627776"),
        ({"img": image_column(2), "label": [0, 0]}, "at least two classes, got 1"),
    ],
)
def test_invalid_columns_and_labels_raise_an_error(
    tmp_path: Path, columns: dict[str, object], said: str
) -> None:
    write_table(tmp_path / TEST, columns)
    assert said in message(tmp_path)


def test_split_without_rows_raises_an_error(tmp_path: Path) -> None:
    write_parquet(tmp_path / TEST, pictures(2), [0, 1])
    write_table(tmp_path / TEST, {"img": pa.array(image_column(1))[:0], "label": pa.array([1])[:0]})
    assert "the test split holds no images" in message(tmp_path)


def test_inconsistent_parquet_classes_raise_an_error(tmp_path: Path) -> None:
    train = tmp_path / "train-00000-of-00001.parquet"
    write_parquet(train, pictures(6), LABELS, names=["a", "b"])
    write_parquet(tmp_path / TEST, pictures(6), LABELS, names=["a", "c"])
    assert message(tmp_path).startswith(f"{train}: all files must have the same classes")
    write_parquet(tmp_path / TEST, pictures(6), [0, 1, 2] * 2, names=["a", "b"])
    assert f"{TEST} row 2: labels must be below 2, the number of classes" in message(tmp_path)
    write_parquet(train, pictures(6), LABELS)
    write_parquet(tmp_path / TEST, pictures(6), [0, 1, 2] * 2)
    assert "class 2 (2) of the 3 has none" in message(tmp_path)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["train-00000-of-00001.parquet"], "no test split"),
        ([TEST, "val.parquet"], "val.parquet: parquet files must be named"),
        (["test-00001-of-00002.parquet"], "each must exist once"),
        (["test-00000-of-00001.parquet", "test-00000-of-00002.parquet"], "each must exist once"),
        (["a/test-0.parquet", "b/test-0.parquet"], "must lie in one folder, got a, b"),
    ],
)
def test_invalid_parquet_file_names_raise_an_error(
    tmp_path: Path, names: list[str], said: str
) -> None:
    for name in names:
        write_parquet(tmp_path / name, pictures(2), [0, 1])
    assert said in message(tmp_path)


def test_empty_and_nested_class_folders_raise_an_error(tmp_path: Path) -> None:
    write_folders(tmp_path, pictures(6), LABELS, ["a", "b"])
    (tmp_path / "c").mkdir()
    assert message(tmp_path).startswith(f"{tmp_path / 'c'}: every class must have images")
    (tmp_path / "c" / "deeper").mkdir()
    assert message(tmp_path).startswith(f"{tmp_path / 'c' / 'deeper'}: ")


def test_inconsistent_split_folders_raise_an_error(tmp_path: Path) -> None:
    write_folders(tmp_path / "train", pictures(6), LABELS, ["a", "b"])
    assert "no test split; besides train it needs test/" in message(tmp_path)
    write_folders(tmp_path / "test", pictures(6), LABELS, ["a", "c"])
    assert "only one of them has b" in message(tmp_path)
    write_folders(tmp_path / "val", pictures(6), LABELS, ["a", "b"])
    line = message(tmp_path)
    assert line.startswith(f"{tmp_path / 'val'}: ")
    assert "(val: to validation, or to test where there is none)" in line


def test_too_few_classes_or_images_raise_an_error(tmp_path: Path) -> None:
    write_folders(tmp_path / "one", pictures(6), [0] * 6, ["a"])
    assert "at least two class folders of images, got 1" in message(tmp_path / "one")
    write_folders(tmp_path / "two", pictures(4), [0, 1] * 2, ["a", "b"])
    assert "at least one class must have 3 images" in message(tmp_path / "two")
    for split in ("train", "test"):
        write_folders(tmp_path / "three" / split, pictures(2), [0, 1], ["a", "b"])
    assert "validation images must be split off" in message(tmp_path / "three")


def test_mixed_image_sizes_across_splits_name_the_first_odd_image(tmp_path: Path) -> None:
    write_folders(tmp_path / "test", pictures(6), LABELS, ["a", "b"])
    write_folders(tmp_path / "train", pictures(6)[:, :, :4], LABELS, ["a", "b"])
    first, odd = tmp_path / "test" / "a" / "0.png", tmp_path / "train" / "a" / "0.png"
    line = message(tmp_path)
    assert line.startswith(f"{odd}: all images must have one size, but this one has 4x6 pixels")
    assert f"{first} has 5x6" in line
