"""Figures of searched cells and of the progress of a search. Never searches.

The same genotype and history give the same bytes, whatever the user's Matplotlib settings.
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.figures.draw import look, save
from models.nas.genotype import CellPlan, Genotype

COLOURS = {  # of the Okabe-Ito palette
    "skip": "#999999",
    "avg3": "#56B4E9",
    "max3": "#56B4E9",
    "bottleneck": "#E69F00",
    "conv3": "#0072B2",
    "dilated3": "#CC79A7",
    "sep3": "#0072B2",
    "sep5": "#009E73",
    "dil3": "#CC79A7",
    "dil5": "#D55E00",
}

INPUTS = ("cell before last", "last cell")


def draw_cells(genotype: Genotype, folder: Path, *, title: str) -> list[Path]:
    """Draw both cells of a genotype as `cells.png` and `cells.pdf`; returns the files."""
    with look():
        figure = _cells(genotype, title)
    return save(figure, folder, "cells")


def draw_evolution(history: Sequence[Mapping[str, Any]], folder: Path, *, title: str) -> list[Path]:
    """Draw the epochs of a search of cells or stages as `evolution.png` and `evolution.pdf`."""
    with look():
        figure = _evolution(history, title)
    return save(figure, folder, "evolution")


def _cells(genotype: Genotype, title: str) -> Figure:
    figure = Figure(figsize=(7.16, 4.6), dpi=200, layout="constrained")
    figure.suptitle(title, fontsize=9)
    plans = {"reduce": genotype.reduce, "normal": genotype.normal}
    for axes, (kind, plan) in zip(figure.subplots(2, 1), plans.items(), strict=True):
        _draw_cell(axes, plan)
        axes.set_title(f"{kind} cell", loc="left")
    return figure


def _draw_cell(axes: Axes, plan: CellPlan) -> None:
    """Draw inputs at the left, nodes in order to the right, and an arrow for every kept edge."""
    places = [(0.0, 1.0), (0.0, 0.0)]
    places += [(1.2 * (node + 1), 0.15 + 0.7 * (node % 2)) for node in range(len(plan))]
    end = (1.2 * (len(plan) + 1), 0.5)
    for node, edges in enumerate(plan):
        target = places[node + 2]
        for number, (source, operation) in enumerate(edges):
            colour = COLOURS.get(operation, "#000000")
            start = places[source]
            share = 0.42 + 0.2 * number
            x, y = (a + share * (b - a) for a, b in zip(start, target, strict=True))
            arrow = {"arrowstyle": "-|>", "color": colour, "shrinkA": 9, "shrinkB": 9}
            axes.annotate("", xy=target, xytext=start, arrowprops=arrow)
            box = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.85}
            axes.text(x, y, operation, color=colour, fontsize=7, ha="center", va="center", bbox=box)
        arrow = {"arrowstyle": "-", "color": "#bbbbbb", "linestyle": ":", "shrinkA": 9}
        axes.annotate("", xy=end, xytext=target, arrowprops=arrow, zorder=0)
    names = [*INPUTS, *(str(node + 2) for node in range(len(plan)))]
    for number, (name, (x, y)) in enumerate(zip(names, places, strict=True)):
        box = {"boxstyle": "round,pad=0.3", "fc": "#eeeeee", "ec": "#444444", "lw": 0.6}
        label = f"{number}: {name}" if number < len(INPUTS) else name
        axes.text(x, y, label, fontsize=7, ha="center", va="center", bbox=box)
    axes.text(*end, "output", fontsize=7, ha="left", va="center")
    axes.set(xlim=(-0.55, end[0] + 0.5), ylim=(-0.25, 1.25))
    axes.axis("off")


def _evolution(history: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Panels over epochs: losses, cost, entropy, and changes of the genotype with its skips."""
    figure = Figure(figsize=(7.16, 4.4), dpi=200, layout="constrained")
    figure.suptitle(title, fontsize=9)
    panels = figure.subplots(2, 2, sharex=True).flat
    lines = partial(_lines, history=history)
    lines(
        next(panels),
        {
            "loss": "weights, half A",
            "validation_p": "held back, all operations",
            "validation_genotype": "held back, the genotype",
        },
        label="loss",
    )
    costs = {"expected_cost": "expected", "genotype_cost": "of the genotype"}
    lines(next(panels), costs, label="cost")
    lines(
        next(panels),
        {"entropy": "entropy of p (1: uniform)", "auxiliary_skip": "auxiliary skip's weight"},
        label="share",
    )
    _changes(next(panels), history)
    for axes in figure.axes[-2:]:
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _lines(
    axes: Axes, columns: Mapping[str, str], *, history: Sequence[Mapping[str, Any]], label: str
) -> None:
    """One line for each column, by its name in the legend, that the history has."""
    epochs = [entry["epoch"] for entry in history]
    there = [(column, name) for column, name in columns.items() if column in history[0]]
    for (column, name), dashes in zip(there, ("-", "--", ":"), strict=False):
        axes.plot(epochs, [entry[column] for entry in history], dashes, label=name, lw=1.3)
    low, high = axes.get_ylim()
    axes.set(ylabel=label, ylim=(low, high + 0.4 * (high - low)))  # room for the legend
    axes.legend(loc="upper right", fontsize=7, frameon=False)


def _changes(axes: Axes, history: Sequence[Mapping[str, Any]]) -> None:
    """Changes of the genotype from epoch to epoch, and its skips."""
    epochs = [entry["epoch"] for entry in history]
    plans = [_parts(json.loads(entry["genotype"])) for entry in history]
    changes = [0, *(len(after - before) for before, after in pairwise(plans))]
    axes.bar(epochs, changes, color="#bbbbbb", label="edges or decisions that changed")
    skips = [entry["skips"] for entry in history if "skips" in entry]
    if skips:
        axes.plot(epochs, skips, "k-", lw=1.3, label="skips, normal")
    most = max(*changes, *skips, 1)
    axes.set(ylabel="number", ylim=(0, 1.4 * most))  # room for the legend
    axes.legend(fontsize=7, frameon=False)


def _parts(genotype: Any, *place: int | str) -> set[tuple[Any, ...]]:
    """Edges of cells or decisions of stages, each with its path in the genotype."""
    if isinstance(genotype, dict):
        return {part for name, own in genotype.items() for part in _parts(own, *place, name)}
    if isinstance(genotype, list) and any(isinstance(own, dict | list) for own in genotype):
        numbered = enumerate(genotype)
        return {part for number, own in numbered for part in _parts(own, *place, number)}
    return {(*place, str(genotype))}
