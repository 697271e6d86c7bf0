"""A wrapper that checks a user's scheme: channel calls, number and power of symbols, scores."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final, NamedTuple, TypeVar

import torch
from torch import Tensor

from channels.base import Channel, ChannelOutput, WrappedChannel
from channels.streams import PointStreams
from simulator.errors import UserError, shown
from simulator.scheme import Received, Scheme, Tensors
from simulator.schemes.own import OwnScheme, check_own_name, evaluating, networks_of

Value = TypeVar("Value")
OURS = ("simulator", "benchmarks")  # packages whose schemes are not checked
MOST_POWER = 1.05  # mean over a point; QAM has unit power only on average over the constellation
MOST_OF_BLOCK = 1.5  # mean over a block of images; more raises an error at once, not at the end
ENOUGH, EQUAL = 20, 0.01  # images, and the relative deviation of powers that are equal
IMAGES: Final = "images that are not black"  # key of a mask [B]; black images may pad a block


class Place(NamedTuple):
    """Where power is measured."""

    channel: str
    snr_db: float
    k: int


class Power(NamedTuple):
    """Power of the symbols sent at one place: sums over images and draws."""

    total: float = 0.0  # sum of the mean powers of images
    squares: float = 0.0  # sum of their squares
    images: int = 0  # number of these, an image once for every draw
    distinct: int = 0  # images in the largest block, which certainly differ

    def plus(self, x: Tensor) -> "Power":
        """Add the symbols of a block, [n, k]."""
        powers = x.abs().square().double().mean(dim=1)
        return Power(
            total=self.total + float(powers.sum()),
            squares=self.squares + float(powers.square().sum()),
            images=self.images + len(x),
            distinct=max(self.distinct, len(x)),
        )

    @property
    def mean(self) -> float:
        """Mean over images and draws."""
        return self.total / self.images

    def above(self, most: float, k: int) -> bool:
        """Whether the mean exceeds `most` by more than it may by chance.

        Three standard errors are allowed: the power of a Gaussian symbol has a standard deviation
        of 1, that of QAM a smaller one. None is allowed if at least `ENOUGH` images have equal
        power, because then a scaling sets it, not chance.
        """
        variance = self.squares / self.images - self.mean**2
        scaled = self.distinct >= ENOUGH and variance < (EQUAL * self.mean) ** 2
        return self.mean > most + (0 if scaled else 3 / math.sqrt(self.distinct * k))


class Metered(WrappedChannel):
    """A channel at one SNR that records the symbols sent over it."""

    def __init__(self, channel: Channel, snr_db: Tensor, k: int) -> None:
        self.channel, self._snr_db, self._k = channel, snr_db, k
        self.sent: list[Tensor] = []

    def __call__(self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
        """Record x and send it through the channel.

        Raises: UserError if snr_db is not that of the point, if x is not [B, k], or if x is not
                finite, so that the error comes before a receiver fails on such symbols.
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
    """A scheme whose every step is checked. Its networks run in eval mode, as those of semlink do.

    `classes` is the required number of scores per image; None allows any number.
    Raises: UserError if a step fails, if the channel is not called exactly once with x [B, k], or
    if the scores are not finite [B, classes].
    """

    def __init__(self, scheme: Scheme, name: str, classes: int | None) -> None:
        self.name, self._scheme, self._classes = name, scheme, classes
        self.image_shape, self.version = scheme.image_shape, scheme.version
        self.device = scheme.device
        self._powers: defaultdict[Place, Power] = defaultdict(Power)

    @property
    def channel_uses(self) -> str:
        """The range of k of the wrapped scheme, in words."""
        return str(self._step("channel_uses", lambda: self._scheme.channel_uses))

    def serves(self, k: int) -> bool:
        """Whether the wrapped scheme serves k."""
        return bool(self._step("serves", lambda: self._scheme.serves(k)))

    def settings(self, k: int) -> str:
        """The settings of the wrapped scheme, in one line."""
        text = " ".join(str(self._step("settings", lambda: self._scheme.settings(k))).split())
        if not text:
            raise UserError(f"settings of {self.name} must state what is charged, got no text")
        return text

    def objection(self, channel: Channel, k: int) -> str:
        """The objection of the wrapped scheme."""
        return str(self._step("objection", lambda: self._scheme.objection(channel, k)))

    def prepare(self, images: Tensor) -> Tensors:
        """Call `prepare` of the wrapped scheme, and check its result; add the mask IMAGES."""
        prepared = self._step("prepare", lambda: self._scheme.prepare(images))
        shown_images = images.flatten(1).any(dim=1)
        return {**self._check_batch("prepare", prepared, len(images)), IMAGES: shown_images}

    def encode(self, prepared: Tensors, *, channel: Channel, snr_db: Tensor, k: int) -> Tensors:
        """Call `encode` of the wrapped scheme, and check its result."""

        def step() -> Tensors:
            return self._scheme.encode(_without(prepared), channel=channel, snr_db=snr_db, k=k)

        encoded = self._check_batch("encode", self._step("encode", step), len(snr_db))
        return {**encoded, IMAGES: prepared[IMAGES]}

    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """Call `transmit` of the wrapped scheme, and check its symbols and its result."""
        metered = Metered(channel, snr_db, k)

        def step() -> Received:
            return self._scheme.transmit(
                _without(encoded), channel=metered, snr_db=snr_db, k=k, streams=streams
            )

        received = self._step("transmit", step)
        self._check_sent(metered.sent)
        sent = metered.sent[0][encoded[IMAGES]]
        if len(sent):
            place, power = Place(channel.name, float(snr_db[0]), k), Power().plus(sent)
            if power.above(MOST_OF_BLOCK, k):
                raise self._too_strong(power, place)
            self._powers[place] = self._powers[place].plus(sent)
        return self._checked(received, len(snr_db))

    def rebuilt_images(
        self, prepared: Tensors, received: Received, *, channel: Channel, snr_db: Tensor, k: int
    ) -> Tensor | None:
        """The images that the wrapped scheme rebuilds."""
        link: dict[str, Any] = {"channel": channel, "snr_db": snr_db, "k": k}
        own = _without(prepared)
        return self._step(
            "rebuilt_images", lambda: self._scheme.rebuilt_images(own, received, **link)
        )

    def compile(self) -> None:
        """Compile the wrapped scheme."""
        self._scheme.compile()

    def table_error(self, channel: Channel, snr_db: float, k: int) -> float:
        """The table error of the wrapped scheme."""
        return float(
            self._step("table_error", lambda: self._scheme.table_error(channel, snr_db, k))
        )

    def choices(self, points: Sequence[tuple[Channel, float, int]]) -> list[dict[str, Any]]:
        """The choices of the wrapped scheme."""
        return self._step("choices", lambda: self._scheme.choices(points))

    def check_power(self) -> None:
        """Raises: UserError if the symbols of a point had more than unit power on average."""
        for place, power in self._powers.items():
            if power.above(MOST_POWER, place.k):
                raise self._too_strong(power, place)

    def _too_strong(self, power: Power, place: Place) -> UserError:
        return UserError(
            f"symbols of {self.name} must have unit power on average, got {power.mean:.3g} on "
            f"{place.channel} at {place.snr_db:g} dB, k = {place.k}; "
            "channels.symbols.to_symbols scales them"
        )

    def _step(self, name: str, step: Callable[[], Value]) -> Value:
        """Return the result of a step in eval mode. Raises: UserError if the step fails."""
        try:
            with ExitStack() as modes:
                for network in networks_of(self._scheme):
                    modes.enter_context(evaluating(network))
                return step()
        except UserError:
            raise
        except (Exception, SystemExit) as error:
            raise UserError(
                f"{name} of {self.name} must not fail, but raised {type(error).__name__}: {error}"
            ) from error

    def _check_batch(self, name: str, found: Tensors, batch: int, *, of: str = "") -> Tensors:
        """Return a step's result. Raises: UserError unless it maps names to tensors [B, ...]."""
        if not isinstance(found, Mapping) or not all(
            isinstance(own, Tensor) and own.dim() and len(own) == batch for own in found.values()
        ):
            got = found if not isinstance(found, Mapping) else dict(found)
            raise UserError(
                f"{name} of {self.name} must give {'as ' + of + ' ' if of else ''}a dictionary of "
                f"tensors [B, ...], B = {batch}, got {shown(got)}"
            )
        return found

    def _check_sent(self, sent: list[Tensor]) -> None:
        if len(sent) != 1:
            raise UserError(
                f"transmit of {self.name} must call the channel exactly once, got {len(sent)} calls"
            )

    def _checked(self, received: Received, batch: int) -> Received:
        if not isinstance(received, Received):
            raise UserError(f"transmit of {self.name} must give Received, got {shown(received)}")
        scores, delivered = received.scores, received.delivered
        two = isinstance(scores, Tensor) and scores.dim() == 2
        shape = [batch, self._classes or (scores.shape[1] if two else "classes")]
        right = _is(scores, shape) and scores.dtype != torch.bool
        if not right or not bool(torch.isfinite(scores).all()):
            got = "nan or inf" if right else shown(scores)
            raise UserError(
                f"transmit of {self.name} must give finite scores [B, classes] = {shape}, got {got}"
            )
        if not _is(delivered, [batch]) or delivered.dtype != torch.bool:
            raise UserError(
                f"transmit of {self.name} must give delivered, bool [B], got {shown(delivered)}"
            )
        seen = self._check_batch("transmit", received.seen, batch, of="seen of Received")
        return received._replace(seen=seen)


def is_own(scheme: Scheme) -> bool:
    """Whether a scheme is the user's own."""
    return isinstance(scheme, Checked | OwnScheme)


def unwrapped(scheme: Scheme) -> Scheme:
    """Return a user's scheme without its checks; return any other scheme unchanged."""
    return scheme._scheme if isinstance(scheme, Checked) else scheme


def _without(tensors: Tensors) -> Tensors:
    """The tensors of the wrapped scheme, without the mask."""
    return {name: own for name, own in tensors.items() if name != IMAGES}


def with_checks(scheme: Scheme, classes: int | None = None) -> Scheme:
    """Return a user's scheme wrapped in checks; return a scheme of semlink unchanged.

    Raises: UserError if the scheme has no name, or the name of a scheme of semlink.
    """
    if type(scheme).__module__.partition(".")[0] in OURS:
        return scheme
    name = getattr(scheme, "name", None)
    if not isinstance(name, str):
        raise UserError(f"a scheme must have a name, a string, got {shown(name)}")
    check_own_name(name)
    return Checked(scheme, name, classes)


def _is(value: object, shape: list[Any]) -> bool:
    """Whether a value is a tensor of this shape."""
    return isinstance(value, Tensor) and list(value.shape) == shape
