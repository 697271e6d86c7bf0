"""The label code: closed forms, a nearest-word receiver, and the scheme contract."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from benchmarks.baselines.codebook import Code, label_codebook
from benchmarks.baselines.label_code import (
    LabelCodeConfig,
    LabelCodeScheme,
    log_posteriors,
    log_prior,
)
from channels.awgn import AwgnChannel
from channels.base import Channel
from channels.fading import RayleighChannel
from channels.streams import PointStreams, Streams
from channels.theory import (
    average_over_rayleigh,
    biorthogonal_symbol_error_rate,
    orthogonal_symbol_error_rate,
    q_function,
    simplex_symbol_error_rate,
)

STREAMS = Streams(seed=5)


def pixels_as_scores(images: Tensor) -> Tensor:
    """A classifier whose class is the brightest pixel."""
    return images.flatten(1)


def make_scheme(num_classes: int, code: Code = "own") -> LabelCodeScheme:
    config, counts = LabelCodeConfig(code=code), torch.full((num_classes,), 7)
    return LabelCodeScheme(config, classify=pixels_as_scores, class_counts=counts)


def errors(
    num_classes: int,
    k: int,
    *,
    channel: Channel,
    snr_db: float,
    trials: int,
    code: Code = "own",
) -> int:
    """Wrong decisions among `trials` transmissions of random classes."""
    streams = PointStreams(STREAMS, channel.name, str(snr_db), k, num_classes)
    labels = torch.randint(0, num_classes, (trials,), generator=streams("labels"))
    scheme = make_scheme(num_classes, code)
    prepared = scheme.prepare(torch.nn.functional.one_hot(labels, num_classes)[:, None, None])
    snr = torch.full((trials, 1), snr_db)
    encoded = scheme.encode(prepared, channel=channel, snr_db=snr, k=k)
    received = scheme.transmit(encoded, channel=channel, snr_db=snr, k=k, streams=streams)
    assert bool(received.delivered.all())
    return int((received.scores.argmax(dim=1) != labels).sum())


CLOSED_FORM = [
    (10, 5, -4.0, "own", simplex_symbol_error_rate),
    (10, 64, -12.0, "own", simplex_symbol_error_rate),
    (100, 64, -10.0, "own", simplex_symbol_error_rate),
    (10, 8, -6.0, "regular", orthogonal_symbol_error_rate),
    (100, 64, -10.0, "regular", orthogonal_symbol_error_rate),
    (10, 4, 0.0, "regular", biorthogonal_symbol_error_rate),
    (100, 32, -6.0, "regular", biorthogonal_symbol_error_rate),
]


@pytest.mark.parametrize(("num_classes", "k", "snr_db", "code", "closed_form"), CLOSED_FORM)
def test_awgn_error_rate_matches_the_closed_form(
    num_classes: int, k: int, snr_db: float, code: Code, closed_form: Callable[[int, float], float]
) -> None:
    trials = 20_000
    rate = closed_form(num_classes, k * 10 ** (snr_db / 10))
    channel = AwgnChannel()
    count = errors(num_classes, k, channel=channel, snr_db=snr_db, trials=trials, code=code)
    assert 0.01 < rate < 0.5
    assert abs(count - trials * rate) < 4 * math.sqrt(trials * rate * (1 - rate))


@pytest.mark.parametrize(("num_classes", "k", "snr_db", "code", "closed_form"), CLOSED_FORM)
def test_rayleigh_error_rate_matches_the_averaged_closed_form(
    num_classes: int, k: int, snr_db: float, code: Code, closed_form: Callable[[int, float], float]
) -> None:
    trials = 20_000
    rate = average_over_rayleigh(partial(closed_form, num_classes), k * 10 ** (snr_db / 10))
    channel = RayleighChannel(coherence=None)
    count = errors(num_classes, k, channel=channel, snr_db=snr_db, trials=trials, code=code)
    assert abs(count - trials * rate) < 4 * math.sqrt(trials * rate * (1 - rate))


@pytest.mark.parametrize("channel", [AwgnChannel(), RayleighChannel(coherence=1)])
@pytest.mark.parametrize(("num_classes", "k"), [(10, 8), (10, 16), (100, 16)])
def test_default_words_have_fewer_errors_than_regular_words(
    num_classes: int, k: int, channel: Channel
) -> None:
    snr_db = 8 - 10 * math.log10(k)
    own, regular = (
        errors(num_classes, k, channel=channel, snr_db=snr_db, trials=40_000, code=code)
        for code in ("own", "regular")
    )
    assert own < regular - 3 * math.sqrt(own + regular)


def test_decision_uses_class_frequencies_as_prior() -> None:
    """Two antipodal words of energy E, class 1 four times as frequent: Bayes' error rate."""
    counts, trials, energy = torch.tensor([20, 80]), 40_000, 0.5
    scheme = LabelCodeScheme(LabelCodeConfig(), classify=pixels_as_scores, class_counts=counts)
    assert "maximum a posteriori" in scheme.settings(1)
    assert "maximum likelihood" in make_scheme(2).settings(1)
    labels = (torch.arange(trials) % 5 > 0).long()
    snr = torch.full((trials, 1), 10 * math.log10(energy))
    channel, streams = AwgnChannel(), PointStreams(STREAMS, "prior")
    encoded = scheme.encode({"classes": labels}, channel=channel, snr_db=snr, k=1)
    received = scheme.transmit(encoded, channel=channel, snr_db=snr, k=1, streams=streams)
    wrong = (received.scores.argmax(dim=1) != labels).sum()
    amplitude, threshold = math.sqrt(2 * energy), math.log(4) / math.sqrt(8 * energy)
    rate = 0.8 * q_function(amplitude + threshold) + 0.2 * q_function(amplitude - threshold)
    assert rate < q_function(amplitude) - 0.02  # the error rate of maximum likelihood
    assert abs(int(wrong) - trials * rate) < 4 * math.sqrt(trials * rate * (1 - rate))


