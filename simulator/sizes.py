"""What a network costs: parameters, multiply-accumulates, milliseconds on a CPU."""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

WARM_UP, RUNS = 3, 15


@torch.inference_mode()
def macs(run: Callable[[], object]) -> int:
    """Multiply-accumulates of one call in convolutions, matrix products and attention."""
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops()) // 2


@torch.inference_mode()
def cpu_ms(run: Callable[[Tensor], object], batch: Tensor) -> float:
    """Milliseconds per image of the batch: median of 15 calls by one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        times = []
        for _ in range(WARM_UP + RUNS):
            start = time.perf_counter()
            run(batch)
            times.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return 1000 * statistics.median(times[WARM_UP:]) / len(batch)
