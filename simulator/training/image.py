"""Deep JSCC of images, trained through the channel by squared error: one pair per k."""

import torch
from torch import Tensor
from torch.nn import functional

from channels.mixture import ChannelMixture
from channels.names import channel_from_name
from channels.symbols import to_symbols
from models import DeepJsccImage
from simulator.data.dataset import to_float
from simulator.description.parts import image_jscc_part
from simulator.description.stages import ImageJsccStage
from simulator.schemes.image import received_images
from simulator.training.loop import Epoch
from simulator.training.run import SHARED, TrainingRun, chunk_size, pixels, train_part


def train_image_jscc(run: TrainingRun, stage: ImageJsccStage, uses: int) -> DeepJsccImage:
    """One pair, on the views that the student saw too.

    What it is validated by is the share of the pixels' variance that arrives, at the SNR of the
    training: 1 - squared error / variance. A PSNR follows from it: 10 log10(1 / squared error).
    """
    name = image_jscc_part(uses)
    mixture = ChannelMixture(channels=tuple(map(channel_from_name, stage.channels)))
    size = run.dataset.image_shape[1:]

    def arrived(model: DeepJsccImage, images: Tensor, generator: torch.Generator) -> Tensor:
        return received_images(
            model,
            to_symbols(model.encode(images)),
            channel=mixture,
            snr_db=torch.full((len(images), 1), stage.snr_db, device=images.device),
            generator=generator,
            size=size,
        )

    def epoch(model: DeepJsccImage, index: int) -> Epoch:
        shown = run.view(SHARED, index % run.experiment.views)
        noise = run.streams("channel", name, index, device=run.device)

        def loss(indices: Tensor) -> Tensor:
            images = pixels(shown, indices)
            return functional.mse_loss(arrived(model, images, noise), images)

        return Epoch(loss, (noise,))

    def validate(model: DeepJsccImage) -> float:
        generator = run.streams("validation", name, device=run.device)
        stored = run.validation.images.to(run.device)
        errors, images = [], []
        for chunk in stored.split(chunk_size(stored)):
            images.append(to_float(chunk))
            errors.append(arrived(model, images[-1], generator) - images[-1])
        return 1.0 - float(torch.cat(errors).square().mean() / torch.cat(images).var())

    return train_part(
        run,
        name,
        build=lambda: stage.models(run.dataset.image_shape)[uses].build(
            image_channels=run.image_channels
        ),
        config=stage.training,
        epoch=epoch,
        validate=validate,
    )
