"""Talk: everything that is not data. It goes to stderr, a line at a time, and --quiet silences it."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from emkit.core.monitor import Monitor, PrintProgress
from emkit.core.result import Step, StopReason

if TYPE_CHECKING:
    from rich.status import Status


class Talk:
    """Lines on stderr, or nothing at all if ``quiet``."""

    def __init__(self, quiet: bool = False):
        self.quiet = quiet

    def say(self, text: str) -> None:
        """One line."""
        if not self.quiet:
            print(f"emkit: {text}", file=sys.stderr, flush=True)

    @contextmanager
    def warnings(self) -> Iterator[None]:
        """The library's warnings as lines, without file names and source code."""

        def show(message: Warning | str, *_: Any, **__: Any) -> None:
            self.say(f"warning: {' '.join(str(message).split())}")

        with warnings.catch_warnings():
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = show
            yield

    @contextmanager
    def progress(self) -> Iterator[list[Monitor]]:
        """Monitors that show a fit: one live line on a terminal, plain lines elsewhere, none if quiet."""
        if self.quiet:
            yield []
        elif not sys.stderr.isatty():
            yield [PrintProgress()]
        else:
            from rich.console import Console

            with Console(stderr=True).status("starting") as status:
                yield [LiveProgress(status)]


class LiveProgress(Monitor):
    """Keeps one line up to date."""

    def __init__(self, status: "Status"):
        self._status = status
        self._last: float | None = None

    def say(self, text: str) -> None:
        """Show it until something newer comes."""
        self._status.update(text)

    def step(self, step: Step) -> StopReason | None:
        """Iteration, objective and the gain since the one before."""
        gain = "" if self._last is None or step.iteration == 0 else f"   gain {step.objective - self._last:.2e}"
        self._status.update(f"iteration {step.iteration}   objective {step.objective:.4f}{gain}")
        self._last = step.objective
        return None
