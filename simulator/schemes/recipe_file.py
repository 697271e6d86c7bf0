"""Recipes in TOML files: a base recipe, and the settings that differ from it."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from models import FeatureQuantiserConfig
from simulator.description.changes import changed, exchanged, mapped
from simulator.description.stages import StudentStage
from simulator.errors import UserError, did_you_mean
from simulator.parse import MOST_USES, in_range
from simulator.schemes.codec import CodecStage
from simulator.schemes.experiment import Experiment
from simulator.schemes.rkd_sc import RkdScConfig

SHARED = ("channels", "snr_db")  # conditions of the codec under which baselines are trained too
KEYS = ("base", "data", "views", "augment", "teacher", "student", "codec", "uses", "sweep")


def read_recipe(path: Path, known: Mapping[str, Experiment]) -> Experiment:
    """The recipe in a file, which gives it its name; `known` holds the possible base recipes.

    Keys: `base`, a recipe's name; `data`, a folder of images, relative to the file; `views`; and
    tables with the fields of `augment`, `teacher`, `student`, `codec` (of rkd_sc) and `sweep` that
    differ; `uses`, a table of the k that baselines serve, by their names without labels. Where the
    base has an equal setting elsewhere, that changes too: baselines keep the same network as the
    student, and the same epochs and channels as rkd_sc.
    Raises: UserError naming the file and what is wrong in it.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise UserError(f"{path} must be a TOML file: {error}") from None
    try:
        recipe = _recipe(table, path.stem, known)
    except ValueError as error:  # of the user, or of settings that do not go together
        raise UserError(f"{path}: {error}") from None
    if "data" not in table:
        return recipe
    return replace(recipe, embedded_data=None, data=path.parent / str(table["data"]))


def _recipe(table: dict[str, Any], name: str, known: Mapping[str, Experiment]) -> Experiment:
    for key in table:
        if key not in KEYS:
            hint = did_you_mean(key, KEYS)
            raise UserError(f"{key} is not a setting: a recipe has {', '.join(KEYS)}{hint}")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or name in known:
        raise UserError(
            "its name becomes the recipe's: it must be letters, digits, - and _, and none of "
            f"{', '.join(known)}"
        )
    if "base" not in table:
        names = ", ".join(known)
        raise UserError(f"base must name the recipe to start from, one of {names}, but is missing")
    base = str(table["base"])
    if base not in known:
        hint = did_you_mean(base, known)
        raise UserError(f"base must be one of {', '.join(known)}, got {base!r}{hint}")
    own = ("views", "augment", "sweep")
    recipe = replace(known[base], name=name)
    recipe = changed(recipe, {key: table[key] for key in own if key in table}, "recipe")
    teacher = changed(recipe.teacher, table.get("teacher", {}), "teacher")
    student = changed(recipe.student, table.get("student", {}), "student")
    recipe = _resized(_everywhere(recipe, recipe.student, student), recipe.student, student)
    codec = recipe.one(RkdScConfig).codec  # settings shared with the student are already changed
    recipe = _everywhere(recipe, codec, changed(codec, table.get("codec", {}), "codec"))
    # changes of one stage must not reach the others
    recipe = replace(recipe, teacher=teacher, student=student)
    found, needed = recipe.one(RkdScConfig).codec.model.feature_dim, student.model.feature_dim
    if found != needed:
        raise UserError(f"codec.model.feature_dim must be {needed}, as the student's, got {found}")
    return _serving(recipe, table.get("uses", {}))


def _resized(recipe: Experiment, old: StudentStage, new: StudentStage) -> Experiment:
    """The recipe with the student's number of features in all codecs and quantisers."""
    before, after = old.model.feature_dim, new.model.feature_dim

    def fit(own: Any) -> Any:
        has = is_dataclass(own) and any(f.name == "feature_dim" for f in fields(own))
        if not has or own.feature_dim != before:
            return own
        if isinstance(own, FeatureQuantiserConfig):
            ranks = tuple(rank for rank in own.ranks if rank <= after) or (after,)
            return replace(own, feature_dim=after, ranks=ranks)
        return replace(own, feature_dim=after)

    return recipe if before == after else replace(recipe, schemes=mapped(recipe.schemes, fit))


def _serving(recipe: Experiment, uses: Any) -> Experiment:
    """The recipe with baselines for other k, by their names without labels."""
    if not isinstance(uses, Mapping):
        raise UserError(f"uses must be a table, such as deep_jscc = [16, 64], got {uses!r}")
    kinds = {own.name: own.name.partition(":")[0] for own in recipe.schemes if hasattr(own, "uses")}
    known = tuple(dict.fromkeys(kinds.values()))
    for name, values in uses.items():
        if name not in known:
            raise UserError(
                f"uses.{name} is not a setting: uses has {', '.join(known)} (those of rkd_sc are "
                f"codec.conditions.uses){did_you_mean(name, known)}"
            )
        if not isinstance(values, list) or not values or len({*map(str, values)}) < len(values):
            raise UserError(f"uses.{name} must be a list of different k, got {values!r}")
        for value in values:
            in_range(f"uses.{name}", value, 1, MOST_USES)
    schemes = (
        changed(own, {"uses": uses[kinds[own.name]]}, f"uses.{kinds[own.name]}")
        if kinds.get(own.name) in uses
        else own
        for own in recipe.schemes
    )
    return replace(recipe, schemes=tuple(schemes))


def _everywhere(recipe: Experiment, old: Any, new: Any) -> Experiment:
    """The recipe with a stage's settings replaced, also wherever equal settings recur."""
    names = [f.name for f in fields(new) if is_dataclass(getattr(new, f.name))]
    parts = [(getattr(old, name), getattr(new, name)) for name in names]
    recipe = exchanged(recipe, (old, new), *parts)
    if isinstance(new, CodecStage):  # baselines are trained on the same
        shared = [[getattr(own.conditions, name) for name in SHARED] for own in (old, new)]
        recipe = replace(recipe, schemes=exchanged(recipe.schemes, *zip(*shared, strict=True)))
    return recipe
