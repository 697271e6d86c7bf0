"""The precision in which networks compute: bf16 where the device has arithmetic for it.

A CPU without such instructions emulates bf16, ten times slower than it computes in fp32. A recipe
therefore names the fastest precision that its training tolerates, not a required one.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal

import torch

Precision = Literal["fp32", "bf16"]
INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "sve_bf16", "bf16")  # any of these multiplies bf16


def native(device: torch.device, precision: Precision) -> Precision:
    """This precision, or fp32 if the device would have to emulate it."""
    return precision if precision == "fp32" or _multiplies_bf16(device) else "fp32"


def stage_title(name: str, device: torch.device, precision: Precision) -> str:
    """The name of a stage for a progress bar, with the precision if it differs."""
    own = native(device, precision)
    return name if own == precision else f"{name} (in {own}, as this device has no {precision})"


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    """A context in which networks compute in exactly this precision, emulated or not."""
    context: AbstractContextManager[None] = torch.autocast(
        device.type, torch.bfloat16, enabled=precision == "bf16"
    )
    return context


def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # torch before 2.10 does not report this
    capabilities: Any = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in INSTRUCTIONS)


@contextmanager
def cpu_threads(number: int | None) -> Iterator[None]:
    """Set the number of torch threads within the block; None leaves it unchanged."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
