"""Discrete task-oriented joint source-channel coding: symbols that represent learnt code words.

Source: Xie, Ma, Ding, Shi, Zhang and Letaief, Robust Information Bottleneck for Task-Oriented
Communication with Digital Modulation, 2023 (arXiv 2209.10382), and the sizes and the relaxation of
its authors' public code; here on a vector of features.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.blocks import mlp
from models.joint.base import JointConfig, JointModel


@dataclass(frozen=True, kw_only=True)
class DtJsccConfig(JointConfig):
    """Size of a discrete encoder and decoder. All symbols use the same code book."""

    bits_per_symbol: int  # the code book has 2^bits words, as many as the constellation has points
    word: int  # length of a code word
    robustness: float  # lambda: weight of the entropy of the choice in the loss
    temperature: float  # of the Gumbel-softmax relaxation

    def build(self, *, image_channels: int | None, num_classes: int, uses: int) -> "DtJscc":
        """The model for `uses` channel uses, with weights drawn from torch's global generator."""
        return DtJscc(self, image_channels=image_channels, num_classes=num_classes, uses=uses)


class DtJscc(JointModel):
    """Encoder from features to one of M words per symbol; decoder from words to features.

    Shapes: encode: features [B, D] -> logits [B, k, M]; decode: received words as one-hot vectors
    [B, k, M] -> features [B, D]. Neither end uses the SNR: the model is trained for one.

    Logits are inner products of the encoder's vectors and the words, divided by the square root of
    their length. The decoder's inputs are the words of the detected points.
    """

    power: Tensor  # running mean [] of the power of the points used for training images

    def __init__(
        self, config: DtJsccConfig, *, image_channels: int | None, num_classes: int, uses: int
    ) -> None:
        super().__init__(config, uses=uses, image_channels=image_channels)
        dim, words = config.body.feature_dim, 2**config.bits_per_symbol
        self.config = config
        self.to_vectors = mlp(dim, config.hidden, uses * config.word)
        self.words = nn.Parameter(torch.empty(words, config.word).uniform_(-1 / words, 1 / words))
        self.from_words = mlp(uses * config.word, config.hidden, dim)
        self.head = nn.Linear(dim, num_classes)
        self.register_buffer("power", torch.ones(()))

    def encode(self, features: Tensor, *, snr_db: Tensor) -> Tensor:  # noqa: ARG002
        """Logits of the words for every symbol."""
        vectors = self.to_vectors(features).unflatten(1, (self.uses, self.config.word))
        logits: Tensor = vectors @ self.words.T / math.sqrt(self.config.word)
        return logits.float()

    def decode(self, received: Tensor, *, snr_db: Tensor, gamma_db: Tensor) -> Tensor:  # noqa: ARG002
        """Features from received words, one-hot [B, k, M]."""
        words = received @ self.words
        features: Tensor = self.from_words(words.flatten(start_dim=1))
        return features
