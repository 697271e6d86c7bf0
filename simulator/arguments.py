"""Arguments of `import semlink`: as the texts that options have, and in errors about options.

The rules of the command line hold in Python too. Nothing heavy is imported here.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from simulator.errors import UserError
from simulator.names import RECIPES

if TYPE_CHECKING:
    from torch import Tensor

    from channels.base import Channel

Value = TypeVar("Value")

FLAGS = {"fresh", "from-scratch", "bit-true"}
TRAIN = re.compile(r"semlink train (\S+?)((?: --[a-z-]+ [^\s,;]+)*)(?=[\s,;]|$)")
OPTION = re.compile(r"--([a-z][a-z-]*)(?: ([A-Z]+|\d+(?:\.\d+)?)\b)?")
TAKES = {
    "snr_db": 'a number, a list of numbers, or a text such as "-10:20:2"',
    "channel_uses": 'a number, a list of numbers, or a text such as "16,64"',
    "realizations": 'a number, {"awgn": 3}, or a text such as "awgn=3"',
}


def texts(value: Any) -> tuple[Any, ...] | None:
    """Names as an option has them, "a,b", or a list of names and objects, or a single object."""
    if value is None:
        return None
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(","))
    return tuple(value) if isinstance(value, Iterable) else (value,)


def read(name: str, value: Any, parse: Callable[[str], Value]) -> Value | None:
    """The value of an argument, by the rules of its option. Raises: UserError."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        value = [f"{key}={number}" for key, number in value.items()]
    try:
        return parse(value if isinstance(value, str) else ",".join(map(str, texts(value) or ())))
    except UserError as error:
        raise UserError(f"{error}; in Python: {TAKES[name]}") from None


def in_python(text: str) -> str:
    """An error that names options, naming arguments: "add --data DIR" becomes "add data=DIR"."""
    return OPTION.sub(_argument, TRAIN.sub(_call, text)).replace("RECIPE", "recipe")


def _argument(match: re.Match[str]) -> str:
    value = match[2] or ("True" if match[1] in FLAGS else "")
    return match[1].replace("-", "_") + (f"={value}" if value else "")


def _call(match: re.Match[str]) -> str:
    """A command that trains, as a call."""
    recipe, options = match[1], match[2].split()
    if recipe not in RECIPES and not recipe.endswith(".toml"):
        return match[0]
    named = (
        f"{name[2:].replace('-', '_')}={value if value.isupper() else repr(value)}"
        for name, value in zip(options[::2], options[1::2], strict=True)
    )
    return f"semlink.train({', '.join([repr(recipe), *named])})"


def channels_of(asked: Any) -> "tuple[Channel, ...] | None":
    """Channels by their names, or as they are. Raises: UserError."""
    found = texts(asked)
    return None if found is None else tuple(map(channel_of, found))


def channel_of(asked: "str | Channel") -> "Channel":
    """A channel by its name, or as it is. Raises: UserError."""
    from channels.base import Channel
    from channels.names import channel_from_name

    if isinstance(asked, Channel):
        return asked
    try:
        return channel_from_name(str(asked))
    except ValueError as error:
        raise UserError(str(error)) from None


def check_named(schemes: Sequence[Any], channels: "Sequence[Channel]") -> None:
    """Raises: UserError where a journal could not tell what the numbers depend on."""
    from channels.own import OwnChannel

    own = [one for one in schemes if not isinstance(one, str)]
    if own or any(isinstance(channel, OwnChannel) for channel in channels):
        raise UserError(
            "with out, schemes and channels must be names: a journal cannot tell whether an object "
            "of yours has changed; leave out `out`"
        )


def pixels_of(images: Any) -> "Tensor":
    """Images as a tensor. Raises: UserError unless they are uint8 [N, C, H, W]."""
    import torch

    pixels = torch.as_tensor(images)
    if pixels.dtype != torch.uint8 or pixels.dim() != 4 or not len(pixels):
        raise UserError(
            f"images must be uint8 [N, C, H, W] with values 0..255, got {pixels.dtype} "
            f"{list(pixels.shape)}"
        )
    return pixels
