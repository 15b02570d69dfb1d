"""Sphinx's configuration of the website: the Markdown of docs/, as it is."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from emkit import __version__

project = "emkit"
author = "the developers of emkit"
copyright = author
release = __version__
extensions = ["myst_parser", "contents"]
exclude_patterns = ["website"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
nitpicky = True
html_theme = "furo"
html_title = f"emkit {release}"
html_static_path = [str(Path(__file__).resolve().parent / "static")]
html_css_files = ["emkit.css"]
html_show_sphinx = False
html_copy_source = False
