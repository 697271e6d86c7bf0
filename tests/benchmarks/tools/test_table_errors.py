"""Precision of the committed tables of block error rates, and its effect on accuracies."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.baselines.adaptation import CodedLink
from benchmarks.baselines.block_errors import COMMITTED, BlockErrors
from benchmarks.tools import table_errors
from channels.digital.small_block import SmallBlockPipe
from simulator.storage.environment import REFERENCE

SHORT = 250  # coded bits, up to which a rate has at least 4,000 blocks


def test_committed_tables_are_as_precise_as_claimed() -> None:
    """Standard errors of rates are at most 0.8 points for short blocks, 2.5 for others."""
    files = sorted(COMMITTED.glob("*.json"))
    assert files
    for path in files:
        kept = json.loads(path.read_text(encoding="utf-8"))
        columns: dict[str, Any] = {key: tuple(own) for key, own in kept["table"].items()}
        table = BlockErrors(**columns)
        coded_bits = kept["link"]["channel_uses"] * kept["link"]["bits_per_symbol"]
        most = 0.008 if coded_bits <= SHORT else 0.025
        assert np.sqrt(table.variances).max() <= most, path.name


def test_committed_table_errors_are_reproduced() -> None:
    rows = pd.DataFrame(table_errors.errors_of(REFERENCE / "digits"))
    own = rows.groupby(table_errors.PLACE, sort=False)["table_error"].max()
    kept = pd.read_csv(table_errors.FILE).set_index(table_errors.PLACE)["largest"]
    pd.testing.assert_series_equal(
        own, kept[kept.index.isin(own.index)], check_names=False, atol=1e-5, rtol=0
    )
    assert kept.index.get_level_values("sweep").nunique() > 1


def test_table_error_matches_hand_computed_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """4 bits without a CRC on AWGN: a lost block costs 0.8 minus the accuracy of other payloads."""
    table = BlockErrors((-1.0, 0.0), (1000, 400), (500, 100), (500, 100))
    monkeypatch.setattr("benchmarks.baselines.adaptation.block_errors", lambda pipe: table)
    lost = 0.6 / 15
    row = {
        "channel": "awgn",
        "snr_db": 0.0,
        "channel_uses": 16,
        "codec": "words_4",
        "validation_delivered": 0.75,
        "validation_accuracy": 0.75 * 0.8 + 0.25 * lost,
    }
    link = CodedLink(SmallBlockPipe(payload_bits=4, channel_uses=16))
    expected = (0.8 - lost) * (0.25 * 0.75 / 400) ** 0.5
    assert table_errors.error_at(row, link, 10) == pytest.approx(expected)
