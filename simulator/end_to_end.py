"""Task-oriented deep JSCC, trained end to end through the channel: one model per k."""

import torch
from torch import Tensor
from torch.nn import functional

from channels.mixture import ChannelMixture
from channels.names import channel_from_name
from models import DeepJscc
from simulator.data import to_float
from simulator.link import send_values
from simulator.parts import deep_jscc_part
from simulator.train import Epoch
from simulator.training_run import SHARED, TrainingRun, accuracy, chunk_size, train_part


def train_deep_jscc(run: TrainingRun, uses: int) -> DeepJscc:
    """Cross-entropy through the channel at one SNR, on the views that the student saw too."""
    stage = run.experiment.deep_jscc
    labels = run.labels
    name = deep_jscc_part(uses)
    mixture = ChannelMixture(channels=tuple(map(channel_from_name, stage.channels)))

    def send(model: DeepJscc, images: Tensor, generator: torch.Generator) -> Tensor:
        values = model.encode(to_float(images))
        snr_db = torch.full((len(images), 1), stage.snr_db, device=images.device)
        return model.decode(
            send_values(values, channel=mixture, snr_db=snr_db, generator=generator)
        )

    def epoch(model: DeepJscc, index: int) -> Epoch:
        images = run.view(SHARED, index % run.experiment.views)
        noise = run.streams("channel", name, index, device=run.device)

        def loss(indices: Tensor) -> Tensor:
            scores = send(model, images[indices], noise)
            return functional.cross_entropy(scores, labels[indices])

        return Epoch(loss, (noise,))

    def validate(model: DeepJscc) -> float:
        generator = run.streams("validation", name, device=run.device)
        images = run.validation.images.to(run.device)
        scores = [send(model, chunk, generator) for chunk in images.split(chunk_size(images))]
        return accuracy(torch.cat(scores), run.validation.labels)

    return train_part(
        run,
        name,
        build=lambda: stage.model.build(
            image_channels=run.image_channels, num_classes=run.num_classes, uses=uses
        ),
        config=stage.training,
        epoch=epoch,
        validate=validate,
    )
