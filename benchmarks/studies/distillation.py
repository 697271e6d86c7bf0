"""The benefit of each ingredient of the student's distillation, on a short schedule.

    python -m benchmarks.studies.distillation --data DIR --training DIR

Students of one architecture and one seed learn from the teachers of one training run: `base`
without the ingredients, each other variant with one change, `together` by the recipe.
Accuracies are those on validation images, and differences to `base` are paired image by image.
Writes OUT/distillation.csv and distillation.json; finished students are kept below OUT.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import click
import pandas as pd
import torch

from benchmarks.recipes.cifar100 import cifar100
from benchmarks.studies.pool import done_by_workers
from benchmarks.studies.taught import Job, TaughtRequest
from simulator.commands.options import command, option, run, whole
from simulator.data.dataset import Dataset
from simulator.description.basis import Basis
from simulator.errors import UserError
from simulator.statistics.paired import paired_difference
from simulator.statistics.tally import Credits
from simulator.storage.describe import describe
from simulator.storage.environment import environment
from simulator.storage.files import write_json, write_table

BASE: Final = "base"
COLUMNS: Final = ["variant", "epochs", "images", "accuracy", "difference", "low", "high"]
FASTER: Final = 1.28  # times as many epochs in equal time, if the first half has 24x24 pixels


def variants(recipe: Basis) -> Mapping[str, Basis]:
    """Every variant's recipe; each changes one thing of `base`.

    `together` has the recipe's ingredients, in equal time.
    """
    base = plain(recipe)
    stage, shown = base.student, base.augment
    loss, training = stage.loss, stage.training
    stronger = replace(loss, kl=9.0, standardised=True)
    averaged = replace(training, average=0.999)
    operated, pasted = replace(shown, operations=2), replace(shown, pasted=0.45)
    more = replace(training, epochs=round(training.epochs * FASTER))
    return {
        BASE: base,
        "two_teachers": replace(base, more_teachers=base.more_teachers[:1]),
        "standardised": replace(base, student=replace(stage, loss=stronger)),
        "no_features": replace(base, student=replace(stage, loss=replace(loss, mse=0.0))),
        "randaugment": replace(base, stronger=operated),
        "pasted": replace(base, stronger=pasted),
        "average": replace(base, student=replace(stage, training=averaged)),
        "small_first": replace(base, student=replace(stage, training=more, small_share=0.5)),
        "together": replace(recipe, student=replace(recipe.student, training=more)),
    }


def plain(recipe: Basis) -> Basis:
    """The recipe without any of the ingredients."""
    stage = recipe.student
    loss = replace(stage.loss, kl=0.9, standardised=False)
    training = replace(stage.training, average=0.0)
    return replace(
        recipe,
        stronger=None,
        stronger_every=1,
        student=replace(stage, loss=loss, training=training, small_share=0.0),
    )


def right(dataset: Dataset, job: Job) -> Credits:
    """Correct answers to validation images; the function that workers run."""
    return job.right(dataset, "validation")


@dataclass(frozen=True, kw_only=True)
class DistillationRequest(TaughtRequest):
    """The options of `distillation`."""

    splits = ("validation",)
    out: Path = option(default=Path("results/runs/distillation"), help="Folder to write to.")
    epochs: int = option(default=12, type=whole(1, 1000), help="Epochs of every student.")
    views: int = option(default=4, type=whole(2, 100), help="Augmented views, an even number.")
    only: tuple[str, ...] = option(default=(), help="Variants, separated by commas. Default: all.")

    def jobs(self) -> Iterator[Job]:
        """One for each variant. Raises: UserError for an unknown variant."""
        recipe = replace(cifar100(), views=self.views)
        training = replace(recipe.student.training, epochs=self.epochs)
        found = variants(replace(recipe, student=replace(recipe.student, training=training)))
        if unknown := [name for name in self.only if name not in found]:
            raise UserError(f"--only must be among {', '.join(found)}, got {', '.join(unknown)}")
        kinds: list[tuple[Any, ...]] = []
        for name, own in found.items():
            if (kind := (own.stronger, own.stronger_every, own.more_teachers)) not in kinds:
                kinds.append(kind)
            if not self.only or name in (BASE, *self.only):
                yield Job(name, own, self.out / f"views_{kinds.index(kind)}", self.training)


def table(answers: Mapping[str, Credits], epochs: Mapping[str, int]) -> pd.DataFrame:
    """A row for every finished variant, with its difference to `base` once that is finished."""
    rows = []
    for name, own in answers.items():
        row: list[Any] = [name, epochs[name], len(own), own.mean()]
        if name != BASE and BASE in answers:
            row += paired_difference(own, answers[BASE])
        rows.append(dict(zip(COLUMNS, row, strict=False)))
    return pd.DataFrame(rows, columns=COLUMNS)


def _described(recipe: Basis) -> dict[str, Any]:
    """The settings that determine the student."""
    told: dict[str, Any] = describe(recipe)
    return {own.name: told[own.name] for own in fields(Basis) if own.name in told}


@command(DistillationRequest)
def distillation(request: DistillationRequest) -> None:
    """Train students by variants of the distillation, and compare them with the base."""
    jobs = [*request.jobs()]
    epochs = {job.name: job.recipe.student.training.epochs for job in jobs}
    answers: dict[str, Credits] = {}
    for job, own in done_by_workers(right, jobs, request):
        answers[job.name] = own
        answers = {name: answers[name] for name in epochs if name in answers}
        write_table(request.out / "distillation.csv", table(answers, epochs))
    about = {
        "variants": {job.name: _described(job.recipe) for job in jobs},
        "environment": environment(torch.device("cpu")),
    }
    write_json(request.out / "distillation.json", about)
    click.echo(table(answers, epochs).round(4).to_string(index=False))


def main() -> None:
    """The command."""
    run(distillation.click, "distillation")


if __name__ == "__main__":
    main()
