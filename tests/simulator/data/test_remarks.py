"""Remarks on problems with the splits of a data set: one line each, with a remedy."""

from pathlib import Path

from simulator.data.dataset import load_dataset
from tests.simulator.data.data_files import pictures, write_folders, write_parquet


def test_test_images_duplicated_in_training_are_counted(tmp_path: Path) -> None:
    images, labels = pictures(600), [0, 1] * 300
    write_folders(tmp_path / "train", images[:540], labels[:540], ["a", "b"])
    write_folders(tmp_path / "test", images[528:568], labels[528:568], ["a", "b"])
    told = (
        "12 of 40 test images are also training images, so the accuracy is too high; remove them "
        "from one of the two"
    )
    assert load_dataset(tmp_path).remarks[0] == told
    assert load_dataset(tmp_path).remarks[0] == told  # also from the cache


def test_sound_or_test_only_data_sets_have_no_remarks(tmp_path: Path) -> None:
    write_folders(tmp_path / "sound", pictures(1000), [0, 1] * 500, ["a", "b"])
    write_folders(tmp_path / "alone" / "test", pictures(100), [0, 1] * 50, ["a", "b"])
    assert load_dataset(tmp_path / "sound").remarks == ()
    assert load_dataset(tmp_path / "alone").remarks == ()


def test_remark_on_classes_without_test_images(tmp_path: Path) -> None:
    labels = [0] * 250 + [1] * 250 + [2]
    write_folders(tmp_path / "folders", pictures(501), labels, ["ant", "bee", "cat"])
    write_parquet(tmp_path / "hub" / "train.parquet", pictures(501), labels)
    write_parquet(tmp_path / "hub" / "test.parquet", pictures(4, 1), [0, 1, 1, 0])
    for folder, name in (("folders", "cat"), ("hub", "2")):
        told, *_ = load_dataset(tmp_path / folder).remarks
        assert told.startswith(f"1 of 3 classes have no test image ({name}), so they count in no")
        assert told.endswith("add images, at least 3 per class, or test images of these")


def test_remark_on_a_small_test_split(tmp_path: Path) -> None:
    write_folders(tmp_path / "test", pictures(40), [0, 1] * 20, ["a", "b"])
    (told,) = load_dataset(tmp_path).remarks
    assert told.startswith("only 40 test images: an accuracy has a 95 % interval of up to +-15 poi")
    assert told.endswith("or add test images, at least 100")


def test_remark_on_a_small_validation_split(tmp_path: Path) -> None:
    write_folders(tmp_path, pictures(40), [0, 1] * 20, ["a", "b"])
    _, told = load_dataset(tmp_path).remarks
    assert told.startswith("only 4 validation images to choose settings on: ")
    assert "standard error of up to 25 points" in told
    assert told.endswith("a validation split of at least 50 images")
