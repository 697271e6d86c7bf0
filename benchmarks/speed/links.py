"""Section (h): the cost of a channel relative to a receiver, and of multipath in a sweep."""

import time
from collections.abc import Callable, Iterator
from functools import partial

import torch

from benchmarks.speed.networks import EAGER, engine_of, in_engine, pictures, rkd_sc
from benchmarks.speed.table import TRANSMISSIONS, Row, Size, of_several, rate, single
from channels.names import channel_from_name
from channels.streams import Streams
from simulator.engine.evaluate import BLOCK
from simulator.schemes.codec import receive_features

K = 64
CALLS = 40  # per measurement
CHANNELS = ("rayleigh", "tdl:A", "tdl:A+lmmse:8")


def links(size: Size) -> Iterator[Row]:
    """(h): time of channels and of a receiver for a block of images; sweeps over two channels."""
    calls = {name: of_calls(name, _channel(name), size) for name in CHANNELS}
    receiver = of_calls("the receiver of rkd_sc", _receiver(), size)
    yield from (*calls.values(), receiver)
    share = calls["tdl:A+lmmse:8"].value / receiver.value
    yield single("h", "tdl:A+lmmse:8 over the receiver of rkd_sc", share, "times")
    swept = {name: _sweep(name, size) for name in ("rayleigh", "tdl:A")}
    yield from swept.values()
    longer = swept["rayleigh"].value / swept["tdl:A"].value
    yield single("h", "sweep of rkd_sc, time over tdl:A to time over rayleigh", longer, "times")


def of_calls(what: str, call: Callable[[], object], size: Size) -> Row:
    """Core-milliseconds per call."""
    call()  # warm
    found = []
    for _ in range(size.repeats):
        start = time.process_time()
        for _ in range(CALLS):
            call()
        found.append(1e3 * (time.process_time() - start) / CALLS)
    return of_several("h", f"{BLOCK} images, k={K}, {what}", found, "core-milliseconds")


def _channel(name: str) -> Callable[[], object]:
    x, snr_db = torch.ones((BLOCK, K), dtype=torch.complex64), torch.full((BLOCK, 1), 5.0)
    generator = Streams(seed=0)("speed", name)
    return partial(channel_from_name(name), x, snr_db=snr_db, generator=generator)


def _receiver() -> Callable[[], object]:
    """A call of the receiver: from the channel output of a block to its class scores."""
    scheme, name = rkd_sc(), "tdl:A+lmmse:8"
    x, snr_db = torch.ones((BLOCK, K), dtype=torch.complex64), torch.full((BLOCK, 1), 5.0)
    received = channel_from_name(name)(x, snr_db=snr_db, generator=Streams(seed=0)("speed"))
    uses = torch.full((BLOCK, 1), K)

    @torch.inference_mode()
    def receive() -> object:
        return scheme.scores(receive_features(scheme.codec, received, uses=uses))

    return receive


def _sweep(name: str, size: Size) -> Row:
    scheme = rkd_sc()
    run = partial(in_engine, engine_of(scheme, pictures(size.images), EAGER[0]), scheme, K, name)
    run()  # warm
    return rate("h", f"rkd_sc k={K}, points over {name}", run, TRANSMISSIONS, repeats=size.repeats)
