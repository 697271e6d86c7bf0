"""A few images and symbols of a sweep, as sent and as received, in a small file beside its table.

They are from the first realisation of a channel: image i has the outcome that the journal holds.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from channels.equalize import mmse
from simulator.data.dataset import to_float
from simulator.device import autocast, cpu_threads
from simulator.engine.evaluate import BLOCK, prepare_block
from simulator.engine.grid import Point, Unit, unit_streams
from simulator.engine.send import RecordingChannel
from simulator.engine.sweep import Sweep
from simulator.errors import UserError
from simulator.scheme import Received, Scheme, Tensors
from simulator.storage.describe import digest
from simulator.storage.files import read_header, save_tensors
from simulator.storage.folders import remove

PICTURED: Final = ("deep_jscc_image", "separate")  # schemes whose images are kept
SCATTERED: Final = ("rkd_sc", "deep_jscc_q")  # schemes whose symbols are kept
MOST_IMAGES: Final = 6
MOST_BYTES: Final = 110_000  # of all pixels; two images are kept in any case
LARGEST: Final = 64  # pixels per side; larger images are shrunk
SYMBOLS: Final = 256  # per scheme and SNR: whole codewords, at least one
UNIT: Final = 1e-3  # resolution of the stored real and imaginary parts


class Place(NamedTuple):
    """The channel, k and SNRs at which schemes are sampled."""

    channel: str
    k: int
    snr_db: tuple[float, ...]  # lowest, middle and highest of the grid, each once
    schemes: tuple[str, ...]  # that are swept there


class Kept(NamedTuple):
    """Tensors of the file, and their description for its header."""

    tensors: dict[str, Tensor]
    about: dict[str, Any]


class SentBlock(NamedTuple):
    """One block of images at three stages of a scheme: prepared, sent and received."""

    scheme: Scheme
    prepared: Tensors
    x: Tensor  # [B, k] complex, as are the equalised symbols
    equalised: Tensor
    received: Received
    link: Mapping[str, Any]  # channel, snr_db [B, 1] and k

    @property
    def classes(self) -> Tensor:
        """Decided classes [B] on the CPU, -1 in outage."""
        decided, delivered = self.received.scores.argmax(dim=1), self.received.delivered
        return torch.where(delivered.bool(), decided, -1).cpu()

    def images(self, rows: Sequence[int]) -> Tensor | None:
        """Images that the receiver rebuilds, [len(rows), C, H, W]; None if it rebuilds none."""
        scores, delivered, seen = self.received
        received = Received(scores[rows], delivered[rows], _some(seen, rows))
        link = {**self.link, "snr_db": self.link["snr_db"][rows]}
        return self.scheme.rebuilt_images(_some(self.prepared, rows), received, **link)


def _some(tensors: Tensors, rows: Sequence[int]) -> dict[str, Tensor]:
    return {name: values[rows] for name, values in tensors.items()}


def write_samples(sweep: Sweep, path: Path) -> None:
    """Write images and symbols of a few points of a sweep; remove the file if there are none.

    A file of the same settings is kept, so that a finished sweep need not compute it again. Points
    whose number of pilots was chosen are left out: their codewords differ in length between SNRs.
    """
    points = [point for point in sweep.points if point not in sweep.divisions]
    places = {part: place_of(points, names) for part, (names, _) in PARTS.items()}
    key = digest([sweep.about, places])
    if not any(places.values()):
        remove(path.parent, path.name)
    elif _key_of(path) != key:
        kept = {part: _kept(sweep, place, part) for part, place in places.items() if place}
        tensors = {name: own for part in kept.values() for name, own in part.tensors.items()}
        save_tensors(path, tensors, {"key": key, **{part: own.about for part, own in kept.items()}})


def _key_of(path: Path) -> str | None:
    """The key of a file; None if there is none, or it is damaged."""
    try:
        return read_header(path).get("key")
    except UserError:
        return None


def _kept(sweep: Sweep, place: Place, part: str) -> Kept:
    """Compute one part of the file."""
    with cpu_threads(1):  # as in a sweep
        seen = {name: _seen(sweep, place, name) for name in place.schemes}
        tensors, about = PARTS[part][1](sweep, seen)
    where = {"channel": place.channel, "k": place.k, "snr_db": list(place.snr_db)}
    return Kept(tensors, {**where, **about})


def place_of(points: Sequence[Point], names: Sequence[str]) -> Place | None:
    """The channel and k with most of these schemes; of several, first channel, smallest k."""
    swept: dict[tuple[str, int], dict[str, set[float]]] = {}
    for scheme, channel, snr_db, k in points:
        if scheme in names:
            swept.setdefault((channel, k), {}).setdefault(scheme, set()).add(snr_db)
    if not swept:
        return None
    channels = list(dict.fromkeys(channel for channel, _ in swept))
    (channel, k), own = max(
        swept.items(), key=lambda item: (len(item[1]), -channels.index(item[0][0]), -item[0][1])
    )
    snrs = sorted(set[float]().union(*own.values()))
    three = dict.fromkeys((snrs[0], snrs[len(snrs) // 2], snrs[-1]))
    return Place(channel, k, tuple(three), tuple(name for name in names if name in own))


@torch.inference_mode()
def _seen(sweep: Sweep, place: Place, name: str) -> list[SentBlock]:
    """Send the first block of test images at every SNR of a place."""
    scheme, setting = sweep.built[name].scheme, sweep.setting
    prepared = prepare_block(scheme, sweep.test, setting, 0)
    true, found = sweep.channel(place.channel), []
    channel = RecordingChannel(true)
    for snr_db in place.snr_db:
        snr = torch.full((BLOCK, 1), snr_db, device=setting.device)
        link: dict[str, Any] = {"channel": channel, "snr_db": snr, "k": place.k}
        unit = Unit(Point(name, place.channel, snr_db, place.k), 0)
        streams = unit_streams(unit, true, setting.seed)
        with autocast(setting.device, setting.precision):
            encoded = scheme.encode(prepared, **link)
            received = scheme.transmit(encoded, **link, streams=streams)
        symbols = channel.x, mmse(channel.output)
        found.append(SentBlock(scheme, prepared, *symbols, received, link))
    return found


@torch.inference_mode()
def _pictures(sweep: Sweep, seen: Mapping[str, Sequence[SentBlock]]) -> Kept:
    """Pixels [N, C, H, W] as sent, [SNRs, N, C, H, W] as received; names of their classes."""
    labels, classes = sweep.test.labels[:BLOCK].cpu(), sweep.weights.dataset.classes
    sent = to_float(sweep.test.images[:BLOCK].cpu())
    right = [own.classes[: len(labels)] == labels for every in seen.values() for own in every]
    rows = chosen_rows(torch.stack(right), most_images(_shown(sent[:1]), len(right)))
    tensors, decided = {"images": _shown(sent[rows])}, {}
    for name, every in seen.items():
        images = [own.images(rows) for own in every]
        tensors[f"images {name}"] = torch.stack([_shown(own) for own in images if own is not None])
        decided[name] = [_named(own.classes[rows], classes) for own in every]
    about = {"rows": rows, "classes": _named(labels[rows], classes), "decided": decided}
    return Kept(tensors, about)


def _named(decided: Tensor, classes: Sequence[str]) -> list[str | None]:
    """Names of the decided classes; None in outage."""
    return [None if own < 0 else classes[own] for own in decided.tolist()]


def most_images(shown: Tensor, times: int) -> int:
    """How many images [1, C, H, W] to keep, each once as sent and `times` as received."""
    return max(2, min(MOST_IMAGES, MOST_BYTES // (shown.numel() * (1 + times))))


def chosen_rows(right: Tensor, count: int) -> list[int]:
    """Choose images: half are the first that are correct in some transmissions and wrong in others.

    If there are fewer of these, and for the other half, the first of the other images are chosen.

    Shapes: right [transmissions, N] bool -> at most `count` of the N rows, ascending.
    """
    mixed = torch.nonzero(right.any(dim=0) & ~right.all(dim=0))[:, 0].tolist()[: (count + 1) // 2]
    others = [row for row in range(right.shape[1]) if row not in mixed]
    return sorted([*mixed, *others[: count - len(mixed)]])


def _shown(images: Tensor) -> Tensor:
    """Images [N, C, H, W] in [0, 1] as uint8, of at most `LARGEST` pixels per side."""
    longest = max(images.shape[2:])
    if longest > LARGEST:
        size = [max(1, LARGEST * side // longest) for side in images.shape[2:]]
        images = functional.interpolate(images, size, mode="area")
    return (images.float().clamp(0, 1) * 255).round().to(torch.uint8)


def _symbols(sweep: Sweep, seen: Mapping[str, Sequence[SentBlock]]) -> Kept:
    """Symbols as sent and as equalised, int16 [SNRs, symbols, 2] in units of `UNIT`."""
    uses = max(own.x.shape[1] for every in seen.values() for own in every)
    images = min(max(1, SYMBOLS // uses), len(sweep.test.labels))
    found = {}
    for name, every in seen.items():
        found[f"sent {name}"] = torch.stack([_rounded(own.x[:images]) for own in every])
        found[f"equalised {name}"] = torch.stack(
            [_rounded(own.equalised[:images]) for own in every]
        )
    return Kept(found, {"schemes": list(seen), "images": images})


def _rounded(symbols: Tensor) -> Tensor:
    pairs = torch.view_as_real(symbols.to(torch.complex64)).reshape(-1, 2)
    return (pairs / UNIT).round().clamp(-32767, 32767).to(torch.int16)


PARTS: Final = {"pictures": (PICTURED, _pictures), "symbols": (SCATTERED, _symbols)}
