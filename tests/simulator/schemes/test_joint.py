"""Joint baselines on the channel: transmitted symbols, inputs of the receiver, and losses."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.recipes.digits import digits
from channels.base import ChannelOutput
from channels.names import channel_from_name
from channels.streams import Streams
from channels.theory import qam_symbol_error_rate_awgn, qam_symbol_error_rate_rayleigh
from models import DtJscc, DtJsccConfig, ImageClassifier, JointModel, ResidualCnnConfig
from simulator.description.basis import Part
from simulator.description.stages import LossWeights
from simulator.schemes.dt_jscc import decide, modulate
from simulator.schemes.joint import BatchTargets, JointLesson, JointSchemeConfig, TrainingLink
from simulator.schemes.rkd_sc import RkdScConfig
from simulator.storage.describe import digest
from simulator.training.loop import fresh
from simulator.training.losses import TeacherTargets, softened_divergence
from simulator.training.run import TrainingRun
from simulator.training.student import TrainedStudent
from simulator.training.teachers import Views

OURS = digits().one(RkdScConfig).codec.loss
NAMES = ("deep_jscc", "deep_jscc_q", "adjscc", "dt_jscc", "dt_jscc:64qam", "vl_vfe")
THEORY = {"awgn": qam_symbol_error_rate_awgn, "rayleigh": qam_symbol_error_rate_rayleigh}


def stage(name: str) -> JointSchemeConfig:
    """A baseline of the digits."""
    found = digits().scheme(name)
    assert isinstance(found, JointSchemeConfig)
    return found


def built(name: str, uses: int = 16) -> JointModel:
    """A model for the digits with fresh weights and without its backbone."""
    return fresh(lambda: stage(name).fresh(uses=uses, image_channels=1, num_classes=10), seed=0)


def discrete(bits: int, uses: int) -> DtJscc:
    """A minimal DT-JSCC model, of which only the constellation is used."""
    body = ResidualCnnConfig(widths=(4,), blocks=1, feature_dim=4)
    config = DtJsccConfig(
        body=body, hidden=4, bits_per_symbol=bits, word=2, robustness=1e-3, temperature=0.5
    )
    return config.build(image_channels=None, num_classes=2, uses=uses)


@pytest.mark.parametrize("bits", [4, 6])
@pytest.mark.parametrize("channel", ["awgn", "rayleigh"])
def test_hard_decisions_have_the_theoretical_symbol_error_rate(
    bits: int, channel: str, generator: torch.Generator
) -> None:
    """Also with scaled points: 2 dB less power is equivalent to an SNR that is 2 dB lower."""
    count, snr_db, power = 60_000, 12.0, 10**0.2
    model = discrete(bits, uses=1)
    model.power.fill_(power)
    chosen = torch.randint(0, 2**bits, (count, 1), generator=generator)
    snr = torch.full((count, 1), snr_db)
    x = modulate(model, chosen)
    assert float(x.abs().square().mean()) == pytest.approx(1 / power, rel=0.02)
    received = channel_from_name(channel)(x, snr_db=snr, generator=generator)
    errors = int((decide(model, received) != chosen).sum())
    rate = THEORY[channel](snr_db - 2.0, bits_per_symbol=bits)
    assert abs(errors - count * rate) < 4 * math.sqrt(count * rate * (1 - rate))


def test_decoder_receives_the_instantaneous_snr_of_each_image(generator: torch.Generator) -> None:
    """In a deep fade, the decoder knows the received SNR, but the encoder only the average."""
    told: dict[str, Tensor] = {}

    class Told(JointModel):
        def encode(self, features: Tensor, *, snr_db: Tensor) -> Tensor:
            told["encoder"] = snr_db
            return features

        def decode(self, received: Tensor, *, snr_db: Tensor, gamma_db: Tensor) -> Tensor:
            told.update(average=snr_db, gamma=gamma_db, values=received)
            return received

    model = Told(stage("adjscc").model, uses=2, image_channels=None)
    features, snr_db = torch.tensor([[3.0, 4.0, 0.0, 0.0]]), torch.tensor([[7.0]])
    x = stage("adjscc").symbols(model, features, snr_db=snr_db)
    assert float(x.abs().square().mean()) == pytest.approx(1)
    h = torch.full_like(x, 0.1j)
    noise_power = torch.tensor([[10**-0.7]])
    stage("adjscc").estimate(model, ChannelOutput(h * x, h, noise_power), snr_db=snr_db)
    assert torch.equal(told["encoder"], snr_db)
    assert torch.equal(told["average"], snr_db)
    assert float(told["gamma"]) == pytest.approx(7.0 - 20.0, abs=1e-4)
    shrunk = 0.01 / (0.01 + 10**-0.7)
    torch.testing.assert_close(told["values"], features * shrunk * math.sqrt(2) / 5)


@pytest.mark.parametrize("name", NAMES)
def test_loss_is_reproducible_and_has_gradients_for_every_weight(
    name: str, generator: torch.Generator
) -> None:
    features = torch.randn(8, 64, generator=generator)
    labels = torch.arange(8)

    def loss(model: JointModel, stream: str) -> Tensor:
        return stage(name).loss(
            model,
            features,
            BatchTargets(labels),
            TrainingLink(
                channel=channel_from_name("rayleigh"),
                snr_db=torch.full((8, 1), 3.0),
                generator=Streams(seed=1)(stream),
                progress=0.5,
            ),
        )

    model = built(name)
    first = loss(model, "one")
    first.backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.abs().max() > 0, key
    assert float(loss(built(name), "one").detach()) == float(first.detach())
    assert float(loss(built(name), "other").detach()) != float(first.detach())


@pytest.mark.parametrize("name", NAMES)
def test_codec_on_the_student_of_rkd_sc_adds_the_distillation_losses(
    name: str, generator: torch.Generator
) -> None:
    """The feature loss is weighted by the number of bits that the channel can carry."""
    features, told = (torch.randn(8, 64, generator=generator) for _ in range(2))
    said, labels = torch.randn(8, 10, generator=generator), torch.arange(8)
    model, snr_db = built(name), torch.full((8, 1), 0.0)  # 1 bit per use
    behind_ours = replace(stage(name), backbone_of="", backbone_stage=None)

    def loss(weights: LossWeights | None, targets: TeacherTargets | None) -> float:
        link = TrainingLink(channel_from_name("awgn"), snr_db, Streams(seed=1)("noise"), 0.5)
        own = replace(behind_ours, losses=weights)
        with torch.no_grad():
            return float(own.loss(model, features, BatchTargets(labels, targets), link))

    heard: list[Tensor] = []
    with model.head.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0])):
        alone = loss(None, TeacherTargets(told, said))
    scores = model.scores(heard[0]).detach()
    error = float(functional.mse_loss(heard[0], told)) * 16 / 64
    divergence = float(softened_divergence(said, scores, 2.0))
    weights = LossWeights(mse=3.0, ce=1.0, kl=0.7, temperature=2.0, mse_bits=64.0)
    found = loss(weights, TeacherTargets(told, said))
    assert found - alone == pytest.approx(3.0 * error + 0.7 * divergence, rel=1e-4)


def test_features_and_teacher_outputs_come_from_the_same_view(
    run: TrainingRun, generator: torch.Generator
) -> None:
    """With two views, epoch 3 uses view 1: its features, and the teacher outputs for it."""
    heard: list[tuple[Tensor, BatchTargets]] = []

    class Heard(JointSchemeConfig):
        def loss(
            self, model: JointModel, features: Tensor, truth: BatchTargets, link: TrainingLink
        ) -> Tensor:
            heard.append((features, truth))
            return features.sum()

    student = ImageClassifier(run.recipe.student.model, **run.dataset.sizes)
    images = len(run.training.labels)
    features = torch.randn(2, images, 64, generator=generator)
    scores = torch.randn(2, images, 10, generator=generator)
    scheme = Heard(**vars(stage("adjscc")))
    lesson = JointLesson(
        run=replace(run, recipe=replace(run.recipe, views=2)),
        part=Part("codec", ()),
        config=scheme.training,
        scheme=scheme,
        uses=16,
        taught=TrainedStudent(student, features, student.head),
        views=Views(-features, scores),
        validation=torch.zeros(1, 64),
        channels=("awgn",),
        stream="codec",
    )
    indices = torch.tensor([5, 999, 0])
    lesson.epoch(lesson.build(), 3).loss(indices)
    ((seen, truth),) = heard
    assert torch.equal(seen, features[1, indices])
    assert torch.equal(truth.labels, run.labels[indices])
    assert truth.teacher is not None
    assert torch.equal(truth.teacher.features, -seen)
    assert torch.equal(truth.teacher.scores, scores[1, indices])


def test_parts_depend_on_their_losses_and_passes() -> None:
    recipe, ours = digits(), stage("adjscc:distilled")
    part, total = (own.part(recipe, 16) for own in (ours, stage("adjscc:distilled:total")))
    assert part.made_from == ("teacher", "student", "head")
    assert stage("adjscc").part(recipe, 16).made_from == ("student_no_teacher", "head_no_teacher")
    alone = replace(ours, losses=None).part(recipe, 16)
    assert alone.made_from == ("student", "head")
    assert len({digest(own.description) for own in (part, total, alone)}) == 3


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "losses need the recipe's own student, .* backbone_of 'no_teacher'"),
        (
            {"backbone": "scratch", "backbone_of": "", "backbone_stage": None},
            "losses need the recipe's own student, .* got backbone 'scratch'",
        ),
        (
            {"backbone_of": "", "backbone_stage": None, "losses": replace(OURS, consistency=0.5)},
            "losses of a joint codec must have consistency 0, got 0.5",
        ),
    ],
)
def test_invalid_distillation_losses_raise_an_error(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        replace(stage("adjscc"), **{"losses": OURS, **changes})


def test_passes_are_divided_but_at_least_one_epoch_remains() -> None:
    whole = replace(stage("adjscc").training, epochs=11, least_steps=100)
    own = replace(stage("adjscc"), training=whole, shares=5)
    assert own.passes == replace(whole, epochs=2, least_steps=20)
    assert replace(own, shares=20).passes.epochs == 1
    assert replace(own, shares=1).passes == whole


def test_divergence_weight_is_ramped_up_early_in_training(generator: torch.Generator) -> None:
    model = built("vl_vfe")
    features, snr_db = torch.randn(8, 64, generator=generator), torch.full((8, 1), 20.0)

    def loss(progress: float) -> float:
        generator = Streams(seed=1)("noise")
        link = TrainingLink(channel_from_name("awgn"), snr_db, generator, progress)
        with torch.no_grad():
            return float(stage("vl_vfe").loss(model, features, BatchTargets(torch.arange(8)), link))

    assert loss(0.0) == loss(1 / 16) < loss(3 / 32) < loss(1 / 8) == loss(0.15)
