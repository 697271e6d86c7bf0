"""The doctor accepts correct channels, and detects wrong powers, correlations and estimates."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from channels.base import Channel, ChannelOutput
from channels.estimate import EstimatedChannel
from channels.law import ChannelLaw
from channels.names import ESTIMATED, EXAMPLES, channel_from_name
from channels.ofdm.multipath import multipath_from_text
from channels.ofdm.tdl import TdlChannel, covariance
from simulator.errors import UserError
from simulator.measures.doctor import check_channels
from tests.lawless import LawlessChannel

CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Faulty(Channel):
    """A channel with too much noise or gain, which reports the nominal values."""

    right: Channel = field(default_factory=lambda: channel_from_name("rayleigh_fast"))
    noise_factor: float = 1.0
    gain_factor: float = 1.0
    told_factor: float = 1.0  # of the reported noise power
    says: Channel | None = None  # whose law it claims

    @property
    def name(self) -> str:
        return "faulty"

    @property
    def law(self) -> ChannelLaw:
        return ChannelLaw() if self.says is None else self.says.law

    def __call__(self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
        y, h, noise_power = self.right(x, snr_db=snr_db, generator=generator)
        gain = h * self.gain_factor**0.5
        noise = (y - h * x) * self.noise_factor**0.5
        return ChannelOutput(gain * x + noise, gain, noise_power * self.told_factor)


@pytest.mark.parametrize("name", EXAMPLES)
def test_correct_channels_pass(name: str) -> None:
    table = check_channels(CPU, (channel_from_name(name),))
    assert len(table) >= 5
    assert table["verdict"].eq("ok").all(), table.to_string()


@pytest.mark.parametrize(
    ("faulty", "quantity"),
    [
        (Faulty(noise_factor=2.0), "E|w|^2"),
        (Faulty(noise_factor=1.012), "E|w|^2"),  # 0.05 dB
        (Faulty(told_factor=2.0), "N0 reported"),
        (Faulty(gain_factor=2.0), "E|h|^2"),
        # fade from use to use, but claim another law
        (Faulty(says=channel_from_name("awgn")), "var of mean |h|^2"),
        (Faulty(says=channel_from_name("rayleigh")), "SNR spread in dB"),
        (Faulty(says=channel_from_name("rician:4")), "QPSK bit error rate"),
        (Faulty(right=channel_from_name("rician:4"), gain_factor=2.0), "E|h|^2"),
    ],
)
def test_wrong_powers_and_laws_are_detected(faulty: Faulty, quantity: str) -> None:
    table = check_channels(CPU, (faulty,))
    assert table.set_index("quantity")["verdict"][quantity] == "OFF"


@pytest.mark.parametrize("name", [*ESTIMATED, "rayleigh+ls:4+interleaved"])
def test_correct_estimates_pass(name: str) -> None:
    table = check_channels(CPU, (channel_from_name(name),))
    assert table["quantity"].tolist() == ["E|h - estimate|^2"]
    assert table["verdict"].eq("ok").all(), table.to_string()


@pytest.mark.parametrize("name", ["tdl:A+pa:3+interleaved", "tdl:A+pa:3+lmmse:8"])
def test_wrapped_impairments_raise_an_error(name: str) -> None:
    with pytest.raises(UserError, match=r"doctor has no closed form for \+pa and \+cfo, got tdl"):
        check_channels(CPU, (channel_from_name(name),))


@dataclass(frozen=True, kw_only=True)
class Misled(TdlChannel):
    """A multipath channel whose law overstates the loss of correlation by 5 %."""

    @property
    def law(self) -> ChannelLaw:
        def too_little(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.complex128]:
            true = covariance(self.link, a, b)
            return np.asarray(1 - 1.05 * (1 - true))

        return replace(super().law, covariance_of_uses=too_little)


@pytest.mark.parametrize("text", ["A", "C:300ns:120kmh"])
def test_correlation_error_of_5_percent_is_detected(text: str) -> None:
    table = check_channels(CPU, (Misled(link=multipath_from_text(text)),)).set_index("quantity")
    own = table[table.index.str.startswith("1 - corr")]
    assert len(own) == 3
    assert own["verdict"].eq("OFF").all(), table.to_string()


@pytest.mark.parametrize("text", ["A", "C:300ns:120kmh"])
def test_multipath_power_error_of_5_percent_is_detected(text: str) -> None:
    tdl = TdlChannel(link=multipath_from_text(text))
    table = check_channels(CPU, (Faulty(right=tdl, gain_factor=1.05 if text == "A" else 0.95),))
    assert table.set_index("quantity")["verdict"]["E|h|^2"] == "OFF"


@pytest.mark.parametrize("name", ESTIMATED)
def test_estimation_error_reported_5_percent_off_is_detected(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from channels import estimate

    right = estimate.filter_of

    def wrong(channel: EstimatedChannel, uses: int, device: torch.device) -> estimate.Filter:
        own = right(channel, uses, device)
        terms = {part: 1.05 * getattr(own, part) for part in ("floor", "slope", "shares")}
        return own._replace(**terms)

    monkeypatch.setattr(estimate, "filter_of", wrong)
    table = check_channels(CPU, (channel_from_name(name),))
    assert table["verdict"].tolist() == ["OFF"]


def test_channel_without_a_law_is_checked_only_against_the_contract() -> None:
    table = check_channels(CPU, (LawlessChannel(),))
    assert table["quantity"].tolist() == ["E|w|^2", "N0 reported", "E|h|^2"]
    assert table["verdict"].eq("ok").all()


def test_doctor_command_fails_if_a_channel_is_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from simulator import __main__
    from simulator.measures import doctor

    monkeypatch.setattr("sys.argv", ["semlink", "doctor"])
    monkeypatch.setattr(doctor, "channel_from_name", lambda _: Faulty(noise_factor=2.0))
    monkeypatch.setattr(doctor, "EXAMPLES", ("awgn",))
    monkeypatch.setattr(doctor, "ESTIMATED", ())
    with pytest.raises(SystemExit) as stop:
        __main__.main()
    assert stop.value.code == 1
    assert "OFF" in capsys.readouterr().out
