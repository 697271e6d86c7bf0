"""The JavaScript that draws the panels: Vega, Vega-Lite and vega-embed as one text."""

from importlib.metadata import version

import torch

from simulator.data.cache import kept

BUNDLE = "text"  # name of the cached tensor with its bytes


def javascript() -> str:
    """The scripts, which vl-convert contains, in the versions that Altair's output requires.

    Bundling them takes seconds, so the result is kept in the cache folder.
    """
    import altair as alt
    import vl_convert

    own = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])  # such as 6.4

    def compute() -> dict[str, torch.Tensor]:
        text = vl_convert.javascript_bundle(None, own)  # type: ignore[arg-type] # may be None
        return {BUNDLE: torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)}

    key = f"vl-convert {version('vl-convert-python')}, Vega-Lite {own}"
    return kept("vega.safetensors", key, compute)[BUNDLE].numpy().tobytes().decode()
