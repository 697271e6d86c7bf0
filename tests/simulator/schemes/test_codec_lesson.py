"""Training of the codec (stage 2): loss terms, validation conditions and initial weights."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.recipes.digits import digits
from models import ImageClassifier
from simulator.data.embedded import embedded
from simulator.description.basis import Part
from simulator.description.stages import LossWeights
from simulator.schemes import codec as module
from simulator.schemes.codec import CodecLesson, EpochContext
from simulator.schemes.rkd_sc import RkdScConfig
from simulator.training.losses import distillation_loss, softened_divergence
from simulator.training.run import TrainingRun
from simulator.training.student import TrainedStudent
from simulator.training.teachers import Views

STAGE = digits().one(RkdScConfig).codec
LOSS = LossWeights(mse=2.0, ce=1.0, kl=0.5, temperature=2.0, consistency=0.3, mse_bits=64.0)
INDICES = torch.arange(5)


@dataclass
class Sent:
    """Replaces the link: records its arguments, and adds a small offset to the features."""

    calls: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, _: object, z: Tensor, **given: Any) -> Tensor:
        self.calls.append({"z": z, **given})
        return z + 0.1


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def lesson(tmp_path: Path, **changes: Any) -> CodecLesson:
    """A lesson on random features of one view."""
    stage = replace(STAGE, loss=LOSS, **changes)
    dataset = embedded("digits")
    run = TrainingRun(
        recipe=digits(), dataset=dataset, folder=tmp_path, seed=0, device=torch.device("cpu")
    )
    student = ImageClassifier(digits().student.model, **dataset.sizes)
    size, count = stage.model.feature_dim, len(run.labels)
    features = torch.randn((1, count, size), generator=generator(0))
    views = Views(
        features=torch.randn((1, count, size), generator=generator(1)).half(),
        scores=torch.randn((1, count, 10), generator=generator(2)).half(),
    )
    return CodecLesson(
        run=run,
        part=Part("codec", (), ()),
        config=stage.training,
        stage=stage,
        taught=TrainedStudent(student, features, student.head),
        views=views,
        validation=features[0, : len(run.validation.labels)],
        channels=stage.conditions.channels,
        stream="codec",
    )


def context(progress: float = 0.0) -> EpochContext:
    return EpochContext(0, None, progress, draws=generator(3), noise=generator(4))


def test_loss_is_computed_for_the_drawn_snr_and_channel_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, sent = lesson(tmp_path), Sent()
    monkeypatch.setattr(module, "send_features", sent)
    monkeypatch.setattr(module, "clean_estimate", lambda _, z, **__: z)
    model = own.build()
    loss = own.loss(model, context(), INDICES)
    snr_db, uses = own.stage.conditions.draw(5, generator=generator(3))
    (call,) = sent.calls
    assert torch.equal(call["snr_db"], snr_db)
    assert torch.equal(call["uses"], uses)
    assert call["reported_snr_db"] is None
    assert own.taught is not None
    assert own.views is not None
    z = own.taught.features[0, INDICES]
    scores = model.head(z + 0.1)
    expected = distillation_loss(
        z + 0.1,
        scores,
        own.labels[INDICES],
        own.views.targets(0, INDICES),
        LOSS,
        bits=uses * torch.log2(1 + 10 ** (snr_db / 10)),
    )
    clean = model.head(z)
    expected = expected + 0.3 * softened_divergence(clean, scores, 2.0)
    torch.testing.assert_close(loss, expected)
    assert float(0.3 * softened_divergence(clean, scores, 2.0).detach()) > 1e-4


def test_noiseless_training_sends_at_infinite_snr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, sent = lesson(tmp_path, conditions=replace(STAGE.conditions, noiseless=True)), Sent()
    monkeypatch.setattr(module, "send_features", sent)
    own.loss(own.build(), context(), INDICES)
    assert (sent.calls[0]["snr_db"] == math.inf).all()
    assert (sent.calls[0]["reported_snr_db"] == module.NOISELESS_SNR_DB).all()


@pytest.mark.parametrize(("progress", "snr_db"), [(0.0, -5.0), (0.4, -5.0), (0.6, 15.0)])
def test_listed_snrs_are_trained_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, progress: float, snr_db: float
) -> None:
    own = lesson(tmp_path, conditions=replace(STAGE.conditions, snr_list=(-5.0, 15.0)))
    sent = Sent()
    monkeypatch.setattr(module, "send_features", sent)
    own.loss(own.build(), context(progress), INDICES)
    assert (sent.calls[0]["snr_db"] == snr_db).all()


def test_codec_is_validated_at_several_snrs_and_k(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, sent = lesson(tmp_path), Sent()
    monkeypatch.setattr(module, "send_features", sent)
    own.validate(own.build())
    places = {(float(call["snr_db"][0]), int(call["uses"][0])) for call in sent.calls}
    assert places == {(snr, k) for snr in (-4.0, 4.0, 12.0) for k in (16, 64)}


@pytest.mark.parametrize(
    ("student", "head", "body"),
    [("frozen", True, None), ("all", True, True), ("last", True, True), ("scratch", False, False)],
)
def test_initial_weights_of_head_and_student(
    tmp_path: Path, student: Any, head: bool, body: bool | None
) -> None:
    """Whether head and student start from stage 1; a frozen student is stored in its own file."""
    own = lesson(tmp_path, student=student)
    model = own.build()
    assert own.taught is not None
    assert torch.equal(model.head.weight, own.taught.head.weight) == head
    if body is None:
        assert model.body is None
        return
    assert model.body is not None
    begun = own.taught.student.body.state_dict()
    same = all(torch.equal(value, begun[name]) for name, value in model.body.state_dict().items())
    assert same == body
    learns = {name for name, own in model.body.named_parameters() if own.requires_grad}
    assert (len(learns) < len([*model.body.parameters()])) == (student == "last")
