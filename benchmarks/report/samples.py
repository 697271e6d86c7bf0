"""Sample images and symbols that a sweep has stored, as JSON for the page."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from simulator.errors import UserError
from simulator.storage.files import load_tensors
from simulator.storage.folders import SAMPLES

Tensors = Mapping[str, Tensor]


def samples_of(folder: Path) -> dict[str, Any] | None:
    """Pixels in base64 and symbols in thousandths, with their description; None without a file.

    `pictures`: `shape` [C, H, W], pixels `sent` [N, C, H, W], and `received` [SNRs, N, C, H, W] by
    scheme. `symbols`: `sent` and `equalised` by scheme, for each SNR a list of re, im, re, im, ...
    Raises: UserError if the file is damaged.
    """
    path = folder / SAMPLES
    if not path.is_file():
        return None
    tensors, about = load_tensors(path)
    try:
        parts = {"pictures": _pictures, "symbols": _symbols}
        return {part: parts[part](tensors, about[part]) for part in parts if part in about}
    except KeyError:
        raise UserError(f"{path} is damaged; run the sweep again") from None


def _pictures(tensors: Tensors, about: Mapping[str, Any]) -> dict[str, Any]:
    received = {name: _text(tensors[f"images {name}"]) for name in about["decided"]}
    shape = list(tensors["images"].shape[1:])
    return {**about, "shape": shape, "sent": _text(tensors["images"]), "received": received}


def _text(pixels: Tensor) -> str:
    return base64.b64encode(pixels.contiguous().numpy().tobytes()).decode()


def _symbols(tensors: Tensors, about: Mapping[str, Any]) -> dict[str, Any]:
    def each(what: str) -> dict[str, Any]:
        return {name: tensors[f"{what} {name}"].flatten(1).tolist() for name in about["schemes"]}

    return {**about, "sent": each("sent"), "equalised": each("equalised")}
