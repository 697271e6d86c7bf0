"""The report page: self-contained, with safely embedded data and panels for every scheme."""

import json
import re
from typing import Any

from benchmarks.report.charts import POINTS, panels
from benchmarks.report.looks import looks_of
from benchmarks.report.page import page_of

SWEEP: dict[str, Any] = {"title": "a <b> & c", "schemes": ["rkd_sc", "own"], "note": "</script>é"}


def test_page_embeds_the_data_unchanged() -> None:
    page = page_of([SWEEP], "let bundle;")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    assert json.loads(found[1])["sweeps"] == [SWEEP]
    assert "<title>semlink report: a &lt;b> &amp; c</title>" in page
    assert page.count("let bundle;") == 1
    assert page == page_of([SWEEP], "let bundle;")


def test_page_loads_no_external_resources() -> None:
    page = page_of([SWEEP], "")
    assert "default-src 'none'" in page
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!#|data:)""", page)
    assert not re.findall(r"@import|url\(|fetch\(", page)
    assert set(re.findall(r"https?://[^\"]*", page)) == {  # a schema name, which is not fetched
        "https://vega.github.io/schema/vega-lite/v6.4.1.json"
    }


def test_every_panel_has_the_styles_of_all_schemes() -> None:
    looks = looks_of(SWEEP["schemes"])
    for chart in panels(looks).values():
        assert chart["data"] == {"name": POINTS}
        *_, lines, points = chart["spec"]["layer"]
        assert lines["encoding"]["color"]["scale"]["domain"] == ["rkd_sc", "own"]
        assert points["encoding"]["shape"]["scale"]["range"] == [own["marker"] for own in looks]
