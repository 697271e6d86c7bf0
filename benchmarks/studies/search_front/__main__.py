"""Accuracy versus parameters over lambda, beside controls: does the search find good networks?

    python -m benchmarks.studies.search_front RECIPE [--data DIR] [--out DIR]

One search for every lambda, and as controls, all at the parameters of the main lambda's network:
the best of four random genotypes, the network of a search by labels alone, that of lambda = 0 at
narrower or wider cells, the main network in cells that are not residual, and the hand-made student.
All are retrained alike, on the same views with the same loss. Random ones are chosen on validation
images; the table's accuracy is of test images.

With --only some networks are retrained (all searches are made all the same), and with
--retraining-seeds each one from several seeds: accuracies and differences are then means over
these, intervals are over images for the seeds that were used, and seeds_low, seeds_high of
pairs.csv over training runs for the images that were used. The tables hold only these networks, so
choose a separate --out; answers/ and searches/ can be copied to it.

Takes, on one core that computes bf16 (AMD EPYC with AVX-512), about 16 minutes per search and 1.5
per epoch of a retraining (CIFAR-100); in fp32 with AVX2 alone, 33 and 9. Stop it at any time; the
same command resumes. Finished searches and outputs of networks are reused without their weights,
from OUT/searches/ and OUT/answers/. The teachers' outputs come from the training run, or with
--views from OUT/teaching/.
Writes OUT/front.csv, front.png and front.pdf, sizes.csv (what `semlink table` has of networks
without a channel, with the teachers; transmitters have the recipe's codec), pairs.csv (paired
differences of accuracy: searched networks minus all others, controls minus the hand-made one),
ranking.csv (of networks of cells of the main lambda's size, their loss in its supernet on training
images held back, beside their accuracy; the last line printed is the rank correlation; empty when
the supernet is gone), seeds.csv (accuracy by seed of the retraining) and genotypes/.
"""

import argparse
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from scipy import stats

from benchmarks.figures.front import draw_front
from benchmarks.recipes.search import preset
from benchmarks.studies.search_front.answers import Answered, Answers, answered
from benchmarks.studies.search_front.entries import RANDOM, Entry, Searches, entries, names
from models import GenotypeCnnConfig, ImageClassifier
from simulator import resolve
from simulator.errors import UserError, in_one_line
from simulator.measures.sizes import Row, clean_entry, right_answers, teacher_row
from simulator.parse import MOST_SEED, in_range
from simulator.schemes.codec import LinkModel
from simulator.schemes.rkd_sc import RkdScConfig
from simulator.search.config import SearchConfig
from simulator.search.run import SearchRun, adjusted, search_run
from simulator.statistics.intervals import accuracy_interval, mean_difference
from simulator.statistics.paired import holm, paired_difference, paired_p_value
from simulator.storage.describe import describe
from simulator.storage.files import write_json, write_table
from simulator.training.loop import fresh
from simulator.training.weights import Weights

MOST_EPOCHS = 10_000
FEWEST_RANKS = 3  # for a correlation

PAIR_COLUMNS = [
    *("a", "b", "kind_of_b", "difference", "ci_low", "ci_high", "p_value", "p_holm"),
    *("seeds_low", "seeds_high"),
]


def main() -> None:
    """The command."""
    options = _options()
    try:
        with in_one_line("search_front"):
            front(options)
    except KeyboardInterrupt:
        raise SystemExit("stopped; run the same command again to resume") from None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("recipe")
    add("--preset", default="cpu")
    add("--lambdas", default="0,0.03,0.1,0.3", help="0 must be among them")
    add("--main-lambda", type=float, default=0.1, help="whose size controls have")
    add("--target-params")
    add("--search-epochs", type=int)
    add("--epochs", type=int, default=10, help="of every retraining")
    add("--only", nargs="+", help="networks to retrain; default: all")
    seeds = "of every retraining; default: the training run's"
    add("--retraining-seeds", type=int, nargs="+", help=seeds)
    views = "shared views; fewer than the recipe's take its teachers less time"
    add("--views", type=int, help=views)
    add("--seed", type=int, default=0, help="of the searches")
    add("--data", type=Path)
    add("--training", type=Path)
    add("--out", type=Path)
    return parser.parse_args()


