"""Descriptions stay unchanged: keys of weights, journals and searches depend on them."""

import dataclasses
import json
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from benchmarks.recipes import RECIPES
from benchmarks.recipes.search import NAMES, preset
from simulator.schemes.rkd_sc import LinkError
from simulator.storage.describe import describe, digest

# (class, field): default. Descriptions omit fields at their default, so changing a default
# silently changes the meaning of every earlier description. Add a new field here with the value
# that gives the same results as before the field existed.
DEFAULTS: dict[tuple[str, str], object] = {
    ("AugmentConfig", "erased"): 0.0,
    ("AugmentConfig", "jitter"): 0.0,
    ("AugmentConfig", "magnitude"): 0.3,
    ("AugmentConfig", "operations"): 0,
    ("AugmentConfig", "pasted"): 0.0,
    ("Experiment", "data"): None,
    ("Experiment", "warm_below"): 0,
    ("StudentStage", "begin"): "fresh",
    ("StudentStage", "fresh_views"): False,
    ("StudentStage", "label_smoothing"): 0.0,
    ("StudentStage", "small_share"): 0.0,
    ("StudentStage", "small_side"): 24,
    ("TrainConfig", "average"): 0.0,
    ("TeacherStage", "begin"): "fresh",
    ("TeacherStage", "views"): 4,
    ("CapacityConfig", "bit_true"): False,
    ("CapacityConfig", "label"): "",
    ("CapacityConfig", "retraining"): None,
    ("CatConfig", "attention"): True,
    ("CatConfig", "condition_width"): None,
    ("CatConfig", "dense"): False,
    ("CatConfig", "lengths"): (),
    ("CatConfig", "prototypes"): 0,
    ("CatConfig", "reliability"): False,
    ("CellShape", "residual"): False,
    ("CodecStage", "student"): "frozen",
    ("CodecStage", "student_rate"): 0.1,
    ("DigitalSemanticConfig", "bit_true"): False,
    ("DigitalSemanticConfig", "label"): "",
    ("DigitalSemanticConfig", "quantiser"): None,
    ("DigitalSemanticConfig", "few_bits"): None,
    ("DeepJsccQImageSchemeConfig", "reader"): "",
    ("DeepJsccQImageSchemeConfig", "retraining"): None,
    ("DeepJsccQSchemeConfig", "backbone"): "scratch",
    ("DeepJsccQSchemeConfig", "backbone_of"): "",
    ("DeepJsccQSchemeConfig", "backbone_stage"): None,
    ("DeepJsccQSchemeConfig", "losses"): None,
    ("DeepJsccQSchemeConfig", "shares"): 1,
    ("DtJsccSchemeConfig", "backbone"): "scratch",
    ("DtJsccSchemeConfig", "backbone_of"): "",
    ("DtJsccSchemeConfig", "backbone_stage"): None,
    ("DtJsccSchemeConfig", "losses"): None,
    ("DtJsccSchemeConfig", "shares"): 1,
    ("Experiment", "mirrored"): False,
    ("Experiment", "more_teachers"): (),
    ("Experiment", "stronger"): None,
    ("Experiment", "stronger_every"): 1,
    ("ImageJsccConfig", "reader"): "",
    ("ImageJsccConfig", "retraining"): None,
    ("JointSchemeConfig", "backbone"): "scratch",
    ("JointSchemeConfig", "backbone_of"): "",
    ("JointSchemeConfig", "backbone_stage"): None,
    ("JointSchemeConfig", "losses"): None,
    ("JointSchemeConfig", "shares"): 1,
    ("LabelCodeConfig", "code"): "own",
    ("LinkConditions", "noiseless"): False,
    ("LinkConditions", "snr_list"): (),
    ("LossWeights", "consistency"): 0.0,
    ("LossWeights", "mse_bits"): 0.0,
    ("LossWeights", "standardised"): False,
    ("RkdScConfig", "error"): LinkError(),
    ("RkdScConfig", "student"): None,
    ("RkdScConfig", "student_of"): "",
    ("RkdScConfig", "variant"): "",
    ("SeparateConfig", "bit_true"): False,
    ("SeparateConfig", "label"): "",
    ("SeparateConfig", "retraining"): None,
    ("StudentStage", "head_from"): "fresh",
    ("VlVfeSchemeConfig", "backbone"): "scratch",
    ("VlVfeSchemeConfig", "backbone_of"): "",
    ("VlVfeSchemeConfig", "backbone_stage"): None,
    ("VlVfeSchemeConfig", "losses"): None,
    ("VlVfeSchemeConfig", "shares"): 1,
}


