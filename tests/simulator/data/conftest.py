"""Fixtures of the tests of data."""

import pytest


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test an empty cache of decoded images."""
    monkeypatch.setenv("SEMLINK_CACHE", str(tmp_path_factory.mktemp("cache")))
