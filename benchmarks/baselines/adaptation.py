"""Link adaptation: the source and link with the highest accuracy estimated on validation images.

Nothing is simulated. The offers of the sources list the images that fit a payload, and those of
them that are then classified correctly. Block error rates give the probability that a block
arrives. An outage counts as a uniform guess. If no CRC detects a lost block, any other payload is
decoded in its place, each with equal probability.

Links are chosen by the SNR of a block. If one gain h holds for the whole block, this is
|h|^2 SNR. If the gain changes within a block, it is the SNR of an AWGN channel with equal mutual
information: for real codes that of the link's modulation (`channels.digital.mutual_information`),
for bounds the capacity, the mean of log2(1 + |h|^2 SNR) over the uses. Real codes use this
effective SNR only for the choice; bounds also use it to decide whether a block arrives.
"""

import hashlib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.baselines.block_errors import block_errors
from benchmarks.baselines.sources import Offer
from channels.base import Channel, ChannelOutput
from channels.digital.bit_pipe import (
    LONGEST_CODE_BLOCK,
    SAFE_CODE_RATE,
    BitPipe,
    CodedPipe,
    arrives_without_noise,
    payload_bits_for,
)
from channels.digital.mutual_information import bicm_effective_snr_db
from channels.digital.polar_pipe import (
    LONGEST_WITH_CRC6,
    SHORTEST_POLAR_PAYLOAD,
    PolarPipe,
    polar_crc_bits,
)
from channels.digital.small_block import LONGEST_SMALL_BLOCK, SmallBlockPipe
from channels.streams import Streams
from channels.theory import fano_error_rate, normal_approximation_bits
from channels.units import db_to_linear, linear_to_db, noise_power_from_snr_db
from simulator.errors import UserError

Floats = NDArray[np.float64]
GRID_DB: Final = np.round(np.arange(-30.0, 50.0, 0.05), 2)  # SNRs at which genies choose
FINITE_ERROR_RATE: Final = 1e-3  # block error rate of the normal approximation
QUANTILES: Final = 4000  # or drawn blocks, which represent the distribution of block SNRs
LONGEST_POLAR_LINK: Final = 100  # payload bits
RARELY_MISSES: Final = 16  # CRC bits from which undetected errors are neglected


class Link(Protocol):
    """A payload size in bits, and its error rate over the SNR."""

    @property
    def payload_bits(self) -> int:
        """Payload bits per image."""

    @property
    def text(self) -> dict[str, Any]:
        """A description for the table of choices."""

    @property
    def detects(self) -> bool:
        """True if lost blocks are detected; otherwise another payload is decoded instead."""

    @property
    def bits_per_symbol(self) -> int | None:
        """Bits per symbol of its modulation; None: the input that achieves capacity."""

    def missed(self, snr_db: Floats) -> Floats:
        """Shares of the lost blocks that are not detected, at block SNRs in dB."""

    def error_rate(self, snr_db: Floats) -> Floats:
        """Block error rates at block SNRs in dB."""

    def variance(self, snr_db: Floats, weights: Floats) -> float:
        """Variance of the weighted sum of error rates; 0 if they are not measured."""


@dataclass(frozen=True)
class CodedLink:
    """Coded QAM, with block error rates from a table."""

    pipe: CodedPipe

    @property
    def payload_bits(self) -> int:
        """Payload bits per image, without the CRC."""
        return self.pipe.payload_bits

    @property
    def text(self) -> dict[str, Any]:
        """Modulation and code rate."""
        return {"modulation": self.pipe.modulation, "code_rate": round(self.pipe.code_rate, 4)}

    @property
    def detects(self) -> bool:
        """True if there is a CRC. For the choice, errors that it misses count as outages too."""
        return self.pipe.crc_bits > 0

    @property
    def bits_per_symbol(self) -> int:
        """Bits per symbol of the pipe."""
        return self.pipe.bits_per_symbol

    def missed(self, snr_db: Floats) -> Floats:
        """Shares from the table; 0 if the CRC has 16 bits or more."""
        if self.pipe.crc_bits >= RARELY_MISSES:
            return np.zeros(np.shape(snr_db))
        return block_errors(self.pipe).missed(snr_db)

    def error_rate(self, snr_db: Floats) -> Floats:
        """Block error rates from the table."""
        return block_errors(self.pipe)(snr_db)

    def variance(self, snr_db: Floats, weights: Floats) -> float:
        """Variance from the finite number of blocks in the table."""
        return block_errors(self.pipe).variance(snr_db, weights)


