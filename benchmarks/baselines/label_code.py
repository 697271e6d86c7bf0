"""The label code: the transmitter decides the class and sends only its index.

With known gains this is the strongest link for one fixed task, and thus the bound for a semantic
link. The receiver gets only the class, and cannot solve tasks that need more of the image.
"""

import itertools
from dataclasses import dataclass, replace
from typing import ClassVar, Final

import torch
from torch import Tensor

from benchmarks.baselines.codebook import Code, code_family, sent_words
from benchmarks.baselines.spherical import words_hash
from channels.base import Channel, ChannelOutput
from channels.streams import PointStreams
from simulator.errors import UserError
from simulator.scheme import Classify, Received, Scheme, Tensors, all_delivered
from simulator.schemes.contract import Label, WithoutWeights
from simulator.training.weights import Weights

KIND: Final = "label_code"
_LEAST_NOISE_POWER = 1e-30  # keeps the scores finite on a noiseless channel


class LabelCodeScheme(Scheme):
    """One word for each class, decided at the transmitter, and a maximum-a-posteriori receiver.

    The receiver's prior is the frequency of the classes among training images.

    Shapes: class_counts [classes], training images of each class.
    """

    version = 3

    def __init__(
        self, config: "LabelCodeConfig", *, classify: Classify, class_counts: Tensor
    ) -> None:
        self.name = config.name
        self._classify = classify
        self._num_classes = len(class_counts)
        self._log_prior = log_prior(class_counts)
        self._code = config.code

    @property
    def channel_uses(self) -> str:
        """From the smallest k with enough words upwards."""
        return f"k >= {next(k for k in itertools.count(1) if self.serves(k))}"

    def serves(self, k: int) -> bool:
        """Whether there is a word for every class."""
        return code_family(self._num_classes, k, self._code) is not None

    def settings(self, k: int) -> str:
        """The code, and what both ends know."""
        words = f"{self._num_classes} {code_family(self._num_classes, k, self._code)} words"
        equal = not self._log_prior.any()
        rule = "maximum likelihood" if equal else "maximum a posteriori, prior of training labels"
        known = f"{rule}; codebook known, no header"
        return f"class decided at the transmitter, {words}, {known}"

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> Tensors:
        """The decided classes [B]."""
        return {"classes": self._classify(images).argmax(dim=1)}

    @torch.inference_mode()
    def encode(self, prepared: Tensors, *, channel: Channel, snr_db: Tensor, k: int) -> Tensors:
        """The words [B, k] of the classes."""
        classes = prepared["classes"]
        return {"x": sent_words(self._num_classes, k, self._code).to(classes.device)[classes]}

    @torch.inference_mode()
    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """Send the words, and compute the log-posteriors of all classes."""
        x = encoded["x"]
        received = channel(x, snr_db=snr_db, generator=streams("channel", device=x.device))
        words = sent_words(self._num_classes, k, self._code).to(x.device)
        prior = self._log_prior.to(x.device)
        return Received(log_posteriors(received, words, prior), all_delivered(x))


def log_prior(class_counts: Tensor) -> Tensor:
    """Log-frequencies of classes up to a constant, all 0 if equal; a count of 0 is taken as 1.

    Shapes: class_counts [M] -> [M] float64.
    """
    counts = class_counts.double().clamp(min=1)
    return (counts / counts.max()).log()


def log_posteriors(received: ChannelOutput, words: Tensor, prior: Tensor) -> Tensor:
    """Log-posteriors of the words, for gains known per use and log-priors up to a constant.

    log p(y | s) = sum (2 Re<h s, y> - |h s|^2) / N0 up to a constant common to all words. Computed
    in double precision, so that an image's scores do not depend on the batch.

    Shapes: received of B images over k uses, words [M, k] complex, prior [M] -> [B, M] float32.
    """
    y, h = received.y.to(torch.complex128), received.h.to(torch.complex128)
    s = words.to(torch.complex128)
    noise_power = received.noise_power.double().clamp(min=_LEAST_NOISE_POWER)
    if noise_power.shape[1] > 1:  # differs from use to use: scale all uses to 1
        y, h = y / noise_power.sqrt(), h / noise_power.sqrt()
        noise_power = torch.ones_like(noise_power[:, :1])
    matched = ((h.conj() * y) @ s.mH).real  # Re<h s, y>, [B, M]
    energy = h.abs().square() @ s.abs().square().T  # |h s|^2, [B, M]
    return ((2 * matched - energy) / noise_power + prior).log_softmax(dim=1).float()


@dataclass(frozen=True, kw_only=True)
class LabelCodeConfig(WithoutWeights):
    """The words follow from k, the number of classes and the kind of code."""

    code: Code = "own"  # own: simplex, spherical or regular, the first that fits

    labels: ClassVar = (
        Label("regular", "orthogonal, biorthogonal or Reed-Muller words"),
        Label("polar", "words of a short polar code, from 16 uses on"),
    )

    @property
    def name(self) -> str:
        """The scheme's name."""
        return KIND if self.code == "own" else f"{KIND}:{self.code}"

    def labelled(self, label: str) -> "LabelCodeConfig":
        """The same with words of another code. Raises: UserError for an unknown label."""
        if label not in ("regular", "polar") or self.code != "own":
            raise UserError(f"the label behind label_code must be regular or polar, got {label!r}")
        return replace(self, code="regular" if label == "regular" else "polar")

    def needs(self) -> dict[str, str]:
        """The rule of the receiver, and the hash of the optimised words."""
        words = {"words": words_hash()} if self.code == "own" else {}
        return {"receiver": "maximum a posteriori", **words}

    def build(self, weights: Weights) -> LabelCodeScheme:
        """The scheme, with student and head at the transmitter."""
        counts = torch.tensor(weights.dataset.class_counts)
        return LabelCodeScheme(self, classify=weights.classifier().classify, class_counts=counts)
