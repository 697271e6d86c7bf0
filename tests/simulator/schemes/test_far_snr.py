"""Trained schemes at SNRs far outside their training range."""

import math
from functools import cache

import pytest
import torch

from channels.awgn import AwgnChannel
from channels.streams import PointStreams, Streams
from simulator.data.dataset import to_float
from simulator.data.embedded import embedded
from simulator.resolve import recipe_named
from simulator.scheme import Received, Scheme
from simulator.schemes.experiment import build_scheme
from simulator.training.weights import Weights
from tests.commands import WEIGHTS

TRAINED = (
    *("rkd_sc", "rkd_sc:+3dB", "deep_jscc", "adjscc", "dt_jscc", "dt_jscc:64qam", "vl_vfe"),
    *("deep_jscc_q:16qam", "deep_jscc_q", "deep_jscc_q:256qam"),
    *("deep_jscc_image", "separate", "digital_semantic"),
)
TOLD = ("rkd_sc", "adjscc", "vl_vfe")  # their networks have the SNR as an input
HIGHEST_DB = 26.0  # highest average SNR in training
IMAGES = 200


@cache
def weights() -> Weights:
    """The committed weights of the digits."""
    return Weights(recipe_named("digits"), embedded("digits"), WEIGHTS, torch.device("cpu"))


@cache
def scheme_of(name: str) -> Scheme:
    """A scheme of the digits."""
    return build_scheme(name, recipe_named("digits"), weights()).scheme


def received(name: str, snr_db: float, k: int) -> Received:
    """The reception of some test images over AWGN."""
    scheme, point = scheme_of(name), torch.full((IMAGES, 1), snr_db)
    images = to_float(weights().dataset.test.images[:IMAGES])
    encoded = scheme.encode(scheme.prepare(images), channel=AwgnChannel(), snr_db=point, k=k)
    streams = PointStreams(Streams(seed=0), "far", k)
    return scheme.transmit(encoded, channel=AwgnChannel(), snr_db=point, k=k, streams=streams)


def right(arrived: Received) -> int:
    """Number of images that are classified correctly."""
    labels = weights().dataset.test.labels[:IMAGES]
    return int(((arrived.scores.argmax(dim=1) == labels) & arrived.delivered).sum())


@pytest.mark.parametrize("name", TRAINED)
def test_accuracy_above_the_training_snrs_is_no_worse_than_at_the_edge(name: str) -> None:
    served = [k for k in (16, 64) if scheme_of(name).serves(k)]
    assert served
    for k in served:
        arrived = {snr: received(name, snr, k) for snr in (-40.0, HIGHEST_DB, 60.0, math.inf)}
        assert all(own.scores.isfinite().all() for own in arrived.values())
        assert min(right(arrived[60.0]), right(arrived[math.inf])) >= right(arrived[HIGHEST_DB]) - 2


@pytest.mark.parametrize("name", TOLD)
def test_snr_of_the_encoder_is_clamped_to_the_training_range(name: str) -> None:
    scheme, images = scheme_of(name), to_float(weights().dataset.test.images[:8])
    prepared, channel = scheme.prepare(images), AwgnChannel()

    def sent(snr_db: float) -> torch.Tensor:
        point = torch.full((8, 1), snr_db)
        return scheme.encode(prepared, channel=channel, snr_db=point, k=16)["x"]

    for edge, beyond in ((-12.0, -13.0), (HIGHEST_DB, 27.0), (HIGHEST_DB, math.inf)):
        assert torch.equal(sent(edge), sent(beyond))
    assert not torch.equal(sent(HIGHEST_DB), sent(HIGHEST_DB - 2))


def test_wrong_snr_of_the_encoder_stays_in_the_training_range() -> None:
    images = to_float(weights().dataset.test.images[:8])

    def sent(name: str, snr_db: float) -> torch.Tensor:
        scheme, point = scheme_of(name), torch.full((8, 1), snr_db)
        prepared = scheme.prepare(images)
        return scheme.encode(prepared, channel=AwgnChannel(), snr_db=point, k=16)["x"]

    assert torch.equal(sent("rkd_sc:+3dB", HIGHEST_DB - 1), sent("rkd_sc", HIGHEST_DB))
    assert torch.equal(sent("rkd_sc:+3dB", -14.0), sent("rkd_sc", -11.0))
    assert torch.equal(sent("rkd_sc:-3dB", -11.0), sent("rkd_sc", -12.0))
