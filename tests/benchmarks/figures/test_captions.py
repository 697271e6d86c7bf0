"""Captions and notes of figures: length, completeness, and settings needed for comparison."""

import pytest

from benchmarks.figures.captions import DataText, shared_settings, tex_caption
from benchmarks.figures.panels import panel_titles, shared_parts
from benchmarks.figures.plans import FigurePlan
from benchmarks.figures.styles import channel_title
from simulator.left_out import LeftOut
from tests.benchmarks.figures.rows import over_snr_plan, sheet, table


def text_of(plan: FigurePlan) -> str:
    """Caption and notes."""
    return f"{plan.caption} {plan.all_notes}"


def test_caption_has_three_sentences() -> None:
    assert over_snr_plan(table()).caption == (
        "digits: accuracy versus SNR at k = 16. Panels: (a) AWGN; (b) Rayleigh, one gain per "
        "image. 360 test images, 3 to 10 channel realisations of each; bands and bars: 95 % "
        "interval over images."
    )
    assert over_snr_plan(table(channels=("rician:4",))).caption.startswith(
        "digits: accuracy versus SNR at k = 16, Rician K = 4, one gain per image. 360 test"
    )
    many = ("awgn", "rayleigh", "rician:4", "nakagami:2", "rayleigh_fast")
    plan = over_snr_plan(table(channels=many))
    assert " at k = 16. A panel for each of 5 channels. 360 test" in plan.caption
    assert "Panels in full: (a) AWGN; (b) Rayleigh, one gain per image; (c)" in plan.all_notes


@pytest.mark.parametrize(
    "phrase",
    [
        "digits: accuracy versus SNR at k = 16.",
        "(b) Rayleigh, one gain per image",
        "k complex channel uses per image; ratio k/(C·H·W) = 16/64 = 0.25",
        "SNR = Es/N0 per channel use, averaged over fading",
        "Unit average power per image over the k uses",
        "E|h|² = 1",
        "perfect CSI",
        "An outage counts as a uniform guess (1/10)",
        "a uniform guess, 10 %",
        "360 test images, 3 to 10 channel realisations of each",
        "95 % interval over images",
        "Noiseless accuracy (student and head, no channel): 98.0 % (95 % interval 97.0 to 99.0 %)",
        "Left out: image file at capacity serves k in {4}. Not trained: ADJSCC; DT-JSCC, 64qam.",
        "Note: only 16 validation images to choose settings on; no better than a guess: codec. ",
        "JPEG scan data (tables known, costing $0), CRC16, 5G LDPC rate 0.33, 4-QAM",
        "class decided at the transmitter, maximum likelihood; codebook known",
    ],
)
def test_caption_and_notes_have_the_settings_needed_for_comparison(phrase: str) -> None:
    lines = [
        *(LeftOut("capacity_bound", "serves k in {4}", k) for k in (16, 64)),
        *(LeftOut(name, "no w; run semlink train") for name in ("adjscc", "dt_jscc:64qam")),
    ]
    few = "only 16 validation images to choose settings on; add training images"
    guess = "no better than a guess: codec; it takes more epochs"
    text = DataText("digits", 64, 10, (0.98, 0.97, 0.99), tuple(lines), (few, guess))
    (plan,) = sheet(table(), text=text).over_snr(table())
    assert phrase in text_of(plan)
    assert "semlink" not in text_of(plan)


def test_left_out_remark_appears_only_with_its_k_and_channels() -> None:
    left_out = (LeftOut("dt_jscc", "needs more", 16, ("awgn", "tdl:A")),)
    text = DataText("digits", 64, 10, left_out=left_out)
    assert text.refused(16, {"awgn", "rayleigh"}) == ["DT-JSCC needs more (AWGN)"]
    assert text.refused(16, {"rayleigh"}) == text.refused(64, {"awgn"}) == []
    assert text.refused(None, {"awgn"}) == []


PILOTS = {"rayleigh": 0, "rayleigh+lmmse:8": 8, "rayleigh+ls:4": 4, "rayleigh+lmmse:best": 0}
CHARGED = "pilots are charged on top of k: ratio (k + pilots)/(C·H·W) = "
LMMSE = "but, for LMMSE, the covariance of its gains."


