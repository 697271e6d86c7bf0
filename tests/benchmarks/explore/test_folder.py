"""`semlink explore`: written files, and errors."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks.baselines.codebook import sent_words
from benchmarks.explore import runtime
from benchmarks.explore.folder import PAGE
from simulator.commands.explore import server
from simulator.errors import UserError
from tests.commands import WEIGHTS, Command, refused

EXPLORE = ["explore", "digits", "--weights", WEIGHTS, "--images", "5", "--out", "page"]


@pytest.fixture
def without_npm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime of one empty file."""
    monkeypatch.setattr("benchmarks.explore.folder.runtime", lambda: {"ort.wasm.min.mjs": b""})


@pytest.mark.usefixtures("without_npm")
def test_folder_contains_everything_the_page_loads(semlink: Command, tmp_path: Path) -> None:
    assert semlink(*EXPLORE) == 0
    page = tmp_path / "page"
    assert {path.name for path in page.iterdir()} == {*PAGE, "content.json", "models", "runtime"}
    content = json.loads((page / "content.json").read_text(encoding="utf-8"))
    parts = content["link"]["parts"]
    names = {f"{part}.{kind}.onnx" for part in parts for kind in ("fp32", "int8")}
    assert {path.name for path in (page / "models").iterdir()} == names | {"export.json"}
    assert len(content["images"]) == 5
    words = torch.tensor(content["words"]["16"]).unflatten(1, (-1, 2))
    expected = torch.view_as_real(sent_words(10, 16))
    assert torch.allclose(words, expected, atol=1e-4)


@pytest.mark.usefixtures("without_npm")
def test_same_link_gives_identical_files(semlink: Command, tmp_path: Path) -> None:
    found = []
    for _ in range(2):
        assert semlink(*EXPLORE) == 0
        files = sorted(path for path in (tmp_path / "page").rglob("*") if path.is_file())
        found.append([path.read_bytes() for path in files])
    assert found[0] == found[1]


def test_nothing_is_written_without_the_runtime(
    semlink: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("benchmarks.explore.runtime.shutil.which", lambda _: None)
    monkeypatch.setenv("SEMLINK_CACHE", str(tmp_path / "empty"))
    assert semlink(*EXPLORE) == 2
    assert "which npm fetches once; install npm" in refused(capsys)
    assert not any(tmp_path.iterdir())


def test_runtime_with_another_hash_raises_an_error() -> None:
    with pytest.raises(UserError, match="must have the SHA-512"):
        runtime.check(b"another one")


@pytest.mark.usefixtures("without_npm")
def test_page_is_served_on_loopback_only(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with server(tmp_path, 0) as own:
        assert own.server_address[0] == "127.0.0.1"
        assert semlink(*EXPLORE, "--serve", "--port", own.server_port) == 2
    assert f"--port must be free, got {own.server_port}" in refused(capsys)
    assert not any(tmp_path.iterdir())
