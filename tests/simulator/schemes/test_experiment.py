"""Recipes look up schemes by name and labels, and list the parts of each scheme."""

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.baselines.digital_semantic import DigitalSemanticConfig
from benchmarks.baselines.label_code import LabelCodeConfig
from benchmarks.baselines.separate import CapacityConfig, SeparateConfig
from benchmarks.recipes import RECIPES, cifar100, digits
from simulator.data.embedded import embedded
from simulator.errors import UserError
from simulator.schemes.deepjscc_q import DeepJsccQSchemeConfig
from simulator.schemes.dt_jscc import DtJsccSchemeConfig
from simulator.schemes.experiment import Experiment, trained_schemes
from simulator.schemes.image import ImageJsccConfig
from simulator.schemes.joint import JointSchemeConfig
from simulator.schemes.rkd_sc import LinkError, RkdScConfig
from simulator.schemes.vl_vfe import VlVfeSchemeConfig
from simulator.training.weights import Weights

SHAPE = (3, 32, 32)
MADE = [make() for make in RECIPES]


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("rkd_sc", RkdScConfig, {"variant": "", "error": LinkError()}),
        ("rkd_sc:no_teacher", RkdScConfig, {"variant": "no_teacher", "error": LinkError()}),
        ("rkd_sc:-1.5dB", RkdScConfig, {"variant": "", "error": LinkError("-1.5dB", -1.5)}),
        (
            "rkd_sc:no_teacher:+3dB",
            RkdScConfig,
            {"variant": "no_teacher", "error": LinkError("+3dB", 3.0)},
        ),
        ("dt_jscc", DtJsccSchemeConfig, {"snr_db": 8.0}),
        ("dt_jscc:64qam", DtJsccSchemeConfig, {"snr_db": 6.0}),
        ("deep_jscc", JointSchemeConfig, {"snr_db": 10.0, "uses": (4, 16, 64)}),
        ("deep_jscc_q", DeepJsccQSchemeConfig, {"snr_db": 10.0, "uses": (4, 16, 64)}),
        ("deep_jscc_q:16qam", DeepJsccQSchemeConfig, {"called": "deep_jscc_q:16qam"}),
        ("vl_vfe", VlVfeSchemeConfig, {"snr_db": (-12.0, 26.0)}),
        ("deep_jscc_image:teacher", ImageJsccConfig, {"reader": "teacher"}),
        ("separate:webp_file:genie", SeparateConfig, {"label": "webp_file:genie"}),
        ("capacity_bound:finite", CapacityConfig, {"label": "finite"}),
        ("digital_semantic:bound:finite", DigitalSemanticConfig, {"label": "bound:finite"}),
        ("label_code:polar", LabelCodeConfig, {"code": "polar"}),
        ("label_code:regular", LabelCodeConfig, {"code": "regular"}),
    ],
)
def test_a_scheme_is_found_by_name_and_labels(name: str, kind: type, told: dict[str, Any]) -> None:
    found = digits().scheme(name)
    assert type(found) is kind
    assert found.name == name
    assert {field: getattr(found, field) for field in told} == told


@pytest.mark.parametrize("recipe", MADE, ids=lambda recipe: recipe.name)
def test_every_scheme_of_a_recipe_is_found_by_its_own_name(recipe: Experiment) -> None:
    assert all(recipe.scheme(own.name) is own for own in recipe.schemes)
    names = [own.name for own in recipe.schemes]
    assert len(set(names)) == len(names)
    assert names == [*recipe.scheme_names, *(own.name for own in recipe.ablations.values())]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "magic",
            "^--schemes: unknown scheme 'magic'; choose from rkd_sc, deep_jscc, [a-z0-9_:, ]*$",
        ),
        ("rkd_cs", "unknown scheme 'rkd_cs'; .*; did you mean rkd_sc[?]$"),
        (
            "capacity_bond:finite",
            "unknown scheme 'capacity_bond:finite'; .*; did you mean capacity_bound[?]$",
        ),
        ("rkd_sc:", "must have a label behind each colon, got 'rkd_sc:'$"),
        ("rkd_sc:nothing", "^rkd_sc takes labels such as .*, got 'nothing'$"),
        ("rkd_sc:no_teacher:nothing", "^rkd_sc:no_teacher takes labels .*, got 'nothing'$"),
        ("rkd_sc:pilot1", r"^rkd_sc takes labels .*, got 'pilot1'; .* such as rayleigh\+ls:1$"),
        ("vl_vfe:genie", "^vl_vfe takes no label, got 'genie'; write vl_vfe$"),
        ("label_code:other", "^the label behind label_code must be regular or polar, got 'other'$"),
    ],
)
def test_invalid_names_raise_one_line_errors(name: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        digits().scheme(name)


def test_one_returns_the_first_scheme_of_a_class() -> None:
    assert digits().one(RkdScConfig).name == "rkd_sc"
    assert digits().one(SeparateConfig).name == "separate"

    class Absent(RkdScConfig):
        """In no recipe."""

    with pytest.raises(LookupError, match="recipe digits has no Absent"):
        digits().one(Absent)


@pytest.mark.parametrize("recipe", MADE, ids=lambda recipe: recipe.name)
def test_schemes_agree_on_shared_parts(recipe: Experiment) -> None:
    parts = recipe.parts()
    for scheme in recipe.schemes:
        own = scheme.parts(recipe)
        assert all(parts[part.name] == part for part in own)
        assert set(scheme.needed(recipe, SHAPE)) <= set(own)
    order = list(parts)
    for name, part in parts.items():  # a part comes after the parts it is made from
        assert all(order.index(other) < order.index(name) for other in part.made_from)


def test_deep_jscc_image_needs_only_parts_that_fit_the_image_size() -> None:
    recipe = cifar100()
    own = recipe.one(ImageJsccConfig)
    fitting = [part.name for part in own.needed(recipe, SHAPE)]
    assert fitting == ["deep_jscc_image_k64", "deep_jscc_image_k256", "deep_jscc_image_k512"]
    assert own.needed(recipe, (3, 30, 32)) == ()


def test_decoding_all_makes_every_scheme_with_a_table_bit_true() -> None:
    changed = digits().decoding_all()
    assert changed.scheme_names == digits().scheme_names
    assert changed.one(SeparateConfig).bit_true
    assert changed.one(DigitalSemanticConfig).bit_true
    assert not changed.one(CapacityConfig).bit_true  # there is nothing to decode
    assert not digits().one(SeparateConfig).bit_true


def test_nothing_is_trained_without_a_student(tmp_path: Path) -> None:
    """Not even schemes without networks of their own: sweeps need the student."""
    weights = Weights(digits(), embedded("digits"), tmp_path, torch.device("cpu"))
    assert trained_schemes(digits(), weights) == ([], [])
