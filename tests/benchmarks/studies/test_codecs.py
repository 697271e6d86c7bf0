"""The study of channel codecs: sizes, symbol groups, paired differences, a short training run."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.studies.codecs.designs import designs, recipe
from benchmarks.studies.codecs.study import (
    PLACES,
    CodecsRequest,
    Job,
    Outcome,
    cat,
    pairs_of,
    work,
)
from benchmarks.studies.finished import FrozenStudent
from models import ImageClassifier
from models.blocks import parameter_count
from simulator.data.dataset import Dataset, Split
from simulator.errors import UserError
from simulator.training.run import TrainingRun
from simulator.training.student import TrainedStudent
from simulator.training.teachers import Views

CPU = torch.device("cpu")


def test_designs_have_about_equal_size() -> None:
    built = {name: own.build() for name, own in designs(cat()).items()}
    size = {name: parameter_count(own) for name, own in built.items()}
    assert size["cat"] == pytest.approx(465_672)
    for name, own in size.items():
        assert own == pytest.approx(size["cat"], rel=0.1), name


@pytest.mark.parametrize("name", ["groups", "groups_apart"])
def test_groups_depend_on_each_other_only_through_attention(name: str) -> None:
    """The first token after the blocks depends on the last group only if groups attend."""
    decoder = designs(cat())[name].build().decoder.eval()
    seen: list[torch.Tensor] = []
    decoder.norm.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    values, told = torch.randn(1, 512), torch.full((1, 256), 0.5)
    known = {"snr_db": torch.zeros(1, 1), "uses": torch.full((1, 1), 256)}
    decoder(values, reliability=told, **known)
    changed = values.clone()
    changed[:, -32:] += 1.0
    decoder(changed, reliability=told, **known)
    first, last = ((seen[0] - seen[1])[0, own].abs().max() for own in (0, -1))
    assert last > 1e-4
    assert (first > 1e-6) == (name == "groups")


def test_symbols_beyond_k_are_ignored() -> None:
    decoder = designs(cat())["groups"].build().decoder.eval()
    values, told = torch.randn(2, 512), torch.rand(2, 256)
    known = {"snr_db": torch.zeros(2, 1), "uses": torch.tensor([[20], [256]])}
    changed, other = values.clone(), told.clone()
    changed[0, 40:] += 1.0
    other[0, 20:] = 0.9
    same = decoder(values, reliability=told, **known)
    torch.testing.assert_close(decoder(changed, reliability=other, **known), same)
    short = {"snr_db": torch.zeros(1, 1), "uses": torch.tensor([[20]])}
    alone = decoder(values[:1, :40], reliability=told[:1, :20], **short)
    torch.testing.assert_close(alone, same[:1], atol=1e-5, rtol=0)


def test_paired_differences_match_hand_computed_values() -> None:
    """One design is right and the reference wrong for a quarter of the images, for both seeds."""
    wrong = np.zeros((len(PLACES), 40), dtype=bool)
    better = wrong.copy()
    better[:, :10] = True
    outcomes = {
        Job(name, seed): Outcome((1, 1), {"test": right})
        for name, right in (("cat", wrong), ("mlp", better))
        for seed in (0, 1)
    }
    found = pairs_of(outcomes)
    assert len(found) == 6 * 3
    row = found.iloc[0]
    assert (row["a"], row["b"], row["trainings"], row["images"]) == ("mlp", "cat", 2, 40)
    assert row["difference"] == row["low_trainings"] == row["high_trainings"] == 0.25
    assert 0 < row["low_images"] < 0.25 < row["high_images"]


def behind(folder: Path) -> FrozenStudent:
    """An untrained student, and random features of 300 images of four classes."""
    experiment = recipe(views=2, epochs=1)
    draws = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (300, 3, 8, 8), dtype=torch.uint8, generator=draws)
    split = Split(images, torch.arange(300) % 4)
    dataset = Dataset("few", ("a", "b", "c", "d"), split, split, split, key="few")
    student = ImageClassifier(experiment.student.model, image_channels=3, num_classes=4).eval()
    features = torch.randn((2, 300, 256), generator=draws).half()
    scores = torch.randn((2, 300, 4), generator=draws)
    run = TrainingRun(recipe=experiment, dataset=dataset, folder=folder, seed=0, device=CPU)
    for teacher in experiment.teachers:  # their files are hashed, not read
        run.path(teacher).parent.mkdir(parents=True, exist_ok=True)
        run.path(teacher).write_bytes(b"")
    return FrozenStudent(
        run=run,
        taught=TrainedStudent(student, features, student.head),
        hashes=("", ""),
        views=Views(features, scores.half()),
        validation=features[0].float(),
    )


def test_design_is_trained_tested_and_stored(tmp_path: Path) -> None:
    found, job = behind(tmp_path), Job("groups", 1)
    outcome = work(found, job)
    assert outcome.right["test"].shape == (len(PLACES), 300)
    assert 0.1 < outcome.right["test"].mean() < 0.5
    kept = sorted(path.name for path in (tmp_path / "outcomes").iterdir())
    assert [name[:8] for name in kept] == ["groups_1", "groups_1"]
    again = work(found, job)
    np.testing.assert_array_equal(again.right["validation"], outcome.right["validation"])


def test_requests_list_jobs_and_reject_mistakes(tmp_path: Path) -> None:
    jobs = CodecsRequest(designs=("mlp",), seeds=2).jobs()
    assert jobs == [Job("cat", 0), Job("mlp", 0), Job("cat", 1), Job("mlp", 1)]
    with pytest.raises(UserError, match="--designs must be among cat, .*, got other"):
        CodecsRequest(designs=("other",)).jobs()
    with pytest.raises(UserError, match="--data must name the folder"):
        CodecsRequest(out=tmp_path).prepared()
