"""Versions, commit and machine: the origin of numbers in `run.json`."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[2]
CHECKOUT = (ROOT / "pyproject.toml").is_file()  # else semlink was installed from a wheel
REFERENCE = ROOT / ("results/reference" if CHECKOUT else "simulator/reference")  # committed results
OPEN = ROOT / ("results/open" if CHECKOUT else "simulator/open")  # entries of the open benchmark
PACKAGES = ("torch", "sionna-no-rt", "numpy", "pandas", "pillow", "scikit-learn")


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, commit and machine, for run.json."""
    return {
        "semlink": version("semlink"),
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "machine": {
            "device": "cpu" if device.type == "cpu" else torch.cuda.get_device_name(device),
            "processor": _processor(),
            "cores": os.cpu_count(),
            "system": platform.platform(),
        },
    }


def _commit() -> str:
    """The commit of the source tree, with "+" when files differ from it; "unknown" outside git."""
    if not CHECKOUT:
        return "unknown"
    command = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=40", "--dirty=+"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
