"""The user's own images: messages of the commands, and compatibility with given weights."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import semlink as public
from simulator.data.embedded import embedded
from tests.commands import SMALL, WEIGHTS, Command, refused

OWN = (*SMALL, "--schemes", "label_code", "--weights", WEIGHTS, "--out", "out")


@pytest.fixture
def big_digits(tmp_path: Path) -> Path:
    """Two grey test images of 16x12 for each of ten classes."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 12, 16), dtype=np.uint8)
    for number, image in enumerate(pixels):
        path = tmp_path / "own" / "test" / str(number % 10) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return tmp_path / "own"


def test_images_of_another_size_raise_an_error_that_suggests_resize(
    semlink: Command, big_digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert semlink("sweep", "digits", "--data", big_digits, *OWN) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("semlink: error: ")
    assert "was trained on images [1, 8, 8] [C, H, W], but the data holds [1, 12, 16]" in said
    assert "add --resize 8, or train on this data first" in said
    assert semlink("sweep", "digits", "--data", big_digits, "--resize", "8", *OWN) == 0
    told = "20 of 20 images were rescaled, by the centre square"
    assert f"semlink: {told}\n" in capsys.readouterr().err
    data = json.loads((tmp_path / "out" / "run.json").read_text())["data"]
    assert (data["resize"], data["image_shape"], data["remarks"][0]) == (8, [1, 8, 8], told)
    captions = list((tmp_path / "out/figures").glob("*.txt"))
    assert captions
    assert all(f"Note: {told}" in path.read_text(encoding="utf-8") for path in captions)


@pytest.mark.parametrize("command", ["sweep", "train", "search"])
def test_recipe_digits_rejects_other_images(
    semlink: Command, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(20):
        path = tmp_path / "own" / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), number).save(path)
    told = "recipe digits brings its own images; use recipe images for --data\n"
    assert semlink(command, "digits", "--data", "own") == 2
    assert refused(capsys) == f"semlink: error: {told}"
    assert {path.name for path in tmp_path.iterdir()} == {"own"}


def test_resize_requires_data(semlink: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert semlink("sweep", "digits", "--resize", "8") == 2
    assert "--resize rescales the images of --data: add --data DIR" in refused(capsys)


def test_doctor_measures_only_the_named_channels(
    semlink: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert semlink("doctor", "--channels", "nakagami:3") == 0
    told = capsys.readouterr().out
    assert "nakagami:3" in told
    assert "rayleigh" not in told
    assert semlink("doctor", "--channels", "nowhere") == 2
    assert "--channels: channel must be one of" in capsys.readouterr().err


def test_doctor_reports_problems_in_the_data(
    semlink: Command,
    big_digits: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(big_digits / "test", big_digits / "train")
    monkeypatch.setattr("simulator.measures.doctor.EXAMPLES", ("awgn",))
    assert semlink("doctor", "--data", big_digits) == 0
    out, told = capsys.readouterr()
    assert "channels at 6 dB Es/N0, 20,000 images\n" in out
    assert "semlink: 20 of 20 test images are also training images" in told
    assert "semlink: only 2 validation images to choose settings on" in told


def test_training_images_among_the_test_images_are_reported(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = embedded("digits")
    assert known.train is not None
    every = known.test.labels.argsort(stable=True)[::18]  # 28 images of all classes
    for split, places in ((known.train, range(12)), (known.test, every.tolist())):
        for place in places:
            image, label = split.images[place, 0].numpy(), int(split.labels[place])
            path = tmp_path / "own/test" / str(label) / f"{len(places)}_{place}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    assert semlink("sweep", "digits", "--data", "own", *OWN) == 0
    told = "12 of 40 test images are also training images of these weights, so the accuracy is too"
    assert f"semlink: {told} high; remove them from the test images\n" in capsys.readouterr().err
    remarks = json.loads((tmp_path / "out" / "run.json").read_text())["data"]["remarks"]
    assert sum(remark.startswith(told) for remark in remarks) == 1
    captions = [path.read_text(encoding="utf-8") for path in (tmp_path / "out").rglob("*.txt")]
    assert captions
    assert all(f"{told} high." in caption for caption in captions)
    link = public.load("digits", data=tmp_path / "own", weights=WEIGHTS)
    assert link.weights.remarks == [remark for remark in remarks if remark.startswith(told)]
    grid = public.Grid(snr_db=(10,), channel_uses=(64,), channels=("awgn",), realizations=1)
    assert public.sweep(link, ["label_code"], grid).run["data"]["remarks"] == remarks
