"""Links with a wrong SNR report, and the estimate without noise."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

import semlink
from benchmarks.recipes.digits import digits
from channels.awgn import AwgnChannel
from channels.fading import RayleighChannel
from channels.streams import PointStreams, Streams
from simulator.data.embedded import embedded
from simulator.errors import UserError
from simulator.schemes.codec import clean_estimate, receive_features, send_features
from simulator.schemes.rkd_sc import LinkError, RkdScConfig, RkdScheme
from simulator.training.loop import fresh
from simulator.training.losses import softened_divergence
from tests.commands import WEIGHTS
from tests.models.small_cat import SMALL


def sent(told: float | None, *, snr_db: float = 5.0) -> Tensor:
    """Eight feature vectors sent over Rayleigh fading, always with the same gains and noise."""
    codec = fresh(SMALL.build, seed=0)
    features = torch.randn(8, 32, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return send_features(
            codec,
            features,
            channel=RayleighChannel(coherence=None),
            snr_db=torch.full((8, 1), snr_db),
            uses=torch.full((8, 1), 16),
            generator=torch.Generator().manual_seed(2),
            reported_snr_db=None if told is None else torch.full((8, 1), told),
        )


def test_only_a_wrong_snr_report_changes_the_features() -> None:
    torch.testing.assert_close(sent(5.0), sent(None))
    assert (sent(8.0) - sent(None)).abs().max() > 1e-3


def test_clean_estimate_equals_the_link_without_noise() -> None:
    codec = fresh(SMALL.build, seed=0)
    features = torch.randn(8, 32, generator=torch.Generator().manual_seed(1))
    uses = torch.full((8, 1), 16)
    through = send_features(
        codec,
        features,
        channel=AwgnChannel(),
        snr_db=torch.full((8, 1), 200.0),
        uses=uses,
        generator=torch.Generator().manual_seed(2),
    )
    clean = clean_estimate(codec, features, snr_db=torch.full((8, 1), 200.0), uses=uses)
    torch.testing.assert_close(through, clean, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("label", "error"),
    [
        ("+3dB", LinkError("+3dB", 3.0)),
        ("-1.5dB", LinkError("-1.5dB", -1.5)),
        ("pilot4", None),
        ("3dB", None),
        ("r2", None),
    ],
)
def test_labels_of_snr_errors(label: str, error: LinkError | None) -> None:
    assert LinkError.of(label) == error
    known = digits().one(RkdScConfig)
    assert known.error == LinkError("", 0.0)  # without a label
    if error is None:
        with pytest.raises(UserError, match=f"takes labels such as .*, got '{label}'"):
            known.labelled(label)
    else:
        assert known.labelled(label).error == error
        assert known.labelled(label).name == f"rkd_sc:{label}"


def test_softened_divergence_matches_manual_calculation() -> None:
    told, said = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    p = math.e / (math.e + 1)  # softmax of (1, 0): scores over a temperature of 2
    expected = 4 * (p * 1 + (1 - p) * -1)
    assert float(softened_divergence(told, said, 2.0)) == pytest.approx(expected, rel=1e-5)


def committed(name: str) -> RkdScheme:
    scheme = semlink.load("digits", weights=WEIGHTS)[name]
    assert isinstance(scheme, RkdScheme)
    return scheme


def test_transmitter_and_receiver_both_use_the_wrong_snr() -> None:
    known, wrong = committed("rkd_sc"), committed("rkd_sc:+3dB")
    prepared = known.prepare(embedded("digits").test.images[:4].float() / 255)

    def encoded(scheme: RkdScheme, snr_db: float) -> Tensor:
        snr = torch.full((4, 1), snr_db)
        return scheme.encode(prepared, channel=AwgnChannel(), snr_db=snr, k=16)["x"]

    assert torch.equal(encoded(wrong, 5.0), encoded(known, 8.0))
    assert not torch.equal(encoded(wrong, 5.0), encoded(known, 5.0))
    channel, snr = RayleighChannel(coherence=None), torch.full((4, 1), 5.0)
    link: dict[str, Any] = {"channel": channel, "snr_db": snr, "k": 16}
    told, seen = (
        scheme.features({"x": encoded(known, 5.0)}, **link, streams=PointStreams(Streams(seed=0)))
        for scheme in (wrong, known)
    )
    streams = PointStreams(Streams(seed=0))
    received = channel(encoded(known, 5.0), snr_db=snr, generator=streams("channel"))
    with torch.inference_mode():
        expected = receive_features(
            known.codec,
            received,
            uses=torch.full((4, 1), 16),
            reported_snr_db=torch.full((4, 1), 8.0),
        )
    torch.testing.assert_close(told, expected)
    assert (told - seen).abs().max() > 1e-3
