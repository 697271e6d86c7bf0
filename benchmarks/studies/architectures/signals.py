"""Which early signal predicts a good network? Rank correlations with the accuracy after training.

    python -m benchmarks.studies.architectures.signals --data DIR --out DIR

Draws 40 staged networks of equal cost (the first 20 are those of `spread`), trains each on the
proxy, and correlates their validation accuracy with signals that are known earlier: scores at
initialisation, MACs, summed losses after a few epochs, the loss of the network in a supernet after
a search, and its probability there.
Writes OUT/signals.csv (Spearman's correlation with a 95 % interval, bootstrapped over networks) and
OUT/networks.csv (a row per network). With the --out of `spread`, its training runs are reused.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import stats

from benchmarks.studies.architectures.proxy import Proxy, Trained
from benchmarks.studies.architectures.request import ProxyRequest
from benchmarks.studies.architectures.searching import Searching
from benchmarks.studies.architectures.spread import IMAGE_SHAPE, Job, drawn_candidates, train
from benchmarks.studies.architectures.zero_cost import Scores, combined, sample, scores
from benchmarks.studies.pool import done_by_workers
from models import StagedCnnConfig
from models.nas.staged_space import Budget
from models.nas.staged_supernet import Choice
from simulator.commands.options import command, option, run, whole
from simulator.search.loop import SearchTask
from simulator.search.relaxed import RelaxedStages
from simulator.search.run import searched_task
from simulator.storage.files import write_table

EARLY: Final = (1, 2, 4, 8)  # epochs after which losses are summed
RESAMPLES: Final = 2_000
BUDGET: Final = Budget(parameters=(0, 10**9), macs=(0, 1e12), image_shape=IMAGE_SHAPE)


def before_training(
    proxy: Proxy, models: list[StagedCnnConfig], task: SearchTask
) -> Iterator[dict[str, float]]:
    """The signals of each network that need no training of it."""
    images, features = sample(proxy, seed=0)
    found = [scores(own, images, features, BUDGET) for own in models]
    votes = combined(np.array(found))
    for model, own, vote in zip(models, found, votes, strict=True):
        yield {
            **dict(zip(Scores._fields, own, strict=True)),
            "zero_cost_vote": float(vote),
            **in_supernet(task, model),
        }


def in_supernet(task: SearchTask, model: StagedCnnConfig) -> dict[str, float]:
    """Minus the loss and the log-probability of a network in a supernet after a search."""
    relaxed = task.relaxed
    assert isinstance(relaxed, RelaxedStages)
    picks = relaxed.space.nearest(model)
    one_hot = {
        name: torch.nn.functional.one_hot(torch.tensor(picks[name]), len(options)).float()
        for name, options in relaxed.space.decisions.items()
    }
    chances = relaxed.architecture.probabilities()
    likely = sum(float(chances[name][place].detach().log()) for name, place in picks.items())
    return {
        "supernet_loss": -task.validate(Choice.of(one_hot)),
        "probability": likely,
    }


def after_epochs(trained: Trained) -> dict[str, float]:
    """Minus the sum of losses of the first epochs."""
    return {f"summed_loss_{epochs}": -sum(trained.losses[:epochs]) for epochs in EARLY}


def correlations(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Spearman's correlation of every signal with the accuracy, with its interval."""
    numbers = np.random.default_rng(0)
    rows = numbers.integers(len(table), size=(RESAMPLES, len(table)))
    found = []
    for name in names:
        pairs = table[[name, "accuracy"]].to_numpy()
        drawn = np.array([spearman(pairs[own]) for own in rows])
        low, high = np.quantile(drawn[np.isfinite(drawn)], [0.025, 0.975])
        found.append((name, len(table), spearman(pairs), low, high))
    columns = ["signal", "networks", "spearman", "low", "high"]
    return pd.DataFrame(found, columns=columns)


def spearman(pairs: NDArray[np.float64]) -> float:
    """Spearman's correlation of two columns [N, 2]; nan if one is constant."""
    ranks = np.asarray(stats.rankdata(pairs, axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.corrcoef(ranks[:, 0], ranks[:, 1])[0, 1])


@dataclass(frozen=True, kw_only=True)
class SignalsRequest(ProxyRequest):
    """The options of `signals`."""

    out: Path = option(default=Path("results/runs/spread"), help="Folder to write to.")
    networks: int = option(default=40, type=whole(4, 1000), help="Networks that are trained.")
    seeds: int = option(default=1, type=whole(1, 100), help="Seeds of every network.")


@command(SignalsRequest)
def signals(request: SignalsRequest) -> None:
    """Train networks of equal cost, and correlate their accuracy with early signals."""
    request.images()  # check the options before networks are drawn
    found = list(itertools.islice(drawn_candidates("staged"), request.networks))
    jobs = [Job(own, seed, request.out) for seed in range(request.seeds) for own in found]
    trained: dict[str, dict[int, Trained]] = {own.name: {} for own in found}
    for job, result in done_by_workers(train, jobs, request):
        trained[job.candidate.name][job.seed] = result
    proxy = request.prepared()
    folder = request.out / "signals_search"
    way = Searching(proxy=proxy, method="kdl_darts", seed=0, folder=folder, weights=request.weights)
    task, _ = searched_task(way.whole(), 0)
    models = [own.model for own in found if isinstance(own.model, StagedCnnConfig)]
    known = before_training(proxy, models, task)
    rows: list[dict[str, Any]] = [
        {
            "network": own.name,
            "params": own.params,
            "macs": own.macs,
            **signal,
            **after_epochs(trained[own.name][0]),
            "accuracy": float(np.mean([one.accuracy for one in trained[own.name].values()])),
        }
        for own, signal in zip(found, known, strict=True)
    ]
    table = pd.DataFrame(rows)
    write_table(request.out / "networks.csv", table)
    told = {"network", "params", "macs", "accuracy"}
    names = [name for name in rows[0] if name not in told]
    ranked = correlations(table, names)
    write_table(request.out / "signals.csv", ranked)
    click.echo(ranked.round(3).to_string(index=False))


def main() -> None:
    """The command."""
    run(signals.click, "signals")


if __name__ == "__main__":
    main()
