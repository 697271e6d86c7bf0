"""Tables of block error rates: interpolation, variance, and agreement with decoding."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.baselines.block_errors import BlockErrors, block_errors
from channels.awgn import AwgnChannel
from channels.base import Channel
from channels.digital.bit_pipe import BitPipe, payload_bits_for
from channels.digital.small_block import SmallBlockPipe
from channels.names import channel_from_name
from channels.streams import Streams

TABLE = BlockErrors(
    snr_db=(0.0, 1.0, 2.0), blocks=(100, 1000, 10_000), errors=(100, 100, 1), undetected=(0, 0, 0)
)


def test_error_rates_between_below_and_above_the_tabulated_snrs() -> None:
    rates = TABLE(np.array([-5.0, 0.0, 0.5, 1.0, 2.0, 2.1]))
    np.testing.assert_allclose(rates, [1, 1, 10**-0.5, 0.1, 1e-4, 0])


def test_error_rate_without_a_crc_approaches_a_guess_below_the_table() -> None:
    without_crc = replace(TABLE, errors=(90, 100, 1), undetected=(90, 100, 1), limit=0.97)
    rates = without_crc(np.array([-200.0, -20.0, -0.0, 3.0]))
    np.testing.assert_allclose(rates, [0.97, 0.963, 0.9, 0])
    at = without_crc.variance(np.array([-20.0]), np.array([0.5]))
    assert at == pytest.approx((0.5 * 0.1) ** 2 * 0.9 * 0.1 / 100)


def test_error_rates_of_a_short_code_follow_the_table_far_below_it() -> None:
    """3 bits over 16 uses, decoded below the table, the last time with hardly any signal."""
    link = SmallBlockPipe(payload_bits=3, channel_uses=16)
    table = block_errors(link)
    for below_db in (6.0, 12.0, 60.0):
        snr_db = table.snr_db[0] - below_db
        blocks, streams = 40_000, Streams(seed=3)
        arrived = link(
            torch.zeros((blocks, 3), dtype=torch.uint8),
            channel=AwgnChannel(),
            snr_db=torch.full((blocks, 1), snr_db),
            channel_generator=streams("channel"),
            scrambling_generator=streams("scrambling"),
        )
        failed = float(arrived.payload.any(dim=1).double().mean())
        spread = (0.25 / blocks) ** 0.5 + table.variance(np.array([snr_db]), np.ones(1)) ** 0.5
        assert abs(failed - float(table(np.array([snr_db]))[0])) < 4 * spread


def test_fraction_of_errors_missed_by_the_crc() -> None:
    short_crc = replace(TABLE, undetected=(0, 50, 1))
    np.testing.assert_allclose(short_crc.missed(np.array([-5, 0.5, 1, 9])), [0, 0.25, 0.5, 1])
    assert not short_crc.guesses


def test_variance_of_rates_matches_hand_computed_values() -> None:
    at = TABLE.variance(np.array([1.0]), np.array([0.5]))
    assert at == pytest.approx(0.25 * 0.1 * 0.9 / 1000)
    # at 1.5 dB the rate is sqrt(r s), its derivatives rate / (2 r) and rate / (2 s)
    rate, r, s = 0.1**0.5 * 1e-2, 0.1, 1e-4
    between = (rate / 2 / r) ** 2 * r * (1 - r) / 1000 + (rate / 2 / s) ** 2 * s * (1 - s) / 1e4
    assert TABLE.variance(np.array([1.5]), np.ones(1)) == pytest.approx(between)
    assert TABLE.variance(np.array([-9.0, 9.0]), np.ones(2)) == 0


def test_variance_of_mean_rates_matches_resampled_tables() -> None:
    """Tables resampled from the rates of one table, averaged over the SNRs of a fading channel."""
    met = np.linspace(0.2, 1.9, 50)
    table = replace(TABLE, blocks=(1000, 1000, 10_000), errors=(900, 100, 50))
    drawn = np.random.default_rng(0).binomial(table.blocks, table.rates, size=(4000, 3))
    means = [replace(table, errors=tuple(own))(met).mean() for own in drawn]
    told = table.variance(met, np.full(50, 1 / 50))
    assert np.var(means) == pytest.approx(told, rel=5 * (2 / 4000) ** 0.5)


def pipe() -> BitPipe:
    payload = payload_bits_for(channel_uses=48, bits_per_symbol=4, code_rate=0.5)
    return BitPipe(payload_bits=payload, channel_uses=48, bits_per_symbol=4)


@pytest.fixture(scope="module")
def small_table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlockErrors]:
    """A table of few blocks, measured once and read back from its file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMLINK_CACHE", str(tmp_path_factory.mktemp("tables")))
        for constant, value in (("BITS", 10**7), ("LEAST_BLOCKS", 5000), ("MORE", 1.0)):
            patch.setattr(f"benchmarks.baselines.block_errors.{constant}", value)
        block_errors.cache_clear()
        table = block_errors(pipe())
        assert block_errors.__wrapped__(pipe()) == table  # from the file
        yield table
    block_errors.cache_clear()


@pytest.mark.parametrize(
    ("name", "snr_db"), [("awgn", 6.0), ("awgn", 7.1), ("rayleigh", 8.0), ("rician:4", 7.0)]
)
def test_table_and_decoding_agree(name: str, snr_db: float, small_table: BlockErrors) -> None:
    """Every block of random payloads is decoded; compared with the mean rate at their SNRs."""
    blocks, streams = 8000, Streams(seed=5)
    channel: Channel = channel_from_name(name)
    snr = torch.full((blocks, 1), snr_db)
    payload = torch.randint(
        0, 2, (blocks, pipe().payload_bits), generator=streams("payload"), dtype=torch.uint8
    )
    arrived = pipe()(
        payload,
        channel=channel,
        snr_db=snr,
        channel_generator=streams("channel", name),
        scrambling_generator=streams("scrambling", name),
    )
    failed = ~arrived.crc_ok
    ones = torch.ones((blocks, 48), dtype=torch.complex64)
    h = channel(ones, snr_db=snr, generator=streams("channel", name)).h[:, 0]
    rate = small_table(snr_db + 20 * np.log10(h.abs().numpy().astype(np.float64)))
    spread = float(np.sqrt((rate * (1 - rate)).sum())) / blocks + 0.5 / 5000**0.5 / 4
    assert abs(float(failed.double().mean()) - rate.mean()) < 4 * spread