@pytest.mark.parametrize(
    ("channels", "phrases"),
    [
        (["rayleigh"], ["ratio k/(C·H·W) = 16/64 = 0.25.", "The receiver knows the gain h and"]),
        (
            ["rayleigh+lmmse:8"],
            [f"{CHARGED}24/64 = 0.375.", "estimates the gain h by LMMSE from 8 pilots", LMMSE],
        ),
        (
            ["rayleigh+ls:4", "rayleigh+lmmse:8"],
            [
                f"{CHARGED}20/64 = 0.3125 with 4 pilots, 24/64 = 0.375 with 8 pilots.",
                "estimates the gain h (LMMSE (8): by LMMSE from 8 pilots; LS (4): by least",
            ],
        ),
        (
            ["rayleigh", "rayleigh+ls:4"],
            [
                f"{CHARGED}16/64 = 0.25 with no pilots, 20/64 = 0.3125 with 4 pilots.",
                "the gain h exactly (perfect CSI) unless a panel names an estimate (LS (4): by",
                "and nothing else of the channel.",
            ],
        ),
        (
            ["rayleigh", "rayleigh+lmmse:best"],
            [
                "ratio k/(C·H·W) = 16/64 = 0.25.",
                "an estimate (LMMSE (best): by LMMSE from the best number of pilots, chosen on "
                "validation images, among the k uses)",
                LMMSE,
            ],
        ),
    ],
)
def test_notes_describe_channel_estimation(channels: list[str], phrases: list[str]) -> None:
    rows = table(channels=channels)
    plan = over_snr_plan(rows.assign(pilot_uses=rows["channel"].map(PILOTS)))
    for phrase in phrases:
        assert phrase in plan.all_notes
    assert ("perfect CSI" in plan.all_notes) == ("rayleigh" in channels)
    assert plan.all_notes.count("ratio ") == 1


@pytest.mark.parametrize("name", ["capacity_bound", "digital_semantic:bound", "separate"])
def test_notes_state_that_capacity_does_not_bound_accuracy(name: str) -> None:
    told = over_snr_plan(table(schemes=("rkd_sc", name))).all_notes
    assert ("Capacity bounds the rate, not the accuracy" in told) == ("bound" in name)


def test_settings_name_schemes_by_their_titles() -> None:
    rows = table(schemes=("adjscc",)).assign(settings="the backbone of rkd_sc frozen")
    assert "ADJSCC: the backbone of RKD-SC frozen." in over_snr_plan(rows).all_notes


def test_notes_warn_about_few_test_images() -> None:
    for images, said in ((40, True), (100, False)):
        told = over_snr_plan(table().assign(images=images)).all_notes
        assert ("an interval of up to +-15 points" in told) == said


def test_latex_caption_is_escaped() -> None:
    caption = "10 % of {4} & a_b at $0. E|h|² = 1, 2·3."
    assert tex_caption(caption, "a # b.", "f") == (
        r"\caption[{10 \% of \{4\} \& a\_b at \$0}]{10 \% of \{4\} \& a\_b at \$0. "
        r"E$|$h$|^2$ = 1, 2$\cdot$3.}"
        "\n\\label{fig:f}\n% \\figurenotes prints the notes, below the caption or in the text\n"
        "\\gdef\\figurenotes{a \\# b.}\n"
    )


@pytest.mark.parametrize("known", ["average SNR believed 3 dB off", "average SNR"])
def test_notes_qualify_perfect_csi_if_a_scheme_knows_less(known: str) -> None:
    plan = over_snr_plan(table(schemes=("rkd_sc",)).assign(settings=known))
    assert ("(perfect CSI, unless" in plan.all_notes) == ("believed" in known)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("awgn", "AWGN"),
        ("rayleigh_fast", "Rayleigh, one gain per use"),
        ("rayleigh_block:4", "Rayleigh, one gain per 4 uses"),
        ("rician:4", "Rician K = 4, one gain per image"),
        ("nakagami:2", "Nakagami m = 2, one gain per image"),
        ("tdl:a", "TDL-A, 100 ns, 3 km/h"),
        ("tdl:f", "tdl:f"),
    ],
)
def test_channel_titles(name: str, title: str) -> None:
    assert channel_title(name) == title


def test_panel_titles_are_short_but_distinct() -> None:
    names = ["tdl:A:300ns", "tdl:A:300ns+lmmse:8", "tdl:C:300ns:120kmh+ls:4", "awgn"]
    assert list(panel_titles(names).values()) == [
        "TDL-A, 3 km/h, perfect CSI",
        "TDL-A, 3 km/h, LMMSE (8)",
        "TDL-C, 120 km/h, LS (4)",
        "AWGN, perfect CSI",
    ]
    assert shared_parts(names) == ["delay spread 300 ns"]
    assert list(panel_titles(["tdl:A:300ns", "tdl:A"]).values()) == [
        "TDL-A, 300 ns",
        "TDL-A, 100 ns",
    ]
    assert panel_titles(["tdl:A+ls:8"]) == {"tdl:A+ls:8": "TDL-A, 100 ns, 3 km/h, LS (8)"}
    plan = over_snr_plan(table(channels=names[:2]))
    assert (
        "(a) TDL-A, perfect CSI; (b) TDL-A, LMMSE (8); delay spread 300 ns; speed 3 km/h; pilots "
        "in brackets." in plan.caption
    )
    assert "(b) TDL-A, 300 ns, 3 km/h, LMMSE from 8 pilots." in plan.all_notes


def test_settings_of_several_k_are_reduced_to_common_parts() -> None:
    assert shared_settings(["a, b", "a, b"]) == "a, b"
    assert shared_settings(["k = 4, b, c", "k = 8, b, c"]) == (
        "b, c; the rest depends on k: see the figures over SNR"
    )
