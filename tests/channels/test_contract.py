"""The channel contract, for every channel that a user can name."""

import pytest

from channels.base import Channel
from channels.mixture import ChannelMixture
from channels.names import EXAMPLES, channel_from_name
from tests import contracts

MIXTURE = ChannelMixture(channels=(channel_from_name("awgn"), channel_from_name("rayleigh")))


@pytest.fixture(params=[*EXAMPLES, MIXTURE.name])
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


def test_es_over_n0(channel: Channel) -> None:
    contracts.channel_has_unit_gain_and_the_noise_asked_for(channel)


def test_gains_follow_the_law(channel: Channel) -> None:
    contracts.channel_gain_is_as_its_law_says(channel)


def test_law_is_consistent(channel: Channel) -> None:
    contracts.channel_law_agrees_with_itself(channel)


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
