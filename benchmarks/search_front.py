"""Accuracy versus parameters over lambda, beside controls: is what the search finds any good?

    python -m benchmarks.search_front RECIPE [--data DIR] [--out DIR]

One search for every lambda, and as controls, all at the parameters of the main lambda's network:
the best of four random genotypes, the network of a search by labels alone, that of lambda = 0 at
narrower or wider cells, the main network in cells that are not residual, and the hand-made student.
All are retrained alike, on the same views with the same loss. Random ones are chosen on validation
images; the table's accuracy is of test images.

Takes, on one core that computes bf16, about 15 minutes per search and 2 per epoch of a retraining
(CIFAR-100). Stop it at any time; the same command goes on. What is finished, a search or the
answers of a network, outlives its weights: it is taken from OUT/searches/ and OUT/answers/. What
teachers say is taken from the training, or with --views kept in OUT/teaching/.
Writes OUT/front.csv, front.png and front.pdf, sizes.csv (what `semlink table` has of networks
without a channel, with the teachers; transmitters have the recipe's codec), pairs.csv (paired
differences of accuracy between the searched networks and all others), ranking.csv (of networks of
cells of the main lambda's size, their loss in its supernet on training images held back, beside
their accuracy; the last line printed is the rank correlation) and genotypes/.
"""

import argparse
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from scipy import stats

from benchmarks.cell_figures import draw_front
from benchmarks.front_answers import Answers, answers_of
from benchmarks.front_entries import Entry, Searches, entries
from benchmarks.search_presets import preset
from models import GenotypeCnnConfig
from simulator.commands.search import adjusted, search_run
from simulator.commands.shared import recipe_named
from simulator.config import describe
from simulator.distill import LinkModel
from simulator.errors import UserError, in_one_line
from simulator.options import in_range
from simulator.records import write_json, write_table
from simulator.schemes import TrainedParts
from simulator.search_run import SearchRun
from simulator.size_table import Row, clean_entry, right_answers, teacher_row
from simulator.statistics import holm, mcnemar, paired_difference
from simulator.train import fresh
from simulator.training_run import classifier

MOST_EPOCHS = 10_000


