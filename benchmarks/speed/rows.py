"""What the sections of the speed benchmark share: rows, sizes, and how a rate is measured."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

SNR_DB = tuple(float(snr) for snr in range(-6, 14, 2))  # the ten points of (a) to (c)
REALIZATIONS = 5
TRANSMISSIONS = "transmissions per core-second"


@dataclass(frozen=True)
class Row:
    """One measured number; the least and the most of its repeats, or its 95 % interval."""

    section: str
    what: str
    value: float
    unit: str
    least: float
    most: float
    repeats: int


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is measured."""

    repeats: int
    images: int  # of (a)
    few: int  # images of the slower ones
    blocks: int  # LDPC words; Sionna decodes a quarter of them
    realizations: int  # of sweeps of the digits
    draws: int  # realisations of sweeps of CIFAR-100
    many: int  # the most images of (e), of CIFAR-100
    seconds: float  # that the one worker of (f) is to take, about


FULL = Size(
    repeats=3,
    images=1250,
    few=1000,
    blocks=4000,
    realizations=100,
    draws=10,
    many=5000,
    seconds=340,
)

QUICK = Size(
    repeats=1,
    images=250,
    few=250,
    blocks=200,
    realizations=5,
    draws=1,
    many=1000,
    seconds=2,
)


def single(section: str, what: str, value: float, unit: str) -> Row:
    """A number that was measured once."""
    return of_several(section, what, [value], unit)


def of_several(section: str, what: str, values: list[float], unit: str) -> Row:
    """The median of some numbers."""
    return told(Row(section, what, median(values), unit, min(values), max(values), len(values)))


def told(row: Row) -> Row:
    """The row, also on the screen."""
    print(
        f"({row.section}) {row.what}: {row.value:,.5g} {row.unit} "
        f"({row.least:,.5g} to {row.most:,.5g})"
    )
    return row


def rate(section: str, what: str, run: Callable[[], int], unit: str, *, repeats: int) -> Row:
    """So many per core-second, several times; `run` says how many it has done."""
    rates = []
    for _ in range(repeats):
        start = time.process_time()
        count = run()
        rates.append(count / (time.process_time() - start))
    return of_several(section, what, rates, unit)
