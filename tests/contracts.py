"""Properties that every channel must have: one function each, called for every channel."""

import copy
import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from channels.base import Channel, ChannelOutput
from channels.streams import Streams

FOUR_SIGMA = 6.3e-5  # probability of a normal variable beyond 4 standard deviations
STREAMS = Streams(seed=20)


def qpsk(batch: int, k: int, *name: str) -> Tensor:
    """Random QPSK symbols of unit power, [batch, k] complex64."""
    bits = torch.randint(0, 2, (batch, k, 2), generator=STREAMS("symbols", batch, k, *name))
    return torch.view_as_complex((1.0 - 2.0 * bits) / math.sqrt(2.0))


def send(
    channel: Channel, x: Tensor, snr_db: float = 3.0, stream: str = "channel"
) -> ChannelOutput:
    """Send x with one SNR for all images, from the beginning of a named stream."""
    return channel(x, snr_db=torch.full((len(x), 1), snr_db), generator=STREAMS(stream))


def same(left: ChannelOutput, right: ChannelOutput) -> bool:
    """Whether two outputs are equal bit for bit."""
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def channel_gives_declared_shapes(channel: Channel) -> None:
    for batch, k in ((1, 1), (3, 7), (2, 64)):
        received = send(channel, qpsk(batch, k))
        assert received.y.shape == received.h.shape == (batch, k)
        assert received.noise_power.shape == (batch, 1)
        assert received.y.dtype == received.h.dtype == torch.complex64
        assert received.noise_power.dtype == torch.float32


def channel_repeats_with_the_same_stream(channel: Channel) -> None:
    assert same(send(channel, qpsk(5, 16)), send(channel, qpsk(5, 16)))


def channel_differs_with_another_stream(channel: Channel) -> None:
    first, second = (send(channel, qpsk(5, 16), stream=stream) for stream in ("one", "other"))
    assert bool((first.y != second.y).all())


def channel_goes_on_with_its_stream(channel: Channel) -> None:
    generator, snr_db = STREAMS("goes on"), torch.zeros(5, 1)
    first, second = (channel(qpsk(5, 16), snr_db=snr_db, generator=generator) for _ in range(2))
    assert bool((first.y != second.y).all())


def channel_keeps_images_apart(channel: Channel) -> None:
    x = qpsk(4, 16)
    louder = x.clone()
    louder[1] = 100.0 * x[1].conj()
    snr_db = torch.full((4, 1), 3.0)
    worse = snr_db.clone()
    worse[1] = -20.0
    before = channel(x, snr_db=snr_db, generator=STREAMS("apart"))
    after = channel(louder, snr_db=worse, generator=STREAMS("apart"))
    for image in (0, 2, 3):
        assert same(
            ChannelOutput(*(part[image] for part in before)),
            ChannelOutput(*(part[image] for part in after)),
        )
    assert not torch.equal(before.y[1], after.y[1])


def channel_draws_depend_on_shape_and_stream_alone(channel: Channel) -> None:
    x, silence = qpsk(5, 16), torch.zeros(5, 16, dtype=torch.complex64)
    heard, unheard = send(channel, x, snr_db=3.0), send(channel, silence, snr_db=3.0)
    assert torch.equal(heard.h, unheard.h)
    torch.testing.assert_close(heard.y - heard.h * x, unheard.y, rtol=0.0, atol=1e-6)
    quieter = send(channel, silence, snr_db=23.0)
    assert torch.equal(quieter.h, unheard.h)
    torch.testing.assert_close(quieter.y * 10.0, unheard.y, rtol=1e-5, atol=1e-7)


def channel_has_unit_gain_and_the_noise_asked_for(channel: Channel) -> None:
    """Measured Es/N0 within 0.05 dB, and within four standard errors of its estimate."""
    batch, k = 250_000, 2
    snr_db = 7.0
    x = qpsk(batch, k)
    received = send(channel, x, snr_db=snr_db)
    gains = received.h.abs().double().square().mean(dim=1)  # [B]
    gain = float(gains.mean())
    noise = float((received.y - received.h * x).abs().double().square().mean())
    asked = 10.0 ** (-snr_db / 10.0)
    assert torch.allclose(received.noise_power, torch.tensor(asked))
    # |w|^2 is exponential; the k gains of one image may be equal, so only images are counted
    relative_noise_error = math.sqrt(1.0 / (batch * k))
    gain_error = float(gains.std()) / math.sqrt(batch)
    assert abs(noise / asked - 1.0) < 4.0 * relative_noise_error
    assert abs(gain - 1.0) <= 4.0 * gain_error + 1e-6  # 1e-6 is single precision
    error_db = 10.0 / math.log(10.0) * math.hypot(relative_noise_error, gain_error)
    assert 4.0 * error_db < 0.05
    assert abs(10.0 * math.log10(gain / noise) - snr_db) < 0.05