def front(options: argparse.Namespace) -> pd.DataFrame:
    """Search, retrain, measure; the table is written anew after every network."""
    penalties, main = _penalties(options), options.main_lambda
    only = _only(options, penalties)
    searches = _searches(options, penalties)
    whole, out = searches.whole, searches.whole.run.folder
    networks = [own for own in entries(searches, penalties, main) if own.name in only]
    for entry in networks:
        write_json(out / "genotypes" / f"{entry.name}.json", {"student": describe(entry.model)})
    losses = _supernet_losses(searches, networks, main)
    seeds = options.retraining_seeds or [whole.run.seed]
    rows, answers = _retrained(searches, networks, options.epochs, seeds)
    table = _with_best_random(rows, answers)
    ranks = losses.assign(accuracy=losses["name"].map(table.set_index("name")["accuracy"]))
    written = {"front": table, "pairs": pairs(table, answers), "ranking": ranks}
    for name, content in written.items():
        write_table(out / f"{name}.csv", content)
    draw_front(table, out, title=f"{whole.run.dataset.name}, {options.epochs} epochs each")
    if len(ranks) >= FEWEST_RANKS:
        found = stats.spearmanr(-ranks["supernet_loss"], ranks["accuracy"])
        print(f"rank correlation over {len(ranks)}: {found.statistic:.2f}, p = {found.pvalue:.2f}")
    return table


def _only(options: argparse.Namespace, penalties: list[float]) -> list[str]:
    """Names of the networks to retrain, all by default. Raises: UserError if one is unknown."""
    known = names(penalties)
    if unknown := [name for name in options.only or () if name not in known]:
        raise UserError(f"--only must be among {', '.join(known)}, got {', '.join(unknown)}")
    return options.only or known


def _retrained(
    searches: Searches, networks: list[Entry], epochs: int, seeds: list[int]
) -> tuple[pd.DataFrame, dict[str, Answered]]:
    """Rows of the front and what the networks answer; tables are written after every network."""
    whole = searches.whole
    out, test, teacher = whole.run.folder, whole.run.dataset.test, _teacher(whole)
    taught = right_answers(teacher.classify, test)
    sizes = [clean_entry(teacher, test, right=taught, teacher=taught)]
    rows: list[dict[str, Any]] = []
    by_seed: list[dict[str, Any]] = []
    answers: dict[str, Answered] = {}
    for entry in networks:
        own = answered(whole, entry.name, entry.model, epochs=epochs, seeds=seeds)
        answers[entry.name] = own
        row = _network(searches, entry)
        sizes.append(clean_entry(row, test, right=own.right, teacher=taught))
        rows.append(_row(entry, sizes[-1], searches.seed) | {"retraining_seeds": len(own.by_seed)})
        by_seed += [_seed_row(entry.name, seed, one) for seed, one in own.by_seed.items()]
        for name, content in (("front", rows), ("sizes", sizes), ("seeds", by_seed)):
            write_table(out / f"{name}.csv", pd.DataFrame(content))
        print(f"{rows[-1]} validation {own.validation:.4f}", flush=True)
    return pd.DataFrame(rows), answers


def pairs(front_table: pd.DataFrame, answers: Mapping[str, Answered]) -> pd.DataFrame:
    """Differences of accuracy on the same images: what is searched minus every other network.

    And what is neither searched nor hand-made minus the hand-made one. Intervals are over images,
    p-values are of the score test (on means over seeds), and Holm's for all rows; `seeds_low,
    seeds_high` is the interval over trainings, for these images, and empty where there is one.
    """
    kinds = dict(zip(front_table["name"], front_table["kind"], strict=True))
    rows = []
    for a, b in itertools.permutations(answers, 2):
        searched = kinds[a] == "kdl_darts" and not (kinds[b] == "kdl_darts" and b < a)
        if searched or (kinds[a] != "kdl_darts" and kinds[b] == "hand_made"):
            x, y = answers[a].right, answers[b].right
            found = (*paired_difference(x, y), paired_p_value(x - y))
            rows.append((a, b, kinds[b], *found, *_over_seeds(answers[a], answers[b])))
    table = pd.DataFrame(rows, columns=[name for name in PAIR_COLUMNS if name != "p_holm"])
    return table.assign(p_holm=holm(list(table["p_value"])))[PAIR_COLUMNS]


