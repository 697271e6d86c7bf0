"""Joint source-channel coding baselines, trained through the channel by labels: one model per k."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from channels.base import Channel
from channels.equalize import mmse, receive_snr_db
from channels.mixture import ChannelMixture
from channels.names import channel_from_name
from channels.qam import qam_points
from channels.symbols import from_symbols
from models import DtJscc, JointModel, VlVfe
from models.vl_vfe import divergence, noise_deviation
from simulator.description.parts import joint_part
from simulator.description.stages import JointStage
from simulator.schemes.joint import decide, joint_scores, joint_symbols, modulate, one_hot
from simulator.training.codec import VALIDATION_SNR_DB, Taught
from simulator.training.loop import Epoch
from simulator.training.run import SHARED, TrainingRun, accuracy, pixels, train_part
from simulator.training.student import validation_features

POWER_MOMENTUM = 0.01  # of the running mean power of DT-JSCC's points


ALL_SENT = 3 / 16  # share of the epochs in which VL-VFE leaves out no dimension, as its code does


PENALTY_FROM, PENALTY_FULL = 1 / 16, 1 / 8  # shares between which its divergence comes to count


REFERENCE_DEVIATION = 0.1  # noise deviation at which the divergence counts as its weight says


def train_joint(
    run: TrainingRun, stage: JointStage, uses: int, *, taught: Taught | None
) -> JointModel:
    """One model, on the views that the student saw too; `taught` is its backbone, None: scratch."""
    labels = run.labels
    name = joint_part(stage.name, uses)
    mixture = ChannelMixture(channels=tuple(map(channel_from_name, stage.channels)))
    frozen = taught is not None and stage.backbone == "frozen"
    validation = validation_features(run, taught.student.body) if taught and frozen else None

    def build() -> JointModel:
        shape = {"image_channels": run.image_channels, "num_classes": run.num_classes}
        model = stage.build(uses=uses, **shape)
        if taught:
            model.head.load_state_dict(taught.head.state_dict())
            if model.body is not None:
                model.body.load_state_dict(taught.student.body.state_dict())
        return model

    def epoch(model: JointModel, index: int) -> Epoch:
        view = index % run.experiment.views
        images = None if frozen else run.view(SHARED, view)
        draws = run.streams("conditions", name, index)
        noise = run.streams("channel", name, index, device=run.device)
        progress = index / stage.training.epochs_on(len(labels))

        def loss(indices: Tensor) -> Tensor:
            if model.body is not None and images is not None:
                features = model.body(pixels(images, indices))
            else:
                assert taught is not None
                features = taught.features[view, indices].float()
            snr_db = _drawn_snr_db(stage, len(indices), draws).to(run.device)
            return joint_loss(
                model,
                features,
                labels[indices],
                channel=mixture,
                snr_db=snr_db,
                generator=noise,
                progress=progress,
            )

        return Epoch(loss, (draws, noise))

    return train_part(
        run,
        name,
        build=build,
        config=stage.training,
        epoch=epoch,
        validate=lambda model: _validation_accuracy(run, stage, model, mixture, validation),
        rates={"body.": stage.backbone_rate} if stage.backbone == "tuned" else {},
        threads=1 if frozen else None,
    )


def joint_loss(
    model: JointModel,
    features: Tensor,
    labels: Tensor,
    *,
    channel: Channel,
    snr_db: Tensor,
    generator: torch.Generator,
    progress: float,
) -> Tensor:
    """Cross-entropy through the channel, and what a kind of model adds to it.

    Shapes: features [B, D], labels [B], snr_db [B, 1], `progress` in [0, 1] -> scalar.
    """
    if isinstance(model, DtJscc):
        return _discrete_loss(model, features, labels, channel, snr_db, generator)
    if isinstance(model, VlVfe):
        return _variable_loss(model, features, labels, channel, snr_db, generator, progress)
    x = joint_symbols(model, features, snr_db=snr_db)
    received = channel(x, snr_db=snr_db, generator=generator)
    return functional.cross_entropy(joint_scores(model, received, snr_db=snr_db), labels)


def _discrete_loss(
    model: DtJscc,
    features: Tensor,
    labels: Tensor,
    channel: Channel,
    snr_db: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Robust information bottleneck [Xie et al.], by the relaxation of its code.

    Words are drawn by the Gumbel-max rule, their points go through the very channel and are
    decided; the gradient is that of the relaxed choice, as if what was decided had been chosen.
    """
    logits = model.encode(features, snr_db=snr_db)  # [B, k, M]
    _track_power(model, logits.argmax(dim=2))
    uniform = torch.rand(logits.shape, generator=generator, device=logits.device)
    gumbel = -torch.log(-torch.log(uniform.clamp(1e-9, 1 - 1e-7)))
    relaxed = torch.softmax((logits + gumbel) / model.config.temperature, dim=2)
    sent = modulate(model, relaxed.argmax(dim=2))
    received = channel(sent, snr_db=snr_db, generator=generator)
    heard = one_hot(model, decide(model, received)) + relaxed - relaxed.detach()
    scores = model.decode(heard, snr_db=snr_db, gamma_db=snr_db)
    log_choice = torch.log_softmax(logits, dim=2)
    entropy = -(log_choice.exp() * log_choice).sum(dim=2).mean()
    return functional.cross_entropy(scores, labels) - model.config.robustness * entropy


