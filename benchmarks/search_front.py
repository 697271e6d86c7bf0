"""Accuracy versus parameters over lambda, beside controls: is what the search finds any good?

    python -m benchmarks.search_front RECIPE [--data DIR] [--out DIR]

One search for every lambda, and as controls, all at the parameters of the main lambda's network:
the best of four random genotypes, the network of a search by labels alone, that of lambda = 0 at
narrower or wider cells, cells of nothing but 3x3 convolutions, and the hand-made student. All are
retrained alike, on the same views with the same loss. Random ones are chosen on validation images;
the table's accuracy is of test images.

Takes, on one core, about 15 minutes per search and 2 per epoch of a retraining (CIFAR-100). Stop it
at any time; the same command goes on. Writes OUT/front.csv, front.png and front.pdf, sizes.csv
(what `semlink table` has of networks without a channel, with the teachers; transmitters have the
recipe's codec), pairs.csv (paired differences of accuracy between the searched networks and all
others), ranking.csv (of networks of cells of the main lambda's size, their loss in its supernet
on training images held back, beside their accuracy; the last line printed is the rank correlation),
genotypes/, and OUT/searches/, the folder of every search.
"""

import argparse
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from scipy import stats

from benchmarks.cell_figures import draw_front
from benchmarks.search_presets import preset
from channels.streams import Streams
from models import Genotype, GenotypeCnnConfig, ImageClassifier, StudentConfig
from models.fitting import encoder_parameters, fitted
from models.genotype import CellPlan, Edge, random_plan
from models.search_space import Plans
from simulator.commands.search import adjusted, search_run, write_results
from simulator.commands.shared import recipe_named
from simulator.config import describe
from simulator.distill import LinkModel
from simulator.errors import UserError, in_one_line
from simulator.records import write_json, write_table
from simulator.schemes import TrainedParts
from simulator.search_config import SearchPreset
from simulator.search_cost import cost_table
from simulator.search_run import SearchRun, retrain, search_seed, searched_task
from simulator.search_task import supernet_loss
from simulator.size_table import Credits, Row, clean_entry, right_answers, teacher_row
from simulator.statistics import holm, mcnemar, paired_difference
from simulator.train import fresh
from simulator.training_run import classifier_accuracy

RANDOM, DRAWS = 4, 100


class Entry(NamedTuple):
    """A network of the front."""

    name: str
    kind: str
    penalty: float | None  # lambda
    model: StudentConfig


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
    parser.add_argument("--seed", type=int, default=0, help="of the searches")
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--training", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=None)
    return parser.parse_args()


def front(options: argparse.Namespace) -> pd.DataFrame:
    """Search, retrain, measure; the table is written anew after every network."""
    penalties = _penalties(options)
    taught_in = options.training or Path("results/runs") / options.recipe
    out = options.out or taught_in / "search_front"
    recipe = recipe_named(options.recipe)
    base = _with(preset(recipe, options.preset), options, penalties[0], "kd")
    whole = search_run(recipe, base, data=options.data, taught_in=taught_in, folder=out)
    test = whole.run.dataset.test
    teacher = _teacher(whole)
    teacher_right = right_answers(teacher.classify, test)
    sizes = [clean_entry(teacher, test, right=teacher_right, teacher=teacher_right)]
    rows: list[dict[str, Any]] = []
    right: dict[str, Credits] = {}  # by the network's name
    cells: dict[str, Genotype] = {}
    for entry in entries(whole, options, penalties):
        write_json(out / "genotypes" / f"{entry.name}.json", {"student": describe(entry.model)})
        if isinstance(entry.model, GenotypeCnnConfig):
            cells[entry.name] = entry.model.genotype
        model = retrain(whole, entry.name, entry.model, epochs=options.epochs)
        row = _network(whole, entry.name, model)
        right[entry.name] = right_answers(row.classify, test)
        sizes.append(clean_entry(row, test, right=right[entry.name], teacher=teacher_right))
        rows.append(_row(entry, sizes[-1], options.seed, classifier_accuracy(whole.run, model)))
        write_table(out / "front.csv", pd.DataFrame(rows).drop(columns="validation"))
        write_table(out / "sizes.csv", pd.DataFrame(sizes))
        print(pd.DataFrame(rows).iloc[-1].to_string(), flush=True)
    table = _with_best_random(pd.DataFrame(rows)).drop(columns="validation")
    write_table(out / "front.csv", table)
    write_table(out / "pairs.csv", pairs(table, right))
    ranks = ranking(whole, options, table, cells)
    write_table(out / "ranking.csv", ranks)
    draw_front(table, out, title=f"{whole.run.dataset.name}, {options.epochs} epochs each")
    found = stats.spearmanr(-ranks["supernet_loss"], ranks["accuracy"])
    print(f"rank correlation over {len(ranks)}: {found.statistic:.2f}, p = {found.pvalue:.2f}")
    return table


def pairs(front_table: pd.DataFrame, right: dict[str, Credits]) -> pd.DataFrame:
    """Accuracy of each searched network minus that of every other network, on the same images.

    Intervals are over images, p-values are McNemar's, and Holm's for all rows.
    """
    kinds = dict(zip(front_table["name"], front_table["kind"], strict=True))
    rows = []
    for a, b in itertools.permutations(right, 2):
        if kinds[a] == "kdl_darts" and not (kinds[b] == "kdl_darts" and b < a):
            found = paired_difference(right[a], right[b])
            p_value = mcnemar(right[a] - right[b])
            values = {"difference": found.value, "ci_low": found.low, "ci_high": found.high}
            rows.append({"a": a, "b": b, "kind_of_b": kinds[b], **values, "p_value": p_value})
    table = pd.DataFrame(rows)
    return table.assign(p_holm=holm(list(table["p_value"])))


