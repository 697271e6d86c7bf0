"""The channel contract, for every channel that a user can name."""

import pytest

from channels.base import Channel
from channels.mixture import ChannelMixture
from channels.names import channel_from_name
from channels.theory import rician_power_variance
from tests import contracts

# name -> variance of |h|^2
CHANNELS = {
    "awgn": 0.0,
    "rayleigh": 1.0,
    "rayleigh_block:4": 1.0,
    "rayleigh_fast": 1.0,
    "rician:1": rician_power_variance(1.0),
    "rician:4": rician_power_variance(4.0),
}
MIXTURE = ChannelMixture(channels=(channel_from_name("awgn"), channel_from_name("rayleigh")))


@pytest.fixture(params=[*CHANNELS, MIXTURE.name])
def channel(request: pytest.FixtureRequest) -> Channel:
    return MIXTURE if request.param == MIXTURE.name else channel_from_name(request.param)


def test_shapes(channel: Channel) -> None:
    contracts.channel_gives_declared_shapes(channel)


def test_same_stream_same_output(channel: Channel) -> None:
    contracts.channel_repeats_with_the_same_stream(channel)


def test_another_stream_another_output(channel: Channel) -> None:
    contracts.channel_differs_with_another_stream(channel)


def test_the_stream_goes_on(channel: Channel) -> None:
    contracts.channel_goes_on_with_its_stream(channel)


def test_images_do_not_touch(channel: Channel) -> None:
    contracts.channel_keeps_images_apart(channel)


def test_draws_depend_on_nothing_sent(channel: Channel) -> None:
    contracts.channel_draws_depend_on_shape_and_stream_alone(channel)


@pytest.mark.parametrize("name", CHANNELS)
def test_es_over_n0(name: str) -> None:
    contracts.channel_has_unit_gain_and_the_noise_asked_for(channel_from_name(name), CHANNELS[name])


def test_noise_is_circular(channel: Channel) -> None:
    contracts.channel_noise_is_circular(channel)


def test_one_snr_per_image(channel: Channel) -> None:
    contracts.channel_serves_one_snr_per_image(channel)


def test_gradients(channel: Channel) -> None:
    contracts.channel_passes_gradients(channel)


def test_global_randomness(channel: Channel) -> None:
    contracts.channel_leaves_global_randomness_alone(channel)


def test_wrong_inputs(channel: Channel) -> None:
    contracts.channel_rejects_what_it_cannot_send(channel)


def test_is_a_value(channel: Channel) -> None:
    contracts.channel_is_a_value(channel)
