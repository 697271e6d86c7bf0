"""Checks of the arguments of the functions of `semlink`.

Each function here takes the value of an argument and returns it in the simulator's form.
Raises: UserError that says what must hold, what was given, and the way out.
"""

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from channels.base import Channel
from channels.names import channel_from_name, is_named
from channels.own import OwnChannel
from simulator import parse
from simulator.data.dataset import Dataset, Split
from simulator.engine.checked import is_own, with_checks
from simulator.engine.grid import by_name
from simulator.errors import UserError, shown
from simulator.parse import FARTHEST_SNR_DB
from simulator.scheme import Scheme
from simulator.schemes.experiment import Experiment
from simulator.schemes.own import OwnScheme, Pair
from simulator.storage.folders import check_writable

Value = TypeVar("Value")
Function = TypeVar("Function", bound=Callable[..., Any])

TAKES = {
    "snr_db": 'a number, a list of numbers, or a text such as "-10:20:2"',
    "channel_uses": 'a number, a list of numbers, or a text such as "16,64"',
    "realizations": 'a number, {"awgn": 3}, or a text such as "awgn=3"',
}


def text(name: str, value: Any) -> str:
    """A string that is not empty, such as the name of a recipe."""
    if not isinstance(value, str) or not value:
        raise UserError(f"{name} must be a string that is not empty, got {shown(value)}")
    return value


def text_or_none(name: str, value: Any) -> str | None:
    """A string that is not empty, or None."""
    return None if value is None else text(name, value)


def folder(name: str, value: Any) -> Path:
    """The path of a folder."""
    if not isinstance(value, str | os.PathLike):
        raise UserError(f"{name} must be the path of a folder, got {shown(value)}")
    return Path(value)


def folder_or_none(name: str, value: Any) -> Path | None:
    """The path of a folder, or None."""
    return None if value is None else folder(name, value)


def writable(name: str, value: Any) -> Path:
    """The path of a folder that can be written to."""
    found = folder(name, value)
    check_writable(found, option=name)
    return found


def number(name: str, value: Any) -> float:
    """A real number of Python, numpy or torch; not a string."""
    try:
        if isinstance(value, str | bool):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise UserError(f"{name} must be a number, got {shown(value)}") from None


def snr(value: Any) -> float:
    """An SNR in dB that single precision can hold."""
    found = number("snr_db", value)
    if not abs(found) <= FARTHEST_SNR_DB:
        raise UserError(
            f"snr_db must be a finite number within +-{FARTHEST_SNR_DB:g} dB, got {found}"
        )
    return found


def texts(value: Any) -> tuple[Any, ...] | None:
    """Names, from a list, a single name, or "a,b" as on the command line; None stays None."""
    if value is None:
        return None
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(","))
    return tuple(value) if isinstance(value, Iterable) else (value,)


def read(name: str, value: Any, parsed: Callable[[str], Value]) -> Value | None:
    """Parse an argument by the rules of its command-line option; None stays None."""
    if value is None:
        return None
    value = value.tolist() if isinstance(value, Tensor | np.ndarray) else value
    if isinstance(value, Mapping):
        value = [f"{key}={number}" for key, number in value.items()]
    try:
        return parsed(value if isinstance(value, str) else ",".join(map(str, texts(value) or ())))
    except UserError as error:
        raise UserError(f"{error}; in Python: {TAKES[name]}") from None


def draws(k: Any, seed: Any, realization: Any) -> dict[str, Any]:
    """What the draws of a transmission depend on, besides the channel and the SNR."""
    return {
        "k": parse.in_range("k", k, 1, parse.MOST_USES),
        "seed": parse.in_range("seed", seed, 0, parse.MOST_SEED),
        "realization": parse.in_range("realization", realization, 0, parse.MOST_REALIZATIONS - 1),
    }


def workers(value: Any, schemes: Sequence[str | Scheme], channels: Sequence[Channel]) -> int | None:
    """Number of processes of a sweep in a folder; None stays None. Objects need this process."""
    count = None if value is None else parse.in_range("workers", value, 1, parse.MOST_WORKERS)
    if not _check_own(schemes, channels):
        return count
    if count not in (None, 1):
        raise UserError(
            "workers must be 1 with schemes or channels of your own, which other processes cannot "
            f"build, got {count}; leave it out"
        )
    return 1


