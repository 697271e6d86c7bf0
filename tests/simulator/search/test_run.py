"""`semlink search` and the front as a user meets them, on the digits, quickly."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from simulator.description.experiment import Experiment
from simulator.training.codec import LinkModel

from benchmarks.recipes.digits import digits
from benchmarks.recipes.search import preset
from benchmarks.studies.search_front import __main__ as search_front
from benchmarks.studies.search_front import entries as front_entries
from benchmarks.studies.search_front.answers import answers_of
from benchmarks.studies.search_front.entries import Searches
from models import GenotypeCnn
from models.blocks import parameter_count
from simulator.commands import search as command
from simulator.commands import train
from simulator.data.embedded import embedded
from simulator.errors import UserError
from simulator.schemes.build import TrainedParts
from simulator.search.student import read_student
from simulator.storage.files import load_tensors
from tests.commands import status


def short() -> Experiment:
    """The digits with a teacher of one epoch, one view, and a student of two."""
    recipe = digits()
    student = replace(recipe.student, training=replace(recipe.student.training, epochs=2))
    teacher = replace(recipe.teacher, training=replace(recipe.teacher.training, epochs=1))
    return replace(recipe, views=1, teacher=teacher, student=student)


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a teacher and what it says."""
    folder = tmp_path_factory.mktemp("training")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "recipe_named", lambda _: short())
        train.train("digits", stage="cache", out=folder, **TRAIN)
    return folder


TRAIN: dict[str, Any] = {
    "variants": None,
    "data": None,
    "seed": 0,
    "teacher_seed": None,
    "fresh": False,
    "minutes": None,
    "teacher": None,
    "device": "cpu",
}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "recipe_named", lambda _: short())
    monkeypatch.setattr(search_front, "recipe_named", lambda _: short())


