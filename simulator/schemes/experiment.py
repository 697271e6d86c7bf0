"""A complete recipe: shared parts, schemes and default grid; schemes are built by name."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, TypeVar

from channels.names import check_name
from simulator.description.basis import Basis, Part
from simulator.errors import UserError
from simulator.left_out import LeftOut
from simulator.parse import FARTHEST_SNR_DB, MOST_REALIZATIONS, MOST_USES, unknown_scheme
from simulator.scheme import Scheme
from simulator.schemes.contract import SchemeConfig, split_name
from simulator.training.weights import Weights

Config = TypeVar("Config", bound=SchemeConfig)
BASELINES: Final = "baselines"  # the stage of `semlink train` for neural baselines


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """The default grid of a recipe."""

    channels: tuple[str, ...]
    snr_db: tuple[float, ...]
    channel_uses: tuple[int, ...]
    realizations: int  # channel draws per image and point

    def __post_init__(self) -> None:
        """Raises: ValueError if a value is missing, unknown or out of range."""
        for name in ("channels", "snr_db", "channel_uses"):
            if not getattr(self, name):
                raise ValueError(f"{name} must hold at least one value, got none")
        for channel in self.channels:
            check_name(channel)
        if not all(abs(snr) <= FARTHEST_SNR_DB for snr in self.snr_db):
            raise ValueError(f"snr_db must lie within +-{FARTHEST_SNR_DB:g} dB, got {self.snr_db}")
        if not all(1 <= k <= MOST_USES for k in self.channel_uses):
            raise ValueError(f"channel_uses must be 1 to {MOST_USES}, got {self.channel_uses}")
        if not 1 <= self.realizations <= MOST_REALIZATIONS:
            raise ValueError(
                f"realizations must be 1 to {MOST_REALIZATIONS}, got {self.realizations}"
            )


@dataclass(frozen=True, kw_only=True)
class Experiment(Basis):
    """Everything that determines a result, except the data and the seed."""

    schemes: tuple[SchemeConfig, ...]  # in the order of tables and legends, then ablations
    sweep: SweepConfig
    data: Path | None = None  # folder of the images, if the recipe's file names one

    @property
    def brings_images(self) -> bool:
        """Whether the recipe has images of its own, so that --data is not needed."""
        return super().brings_images or self.data is not None

    @property
    def scheme_names(self) -> tuple[str, ...]:
        """Names of all schemes but the ablations: what `--schemes all` stands for."""
        return tuple(scheme.name for scheme in self.schemes if not scheme.ablation)

    @property
    def ablations(self) -> dict[str, SchemeConfig]:
        """Ablations by their names for `--variants`."""
        return {scheme.ablation: scheme for scheme in self.schemes if scheme.ablation}

    def scheme(self, name: str, *, option: str = "--schemes") -> SchemeConfig:
        """The scheme of this name, with its labels applied. Raises: UserError."""
        found = self._known(name, option)
        label = name.removeprefix(found.name).removeprefix(":")
        return found.labelled(label) if label else found

    def made_by(self, name: str) -> str:
        """The options with which `semlink train` trains a scheme; empty if it takes none."""
        found = self._known(name, "--schemes")
        if found.ablation:
            return f" --stage stage2 --variants {found.ablation}"
        if any(part.stage == BASELINES for part in found.parts(self)):
            return f" --stage {BASELINES} --schemes {found.name}"
        return ""

    def _known(self, name: str, option: str) -> SchemeConfig:
        """The scheme of the recipe whose name is the longest prefix of `name`, in whole labels."""
        asked, known = split_name(name, option), {own.name: own for own in self.schemes}
        for length in range(len(asked), 0, -1):
            found = known.get(":".join(asked[:length]))
            if found is not None:
                return found
        raise unknown_scheme(name, self.scheme_names, option=option)

    def one(self, kind: type[Config]) -> Config:
        """The first scheme of this kind. Raises: LookupError if there is none."""
        for scheme in self.schemes:
            if isinstance(scheme, kind):
                return scheme
        raise LookupError(f"recipe {self.name} has no {kind.__name__}")

    def parts(self) -> dict[str, Part]:
        """All parts that `semlink train` makes, by name, in the order of training."""
        shared = [*self.teacher_parts.values(), *self.student_parts()]
        own = [part for scheme in self.schemes for part in scheme.parts(self)]
        return {part.name: part for part in (*shared, *own)}

    def decoding_all(self) -> Self:
        """The recipe with every block of bits decoded."""
        return replace(self, schemes=tuple(scheme.decoding_all() for scheme in self.schemes))


class Built(NamedTuple):
    """A scheme, and a description of all that its results depend on."""

    scheme: Scheme
    identity: dict[str, Any]


def build_scheme(
    name: str, experiment: Experiment, weights: Weights, *, option: str = "--schemes"
) -> Built:
    """The scheme of this name, with its weights loaded.

    The identity holds the version of its code, its settings and what these refer to, and the hashes
    of its weights.
    Raises: UserError for an unknown name, and as `SchemeConfig.build`.
    """
    config = experiment.scheme(name, option=option)
    with weights.noting(made_by=experiment.made_by(name)) as used:
        scheme = config.build(weights)
    scheme.image_shape, scheme.device = weights.dataset.image_shape, weights.device
    return Built(
        scheme,
        {
            "version": scheme.version,
            **config.identity(scheme),
            "weights": {part: weights.hashes[part] for part in sorted(used)},
        },
    )


def requested_schemes(
    experiment: Experiment, weights: Weights, asked: Sequence[str] = ("all",)
) -> tuple[list[str], list[LeftOut]]:
    """The requested schemes, with `all` replaced by all schemes whose weights exist.

    Returns their names, and the schemes that `all` leaves out because their weights are missing.
    Raises: UserError if `all` is requested and no scheme is trained.
    """
    if "all" not in asked:
        return list(asked), []
    trained, left_out = trained_schemes(experiment, weights)
    if not trained:
        parts = experiment.student_parts()
        path = weights.path(next((part for part in parts if not weights.has(part)), parts.student))
        command = weights.training_command()
        raise UserError(f"{path} must hold trained weights, but is missing; run {command}")
    names = (trained if name == "all" else [name] for name in asked)
    return list(dict.fromkeys(itertools.chain.from_iterable(names))), left_out


def trained_schemes(experiment: Experiment, weights: Weights) -> tuple[list[str], list[LeftOut]]:
    """The recipe's schemes whose weights exist, and those left out because theirs do not."""
    trained: list[str] = []
    left_out: list[LeftOut] = []
    if not weights.has(*experiment.student_parts()):  # which every sweep needs
        return trained, left_out
    for name in experiment.scheme_names:
        needed = experiment.scheme(name).needed(experiment, weights.dataset.image_shape)
        missing = next((part for part in needed if not weights.has(part)), None)
        if missing is None:
            trained.append(name)
        else:
            command = weights.training_command(experiment.made_by(name))
            left_out.append(LeftOut(name, f"no {weights.path(missing)}; run {command}"))
    return trained, left_out