def fresh(value: Any, schemes: Collection[str]) -> bool | tuple[str, ...]:
    """Whether to begin anew; or the names of the schemes to begin anew, all in the sweep."""
    if isinstance(value, bool):
        return value
    names = tuple(str(name) for name in texts(value) or ())
    if others := [name for name in names if name not in schemes]:
        raise UserError(
            f"fresh must be True, or name schemes of this sweep ({', '.join(schemes)}), got "
            f"{', '.join(others)}"
        )
    return names


def instance(name: str, value: Any, kind: type[Value], example: str) -> Value:
    """An object of a class of semlink; `example` is a call that returns one."""
    if not isinstance(value, kind):
        raise UserError(f"{name} must be what {example} gives, got {shown(value)}")
    return value


def percent(name: str, value: Any) -> float:
    """A percentage: a number, or a text such as "90%"."""
    if isinstance(value, str):
        return parse.parse_percent(value, option=name)
    return number(name, value)


def choice(rows: pd.DataFrame, schemes: Any, channels: Any, channel_uses: Any) -> dict[str, Any]:
    """Schemes, channels and k selected from the rows of a sweep, with names as in the rows."""
    named = {"schemes": _in_rows(schemes, rows["scheme"])}
    return {**named, **place(rows, channels, channel_uses)}


def place(rows: pd.DataFrame, channels: Any, channel_uses: Any) -> dict[str, Any]:
    """Channels and k selected from the rows of a sweep, with names as in the rows."""
    return {
        "channels": _in_rows(channels, rows["channel"]),
        "channel_uses": read("channel_uses", channel_uses, parse.parse_channel_uses),
    }


def rows_or_file(name: str, value: Any) -> pd.DataFrame | Path | None:
    """A table, the path of a file, or None."""
    if value is None or isinstance(value, pd.DataFrame):
        return value
    if not isinstance(value, str | os.PathLike):
        raise UserError(f"{name} must be the path of a CSV file or a table, got {shown(value)}")
    return Path(value)


def names(value: Any) -> dict[str, str] | None:
    """Names of schemes in legends, by scheme."""
    if value is None:
        return None
    if not isinstance(value, Mapping) or not all(
        isinstance(text, str) for pair in value.items() for text in pair
    ):
        example = '{"rkd_sc": "Proposed"}'
        raise UserError(f"names must map schemes to names, such as {example}, got {shown(value)}")
    return dict(value)


def _in_rows(values: Any, there: "pd.Series[Any]") -> tuple[str, ...] | None:
    names = texts(values)
    known = there.unique()
    return None if names is None else tuple(parse.as_known(str(name), known) for name in names)


def axes(value: Any, kind: type[Any]) -> dict[str, Any]:
    """The axes and the seed of a `semlink.Grid`; an axis is None if the recipe decides it."""
    grid = instance("grid", value, kind, "semlink.Grid(snr_db=(0, 10))")
    return {
        "channels": channels_or_none(grid.channels),
        "snr_db": read("snr_db", grid.snr_db, parse.parse_snr_db),
        "channel_uses": read("channel_uses", grid.channel_uses, parse.parse_channel_uses),
        "realizations": _realizations(grid.realizations),
        "seed": grid.seed,
    }


def _realizations(value: Any) -> parse.Realizations | None:
    """Numbers of channel draws; a mapping may name channels of the user's own."""
    if not isinstance(value, Mapping):
        return read("realizations", value, parse.parse_realizations)
    most = parse.MOST_REALIZATIONS
    single = {str(k): parse.in_range("realizations", own, 1, most) for k, own in value.items()}
    return parse.Realizations(None, single)


def only_with_out(**given: Any) -> None:
    """Check that no argument is given that needs a folder `out`."""
    if named := [name for name, value in given.items() if value]:
        raise UserError(f"{' and '.join(named)} must come with out, the folder of a sweep")


def scheme_name(value: Any, recipe: Experiment) -> str:
    """The name of a scheme of a recipe; case does not matter."""
    return parse.parse_scheme(text("name", value), option="", known=_kinds(recipe))


