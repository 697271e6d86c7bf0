"""What the figure of `semlink link` shows and says: error rates over Eb/N0, beside the closed form.

Plain data and plain words; `benchmarks.figures` draws them.
"""

import pandas as pd

from benchmarks.figures.plans import FigurePlan, Style

BITS, BLOCKS = "Bits", "Blocks"  # the panels
MEASURED, CLOSED_FORM = "measured", "uncoded QAM"

STYLES = {
    MEASURED: Style("#0072B2", "-", "o"),
    CLOSED_FORM: Style("#666666", (0, (4, 2)), ""),
}


def over_ebn0(rows: pd.DataFrame, *, title: str, about: str) -> FigurePlan:
    """Bit and block error rates; points without an error have no place on a logarithmic axis."""
    closed_form = _curve(rows, BITS, CLOSED_FORM, ("theory_ber", "theory_ber", "theory_ber"))
    curves = [
        _curve(rows, BITS, MEASURED, ("ber_low", "ber", "ber_high")),
        _curve(rows, BLOCKS, MEASURED, ("ci_low", "bler", "ci_high")),
        closed_form.assign(settings="closed form at the same Eb/N0"),
    ]
    shown = pd.concat(curves, ignore_index=True)
    return FigurePlan(
        file_name="link",
        rows=shown[shown["accuracy"] > 0],
        axis="ebn0_db",
        styles=STYLES,
        heading=title,
        footer=f"{about} Bands (bars): 95 % interval over blocks; points without an error are left "
        "out.",
    )


def _curve(
    rows: pd.DataFrame, panel: str, scheme: str, columns: tuple[str, str, str]
) -> pd.DataFrame:
    """One curve in the form of every plan: low, mean and high of a fraction."""
    low, mean, high = (rows[column] for column in columns)
    curve = pd.DataFrame({"ebn0_db": rows["ebn0_db"], "accuracy": mean})
    curve = curve.assign(ci_low=low, ci_high=high)
    return curve.assign(channel=panel, scheme=scheme, settings="with its 95 % interval")
