"""Write the folder of the page: its files, the networks, the runtime and the data."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Final

from benchmarks.baselines.separate import SeparateConfig
from benchmarks.explore.content import IMAGES, content_of
from benchmarks.explore.runtime import runtime
from benchmarks.explore.separate import separate_of
from simulator.data.dataset import Split
from simulator.export.build import write_link
from simulator.schemes.rkd_sc import RkdScConfig
from simulator.storage.folders import replacing_folder
from simulator.training.weights import Weights

CONTENT: Final = "content.json"
PAGE: Final = (
    *("index.html", "page.css", "page.js", "link.js"),
    *("pad.js", "charts.js", "channels.js", "digital.js", "worker.js"),
)


def write_folder(
    config: RkdScConfig,
    weights: Weights,
    test: Split,
    folder: Path,
    *,
    separate: SeparateConfig | None = None,
) -> None:
    """Write the page of a trained link; a complete new folder replaces an earlier one.

    With `separate`, the page compares the link with this scheme on test images.

    Raises: UserError as `write_link`, or if the runtime cannot be fetched.
    """
    scripts = runtime()
    with replacing_folder(folder, mark=CONTENT) as made:
        (made / "models").mkdir()
        link = write_link(config, weights, test, made / "models")
        content = content_of(link, weights.dataset, test)
        content["separate"] = separate_of(
            *(separate, weights, test.images[:IMAGES]),
            served=content["served"],
            snr_db=link["snr_db"],
        )
        text = json.dumps(content, separators=(",", ":"))
        (made / CONTENT).write_text(text, encoding="utf-8")
        for name in PAGE:
            (made / name).write_bytes((files("benchmarks.explore") / name).read_bytes())
        (made / "runtime").mkdir()
        for name, script in scripts.items():
            (made / "runtime" / name).write_bytes(script)
