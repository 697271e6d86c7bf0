"""From trained parts on disk to schemes that transmit."""

import itertools
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from models import JointModel
from simulator.data.dataset import Dataset
from simulator.description.experiment import Experiment
from simulator.description.parts import QUANTISER, backbone_parts, image_jscc_part, joint_part
from simulator.description.stages import ImageJsccStage, JointStage
from simulator.errors import UserError
from simulator.parse import parse_names
from simulator.scheme import Adapted, BaselineConfig, Scheme, Supplies
from simulator.schemes.image import READERS, ImageJsccScheme
from simulator.schemes.joint import JointScheme
from simulator.schemes.names import link_error
from simulator.schemes.rkd_sc import RkdScheme
from simulator.schemes.weights import TrainedWeights
from simulator.storage.describe import describe, digest


def scheme_names(experiment: Experiment) -> tuple[str, ...]:
    """Names that a recipe offers by itself, in the order of tables and legends.

    Beside them, `rkd_sc:VARIANT` is a trained variant, `rkd_sc:+3dB` and `rkd_sc:pilot1` are the
    recipe's own weights under imperfect knowledge, and a baseline may have labels of its own.
    """
    trained = (stage.name for stage in experiment.trained_baselines)
    return (RkdScheme.name, *trained, *(baseline.name for baseline in experiment.baselines))


class TrainedParts(TrainedWeights):
    """The schemes that the weights of one training make."""

    def scheme(self, name: str) -> Scheme:
        """A scheme by its name, its weights loaded.

        Raises: UserError for an unknown name, and for weights that are missing, unreadable, of
        another recipe, or for images or classes other than the data's.
        """
        experiment = self._experiment
        self._used = set()
        if name.endswith(":"):
            raise UserError(f"--schemes must have a label behind each colon, got {name!r}")
        if name.partition(":")[0] == RkdScheme.name:
            return self._rkd_sc(name.partition(":")[2])
        joint = experiment.joint_stage(name)
        if joint is not None:
            return self._joint(joint)
        if experiment.image_jscc and name.partition(":")[0] == experiment.image_jscc.name:
            return self._image_jscc(experiment.image_jscc, name.partition(":")[2])
        baseline = self._baseline(name)
        if baseline is not None:
            classify = self.classifier()
            weights = [self.hashes[part] for part in sorted(self._used)]
            return baseline.build(
                classify=classify,
                num_classes=self._dataset.num_classes,
                image_shape=self._dataset.image_shape,
                supplies=Supplies(
                    key=digest(weights),
                    validation=self._dataset.validation,
                    device=self._device,
                    teacher=self._teacher_as_classifier,
                    quantised=self.quantised,
                    retrained=self._retrained,
                ),
            )
        known = ", ".join(scheme_names(experiment))
        raise UserError(f"--schemes must name schemes among {known}, got {name!r}")

    def _baseline(self, name: str) -> BaselineConfig | None:
        """The recipe's baseline of this name, with the label behind it."""
        kind, _, label = name.partition(":")
        for baseline in self._experiment.baselines:
            if baseline.name == kind:
                return baseline.labelled(label) if label else baseline
        return None

    def identified(self, name: str) -> tuple[Scheme, dict[str, Any]]:
        """A scheme, and what its numbers depend on.

        That is the version of its code, its settings, what these refer to, and weights by hash.
        """
        scheme = self.scheme(name)
        baseline = self._baseline(name)
        configs = [] if baseline is None else [baseline]
        chosen = {"choices": scheme.choices_key} if isinstance(scheme, Adapted) else {}
        return scheme, {
            "version": scheme.version,
            "settings": describe(configs),
            "needs": [{**config.needs(), **chosen} for config in configs],
            "weights": {part: self.hashes[part] for part in sorted(self._used)},
        }

    def _rkd_sc(self, label: str) -> RkdScheme:
        """RKD-SC as trained, under a link error, or a variant, by the label behind its name."""
        error = link_error(label)
        if error is not None:
            body, link = self._linked("")
            return RkdScheme(
                student=body,
                codec=link.codec,
                head=link.head,
                label=label,
                snr_offset_db=error.snr_offset_db,
                pilots=error.pilots,
            )
        body, link = self._linked(label)
        lengths = self._experiment.variant(label).codec.conditions.uses
        return RkdScheme(
            student=body,
            codec=link.codec,
            head=link.head,
            label=label,
            only=lengths[0] if len(lengths) == 1 else None,
        )

    def _joint(self, stage: JointStage) -> JointScheme:
        """A joint baseline: its models, and its backbone if that is frozen."""
        shape = {"image_channels": self._dataset.image_shape[0], "num_classes": self.num_classes}
        models: dict[int, JointModel] = {
            k: self._load(joint_part(stage.name, k), partial(stage.build, uses=k, **shape))
            for k in stage.uses
        }
        frozen, parts = stage.backbone == "frozen", backbone_parts(self._experiment, stage)
        backbone = self._student(parts[0]).body if frozen else None
        return JointScheme(stage, models, backbone=backbone)

    def _image_jscc(self, stage: ImageJsccStage, label: str) -> ImageJsccScheme:
        """Deep JSCC of images, read by the student or by whom its label names."""
        if label not in READERS:
            known = ", ".join(f"{stage.name}:{reader}" for reader in READERS if reader)
            raise UserError(f"{stage.name} is read by the student, or as {known}, got {label!r}")
        channels, height, width = self._dataset.image_shape
        models = {
            k: self._load(image_jscc_part(k), partial(config.build, image_channels=channels))
            for k, config in stage.models(self._dataset.image_shape).items()
        }
        if label == "retrained":
            readers = {k: self._rebuilt(k) for k in models}
        else:
            one = self._teacher_as_classifier()[0] if label else self.classifier()
            readers = dict.fromkeys(models, one)
        return ImageJsccScheme(stage, models, size=(height, width), readers=readers, label=label)


def asked_schemes(
    experiment: Experiment, dataset: Dataset, weights: Path, schemes: str | None
) -> tuple[Sequence[str], list[str]]:
    """The schemes that --schemes names, where `all` stands for those that are trained.

    Some schemes have weights beside those that every sweep needs; a line for each that lacks them.
    """
    asked = parse_names("all" if schemes is None else schemes)
    if "all" not in asked:
        return asked, []
    trained, left_out = _trained(experiment, dataset, weights)
    parts = (trained if name == "all" else [name] for name in asked)
    return tuple(dict.fromkeys(itertools.chain.from_iterable(parts))), left_out


def _trained(
    experiment: Experiment, dataset: Dataset, weights: Path
) -> tuple[Sequence[str], list[str]]:
    names, left_out = list(scheme_names(experiment)), []
    for name, parts in _own_parts(experiment, dataset).items():
        files = (weights / f"{part}.safetensors" for part in parts)
        missing = next((file for file in files if not file.exists()), None)
        if missing is not None:
            names.remove(name)
            left_out.append(f"{name} left out, it is not trained: no {missing}")
    return names, left_out


def _own_parts(experiment: Experiment, dataset: Dataset) -> dict[str, list[str]]:
    """Parts of schemes that not every sweep needs, by the scheme's name."""
    found = {
        stage.name: [
            *(joint_part(stage.name, uses) for uses in stage.uses),
            *backbone_parts(experiment, stage)[:1],
        ]
        for stage in experiment.joint
    }
    if image := experiment.image_jscc:
        found[image.name] = list(map(image_jscc_part, image.models(dataset.image_shape)))
    if experiment.quantiser:
        found[QUANTISER] = [QUANTISER]
    return found
