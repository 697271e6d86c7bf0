"""Settings of a multipath OFDM link, parsed from a channel's name; without heavy imports.

A name such as `tdl:C:300ns:120kmh` gives a 3GPP profile and, in any order, the options that differ
from their defaults. Each option is a number with its unit: delay spread in ns, speed in kmh,
carrier in GHz, subcarrier spacing in kHz, number of subcarriers in sc.
"""

import re
from dataclasses import dataclass, fields
from typing import Any, Final

SPEED_OF_LIGHT: Final = 299_792_458.0  # m/s
PREFIX: Final = 144 / 2048  # normal cyclic prefix over the useful symbol, TS 38.211 sec. 5.3.1
LONGEST: Final = {"A": 9.6586, "B": 4.7834, "C": 8.6523, "D": 12.525, "E": 20.6519}
# normalised delay of the last tap, TR 38.901 tables 7.7.2-1 to 7.7.2-5
MOST_DOPPLER: Final = 0.03  # of the subcarrier spacing: interference 28 dB below the signal
MOST_BANDWIDTH_MHZ: Final = 2000.0  # for which the profiles hold, TR 38.901 sec. 7.7
UNITS: Final = {
    "ns": ("delay_spread_ns", "delay spread", 0.0, 100_000.0),
    "kmh": ("speed_kmh", "speed", 0.0, 1000.0),
    "GHz": ("carrier_ghz", "carrier", 0.5, 100.0),
    "kHz": ("spacing_khz", "subcarrier spacing", 1.0, 960.0),
    "sc": ("subcarriers", "number of subcarriers", 1, 4096),
}  # unit -> field, description, minimum, maximum
_OPTION = re.compile(r"([+-]?[0-9]+(?:\.[0-9]+)?)([a-z]+)")


@dataclass(frozen=True, kw_only=True)
class Multipath:
    """A 3GPP profile, and the OFDM grid that is sent over it.

    Units:  as the fields are named; the defaults are TR 38.901's nominal delay spread and six
            resource blocks of 15 kHz, 1.08 MHz.
    Raises: ValueError with a one-line message for a value out of range, a delay beyond the cyclic
            prefix, or a Doppler shift that would mix subcarriers.
    """

    profile: str
    delay_spread_ns: float = 100.0
    speed_kmh: float = 3.0
    carrier_ghz: float = 3.5
    spacing_khz: float = 15.0
    subcarriers: int = 72

    def __post_init__(self) -> None:
        """Check every value, then the relations between them."""
        if self.profile not in LONGEST:
            raise ValueError(
                f"tdl must have a profile of {', '.join(LONGEST)}, got {self.profile!r}"
            )
        for unit, (name, words, least, most) in UNITS.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(
                    f"{words} of tdl must be {least:g} to {most:g} {unit}, got {value:g} {unit}"
                )
        self._check_together()

    def _check_together(self) -> None:
        if self.subcarriers * self.spacing_khz > 1e3 * MOST_BANDWIDTH_MHZ:
            raise ValueError(
                f"tdl must have a bandwidth of at most {MOST_BANDWIDTH_MHZ:g} MHz, got "
                f"{self.subcarriers} subcarriers of {self.spacing_khz:g} kHz"
            )
        if self.longest_delay > self.prefix:
            raise ValueError(
                f"the longest delay of tdl:{self.profile} at {self.delay_spread_ns:g} ns, "
                f"{1e6 * self.longest_delay:.2f} us, must be within the cyclic prefix, "
                f"{1e6 * self.prefix:.2f} us at {self.spacing_khz:g} kHz; take a smaller delay "
                "spread or subcarrier spacing"
            )
        if self.doppler > MOST_DOPPLER * 1e3 * self.spacing_khz:
            raise ValueError(
                f"the Doppler shift of tdl at {self.speed_kmh:g} kmh and {self.carrier_ghz:g} GHz, "
                f"{self.doppler:.0f} Hz, must be at most 3 % of the subcarrier spacing of "
                f"{self.spacing_khz:g} kHz: interference between subcarriers is not simulated"
            )

    @property
    def symbol(self) -> float:
        """Duration of an OFDM symbol with its cyclic prefix, in seconds."""
        return (1 + PREFIX) / (1e3 * self.spacing_khz)

    @property
    def prefix(self) -> float:
        """Duration of the cyclic prefix, in seconds."""
        return PREFIX / (1e3 * self.spacing_khz)

    @property
    def longest_delay(self) -> float:
        """Delay of the last tap, in seconds."""
        return LONGEST[self.profile] * 1e-9 * self.delay_spread_ns

    @property
    def doppler(self) -> float:
        """Largest Doppler shift, in Hz."""
        return self.speed_kmh / 3.6 / SPEED_OF_LIGHT * 1e9 * self.carrier_ghz

    @property
    def options(self) -> list[tuple[float, str]]:
        """Value and unit of every option that is not at its default, in the order of UNITS."""
        usual = {field.name: field.default for field in fields(self)}
        named = [(getattr(self, name), unit, name) for unit, (name, *_) in UNITS.items()]
        return [(value, unit) for value, unit, name in named if value != usual[name]]


def multipath_from_text(text: str) -> Multipath:
    """Settings from `PROFILE:OPTION:...`, such as "C:300ns:120kmh"; case does not matter.

    Raises: ValueError with a one-line message.
    """
    profile, *options = text.split(":")
    units = {unit.lower(): unit for unit in UNITS}
    values: dict[str, Any] = {}
    for option in options:
        match = _OPTION.fullmatch(option.lower())
        if match is None or match[2] not in units:
            raise ValueError(
                "options of tdl must be a number with its unit, such as 300ns, 3kmh, 3.5GHz, "
                f"15kHz and 72sc, got {option!r}"
            )
        name, words, *_ = UNITS[units[match[2]]]
        if name in values:
            raise ValueError(f"tdl must have one {words}, got a second one, {option!r}")
        values[name] = _number(name, match[1], option)
    return Multipath(profile=profile.upper(), **values)


def _number(name: str, text: str, option: str) -> float:
    """Parse an option's value; the number of subcarriers must be whole."""
    value = float(text)
    if name != "subcarriers":
        return value
    if not value.is_integer():
        raise ValueError(f"the number of subcarriers of tdl must be whole, got {option!r}")
    return int(value)
