"""The JavaScript bundle is built once, then read from the cache folder."""

from pathlib import Path

import pytest
import vl_convert

from benchmarks.report.vega import javascript


def test_javascript_bundle_is_built_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def joined(_: None, vl_version: str) -> str:
        asked.append(vl_version)
        return "let name = 'ü';"

    monkeypatch.setenv("SEMLINK_CACHE", str(tmp_path))
    monkeypatch.setattr(vl_convert, "javascript_bundle", joined)
    assert javascript() == javascript() == "let name = 'ü';"
    assert len(asked) == 1
    assert asked[0] in vl_convert.get_vegalite_versions()
