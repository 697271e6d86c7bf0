"""Digital schemes: bits of a source over a link that is adapted to the SNR.

Image -> bits -> CRC -> 5G LDPC -> scrambling -> QAM -> channel -> LLR -> LDPC -> CRC -> class.
If the CRC fails, or if no option of the source fits the payload, the image is lost: an outage. A
link without a CRC delivers another payload in place of a lost one. Source, modulation and rate are
chosen on validation images (`adaptation`). A bound sends the same bits over links that are
error-free up to capacity.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from importlib.metadata import version
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.baselines.adaptation import (
    GRID_DB,
    RARELY_MISSES,
    Adaptation,
    Choice,
    CodedLink,
    IdealLink,
    Link,
    block_snr_db,
    distribution,
    grid_place,
    offers_key,
    pipes_of,
    table_error,
)
from benchmarks.baselines.block_errors import block_errors
from benchmarks.baselines.other_payloads import OtherPayloads
from benchmarks.baselines.sources import NEVER, ImageSource, Offer, Source, try_sources
from channels.base import Channel
from channels.digital.bit_pipe import CodedPipe
from channels.streams import PointStreams
from simulator.data.dataset import Dataset
from simulator.device import autocast
from simulator.errors import UserError
from simulator.scheme import Received, Scheme, Tensors, one_of
from simulator.schemes.contract import WithoutWeights
from simulator.storage.describe import digest


@dataclass(frozen=True, kw_only=True)
class DigitalConfig(WithoutWeights):
    """The options of a digital scheme, and among which links it chooses.

    `label` holds its labels, joined by colons.
    """

    uses: tuple[int, ...]  # values of k that it serves
    payload_bits: tuple[int, int]  # (least, most); links that carry less or more are not tried
    validation_images: int  # number of the first ones, on which all choices are made
    label: str = ""
    bit_true: bool = False  # True: every block is decoded; False: block error rates from a table

    kind: ClassVar[str]  # the scheme's name without label
    flags: ClassVar[tuple[str, ...]]  # labels that do not name a codec
    version: ClassVar[int]  # goes up whenever the same weights would give other numbers

    @property
    def name(self) -> str:
        """The scheme's name with its label."""
        return f"{self.kind}:{self.label}" if self.label else self.kind

    @property
    def words(self) -> list[str]:
        """The list of its labels."""
        return self.label.split(":") if self.label else []

    @property
    def codec_words(self) -> list[str]:
        """Labels that name a codec; at most one of them may be used."""
        return []

    @property
    def ideal(self) -> bool:
        """Whether it is a bound, whose links are error-free up to capacity."""
        return "bound" in self.words

    def needs(self) -> dict[str, str]:
        """The version of Sionna, which has the LDPC code; see also `DigitalScheme.choices_key`."""
        return {} if self.ideal else {"sionna-no-rt": version("sionna-no-rt")}

    def decoding_all(self) -> Self:
        """The same with every block decoded; a bound, which has no blocks, is unchanged."""
        return self if self.ideal else replace(self, bit_true=True)

    def labelled(self, label: str) -> Self:
        """The same with these labels.

        Raises: UserError if a label is unknown, or if labels cannot be combined.
        """
        made, known = replace(self, label=label), self.codec_words
        words, codecs = made.words, [word for word in made.words if word not in self.flags]
        if not set(codecs) <= set(known) or len(codecs) > 1 or len(set(words)) < len(words):
            first = f"one codec at most, of {', '.join(known)}, and " if known else ""
            raise UserError(
                f"{made.name} must have {first}any of {', '.join(self.flags)}, each once, joined "
                "by colons"
            )
        if "finite" in words and not made.ideal:
            raise UserError(f"{made.name} must be a bound to be finite: bound:finite")
        if self.bit_true and "genie" in words and not made.ideal:
            raise UserError(f"{made.name} cannot be decoded bit by bit; drop --bit-true")
        return made

    @property
    def code(self) -> str:
        """Channel codes and modulations of its links, in words."""
        return "CRC, 5G LDPC, QPSK to 256-QAM"

    @property
    def ideal_code(self) -> str:
        """The links of a bound, in words."""
        return "log2(1 + SNR) bits per use without errors"

    def pipes(self, k: int) -> tuple[CodedPipe, ...]:
        """The digital links over k uses; a bound has none."""
        if self.ideal or k not in self.uses:
            return ()
        return pipes_of(k, payload_bits=self.payload_bits)

    def links(self, k: int, offers: Mapping[str, Offer]) -> list[Link]:
        """The links over k uses; a bound has one for each payload size among the offers."""
        if not self.ideal:
            return [CodedLink(pipe) for pipe in self.pipes(k)]
        sizes = torch.cat([offer.sizes.flatten() for offer in offers.values()]).unique()
        finite = "finite" in self.words
        return [
            IdealLink(payload_bits=int(size), channel_uses=k, finite=finite)
            for size in sizes
            if size < NEVER
        ]

    def settings(self, bits: str) -> str:
        """The payload, the link, and how they are chosen."""
        code = self.code
        if self.ideal:
            code = self.ideal_code
        if "finite" in self.words:
            code = "normal approximation at a block error rate of 1e-3"
        by = "each image's own SNR (CSIT)" if "genie" in self.words else "the average SNR"
        return f"{bits}, {code}, chosen by {by} on validation images"


