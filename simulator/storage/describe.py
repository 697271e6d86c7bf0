"""The JSON form of frozen descriptions, and their digests."""

import dataclasses
import hashlib
import json
from typing import Any


def describe(value: object) -> Any:
    """The JSON form of a config: dataclasses become objects that carry their type's name.

    A field at its declared default is left out, so that adding a setting does not change the
    descriptions of earlier weights. For the same reason, the class attribute `described_also` of a
    class lists fields that were removed, with the value that they always had.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            f.name: describe(getattr(value, f.name))
            for f in dataclasses.fields(value)
            if getattr(value, f.name) != f.default
        }
        return {"type": type(value).__name__, **fields, **getattr(value, "described_also", {})}
    if isinstance(value, dict):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [describe(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def digest(value: object) -> str:
    """SHA-256 of the JSON form, 16 hexadecimal digits: equal for equal descriptions."""
    text = json.dumps(describe(value), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
