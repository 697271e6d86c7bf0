"""Successive cancellation list decoding of polar codes, with CRC and parity bits.

All paths proceed in lockstep. A path refers to the values of each stage by a pointer, so that a
path that splits copies pointers, not values.

Source: Tal and Vardy, List decoding of polar codes, IEEE Trans. Inf. Theory 61(5), 2015;
Balatsoukas-Stimming et al., LLR-based successive cancellation list decoding of polar codes, IEEE
Trans. Signal Process. 63(19), 2015 (path metrics).
"""

import numpy as np
from numpy.typing import NDArray

from channels.digital.compiled import compiled
from channels.digital.polar_construction import FROZEN, PARITY

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bits = NDArray[np.uint8]


@compiled
def list_decode(
    llr: Floats, kinds: Ints, checks: Ints, size: int
) -> tuple[Bits, NDArray[np.bool_]]:
    """The most likely of at most `size` paths whose CRC is correct, else the most likely path.

    Rows are decoded independently. Runs on the CPU, in one thread.

    Shapes: llr [B, N], ln P(0) - ln P(1) of the mother code's bits; kinds [N] as in
    `PolarConstruction`; checks [K], the CRC's syndrome of each information bit -> bits [B, K],
    and whether the CRC is correct [B].
    """
    batch, length = llr.shape
    count, stages = len(checks), _trailing_ones(length - 1)  # stage s has 2^s values
    values = np.empty((stages + 1, size, length))  # LLRs; scratch is allocated once for all rows
    left = np.empty((stages + 1, size, length), dtype=np.uint8)  # sums of left halves
    parents = np.empty((count, size), dtype=np.int64)
    decided = np.empty((count, size), dtype=np.uint8)
    bits = np.empty((batch, count), dtype=np.uint8)
    agrees = np.zeros(batch, dtype=np.bool_)
    for row in range(batch):
        values[stages, 0] = llr[row]
        metrics = _paths(values, left, kinds, parents, decided)
        order = np.argsort(metrics)
        for path in order:
            if _trace(path, parents, decided, checks, bits[row]) == 0:
                agrees[row] = True
                break
        if not agrees[row]:
            _trace(order[0], parents, decided, checks, bits[row])
    return bits, agrees


@compiled
def _trace(path: int, parents: Ints, decided: Bits, checks: Ints, bits: Bits) -> int:
    """Write a path's information bits [K], last one first; return the CRC's syndrome."""
    syndrome = 0
    for place in range(len(checks) - 1, -1, -1):
        bits[place] = decided[place, path]
        if bits[place]:
            syndrome ^= checks[place]
        path = parents[place, path]
    return syndrome


@compiled
def _paths(values: Floats, left: Bits, kinds: Ints, parents: Ints, decided: Bits) -> Floats:
    """Metrics [paths] of the surviving paths, smaller is more likely; writes `decided`.

    Shapes: values and left [stages + 1, size, N], scratch except for the last stage of values,
    which holds the LLRs; parents and decided [K, size], for every information bit the slot of a
    path's parent and the path's bit.
    """
    stages, size, length = values.shape
    whose = np.zeros((2, stages, size), dtype=np.int64)  # the slot that a path reads
    register = np.zeros(size, dtype=np.int64)  # parities of positions by their residue mod 5
    metrics, last = np.zeros(size), np.zeros(size, dtype=np.uint8)
    costs, sorted_by = np.empty(2 * size), np.empty(2 * size, dtype=np.int64)
    paths, known = 1, 0
    for position in range(length):
        _descend(values, left, whose, position, paths)
        if kinds[position] == FROZEN or kinds[position] == PARITY:
            for path in range(paths):
                bit = 0
                if kinds[position] == PARITY:
                    bit = register[path] >> (position % 5) & 1
                last[path] = bit
                metrics[path] += _cost(values[0, path, 0], bit)
        else:
            for path in range(paths):
                costs[2 * path] = metrics[path] + _cost(values[0, path, 0], 0)
                costs[2 * path + 1] = metrics[path] + _cost(values[0, path, 0], 1)
            _sort(costs, sorted_by, 2 * paths)
            paths = min(2 * paths, size)
            own = sorted_by[:paths]
            metrics[:paths] = costs[own]
            last[:paths] = own % 2
            own //= 2
            parents[known, :paths] = own
            decided[known, :paths] = last[:paths]
            _inherit(whose, register, own, last, position % 5)
            known += 1
        _ascend(left, whose, last, position, paths)
    return metrics[:paths]


