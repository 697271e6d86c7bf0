"""A whole sweep: its schemes and images, and what determines its numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any

import torch

from channels.base import Channel
from channels.names import is_named
from simulator.data import splits
from simulator.data.dataset import Split
from simulator.engine.checked import is_own, with_checks
from simulator.engine.evaluate import (
    Evaluator,
    Setting,
    evaluator_here,
)
from simulator.engine.grid import Division, Grid, Point, by_name, placed, plan
from simulator.engine.pilots import best_divisions
from simulator.engine.run import Facts, facts_of
from simulator.left_out import LeftOut
from simulator.scheme import Scheme
from simulator.schemes.experiment import Built, Experiment, build_scheme, requested_schemes
from simulator.storage.describe import digest
from simulator.training.weights import Weights


@dataclass(frozen=True, kw_only=True, eq=False)
class Sweep:
    """A sweep: schemes over a grid, on test images, with the weights of one training run."""

    experiment: Experiment
    weights: Weights
    test: Split
    built: Mapping[str, Built]  # schemes by name, in the order of tables
    points: Sequence[Point]
    grid: Grid
    setting: Setting

    @classmethod
    def of(
        cls,
        weights: Weights,
        experiment: Experiment,
        schemes: Sequence[str | Scheme],
        grid: Grid,
        *,
        test: Split,
        setting: Setting,
    ) -> "tuple[Sweep, list[LeftOut]]":
        """Return a sweep, and everything that is left out of it.

        Schemes are names, `all` for all trained schemes, or objects. Raises: UserError.
        """
        named = [scheme for scheme in schemes if isinstance(scheme, str)]
        names, untrained = requested_schemes(experiment, weights, named) if named else ([], [])
        built = {name: build_scheme(name, experiment, weights) for name in names}
        objects = {id(scheme): scheme for scheme in schemes if not isinstance(scheme, str)}
        classes = weights.dataset.num_classes
        checked = [with_checks(scheme, classes) for scheme in objects.values()]
        whole = by_name([*(own.scheme for own in built.values()), *checked], option="--schemes")
        built = {
            name: built.get(name, Built(own, {"version": own.version}))
            for name, own in whole.items()
        }
        points, left_out = plan(list(whole.values()), grid)
        sweep = cls(
            experiment=experiment,
            weights=weights,
            test=test,
            built=built,
            points=points,
            grid=grid,
            setting=setting,
        )
        return sweep, [*untrained, *left_out]

    @property
    def _schemes(self) -> list[Scheme]:
        return [built.scheme for built in self.built.values()]

    @property
    def _used_channels(self) -> list[str]:
        return sorted({point.channel for point in self.points})

    @cached_property
    def identities(self) -> dict[str, Any]:
        """What the results of each scheme depend on, for schemes that have a point."""
        used = sorted({point.scheme for point in self.points})
        return {name: self.built[name].identity for name in used}

    @property
    def own_points(self) -> dict[Point, str]:
        """The points that depend on objects of the user, and the names of these.

        Identities do not cover their code, so `check_repeated` compares their outcomes.
        """
        schemes = {name for name, built in self.built.items() if is_own(built.scheme)}
        channels = {channel.name for channel in self.grid.channels if not is_named(channel)}
        names = {
            point: [
                *([point.scheme] if point.scheme in schemes else []),
                *([f"channel {point.channel}"] if point.channel in channels else []),
            ]
            for point in self.points
        }
        return {point: " and ".join(own) for point, own in names.items() if own}

    @cached_property
    def divisions(self) -> dict[Point, Division]:
        """The numbers of pilots that channels leave open, as chosen on validation images."""
        dataset = self.weights.dataset
        return best_divisions(
            *(self._schemes, self.grid.channels, self.points),
            *(dataset.validation, self.setting.device),
            num_classes=dataset.num_classes,
        )

    def placed(self, point: Point) -> tuple[Channel, int]:
        """The channel, with its number of pilots, and the number of data symbols of a point."""
        return placed(point, self.channel(point.channel), self.divisions)

    def channel(self, name: str) -> Channel:
        """The channel of this name."""
        return next(own for own in self.grid.channels if own.name == name)

    @cached_property
    def data_key(self) -> str:
        """Key of the data set, and of the test images if they are not its first ones."""
        dataset, own = self.weights.dataset, self.test
        images, labels = (found[: len(own.labels)] for found in vars(dataset.test).values())
        if torch.equal(own.images, images) and torch.equal(own.labels, labels):
            return dataset.key
        test = splits.Pool(own.images.numpy(), own.labels.numpy())
        return digest([dataset.key, splits.content_key(dataset.classes, {"test": test})])

    @property
    def about(self) -> dict[str, Any]:
        """Everything besides its point that determines the outcomes of a unit."""
        pilots = {point.text: list(own) for point, own in self.divisions.items()}
        return {
            "seed": self.setting.seed,
            "data": self.data_key,
            "images": len(self.test.labels),
            "precision": self.setting.networks,
            "device": self.setting.device.type,
            "torch": str(torch.__version__),
            "sionna-no-rt": version("sionna-no-rt"),  # generates all gains and noise
            "schemes": self.identities,
            "channels": {name: self.channel(name).versions for name in self._used_channels},
            **({"pilots": pilots} if pilots else {}),
        }

    @property
    def facts(self) -> Facts:
        """The contents of the rows besides outcomes."""
        classes = self.weights.dataset.num_classes
        channels = self.grid.channels
        return facts_of(
            *(self._schemes, channels, self.points, self.test),
            num_classes=classes,
            divisions=self.divisions,
        )

    @property
    def transmissions(self) -> int:
        """Number of transmissions in the first round."""
        images = len(self.test.labels)
        return sum(images * self.grid.repeats(point.channel) for point in self.points)

    def evaluator(self) -> Evaluator:
        """Return an evaluator for this process, from schemes and images in memory."""
        return evaluator_here(
            *(self._schemes, self.grid.channels, self.test, self.setting),
            num_classes=self.weights.dataset.num_classes,
            divisions=self.divisions,
        )
