"""Students that know what deep JSCC of images rebuilds: `deep_jscc_image:retrained`.

For each k, the student goes on from its own weights, by cross-entropy, on training images that a
finished pair sent through the channel; SNR and noise are drawn anew for every image.
"""

import torch
from torch import Tensor
from torch.nn import functional

from channels.mixture import ChannelMixture
from channels.names import channel_from_name
from channels.symbols import to_symbols
from models import DeepJsccImage, ImageClassifier
from models.deepjscc_image import DeepJsccImageConfig
from simulator.description.parts import image_jscc_part, rebuilt_part
from simulator.description.stages import ImageJsccStage, LinkConditions, RebuiltStage
from simulator.errors import UserError
from simulator.schemes.image import received_images
from simulator.training.codec import draw_conditions
from simulator.training.decoded import as_finished, check_finished
from simulator.training.image import train_image_jscc
from simulator.training.loop import Epoch
from simulator.training.run import SHARED, TrainingRun, accuracy, in_chunks, pixels, train_part


def pairs_to_rebuild(run: TrainingRun) -> dict[int, DeepJsccImageConfig]:
    """The pairs by k whose images students learn on; none if recipe or image size allows none."""
    stage = run.experiment.image_jscc
    return stage.models(run.dataset.image_shape) if stage and stage.retraining else {}


def check_rebuilt(run: TrainingRun) -> None:
    """Raises: UserError if there is no pair, or if one, the student or its head is not trained."""
    stage, pairs = run.experiment.image_jscc, pairs_to_rebuild(run)
    if stage is None or not pairs:
        size = "x".join(map(str, run.dataset.image_shape))
        raise UserError(
            f"--stage rebuilt needs deep JSCC that rebuilds images, and recipe "
            f"{run.experiment.name} has none for {size}: H and W must be multiples of 4, and k "
            "of H W / 32"
        )
    check_finished(run, "student")
    for path in map(run.path, map(image_jscc_part, pairs)):
        if not path.exists():
            raise UserError(
                f"{path} must be there first; run semlink train {run.experiment.name} "
                f"--stage baselines --schemes {stage.name}"
            )


def train_rebuilt(run: TrainingRun) -> None:
    """A student for every pair. Raises: what `check_rebuilt` raises."""
    check_rebuilt(run)
    stage = run.experiment.image_jscc
    assert stage is not None
    assert stage.retraining is not None
    for uses in pairs_to_rebuild(run):
        _train(run, stage, stage.retraining, uses)


def _train(
    run: TrainingRun, stage: ImageJsccStage, retraining: RebuiltStage, uses: int
) -> ImageClassifier:
    """The student for one k."""
    part, labels = rebuilt_part(uses), run.labels
    pair = train_image_jscc(run, stage, uses)  # is finished
    conditions = LinkConditions(
        channels=stage.channels, snr_db=retraining.snr_db, uses=(uses,), full_share=0.0
    )
    student = run.experiment.student.model

    def epoch(model: ImageClassifier, index: int) -> Epoch:
        images = run.view(SHARED, index % run.experiment.views)
        draws = run.streams("conditions", part, index)
        noise = run.streams("channel", part, index, device=run.device)

        def loss(indices: Tensor) -> Tensor:
            seen = rebuilt(pair, pixels(images, indices), conditions, draws, noise)
            return functional.cross_entropy(model(seen).scores, labels[indices])

        return Epoch(loss, (draws, noise))

    def validate(model: ImageClassifier) -> float:
        draws = run.streams("validation conditions", part)
        noise = run.streams("validation", part, device=run.device)

        def scores(images: Tensor) -> Tensor:
            found: Tensor = model(rebuilt(pair, images, conditions, draws, noise)).scores
            return found

        found = in_chunks(scores, run.validation.images.to(run.device), precision="fp32")
        return accuracy(found, run.validation.labels)

    return train_part(
        run,
        part,
        build=lambda: as_finished(run, "student", student),
        config=retraining.training,
        epoch=epoch,
        validate=validate,
    )


@torch.no_grad()
def rebuilt(
    pair: DeepJsccImage,
    images: Tensor,
    conditions: LinkConditions,
    draws: torch.Generator,
    noise: torch.Generator,
) -> Tensor:
    """What arrives of images, each at an SNR of its own.

    Shapes: images [B, C, H, W] in [0, 1] -> [B, C, H, W] in [0, 1].
    """
    snr_db, _ = draw_conditions(len(images), conditions, generator=draws)
    return received_images(
        pair,
        to_symbols(pair.encode(images)),
        channel=ChannelMixture(channels=tuple(map(channel_from_name, conditions.channels))),
        snr_db=snr_db.to(images.device),
        generator=noise,
        size=(images.shape[2], images.shape[3]),
    )
