"""A stranger's scheme under watch: one call of the channel, k symbols, their power, the scores."""

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from channels.base import Channel, ChannelOutput
from channels.law import ChannelLaw
from channels.streams import PointStreams
from simulator.errors import UserError, shown
from simulator.scheme import Received, Scheme, Tensors

Value = TypeVar("Value")
MOST_POWER = 1.05  # of a point on average: QAM has unit power over its constellation alone


class Point(NamedTuple):
    """Where power is measured."""

    channel: str
    snr_db: float
    k: int


class Metered(Channel):
    """A channel at one SNR, and what was sent over it."""

    def __init__(self, channel: Channel, snr_db: Tensor) -> None:
        self._channel, self._snr_db = channel, snr_db
        self.sent: list[Tensor] = []

    @property
    def name(self) -> str:
        """As the channel has it."""
        return self._channel.name

    @property
    def law(self) -> ChannelLaw:
        """As the channel has it."""
        return self._channel.law

    def __call__(self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
        """As the channel does. Raises: UserError for another SNR than that of the point."""
        self.sent.append(x)
        if not torch.equal(snr_db, self._snr_db):
            raise UserError("the channel must be called with the snr_db that transmit is given")
        return self._channel(x, snr_db=snr_db, generator=generator)


class Checked(Scheme):
    """A scheme whose every step is checked, as its submission's one scheme for some k.

    Raises: UserError if a step fails, the channel is not called exactly once with x [B, k], or
    scores are not finite [B, classes].
    """

    def __init__(self, scheme: Scheme, name: str, classes: int) -> None:
        self.name, self._scheme, self._classes = name, scheme, classes
        self._energy: defaultdict[Point, list[float]] = defaultdict(list)

    @property
    def channel_uses(self) -> str:
        """As the scheme says."""
        return self._scheme.channel_uses

    def serves(self, k: int) -> bool:
        """As the scheme says."""
        return bool(self._step("serves", lambda: self._scheme.serves(k)))

    def settings(self, k: int) -> str:
        """As the scheme says, in one line."""
        return " ".join(str(self._step("settings", lambda: self._scheme.settings(k))).split())

    def objection(self, channel: Channel, k: int) -> str:
        """As the scheme says."""
        return str(self._step("objection", lambda: self._scheme.objection(channel, k)))

    def prepare(self, images: Tensor) -> Tensors:
        """The scheme's step."""
        return self._step("prepare", lambda: self._scheme.prepare(images))

    def encode(self, prepared: Tensors, *, channel: Channel, snr_db: Tensor, k: int) -> Tensors:
        """The scheme's step."""

        def step() -> Tensors:
            return self._scheme.encode(prepared, channel=channel, snr_db=snr_db, k=k)

        return self._step("encode", step)

    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """The scheme's step over a metered channel."""
        metered = Metered(channel, snr_db)

        def step() -> Received:
            return self._scheme.transmit(
                encoded, channel=metered, snr_db=snr_db, k=k, streams=streams
            )

        received = self._step("transmit", step)
        self._check_sent(metered.sent, len(snr_db), k)
        energy = float(metered.sent[0].abs().square().mean())
        self._energy[Point(channel.name, float(snr_db[0]), k)].append(energy)
        return self._checked(received, len(snr_db))

    def check_power(self) -> None:
        """Raises: UserError if the symbols of a point had more than unit power on average."""
        for point, energies in self._energy.items():
            power = sum(energies) / len(energies)
            if not power <= MOST_POWER:
                raise UserError(
                    f"symbols of {self.name} must have unit power on average, got {power:.3g} on "
                    f"{point.channel} at {point.snr_db:g} dB, k = {point.k}; "
                    "channels.symbols.to_symbols scales them"
                )

    def _step(self, name: str, step: Callable[[], Value]) -> Value:
        """What a step gives. Raises: UserError if it fails."""
        try:
            return step()
        except UserError:
            raise
        except Exception as error:
            raise UserError(
                f"{name} of {self.name} must not fail, but raised {type(error).__name__}: {error}"
            ) from error

    def _check_sent(self, sent: list[Tensor], batch: int, k: int) -> None:
        shapes = [list(x.shape) for x in sent]
        if shapes != [[batch, k]]:
            raise UserError(
                f"transmit of {self.name} must call the channel exactly once with x [B, k] = "
                f"{[batch, k]}, got {shapes or 'no call'}"
            )

    def _checked(self, received: Received, batch: int) -> Received:
        if not isinstance(received, Received):
            raise UserError(f"transmit of {self.name} must give Received, got {shown(received)}")
        scores, delivered = received.scores, received.delivered
        if not _is(scores, [batch, self._classes]) or not bool(torch.isfinite(scores).all()):
            got = "nan or inf" if _is(scores, [batch, self._classes]) else shown(scores)
            raise UserError(
                f"transmit of {self.name} must give finite scores [B, classes] = "
                f"{[batch, self._classes]}, got {got}"
            )
        if not _is(delivered, [batch]) or delivered.dtype != torch.bool:
            raise UserError(
                f"transmit of {self.name} must give delivered, bool [B], got {shown(delivered)}"
            )
        return received


def _is(value: object, shape: list[int]) -> bool:
    """Whether a value is a tensor of a shape."""
    return isinstance(value, Tensor) and list(value.shape) == shape
