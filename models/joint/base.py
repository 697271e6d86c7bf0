"""What joint source-channel coding baselines have in common: one network for one k.

Each is a backbone, an encoder to k symbols, and a decoder to class scores. The backbone is the
student's own architecture: it is part of the model where it learns along, and lies in a file of its
own where it is frozen.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from models.encoders.students import Student, StudentConfig


@dataclass(frozen=True, kw_only=True)
class JointConfig(ABC):
    """What every joint model is sized by."""

    body: StudentConfig  # the backbone, the same as the student's for a fair comparison
    hidden: int  # hidden width of the channel encoder and decoder

    knows_snr: ClassVar[bool] = False  # whether both ends are told the average SNR

    @abstractmethod
    def build(self, *, image_channels: int | None, num_classes: int, uses: int) -> "JointModel":
        """The model for `uses` channel uses, fresh weights from torch's global state.

        `image_channels` None leaves the backbone out: it is frozen, and lies elsewhere.
        """


class JointModel(nn.Module, ABC):
    """Features to what k symbols carry, and what was received to features and class scores.

    Shapes: encode: features [B, D], snr_db [B, 1] -> values [B, 2k] before power control; decode:
    equalised values [B, 2k], snr_db and gamma_db [B, 1] -> features [B, D]; scores: these features
    -> [B, num_classes]. The transmitter is told the average SNR `snr_db`, the receiver also
    `gamma_db`, which its image met.
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
        """What the symbols of every image carry."""

    @abstractmethod
    def decode(self, received: Tensor, *, snr_db: Tensor, gamma_db: Tensor) -> Tensor:
        """Features of what was received."""

    def scores(self, features: Tensor) -> Tensor:
        """Class scores of received features, in single precision."""
        scores: Tensor = self.head(features)
        return scores.float()
