"""A trained link as a folder of ONNX files, with their description and a table of their cost."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd
import torch
from torch import Tensor

from simulator.data.dataset import Split, to_float
from simulator.errors import UserError
from simulator.export.files import write_int8, write_onnx
from simulator.export.measure import Trip, in_onnx, in_torch, rows_of
from simulator.export.parts import LinkPart, parts_of
from simulator.schemes.rkd_sc import RkdScConfig
from simulator.storage.files import write_json, write_table
from simulator.storage.folders import replacing_folder
from simulator.training.weights import Weights

DESCRIPTION: Final = "export.json"
KINDS: Final = ("fp32", "int8")
CALIBRATION = 256  # training images that calibrate int8
MOST_DIFFERENCE = 1e-4  # allowed between outputs of fp32 files and PyTorch's


def check_runtime() -> None:
    """Raises: UserError if ONNX or ONNX Runtime is not installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError:
        wayout = "pip install 'semlink[export]'"
        raise UserError(f"ONNX files need onnx and onnxruntime: {wayout}") from None


def export_link(
    config: RkdScConfig, weights: Weights, test: Split, folder: Path, *, seed: int
) -> pd.DataFrame:
    """Write a trained `rkd_sc` as ONNX files, and measure them on test images.

    The folder gets PART.fp32.onnx and PART.int8.onnx of every part, export.json and export.csv. It
    is written as a whole or not at all, and replaces an earlier export. Returns the table.

    Raises: UserError if weights or training images are missing, if the folder holds anything else
    than an export, or if outputs of an fp32 file differ from PyTorch's.
    """
    with replacing_folder(folder, mark=DESCRIPTION) as made:
        write_link(config, weights, test, made)
        trip = Trip(test, _uses(config), seed)
        table = _measured(parts_of(config, weights), trip, made)
        write_table(made / "export.csv", table)
    return table


def write_link(config: RkdScConfig, weights: Weights, test: Split, folder: Path) -> dict[str, Any]:
    """Write the files of all parts, and their description; return the description.

    Raises: UserError if weights or training images are missing.
    """
    check_runtime()
    parts = parts_of(config, weights)
    first = Trip(Split(test.images[:2], test.labels[:2]), _uses(config), seed=0)
    _write_parts(parts, first, folder, calibration=_calibration(weights))
    told = describe_link(config, weights, parts)
    write_json(folder / DESCRIPTION, told)
    return told


def _uses(config: RkdScConfig) -> int:
    """The k of the comparison: K / 4 if the codec serves it, else K."""
    most = config.codec.model.max_uses
    return most // 4 if config.codec.model.serves(most // 4) else most


def _calibration(weights: Weights) -> Tensor:
    if weights.dataset.train is None:
        raise UserError(
            "--data must hold training images, which calibrate int8, but holds only test images"
        )
    return to_float(weights.dataset.train.images[:CALIBRATION])


def file_of(folder: Path, part: str, kind: str) -> Path:
    """Path of the ONNX file of a part, with `kind` of `KINDS`."""
    return folder / f"{part}.{kind}.onnx"


def _write_parts(
    parts: Mapping[str, LinkPart], first: Trip, folder: Path, *, calibration: Tensor
) -> None:
    """Write the files of all parts; their example inputs are those for the images of `first`."""
    given = first.each(in_torch(parts).networks)[0].inputs
    for name, part in parts.items():
        source, small = (file_of(folder, name, kind) for kind in KINDS)
        write_onnx(part, [own.clone() for own in given[name]], source)
        write_int8(source, small, calibration if name == "encoder" else None)


def _measured(parts: Mapping[str, LinkPart], trip: Trip, folder: Path) -> pd.DataFrame:
    """The table of costs. Raises: UserError if outputs of fp32 files differ from PyTorch's."""
    reference = in_torch(parts)
    truth = trip.each(reference.networks)
    runtimes = [
        in_onnx(kind, {name: file_of(folder, name, kind) for name in parts}) for kind in KINDS
    ]
    rows = [
        row
        for runtime in (reference, *runtimes)
        for row in rows_of(runtime, truth, reference, trip)
    ]
    table = pd.DataFrame(rows).round({"megabytes": 4, "cpu_ms": 4})
    table = table.astype({"images": "Int64", "channel_uses": "Int64"})
    _check(table)
    return table


def _check(table: pd.DataFrame) -> None:
    found = table.loc[table["runtime"] == "fp32", "largest_difference"].max()
    if not found <= MOST_DIFFERENCE:
        raise UserError(
            f"outputs of ONNX files must equal PyTorch's within {MOST_DIFFERENCE:g}, got a "
            f"difference of {found:.2g}; nothing was written; install the versions of "
            "constraints.txt"
        )


def describe_link(
    config: RkdScConfig, weights: Weights, parts: Mapping[str, LinkPart]
) -> dict[str, Any]:
    """Everything that a program needs to run the files, and the origin of their weights."""
    model, data = config.codec.model, weights.dataset
    served = [k for k in range(1, model.max_uses + 1) if model.serves(k)]
    return {
        "recipe": weights.recipe.name,
        "data": data.name,
        "classes": data.classes,
        "image_shape": data.image_shape,
        "feature_dim": model.feature_dim,
        "max_uses": model.max_uses,
        "channel_uses": served,
        "snr_db": config.codec.conditions.snr_range,
        "parts": {
            name: {"inputs": part.inputs, "output": part.output} for name, part in parts.items()
        },
        "weights": dict(weights.hashes),
        "torch": torch.__version__,
    }