def test_log_prior_of_missing_classes_and_of_equal_counts() -> None:
    assert log_prior(torch.tensor([0, 4, 2])).tolist() == pytest.approx(
        [-math.log(4), 0, -math.log(2)]
    )
    assert not log_prior(torch.tensor([5, 5, 5])).any()


def test_union_bound_holds_for_100_classes_at_k_256_and_minus_10_db() -> None:
    energy_ratio = 256 * 0.1
    union_bound = 99 * math.erfc(math.sqrt(energy_ratio / 2)) / 2
    assert union_bound == pytest.approx(2e-5, rel=0.1)
    assert 0 < orthogonal_symbol_error_rate(100, energy_ratio) <= union_bound
    # 10,000 transmissions: 0.2 errors expected at most, 4 or more has probability below 1e-4
    assert errors(100, 256, channel=AwgnChannel(), snr_db=-10.0, trials=10_000) < 4


@pytest.mark.parametrize(("num_classes", "k", "fading"), [(100, 16, 1), (10, 2, None), (10, 8, 3)])
def test_receiver_decides_for_the_nearest_faded_word(
    num_classes: int, k: int, fading: int | None
) -> None:
    trials = 500
    words = label_codebook(num_classes, k)
    generator = STREAMS("nearest", num_classes, k)
    labels = torch.randint(0, num_classes, (trials,), generator=generator)
    channel = RayleighChannel(coherence=fading)
    received = channel(words[labels], snr_db=torch.full((trials, 1), 0.0), generator=generator)
    distance = (received.y[:, None] - received.h[:, None] * words).abs().square().sum(dim=2)
    scores = log_posteriors(received, words, torch.zeros(num_classes))
    torch.testing.assert_close(scores.argmax(dim=1), distance.argmin(dim=1))
    literal = (-distance.double() / received.noise_power).log_softmax(dim=1)
    torch.testing.assert_close(scores.double(), literal, rtol=1e-4, atol=1e-4)


def test_error_rate_is_lower_with_fast_fading() -> None:
    slow, fast = (
        errors(10, 16, channel=RayleighChannel(coherence=L), snr_db=0.0, trials=4000)
        for L in (None, 1)
    )
    assert fast < slow / 4


@pytest.mark.parametrize(("num_classes", "k"), [(10, 64), (100, 256), (100, 16)])
def test_scores_do_not_depend_on_the_batch(num_classes: int, k: int) -> None:
    words = label_codebook(num_classes, k)
    generator = STREAMS("mates", num_classes, k)
    labels = torch.randint(0, num_classes, (250,), generator=generator)
    channel = RayleighChannel(coherence=None)
    received = channel(words[labels], snr_db=torch.full((250, 1), 30.0), generator=generator)
    together = log_posteriors(received, words, torch.zeros(num_classes))
    for i in (0, 101, 249):
        one = type(received)(*(part[i : i + 1] for part in received))
        alone = log_posteriors(one, words, torch.zeros(num_classes))
        torch.testing.assert_close(alone[0], together[i], rtol=1e-6, atol=1e-5)


def test_scheme_name_channel_uses_and_settings() -> None:
    scheme = make_scheme(100)
    assert scheme.name == LabelCodeConfig().name == "label_code"
    assert scheme.channel_uses == "k >= 4"
    assert [k for k in range(-1, 7) if scheme.serves(k)] == [4, 5, 6]
    assert "decided at the transmitter" in scheme.settings(16)
    assert "spherical" in scheme.settings(16)
    assert "simplex" in scheme.settings(256)


def test_noiseless_channel_has_no_errors() -> None:
    assert errors(100, 16, channel=AwgnChannel(), snr_db=math.inf, trials=500) == 0