def test_search_writes_a_student_that_can_be_trained(
    training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    out = tmp_path / "out"
    asked: list[str | Path] = [
        "search",
        "digits",
        "--training",
        training,
        "--out",
        out,
        "--epochs",
        "2",
    ]
    assert status(monkeypatch, *asked, "--seeds", "2", "--lambda", "0.5") == 0
    told = json.loads((out / "genotype.json").read_text())
    student = read_student(out / "genotype.json")
    assert told["lambda"] == 0.5
    assert told["validation_accuracy"] == max(
        json.loads((out / f"genotypes/seed_{seed}.json").read_text())["validation_accuracy"]
        for seed in (0, 1)
    )
    for name in ("cells.png", "cells.pdf", "evolution.png", "evolution.pdf"):
        assert (out / "figures" / name).stat().st_size > 5_000
    history = pd.read_csv(out / "search.csv")
    assert list(history["auxiliary_skip"]) == [1, 0]
    assert {"loss", "expected_cost", "genotype_cost", "entropy", "validation_p"} <= set(history)

    before = (out / "genotype.json").read_bytes()
    assert status(monkeypatch, *asked, "--seeds", "2", "--lambda", "0.5") == 0  # nothing left to do
    keys = ("seed", "parameters", "macs", "student")
    again = json.loads((out / "genotype.json").read_text())
    assert {key: again[key] for key in keys} == {key: json.loads(before)[key] for key in keys}
    capsys.readouterr()
    assert status(monkeypatch, *asked, "--lambda", "0.1") == 2
    assert "another description" in capsys.readouterr().err

    monkeypatch.setattr(train, "recipe_named", lambda _: short())
    mine = tmp_path / "mine"
    train.train("digits", stage="stage1", out=mine, student=out / "genotype.json", **TRAIN)
    recipe = replace(short(), student=replace(short().student, model=student))
    parts = TrainedParts(recipe, embedded("digits"), mine / "weights", torch.device("cpu"))
    assert isinstance(parts._student().body, GenotypeCnn)


def test_front_holds_every_network_and_control(
    training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--training", training, "--out", tmp_path, "--lambdas", "0,0.3"]
    more = ["--search-epochs", "1", "--epochs", "1", "--main-lambda", "0"]
    monkeypatch.setattr("sys.argv", ["front", "digits", *map(str, arguments), *more])
    search_front.main()
    rows = pd.read_csv(tmp_path / "front.csv")
    assert list(rows.columns) == [
        *("name", "kind", "lambda", "seed", "params", "macs", "cpu_ms"),
        *("accuracy", "ci_low", "ci_high", "retention", "retraining_seeds"),
    ]
    kinds = rows["kind"].value_counts()
    assert rows["name"].tolist() == front_entries.names([0.0, 0.3])
    assert kinds["kdl_darts"] == 2
    assert kinds["random"] + kinds["random_best"] == 4
    assert {"hand_made", "ce_only", "no_penalty", "no_residual"} <= set(kinds.index)
    size = rows.set_index("name")["params"]["kdl_darts_0"]
    equal = rows[~rows["kind"].eq("kdl_darts")]["params"] / size
    assert equal.between(0.85, 1.05).all()
    assert (rows["ci_low"] <= rows["accuracy"]).all()
    sizes = pd.read_csv(tmp_path / "sizes.csv").set_index("name")
    assert list(sizes.index) == ["teacher", *rows["name"]]
    assert sizes["encoder_parameters"].iloc[1:].tolist() == rows["params"].tolist()
    link = LinkModel(short().codec.model, num_classes=10)
    codec = parameter_count(link) - parameter_count(link.head)
    both = sizes["both_ends_parameters"] - sizes["encoder_parameters"]
    assert both.iloc[1:].eq(codec).all()
    assert (tmp_path / "front.png").stat().st_size > 5_000
    found = pd.read_csv(tmp_path / "pairs.csv")
    # each searched one against eight controls, and one another; seven against the hand-made one
    assert len(found) == 2 * 8 + 1 + 7
    assert found[["seeds_low", "seeds_high"]].isna().all(axis=None)  # one training each
    ranks = pd.read_csv(tmp_path / "ranking.csv")
    assert set(ranks["name"]) == set(rows["name"]) - {"hand_made", "no_residual", "kdl_darts_0.3"}
    ends = pd.read_csv(tmp_path / "searches/kd_lambda0/search.csv")
    own = ranks.set_index("name")["supernet_loss"]["kdl_darts_0"]
    assert own == pytest.approx(ends["validation_genotype"].iloc[-1], abs=1e-5)
    accuracy = rows.set_index("name")["accuracy"]
    expected = accuracy[found["a"]].to_numpy() - accuracy[found["b"]].to_numpy()
    assert found["difference"].to_numpy() == pytest.approx(expected, abs=1e-9)
    assert (found["ci_low"] <= found["difference"]).all()
    assert len(list((tmp_path / "genotypes").glob("*.json"))) == len(rows)

    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.csv")}
    shutil.rmtree(tmp_path / "weights")  # what is finished outlives the weights
    for checkpoints in list(tmp_path.rglob("checkpoints")):
        shutil.rmtree(checkpoints)
    search_front.main()
    assert not [*tmp_path.rglob("weights"), *tmp_path.rglob("checkpoints")]
    for name in ("ranking.csv", "pairs.csv"):
        assert (tmp_path / name).read_bytes() == before[name]

    (tmp_path / "searches/kd_lambda0/supernet_losses.json").unlink()
    few = ["--only", "kdl_darts_0", "random_1", "--retraining-seeds", "0", "1"]
    monkeypatch.setattr("sys.argv", ["front", "digits", *map(str, arguments), *more, *few])
    search_front.main()
    means = pd.read_csv(tmp_path / "front.csv").set_index("name")
    assert means["kind"].to_dict() == {"kdl_darts_0": "kdl_darts", "random_1": "random"}
    assert means["retraining_seeds"].tolist() == [2, 2]
    seeds = pd.read_csv(tmp_path / "seeds.csv").set_index(["name", "retraining_seed"])["accuracy"]
    assert seeds[:, 0].to_dict() == accuracy[["kdl_darts_0", "random_1"]].to_dict()
    assert seeds["kdl_darts_0"].mean() == pytest.approx(means["accuracy"]["kdl_darts_0"])
    assert seeds["kdl_darts_0", 0] != seeds["kdl_darts_0", 1]
    pair = pd.read_csv(tmp_path / "pairs.csv")
    assert len(pair) == 1
    assert (pair["seeds_low"] < pair["difference"]).all()
    assert (pair["difference"] < pair["seeds_high"]).all()
    assert pd.read_csv(tmp_path / "ranking.csv").empty  # no supernet that could be asked is left


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--epochs", "0"], "--epochs must be"),
        (["--search-epochs", "0"], "--search-epochs must be"),
        (["--lambdas", "0,5000"], "--lambda must be"),
        (["--only", "random_1", "best_of_all"], "got best_of_all"),
        (["--retraining-seeds", "-1"], "--retraining-seeds must be"),
        (["--lambdas", "0.1"], "--lambdas must be numbers with 0"),
        (["--target-params", "big"], "--target-params must be"),
    ],
)
def test_front_tells_mistakes_before_the_work(
    more: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    asked = ["front", "digits", "--main-lambda", "0", "--lambdas", "0", *more]
    monkeypatch.setattr("sys.argv", [*asked, "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit, match="2"):
        search_front.main()
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_answers_are_kept_and_never_mixed_up(training: Path, tmp_path: Path) -> None:
    where: dict[str, Any] = {"data": None, "taught_in": training, "folder": tmp_path}
    whole = command.search_run(short(), preset(short(), "cpu"), **where)
    model = short().student.model
    first = answers_of(whole, "one", model, 1)
    assert load_tensors(tmp_path / "weights/student_one.safetensors")[1]["precision"] == "fp32"
    path = tmp_path / "answers/one.json"
    kept = json.loads(path.read_text())
    kept["validation"] = 0.5  # what is kept is what is given
    path.write_text(json.dumps(kept))
    again = answers_of(whole, "one", model, 1)
    assert again.validation == 0.5
    assert again.right.tolist() == first.right.tolist()
    with pytest.raises(UserError, match="made with other settings"):
        answers_of(whole, "one", model, 2)
    path.write_text("{")
    with pytest.raises(UserError, match="must be a JSON object with a key"):
        answers_of(whole, "one", model, 1)


def test_searches_are_kept_and_never_mixed_up(training: Path, tmp_path: Path) -> None:
    where: dict[str, Any] = {"data": None, "taught_in": training, "folder": tmp_path}
    whole = command.search_run(short(), preset(short(), "cpu"), **where)
    searches = Searches(whole=whole, seed=0, target=None, epochs=1)
    found = searches.found(0.1)
    genotypes = {"itself": found.genotype}
    losses = searches.supernet_losses(0.1, genotypes)
    own = found.genotype
    other = replace(own, normal=own.reduce, reduce=own.normal)
    both = searches.supernet_losses(0.1, {"other": other, "itself": own})
    assert both["itself"] == losses["itself"] != both["other"]
    shutil.rmtree(tmp_path / "searches/kd_lambda0.1/checkpoints")
    assert searches.found(0.1) == found
    unknown = replace(own, reduce=own.normal)
    again = searches.supernet_losses(0.1, {"itself": own, "unknown": unknown, "other": other})
    assert again == both
    assert not list(tmp_path.rglob("checkpoints"))
    with pytest.raises(UserError, match="made with other settings"):
        replace(searches, epochs=2).found(0.1)


def test_front_with_its_own_views_asks_the_teachers_itself(
    training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in training.rglob("*") if path.is_file()}
    asked: dict[str, Any] = {"data": None, "folder": tmp_path / "out", "views": 2}
    chosen = preset(short(), "cpu")
    whole = command.search_run(short(), chosen, taught_in=training, **asked)
    assert len(whole.views.features) == 2
    assert (tmp_path / "out/teaching/cache").is_dir()
    assert before == {path: path.read_bytes() for path in training.rglob("*") if path.is_file()}
    mine = replace(short(), embedded_data=False)
    monkeypatch.setattr(command, "dataset_of", lambda *_: embedded("digits"))
    with pytest.raises(UserError, match="must hold the weights of teacher"):
        command.search_run(mine, chosen, taught_in=tmp_path, **asked)
    pairs = replace(mine, views=2, mirrored=True)
    with pytest.raises(UserError, match="--views: views must be even"):
        command.search_run(pairs, chosen, taught_in=training, **{**asked, "views": 3})


def test_search_teaches_the_digits_itself_and_asks_for_other_teachers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["search", "digits", "--epochs", "1", "--training", "t", "--out", "out"]
    monkeypatch.setattr(
        command, "recipe_named", lambda _: replace(short(), embedded_data=False, name="mine")
    )
    monkeypatch.setattr(command, "dataset_of", lambda *_: embedded("digits"))
    assert status(monkeypatch, *asked) == 2
    assert "run semlink train mine --stage cache --out t" in capsys.readouterr().err
    monkeypatch.setattr(command, "recipe_named", lambda _: short())
    assert status(monkeypatch, *asked) == 0
    assert (tmp_path / "t/weights/teacher.safetensors").exists()
    assert (tmp_path / "out/genotype.json").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--lambda", "-1"], "--lambda must be"),
        (["--target-params", "big"], "--target-params must be a number such as 1.2M"),
        (["--seeds", "0"], "--seeds must be"),
        (["--images-size", "1"], "--images-size must be"),
        (["--minutes", "0"], "--minutes must be above 0"),
    ],
)
def test_mistake_is_one_line_and_nothing_is_written(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert status(monkeypatch, "search", "digits", *arguments) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_damaged_genotype_is_refused_by_name(tmp_path: Path) -> None:
    for text in ("", "[]", "{}", '{"student": {"genotype": 3}}'):
        (tmp_path / "g.json").write_text(text)
        with pytest.raises(UserError, match=r"g\.json must be a genotype"):
            read_student(tmp_path / "g.json")
    with pytest.raises(UserError, match="no such file"):
        read_student(tmp_path / "none.json")


def test_forgetting_a_search_leaves_students_of_a_training(tmp_path: Path) -> None:
    kept, gone = ("student.safetensors", "student_no_teacher.safetensors"), "student_seed0"
    (tmp_path / "weights").mkdir()
    for name in (*kept, f"{gone}.safetensors"):
        (tmp_path / "weights" / name).touch()
    command.forget_search(tmp_path)
    assert sorted(path.name for path in (tmp_path / "weights").iterdir()) == sorted(kept)
