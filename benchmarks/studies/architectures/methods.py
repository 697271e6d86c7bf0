"""Does a search beat random choice? Methods of choosing a network, at equal cost, on the proxy.

    python -m benchmarks.studies.architectures.methods --data DIR

Every method chooses a network from several seeds, within the parameters and MACs of the hand-made
student. The methods are KDL-DARTS; the same with a vote of zero-cost scores among the networks that
it draws; the same search from labels only, or without a penalty; random draws; and the vote among
random draws. All have the same final stage, with as many proposals as make total costs about equal
(`searching`). Every chosen network is trained from three seeds. Choices are made by training
losses; accuracies are those on validation images.
Writes OUT/methods.csv (a row per training run) and OUT/differences.csv (KDL-DARTS minus every other
method, with intervals over searches); finished work is kept below OUT.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import pandas as pd
import torch

from benchmarks.studies.architectures.proxy import Proxy, Trained
from benchmarks.studies.architectures.request import ProxyRequest
from benchmarks.studies.architectures.searching import DRAWN, METHODS, Chosen, Searching
from benchmarks.studies.pool import done_by_workers
from models import StagedCnnConfig
from simulator.commands.options import command, option, run, whole
from simulator.errors import UserError
from simulator.search.cost import network_costs
from simulator.statistics.intervals import mean_difference
from simulator.storage.describe import describe, digest
from simulator.storage.environment import environment
from simulator.storage.files import read_keyed, write_json, write_table
from simulator.storage.folders import remove

OURS: Final = "kdl_darts"
COLUMNS: Final = [
    *("method", "search_seed", "training_seed", "params", "macs", "proposals"),
    *("core_seconds", "accuracy"),
]


class Job(NamedTuple):
    """One search by one method, and the training runs of the network that it chooses."""

    method: str
    seed: int
    trainings: int
    out: Path
    weights: Path


class Outcome(NamedTuple):
    """The result of a job."""

    chosen: Chosen
    trained: list[Trained]


def work(proxy: Proxy, job: Job) -> Outcome:
    """Choose a network and train it; the function that workers run."""
    name = f"{job.method}_{job.seed}"
    folder = job.out / "searches" / name
    searching = Searching(
        proxy=proxy, method=job.method, seed=job.seed, folder=folder, weights=job.weights
    )
    chosen = kept_choice(searching, folder / "chosen.json")
    trained = [
        proxy.trained(name, chosen.model, seed=seed, folder=job.out)
        for seed in range(job.trainings)
    ]
    return Outcome(chosen, trained)


def kept_choice(searching: Searching, path: Path) -> Chosen:
    """The choice stored in a file; if there is none, search, and store the choice."""
    config = describe(searching.whole().preset)
    drawn = [DRAWN[searching.method]] if searching.method in DRAWN else []
    key = digest([searching.proxy.key, searching.method, searching.seed, config, *drawn])
    if kept := read_keyed(path, key):
        written = kept["student"]
        staged = written.get("type") == StagedCnnConfig.__name__
        student = StagedCnnConfig.from_json(written) if staged else searching.hand_made()
        return Chosen(student, kept["core_seconds"], kept["proposals"])
    remove(path.parent, "checkpoints/*")  # a resumed search would miss its earlier time
    chosen = searching.chosen()
    found = {"student": describe(chosen.model), "core_seconds": chosen.core_seconds}
    write_json(path, {"key": key, **found, "proposals": chosen.proposals})
    return chosen


def rows_of(job: Job, outcome: Outcome) -> list[tuple[Any, ...]]:
    """A row of methods.csv for every training run."""
    chosen = outcome.chosen
    costs = network_costs(chosen.model, (3, 16, 16))
    about = costs["parameters"], costs["macs"], chosen.proposals, chosen.core_seconds
    return [
        (job.method, job.seed, seed, *about, trained.accuracy)
        for seed, trained in enumerate(outcome.trained)
    ]


def differences(rows: pd.DataFrame) -> pd.DataFrame:
    """KDL-DARTS minus every other method: difference of means over searches, with its interval.

    The value of a search is the mean accuracy of its network over training runs.
    """
    means = rows.groupby(["method", "search_seed"])["accuracy"].mean()
    found = []
    for method in rows["method"].unique():
        if method == OURS or OURS not in means.index.get_level_values(0):
            continue
        a, b = (means[own].to_numpy() for own in (OURS, method))
        if min(len(a), len(b)) > 1:
            estimate = mean_difference(a, b)
            found.append((OURS, method, len(a), len(b), *estimate))
    columns = ["a", "b", "searches_a", "searches_b", "difference", "low", "high"]
    return pd.DataFrame(found, columns=columns)


@dataclass(frozen=True, kw_only=True)
class MethodsRequest(ProxyRequest):
    """The options of `methods`."""

    out: Path = option(default=Path("results/runs/methods"), help="Folder to write to.")
    methods: tuple[str, ...] = option(default=METHODS, help="Separated by commas.")
    searches: int = option(default=8, type=whole(1, 100), help="Seeds of every method.")
    trainings: int = option(default=3, type=whole(1, 100), help="Runs of every chosen network.")


@command(MethodsRequest)
def methods(request: MethodsRequest) -> None:
    """Choose networks by several methods at equal cost, and train them."""
    if unknown := [own for own in request.methods if own not in METHODS]:
        raise UserError(f"--methods must be among {', '.join(METHODS)}, got {', '.join(unknown)}")
    rows: list[tuple[Any, ...]] = []
    for job, outcome in done_by_workers(work, jobs_of(request), request):
        rows += rows_of(job, outcome)
        table = pd.DataFrame(rows, columns=COLUMNS)
        table = table.sort_values(COLUMNS[:3], ignore_index=True)
        write_table(request.out / "methods.csv", table)
        write_table(request.out / "differences.csv", differences(table))
    write_json(request.out / "methods.json", {"environment": environment(torch.device("cpu"))})
    click.echo(table.groupby("method")[["core_seconds", "accuracy"]].mean().round(4).to_string())
    click.echo(differences(table).round(4).to_string(index=False))


def jobs_of(request: MethodsRequest) -> Sequence[Job]:
    """All methods with one seed, then with the next; the hand-made network needs no search."""
    return [
        Job(method, seed, request.trainings, request.out, request.weights)
        for seed in range(request.searches)
        for method in request.methods
        if method != "hand_made" or seed == 0
    ]


def main() -> None:
    """The command."""
    run(methods.click, "methods")


if __name__ == "__main__":
    main()
