"""The label code: the transmitter decides the class and sends nothing but its index.

The strongest link for one fixed task, and so the bound that a semantic link is measured against
[METHOD, B9]: it gives up that the receiver could do anything else with what it receives.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.baselines.codebook import code_family, label_codebook
from channels.base import Channel, ChannelOutput
from channels.streams import PointStreams
from simulator.config import Classify
from simulator.errors import UserError
from simulator.link import Received, Tensors
from simulator.supplies import Supplies

_LEAST_NOISE_POWER = 1e-30  # keeps the scores finite on a noiseless channel


class LabelCodeScheme:
    """Class decided by the noiseless chain, one word per class, maximum-likelihood receiver."""

    name = "label_code"
    version = 1

    def __init__(self, *, classify: Classify, num_classes: int) -> None:
        self._classify = classify
        self._num_classes = num_classes

    @property
    def channel_uses(self) -> str:
        """From the smallest k with enough words upwards."""
        return f"k >= {next(k for k in range(1, self._num_classes) if self.serves(k))}"

    def serves(self, k: int) -> bool:
        """Where there is a word for every class."""
        return code_family(self._num_classes, k) is not None

    def settings(self, k: int) -> str:
        """The code, and what both ends know."""
        family = code_family(self._num_classes, k)
        return (
            f"class decided at the transmitter, {self._num_classes} {family} words, "
            "maximum likelihood; codebook known, no header"
        )

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> Tensors:
        """The decided classes [B]."""
        return {"classes": self._classify(images).argmax(dim=1)}

    @torch.inference_mode()
    def encode(
        self,
        prepared: Tensors,
        *,
        channel: Channel,  # noqa: ARG002 - the words are the same on every channel
        snr_db: Tensor,  # noqa: ARG002 - and at every SNR
        k: int,
    ) -> Tensors:
        """The words [B, k] of the classes."""
        classes = prepared["classes"]
        return {"x": label_codebook(self._num_classes, k).to(classes.device)[classes]}

    @torch.inference_mode()
    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """The words through the channel to log-posteriors."""
        x = encoded["x"]
        received = channel(x, snr_db=snr_db, generator=streams("channel", device=x.device))
        words = label_codebook(self._num_classes, k).to(x.device)
        delivered = torch.ones(len(x), dtype=torch.bool, device=x.device)
        return Received(log_posteriors(received, words), delivered)


def log_posteriors(received: ChannelOutput, words: Tensor) -> Tensor:
    """Log-probabilities of the words, all equally likely beforehand, for gains known per use.

    log p(y | s) = (2 Re<h s, y> - |h s|^2) / N0 up to what all words have in common. Computed in
    double precision, so that an image's scores do not depend on the batch.

    Shapes: received of B images over k uses, words [M, k] complex -> [B, M] float32.
    """
    y, h = received.y.to(torch.complex128), received.h.to(torch.complex128)
    s = words.to(torch.complex128)
    matched = ((h.conj() * y) @ s.mH).real  # Re<h s, y>, [B, M]
    energy = h.abs().square() @ s.abs().square().T  # |h s|^2, [B, M]
    noise_power = received.noise_power.double().clamp(min=_LEAST_NOISE_POWER)
    return ((2 * matched - energy) / noise_power).log_softmax(dim=1).float()


@dataclass(frozen=True, kw_only=True)
class LabelCodeConfig:
    """The label code has nothing to choose: its words follow from k and the number of classes."""

    @property
    def name(self) -> str:
        """The scheme's name."""
        return LabelCodeScheme.name

    def needs(self) -> dict[str, str]:
        """Nothing else."""
        return {}

    def decoding_all(self) -> "LabelCodeConfig":
        """The same: words are always decoded."""
        return self

    def labelled(self, label: str) -> "LabelCodeConfig":
        """There is none. Raises: UserError."""
        raise UserError(f"{self.name} has no variants, got {self.name}:{label}")

    def build(
        self,
        *,
        classify: Classify,
        num_classes: int,
        image_shape: tuple[int, int, int],  # noqa: ARG002 - other schemes need it
        supplies: Supplies,  # noqa: ARG002 - nor is anything else of the training used
    ) -> LabelCodeScheme:
        """The scheme for a classifier."""
        return LabelCodeScheme(classify=classify, num_classes=num_classes)