def scheme_names(values: Any) -> tuple[str, ...] | None:
    """Names of schemes, as on the command line; None stays None."""
    names = texts(values)
    return None if names is None else parse.parse_schemes(",".join(map(str, names)))


def scheme(value: Any) -> Scheme:
    """A scheme as an object; a name would not determine its weights."""
    if not isinstance(value, Scheme):
        raise UserError(
            "scheme must be an object, such as link['rkd_sc'] of link = semlink.load('digits'), "
            f"got {shown(value)}"
        )
    return value


def function(name: str, value: Function, example: str) -> Function:
    """A callable object; a class is refused, because its objects are meant."""
    if not callable(value) or isinstance(value, type):
        raise UserError(f"{name} must be a function or module, {example}, got {shown(value)}")
    return value


def own_scheme(
    name: Any, encoder: Any, decoder: Any, k: Any, classify: Any, uses_snr: Any, settings: Any
) -> OwnScheme:
    """A scheme made of the user's functions: of one pair for k, or of a pair for every k."""
    given, known = "scores" if classify is None else "images", ", snr_db" * bool(uses_snr)
    encoders, decoders = _by_k("encoder", encoder, k), _by_k("decoder", decoder, k)
    if encoders.keys() != decoders.keys():
        raise UserError(
            f"encoder and decoder must be for the same k, got {list(encoders)} and {list(decoders)}"
        )
    pairs = {
        uses: Pair(
            function("encoder", encoders[uses], f"images{known} -> values [B, 2k]"),
            function("decoder", decoders[uses], f"values [B, 2k]{known} -> {given}"),
        )
        for uses in sorted(encoders)
    }
    return OwnScheme(
        name=text("name", name),
        pairs=pairs,
        classify=None if classify is None else function("classify", classify, "images -> scores"),
        uses_snr=bool(uses_snr),
        described="" if settings is None else _line("settings", settings),
    )


def _line(name: str, value: Any) -> str:
    """A text in one line, which must not be blank."""
    return text(name, " ".join(value.split()) if isinstance(value, str) else value)


def _by_k(name: str, network: Any, k: Any) -> dict[int, Any]:
    """One end of a scheme by k: of a mapping, or a single one for the given k."""
    if not isinstance(network, Mapping):
        if k is None:
            raise UserError(f"k must be given, or {name} a mapping from k to networks")
        return {parse.in_range("k", k, 1, parse.MOST_USES): network}
    if k is not None or not network:
        raise UserError(
            f"{name} must be one network for k, or a mapping from every k to a network without k, "
            f"got {shown(network)} and k = {k}"
        )
    return {parse.in_range("k", uses, 1, parse.MOST_USES): own for uses, own in network.items()}


def own_channel(name: Any, transmit: Any) -> OwnChannel:
    """A channel made of a user's function."""
    called = function("transmit", transmit, "transmit(x, snr_db, generator)")
    return OwnChannel(text("name", name), called)


def channel(value: Any, name: str = "channel") -> Channel:
    """A channel, given by name or as an object."""
    try:
        found = channel_from_name(value) if isinstance(value, str) else value
    except ValueError as error:
        raise UserError(str(error)) from None
    example = "'rayleigh' or semlink.own_channel(...)"
    if not isinstance(found, Channel):
        raise UserError(f"{name} must be a channel, such as {example}, got {shown(value)}")
    return found


def channels(values: Any) -> tuple[Channel, ...]:
    """Channels, given by name or as objects; a single one is allowed."""
    each = (channel(own, "channels") for own in _several("channels", values, Channel))
    return tuple(by_name(each, option="channels").values())


def channels_or_none(values: Any) -> tuple[Channel, ...] | None:
    """Channels, or None."""
    return None if values is None else channels(values)


def schemes(values: Any, recipe: Experiment) -> tuple[str | Scheme, ...]:
    """Schemes, as names of a recipe's schemes or as objects; a single one is allowed."""
    found = _several("schemes", values, Scheme)
    for each in found:
        if not isinstance(each, str | Scheme):
            raise UserError(
                "schemes must hold names or schemes, such as semlink.own_scheme(...), "
                f"got {shown(each)}"
            )
    known = (*_kinds(recipe), "all")
    return tuple(
        own if isinstance(own, Scheme) else parse.parse_scheme(own, option="--schemes", known=known)
        for own in found
    )


