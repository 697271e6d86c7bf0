"""Base classes of the joint source-channel coding baselines: one network for one k.

Each consists of a backbone, an encoder to k symbols, and a decoder to class scores. The backbone
has the architecture of the student. If it is trained with the rest, it is part of the model; a
frozen backbone is stored in a separate file.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from models.encoders.students import Student, StudentConfig


@dataclass(frozen=True, kw_only=True)
class JointConfig(ABC):
    """Size of a joint model."""

    body: StudentConfig  # the backbone, the same as the student's for a fair comparison
    hidden: int  # hidden width of the channel encoder and decoder

    knows_snr: ClassVar[bool] = False  # whether both ends know the average SNR

    @abstractmethod
    def build(self, *, image_channels: int | None, num_classes: int, uses: int) -> "JointModel":
        """The model for `uses` channel uses, with weights drawn from torch's global generator.

        If `image_channels` is None, the backbone is frozen and not part of the model.
        """


class JointModel(nn.Module, ABC):
    """Encoder from features to k symbols, and decoder from these to features and class scores.

    Shapes: encode: features [B, D], snr_db [B, 1] -> values [B, 2k] before power control; decode:
    equalised values [B, 2k], snr_db and gamma_db [B, 1] -> features [B, D]; scores: these features
    -> [B, num_classes]. The transmitter knows the average SNR `snr_db`, the receiver also
    `gamma_db`, the receive SNR of the image.
    """

    head: nn.Linear  # the last layer of the decoder, from D features

    def __init__(self, config: JointConfig, *, uses: int, image_channels: int | None) -> None:
        super().__init__()
        self.uses = uses
        self.body: Student | None = None
        if image_channels is not None:
            self.body = config.body.build(image_channels=image_channels)

    @abstractmethod
    def encode(self, features: Tensor, *, snr_db: Tensor) -> Tensor:
        """Values of the symbols of every image, before power control."""

    @abstractmethod
    def decode(self, received: Tensor, *, snr_db: Tensor, gamma_db: Tensor) -> Tensor:
        """Features estimated from the received values."""

    def scores(self, features: Tensor) -> Tensor:
        """Class scores of received features, in single precision."""
        scores: Tensor = self.head(features)
        return scores.float()
