"""Module commands report a user's mistake in one line and exit with status 2."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.studies.architectures import front, methods, signals, spread
from benchmarks.tools import halve, held_out

IMAGES = "error: --data must name the folder of CIFAR-100, got none"


@pytest.mark.parametrize(
    ("main", "arguments", "told"),
    [
        (halve.main, ["NO/part.safetensors"], "halve: error: no such file: NO/part.safetensors"),
        (held_out.main, ["--data", "NO", "--out", "OUT"], "held_out: error: NO: no such folder"),
        (spread.main, [], f"spread: {IMAGES}"),
        (signals.main, [], f"signals: {IMAGES}"),
        (front.main, [], f"front: {IMAGES}"),
        (methods.main, [], f"methods: {IMAGES}"),
        (
            methods.main,
            ["--data", "NO", "--methods", "luck"],
            "methods: error: --methods must be among kdl_darts, kdl_vote, labels, no_penalty, "
            "random, zero_cost, hand_made, got luck",
        ),
    ],
)
def test_mistakes_raise_one_line_errors(
    main: Callable[[], None],
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"{told}\n"
    assert not list(tmp_path.iterdir())