@dataclass(frozen=True, kw_only=True)
class IdealLink:
    """An ideal code, of unlimited length or (`finite`) as long as the channel uses allow."""

    payload_bits: int
    channel_uses: int
    finite: bool
    lossy: bool = False  # beyond capacity, blocks are lost at the rate of Fano's bound

    @property
    def detects(self) -> bool:
        """False for short payloads of a `lossy` link: their losses are not detected."""
        return not self.lossy or self.payload_bits > LONGEST_SMALL_BLOCK

    @property
    def bits_per_symbol(self) -> None:
        """None: the channel input achieves capacity."""

    def missed(self, snr_db: Floats) -> Floats:
        """0 if losses are detected, else 1."""
        return np.full(np.shape(snr_db), float(not self.detects))

    @property
    def text(self) -> dict[str, Any]:
        """No modulation; the rate is payload bits per channel use."""
        return {"modulation": "any", "code_rate": round(self.payload_bits / self.channel_uses, 4)}

    def error_rate(self, snr_db: Floats) -> Floats:
        """0 (`finite`: 1e-3) for payloads up to capacity; beyond it 1, or (`lossy`) Fano's bound.

        With `finite`, the normal approximation takes the place of capacity.
        """
        uses, rate = self.channel_uses, FINITE_ERROR_RATE if self.finite else 0.0
        if self.finite:
            carried = normal_approximation_bits(snr_db, uses=uses, block_error_rate=rate)
        else:
            carried = uses * np.log2(1.0 + 10.0 ** (np.asarray(snr_db) / 10.0))
        if self.lossy:
            return fano_error_rate(self.payload_bits, carried_bits=carried)
        return np.where(self.payload_bits <= carried, rate, 1.0)

    def variance(self, snr_db: Floats, weights: Floats) -> float:
        """0: error rates are computed, not measured."""
        return 0.0


class Choice(NamedTuple):
    """The source and link of one point, and their accuracy estimated on validation images."""

    source: str
    link: Link
    delivered: float
    accuracy: float
    at_stake: float  # mean loss of accuracy by a lost block


@dataclass(frozen=True, eq=False)
class Adaptation:
    """All pairs of a link and a source over k channel uses, with their estimated accuracies.

    Raises: ValueError if there is no link or no source.
    """

    links: Sequence[Link]
    offers: Mapping[str, Offer]  # of validation images, by the source's name
    labels: Tensor  # [N] of these images
    channel_uses: int
    num_classes: int

    def __post_init__(self) -> None:
        if not self.links or not self.offers:
            raise ValueError("there must be at least one link and one source to choose from")

    @cached_property
    def _shares(self) -> tuple[Floats, Floats]:
        """Shares of images that fit and are classified correctly, and that fit.

        Shapes: both [links, sources].
        """

        def shares(link: Link, offer: Offer) -> tuple[float, float]:
            _, answers, fits = offer.best_fit(link.payload_bits)
            right = fits & (answers == self.labels)
            return float(right.double().mean()), float(fits.double().mean())

        offers = self.offers.values()
        found = np.array([[shares(link, offer) for offer in offers] for link in self.links])
        return found[..., 0], found[..., 1]

    @cached_property
    def _excess(self) -> Floats:
        """Accuracy of the answers to lost blocks minus that of a uniform guess, [links]."""
        guess = 1.0 / self.num_classes
        return np.array([lost_accuracy(own, self.num_classes) - guess for own in self.links])

    def _best(self, arrived: Floats) -> Choice:
        """The best pair, given the share of blocks that each link delivers [links].

        Ties go to the smallest payload, then to the first source.
        """
        right, fits = self._shares
        delivered = arrived[:, None] * fits
        accuracy = arrived[:, None] * right + (1.0 - delivered) / self.num_classes
        accuracy = accuracy + (fits - delivered) * self._excess[:, None]
        if np.isnan(accuracy).any():
            raise UserError(
                "the estimated accuracies of links must be numbers, got nan; check the "
                "channel's law and gains, and the tables of block errors, for nan"
            )
        row, column = divmod(int(accuracy.argmax()), accuracy.shape[1])
        source, link = list(self.offers)[column], self.links[row]
        at_stake = right - fits * (self._excess[:, None] + 1.0 / self.num_classes)
        found = (float(values[row, column]) for values in (delivered, accuracy, at_stake))
        return Choice(source, link, *found)

    def for_average(self, channel: Channel, snr_db: float) -> Choice:
        """The best pair if the transmitter knows only the channel and its average SNR."""
        modulations = tuple({link.bits_per_symbol for link in self.links})
        uses = self.channel_uses
        return self.for_blocks(
            distribution(channel, snr_db=snr_db, uses=uses, modulations=modulations)
        )

    def for_blocks(self, met: Mapping[int | None, Floats]) -> Choice:
        """The best pair for equally likely block SNRs in dB, by bits per symbol.

        `met` is as `distribution` returns it.
        """
        rates = [link.error_rate(met[link.bits_per_symbol]).mean() for link in self.links]
        return self._best(1.0 - np.array(rates))

    @cached_property
    def for_each_snr(self) -> list[Choice]:
        """The best pair at every SNR of GRID_DB, if the transmitter knows the SNR of each block."""
        arrived = 1.0 - np.array([link.error_rate(GRID_DB) for link in self.links]).T
        choices = [self._best(arrived[0])]
        for before, own in itertools.pairwise(arrived):
            choices.append(choices[-1] if np.array_equal(own, before) else self._best(own))
        return choices


