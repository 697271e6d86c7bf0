"""The cache of decoded images: reuse, damaged files, full disks and its location."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from simulator.data import cache as data_cache
from simulator.data.cache import default_cache, kept
from simulator.data.dataset import Dataset, load_dataset
from simulator.errors import UserError
from simulator.storage import files as records
from tests.simulator.data.data_files import contents, damaged, expected, pictures, write_parquet

TEST = "test-00000-of-00001.parquet"
LABELS = [0, 1] * 3


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default cache folder, which does not exist yet."""
    monkeypatch.setenv("SEMLINK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def cached_files(folder: Path) -> list[Path]:
    """All files in the cache, including hidden ones."""
    return sorted(folder.iterdir()) if folder.exists() else []


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """A folder with a test split of six images."""
    write_parquet(tmp_path / "hub" / TEST, pictures(6), LABELS)
    return tmp_path / "hub"


def check(data: Dataset) -> str:
    """Check that the content equals `hub`, and return the key."""
    assert contents(data.test) == expected(pictures(6), LABELS)
    return data.key


def test_images_are_decoded_once(
    hub: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = check(load_dataset(hub))
    assert len(cached_files(cache)) == 1
    hub.rename(tmp_path / "moved")
    monkeypatch.setattr("simulator.data.parquet.decode_all", None)
    assert check(load_dataset(tmp_path / "moved")) == key
    write_parquet(tmp_path / "moved" / TEST, pictures(6, 1), LABELS)
    with pytest.raises(TypeError):  # other bytes: decoded anew
        load_dataset(tmp_path / "moved")


def flip_last_byte(path: Path) -> None:
    """Corrupt the content without changing the size."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def overwrite(path: Path) -> None:
    """Replace the content by something else."""
    path.write_bytes(b"something else")


def empty(path: Path) -> None:
    """Leave an empty file."""
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [damaged, overwrite, empty, flip_last_byte])
def test_damaged_cache_is_rebuilt(hub: Path, cache: Path, harm: Callable[[Path], None]) -> None:
    key = check(load_dataset(hub))
    (path,) = cached_files(cache)
    good = path.read_bytes()
    harm(path)
    assert check(load_dataset(hub)) == key
    assert cached_files(cache) == [path]
    assert path.read_bytes() == good


def test_unwritable_cache_prints_a_one_line_warning(
    hub: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    check(load_dataset(hub, cache=tmp_path / "file" / "below"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "images not kept" in captured.err


def test_full_disk_warning_names_the_folder_and_a_remedy(
    hub: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: object, path: Path, **__: object) -> None:
        path.write_bytes(b"half")
        raise SafetensorError(f"I/O error: No space left on device (os error 28): {path}")

    monkeypatch.setattr(records, "save_file", full)
    check(load_dataset(hub))
    assert capsys.readouterr().err == (
        f"semlink: decoded images not kept in {cache} (No space left on device); "
        "set SEMLINK_CACHE to a folder with room\n"
    )
    assert cached_files(cache) == []


def test_full_disk_warning_for_kept_results_is_printed_once(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: object, path: Path, **__: object) -> None:
        path.write_bytes(b"half")
        raise SafetensorError(f"I/O error: No space left on device (os error 28): {path}")

    monkeypatch.setattr(records, "save_file", full)
    for key in ("a", "b"):
        assert kept(f"offers/{key}", key, lambda: {"answer": torch.ones(1)})["answer"] == 1
    assert capsys.readouterr().err == (
        f"semlink: results for later runs not kept in {cache / 'offers'} (No space left on "
        "device); set SEMLINK_CACHE to a folder with room\n"
    )
    assert cached_files(cache / "offers") == []


def test_interrupted_or_failed_load_leaves_no_files(
    hub: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(records, "save_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_dataset(hub)
    assert cached_files(cache) == []
    damaged(hub / TEST)
    with pytest.raises(UserError, match="not a readable parquet file"):
        load_dataset(hub)
    assert cached_files(cache) == []


def test_new_cache_format_ignores_old_files(
    hub: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_dataset(hub)
    monkeypatch.setattr(data_cache, "FORMAT", data_cache.FORMAT + 1)
    load_dataset(hub)
    assert len(cached_files(cache)) == 2


def test_default_cache_location(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEMLINK_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_cache() == tmp_path / "own"
    monkeypatch.delenv("SEMLINK_CACHE")
    assert default_cache() == tmp_path / "xdg" / "semlink"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert default_cache() == tmp_path / "home" / ".cache" / "semlink"


def test_each_image_size_is_cached_separately_with_its_remarks(hub: Path, cache: Path) -> None:
    plain, small = load_dataset(hub), load_dataset(hub, resize=8)
    assert plain.image_shape == (3, 6, 5)
    assert small.image_shape == (3, 8, 8)
    assert (plain.resize, small.resize) == (None, 8)
    assert plain.key != small.key
    assert len(cached_files(cache)) == 2
    again = load_dataset(hub, resize=8)
    assert "6 of 6 images were rescaled, by the centre square" in again.remarks
    assert (again.key, again.remarks) == (small.key, small.remarks)
    for size in (7, 513):
        with pytest.raises(UserError, match=f"--resize must be .* from 8 to 512, got {size}"):
            load_dataset(hub, resize=size)
