"""The channel contract, checked for every channel that has a name, and for a mixture."""

import pytest

from channels.base import Channel
from channels.mixture import ChannelMixture
from channels.names import EXAMPLES, channel_from_name
from tests import contracts

MIXTURE = ChannelMixture(channels=(channel_from_name("awgn"), channel_from_name("rayleigh")))


@pytest.fixture(params=[*EXAMPLES, MIXTURE.name])
def channel(request: pytest.FixtureRequest) -> Channel:
    return MIXTURE if request.param == MIXTURE.name else channel_from_name(request.param)


def test_outputs_have_the_declared_shapes(channel: Channel) -> None:
    contracts.channel_gives_declared_shapes(channel)


def test_same_stream_gives_the_same_output(channel: Channel) -> None:
    contracts.channel_repeats_with_the_same_stream(channel)


def test_another_stream_gives_another_output(channel: Channel) -> None:
    contracts.channel_differs_with_another_stream(channel)


def test_consecutive_calls_draw_new_values(channel: Channel) -> None:
    contracts.channel_goes_on_with_its_stream(channel)


def test_images_do_not_affect_each_other(channel: Channel) -> None:
    contracts.channel_keeps_images_apart(channel)


def test_draws_do_not_depend_on_the_sent_symbols(channel: Channel) -> None:
    contracts.channel_draws_depend_on_shape_and_stream_alone(channel)


def test_unit_mean_gain_and_requested_es_over_n0(channel: Channel) -> None:
    contracts.channel_has_unit_gain_and_the_noise_asked_for(channel)


def test_drawn_gains_match_the_channel_law(channel: Channel) -> None:
    contracts.channel_gain_is_as_its_law_says(channel)


def test_channel_law_is_self_consistent(channel: Channel) -> None:
    contracts.channel_law_agrees_with_itself(channel)


def test_noise_is_circularly_symmetric(channel: Channel) -> None:
    contracts.channel_noise_is_circular(channel)


def test_each_image_may_have_its_own_snr(channel: Channel) -> None:
    contracts.channel_serves_one_snr_per_image(channel)


def test_gradients_pass_through_the_channel(channel: Channel) -> None:
    contracts.channel_passes_gradients(channel)


def test_global_random_state_is_unchanged(channel: Channel) -> None:
    contracts.channel_leaves_global_randomness_alone(channel)


def test_invalid_inputs_raise_an_error(channel: Channel) -> None:
    contracts.channel_rejects_what_it_cannot_send(channel)


def test_channels_are_immutable_and_compare_by_value(channel: Channel) -> None:
    contracts.channel_is_a_value(channel)