def main() -> None:
    """The command."""
    options = _options()
    try:
        with in_one_line("search_front"):
            front(options)
    except KeyboardInterrupt:
        raise SystemExit("stopped; run the same command again to go on") from None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe")
    parser.add_argument("--preset", default="cpu")
    parser.add_argument("--lambdas", default="0,0.03,0.1,0.3", help="0 must be among them")
    parser.add_argument("--main-lambda", type=float, default=0.1, help="whose size controls have")
    parser.add_argument("--target-params", default=None)
    parser.add_argument("--search-epochs", type=int, default=None)
    parser.add_argument("--epochs", type=int, default=10, help="of every retraining")
    parser.add_argument(
        "--views",
        type=int,
        default=None,
        help="shared views for everyone; fewer than the recipe's are sooner seen by its teachers",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the searches")
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--training", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=None)
    return parser.parse_args()


def front(options: argparse.Namespace) -> pd.DataFrame:
    """Search, retrain, measure; the table is written anew after every network."""
    searches, main = _searches(options), options.main_lambda
    whole, out = searches.whole, searches.whole.run.folder
    networks = list(entries(searches, _penalties(options), main))
    for entry in networks:
        write_json(out / "genotypes" / f"{entry.name}.json", {"student": describe(entry.model)})
    losses = _supernet_losses(searches, networks, main)
    rows, answers = _retrained(whole, networks, epochs=options.epochs, seed=options.seed)
    table = _with_best_random(rows, answers)
    ranks = losses.assign(accuracy=losses["name"].map(table.set_index("name")["accuracy"]))
    written = {"front": table, "pairs": pairs(table, answers), "ranking": ranks}
    for name, content in written.items():
        write_table(out / f"{name}.csv", content)
    draw_front(table, out, title=f"{whole.run.dataset.name}, {options.epochs} epochs each")
    found = stats.spearmanr(-ranks["supernet_loss"], ranks["accuracy"])
    print(f"rank correlation over {len(ranks)}: {found.statistic:.2f}, p = {found.pvalue:.2f}")
    return table


def _retrained(
    whole: SearchRun, networks: list[Entry], *, epochs: int, seed: int
) -> tuple[pd.DataFrame, dict[str, Answers]]:
    """Rows of the front and what the networks answer; tables are written after every network."""
    out, test, teacher = whole.run.folder, whole.run.dataset.test, _teacher(whole)
    taught = right_answers(teacher.classify, test)
    sizes = [clean_entry(teacher, test, right=taught, teacher=taught)]
    rows: list[dict[str, Any]] = []
    answers: dict[str, Answers] = {}
    for entry in networks:
        own = answers[entry.name] = answers_of(whole, entry.name, entry.model, epochs)
        row = _network(whole, entry)
        sizes.append(clean_entry(row, test, right=own.right, teacher=taught))
        rows.append(_row(entry, sizes[-1], seed))
        write_table(out / "front.csv", pd.DataFrame(rows))
        write_table(out / "sizes.csv", pd.DataFrame(sizes))
        print(f"{rows[-1]} validation {own.validation:.4f}", flush=True)
    return pd.DataFrame(rows), answers


def pairs(front_table: pd.DataFrame, answers: Mapping[str, Answers]) -> pd.DataFrame:
    """Accuracy of each searched network minus that of every other network, on the same images.

    Intervals are over images, p-values are McNemar's, and Holm's for all rows.
    """
    kinds = dict(zip(front_table["name"], front_table["kind"], strict=True))
    rows = []
    for a, b in itertools.permutations(answers, 2):
        if kinds[a] == "kdl_darts" and not (kinds[b] == "kdl_darts" and b < a):
            right = answers[a].right, answers[b].right
            found, p_value = paired_difference(*right), mcnemar(right[0] - right[1])
            values = {"difference": found.value, "ci_low": found.low, "ci_high": found.high}
            rows.append({"a": a, "b": b, "kind_of_b": kinds[b], **values, "p_value": p_value})
    table = pd.DataFrame(rows)
    return table.assign(p_holm=holm(list(table["p_value"])))


def _searches(options: argparse.Namespace) -> Searches:
    taught_in = options.training or Path("results/runs") / options.recipe
    recipe = recipe_named(options.recipe)
    chosen = preset(recipe, options.preset)
    in_range("--epochs", options.epochs, 1, MOST_EPOCHS)
    if options.search_epochs is not None:
        in_range("--search-epochs", options.search_epochs, 1, MOST_EPOCHS)
    for penalty in _penalties(options):  # mistakes are told before the work
        adjusted(chosen, penalty=penalty, target=options.target_params)
    whole = search_run(
        recipe,
        chosen,
        data=options.data,
        taught_in=taught_in,
        folder=options.out or taught_in / "search_front",
        views=options.views,
    )
    return Searches(
        whole=whole,
        seed=options.seed,
        target=options.target_params,
        epochs=options.search_epochs,
    )


def _penalties(options: argparse.Namespace) -> list[float]:
    try:
        penalties = [float(part) for part in options.lambdas.split(",")]
    except ValueError:
        penalties = []
    if not penalties or 0.0 not in penalties or options.main_lambda not in penalties:
        raise UserError(
            f"--lambdas must be numbers with 0 and --main-lambda among them, got {options.lambdas}"
        )
    return penalties


def _supernet_losses(searches: Searches, networks: list[Entry], main: float) -> pd.DataFrame:
    """What the supernet of the main lambda says of networks of cells of its size.

    Those that it was not asked about while its weights were there are left out.
    """
    genotypes = {
        entry.name: entry.model.genotype
        for entry in networks
        if isinstance(entry.model, GenotypeCnnConfig)
        and entry.model.shape.residual == searches.whole.preset.search.deployed.residual
        and (entry.kind != "kdl_darts" or entry.penalty == main)
    }
    losses = searches.supernet_losses(main, genotypes)
    return pd.DataFrame({"name": list(losses), "supernet_loss": list(losses.values())})


def _network(whole: SearchRun, entry: Entry) -> Row:
    """A network before the recipe's codec; what its weights are does not matter here."""
    stage, classes = whole.run.experiment.codec, whole.run.num_classes
    model = fresh(lambda: classifier(whole.run, entry.model), seed=0).eval()
    link = fresh(lambda: LinkModel(stage.model, num_classes=classes), seed=0)
    return Row(entry.name, model.body, model.body, link.codec, lambda images: model(images).scores)


def _row(entry: Entry, size: dict[str, Any], seed: int) -> dict[str, Any]:
    return {
        "name": entry.name,
        "kind": entry.kind,
        "lambda": entry.penalty,
        "seed": seed,
        "params": size["encoder_parameters"],
        "macs": size["encoder_macs"],
        "cpu_ms": size["cpu_ms_batch64"],
        "accuracy": size["accuracy"],
        "ci_low": size["accuracy_low"],
        "ci_high": size["accuracy_high"],
        "retention": size["retention"],
    }


def _with_best_random(rows: pd.DataFrame, answers: Mapping[str, Answers]) -> pd.DataFrame:
    """The random network that is best on validation images is called random_best."""
    random = rows.loc[rows["kind"] == "random", "name"]
    best = max(random, key=lambda name: answers[name].validation)
    return rows.assign(kind=rows["kind"].mask(rows["name"] == best, "random_best"))


def _teacher(whole: SearchRun) -> Row:
    run = whole.run
    assert run.taught_in is not None
    parts = TrainedParts(run.experiment, run.dataset, run.taught_in / "weights", run.device)
    teacher = teacher_row(parts)
    if teacher is None:
        raise UserError(f"{run.taught_in} must hold the teachers' weights")
    return teacher


if __name__ == "__main__":
    main()
