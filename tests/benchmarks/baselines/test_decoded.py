"""Classifiers retrained on decoded images: training images, initial weights and identity."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.baselines.decoded import DecodedStage, decoded, lessons, retrained
from benchmarks.baselines.image_files import CodecDamage
from benchmarks.baselines.separate import SeparateConfig
from benchmarks.recipes.digits import digits
from channels.streams import Streams
from simulator.data.dataset import to_float
from simulator.data.embedded import embedded
from simulator.errors import UserError
from simulator.storage.environment import ROOT
from simulator.storage.files import load_tensors
from simulator.training.loop import train_part
from simulator.training.run import SHARED, TrainingRun
from simulator.training.weights import Weights

WEIGHTS = ROOT / "results/reference/digits/weights"
JPEG = CodecDamage(codecs=("jpeg",), qualities=((1, 5),))


def tiny() -> DecodedStage:
    """A short training run on two heavily compressed views of the digits."""
    found = digits().one(SeparateConfig).retraining
    assert found is not None
    return replace(found, damage=JPEG, training=replace(found.training, epochs=2), views=2)


def run_in(folder: Path, *parts: str) -> TrainingRun:
    """A training run in a folder with some of the committed weights."""
    (folder / "weights").mkdir()
    for part in parts:
        shutil.copy(WEIGHTS / f"{part}.safetensors", folder / "weights")
    return TrainingRun(
        recipe=digits(),
        dataset=embedded("digits"),
        folder=folder,
        seed=0,
        device=torch.device("cpu"),
    )


def some_images(count: int = 40) -> Tensor:
    return embedded("digits").test.images[:count]


def test_codec_damage_is_reproducible_and_independent_per_image() -> None:
    images, both = some_images(), replace(JPEG, codecs=("jpeg", "webp"), qualities=((1, 5), (0, 9)))
    damaged = both(images, Streams(seed=0)("damage"))
    assert torch.equal(damaged, both(images, Streams(seed=0)("damage")))
    assert not torch.equal(damaged, both(images, Streams(seed=1)("damage")))
    other = images.flip(0).clone()
    other[7] = images[7]
    assert torch.equal(both(other, Streams(seed=0)("damage"))[7], damaged[7])
    assert float((damaged != images).flatten(1).any(dim=1).double().mean()) > 0.9
    assert damaged.dtype == torch.uint8


def test_a_fraction_of_each_view_stays_clean_and_views_are_cached(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    stage = tiny()
    view = run.view(SHARED, 0)
    seen = decoded(run, "view_0", lambda: view, stage, clean_share=0.25)
    same = (seen == view).flatten(1).all(dim=1).double()
    assert abs(float(same.mean()) - 0.25) < 4 * (0.25 * 0.75 / len(view)) ** 0.5 + 0.02

    def computed_again() -> Tensor:
        raise AssertionError("computed again")

    again = decoded(run, "view_0", computed_again, stage, clean_share=0.25)
    assert torch.equal(seen, again)
    whole = decoded(run, "all", lambda: view[:50], stage, clean_share=0.0)
    assert float((whole == view[:50]).flatten(1).all(dim=1).double().mean()) < 0.1


def test_retrained_student_is_more_accurate_on_decoded_images(tmp_path: Path) -> None:
    run = run_in(tmp_path, "student", "head")
    for lesson in lessons(run, tiny(), "student"):
        train_part(lesson)
    tensors, header = load_tensors(run.path("decoded_student"))
    assert header["origin"]["made_from"].keys() == {"student", "head"}
    assert tensors.keys() == load_tensors(run.path("student"))[0].keys()
    parts = Weights(digits(), embedded("digits"), tmp_path / "weights", torch.device("cpu"))
    before = parts.classifier().classify
    after, key = retrained(parts, tiny(), "student")
    assert len(key) == 16
    test = embedded("digits").test
    damaged = JPEG(test.images, Streams(seed=3)("damage"))
    clean, harmed = to_float(test.images), to_float(damaged)
    right = {
        name: float((classify(images).argmax(dim=1) == test.labels).double().mean())
        for name, classify, images in (
            ("before", before, harmed),
            ("after", after, harmed),
            ("after, clean", after, clean),
        )
    }
    assert right["after"] > right["before"] + 0.02
    assert right["after, clean"] > 0.93


def test_missing_weights_raise_errors(tmp_path: Path) -> None:
    run = run_in(tmp_path, "student")
    with pytest.raises(UserError, match=r"head.safetensors must be there first"):
        lessons(run, tiny(), "student")
    with pytest.raises(UserError, match=r"teacher.safetensors must be there first"):
        lessons(run, tiny(), "teacher")
    parts = Weights(digits(), embedded("digits"), tmp_path / "weights", torch.device("cpu"))
    with pytest.raises(UserError, match=r"no decoded_student in .* --stage decoded --out "):
        retrained(parts, tiny(), "student")
    with pytest.raises(
        UserError, match=r"no decoded_teacher in .* --stage decoded_teachers --out "
    ):
        retrained(parts, tiny(), "teacher")
