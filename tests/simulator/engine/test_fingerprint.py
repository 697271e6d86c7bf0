"""The fingerprint of a user's object, by which a journal notices a change."""

import functools
import linecache
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from semlink import own_channel
from simulator.engine.fingerprint import fingerprint
from simulator.errors import UserError
from simulator.storage.environment import ROOT

SCRIPT = """
import torch
import numpy as np
from functools import cached_property, partial
from simulator.engine.fingerprint import fingerprint

WIDTH = 3
TABLE = np.arange(4.0)

def inner(x):
    return [x * WIDTH for _ in range(2)]

class Net(torch.nn.Module):
    slope = 0.1

    def __init__(self):
        super().__init__()
        self.scale = 2.0
        self.layer = torch.nn.Linear(2, 2)
        self.layer.load_state_dict({"weight": torch.eye(2), "bias": torch.zeros(2)})
        self.act = torch.nn.LeakyReLU(0.2)

    @cached_property
    def table(self):
        return TABLE

    @torch.inference_mode()
    def forward(self, x):
        return inner(self.layer(x))

class Thing:
    def __init__(self, net):
        self.nets = {4: net, 8: partial(torch.relu, inplace=False)}

FOUND = fingerprint(Thing(Net()))
"""


def found_by(folder: Path, text: str) -> str:
    """The fingerprint that a script computes, run in this process."""
    script = folder / "script.py"
    script.write_text(text)
    linecache.checkcache(str(script))
    found: str = runpy.run_path(str(script), run_name="script")["FOUND"]
    return found


def test_fingerprint_changes_with_code_values_and_weights(tmp_path: Path) -> None:
    changes = {
        "WIDTH = 3": "WIDTH = 4",  # a global of a function that a method calls
        "np.arange(4.0)": "np.arange(4.0)[::-1]",  # an array that a cached property returns
        "return [x * WIDTH": "return [2 * x * WIDTH",  # the code of a function
        "slope = 0.1": "slope = 0.3",  # a class attribute
        "self.scale = 2.0": "self.scale = 3.0",  # an attribute
        "torch.eye(2)": "2 * torch.eye(2)",  # weights
        "LeakyReLU(0.2)": "LeakyReLU(0.3)",  # settings of a module of torch
        "torch.relu": "torch.sigmoid",  # a function of torch
        "{4: net": "{5: net",
    }
    first = found_by(tmp_path, SCRIPT)
    assert found_by(tmp_path, SCRIPT) == first
    assert all(old in SCRIPT for old in changes)
    others = {found_by(tmp_path, SCRIPT.replace(*change)) for change in changes.items()}
    assert len({first, *others}) == 1 + len(changes)


def test_fingerprint_is_equal_in_another_process(tmp_path: Path) -> None:
    first = found_by(tmp_path, SCRIPT)
    made = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import runpy; print(runpy.run_path({str(tmp_path / 'script.py')!r}"
            ", run_name='script')['FOUND'])",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "5"},
        check=True,
    )
    assert made.stdout.strip() == first


def scaled(by: Any) -> Any:
    def inner(x: Any, *_: Any) -> Any:
        return x * by

    return inner


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (scaled(2), scaled(3)),
        (scaled(np.ones(2)), scaled(np.zeros(2))),
        (scaled(nn.Linear(2, 2)), scaled(nn.Linear(2, 2))),
        (functools.partial(scaled, 2), functools.partial(scaled, 3)),
        (functools.cache(scaled(2)), functools.cache(scaled(3))),
        (own_channel("mine", scaled(2)), own_channel("mine", scaled(3))),
        (nn.Linear(2, 2).forward, nn.Linear(2, 2).forward),
        ({1, 2}, {1, 3}),
        (np.array(["a", None]), np.array(["b", None])),
        (torch.zeros(2), torch.zeros(2, 1)),
        (torch.zeros(2), torch.zeros(2, dtype=torch.float64)),
    ],
)
def test_fingerprints_of_different_objects_differ(one: Any, other: Any) -> None:
    assert fingerprint(one) == fingerprint(one)
    assert fingerprint(one) != fingerprint(other)


def test_training_mode_and_gradients_do_not_matter() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    before = fingerprint(network)
    network.eval().requires_grad_(False)
    assert fingerprint(network) == before


def test_objects_may_refer_to_themselves() -> None:
    ring: list[Any] = [1]
    ring.append(ring)
    assert len(fingerprint(ring)) == 64


def test_unreadable_source_raises_an_error() -> None:
    space: dict[str, Any] = {"__name__": "typed"}
    exec("def act(x):\n    return x", space)
    with pytest.raises(UserError, match="source of act must be readable"):
        fingerprint(space["act"])
