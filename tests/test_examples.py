"""Every example runs, in an empty folder, without a display."""

import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

from simulator.storage.environment import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
MOST_LINES = 90


def test_examples_exist_and_are_short() -> None:
    assert len(EXAMPLES) >= 9
    for example in EXAMPLES:
        text = example.read_text()
        assert len(text.splitlines()) <= MOST_LINES, example.name
        assert "\n# %%\n" in text, example.name


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_runs(
    example: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(plt, "show", lambda: None)
    plt.switch_backend("Agg")
    runpy.run_path(str(example), run_name="__main__")
    for number in plt.get_fignums():
        check_colours(plt.figure(number))
    plt.close("all")
    assert capsys.readouterr().out


def check_colours(figure: Figure) -> None:
    """One legend serves all panels: every label has a single colour."""
    lines = [line for axes in figure.axes for line in axes.lines]
    named = {(str(line.get_label()), line.get_color()) for line in lines}
    named = {pair for pair in named if not pair[0].startswith("_")}
    assert len({label for label, _ in named}) == len(named)