class DigitalScheme(Scheme):
    """Sources and links; one pair is chosen for every channel, SNR and k.

    Networks compute in fp32 whatever the precision of the sweep: sizes of payloads are computed
    beforehand and cached for other sweeps, and must be those of the bits that are sent.
    """

    def __init__(
        self,
        config: DigitalConfig,
        sources: Sequence[Source],
        *,
        bits: str,
        dataset: Dataset,
        device: torch.device,
    ) -> None:
        """`bits` describes what the sources send, in words, for `settings`."""
        self.name, self.version = config.name, config.version
        self._config = config
        self._genie = "genie" in config.words  # the transmitter knows the gain of every image
        self._settings = config.settings(bits)
        self._uses = tuple(k for k in config.uses if config.pipes(k))  # that carry a payload
        self._sources = {source.name: source for source in sources}
        self._num_classes = dataset.num_classes
        self._offers: dict[str, Offer] = {}
        if dataset.validation is not None:
            count = config.validation_images
            self._labels = dataset.validation.labels[:count].cpu()
            self._offers = try_sources(sources, dataset.validation.images[:count], device)
        self.adaptation = cache(self._adapted)  # by k
        self._choices: dict[tuple[Hashable, float, int], Choice] = {}

    @property
    def channel_uses(self) -> str:
        """All k with links; none if there are no validation images to choose on."""
        if not self._offers:
            return "no k without validation images to choose settings on"
        if self._config.ideal:
            return "k >= 1"
        if not self._uses:
            return "no k, as nothing fits into its uses"
        return one_of(self._uses)

    def serves(self, k: int) -> bool:
        """Whether there are links over k uses, and validation images to choose on."""
        return bool(self._offers) and (k >= 1 if self._config.ideal else k in self._uses)

    def settings(self, k: int) -> str:
        """What is charged, what is known in advance, and the digital link."""
        return self._settings

    def objection(self, channel: Channel, k: int) -> str:
        """Bounds and genies need Gaussian noise.

        A genie also needs one known gain per image, and a bound an unbiased SNR.
        """
        if (self._config.ideal or self._genie) and not channel.law.stated:
            return "needs Gaussian noise, which a channel without a stated law may not have"
        if self._genie and channel.law.knowledge != "perfect":
            return "needs a known gain"
        if self._config.ideal and channel.law.knowledge == "ls":
            return "needs a gain known or estimated by LMMSE"
        return "needs one gain per image" if self._genie and self._decodes(channel, k) else ""

    def source(self, name: str) -> Source:
        """A source by its name in the table of choices."""
        return self._sources[name]

    @property
    def choices_key(self) -> str:
        """A hash of offers, sources and block error rates, on which all choices depend."""
        if not self._offers:
            return ""
        pipes = [pipe for k in self._config.uses for pipe in self._config.pipes(k)]
        tables = [digest(asdict(block_errors(pipe))) for pipe in pipes]
        identities = [source.identity for source in self._sources.values()]
        return digest([offers_key(self._offers, self._labels), identities, tables])

    def choices(self, points: Sequence[tuple[Channel, float, int]]) -> list[dict[str, Any]]:
        """The choices at some points (channel, SNR, k), as rows of a table.

        With a genie, there is a row for each k and each SNR of a block at which the choice changes.
        """
        if not self._genie:
            return [
                self._row(channel.name, snr_db, k, self._choice(channel, snr_db, k))
                for channel, snr_db, k in points
            ]
        rows, before = [], None
        for k in dict.fromkeys(k for _, _, k in points):
            for snr_db, choice in zip(
                GRID_DB.tolist(), self.adaptation(k).for_each_snr, strict=True
            ):
                if (k, *choice[:2]) != before:  # another source or link
                    rows.append(self._row("met by the image", snr_db, k, choice))
                before = (k, *choice[:2])
        return rows

    def _row(self, channel: str, snr_db: float, k: int, choice: Choice) -> dict[str, Any]:
        point = {"scheme": self.name, "channel": channel, "snr_db": snr_db, "channel_uses": k}
        return {
            **point,
            "codec": choice.source,
            **choice.link.text,
            "payload_bits": choice.link.payload_bits,
            "validation_delivered": round(choice.delivered, 6),
            "validation_accuracy": round(choice.accuracy, 6),
        }

    def table_error(self, channel: Channel, snr_db: float, k: int) -> float:
        """Standard error of the accuracy from tables of block error rates; 0 if none is used."""
        if self._config.ideal or self._decodes(channel, k):
            return 0.0
        if self._genie:
            met = distribution(channel, snr_db=snr_db, uses=k)[None]
            places, choices = grid_place(met), self.adaptation(k).for_each_snr
            return table_error([(choices[own], met[places == own]) for own in np.unique(places)])
        choice = self._choice(channel, snr_db, k)
        bits = choice.link.bits_per_symbol
        met = distribution(channel, snr_db=snr_db, uses=k, modulations=(bits,))[bits]
        return table_error([(choice, met)])

    def _adapted(self, k: int) -> Adaptation:
        if not self._offers:
            raise ValueError(f"{self.name} serves {self.channel_uses}")
        links = self._config.links(k, self._offers)
        return Adaptation(links, self._offers, self._labels, k, self._num_classes)

    def _choice(self, channel: Channel, snr_db: float, k: int) -> Choice:
        snr_db = round(snr_db, 4)  # more digits do not survive single precision
        point = (channel.identity, snr_db, k)
        if point not in self._choices:
            self._choices[point] = self.adaptation(k).for_average(channel, snr_db)
        return self._choices[point]

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> Tensors:
        """The offers of every source, and the pixels, from which payloads are computed.

        Shapes: sizes_SOURCE [B, Q] int32, answers_SOURCE [B, Q] int16, pixels [B, C, H, W] uint8.
        """
        pixels = (images * 255).round().clamp(0, 255).to(torch.uint8)
        prepared: dict[str, Tensor] = {"pixels": pixels}
        with autocast(images.device, "fp32"):
            for name, source in self._sources.items():
                offer = source.offer(pixels)
                prepared |= {f"sizes_{name}": offer.sizes, f"answers_{name}": offer.answers}
        return prepared

    def _decodes(self, channel: Channel, k: int) -> bool:
        """Whether blocks are decoded: tables hold only for one known gain and Gaussian noise."""
        if self._config.ideal:
            return False
        law = channel.law
        return self._config.bit_true or law.knowledge != "perfect" or not law.one_gain(k)

    @torch.inference_mode()
    def encode(self, prepared: Tensors, *, channel: Channel, snr_db: Tensor, k: int) -> Tensors:
        """The payloads of this point; with a genie all offers, because choices depend on gains."""
        if self._genie:
            if why := self.objection(channel, k):
                raise ValueError(f"{self.name} {why}, got {channel.name}")
            return prepared
        choice = self._choice(channel, float(snr_db[0, 0]), k)
        option, answers, fits = _offer(prepared, choice.source).best_fit(choice.link.payload_bits)
        encoded = {"answers": answers, "fits": fits}
        if self._decodes(channel, k) or _may_miss_errors(choice.link):
            size = choice.link.payload_bits
            pixels = prepared["pixels"]
            encoded["payload"] = self._payloads(choice.source, size, pixels, option, fits)
        return encoded

    def _payloads(
        self, source: str, size: int, pixels: Tensor, option: Tensor, sent: Tensor
    ) -> Tensor:
        """The bits of a source for the images that are `sent` [B], padded with zeros.

        Shapes: pixels [B, C, H, W] uint8, option [B] -> uint8 [B, size].
        """
        payload = torch.zeros((len(sent), size), dtype=torch.uint8)
        for row in torch.nonzero(sent.cpu())[:, 0].tolist():
            with autocast(sent.device, "fp32"):
                own = self._sources[source].bits(pixels[row], int(option[row]))
            payload[row, : len(own)] = own
        return payload.to(sent.device)

    @torch.inference_mode()
    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """Draw lost blocks from error rates if tables apply, otherwise decode every block."""
        how = self._decoded if self._decodes(channel, k) else self._by_rate
        answers, delivered, seen = how(encoded, channel, snr_db, k, streams)
        scores = torch.nn.functional.one_hot(answers, self._num_classes).float()
        return Received(scores, delivered, seen)

    def _by_rate(
        self, encoded: Tensors, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> tuple[Tensor, Tensor, Tensors]:
        """Answers [B], which blocks arrive [B], and their error rates at the SNR of each block.

        Gains are those that other schemes use too. If the receiver misses an error, another payload
        arrives. Errors that a CRC of 16 bits or more would miss count as detected.
        """
        ones = torch.ones((len(snr_db), k), dtype=torch.complex64, device=snr_db.device)
        received = channel(ones, snr_db=snr_db, generator=streams("channel", device=snr_db.device))
        met = block_snr_db(received, snr_db=snr_db).cpu().numpy()
        drawn = torch.rand(len(met), generator=streams("decoding"), dtype=torch.float64)
        others = OtherPayloads.drawn(len(met), streams)
        answers = torch.zeros(len(met), dtype=torch.int64, device=snr_db.device)
        delivered = torch.zeros(len(met), dtype=torch.bool, device=snr_db.device)
        rates = torch.ones(len(met), dtype=torch.float64, device=snr_db.device)
        undetected = torch.zeros_like(delivered)
        if self._genie:
            sent = self._sent_by_gain(encoded, met, k)
        else:
            sent = iter([self._sent(encoded, self._choice(channel, float(snr_db[0, 0]), k))])
        for own in sent:
            meets, luck = met[own.rows.cpu()], drawn[own.rows.cpu()].to(snr_db.device)
            rate = torch.as_tensor(own.link.error_rate(meets), device=snr_db.device)
            answers[own.rows], rates[own.rows] = own.answers, rate
            delivered[own.rows] = own.fits & (luck >= rate)
            missed = torch.as_tensor(own.link.missed(meets), device=snr_db.device)
            unseen = own.fits & (luck < rate * missed)
            if bool(unseen.any()):
                rows = own.rows[unseen]
                strayed = others.instead_of(own.payload(unseen), rows)
                answers[rows], delivered[rows] = self._answers(own.source, strayed)
                undetected[rows] = True
        return answers, delivered, {"error_rate": rates, "undetected": undetected}

    def _sent(self, encoded: Tensors, choice: Choice) -> "_Sent":
        """All images, sent over one link."""
        answers, fits = encoded["answers"], encoded["fits"]
        rows = torch.arange(len(fits), device=fits.device)
        source, link = choice.source, choice.link
        return _Sent(source, link, rows, answers, fits, lambda some: encoded["payload"][some])

    def _sent_by_gain(
        self, encoded: Tensors, met: NDArray[np.float64], k: int
    ) -> Iterator["_Sent"]:
        """With a genie: the images, grouped by the source and link that their gains select."""
        by_place, pixels = self.adaptation(k).for_each_snr, encoded["pixels"]
        chosen: dict[tuple[str, Link], list[int]] = {}
        for row, place in enumerate(grid_place(met)):
            chosen.setdefault(by_place[place][:2], []).append(row)
        for (source, link), places in chosen.items():
            rows = torch.tensor(places, device=pixels.device)
            offer = Offer(*(values[rows] for values in _offer(encoded, source)))
            option, answers, fits = offer.best_fit(link.payload_bits)
            coded = source, link.payload_bits, pixels[rows], option
            payload = partial(self._some_payloads, *coded)
            yield _Sent(source, link, rows, answers, fits, payload)

    def _some_payloads(
        self, source: str, size: int, pixels: Tensor, option: Tensor, some: Tensor
    ) -> Tensor:
        return self._payloads(source, size, pixels[some], option[some], some[some])

    def rebuilt_images(
        self, prepared: Tensors, received: Received, *, channel: Channel, snr_db: Tensor, k: int
    ) -> Tensor | None:
        """Decoded images, black in outage; None with a genie, or if features are sent."""
        if self._genie:
            return None
        choice = self._choice(channel, float(snr_db[0, 0]), k)
        source = self._sources[choice.source]
        if not isinstance(source, ImageSource):
            return None
        if (payload := received.seen.get("decoded_bits")) is None:  # payloads arrive unchanged
            size, pixels = choice.link.payload_bits, prepared["pixels"]
            option, _, fits = _offer(prepared, choice.source).best_fit(size)
            payload = self._payloads(choice.source, size, pixels, option, fits)
        arrived = torch.where(received.delivered[:, None], payload, 0)
        return source.images(arrived)[0].float() / 255

    def _answers(self, source: str, payloads: Tensor) -> tuple[Tensor, Tensor]:
        """Answers and delivery [B] of payloads [B, bits] uint8."""
        with autocast(payloads.device, "fp32"):
            return self._sources[source].answers(payloads)

    def _decoded(
        self, encoded: Tensors, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> tuple[Tensor, Tensor, Tensors]:
        """Decode every block; only delivered images with bit errors are classified again."""
        choice = self._choice(channel, float(snr_db[0, 0]), k)
        payload, fits, answers = (encoded[name] for name in ("payload", "fits", "answers"))
        if not isinstance(choice.link, CodedLink):
            raise TypeError(f"only coded links can be decoded, got {choice.link}")
        arrived = choice.link.pipe(
            payload,
            channel=channel,
            snr_db=snr_db,
            channel_generator=streams("channel", device=payload.device),
            scrambling_generator=streams("scrambling", device=payload.device),
        )
        delivered = fits & arrived.crc_ok
        wrong = delivered & (arrived.payload != payload).any(dim=1)  # the CRC missed the errors
        if bool(wrong.any()):
            answers, delivered = answers.clone(), delivered.clone()
            found = self._answers(choice.source, arrived.payload[wrong])
            answers[wrong], delivered[wrong] = found
        seen = {"bits": payload, "decoded_bits": arrived.payload, "undetected": wrong}
        return answers, delivered, seen


class _Sent(NamedTuple):
    """Images that one source sends over one link."""

    source: str
    link: Link
    rows: Tensor  # of these images in the batch [n]
    answers: Tensor  # classes of images that arrive [n]
    fits: Tensor  # whether the image fits the payload, so that it is sent [n]
    payload: Callable[[Tensor], Tensor]  # mask bool [n] to payloads of these images uint8 [m, bits]


def _may_miss_errors(link: Link) -> bool:
    """Whether the receiver may decode another payload without detecting the error."""
    few = isinstance(link, CodedLink) and link.pipe.crc_bits < RARELY_MISSES
    return few or not link.detects


def _offer(prepared: Tensors, source: str) -> Offer:
    return Offer(prepared[f"sizes_{source}"], prepared[f"answers_{source}"])