def classes_in(value: object) -> Iterator[type]:
    """Classes of all dataclasses in a value."""
    if dataclasses.is_dataclass(value):
        yield type(value)
        value = [getattr(value, field.name) for field in dataclasses.fields(value)]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, tuple | list):
        for item in value:
            yield from classes_in(item)


def classes_named(hint: Any) -> Iterator[type]:
    """All dataclasses in the type of a field."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        yield hint
    for part in typing.get_args(hint):
        yield from classes_named(part)


def described_classes() -> set[type]:
    """All dataclasses in recipes and search presets, and those that their fields can hold."""
    recipes = [recipe() for recipe in RECIPES]
    presets = [preset(recipe, name) for recipe in recipes for name in NAMES]
    todo, found = list(classes_in([*recipes, *presets])), set[type]()
    while todo:
        if (own := todo.pop()) not in found:
            found.add(own)
            for hint in typing.get_type_hints(own).values():
                todo += classes_named(hint)
    return found


def test_defaults_match_earlier_descriptions() -> None:
    found = {
        (own.__name__, field.name): field.default
        for own in described_classes()
        for field in dataclasses.fields(own)
        if field.default is not dataclasses.MISSING
    }
    missing = {name: default for name, default in found.items() if name not in DEFAULTS}
    assert not missing, f"add {missing} to DEFAULTS, if that value leaves results as they were"
    gone = DEFAULTS.keys() - found.keys()
    assert not gone, f"{gone} have no default or are gone: take them from DEFAULTS"
    changed = {
        name: f"{DEFAULTS[name]!r} is now {default!r}"
        for name, default in found.items()
        if (DEFAULTS[name], type(DEFAULTS[name])) != (default, type(default))
    }
    assert not changed, f"descriptions that leave out {changed} now mean something else"


@pytest.mark.parametrize(
    ("recipe", "name", "expected"),
    [
        ("digits", "cpu", "499cb2d5c207a71b"),
        ("digits", "gpu", "aabc29fd1d3166db"),
        ("cifar100", "cpu", "b687bdb0a1845b1a"),
        ("cifar100", "gpu", "0e84aefc4a53257f"),
        ("cifar100_gpu", "cpu", "b687bdb0a1845b1a"),
        ("cifar100_gpu", "gpu", "0e84aefc4a53257f"),
        ("images", "cpu", "01d4e055b79f0375"),
        ("images", "gpu", "4d2e19e754b68ab7"),
    ],
)
def test_descriptions_of_search_presets_are_unchanged(
    recipe: str, name: str, expected: str
) -> None:
    (own,) = (build() for build in RECIPES if build.__name__ == recipe)
    assert digest(preset(own, name)) == expected


@dataclass(frozen=True, kw_only=True)
class Now:
    """A config from which the field `order` was removed."""

    steps: int
    warmup: float = 0.5
    shape: tuple[int, ...] = ()

    described_also: ClassVar[Mapping[str, Any]] = {"order": "first"}


def test_description_omits_defaults_and_keeps_removed_fields() -> None:
    assert describe(Now(steps=3)) == {"type": "Now", "steps": 3, "order": "first"}
    told = describe({"a": Now(steps=3, warmup=0.1, shape=(1, 2))})
    expected = {"type": "Now", "steps": 3, "warmup": 0.1, "shape": [1, 2], "order": "first"}
    assert told == {"a": expected} == json.loads(json.dumps(told))


def test_equal_descriptions_have_equal_digests() -> None:
    assert digest(Now(steps=3)) == digest({"order": "first", "steps": 3, "type": "Now"})
    assert digest(Now(steps=3)) != digest(Now(steps=4))
