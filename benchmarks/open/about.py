"""How an entry describes itself: name, authors, description, link."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator.errors import UserError, shown
from simulator.names import SCHEMES

LONGEST = 300  # most characters of a text
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
TEXTS = ("name", "authors", "description")


@dataclass(frozen=True, kw_only=True)
class About:
    """Name, authors and description of an entry, and a link, in a line each."""

    name: str
    authors: str
    description: str
    link: str = ""


def about_of(values: Mapping[str, Any], *, where: str) -> About:
    """The description of a submission, checked; every error begins with `where`.

    Raises: UserError if a text is missing or invalid.
    """
    texts = {key: line_of(values, key, where=where) for key in TEXTS}
    link = line_of(values, "link", where=where) if values.get("link") else ""
    kind = texts["name"].partition("-")[0]
    if not NAME.fullmatch(texts["name"]) or kind in SCHEMES:
        raise UserError(
            f"{where}: name must be at most 40 small letters, digits, _, - and ., and none of "
            f"semlink's schemes, got {texts['name']!r}"
        )
    if link and not re.fullmatch(r"https?://[^\s\"'<>]+", link):
        raise UserError(f"{where}: link must begin with https:// or http://, got {link!r}")
    return About(**texts, link=link)


def line_of(values: Mapping[str, Any], key: str, *, where: str) -> str:
    """The text of a key on one line. Raises: UserError if it is missing, empty or too long."""
    value = values.get(key)
    if value is None:
        raise UserError(f"{where}: {key} is missing; add a text of 1 to {LONGEST} characters")
    text = " ".join(value.split()) if isinstance(value, str) else ""
    if not 0 < len(text) <= LONGEST:
        raise UserError(
            f"{where}: {key} must be a text of 1 to {LONGEST} characters, got {shown(value)}"
        )
    return text