def ranking(
    whole: SearchRun,
    options: argparse.Namespace,
    front_table: pd.DataFrame,
    cells: Mapping[str, Genotype],
) -> pd.DataFrame:
    """What the supernet of the main lambda says of networks of its size, and what they came to."""
    main = options.main_lambda
    task, _ = searched_task(_own(whole, options, main, "kd"), options.seed)
    other_sizes = {f"kdl_darts_{p:g}" for p in _penalties(options) if p != main}
    rows = front_table[front_table["name"].isin(cells.keys() - other_sizes)]
    losses = [supernet_loss(task, Plans(cells[n].normal, cells[n].reduce)) for n in rows["name"]]
    return pd.DataFrame(
        {"name": rows["name"], "supernet_loss": losses, "accuracy": rows["accuracy"]}
    )


def entries(
    whole: SearchRun, options: argparse.Namespace, penalties: Sequence[float]
) -> Iterator[Entry]:
    """Every network of the front; a search runs when its network is asked for."""
    found = {}
    for penalty in penalties:
        found[penalty] = _searched(whole, options, penalty, "kd")
        yield Entry(f"kdl_darts_{penalty:g}", "kdl_darts", penalty, found[penalty])
    main = options.main_lambda
    channels = whole.run.image_channels
    size = encoder_parameters(found[main], image_channels=channels)
    hand_made = whole.run.experiment.student.model
    yield Entry("hand_made", "hand_made", None, fitted(hand_made, size, image_channels=channels))
    for index, model in enumerate(random_students(whole, size, RANDOM, options.seed)):
        yield Entry(f"random_{index}", "random", None, model)
    by_labels = _searched(whole, options, main, "ce")
    ce_only = fitted(by_labels, size, image_channels=channels)
    yield Entry("ce_only", "ce_only", main, ce_only)
    free = fitted(found[0.0], size, image_channels=channels)
    yield Entry("no_penalty", "no_penalty", 0.0, free)
    yield Entry("plain", "plain", None, plain_student(whole, size))


def random_students(whole: SearchRun, size: int, number: int, seed: int) -> Iterator[StudentConfig]:
    """Random genotypes, each the nearest in cost of a hundred, scaled to `size` parameters."""
    config = replace(whole.preset.search, cost="parameters")
    space = config.search_space
    image_shape = whole.run.dataset.image_shape
    costs = cost_table(config, image_shape=image_shape)
    generator = Streams(seed=seed)("random genotypes", config.space)

    def plan() -> CellPlan:
        return random_plan(space, generator=generator, most_skips=config.most_skips)

    def draw() -> Plans:
        return Plans(plan(), plan())

    for _ in range(number):
        draws = [draw() for _ in range(DRAWS)]
        plans = min(draws, key=lambda own: abs(costs.of(own, space) - size))
        genotype = Genotype(space=config.space, normal=plans.normal, reduce=plans.reduce)
        student = GenotypeCnnConfig(genotype=genotype, shape=config.deployed)
        yield fitted(student, size, image_channels=image_shape[0])


def plain_student(whole: SearchRun, size: int) -> StudentConfig:
    """Cells of nothing but (separable) 3x3 convolutions of the two latest states, of this size."""
    config = whole.preset.search
    space = config.search_space
    name = "conv3" if "conv3" in space.names else "sep3"
    plan = tuple((Edge(node, name), Edge(node + 1, name)) for node in range(space.nodes))
    genotype = Genotype(space=config.space, normal=plan, reduce=plan)
    student = GenotypeCnnConfig(genotype=genotype, shape=config.deployed)
    return fitted(student, size, image_channels=whole.run.image_channels)


def _searched(
    whole: SearchRun, options: argparse.Namespace, penalty: float, teaching: str
) -> GenotypeCnnConfig:
    """The network of one search."""
    own = _own(whole, options, penalty, teaching)
    found = search_seed(own, options.seed)
    write_results(own, [found], found, {})
    return found.student


def _own(whole: SearchRun, options: argparse.Namespace, penalty: float, teaching: str) -> SearchRun:
    """One search, in a folder of its own below the front's."""
    folder = whole.run.folder / "searches" / f"{teaching}_lambda{penalty:g}"
    return replace(
        whole,
        run=replace(whole.run, folder=folder),
        preset=_with(whole.preset, options, penalty, teaching),
    )


def _with(
    base: SearchPreset, options: argparse.Namespace, penalty: float, teaching: str
) -> SearchPreset:
    return adjusted(
        base,
        penalty=penalty,
        target=options.target_params,
        teaching=teaching,
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


def _network(whole: SearchRun, name: str, model: ImageClassifier) -> Row:
    """A network before the recipe's codec, whose weights do not matter here."""
    stage, classes = whole.run.experiment.codec, whole.run.num_classes
    link = fresh(lambda: LinkModel(stage.model, num_classes=classes), seed=0)
    return Row(name, model.body, model.body, link.codec, lambda images: model(images).scores)


def _row(entry: Entry, size: dict[str, Any], seed: int, validation: float) -> dict[str, Any]:
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
        "validation": validation,
    }


def _with_best_random(rows: pd.DataFrame) -> pd.DataFrame:
    """The random network that is best on validation images is called random_best."""
    best = rows.loc[rows["kind"] == "random", "validation"].idxmax()
    rows = rows.copy()
    rows.loc[best, "kind"] = "random_best"
    return rows


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