def table_error(chosen: Sequence[tuple[Choice, Floats]]) -> float:
    """Standard error of the accuracy due to error rates measured on finitely many blocks.

    `chosen`: choices, each with the equally likely SNRs in dB of the blocks that are sent with it.
    Tables are independent of each other. The cost of a lost block is that on validation images.
    """
    number = sum(met.size for _, met in chosen)
    by_link: dict[Link, list[tuple[Floats, Floats]]] = {}
    for choice, met in chosen:
        weights = np.full(met.size, choice.at_stake / number)
        by_link.setdefault(choice.link, []).append((met, weights))
    joined = {link: map(np.concatenate, zip(*own, strict=True)) for link, own in by_link.items()}
    return math.sqrt(sum(link.variance(*own) for link, own in joined.items()))


def lost_accuracy(link: Link, num_classes: int) -> float:
    """Probability that the answer to a lost block is correct.

    If losses are detected, the answer is a uniform guess among C classes. Otherwise another one of
    M payloads is decoded. If each class has an equal share of them, M/C - 1 of the other M - 1 are
    correct, or none if there are fewer payloads than classes.
    """
    if link.detects:
        return 1.0 / num_classes
    payloads: float = 2.0**link.payload_bits
    return max(0.0, (payloads / num_classes - 1) / (payloads - 1))


def grid_place(met_db: Floats) -> NDArray[np.int64]:
    """The index in GRID_DB of the nearest SNR that does not exceed the given one."""
    places = np.searchsorted(GRID_DB, met_db + 1e-9, side="right") - 1
    return np.clip(places, 0, len(GRID_DB) - 1)


