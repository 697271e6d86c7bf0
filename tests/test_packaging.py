"""The lists of packages agree: pyproject.toml, requirements.txt, constraints.txt."""

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def listed(file_name: str) -> list[str]:
    """The requirements of a file, without comments and empty lines."""
    lines = (ROOT / file_name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def names(requirements: list[str]) -> set[str]:
    """The names of packages, without versions."""
    return {re.split(r"[<>=!~]", requirement)[0] for requirement in requirements}


def project() -> tuple[list[str], list[str], list[str]]:
    """The packages in pyproject.toml for running, checking and building."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = table["project"]["optional-dependencies"]
    return table["project"]["dependencies"], extras["dev"], table["build-system"]["requires"]


def test_requirements_match_pyproject() -> None:
    run, check, build = project()
    assert listed("requirements.txt") == [*run, *check, *build]


def test_run_and_check_requirements_are_pinned() -> None:
    run, check, _ = project()
    pins = listed("constraints.txt")
    assert all("==" in pin for pin in pins)
    assert names([*run, *check]) <= names(pins)


@pytest.mark.slow
def test_wheel_runs_outside_the_checkout(tmp_path: Path) -> None:
    """In an environment with semlink from its wheel and the packages of the current one."""
    build = ["wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(ROOT)]
    subprocess.run([sys.executable, "-m", "pip", *build], check=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("semlink-*.whl")
    venv.create(tmp_path / "env")
    python = tmp_path / "env/bin/python"
    (site,) = (tmp_path / "env").glob("lib/python*/site-packages")
    target = ["--no-deps", "--no-index", "--target", str(site), str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", *target], check=True)
    (site / "others.pth").write_text(f"{sysconfig.get_path('purelib')}\n")  # packages only
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = partial(subprocess.check_output, cwd=tmp_path, env=clean, text=True)
    grid = ["--snr-db", "10", "--channel-uses", "64", "--images", "20", "--realizations", "1"]
    run([str(python), "-m", "simulator", "sweep", "digits", *grid])
    assert (tmp_path / "results/runs/digits/results.csv").exists()
    script = "import semlink; print(semlink.__file__, semlink.load('digits').weights.folder)"
    assert run([str(python), "-c", script]).count(str(site)) == 2
