"""Digital schemes: bits of a source over a link that is adapted to the SNR.

Image -> bits -> CRC -> 5G LDPC -> scrambling -> QAM -> channel -> LLR -> LDPC -> CRC -> class
[METHOD, B6 to B8]. Where the CRC fails, or where no option of the source fits, the image is lost:
an outage. Source, modulation and rate are chosen on validation images (`adaptation`).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.baselines.adaptation import (
    GRID_DB,
    Adaptation,
    Choice,
    CodedLink,
    Link,
    grid_place,
    offers_key,
)
from benchmarks.baselines.met_snr import met_by, one_gain
from benchmarks.baselines.sources import Offer, Source
from channels.base import Channel
from channels.streams import PointStreams
from simulator.scheme import Received, Scheme, Tensors
from simulator.storage.describe import digest


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What validation images say: offers by the source's name, and labels [N]."""

    offers: Mapping[str, Offer]
    labels: Tensor


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What a digital scheme is called, says of itself, and knows.

    `genie`: the transmitter knows the gain of every image and chooses by it. `bit_true`: every
    block is decoded. Else whether it arrives is drawn by its error rate at the SNR it meets.
    """

    name: str
    version: int
    settings: str
    genie: bool = False
    bit_true: bool = False


class DigitalScheme(Scheme):
    """Sources and links, chosen among for every channel, SNR and k.

    Networks compute in fp32 whatever the precision of the sweep: what was counted beforehand, and
    kept for other sweeps, must be what is sent.
    """

    def __init__(
        self,
        behaviour: Behaviour,
        *,
        sources: Sequence[Source],
        links: Callable[[int], Sequence[Link]],
        uses: tuple[int, ...] | None,
        tried: Tried | None,
        num_classes: int,
    ) -> None:
        self._behaviour = behaviour
        self.name, self.version = behaviour.name, behaviour.version
        self._sources = {source.name: source for source in sources}
        self._links = links
        self._uses = uses
        self._tried = tried
        self._num_classes = num_classes
        self._adaptations: dict[int, Adaptation] = {}
        self._choices: dict[tuple[str, float, int], Choice] = {}

    @property
    def channel_uses(self) -> str:
        """Where there are links, if there are images to choose on."""
        if self._tried is None:
            return "no k where the data holds no validation images to choose on"
        if self._uses is None:
            return "k >= 1"
        return "k in {" + ", ".join(map(str, self._uses)) + "}"

    def serves(self, k: int) -> bool:
        """Where there are links, if there are images to choose on."""
        return self._tried is not None and (k >= 1 if self._uses is None else k in self._uses)

    def settings(self, k: int) -> str:
        """What is charged, what is known beforehand, and the digital link."""
        return self._behaviour.settings

    def objection(self, channel: Channel, k: int) -> str:
        """A genie knows one gain; where blocks are decoded there is more than one."""
        if self._behaviour.genie and self._decodes(channel, k):
            return "needs one gain per image"
        return ""

    @property
    def choices_key(self) -> str:
        """Equal where all choices are the same: of offers, sources, and block error rates."""
        if self._tried is None:
            return ""
        tables = [
            link.key
            for k in self._uses or ()
            for link in self._links(k)
            if isinstance(link, CodedLink)
        ]
        identities = [source.identity for source in self._sources.values()]
        return digest([offers_key(self._tried.offers, self._tried.labels), identities, tables])

    def choices(self, points: Sequence[tuple[Channel, float, int]]) -> list[dict[str, Any]]:
        """What is sent at some points (channel, SNR, k): rows for a table.

        With a genie, a row for every SNR met at which the choice changes, for each k.
        """
        if not self._behaviour.genie:
            return [
                self._row(channel.name, snr_db, k, self._choice(channel, snr_db, k))
                for channel, snr_db, k in points
            ]
        rows = []
        for k in dict.fromkeys(k for _, _, k in points):
            found = self._adaptation(k).for_met
            for place, choice in enumerate(found):
                before = found[place - 1] if place else None
                if before is None or (before.source, before.link) != (choice.source, choice.link):
                    rows.append(self._row("met by the image", float(GRID_DB[place]), k, choice))
        return rows

    def _row(self, channel: str, snr_db: float, k: int, choice: Choice) -> dict[str, Any]:
        point = {"scheme": self.name, "channel": channel, "snr_db": snr_db, "channel_uses": k}
        return {**point, **choice.row}

    def _adaptation(self, k: int) -> Adaptation:
        if self._tried is None:
            raise ValueError(f"{self.name} serves {self.channel_uses}")
        if k not in self._adaptations:
            self._adaptations[k] = Adaptation(
                self._links(k), self._tried.offers, self._tried.labels, k, self._num_classes
            )
        return self._adaptations[k]

    def _choice(self, channel: Channel, snr_db: float, k: int) -> Choice:
        point = (channel.name, round(snr_db, 4), k)  # single precision has no more
        if point not in self._choices:
            self._choices[point] = self._adaptation(k).for_average(channel, point[1])
        return self._choices[point]

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> Tensors:
        """Offers of every source, and the pixels for those that are sent bit by bit.

        Shapes: sizes_SOURCE [B, Q] int32, answers_SOURCE [B, Q] int16, pixels [B, C, H, W] uint8.
        """
        pixels = (images * 255).round().clamp(0, 255).to(torch.uint8)
        prepared: dict[str, Tensor] = {"pixels": pixels}
        with _fp32(images):
            for name, source in self._sources.items():
                offer = source.offer(pixels)
                prepared |= {f"sizes_{name}": offer.sizes, f"answers_{name}": offer.answers}
        return prepared

    def _decodes(self, channel: Channel, k: int) -> bool:
        """Whether blocks are decoded: a table speaks of blocks with one gain alone."""
        coded = isinstance(self._links(k)[0], CodedLink)
        return coded and (self._behaviour.bit_true or not one_gain(channel, k))

    @torch.inference_mode()
    def encode(self, prepared: Tensors, *, channel: Channel, snr_db: Tensor, k: int) -> Tensors:
        """What is sent at this point. With a genie: all offers, the gain decides."""
        if self._behaviour.genie:
            if why := self.objection(channel, k):
                raise ValueError(f"{self.name} {why}, got {channel.name}")
            return prepared
        choice = self._choice(channel, float(snr_db[0, 0]), k)
        option, answers, fits = _offer(prepared, choice.source).best_fit(choice.link.payload_bits)
        encoded = {"answers": answers, "fits": fits}
        if self._decodes(channel, k):
            source, bits = self._sources[choice.source], choice.link.payload_bits
            payload = torch.zeros((len(fits), bits), dtype=torch.uint8)
            for row in torch.nonzero(fits.cpu())[:, 0].tolist():
                with _fp32(fits):
                    own = source.bits(prepared["pixels"][row], int(option[row]))
                payload[row, : len(own)] = own
            encoded["payload"] = payload.to(fits.device)
        return encoded

    @torch.inference_mode()
    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """Blocks by their error rates where that is enough, else decoded."""
        if self._decodes(channel, k):
            answers, delivered = self._decoded(encoded, channel, snr_db, k, streams)
        else:
            answers, delivered = self._by_rate(encoded, channel, snr_db, k, streams)
        scores = torch.nn.functional.one_hot(answers, self._num_classes).float()
        return Received(scores, delivered)

    def _by_rate(
        self, encoded: Tensors, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> tuple[Tensor, Tensor]:
        """Answers [B], and which blocks arrive [B], by the SNR they meet.

        Gains are the ones that other schemes meet. An error that the CRC would miss is taken for
        one that it sees.
        """
        device = snr_db.device
        ones = torch.ones((len(snr_db), k), dtype=torch.complex64, device=device)
        h = channel(ones, snr_db=snr_db, generator=streams("channel", device=device)).h
        met = met_by(h, snr_db=snr_db).cpu().numpy()
        drawn = torch.rand(len(met), generator=streams("decoding"), dtype=torch.float64).numpy()
        if not self._behaviour.genie:
            choice = self._choice(channel, float(snr_db[0, 0]), k)
            arrived = torch.from_numpy(drawn >= choice.link.error_rate(met)).to(device)
            return encoded["answers"], encoded["fits"] & arrived
        answers = torch.zeros(len(met), dtype=torch.int64, device=device)
        delivered = torch.zeros(len(met), dtype=torch.bool, device=device)
        by_place = self._adaptation(k).for_met
        chosen: dict[tuple[str, Link], list[int]] = {}
        for row, place in enumerate(grid_place(met)):
            choice = by_place[place]
            chosen.setdefault((choice.source, choice.link), []).append(row)
        for (source, link), rows in chosen.items():
            mine = torch.tensor(rows, device=device)
            offer = Offer(*(values[mine] for values in _offer(encoded, source)))
            _, answers[mine], fits = offer.best_fit(link.payload_bits)
            kept = torch.from_numpy(drawn[rows] >= link.error_rate(met[rows])).to(device)
            delivered[mine] = fits & kept
        return answers, delivered

    def _decoded(
        self, encoded: Tensors, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> tuple[Tensor, Tensor]:
        """Every block decoded; only images that arrive otherwise are classified again."""
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
            source = self._sources[choice.source]
            with _fp32(payload):
                answers[wrong], delivered[wrong] = source.answers(arrived.payload[wrong])
        return answers, delivered


def _offer(prepared: Tensors, source: str) -> Offer:
    return Offer(prepared[f"sizes_{source}"], prepared[f"answers_{source}"])


def _fp32(near: Tensor) -> AbstractContextManager[None]:
    """No autocast on the device of this tensor."""
    context: AbstractContextManager[None] = torch.autocast(near.device.type, enabled=False)
    return context
