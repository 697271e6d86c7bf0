"""The lists of packages agree: pyproject.toml, requirements.txt, constraints.txt."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def listed(file_name: str) -> list[str]:
    """The requirements of a file, without comments and empty lines."""
    lines = (ROOT / file_name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def names(requirements: list[str]) -> set[str]:
    """The names of packages, without versions."""
    return {re.split(r"[<>=!~]", requirement)[0] for requirement in requirements}


def project() -> tuple[list[str], list[str], list[str]]:
    """What pyproject.toml needs to run, to check and to build."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = table["project"]["optional-dependencies"]
    return table["project"]["dependencies"], extras["dev"], table["build-system"]["requires"]


def test_requirements_are_those_of_the_project() -> None:
    run, check, build = project()
    assert listed("requirements.txt") == [*run, *check, *build]


def test_everything_that_runs_or_checks_is_pinned() -> None:
    run, check, _ = project()
    pins = listed("constraints.txt")
    assert all("==" in pin for pin in pins)
    assert names([*run, *check]) <= names(pins)