def _kinds(recipe: Experiment) -> tuple[str, ...]:
    """The names of a recipe's schemes without labels, each once."""
    return tuple(dict.fromkeys(own.name.partition(":")[0] for own in recipe.schemes))


def _check_own(schemes: Sequence[str | Scheme], channels: Sequence[Channel]) -> bool:
    """Whether any are the user's own; a built-in scheme must be a name, for its weights."""
    objects = [own for own in schemes if isinstance(own, Scheme)]
    for scheme in objects:
        if not is_own(with_checks(scheme)):
            raise UserError(
                f"with out, schemes of the recipe must be names, got an object of {scheme.name}"
            )
    own = [channel for channel in channels if not is_named(channel)]
    for channel in own:
        try:
            channel_from_name(channel.name)
        except ValueError:
            continue
        raise UserError(
            f"with out, a channel of your own must have a name of its own, got {channel.name}"
        )
    return bool(objects or own)


def pixels(images: Any, shape: tuple[int, int, int] | None) -> Tensor:
    """Images uint8 [N, C, H, W]; `shape` is the (C, H, W) that a scheme requires, if any."""
    try:
        found = images if isinstance(images, Tensor) else torch.from_numpy(np.array(images))
    except (TypeError, ValueError, RuntimeError):
        raise UserError(
            f"images must be uint8 [N, C, H, W] with values 0..255, got {shown(images)}; the "
            "images of a data set are link.data.test.images"
        ) from None
    _check_pixels(found)
    if shape is not None and tuple(found.shape[1:]) != shape:
        last = tuple(found.shape[1:]) == (*shape[1:], shape[0])
        wayout = (
            "channels come before height and width: images.permute(0, 3, 1, 2)"
            if last
            else "the weights are only for images of this shape"
        )
        raise UserError(
            f"images must be [N, {', '.join(map(str, shape))}], got {list(found.shape)}; {wayout}"
        )
    return found


def split(found: Split, dataset: Dataset) -> Split:
    """Images with as many labels, of the image shape and the classes of a data set."""
    images, labels = pixels(found.images, dataset.image_shape), found.labels
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64 or labels.dim() != 1:
        raise UserError(f"labels must be an int64 tensor [N], got {shown(labels)}")
    if len(labels) != len(images):
        raise UserError(
            f"labels must be as many as images, got {len(labels)} labels of {len(images)} images"
        )
    wrong = (labels < 0) | (labels >= dataset.num_classes)
    if bool(wrong.any()):
        raise UserError(
            f"labels must be class numbers from 0 to {dataset.num_classes - 1}, got "
            f"{int(labels[wrong][0])}"
        )
    return Split(images=images, labels=labels)


def _check_pixels(found: Tensor) -> None:
    """Check that images are uint8 [N, C, H, W], and at least one."""
    if found.dtype == torch.uint8 and found.dim() == 4 and found.numel():
        return
    wayout = ""
    if found.dtype != torch.uint8:
        scaled = "scale values in [0, 1] by 255, round them, and " * found.is_floating_point()
        wayout = f"; {scaled}convert them to uint8"
    elif found.dim() in (2, 3):
        wayout = f"; one image is images[{'None, ' * (3 - found.dim())}None]"
    raise UserError(
        f"images must be uint8 [N, C, H, W] with values 0..255, got {found.dtype} "
        f"{list(found.shape)}{wayout}"
    )


def _several(name: str, values: Any, kind: type) -> tuple[Any, ...]:
    """The items of a list; "a,b" is a list of names, and a single object a list of one."""
    if isinstance(values, kind):
        return (values,)
    if isinstance(values, str):
        values = [part.strip() for part in values.split(",")]
    if not isinstance(values, Iterable):
        raise UserError(f"{name} must be a list of names or objects, got {shown(values)}")
    found = tuple(values)
    if not found:
        raise UserError(
            f"{name} must hold at least one, got none; leave out {name} for the default"
        )
    return found