def _over_seeds(a: Answered, b: Answered) -> tuple[float | None, float | None]:
    if min(len(a.by_seed), len(b.by_seed)) < 2:
        return None, None
    found = mean_difference(a.accuracies, b.accuracies)
    return found.low, found.high


def _searches(options: argparse.Namespace, penalties: list[float]) -> Searches:
    taught_in = options.training or Path("results/runs") / options.recipe
    recipe = resolve.recipe_named(options.recipe)
    chosen = preset(recipe, options.preset)
    in_range("--epochs", options.epochs, 1, MOST_EPOCHS)
    for seed in options.retraining_seeds or ():
        in_range("--retraining-seeds", seed, 0, MOST_SEED)
    if options.search_epochs is not None:
        in_range("--search-epochs", options.search_epochs, 1, MOST_EPOCHS)
    for penalty in penalties:  # refuse mistakes before the work
        adjusted(chosen, penalty=penalty, target=options.target_params)
    whole = search_run(
        recipe,
        chosen,
        dataset=resolve.dataset_of(recipe, options.data),
        taught_in=taught_in,
        folder=options.out or taught_in / "search_front",
        device=resolve.device_named("cpu"),
        views=options.views,
    )
    codec = recipe.one(RkdScConfig).codec.model
    asked = {"seed": options.seed, "target": options.target_params, "epochs": options.search_epochs}
    return Searches(whole=whole, codec=codec, **asked)


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
    """Losses of networks with cells of the same size in the supernet of the main lambda.

    Networks not evaluated while the supernet's weights existed are left out.
    """
    preset = searches.whole.preset.search
    assert isinstance(preset, SearchConfig)
    genotypes = {
        entry.name: entry.model.genotype
        for entry in networks
        if isinstance(entry.model, GenotypeCnnConfig)
        and entry.model.shape.residual == preset.deployed.residual
        and (entry.kind != "kdl_darts" or entry.penalty == main)
    }
    losses = searches.supernet_losses(main, genotypes)
    return pd.DataFrame({"name": list(losses), "supernet_loss": list(losses.values())})


def _network(searches: Searches, entry: Entry) -> Row:
    """A network before the recipe's codec; its weights do not matter here."""
    run = searches.whole.run
    model = fresh(lambda: ImageClassifier(entry.model, **run.dataset.sizes), seed=0).eval()
    link = fresh(lambda: LinkModel(searches.codec, num_classes=run.dataset.num_classes), seed=0)
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


def _seed_row(name: str, seed: int, own: Answers) -> dict[str, Any]:
    accuracy, interval = float(own.right.mean()), accuracy_interval(own.right)
    row = {"name": name, "retraining_seed": seed, "validation": own.validation}
    return row | {"accuracy": accuracy, "ci_low": interval.low, "ci_high": interval.high}


def _with_best_random(rows: pd.DataFrame, answers: Mapping[str, Answered]) -> pd.DataFrame:
    """The random network that is best on validation images is called so, if all are there."""
    random = rows.loc[rows["kind"] == "random", "name"]
    if len(random) < RANDOM:
        return rows
    best = max(random, key=lambda name: answers[name].validation)
    return rows.assign(kind=rows["kind"].mask(rows["name"] == best, "random_best"))


def _teacher(whole: SearchRun) -> Row:
    run = whole.run
    assert run.taught_in is not None
    weights = Weights(run.recipe, run.dataset, run.taught_in / "weights", run.device)
    if (teacher := teacher_row(weights)) is None:
        raise UserError(f"{run.taught_in} must hold the teachers' weights")
    return teacher


if __name__ == "__main__":
    main()
