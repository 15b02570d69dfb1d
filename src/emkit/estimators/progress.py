"""Progress where the user looks: a line that is kept up to date in a notebook, lines on stderr elsewhere."""

import sys
from typing import Any

from emkit.core.monitor import Monitor, PrintProgress


def progress(interval: int = 10) -> Monitor:
    """What shows a fit here."""
    return NotebookProgress(interval) if in_notebook() else PrintProgress(interval)


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this: nothing is imported to find out."""
    package: Any = sys.modules.get("IPython")
    shell = None if package is None else package.get_ipython()
    return type(shell).__name__ == "ZMQInteractiveShell"


class NotebookProgress(PrintProgress):
    """One line of output below the cell, which the next one replaces; the last one stays."""

    def __init__(self, interval: int = 10):
        super().__init__(interval)
        self._shown: Any = None

    def begin(self) -> None:
        """A line of its own for each fit."""
        self._shown = None

    def say(self, text: str) -> None:
        """Replace what stands there."""
        from IPython.display import display

        line = {"text/plain": f"emkit: {text}"}
        if self._shown is None:
            self._shown = display(line, raw=True, display_id=True)
        else:
            self._shown.update(line, raw=True)