def offers_key(offers: Mapping[str, Offer], labels: Tensor) -> str:
    """A hash that is equal for equal offers and labels."""
    found = hashlib.sha256(labels.cpu().numpy().tobytes())
    for name, offer in offers.items():
        found.update(name.encode())
        for values in offer:
            found.update(values.cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


def distribution(
    channel: Channel, *, snr_db: float, uses: int, modulations: Iterable[int | None] = (None,)
) -> dict[int | None, Floats]:
    """Equally likely SNRs in dB that represent the distribution of block SNRs.

    The keys are `modulations`, in bits per symbol (None: by capacity). If the gain is constant over
    a block and its law is known, the SNRs are quantiles of the law, or one value without fading.
    Otherwise blocks are drawn.
    """
    quantile = channel.law.power_quantile
    if quantile is None or not channel.law.one_gain(uses):
        received = _received(channel, snr_db=snr_db, blocks=QUANTILES, uses=uses)
        average = torch.full((QUANTILES, 1), snr_db)
        return {
            bits: np.asarray(block_snr_db(received, snr_db=average, bits_per_symbol=bits).numpy())
            for bits in modulations
        }
    if channel.law.power_variance == 0:
        return dict.fromkeys(modulations, np.array([snr_db]))
    power = quantile((np.arange(QUANTILES) + 0.5) / QUANTILES)
    return dict.fromkeys(modulations, np.asarray(snr_db + 10 * np.log10(power)))


def _received(channel: Channel, *, snr_db: float, blocks: int, uses: int) -> ChannelOutput:
    """Received blocks [blocks, uses] from a separate random stream."""
    streams = Streams(seed=0)
    turns = torch.randint(4, (blocks, uses), generator=streams("symbols of the choice", uses))
    qpsk = torch.polar(torch.ones(blocks, uses), turns * (math.pi / 2))
    draws = streams("gains of the choice", channel.name, snr_db, uses)
    return channel(qpsk, snr_db=torch.full((blocks, 1), snr_db), generator=draws)


def block_snr_db(
    received: ChannelOutput, *, snr_db: Tensor, bits_per_symbol: int | None = None
) -> Tensor:
    """SNR of each block, from the gains and the noise power known to the receiver.

    If it changes within a block, it is the SNR with equal mutual information of QAM, or, if
    `bits_per_symbol` is None, with equal capacity. With an LMMSE estimate of the gain, it gives a
    lower bound on the capacity [1].

    If the noise power is that of `snr_db`, the result is computed from `snr_db` itself: the noise
    power has only single precision, and tables of block error rates are steep.

    Shapes: h [B, k], noise_power [B, 1] or [B, k], average snr_db [B, 1] -> dB, [B] in double
    precision.

    [1] Hassibi and Hochwald, How much training is needed in multiple-antenna wireless links?, IEEE
    Trans. Inf. Theory 49(4), 2003.
    """
    least = torch.finfo(torch.float32).tiny
    of_the_snr = noise_power_from_snr_db(snr_db).to(torch.float32).clamp(min=least)
    worse = received.noise_power.clamp(min=least).double() / of_the_snr.double()
    snr = received.h.abs().double().square() * db_to_linear(snr_db.double()) / worse
    if bits_per_symbol is None or snr.shape[1] == 1:
        return linear_to_db(torch.expm1(torch.log1p(snr).mean(dim=1)))
    each = linear_to_db(snr).cpu().numpy()
    return torch.from_numpy(bicm_effective_snr_db(each, bits_per_symbol=bits_per_symbol))


RATES: Final = tuple(Fraction(*rate) for rate in ((1, 3), (1, 2), (2, 3), (3, 4), (5, 6)))
LOW_RATES: Final = tuple(Fraction(1, whole) for whole in (16, 12, 8, 6, 5, 4))
LINKS: Final[tuple[tuple[int, Fraction], ...]] = (
    *((2, rate) for rate in (*LOW_RATES, *RATES)),
    *((4, rate) for rate in RATES[1:]),
    *((6, rate) for rate in RATES[2:]),
    *((8, rate) for rate in RATES[2:]),
)  # (bits per symbol, code rate), sorted by information bits per symbol


def pipes_of(uses: int, *, payload_bits: tuple[int, int]) -> tuple[BitPipe, ...]:
    """The LDPC links over `uses` with payloads of (least, most) bits, the smallest first.

    Links that need more than one code block, or that lose blocks even without noise, are left out.
    """
    least, most = payload_bits
    made = (
        BitPipe(
            payload_bits=payload_bits_for(channel_uses=uses, bits_per_symbol=bits, code_rate=rate),
            channel_uses=uses,
            bits_per_symbol=bits,
        )
        for bits, rate in LINKS
        if least + 16 <= rate * uses * bits <= LONGEST_CODE_BLOCK
    )
    return tuple(
        pipe
        for pipe in made
        if least <= pipe.payload_bits <= most
        and (pipe.code_rate <= SAFE_CODE_RATE or arrives_without_noise(pipe))
    )


def polar_pipes_of(uses: int, *, payload_bits: tuple[int, int]) -> tuple[PolarPipe, ...]:
    """The polar links over `uses` with payloads of (least, most) bits, the smallest first.

    They have QPSK to 64-QAM, the code rates of `LINKS`, and at most `LONGEST_POLAR_LINK` bits.
    """
    least, most = max(payload_bits[0], SHORTEST_POLAR_PAYLOAD), payload_bits[1]
    sizes = ((_polar_payload(math.floor(rate * uses * bits)), bits) for bits, rate in LINKS)
    first: dict[int, int] = {}  # the lowest modulation for every payload
    for payload, bits in sizes:
        if bits <= 6 and least <= payload <= min(most, LONGEST_POLAR_LINK):
            first.setdefault(payload, bits)
    return tuple(
        PolarPipe(payload_bits=payload, channel_uses=uses, bits_per_symbol=bits)
        for payload, bits in sorted(first.items())
    )


def _polar_payload(block: int) -> int:
    """Largest payload that fits a block of `block` bits with its CRC of 6 or 11 bits."""
    longer = block - polar_crc_bits(LONGEST_WITH_CRC6 + 1)
    return max(longer, min(block - polar_crc_bits(LONGEST_WITH_CRC6), LONGEST_WITH_CRC6))


def small_pipes_of(uses: int) -> tuple[SmallBlockPipe, ...]:
    """The links over `uses` that carry 1 to 11 bits without a CRC, the smallest first."""
    bits = range(1, LONGEST_SMALL_BLOCK + 1)
    return tuple(SmallBlockPipe(payload_bits=own, channel_uses=uses) for own in bits)
