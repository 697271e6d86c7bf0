"""Link adaptation on validation images against hand-computed values and closed forms."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats

from benchmarks.baselines.adaptation import (
    GRID_DB,
    LINKS,
    Adaptation,
    CodedLink,
    IdealLink,
    block_snr_db,
    distribution,
    grid_place,
    lost_accuracy,
    pipes_of,
    polar_pipes_of,
    table_error,
)
from benchmarks.baselines.block_errors import block_errors
from benchmarks.baselines.sources import NEVER, Offer
from channels.awgn import AwgnChannel
from channels.base import ChannelOutput
from channels.digital.bit_pipe import HIGHEST_CODE_RATE
from channels.fading import RayleighChannel, RicianChannel
from channels.names import channel_from_name
from channels.theory import rayleigh_power_cdf, rician_power_cdf
from channels.units import noise_power_from_snr_db
from simulator.errors import UserError
from tests import contracts
from tests.lawless import LawlessChannel

RAYLEIGH = RayleighChannel(coherence=None)
# three images at two options: 10 and 20 bits, 10 and 30 bits, 15 bits or never
OFFER = Offer(
    torch.tensor([[10, 20], [10, 30], [15, NEVER]], dtype=torch.int32),
    torch.tensor([[1, 0], [2, 1], [0, 3]], dtype=torch.int16),
)
LABELS = torch.tensor([0, 1, 0])


@dataclass(frozen=True)
class FixedLink:
    """Loses a fixed share of all blocks."""

    payload_bits: int
    lost: float
    detects: bool = True
    bits_per_symbol: int | None = None

    def missed(self, snr_db: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full(np.shape(snr_db), float(not self.detects))

    @property
    def text(self) -> dict[str, Any]:
        return {}

    def error_rate(self, snr_db: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full(np.shape(snr_db), self.lost)

    def variance(self, snr_db: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
        return float(weights.sum() ** 2 * self.lost / 100)


def test_best_fit_takes_the_last_option_that_fits() -> None:
    option, answers, fits = OFFER.best_fit(20)
    assert fits.tolist() == [True, True, True]
    assert option.tolist() == [1, 0, 0]
    assert answers.tolist() == [0, 2, 0]
    assert OFFER.best_fit(12)[2].tolist() == [True, True, False]
    assert OFFER.best_fit(NEVER - 1)[0].tolist() == [1, 1, 0]


def adaptation(*links: FixedLink) -> Adaptation:
    return Adaptation(links, {"one": OFFER}, LABELS, channel_uses=4, num_classes=4)


@pytest.mark.parametrize(
    ("payload", "lost", "delivered", "accuracy"),
    [
        (20, 0.0, 1.0, 2 / 3),  # images 0 and 2 are right
        (30, 0.0, 1.0, 1.0),
        (30, 0.5, 0.5, 0.5 + 0.5 / 4),
        (12, 0.0, 2 / 3, (0 + 0 + 1 / 4) / 3),  # two wrong, one outage
        (5, 0.0, 0.0, 1 / 4),
    ],
)
def test_expected_accuracy_matches_hand_computed_values(
    payload: int, lost: float, delivered: float, accuracy: float
) -> None:
    choice = adaptation(FixedLink(payload, lost)).for_average(AwgnChannel(), 0.0)
    assert choice.delivered == pytest.approx(delivered)
    assert choice.accuracy == pytest.approx(accuracy)


@pytest.mark.parametrize(
    ("payload", "classes", "expected"),
    [(2, 10, 0.0), (4, 10, 0.6 / 15), (5, 4, 7 / 31), (11, 2, 1023 / 2047)],
)
def test_accuracy_of_lost_blocks_matches_hand_computed_values(
    payload: int, classes: int, expected: float
) -> None:
    assert lost_accuracy(FixedLink(payload, 0.5, detects=False), classes) == pytest.approx(expected)
    assert lost_accuracy(FixedLink(payload, 0.5), classes) == 1 / classes


def test_undetected_lost_blocks_do_not_count_as_uniform_guesses() -> None:
    """All images fit 30 bits and are classified correctly; half the blocks are lost."""
    choice = adaptation(FixedLink(30, 0.5, detects=False)).for_average(AwgnChannel(), 0.0)
    payloads = 2**30
    assert choice.accuracy == pytest.approx(0.5 + 0.5 * (payloads / 4 - 1) / (payloads - 1))
    few = Offer(torch.full((3, 1), 2, dtype=torch.int32), LABELS[:, None].to(torch.int16))
    short = Adaptation([FixedLink(2, 0.5, detects=False)], {"one": few}, LABELS, 4, 4)
    assert short.for_average(AwgnChannel(), 0.0).accuracy == pytest.approx(0.5)


def test_images_that_do_not_fit_count_as_guesses_without_error_detection() -> None:
    """Two of three images fit 12 bits and are misclassified; the third is an outage."""
    link = FixedLink(12, 0.5, detects=False)
    choice = adaptation(link).for_average(AwgnChannel(), 0.0)
    lost = lost_accuracy(link, 4)
    assert choice.accuracy == pytest.approx(1 / 3 / 4 + 0.5 * 2 / 3 * lost)
    assert choice.at_stake == pytest.approx(-2 / 3 * lost)
    assert lost != 1 / 4


def test_errors_missed_by_a_short_crc_are_counted() -> None:
    pipe = next(own for own in polar_pipes_of(16, payload_bits=(20, 60)) if own.crc_bits == 11)
    snr_db = np.array([-2.0, 0.0])
    missed = CodedLink(pipe).missed(snr_db)
    assert missed.tolist() == block_errors(pipe).missed(snr_db).tolist()
    assert (missed > 0).any()
    (long,) = pipes_of(64, payload_bits=(40, 60))[:1]
    assert not CodedLink(long).missed(snr_db).any()


def test_table_error_matches_hand_computed_values() -> None:
    """The cost of a lost block times the error of its rate; errors of links are independent."""
    one, two = (
        adaptation(FixedLink(payload, 0.04)).for_average(AwgnChannel(), 0.0) for payload in (30, 20)
    )
    assert (one.at_stake, two.at_stake) == pytest.approx((1 - 1 / 4, 2 / 3 - 1 / 4))
    met = np.zeros(3)
    assert table_error([(one, met)]) == pytest.approx(0.75 * 0.02)
    assert table_error([(one, met), (one, met)]) == pytest.approx(0.75 * 0.02)
    halves = math.hypot(0.75, 2 / 3 - 1 / 4) / 2
    assert table_error([(one, met), (two, met)]) == pytest.approx(halves * 0.02)


def test_best_pair_is_chosen_with_ties_broken_by_smallest_payload() -> None:
    choices = adaptation(FixedLink(12, 0.0), FixedLink(30, 0.2), FixedLink(31, 0.2))
    assert choices.for_average(AwgnChannel(), 0.0).link == FixedLink(30, 0.2)
    sources = Adaptation(
        [FixedLink(30, 0.0)],
        {"bad": OFFER._replace(answers=OFFER.answers + 1), "good": OFFER},
        LABELS,
        channel_uses=4,
        num_classes=4,
    )
    assert sources.for_average(AwgnChannel(), 0.0).source == "good"


def test_rayleigh_bound_matches_the_closed_form_outage() -> None:
    """R bits over k uses are lost where |h|^2 < (2^(R/k) - 1) / SNR."""
    link, snr_db = IdealLink(payload_bits=30, channel_uses=16, finite=False), 3.0
    choice = Adaptation([link], {"one": OFFER}, LABELS, 16, 4).for_average(RAYLEIGH, snr_db)
    outage = -math.expm1(-(2 ** (30 / 16) - 1) / 10**0.3)
    assert choice.delivered == pytest.approx(1 - outage, abs=1 / 4000)
    assert choice.accuracy == pytest.approx(1 - outage + outage / 4, abs=1 / 4000)


def test_normal_approximation_carries_fewer_bits_than_capacity() -> None:
    """At 12 dB, 256 uses carry 1,043 bits at capacity and 976 in the normal approximation."""
    for payload, finite, rate in ((1043, False, 0.0), (1044, False, 1.0)):
        link = IdealLink(payload_bits=payload, channel_uses=256, finite=finite)
        assert link.error_rate(np.array([12.0])) == rate
    for payload, rate in ((976, 1e-3), (977, 1.0)):
        link = IdealLink(payload_bits=payload, channel_uses=256, finite=True)
        assert link.error_rate(np.array([12.0])) == rate


def test_snr_distributions_match_theory() -> None:
    assert distribution(AwgnChannel(), snr_db=4.0, uses=8)[None].tolist() == [4.0]
    power = 10 ** (distribution(RAYLEIGH, snr_db=4.0, uses=8)[None] / 10) / 10**0.4
    level = (np.arange(4000) + 0.5) / 4000
    np.testing.assert_allclose(rayleigh_power_cdf(power), level)
    rician = 10 ** (distribution(RicianChannel(k_factor=4.0), snr_db=0.0, uses=8)[None] / 10)
    np.testing.assert_allclose(rician_power_cdf(rician, k_factor=4.0), level, rtol=1e-6)


@pytest.mark.parametrize("k_factor", [1e8, 1e11, 1e200])
def test_rician_choices_equal_awgn_choices_for_large_k_factors(k_factor: float) -> None:
    links = [IdealLink(payload_bits=bits, channel_uses=4, finite=False) for bits in (12, 20, 30)]
    adapted = Adaptation(links, {"one": OFFER}, LABELS, channel_uses=4, num_classes=4)
    rician = RicianChannel(k_factor=k_factor)
    for snr_db in (-10.0, 10.0, 17.0, 30.0):
        expected = adapted.for_average(AwgnChannel(), snr_db)
        assert adapted.for_average(rician, snr_db) == expected


def test_nan_accuracies_raise_an_error() -> None:
    with pytest.raises(UserError, match="must be numbers, got nan"):
        adaptation(FixedLink(12, 0.1), FixedLink(20, math.nan)).for_average(AwgnChannel(), 0.0)


def test_noiseless_bound_loses_at_most_one_block_in_1000() -> None:
    for finite in (False, True):
        link = IdealLink(payload_bits=30, channel_uses=1, finite=finite)
        assert link.error_rate(np.array([math.inf]))[0] <= 1e-3


@pytest.mark.parametrize("coherence", [None, 4])
def test_gains_are_drawn_for_channels_without_a_known_distribution(coherence: int | None) -> None:
    channel = LawlessChannel(coherence=coherence)
    power = 10 ** (distribution(channel, snr_db=0.0, uses=4)[None] / 10)
    assert len(power) == 4000
    assert stats.kstest(power, "expon").pvalue > 1e-4


def test_snr_of_varying_gains_follows_from_their_mean_capacity() -> None:
    h = torch.tensor([[1.0, 2.0], [0.5, 0.5]], dtype=torch.complex64)
    known = ChannelOutput(y=h, h=h, noise_power=torch.ones(2, 1))
    met = block_snr_db(known, snr_db=torch.zeros(2, 1))
    expected = 10 * math.log10(2 ** ((math.log2(2) + math.log2(5)) / 2) - 1)
    assert met.tolist() == pytest.approx([expected, 10 * math.log10(0.25)])
    doubled = block_snr_db(
        known._replace(noise_power=torch.full((2, 2), 2.0)), snr_db=torch.zeros(2, 1)
    )
    assert float(doubled[1]) == pytest.approx(10 * math.log10(0.125))
    drawn = distribution(RayleighChannel(coherence=1), snr_db=10.0, uses=64)[None]
    mean_capacity = np.log2(1 + 10 ** (drawn / 10)).mean()
    gains = -np.log1p(-(np.arange(10**5) + 0.5) / 10**5)
    capacity = np.log2(1 + 10 * gains)
    assert abs(mean_capacity - capacity.mean()) < 4 * capacity.std() / (4000 * 64) ** 0.5


def test_genie_never_chooses_more_bits_than_its_snr_carries() -> None:
    links = [IdealLink(payload_bits=bits, channel_uses=16, finite=False) for bits in (10, 15, 30)]
    found = Adaptation(links, {"one": OFFER}, LABELS, 16, 4).for_each_snr
    assert len(found) == len(GRID_DB)
    for snr_db in (-3.0, 0.01, 4.37, 20.0, 90.0):
        choice = found[int(grid_place(np.array([snr_db]))[0])]
        carried = 16 * math.log2(1 + 10 ** (snr_db / 10))
        assert choice.delivered == 0 or choice.link.payload_bits <= carried
    assert found[-1].accuracy == 1.0
    assert [grid_place(np.array([v]))[0] for v in (-99.0, 0.0, 0.049, 0.05)] == [0, 600, 600, 601]


def test_link_payloads_ascend_within_their_bounds() -> None:
    carried = [bits * rate for bits, rate in LINKS]
    assert carried == sorted(set(carried))
    for uses, bounds in ((64, (80, 500)), (1536, (80, 10**6))):
        payloads = [pipe.payload_bits for pipe in pipes_of(uses, payload_bits=bounds)]
        assert payloads == sorted(set(payloads))
        assert bounds[0] <= payloads[0]
        assert payloads[-1] <= min(bounds[1], 8448)


@pytest.mark.parametrize("uses", [16, 64, 256])
def test_polar_link_payloads_ascend_within_their_bounds(uses: int) -> None:
    pipes = polar_pipes_of(uses, payload_bits=(8, 400))
    payloads = [pipe.payload_bits for pipe in pipes]
    assert payloads == sorted(set(payloads))
    assert payloads[0] >= 12
    assert payloads[-1] <= 100
    for pipe in pipes:
        assert pipe.bits_per_symbol <= 6
        assert pipe.crc_bits == (6 if pipe.payload_bits <= 19 else 11)
    assert polar_pipes_of(uses, payload_bits=(80, 400)) == tuple(
        pipe for pipe in pipes if pipe.payload_bits >= 80
    )


def test_polar_payloads_exclude_the_crc_bits() -> None:
    """Rate 2/3 of 32 coded bits: 21, CRC6; 5/6: 26, still CRC6; 1/2 of 64: 32, CRC11."""
    found = [pipe.payload_bits for pipe in polar_pipes_of(16, payload_bits=(8, 400))]
    assert found[:4] == [15, 18, 19, 21]


def test_links_that_cannot_be_decoded_are_omitted(monkeypatch: pytest.MonkeyPatch) -> None:
    links = ((2, Fraction(1, 2)), (2, HIGHEST_CODE_RATE))
    monkeypatch.setattr("benchmarks.baselines.adaptation.LINKS", links)
    assert [pipe.payload_bits for pipe in pipes_of(66, payload_bits=(1, 200))] == [50]  # not 106
    assert len(pipes_of(100, payload_bits=(1, 200))) == 2


def test_unit_gain_gives_exactly_the_requested_snr() -> None:
    """A noise power in single precision would change the rates of steep tables."""
    for snr_db in (-3.3, 2.0, 7.7):
        own = torch.full((3, 1), snr_db)
        noise = noise_power_from_snr_db(own)
        ones = torch.ones((3, 4), dtype=torch.complex64)
        met = block_snr_db(ChannelOutput(y=ones, h=ones, noise_power=noise), snr_db=own)
        assert met.tolist() == pytest.approx([float(own[0, 0])] * 3, abs=1e-12)


def test_snr_distribution_over_an_amplifier_is_for_data_symbols() -> None:
    """Equal symbols on all subcarriers form an impulse, which an amplifier clips."""
    x = contracts.qpsk(4000, 64)
    for name in ("tdl:A+pa:0+lmmse:8", "tdl:A+pa:6+lmmse:8"):
        channel = channel_from_name(name)
        received = contracts.send(channel, x, snr_db=20.0)
        met = distribution(channel, snr_db=20.0, uses=64)[None]
        expected = block_snr_db(received, snr_db=torch.full((4000, 1), 20.0)).numpy()
        assert np.median(met) == pytest.approx(np.median(expected), abs=0.3)
