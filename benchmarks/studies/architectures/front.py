"""Accuracy over parameters for several weights of the penalty, on the proxy.

    python -m benchmarks.studies.architectures.front --data DIR

KDL-DARTS is run with each lambda and a small target, so that the penalty acts at every size. The
most probable network is built without scaling it to a budget, and trained from three seeds.
Writes OUT/front.csv: lambda, seeds, expected and actual costs after the search, accuracy on
validation images. Finished work is kept below OUT.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import pandas as pd

from benchmarks.studies.architectures.proxy import Proxy, Trained
from benchmarks.studies.architectures.request import ProxyRequest
from benchmarks.studies.architectures.searching import Searching
from benchmarks.studies.pool import done_by_workers
from models.nas.staged_space import cost
from simulator.commands.options import command, option, run, whole
from simulator.search.loop import History
from simulator.search.relaxed import RelaxedStages
from simulator.search.run import searched_task
from simulator.storage.files import write_table

LAMBDAS: Final = (0.0, 0.001, 0.003, 0.006, 0.01, 0.03)
TARGET: Final = 30_000  # parameters, fewer than any network of the front
COLUMNS: Final = [
    *("lambda", "search_seed", "training_seed", "expected_params", "params"),
    *("expected_macs", "macs", "entropy", "accuracy"),
]


class Job(NamedTuple):
    """One search with one lambda, and the training runs of its network."""

    penalty: float
    seed: int
    trainings: int
    out: Path
    weights: Path


class Outcome(NamedTuple):
    """Costs and entropy at the end of the search, and the training runs."""

    end: dict[str, Any]
    trained: list[Trained]


def work(proxy: Proxy, job: Job) -> Outcome:
    """Search, and train the network that is found; the function that workers run."""
    name = f"lambda{job.penalty:g}_{job.seed}"
    folder = job.out / "searches" / name
    way = Searching(
        proxy=proxy, method="kdl_darts", seed=job.seed, folder=folder, weights=job.weights
    )
    found = way.whole()
    config = replace(found.preset.search, penalty=job.penalty, target=TARGET)
    task, history = searched_task(
        replace(found, preset=found.preset._replace(search=config)), job.seed
    )
    assert isinstance(task.relaxed, RelaxedStages)
    model = task.relaxed.student()
    trained = [
        proxy.trained(name, model, seed=seed, folder=job.out) for seed in range(job.trainings)
    ]
    return Outcome(end_of(history) | cost(model, (3, 16, 16))._asdict(), trained)


def end_of(history: History) -> dict[str, Any]:
    """Expected costs and entropy after the last epoch."""
    return {name: history[-1][name] for name in ("expected_cost", "expected_macs", "entropy")}


def rows_of(job: Job, outcome: Outcome) -> list[tuple[Any, ...]]:
    """A row of front.csv for every training run."""
    end = outcome.end
    costs = (end["expected_cost"], end["parameters"], end["expected_macs"], end["macs"])
    return [
        (job.penalty, job.seed, seed, *costs, end["entropy"], trained.accuracy)
        for seed, trained in enumerate(outcome.trained)
    ]


@dataclass(frozen=True, kw_only=True)
class FrontRequest(ProxyRequest):
    """The options of `front`."""

    out: Path = option(default=Path("results/runs/front"), help="Folder to write to.")
    searches: int = option(default=3, type=whole(1, 100), help="Seeds of every lambda.")
    trainings: int = option(default=3, type=whole(1, 100), help="Runs of every network.")


@command(FrontRequest)
def front(request: FrontRequest) -> None:
    """Search with several weights of the penalty, and train the networks that are found."""
    rows: list[tuple[Any, ...]] = []
    for job, outcome in done_by_workers(work, jobs_of(request), request):
        rows += rows_of(job, outcome)
        table = pd.DataFrame(rows, columns=COLUMNS).sort_values(COLUMNS[:3], ignore_index=True)
        write_table(request.out / "front.csv", table)
    shown = table.groupby("lambda")[["expected_params", "params", "accuracy"]].mean()
    click.echo(shown.round(4).to_string())


def jobs_of(request: FrontRequest) -> Sequence[Job]:
    """Every lambda with one seed, then with the next."""
    return [
        Job(penalty, seed, request.trainings, request.out, request.weights)
        for seed in range(request.searches)
        for penalty in LAMBDAS
    ]


def main() -> None:
    """The command."""
    run(front.click, "front")


if __name__ == "__main__":
    main()