@compiled
def _sort(costs: Floats, sorted_by: Ints, count: int) -> None:
    """Write the indices of the first `count` costs, smallest first, by insertion sort."""
    for place in range(count):
        gap = place
        while gap and costs[sorted_by[gap - 1]] > costs[place]:
            sorted_by[gap] = sorted_by[gap - 1]
            gap -= 1
        sorted_by[gap] = place


@compiled
def _inherit(whose: Ints, register: Ints, parents: Ints, last: Bits, residue: int) -> None:
    """Copy pointers and parities from the parents, and add the new bits to the parities."""
    before, parities = whose.copy(), register.copy()
    for path in range(len(parents)):
        for stage in range(whose.shape[1]):
            whose[0, stage, path] = before[0, stage, parents[path]]
            whose[1, stage, path] = before[1, stage, parents[path]]
        register[path] = parities[parents[path]] ^ np.int64(last[path]) << residue


@compiled
def _descend(values: Floats, left: Bits, whose: Ints, position: int, paths: int) -> None:
    """Compute the LLRs of all stages that change at this position, down to the last one."""
    stages = len(values) - 1
    begin = stages - 1
    if position:
        begin = _trailing_ones(position - 1)
        half = 1 << begin
        for path in range(paths):
            above, sums = values[begin + 1, whose[0, begin + 1, path]], left[begin]
            own, source = values[begin, path], whose[1, begin, path]
            for place in range(half):
                one = above[place]
                own[place] = above[half + place] + (-one if sums[source, place] else one)
            whose[0, begin, path] = path
        begin -= 1
    for stage in range(begin, -1, -1):
        half = 1 << stage
        for path in range(paths):
            above, own = values[stage + 1, whose[0, stage + 1, path]], values[stage, path]
            for place in range(half):
                own[place] = _either(above[place], above[half + place])
            whose[0, stage, path] = path


@compiled
def _ascend(left: Bits, whose: Ints, last: Bits, position: int, paths: int) -> None:
    """Compute the partial sums of the subtree that ends here, for the next right half."""
    complete = _trailing_ones(position)
    if complete == len(left) - 1:
        return
    for path in range(paths):
        own = left[complete, path]
        end = 1 << complete
        own[end - 1] = last[path]  # filled from the end to the left
        for stage in range(complete):
            half = 1 << stage
            other = left[stage, whose[1, stage, path]]
            for place in range(half):
                own[end - 2 * half + place] = other[place] ^ own[end - half + place]
        whose[1, complete, path] = path


@compiled
def _either(one: float, other: float) -> float:
    """LLR of the sum of two bits modulo 2."""
    least = min(abs(one), abs(other))
    signed = least if (one < 0) == (other < 0) else -least
    above, below = np.exp(-abs(one + other)), np.exp(-abs(one - other))
    return float(signed + np.log((1.0 + above) / (1.0 + below)))


@compiled
def _cost(llr: float, bit: int) -> float:
    """-ln P(bit) = ln(1 + exp(-(1 - 2 bit) llr)), without overflow."""
    signed = -llr if bit else llr
    return float(np.log1p(np.exp(-abs(signed))) + max(-signed, 0.0))


@compiled
def _trailing_ones(value: int) -> int:
    count = 0
    while value >> count & 1:
        count += 1
    return count
