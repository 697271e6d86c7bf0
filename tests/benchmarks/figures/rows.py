"""Made-up rows of a sweep, and the plans of their figures."""

from collections.abc import Sequence

import pandas as pd

from benchmarks.figures.captions import DataText
from benchmarks.figures.plans import FigurePlan, Sheet
from benchmarks.figures.styles import styles_of
from simulator.names import Measure

TEXT = DataText("digits", 64, 10)
SCHEMES = ("rkd_sc", "deep_jscc", "separate", "label_code")
SETTINGS = {
    "rkd_sc": "one nested model, average SNR and k known to both ends, no header",
    "deep_jscc": "one model for k = {k}, trained at 10 dB, no header",
    "separate": "JPEG scan data (tables known, costing $0), CRC16, 5G LDPC rate 0.33, 4-QAM",
    "label_code": "class decided at the transmitter, maximum likelihood; codebook known",
}


def table(
    *,
    channels: Sequence[str] = ("awgn", "rayleigh"),
    schemes: Sequence[str] = SCHEMES,
    snr_db: Sequence[float] = (-10.0, 0.0, 10.0),
    uses: Sequence[int] = (16,),
) -> pd.DataFrame:
    """Made-up rows: accuracy rises with SNR and k and differs between schemes."""
    rows = []
    for number, scheme in enumerate(schemes):
        for channel in channels:
            for snr in snr_db:
                for k in uses:
                    mean = 0.5 + 0.02 * snr + 0.001 * k + 0.01 * number
                    rows.append(
                        {
                            "scheme": scheme,
                            "channel": channel,
                            "snr_db": snr,
                            "channel_uses": k,
                            "images": 360,
                            "realizations": 3 if channel == "awgn" else 10,
                            "accuracy": mean,
                            "ci_low": mean - 0.05,
                            "ci_high": mean + 0.05,
                            "settings": SETTINGS.get(scheme, "settings").format(k=k),
                        }
                    )
    return pd.DataFrame(rows)


def sheet(rows: pd.DataFrame, *, measure: Measure = "accuracy", text: DataText = TEXT) -> Sheet:
    """The sheet that plans the figures of the rows."""
    return Sheet(text=text, styles=styles_of(rows["scheme"]), measure=measure)


def over_snr_plan(rows: pd.DataFrame, measure: Measure = "accuracy") -> FigurePlan:
    """The plan for the only k of the rows."""
    (plan,) = sheet(rows, measure=measure).over_snr(rows)
    return plan
