"""Sphinx: `make docs`. Everything comes from this checkout, nothing from the network."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from generated import write_pages  # noqa: E402 - found by the line above

project = "semlink"
author = "semlink developers"
html_show_copyright = False
extensions = [
    *("myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_gallery.gen_gallery"),
]
exclude_patterns = ["_build", "_generated", "auto_examples/*.ipynb", "auto_examples/*.md5"]
html_theme = "pydata_sphinx_theme"
html_theme_options = {"navigation_with_keys": False, "show_toc_level": 2}
html_sidebars = {"**": ["sidebar-nav-bs"], "index": []}
html_show_sourcelink = False
default_role = "code"
smartquotes = False  # options begin with two hyphens
myst_enable_extensions = ["fieldlist"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
suppress_warnings = ["config.cache"]
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"\.py$",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,  # its page loads scripts from the network
}

write_pages(Path(__file__).parent / "_generated")
