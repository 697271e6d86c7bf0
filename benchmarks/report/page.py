"""Write the page: template, style, scripts, charts, data and Vega's JavaScript in one file."""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from benchmarks.report import vega
from benchmarks.report.charts import panels
from benchmarks.report.looks import DARK, looks_of
from simulator.storage.files import replacing

SCRIPTS = ("curves.js", "samples.js", "page.js")


def write_page(path: Path, sweeps: Sequence[dict[str, Any]]) -> None:
    """Write the report of some sweeps, atomically; the same sweeps give the same bytes."""
    page = page_of(sweeps, vega.javascript())
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")


def page_of(sweeps: Sequence[dict[str, Any]], bundle: str) -> str:
    """HTML of the report; `sweeps` are results of `content_of`, `bundle` is Vega's JavaScript."""
    looks = looks_of(name for own in sweeps for name in own["schemes"])
    parts = {
        "TITLE": f"semlink report: {_plain('; '.join(own['title'] for own in sweeps))}",
        "STYLE": source("page.css"),
        "COLOURS": _colours(looks),
        "DATA": embedded_json({"looks": looks, "charts": panels(looks), "sweeps": sweeps}),
        "BUNDLE": bundle,
        "SCRIPT": "".join(map(source, SCRIPTS)),
    }
    return filled(source("page.html"), parts)


def filled(template: str, parts: Mapping[str, str]) -> str:
    """The template with `{{NAME}}` replaced by the part of that name."""
    first, *rest = template.split("{{")
    pieces = (piece.split("}}", 1) for piece in rest)
    return first + "".join(parts[name] + after for name, after in pieces)


def source(name: str, package: str = "benchmarks.report") -> str:
    """The text of a file of a package."""
    return (files(package) / name).read_text(encoding="utf-8")


def embedded_json(value: object) -> str:
    """JSON that is safe inside an HTML script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _plain(text: str) -> str:
    """Escape a text for HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _colours(looks: Sequence[dict[str, Any]]) -> str:
    """CSS custom properties with the colours of all schemes, for light and dark mode."""

    def rule(key: str) -> str:
        own = ";".join(f"--c{place}:{look[key]}" for place, look in enumerate(looks))
        return f":root{{{own}}}"

    dark = rule("dark").replace("{", f"{{--paper:{DARK};", 1)
    return f"{rule('light')}\n@media screen and (prefers-color-scheme: dark){{{dark}}}"
