"""Deep JSCC of images: what arrives is an image, and a classifier of images names its class.

Source: Bourtsoulatze, Kurka and Gunduz 2019 (`models.deepjscc_image`); METHOD, baseline B1.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from channels.base import Channel
from channels.equalize import mmse
from channels.streams import PointStreams
from channels.symbols import from_symbols, to_symbols
from models import DeepJsccImage
from simulator.description.stages import ImageJsccStage
from simulator.scheme import Classify, Received, Tensors, all_delivered, in_pieces

READERS = {  # by the label behind the scheme's name
    "": "student",
    "teacher": "teacher",
    "retrained": "student that learnt on what arrives at this k",
}


class ImageJsccScheme:
    """One pair for each k, all trained at one SNR, and who names the class of what arrives."""

    name = "deep_jscc_image"
    version = 1

    def __init__(
        self,
        stage: ImageJsccStage,
        models: Mapping[int, DeepJsccImage],
        *,
        size: tuple[int, int],
        readers: Mapping[int, Classify],
        label: str = "",
    ) -> None:
        self._stage = stage
        self._models = dict(models)
        self._size = size
        self._readers = dict(readers)
        self._reader = READERS[label]
        if label:
            self.name = f"{ImageJsccScheme.name}:{label}"

    @property
    def channel_uses(self) -> str:
        """Where a model was trained."""
        if not self._models:
            return "no k: H and W must be multiples of 4, and k of H W / 32"
        return "k in {" + ", ".join(str(k) for k in sorted(self._models)) + "}"

    def serves(self, k: int) -> bool:
        """Where a model was trained."""
        return k in self._models

    def settings(self, k: int) -> str:
        """How this k's model was trained, and who looks at the image."""
        trained = f"one model for k = {k}, trained at {self._stage.snr_db:g} dB, no header"
        return f"{trained}, image classified by the {self._reader}"

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> Tensors:
        """The values [B, 2k] of every model: no encoder is told the channel."""
        return {str(k): in_pieces(model.encode, images) for k, model in self._models.items()}

    @torch.inference_mode()
    def encode(
        self,
        prepared: Tensors,
        *,
        channel: Channel,  # noqa: ARG002 - the transmitter does not know it
        snr_db: Tensor,  # noqa: ARG002 - nor this
        k: int,
    ) -> Tensors:
        """This k's symbols [B, k]."""
        return {"x": to_symbols(prepared[str(k)].float())}

    @torch.inference_mode()
    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """The symbols through the channel to an image, and its scores."""
        images = self.images(encoded, channel=channel, snr_db=snr_db, k=k, streams=streams)
        return Received(self._readers[k](images), all_delivered(images))

    @torch.inference_mode()
    def images(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Tensor:
        """What arrives, [B, C, H, W] in [0, 1]."""
        x = encoded["x"]
        generator = streams("channel", device=x.device)
        return received_images(
            self._models[k],
            x,
            channel=channel,
            snr_db=snr_db,
            generator=generator,
            size=self._size,
        )


def received_images(
    model: DeepJsccImage,
    x: Tensor,
    *,
    channel: Channel,
    snr_db: Tensor,
    generator: torch.Generator,
    size: tuple[int, int],
) -> Tensor:
    """Symbols through the channel to images. Shapes: x [B, k], snr_db [B, 1] -> [B, C, *size]."""
    received = channel(x, snr_db=snr_db, generator=generator)
    return model.decode(from_symbols(mmse(received)), height=size[0], width=size[1])
