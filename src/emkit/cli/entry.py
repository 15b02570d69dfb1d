"""The console script ``emkit``: says what to install if the extra is missing, runs the commands otherwise."""

import sys
from importlib.util import find_spec

from emkit.cli.exits import BAD_INPUT

_NEEDED = ("typer", "rich", "pyarrow", "matplotlib", "jinja2")


def main() -> None:
    """Run the command line on ``sys.argv``; leaves through ``sys.exit``."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        print(f"emkit: the command line also needs {', '.join(missing)}: pip install 'emkit[cli]'", file=sys.stderr)
        sys.exit(BAD_INPUT)
    from emkit.cli.app import app

    app(prog_name="emkit")
