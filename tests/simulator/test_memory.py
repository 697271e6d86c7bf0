"""Freed memory is kept and reused without new page faults."""

import subprocess
import sys
from platform import libc_ver

import pytest

SCRIPT = """
import resource, sys, torch
from simulator.memory import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
for _ in range(20):
    torch.ones(2**23)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    torch.ones(2**23)  # 32 MB
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_keeping_freed_memory_avoids_page_faults() -> None:
    usual, kept = (
        int(subprocess.check_output([sys.executable, "-c", SCRIPT, how], text=True))
        for how in ("usual", "kept")
    )
    assert usual > 1000
    assert kept < usual / 10
