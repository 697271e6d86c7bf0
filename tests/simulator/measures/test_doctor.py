"""The doctor passes right channels and finds one whose noise or fading power is doubled."""

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from channels.base import Channel, ChannelOutput
from channels.names import channel_from_name
from simulator.measures.doctor import CHANNELS, check_channels

CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Faulty:
    """A channel with too much noise or too strong a gain, which reports what it should have."""

    right: Channel = field(default_factory=lambda: channel_from_name("rayleigh_fast"))
    noise_factor: float = 1.0
    gain_factor: float = 1.0
    told_factor: float = 1.0  # of the noise power that the receiver is told

    @property
    def name(self) -> str:
        return "faulty"

    def __call__(self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
        y, h, noise_power = self.right(x, snr_db=snr_db, generator=generator)
        gain = h * self.gain_factor**0.5
        noise = (y - h * x) * self.noise_factor**0.5
        return ChannelOutput(gain * x + noise, gain, noise_power * self.told_factor)


@pytest.mark.parametrize("name", CHANNELS)
def test_right_channels_pass(name: str) -> None:
    table = check_channels(CPU, (channel_from_name(name),))
    assert len(table) >= 5
    assert table["verdict"].eq("ok").all(), table.to_string()


@pytest.mark.parametrize(
    ("faulty", "quantity"),
    [
        (Faulty(noise_factor=2.0), "E|w|^2"),
        (Faulty(noise_factor=1.012), "E|w|^2"),  # 0.05 dB
        (Faulty(told_factor=2.0), "N0 told"),
        (Faulty(gain_factor=2.0), "E|h|^2"),
        (Faulty(), "var of mean |h|^2"),  # fades from use to use, but does not say so
        (Faulty(right=channel_from_name("rician:4"), gain_factor=2.0), "E|h|^2"),
    ],
)
def test_wrong_powers_are_found(faulty: Faulty, quantity: str) -> None:
    table = check_channels(CPU, (faulty,))
    assert table.set_index("quantity")["verdict"][quantity] == "OFF"


def test_command_fails_when_a_channel_is_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from simulator import __main__
    from simulator.measures import doctor

    monkeypatch.setattr("sys.argv", ["semlink", "doctor"])
    monkeypatch.setattr(doctor, "channel_from_name", lambda _: Faulty(noise_factor=2.0))
    with pytest.raises(SystemExit) as stop:
        __main__.main()
    assert stop.value.code == 1
    assert "OFF" in capsys.readouterr().out
