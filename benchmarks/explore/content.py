"""Data of the page besides the networks: images, label codewords, delay profiles."""

from typing import Any, Final

import torch

from benchmarks.baselines.codebook import code_family, sent_words
from benchmarks.baselines.label_code import log_prior
from channels.ofdm.multipath import LONGEST, Multipath
from channels.ofdm.tdl import taps_of
from simulator.data.dataset import Dataset, Split
from simulator.errors import UserError

LENGTHS: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)  # of k
IMAGES: Final = 40  # test images on the page
DIGITS: Final = tuple(map(str, range(10)))
UNIT_NS: Final = 100.0  # delay spread for which the delays are computed


def content_of(link: dict[str, Any], dataset: Dataset, test: Split) -> dict[str, Any]:
    """Data of the page; `link` is the description of the export.

    Raises: UserError if the export has no classifier for the label code, which is so if the student
    was trained together with the codec.
    """
    if "classifier" not in link["parts"]:
        raise UserError(
            "the page needs a link with a frozen student, to decide the class for the label code"
        )
    served = [k for k in LENGTHS if k in set(link["channel_uses"])]
    return {
        "about": _about(link),
        "link": link,
        "served": served,
        "images": [_image(*own) for own in zip(test.images, test.labels, strict=True)][:IMAGES],
        "drawing": dataset.classes == DIGITS and dataset.image_shape == (1, 8, 8),
        "words": {k: _words(dataset.num_classes, k) for k in served},
        "prior": log_prior(torch.tensor(dataset.class_counts)).tolist(),
        "profiles": {name: _profile(name) for name in LONGEST},
    }


def _about(link: dict[str, Any]) -> str:
    return (
        f"{len(link['classes'])} classes, {link['feature_dim']} features, up to "
        f"{link['max_uses']} complex channel uses. SNR is Es/N0 per channel use, averaged over "
        "fading; the receiver knows gain and noise power. All schemes use the same draw."
    )


def _image(pixels: torch.Tensor, label: torch.Tensor) -> dict[str, Any]:
    return {"pixels": pixels.flatten().tolist(), "label": int(label)}


def _words(classes: int, k: int) -> list[list[float]] | None:
    """Codewords of the label code as pairs (re, im), [classes][2k]; None if it has none."""
    if code_family(classes, k) is None:
        return None
    pairs = torch.view_as_real(sent_words(classes, k)).flatten(1)
    return [[round(own, 4) for own in word] for word in pairs.tolist()]


def _profile(name: str) -> dict[str, Any]:
    """Tap delays divided by the delay spread, tap powers, and parameters of the OFDM grid."""
    link = Multipath(profile=name, delay_spread_ns=UNIT_NS)
    taps = taps_of(link)
    return {
        "delays": [float(f"{own:.6g}") for own in taps.delays / (1e-9 * UNIT_NS)],
        "powers": taps.powers.tolist(),
        "lineOfSight": taps.line_of_sight,
        "carrierGhz": link.carrier_ghz,
        "spacingKhz": link.spacing_khz,
        "subcarriers": link.subcarriers,
    }
