"""The scheme `separate` on the page: its choices, tables of block errors, decoded test images.

The page runs no image codec, so everything that depends on codecs is computed here, for the page's
test images. The page draws block errors from the tables, at the gain of its own channel draw.
"""

import base64
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from benchmarks.baselines.adaptation import Choice, CodedLink, distribution
from benchmarks.baselines.block_errors import block_errors
from benchmarks.baselines.digital import DigitalScheme
from benchmarks.baselines.separate import SeparateConfig
from benchmarks.baselines.sources import ImageSource
from channels.awgn import AwgnChannel
from channels.base import Channel
from channels.fading import RayleighChannel, RicianChannel
from simulator.errors import UserError
from simulator.training.weights import Weights

FACTORS: Final = tuple(range(21))  # values of the Rician slider
STEP_DB: Final = 0.5  # step of the SNR slider
CHANNELS: Final[tuple[Channel, ...]] = (
    AwgnChannel(),
    RayleighChannel(coherence=None),
    *(RicianChannel(k_factor=float(own)) for own in FACTORS),
)


def separate_of(
    config: SeparateConfig | None,
    weights: Weights,
    images: Tensor,
    *,
    served: Sequence[int],
    snr_db: Sequence[float],
) -> dict[str, Any]:
    """Choices of `separate` and its decoded images, for images [N, C, H, W] uint8.

    `served` are the k of the page, `snr_db` is the lowest and the highest SNR of the slider. In the
    result, `why` is the reason if there is nothing, else empty. `at` has an entry for each k:
    `pairs` of a source and a link with their block error rates and the images that they deliver (a
    class and the index of its pixels in `pictures`, None if no option fits), `pictures` in base64,
    and `chosen`, the index of the pair for every channel of `CHANNELS` and every SNR.
    """
    uses = [k for k in served if config and k in config.uses]
    if config is None or not uses or weights.dataset.validation is None:
        return {"why": "not for this recipe and data", "at": {}}
    try:
        scheme = config.build(weights)
    except UserError as error:  # a codec is not installed
        return {"why": str(error), "at": {}}
    low, high = snr_db
    snrs = np.arange(low, high + STEP_DB / 2, STEP_DB).tolist()
    at = {str(k): _at(scheme, images, k, snrs) for k in uses}
    return {"why": "", "low": low, "step": STEP_DB, "at": at}


def _at(scheme: DigitalScheme, images: Tensor, k: int, snrs: Sequence[float]) -> dict[str, Any]:
    chosen = [list(_choices(scheme, channel, k, snrs)) for channel in CHANNELS]
    pairs = {_key(own): own for every in chosen for own in every}
    places = {key: place for place, key in enumerate(pairs)}
    pool: dict[str, int] = {}  # distinct pictures and their indices
    return {
        "pairs": [_pair(scheme, own, images, pool) for own in pairs.values()],
        "pictures": list(pool),
        "chosen": [[places[_key(own)] for own in every] for every in chosen],
    }


def _key(choice: Choice) -> tuple[str, int, str]:
    return choice.source, choice.link.payload_bits, str(choice.link.text)


def _choices(
    scheme: DigitalScheme, channel: Channel, k: int, snrs: Sequence[float]
) -> Iterator[Choice]:
    """The choice at every SNR, as in a sweep; the distribution of the gain is computed once."""
    adaptation = scheme.adaptation(k)
    modulations = tuple({link.bits_per_symbol for link in adaptation.links})
    met = distribution(channel, snr_db=0.0, uses=k, modulations=modulations)
    for snr_db in snrs:
        yield adaptation.for_blocks({bits: own + snr_db for bits, own in met.items()})


def _pair(
    scheme: DigitalScheme, choice: Choice, images: Tensor, pool: dict[str, int]
) -> dict[str, Any]:
    """A source and a link: description, block error rates, delivered images."""
    link, source = choice.link, scheme.source(choice.source)
    assert isinstance(link, CodedLink)
    assert isinstance(source, ImageSource)
    table = block_errors(link.pipe)
    told = ", ".join([choice.source, link.text["modulation"], f"rate {link.text['code_rate']:.4g}"])
    return {
        "told": f"{told}, {link.payload_bits} bits",
        "snr_db": list(table.snr_db),
        "rate": [float(f"{own:.4g}") for own in table(np.array(table.snr_db))],
        "images": _delivered(source, images, link.payload_bits, pool),
    }


def _delivered(
    source: ImageSource, images: Tensor, size: int, pool: dict[str, int]
) -> list[dict[str, int] | None]:
    """Class and picture of every image that fits into `size` bits; pictures are added to `pool`."""
    options, answers, fits = source.offer(images).best_fit(size)
    found: list[dict[str, int] | None] = [None] * len(images)
    for row in torch.nonzero(fits)[:, 0].tolist():
        pixels = _decoded(source, images[row], int(options[row]), size)
        found[row] = {"class": int(answers[row]), "picture": pool.setdefault(pixels, len(pool))}
    return found


def _decoded(source: ImageSource, image: Tensor, option: int, size: int) -> str:
    """Pixels [C, H, W] of an image as decoded without bit errors, in base64."""
    payload, bits = torch.zeros((1, size), dtype=torch.uint8), source.bits(image, option)
    payload[0, : len(bits)] = bits
    pixels = source.images(payload)[0][0]
    return base64.b64encode(pixels.contiguous().numpy().tobytes()).decode()
