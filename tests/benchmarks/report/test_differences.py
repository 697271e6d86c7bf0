"""Differences of all pairs of schemes match `semlink compare`, for each reference."""

import pandas as pd
import pytest

from benchmarks.report.differences import UNIT, differences
from simulator.engine.outcomes import stored_units
from simulator.measures.compare import compare_sweep, credits_from
from simulator.storage.environment import ROOT
from simulator.storage.folders import read_results

DIGITS = ROOT / "results/reference/digits"
SCHEMES = ("rkd_sc", "dt_jscc", "label_code")
COLUMNS = ["difference", "ci_low", "ci_high", "p_holm"]


@pytest.mark.parametrize("reference", SCHEMES)
def test_differences_match_the_compare_command(reference: str) -> None:
    whole, run = read_results(DIGITS)
    store = stored_units(DIGITS, whole, run["journal"])
    shown = whole["scheme"].isin(SCHEMES) & whole["channel_uses"].isin([4, 16])
    rows = whole[shown & whole["snr_db"].isin([-10, -6, 20])].reset_index(drop=True)
    rows = rows.assign(table_error=rows["scheme"].map({"dt_jscc": 0.02}).fillna(0.0))
    pairs = pd.DataFrame(differences(rows, credits_from(store, 10)))
    place = ["scheme", "channel", "channel_uses", "snr_db"]
    found = {}
    for a, b, value, low, high, p in pairs.itertuples(index=False, name=None):
        if rows["scheme"][b] == reference:
            found[tuple(rows.loc[a, place])] = (UNIT * value, UNIT * low, UNIT * high, p)
        elif rows["scheme"][a] == reference:
            found[tuple(rows.loc[b, place])] = (-UNIT * value, -UNIT * high, -UNIT * low, p)
    table, _ = compare_sweep(store, rows, {"data": {"classes": 10}}, None, reference)
    told = table.rename(columns={"a": "scheme"}).set_index(place)[COLUMNS]
    assert set(found) == set(told.index)
    assert (told["p_holm"] < 0.05).any()
    for point, own in found.items():
        *values, p = told.loc[point]
        assert own[:3] == pytest.approx(values, abs=UNIT / 2 + 1e-9)
        assert own[3] == pytest.approx(p, rel=5e-3)
