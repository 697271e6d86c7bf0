"""The networks of a front: searched ones, and controls of the same size."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from channels.streams import Streams
from models import CodecConfig, Genotype, GenotypeCnnConfig, StudentConfig
from models.nas.fitting import encoder_parameters, fitted
from models.nas.genotype import CellPlan, random_plan
from models.nas.search_space import Plans
from simulator.errors import UserError
from simulator.resolve import search_figures
from simulator.search.config import SearchConfig
from simulator.search.cost import cost_table
from simulator.search.relaxed import RelaxedCells
from simulator.search.run import (
    SearchRun,
    adjusted,
    search_checkpoint,
    search_key,
    search_seed,
    searched_task,
)
from simulator.search.written import read_student, write_search
from simulator.storage.describe import describe, digest
from simulator.storage.files import read_keyed, write_json

RANDOM, DRAWS = 4, 100


class Entry(NamedTuple):
    """A network of the front."""

    name: str
    kind: str
    penalty: float | None  # lambda
    model: StudentConfig


@dataclass(frozen=True, kw_only=True)
class Searches:
    """The searches of a front, each in a folder of its own below the front's."""

    whole: SearchRun
    codec: CodecConfig  # the recipe's, which stands behind every network
    seed: int
    target: str | None  # parameters below which the penalty is zero; None: the preset's
    epochs: int | None  # likewise

    def of(self, penalty: float, teaching: str) -> SearchRun:
        """One of them, not begun."""
        folder = self.whole.run.folder / "searches" / f"{teaching}_lambda{penalty:g}"
        preset = adjusted(
            self.whole.preset,
            penalty=penalty,
            target=self.target,
            teaching=teaching,
            epochs=self.epochs,
        )
        return replace(self.whole, run=replace(self.whole.run, folder=folder), preset=preset)

    def found(self, penalty: float, teaching: str = "kd") -> GenotypeCnnConfig:
        """The network of one search: what is written of it, else it is searched.

        Raises: UserError if what is written is of another search.
        """
        own = self.of(penalty, teaching)
        path = own.run.folder / "genotypes" / f"seed_{self.seed}.json"
        if not read_keyed(path, search_key(own, self.seed)):
            found = search_seed(own, self.seed)
            write_search(own, [found], found, {}, draw=search_figures)
        student = read_student(path)
        assert isinstance(student, GenotypeCnnConfig)
        return student

    def supernet_losses(
        self, penalty: float, genotypes: Mapping[str, Genotype]
    ) -> dict[str, float]:
        """Losses of genotypes in the supernet of a search, on training images held back.

        They are kept beside it, and outlive its checkpoint; without that, new ones are left out.
        Raises: UserError if the checkpoint is of another search than the genotype found.
        """
        own, found = self.of(penalty, "kd"), self.found(penalty).genotype
        path = own.run.folder / "supernet_losses.json"
        key = digest([search_key(own, self.seed), describe(found)])
        kept = read_keyed(path, key)
        losses: dict[str, float] = kept["losses"] if kept else {}
        named = {name: digest(describe(genotype)) for name, genotype in genotypes.items()}
        new = {named[name]: genotypes[name] for name in named if named[name] not in losses}
        if new and search_checkpoint(own, self.seed).exists():
            task, _ = searched_task(own, self.seed)
            cells = task.relaxed
            assert isinstance(cells, RelaxedCells)
            if cells.plans() != (found.normal, found.reduce):
                raise UserError(
                    f"{own.run.folder} must hold one search, but its checkpoint and its genotype "
                    "differ; remove the folder"
                )
            for name, genotype in new.items():
                plans = Plans(genotype.normal, genotype.reduce)
                losses[name] = task.validate(cells.alone(plans))
            write_json(path, {"key": key, "losses": losses})
        return {name: losses[short] for name, short in named.items() if short in losses}


def names(penalties: Sequence[float]) -> list[str]:
    """The names of every network of the front, in the order of `entries`."""
    searched = [f"kdl_darts_{penalty:g}" for penalty in penalties]
    random = [f"random_{index}" for index in range(RANDOM)]
    return [*searched, "hand_made", *random, "ce_only", "no_penalty", "no_residual"]


def entries(searches: Searches, penalties: Sequence[float], main: float) -> Iterator[Entry]:
    """Every network of the front; `main` is the lambda whose size the controls have."""
    whole = searches.whole
    found = {penalty: searches.found(penalty) for penalty in penalties}
    for penalty, model in found.items():
        yield Entry(f"kdl_darts_{penalty:g}", "kdl_darts", penalty, model)
    channels = whole.run.dataset.image_shape[0]
    size = encoder_parameters(found[main], image_channels=channels)

    def same_size(name: str, penalty: float | None, model: StudentConfig) -> Entry:
        return Entry(name, name, penalty, fitted(model, size, image_channels=channels))

    yield same_size("hand_made", None, whole.run.recipe.student.model)
    for index, drawn in enumerate(_random_students(whole, size, searches.seed)):
        yield Entry(f"random_{index}", "random", None, drawn)
    yield same_size("ce_only", main, searches.found(main, "ce"))
    yield same_size("no_penalty", 0.0, found[0.0])
    # the same genotype at the same size in the cells of DARTS, whose nodes have edges alone
    shape = replace(found[main].shape, residual=False)
    yield Entry("no_residual", "no_residual", main, replace(found[main], shape=shape))


def _random_students(whole: SearchRun, size: int, seed: int) -> Iterator[StudentConfig]:
    """Random genotypes, each the nearest in cost of a hundred, scaled to `size` parameters."""
    assert isinstance(whole.preset.search, SearchConfig)
    config = replace(whole.preset.search, cost="parameters")
    space = config.search_space
    image_shape = whole.run.dataset.image_shape
    costs = cost_table(config, image_shape=image_shape)
    generator = Streams(seed=seed)("random genotypes", config.space)

    def plan() -> CellPlan:
        return random_plan(space, generator=generator, most_skips=config.most_skips)

    for _ in range(RANDOM):
        draws = [Plans(plan(), plan()) for _ in range(DRAWS)]
        plans = min(draws, key=lambda own: abs(costs.of(own, space) - size))
        genotype = Genotype(space=config.space, normal=plans.normal, reduce=plans.reduce)
        student = GenotypeCnnConfig(genotype=genotype, shape=config.deployed)
        yield fitted(student, size, image_channels=whole.run.dataset.image_shape[0])
