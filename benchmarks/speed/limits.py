"""Section (g) of the speed benchmark: where the time goes, and what arithmetic would allow."""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.speed.networks import (
    COMPILED,
    EAGER,
    PRECISIONS,
    engine_of,
    in_engine,
    networks,
    pictures,
)
from benchmarks.speed.rows import REALIZATIONS, TRANSMISSIONS, Row, Size, rate, single
from simulator.engine.evaluate import BLOCK, Evaluator
from simulator.engine.grid import Point, Task
from simulator.measures.sizes import macs
from simulator.scheme import Scheme

MATRIX_OPS = ("mm", "addmm", "bmm", "baddbmm", "convolution", "scaled_dot_product", "linear")
SIDE = 512  # of the matrices that the peak is measured on: three of them fit a core's cache
PRODUCTS = 50  # of them at a time
PEAK = "multiply-accumulates per core-second"


def shares(size: Size) -> Iterator[Row]:
    """(g): the measured rate beside what the peak of matrix products would allow."""
    peaks = {precision: peak(precision, repeats=size.repeats) for precision in PRECISIONS}
    yield from peaks.values()
    for scheme, k in networks():
        count = macs_per_transmission(engine_of(scheme, pictures(BLOCK), EAGER[0]), scheme, k)
        yield single("g", f"{scheme.name}, multiply-accumulates per transmission", count, "")
        split = pictures(2 * BLOCK if size.repeats > 1 else BLOCK)
        for setting in (*EAGER, *(COMPILED if k == 64 else ())):
            run = partial(in_engine, engine_of(scheme, split, setting), scheme, k)
            run()  # warm
            name, limit = (
                f"{scheme.name} {setting.networks}",
                peaks[setting.precision].value / count,
            )
            measured = rate("g", f"{name}, measured", run, TRANSMISSIONS, repeats=size.repeats)
            share = share_outside(run)
            inside = measured.value / (1 - share)  # a profile is in wall seconds, a share is not
            yield measured
            yield single("g", f"{name}, share outside matrix products", share, "")
            yield single("g", f"{name}, inside matrix products now", inside, TRANSMISSIONS)
            yield single("g", f"{name}, limit at the measured peak", limit, TRANSMISSIONS)
            yield single("g", f"{name}, left to gain", limit / measured.value, "times")


@torch.inference_mode()
def peak(precision: str, *, repeats: int) -> Row:
    """How fast one thread multiplies two square matrices that stay in its cache."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b, product = (torch.ones(SIDE, SIDE, dtype=dtype) for _ in range(3))

    def multiplied() -> int:
        for _ in range(PRODUCTS):
            torch.mm(a, b, out=product)
        return PRODUCTS * SIDE**3

    multiplied()  # warm
    return rate("g", f"peak of matrix products {precision}", multiplied, PEAK, repeats=repeats)


def macs_per_transmission(evaluator: Evaluator, scheme: Scheme, k: int) -> float:
    """Multiply-accumulates of coding, shared by the draws of a task, and of decoding."""
    task = Task(Point(scheme.name, "awgn", 0.0, k), tuple(range(REALIZATIONS)))
    sent: list[int] = []
    total = macs(lambda: sent.extend(len(unit.codes) for unit in evaluator(task)))
    return total / sum(sent)


def share_outside(run: Callable[[], object]) -> float:
    """The share of the time in operators that is not spent in products of matrices."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        run()
    times = {event.key: event.self_cpu_time_total for event in found.key_averages()}
    matrices = sum(time for key, time in times.items() if any(op in key for op in MATRIX_OPS))
    return 1 - float(matrices / sum(times.values()))
