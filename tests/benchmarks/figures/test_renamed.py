"""Names of schemes chosen by the user: in legends, notes and captions, or refused."""

from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from benchmarks.figures.captions import tex_caption
from benchmarks.figures.draw import compose
from benchmarks.figures.renamed import renamed
from benchmarks.figures.styles import styles_of
from simulator.errors import UserError
from simulator.storage.environment import REFERENCE
from tests.benchmarks.figures.rows import table
from tests.benchmarks.figures.test_added import PAPER, planned
from tests.commands import Command, refused

SCHEMES = ["rkd_sc", "capacity_bound"]


def test_new_names_replace_titles_in_legend_and_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"RKD_SC": r"Proposed, $\lambda_1$", "JSCC [7]": "Deep JSCC"}
    (plan,) = planned(monkeypatch, table(schemes=SCHEMES), added=PAPER, names=names)
    figure = compose(plan)
    (legend,) = figure.legends
    told = [text.get_text() for text in legend.get_texts()]
    assert told == [r"Proposed, $\lambda_1$", "image file at capacity", "Deep JSCC"]
    assert r"Proposed, $\lambda_1$: " in plan.all_notes
    assert "RKD-SC" not in plan.all_notes
    plt.close(figure)


def test_renamed_bound_has_its_new_name_in_the_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    (plan,) = planned(monkeypatch, table(schemes=SCHEMES), names={"capacity_bound": "Limit"})
    assert "Capacity bounds the rate, not the accuracy (Limit)" in plan.all_notes


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ({"deep_jscc": "X"}, "schemes among rkd_sc, capacity_bound; got deep_jscc"),
        ({"rkd_sc": " "}, "distinct, not empty and of one line; got ' '"),
        ({"rkd_sc": "image file at capacity"}, "got 'image file at capacity'"),
        ({"rkd_sc": "a\nb"}, "of one line"),
        ({"rkd_sc": "$x^{$"}, r"the mathematics in the name .* is not readable; write \\\$"),
    ],
)
def test_bad_names_are_refused(names: dict[str, str], told: str) -> None:
    with pytest.raises(UserError, match=told):
        renamed(styles_of(SCHEMES), names)


def test_a_single_dollar_is_a_dollar() -> None:
    assert renamed(styles_of(SCHEMES), {"rkd_sc": "5 $"})["rkd_sc"].title == "5 $"


def test_an_escaped_dollar_is_a_dollar(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"rkd_sc": r"5 \$ a_1", "capacity_bound": r"6 \$"}
    (plan,) = planned(monkeypatch, table(schemes=SCHEMES), names=names)
    assert r"5 \$ a\_1: " in tex_caption("A.", plan.all_notes, "f")


def test_latex_keeps_mathematics_and_escapes_the_rest() -> None:
    text = tex_caption("A.", r"5 % of $\lambda_1$, k_1 and $.", "f")
    assert r"{5 \% of $\lambda_1$, k\_1 and \$.}" in text


def test_names_on_the_command_line(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["plot", str(REFERENCE / "digits"), "--schemes", "rkd_sc,label_code"]
    line += ["--channel-uses", "16", "--channels", "awgn", "--out", str(tmp_path)]
    assert semlink(*line, "--names", "rkd_sc=Proposed, label_code = Label [3]") == 0
    notes = (tmp_path / "figures/accuracy_snr_k16.txt").read_text()
    assert "Proposed: " in notes
    assert "Label [3]: " in notes
    capsys.readouterr()
    assert semlink(*line, "--names", "rkd_sc") == 2
    assert "--names must be pairs SCHEME=NAME, separated by commas" in refused(capsys)
    assert semlink(*line, "--names", "rkd_sc=A,rkd_sc=B") == 2
    assert "--names must name every scheme once" in refused(capsys)
