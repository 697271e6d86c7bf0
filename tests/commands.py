"""Helpers that run semlink's commands, shared by their tests."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from simulator.__main__ import main
from simulator.data.dataset import Dataset, Split
from simulator.data.embedded import embedded
from simulator.schemes.experiment import Experiment
from simulator.storage.environment import ROOT
from simulator.training import loop

WEIGHTS = ROOT / "results/reference/digits/weights"
SMALL = ["--images", "20", "--realizations", "1", "--snr-db", "-10,10", "--channels", "awgn"]
Command = Callable[..., int]
ROW = {  # columns of results.csv that a test does not look at
    "settings": "a model",
    "images": 200,
    "realizations": 1,
    "correct": 1.0,
    "transmissions": 200,
    "ci_low": 0.0,
    "ci_high": 1.0,
}
DATA = {"title": "digits", "classes": 10, "image_shape": [1, 8, 8]}  # of run.json


def status(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run semlink with some arguments; returns its exit status."""
    monkeypatch.setattr("sys.argv", ["semlink", *map(str, arguments)])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def table_of(folder: Path, *arguments: object) -> bytes:
    """Sweep the digits in this process with the committed weights; returns the table's bytes."""
    digits = ["sweep", "digits", "--weights", WEIGHTS, "--out", folder]
    with pytest.MonkeyPatch.context() as patch:
        assert status(patch, *digits, *arguments) == 0
    return (folder / "results.csv").read_bytes()


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    """The error message: one line on stderr, with nothing on stdout."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("semlink: error: ")
    assert err.count("\n") == 1
    return err


def stop_within_epochs(patch: pytest.MonkeyPatch) -> list[str]:
    """Interrupt the training of every part once, after two steps of an epoch; returns its name.

    Checkpoints are written after every step. The list grows with every interruption.
    """
    stopped: list[str] = []
    step = loop._Training._step

    def interrupted(self: "loop._Training[Any]", *arguments: Any) -> float:
        if self.step == 2 and self.lesson.part.name not in stopped:
            stopped.append(self.lesson.part.name)
            raise KeyboardInterrupt
        return step(self, *arguments)

    patch.setattr(loop._Training, "_step", interrupted)
    patch.setattr(loop, "Checkpoint", partial(loop.Checkpoint, seconds=0.0))
    return stopped


def use_recipe(monkeypatch: pytest.MonkeyPatch, experiment: Experiment) -> None:
    """Make this the only recipe, found by its own name."""
    monkeypatch.setattr("simulator.resolve._recipes", lambda: {experiment.name: experiment})


@cache
def few_images() -> Dataset:
    """The digits with only the first 384 of their 1,000 training images."""
    whole = embedded("digits")
    assert whole.train is not None
    return replace(whole, train=Split(whole.train.images[:384], whole.train.labels[:384]))
