"""Files: atomic writes, headers, and one-line errors for missing or damaged files."""

import os
import stat
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch

from simulator.description.origin import Origin
from simulator.errors import UserError
from simulator.storage.files import load_tensors, replacing, save_tensors
from simulator.storage.folders import NUMBERS, TEXTS, check_writable, read_results


def test_saved_tensors_are_loaded_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "part.safetensors"
    tensors = {"a": torch.arange(3.0), "b": torch.tensor([[True]])}
    save_tensors(path, tensors, {"key": "abc"})
    loaded, header = load_tensors(path)
    assert header == {"key": "abc"}
    assert loaded.keys() == tensors.keys()
    assert all(torch.equal(loaded[name], tensors[name]) for name in tensors)
    assert [p.name for p in path.parent.iterdir()] == ["part.safetensors"]


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_file_is_synced_before_it_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    seen: list[tuple[bool, bool]] = []

    def fsync(handle: int) -> None:
        seen.append((stat.S_ISDIR(os.fstat(handle).st_mode), path.exists()))

    monkeypatch.setattr("os.fsync", fsync)
    with replacing(path) as temporary:
        temporary.write_text("new")
    assert seen == [(False, False), (True, True)]  # the file, then the folder entry


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file: .*gone"):
        load_tensors(tmp_path / "gone")
    text = tmp_path / "text.safetensors"
    text.write_text("these are not tensors at all")
    with pytest.raises(UserError, match=r"text\.safetensors must be a safetensors file"):
        load_tensors(text)
    whole = tmp_path / "whole.safetensors"
    save_tensors(whole, {"a": torch.zeros(100)}, {})
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(whole.read_bytes()[:-50])
    with pytest.raises(UserError, match=r"cut\.safetensors must be a safetensors file"):
        load_tensors(cut)


def test_origin_key_depends_on_every_field() -> None:
    values: dict[str, tuple[Any, Any]] = {
        "recipe": ("digits", "other"),
        "part": ("student", "codec"),
        "description": ({"epochs": 1}, {"epochs": 2}),
        "data": ("d", "e"),
        "classes": (("0", "1"), ("0", "2")),
        "image_shape": ((1, 8, 8), (3, 8, 8)),
        "seed": (0, 1),
        "made_from": ({"teacher": "t"}, {"teacher": "u"}),
    }
    assert values.keys() == {field.name for field in fields(Origin)}
    first = {name: own[0] for name, own in values.items()}
    keys = {Origin(**{**first, name: other}).key for name, (_, other) in values.items()}
    assert len(keys | {Origin(**first).key}) == len(values) + 1
    assert Origin(**first).key == Origin(**first).key


def test_check_writable_rejects_files_and_leaves_nothing_behind(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(UserError, match="^--out must be a folder that can be written to"):
        check_writable(blocker / "below" / "it")
    check_writable(tmp_path / "new" / "folder")
    assert list(tmp_path.iterdir()) == [blocker]


def test_folders_without_valid_results_raise_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"results\.csv is missing"):
        read_results(tmp_path)
    (tmp_path / "results.csv").write_text("")
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(UserError, match="damaged results"):
        read_results(tmp_path)
    columns = (*TEXTS, *NUMBERS)
    for first, told in (("", "without gaps"), ("abc", "must hold numbers in accuracy")):
        row = {name: first if name == "accuracy" else "1" for name in columns}
        lines = (",".join(own) for own in (columns, row.values()))
        (tmp_path / "results.csv").write_text("\n".join(lines))
        with pytest.raises(UserError, match=told):
            read_results(tmp_path)
    (tmp_path / "results.csv").write_text("scheme,accuracy,psnr_db\na,0.5,\n")
    with pytest.raises(UserError, match="missing: channel, settings, snr_db"):
        read_results(tmp_path)
    (tmp_path / "results.csv").write_text(f"{','.join(columns)}\n{','.join('1' for _ in columns)}")
    for run, told in (("{}", "must describe a sweep"), ('{"data": {}}', "must hold title, cl")):
        (tmp_path / "run.json").write_text(run)
        with pytest.raises(UserError, match=told):
            read_results(tmp_path)
