"""A stranger's scheme under watch: one call of the channel, k symbols, their power, the scores."""

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from channels.base import Channel, ChannelOutput, WrappedChannel
from channels.streams import PointStreams
from simulator.errors import UserError, shown
from simulator.scheme import Received, Scheme, Tensors

Value = TypeVar("Value")
MOST_POWER = 1.05  # of a point on average: QAM has unit power over its constellation alone
MOST_OF_BLOCK = 1.5  # of a block of images: refused at once, not at the end


class Point(NamedTuple):
    """Where power is measured."""

    channel: str
    snr_db: float
    k: int


class Metered(WrappedChannel):
    """A channel at one SNR, and what was sent over it."""

    def __init__(self, channel: Channel, snr_db: Tensor, k: int) -> None:
        self.channel, self._snr_db, self._k = channel, snr_db, k
        self.sent: list[Tensor] = []

    def __call__(self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
        """As the channel does.

        Raises: UserError for another SNR than that of the point, another number of symbols, or
                symbols that are not finite: before a receiver fails on them.
        """
        self.sent.append(x)
        if not torch.equal(snr_db, self._snr_db):
            raise UserError("the channel must be called with the snr_db that transmit is given")
        shape = [len(snr_db), self._k]
        if list(x.shape) != shape:
            raise UserError(
                f"the channel must be called with x [B, k] = {shape}, got {list(x.shape)}"
            )
        if not bool(torch.isfinite(x).all()):
            raise UserError("the symbols x must be finite, got nan or inf")
        return self.channel(x, snr_db=snr_db, generator=generator)


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
        metered = Metered(channel, snr_db, k)

        def step() -> Received:
            return self._scheme.transmit(
                encoded, channel=metered, snr_db=snr_db, k=k, streams=streams
            )

        received = self._step("transmit", step)
        self._check_sent(metered.sent)
        power = float(metered.sent[0].abs().square().mean())
        point = Point(channel.name, float(snr_db[0]), k)
        if power > MOST_OF_BLOCK:
            raise self._too_strong(power, point)
        self._energy[point].append(power)
        return self._checked(received, len(snr_db))

    def check_power(self) -> None:
        """Raises: UserError if the symbols of a point had more than unit power on average."""
        for point, energies in self._energy.items():
            power = sum(energies) / len(energies)
            if power > MOST_POWER:
                raise self._too_strong(power, point)

    def _too_strong(self, power: float, point: Point) -> UserError:
        return UserError(
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
        except (Exception, SystemExit) as error:
            raise UserError(
                f"{name} of {self.name} must not fail, but raised {type(error).__name__}: {error}"
            ) from error

    def _check_sent(self, sent: list[Tensor]) -> None:
        if len(sent) != 1:
            raise UserError(
                f"transmit of {self.name} must call the channel exactly once, got {len(sent)} calls"
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
