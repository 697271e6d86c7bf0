"""SigMF recordings of complex floats: a `.sigmf-meta` file beside a `.sigmf-data` file."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.errors import UserError
from simulator.storage.files import replacing

META: Final = ".sigmf-meta"
DATA: Final = ".sigmf-data"
DATATYPE: Final = "cf32_le"
SAMPLE: Final = np.dtype("<c8")
EXTENSION: Final = {"name": "semlink", "version": "1.0.0", "optional": True}


class Recording(NamedTuple):
    """Samples [n] complex64, their rate in Hz, and the content of the meta file."""

    samples: NDArray[np.complex64]
    sample_rate: float
    fields: Mapping[str, Any]  # global fields, such as `core:datatype`
    annotations: Sequence[Mapping[str, Any]]


def check_sigmf() -> None:
    """Raises: UserError if the package sigmf is not installed."""
    try:
        import sigmf  # noqa: F401
    except ImportError:
        raise UserError("semlink iq needs sigmf: pip install 'semlink[iq]'") from None


def check_name(path: Path, option: str) -> None:
    """Raises: UserError unless the path ends in `.sigmf-meta`."""
    if path.suffix != META:
        raise UserError(f"{option} must end in {META}, got {path}")


def write_recording(path: Path, recording: Recording) -> None:
    """Write both files, each atomically, the data first; the meta file holds their SHA-512.

    Raises: OSError.
    """
    import sigmf

    content = recording.samples.astype(SAMPLE).tobytes()
    fields = {
        "core:datatype": DATATYPE,
        "core:sample_rate": recording.sample_rate,
        "core:num_channels": 1,
        "core:sha512": hashlib.sha512(content).hexdigest(),
        "core:extensions": [EXTENSION],
        **recording.fields,
    }
    meta = sigmf.SigMFFile(global_info=fields)
    meta.add_capture(0)
    for own in recording.annotations:
        meta.add_annotation(own["core:sample_start"], metadata=dict(own))
    meta.validate()
    with replacing(path) as text, replacing(path.with_suffix(DATA)) as data:
        data.write_bytes(content)
        text.write_text(meta.dumps() + "\n", encoding="utf-8")


def read_recording(path: Path) -> Recording:
    """Read both files.

    Raises: UserError naming the file if it is missing, truncated, changed, not SigMF, or of another
    sample type.
    """
    check_name(path, "the recording")
    meta = read_meta(path)
    fields = meta["global"]
    if (kind := fields.get("core:datatype")) != DATATYPE:
        raise UserError(f"{path} must have samples of type {DATATYPE}, got {kind}; convert them")
    rate = fields.get("core:sample_rate")
    if rate is None:
        raise UserError(f"{path} must have a core:sample_rate, but has none")
    samples = _samples(path.with_suffix(DATA), fields.get("core:sha512"))
    return Recording(samples, float(rate), fields, meta["annotations"])


def read_meta(path: Path) -> dict[str, Any]:
    """Read the meta file only, and check it by SigMF's schema. Raises: as `read_recording`."""
    with _sigmf(path):
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict) or not isinstance(value.get("global"), dict):
            raise TypeError("it has no object global")
        _check_schema(value)
        return value


def _check_schema(value: dict[str, Any]) -> None:
    """Raises: ValueError naming the first place that violates the schema."""
    import jsonschema
    from sigmf import schema

    checker = jsonschema.Draft7Validator(schema.get_schema())
    if error := next(checker.iter_errors(value), None):
        where = "/".join(map(str, error.absolute_path)) or "the top"
        raise ValueError(f"{where}: {error.message}")


@contextmanager
def _sigmf(path: Path) -> Iterator[None]:
    """Turn errors in a meta file into a one-line UserError."""
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"no such file: {path}") from None
    except (TypeError, ValueError) as error:  # invalid encoding, JSON or schema
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path} must be a meta file of SigMF, but: {reason}") from None


def _samples(path: Path, sha512: str | None) -> NDArray[np.complex64]:
    """All samples of a data file. Raises: UserError if it is missing, truncated or changed."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"the samples must be in {path}, but there is no such file") from None
    if not content or len(content) % SAMPLE.itemsize:
        raise UserError(
            f"{path} must hold whole samples of {SAMPLE.itemsize} bytes, got {len(content)} bytes; "
            "it is truncated"
        )
    if sha512 is not None and hashlib.sha512(content).hexdigest() != sha512:
        raise UserError(
            f"{path} must have the SHA-512 that its meta file gives, but was truncated or changed"
        )
    samples = np.frombuffer(content, SAMPLE).astype(np.complex64)
    if not np.isfinite(samples).all():
        raise UserError(f"{path} must hold finite samples, got nan or infinity")
    return samples