def channel_gain_is_as_its_law_says(channel: Channel) -> None:
    """The law agrees with drawn gains. With blocks of 4 uses, k = 4 has one gain and k = 6 two."""
    batch = 20_000
    for k in (1, 4, 6):
        h = send(channel, qpsk(batch, k)).h
        if (one := channel.law.one_gain(k)) is not None:
            assert bool((h == h[:, :1]).all()) == one
        if (variance := channel.law.mean_power_variance(k)) is not None:
            mean_power = h.abs().double().square().mean(dim=1)
            squares = (mean_power - mean_power.mean()).square()
            error = float(squares.std()) / math.sqrt(batch)
            assert abs(float(squares.mean()) - variance) < 4 * error + 1e-6  # single precision
    if channel.law.power_quantile is not None and channel.law.power_variance:
        levels = (np.arange(10_000) + 0.5) / 10_000
        quantiles = channel.law.power_quantile(levels)
        power = send(channel, qpsk(batch, 1)).h.abs().square().flatten().numpy()
        fit = stats.kstest(power, lambda values: np.interp(values, quantiles, levels))
        assert fit.pvalue > FOUR_SIGMA


def channel_law_agrees_with_itself(channel: Channel) -> None:
    """The mean, variance and spread of |h|^2 in the law agree with its quantile function."""
    law = channel.law
    if law.power_quantile is None:
        return
    power = law.power_quantile((np.arange(20_000) + 0.5) / 20_000)
    assert power.mean() == pytest.approx(1.0, abs=1e-3)
    if law.power_variance is not None:
        assert power.var() == pytest.approx(law.power_variance, rel=0.01)
    if law.power_spread_db is not None:
        assert (10 * np.log10(power)).std() == pytest.approx(law.power_spread_db, rel=0.01)


def channel_noise_is_circular(channel: Channel) -> None:
    """Each real dimension has half of the noise power, and the two are uncorrelated."""
    count = 200_000
    received = send(channel, torch.zeros(count, 1, dtype=torch.complex64), snr_db=0.0)
    real, imag = received.y.real.double(), received.y.imag.double()
    error = math.sqrt(2.0) * 0.5 / math.sqrt(count)  # a normal variable's variance estimate
    assert abs(float(real.square().mean()) - 0.5) < 4.0 * error
    assert abs(float(imag.square().mean()) - 0.5) < 4.0 * error
    assert abs(float((real * imag).mean())) < 4.0 * 0.5 / math.sqrt(count)


def channel_serves_one_snr_per_image(channel: Channel) -> None:
    snr_db = torch.tensor([[-10.0], [0.0], [20.0]])
    silence = torch.zeros(3, 20_000, dtype=torch.complex64)
    received = channel(silence, snr_db=snr_db, generator=STREAMS("per image"))
    measured = received.y.abs().square().mean(dim=1)
    expected = torch.tensor([10.0, 1.0, 0.01])
    torch.testing.assert_close(received.noise_power[:, 0], expected)
    assert bool(((measured / expected - 1.0).abs() < 4.0 / math.sqrt(20_000)).all())


def channel_passes_gradients(channel: Channel) -> None:
    """The gradient of Re(sum c* y) with y = h x + w is c h*, in torch's convention."""
    x = qpsk(3, 8).requires_grad_()
    received = send(channel, x)
    weight = qpsk(3, 8, "weight")
    (weight.conj() * received.y).real.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, weight * received.h.conj())


def channel_leaves_global_randomness_alone(channel: Channel) -> None:
    before = torch.get_rng_state()
    send(channel, qpsk(5, 16))
    assert torch.equal(torch.get_rng_state(), before)


def channel_rejects_what_it_cannot_send(channel: Channel) -> None:
    x, snr_db, generator = qpsk(3, 8), torch.zeros(3, 1), STREAMS("rejects")
    for bad_x in (x.real, x[0], x[None], x[:0], x[:, :0], torch.ones(3, 8, dtype=torch.int64)):
        with pytest.raises(ValueError, match="x must be complex"):
            channel(bad_x, snr_db=snr_db, generator=generator)
    for bad_shape in (
        torch.zeros(3),
        torch.zeros(1, 1),
        torch.zeros(3, 8),
        torch.zeros(3, 1).int(),
    ):
        with pytest.raises(ValueError, match="snr_db must be a float tensor"):
            channel(x, snr_db=bad_shape, generator=generator)
    for bad_value in (math.nan, -math.inf):
        with pytest.raises(ValueError, match="snr_db must be a number"):
            channel(x, snr_db=torch.full((3, 1), bad_value), generator=generator)
    with pytest.raises(ValueError, match="must be on one device"):
        channel(x.to("meta"), snr_db=snr_db, generator=generator)


def channel_is_a_value(channel: Channel) -> None:
    """A copy equals the channel and has the same hash; attributes cannot be assigned."""
    assert copy.deepcopy(channel) == channel
    assert hash(copy.deepcopy(channel)) == hash(channel)
    with pytest.raises(FrozenInstanceError):
        channel.name = "other"  # type: ignore[misc]
