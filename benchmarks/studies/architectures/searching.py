"""Methods of choosing an architecture on the proxy, at about the same total cost.

All have the same final stage: proposals are trained side by side and halved, by the same rungs.
Each method has as many proposals as make total costs about equal: random networks train more slowly
than those that a search finds.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

import torch

from benchmarks.recipes.cifar100 import two_teachers
from benchmarks.recipes.search import preset
from benchmarks.recipes.variants import LABELS_ONLY
from benchmarks.studies.architectures.proxy import EPOCHS, PADDING, SIDE, TRAINING, Proxy
from benchmarks.studies.architectures.zero_cost import vote
from channels.streams import Streams
from models import StudentConfig
from models.nas.fitting import fitted
from simulator.description.stages import AugmentConfig
from simulator.search.config import BilevelConfig, SearchPreset, StagedSearchConfig
from simulator.search.halving import proposed
from simulator.search.prepare import SearchRun
from simulator.search.relaxed import RelaxedStages
from simulator.search.run import budget_of, finish_of, searched_task
from simulator.training.run import TrainingRun
from simulator.training.teachers import Views

PARAMETERS: Final = 360_000  # of networks on the proxy
SEARCH_IMAGES: Final = 5_000  # in each half, for weights and for the architecture
SEARCH_EPOCHS: Final = 8
PENALTY: Final = 0.1
PROPOSALS: Final = 8  # after a search; about 120 core-seconds in total
DRAWN: Final = {"random": 8, "zero_cost": 6}  # proposals without a search, at equal core-seconds
VOTED: Final = {"zero_cost": 2_000, "kdl_vote": 250}  # networks that the vote ranks
AUGMENTED: Final = 24  # crops of every image, used in turn
LOSSES: Final = {"labels": LABELS_ONLY}
PENALTIES: Final = {"no_penalty": 0.0}
SEARCHES: Final = ("kdl_darts", "kdl_vote", "labels", "no_penalty")
METHODS: Final = (*SEARCHES, "random", "zero_cost", "hand_made")


class Chosen(NamedTuple):
    """The network that a method chose, and the cost of choosing it."""

    model: StudentConfig
    core_seconds: float
    proposals: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Searching:
    """One method with one seed; it writes to `folder`."""

    proxy: Proxy
    method: str
    seed: int
    folder: Path
    weights: Path  # of the teachers

    def chosen(self) -> Chosen:
        """Run the method; return the network that it chooses."""
        start = time.process_time()
        whole = self.whole()
        models = self._proposals(whole)
        winner = models[0]
        if len(models) > 1:
            rungs = stages_of(whole).rungs
            ranked = finish_of(whole, self.seed).ranked("proposal", models, rungs)
            winner = models[ranked.winner]
        return Chosen(winner, round(time.process_time() - start, 1), len(models))

    def hand_made(self) -> StudentConfig:
        """The hand-made student at the size of the proxy."""
        return fitted(two_teachers().student.model, PARAMETERS, image_channels=3)

    def whole(self) -> SearchRun:
        """The description of the search; methods without one use only its final stage."""
        config = replace(
            stages_of(preset(two_teachers(), "stages")),
            image_size=SIDE,
            images=SEARCH_IMAGES,
            epochs=SEARCH_EPOCHS,
            loss=LOSSES.get(self.method, two_teachers().student.loss),
            penalty=PENALTIES.get(self.method, PENALTY),
            target=PARAMETERS,
            proposals=PROPOSALS,
        )
        found = SearchPreset[BilevelConfig]("stages", config, retraining_epochs=EPOCHS)
        return SearchRun(run=proxy_run(self.proxy, self), preset=found, views=views(self.proxy))

    def _proposals(self, whole: SearchRun) -> Sequence[StudentConfig]:
        budget, config = budget_of(whole.run, whole.preset.search), stages_of(whole)
        generator = Streams(seed=self.seed)("proposals", self.method)
        if self.method == "hand_made":
            return [self.hand_made()]
        if self.method == "random":
            return proposed(
                DRAWN["random"], budget, lambda: config.space.uniform(generator=generator)
            )
        if self.method == "zero_cost":
            drawn = proposed(
                VOTED["zero_cost"], budget, lambda: config.space.uniform(generator=generator)
            )
            return vote(drawn, self.proxy, budget, seed=self.seed)[: DRAWN["zero_cost"]]
        relaxed = searched_task(whole, self.seed)[0].relaxed
        assert isinstance(relaxed, RelaxedStages)
        drawn = proposed(
            VOTED.get(self.method, PROPOSALS),
            budget,
            lambda: relaxed.architecture.drawn(generator=generator),
            first=relaxed.student(),
        )
        if self.method == "kdl_vote":
            drawn = vote(drawn, self.proxy, budget, seed=self.seed)
        return drawn[:PROPOSALS]


def stages_of(whole: SearchRun | SearchPreset[BilevelConfig]) -> StagedSearchConfig:
    """The configuration of the search, which is a staged one."""
    config = (whole.preset if isinstance(whole, SearchRun) else whole).search
    assert isinstance(config, StagedSearchConfig)
    return config


def proxy_run(proxy: Proxy, searching: Searching) -> TrainingRun:
    """A training run on the proxy; a search uses its images and the names of its teachers."""
    recipe = two_teachers()
    recipe = replace(
        recipe,
        augment=AugmentConfig(crop_padding=PADDING, flip=True),
        views=AUGMENTED,
        mirrored=False,
        student=replace(recipe.student, training=TRAINING),
    )
    return TrainingRun(
        recipe=recipe,
        dataset=proxy.dataset,
        folder=searching.folder,
        seed=searching.seed,
        device=torch.device("cpu"),
        taught_in=searching.weights.parent,
    )


def views(proxy: Proxy) -> Views:
    """The teachers' outputs for whole images, used for every crop of them."""
    features, scores = (own[None] for own in proxy.targets)
    return Views(features, scores)
