"""How much the architecture matters at equal cost, compared with the seed of a training run.

    python -m benchmarks.studies.architectures.spread --data DIR

Draws 20 networks of every space at the cost of the hand-made one, trains each from three seeds on
the proxy, and compares the standard deviation of their mean accuracies (on validation images) with
that between seeds. A space is worth searching if the first is several times the second.
Writes OUT/spread.csv and spread.json; finished trainings are kept below OUT/trainings.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import numpy as np
import pandas as pd
import torch
from scipy import stats

from benchmarks.recipes.cifar100 import two_teachers
from benchmarks.recipes.search import cells
from benchmarks.studies.architectures.proxy import SIDE, Proxy, Trained
from benchmarks.studies.architectures.request import ProxyRequest
from benchmarks.studies.pool import done_by_workers
from channels.streams import Streams
from models import Genotype, GenotypeCnnConfig, StudentConfig
from models.blocks import parameter_count
from models.nas.fitting import fitted
from models.nas.genotype import random_plan
from models.nas.operations import CONV
from models.nas.staged_space import STAGES, Budget, drawn
from simulator.commands.options import command, option, run, whole
from simulator.measures.sizes import macs
from simulator.storage.describe import describe
from simulator.storage.environment import environment
from simulator.storage.files import write_json, write_table

PARAMETERS: Final = 360_000  # 29.8 % of the default student's
LEAST: Final = 0.95  # least share of these that a network must have
IMAGE_SHAPE: Final = (3, SIDE, SIDE)
MACS: Final = {"staged": (6.6e6, 8.2e6), "cells": (4.9e6, 6.1e6)}  # 7.4e6 and 5.5e6, +-10 %
COLUMNS: Final = ["space", "network", "seed", "params", "macs", "accuracy"]


class Candidate(NamedTuple):
    """A network of a space, and its costs."""

    space: str
    name: str
    model: StudentConfig
    params: int
    macs: int


def candidates(networks: int) -> Iterator[Candidate]:
    """The hand-made network, and `networks` random ones of every space."""
    hand_made = two_teachers().student.model
    yield _candidate("hand_made", "hand_made", _fitted(hand_made))
    for space in DRAWS:
        yield from itertools.islice(drawn_candidates(space), networks)


def drawn_candidates(space: str) -> Iterator[Candidate]:
    """An endless sequence of random networks of a space, of about equal cost; always the same."""
    draw, generator = DRAWS[space], Streams(seed=0)("networks of equal cost", space)
    low, high = MACS[space]
    found = (_candidate(space, "", draw(generator)) for _ in itertools.count())
    fit = (one for one in found if low <= one.macs <= high and one.params >= LEAST * PARAMETERS)
    for number, one in enumerate(fit):
        yield one._replace(name=f"{space}_{number}")


def _candidate(space: str, name: str, model: StudentConfig) -> Candidate:
    network = model.build(image_channels=3).eval()
    params = parameter_count(network)
    return Candidate(
        space, name, model, params, macs(lambda: network(torch.zeros(1, *IMAGE_SHAPE)))
    )


def _fitted(model: StudentConfig) -> StudentConfig:
    return fitted(model, PARAMETERS, image_channels=3)


def _cells(generator: torch.Generator) -> StudentConfig:
    """A network of random cells of the preset `cpu`, as wide as the budget allows."""
    skips = cells(two_teachers(), "cpu").search.most_skips
    plans = (random_plan(CONV, generator=generator, most_skips=skips) for _ in range(2))
    genotype = Genotype(space=CONV.name, normal=next(plans), reduce=next(plans))
    shape = cells(two_teachers(), "cpu").search.deployed
    return _fitted(GenotypeCnnConfig(genotype=genotype, shape=shape))


def _staged(generator: torch.Generator) -> StudentConfig:
    least = round(LEAST * PARAMETERS)
    budget = Budget(parameters=(least, PARAMETERS), macs=MACS["staged"], image_shape=IMAGE_SHAPE)
    return drawn(STAGES, budget, generator=generator)


DRAWS: Final[Mapping[str, Callable[[torch.Generator], StudentConfig]]] = {
    "cells": _cells,
    "staged": _staged,
}


def spread_of(rows: pd.DataFrame) -> dict[str, Any]:
    """Deviations between networks and between seeds of one space, and their ratio.

    The deviation between networks is that of their means; the interval (95 %) of the ratio is that
    of a ratio of variances of normal values.
    """
    by_network = rows.groupby("network")["accuracy"]
    seeds = int(by_network.size().min())
    networks = by_network.ngroups
    between = float(by_network.mean().std())
    within = float(np.sqrt(by_network.var().mean()))
    degrees = networks - 1, networks * (seeds - 1)
    low, high = (float(stats.f.ppf(q, *degrees)) for q in (0.975, 0.025))
    # the mean over n seeds also varies with the seeds
    true = np.sqrt(max(0.0, between**2 - within**2 / seeds))
    return {
        "networks": networks,
        "seeds": seeds,
        "mean": float(rows["accuracy"].mean()),
        "between_networks": between,
        "between_networks_without_luck": float(true),
        "between_seeds": within,
        "ratio": between / within,
        "ratio_low": between / within / float(np.sqrt(low)),
        "ratio_high": between / within / float(np.sqrt(high)),
    }


class Job(NamedTuple):
    """One training run."""

    candidate: Candidate
    seed: int
    out: Path


def train(proxy: Proxy, job: Job) -> Trained:
    """Train a candidate; the function that workers run."""
    own = job.candidate
    return proxy.trained(own.name, own.model, seed=job.seed, folder=job.out)


@dataclass(frozen=True, kw_only=True)
class SpreadRequest(ProxyRequest):
    """The options of `spread`."""

    out: Path = option(default=Path("results/runs/spread"), help="Folder to write to.")
    networks: int = option(default=20, type=whole(2, 1000), help="Networks of every space.")
    seeds: int = option(default=3, type=whole(2, 100), help="Seeds of every network.")


@command(SpreadRequest)
def spread(request: SpreadRequest) -> None:
    """Train networks of equal cost, and compare their spread with that of seeds."""
    request.images()  # check the options before networks are drawn
    found = [*candidates(request.networks)]
    jobs = [Job(own, seed, request.out) for seed in range(request.seeds) for own in found]
    rows = []
    for job, trained in done_by_workers(train, jobs, request):
        space, name, _, *costs = job.candidate
        rows.append((space, name, job.seed, *costs, trained.accuracy))
        table = pd.DataFrame(rows, columns=COLUMNS).sort_values(["space", "network", "seed"])
        write_table(request.out / "spread.csv", table)
    summary = {
        space: spread_of(own)
        for space, own in table.groupby("space")
        if own["network"].nunique() > 1
    }
    networks = {one.name: describe(one.model) for one in found}
    about = {
        "spread": summary,
        "networks": networks,
        "environment": environment(torch.device("cpu")),
    }
    write_json(request.out / "spread.json", about)
    click.echo(pd.DataFrame(summary).T.round(4).to_string())


def main() -> None:
    """The command."""
    run(spread.click, "spread")


if __name__ == "__main__":
    main()
