"""The study of codecs over multipath: paired differences, and a short training run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.studies.finished import FrozenStudent
from benchmarks.studies.multipath.__main__ import PLACE, pairs_of
from benchmarks.studies.multipath.codecs import recipe, trained
from models import ImageClassifier
from simulator.data.dataset import Dataset, Split
from simulator.schemes.joint import JointScheme
from simulator.schemes.rkd_sc import RkdScheme
from simulator.training.run import TrainingRun
from simulator.training.student import TrainedStudent

CPU = torch.device("cpu")


def rows(accuracies: dict[tuple[str, str], list[float]]) -> pd.DataFrame:
    """A table of one setting, with one accuracy per training seed."""
    place = {"split": "test", "channel_uses": 64, "snr_db": 2.0}
    return pd.DataFrame(
        [
            {**place, "scheme": scheme, "channel": channel, "seed": seed, "accuracy": value}
            for (scheme, channel), values in accuracies.items()
            for seed, value in enumerate(values)
        ]
    )


def test_differences_are_paired_by_training_seed() -> None:
    found = pairs_of(
        rows(
            {
                ("rkd_sc:flat", "tdl:A"): [0.50, 0.60, 0.70],
                ("rkd_sc:multipath", "tdl:A"): [0.52, 0.62, 0.72],
                ("rkd_sc:flat", "tdl:A+interleaved"): [0.51, 0.60, 0.71],
            }
        )
    ).set_index("a")
    assert list(found.columns) == ["b", *PLACE, "trainings", "difference", "low", "high"]
    trained_on_it = found.loc["rkd_sc:multipath"]
    assert trained_on_it["difference"] == pytest.approx(0.02)
    assert trained_on_it["low"] == pytest.approx(0.02) == trained_on_it["high"]
    moved = found.loc["rkd_sc:flat interleaved"]
    assert (moved["channel"], moved["trainings"]) == ("tdl:A", 3)
    half = 4.302653 * np.std([0.01, 0.0, 0.01], ddof=1) / 3**0.5
    assert moved["high"] - moved["difference"] == pytest.approx(half, rel=1e-4)
    alone = pairs_of(rows({("adjscc:flat", "awgn"): [0.5], ("adjscc:multipath", "awgn"): [0.4]}))
    assert alone["difference"].tolist() == pytest.approx([-0.1])
    assert alone[["low", "high"]].isna().all(axis=None)


def behind(folder: Path) -> FrozenStudent:
    """An untrained student, and random features of 64 images of four classes."""
    experiment = recipe(views=2, epochs=1)
    draws = torch.Generator().manual_seed(0)
    labels = torch.arange(64) % 4
    images = torch.randint(0, 256, (64, 3, 8, 8), dtype=torch.uint8, generator=draws)
    split = Split(images, labels)
    dataset = Dataset(
        name="few",
        key="few",
        classes=("a", "b", "c", "d"),
        train=split,
        validation=split,
        test=split,
    )
    student = ImageClassifier(experiment.student.model, image_channels=3, num_classes=4)
    features = torch.randn((2, 64, 256), generator=draws).half()
    run = TrainingRun(recipe=experiment, dataset=dataset, folder=folder, seed=0, device=CPU)
    taught = TrainedStudent(student, features, student.head)
    return FrozenStudent(run=run, taught=taught, hashes=("", ""), validation=features[0].float())


def test_codec_names_select_channels_and_reliability(tmp_path: Path) -> None:
    found = behind(tmp_path)
    plain = trained(found, "rkd_sc:multipath", 0)
    told = trained(replace(found, run=replace(found.run, seed=1)), "rkd_sc:flat:reliable", 1)
    joint = trained(found, "adjscc:multipath", 0)
    assert isinstance(plain, RkdScheme)
    assert isinstance(told, RkdScheme)
    assert isinstance(joint, JointScheme)
    assert (plain.codec.reliability, told.codec.reliability) == (False, True)
    assert joint.config.channels[-1] == "tdl:C:300ns:120kmh+lmmse:8"
    assert sorted(path.name for path in (tmp_path / "weights").glob("*.safetensors")) == [
        "adjscc_multipath_0.safetensors",
        "rkd_sc_flat_reliable_1.safetensors",
        "rkd_sc_multipath_0.safetensors",
    ]
