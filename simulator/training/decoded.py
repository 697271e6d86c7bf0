"""Classifiers that know what image codecs do, fine-tuned on decoded images: `separate:retrained`.

A classifier goes on from its own weights, by cross-entropy, on training images of the shared views
that went through the recipe's codecs at random qualities; a share of them stays undamaged.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from channels.streams import Streams
from models import ImageClassifier, PretrainedTeacherConfig, StudentConfig, WideResNetConfig
from simulator.description.origin import check_company, check_origin
from simulator.description.parts import decoded_from, decoded_part, recipe_parts
from simulator.description.stages import DecodedStage
from simulator.errors import UserError
from simulator.storage.files import file_hash, load_tensors
from simulator.training.cache import cached
from simulator.training.loop import Epoch
from simulator.training.run import (
    SHARED,
    TrainingRun,
    accuracy,
    classifier,
    in_chunks,
    pixels,
    train_part,
)


def train_decoded(run: TrainingRun, *, teachers: bool = False) -> None:
    """The student, or the offline teachers, on decoded images; nothing if the recipe has no stage.

    Raises: UserError if they are not trained yet.
    """
    stage = run.experiment.decoded
    if stage is None:
        return
    check_decoded(run, teachers=teachers)
    for name, config in _readers(run, teachers=teachers).items():
        _train(run, name, config, stage)


def check_decoded(run: TrainingRun, *, teachers: bool) -> None:
    """Raises: UserError if who is to go on is not trained yet, or cannot be trained."""
    if run.experiment.decoded is not None:
        for name in _readers(run, teachers=teachers):
            check_finished(run, name)


def _readers(run: TrainingRun, *, teachers: bool) -> dict[str, StudentConfig | WideResNetConfig]:
    """Who learns on decoded images, by the names of their parts."""
    if not teachers:
        return {"student": run.experiment.student.model}
    found = {}
    for name, teacher in run.experiment.teachers.items():
        if isinstance(teacher.model, PretrainedTeacherConfig):
            raise UserError("a pretrained teacher cannot be trained on decoded images")
        found[name] = teacher.model
    return found


def _train(
    run: TrainingRun, name: str, config: StudentConfig | WideResNetConfig, stage: DecodedStage
) -> ImageClassifier:
    """One classifier, from its finished weights."""
    part, labels = decoded_part(name), run.labels
    validation = decoded(run, "validation", lambda: run.validation.images, stage, clean_share=0.0)

    def epoch(model: ImageClassifier, index: int) -> Epoch:
        images = _view(run, index % stage.views, stage)

        def loss(indices: Tensor) -> Tensor:
            return functional.cross_entropy(model(pixels(images, indices)).scores, labels[indices])

        return Epoch(loss)

    def validate(model: ImageClassifier) -> float:
        scores = in_chunks(lambda x: model(x).scores, validation, precision="fp32")
        return accuracy(scores, run.validation.labels)

    return train_part(
        run,
        part,
        build=lambda: as_finished(run, name, config),
        config=stage.training,
        epoch=epoch,
        validate=validate,
    )


def check_finished(run: TrainingRun, name: str) -> None:
    """Whether the student or this teacher can be gone on from.

    Raises: UserError if it is not trained yet, or is of another recipe, data or seed.
    """
    hashes: dict[str, str] = {}
    origins: dict[str, dict[str, Any]] = {}
    for part in decoded_from(name):
        path = run.path(part)
        if not path.exists():
            raise UserError(f"{path} must be there first; run semlink train without --stage")
        origin = check_origin(
            path,
            part,
            load_tensors(path)[1].get("origin"),
            recipe=run.experiment.name,
            dataset=run.dataset,
            description=recipe_parts(run.experiment)[part].description,
        )
        if origin["seed"] != run.streams_of(part).seed:
            raise UserError(
                f"{path} was trained with seed {origin['seed']}; add --seed {origin['seed']}"
            )
        hashes[part] = file_hash(path)
        check_company(path, part, origin, hashes=hashes, origins=origins)
        origins[part] = origin


def as_finished(
    run: TrainingRun, name: str, config: StudentConfig | WideResNetConfig
) -> ImageClassifier:
    """The student or a teacher as it was trained."""
    model = classifier(run, config)
    model.load_state_dict(load_tensors(run.path(name))[0])
    if name == "student":  # the head in use is not the one that was trained along
        model.head.load_state_dict(load_tensors(run.path("head"))[0])
    return model


def _view(run: TrainingRun, index: int, stage: DecodedStage) -> Tensor:
    """The images of a shared view, most of them decoded."""
    return decoded(
        run,
        f"view_{index}",
        lambda: run.view(SHARED, index),
        stage,
        clean_share=stage.clean_share,
    )


def decoded(
    run: TrainingRun,
    name: str,
    images: Callable[[], Tensor],
    stage: DecodedStage,
    *,
    clean_share: float,
) -> Tensor:
    """Images [N, C, H, W] uint8, each but a share through a codec at a random quality; cached."""
    made = Streams(seed=run.seed)

    def compute() -> dict[str, Tensor]:
        own = images().cpu()
        kept = torch.rand(len(own), generator=made("decoded, clean", name)) < clean_share
        seed = made("decoded", name)
        return {"images": torch.where(kept[:, None, None, None], own, stage.damage(own, seed))}

    found = cached(
        run, f"decoded_{name}", made_from=(), about=(stage, clean_share), compute=compute
    )
    return found["images"].to(run.device)