@torch.no_grad()
def _track_power(model: DtJscc, chosen: Tensor) -> None:
    points = qam_points(model.config.bits_per_symbol, chosen.device)
    model.power.lerp_(points[chosen].abs().square().mean(), POWER_MOMENTUM)


def _variable_loss(
    model: VlVfe,
    features: Tensor,
    labels: Tensor,
    channel: Channel,
    snr_db: Tensor,
    generator: torch.Generator,
    progress: float,
) -> Tensor:
    """Variational information bottleneck [Shao et al.], annealed as in its code.

    As published, the peak of every value is limited, not the power of an image: were the power of
    small values made up for, the divergence would vanish at no cost.
    """
    early = progress < ALL_SENT
    values = model.encode(features, snr_db=snr_db, all_sent=early)
    x = torch.view_as_complex(values.unflatten(1, (-1, 2)).contiguous()) / math.sqrt(2)
    received = channel(x, snr_db=snr_db, generator=generator)
    scores = model.decode(
        from_symbols(mmse(received)),
        snr_db=snr_db,
        gamma_db=receive_snr_db(received),
        all_sent=early,
    )
    ramp = (progress - PENALTY_FROM) / (PENALTY_FULL - PENALTY_FROM)
    weight = model.config.sparsity * min(1.0, max(0.0, ramp))
    deviation = noise_deviation(snr_db)
    costs = divergence(values, deviation) * REFERENCE_DEVIATION / deviation.squeeze(1)
    return functional.cross_entropy(scores, labels) + weight * costs.mean()


def _drawn_snr_db(stage: JointStage, count: int, generator: torch.Generator) -> Tensor:
    """An SNR for every image, [count, 1]; nothing is drawn where there is but one."""
    low, high = stage.snr_range_db
    if low == high:
        return torch.full((count, 1), low)
    return low + (high - low) * torch.rand((count, 1), generator=generator)


def _validation_accuracy(
    run: TrainingRun,
    stage: JointStage,
    model: JointModel,
    channel: Channel,
    features: Tensor | None,
) -> float:
    """Validation accuracy at the SNR of the training, or the mean over a few within its range.

    `features` [N, D] are those of a frozen backbone. The noise is the same every time.
    """
    if features is None:
        assert model.body is not None
        features = validation_features(run, model.body)
    low, high = stage.snr_range_db
    found = []
    for snr in {low} if low == high else VALIDATION_SNR_DB:
        snr_db = torch.full((len(features), 1), snr, device=run.device)
        generator = run.streams("validation", stage.name, model.uses, snr, device=run.device)
        x = joint_symbols(model, features, snr_db=snr_db)
        received = channel(x, snr_db=snr_db, generator=generator)
        scores = joint_scores(model, received, snr_db=snr_db)
        found.append(accuracy(scores, run.validation.labels))
    return sum(found) / len(found)
