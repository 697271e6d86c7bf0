"""Training can be resumed with the same training images, whatever the test images are."""

from dataclasses import replace

import pytest

from simulator.data.dataset import Split
from simulator.description.basis import Part
from simulator.description.trained_on import (
    check_training_images,
    data_name,
    validation_images,
    write_data_name,
)
from simulator.errors import UserError
from simulator.training.run import TrainingRun


def key(run: TrainingRun) -> str:
    return run.origin(Part("student", ())).key


def fewer(split: Split) -> Split:
    return Split(images=split.images[1:], labels=split.labels[1:])


def test_training_can_be_resumed_with_other_test_images(run: TrainingRun) -> None:
    weights = run.folder / "weights"
    other = replace(run.dataset, test=fewer(run.dataset.test), key="other")
    theirs = replace(run, dataset=other)
    assert key(theirs) != key(run)
    write_data_name(weights, run.dataset)
    assert key(theirs) == key(run)
    assert key(replace(theirs, taught_in=run.folder, folder=run.folder / "search")) == key(run)
    assert data_name(run.folder, other) == "other"  # no name is stored there
    (weights / "student.safetensors").touch()
    write_data_name(weights, other)
    assert data_name(weights, other) == run.dataset.key  # the first name is kept
    alone = replace(other, train=None, validation=None)
    assert validation_images(weights, alone) == len(run.validation.labels)  # as stored there
    assert validation_images(run.folder, alone) == 0


@pytest.mark.parametrize("training", [True, False])
def test_other_training_or_validation_images_have_another_name(
    run: TrainingRun, training: bool
) -> None:
    weights, data = run.folder / "weights", run.dataset
    assert data.train is not None
    assert data.validation is not None
    write_data_name(weights, data)
    changed = replace(
        data,
        key="other",
        train=fewer(data.train) if training else data.train,
        validation=data.validation if training else fewer(data.validation),
    )
    assert data_name(weights, changed) == "other"
    write_data_name(weights, changed)  # a new training run: there are no weights
    assert data_name(weights, replace(changed, key="third")) == "other"


def test_parts_trained_on_other_images_are_refused(run: TrainingRun) -> None:
    weights, data = run.folder / "weights", run.dataset
    assert data.train is not None
    changed = replace(data, key="other", train=fewer(data.train))
    write_data_name(weights, data)
    check_training_images(weights, changed)  # there are no parts yet
    (weights / "student.safetensors").touch()
    check_training_images(weights, replace(data, key="other", test=fewer(data.test)))
    with pytest.raises(UserError, match="holds parts that were trained on other images"):
        check_training_images(weights, changed)


def test_damaged_name_of_the_data_raises_an_error(run: TrainingRun) -> None:
    weights = run.folder / "weights"
    weights.mkdir()
    (weights / "data.json").write_text("[]")
    with pytest.raises(UserError, match="must be a JSON object with data and training"):
        data_name(weights, run.dataset)
