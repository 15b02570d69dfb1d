"""Data that a command reads as a stream: folders, patterns of files, large files, and whatever is to be cached."""

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emkit.algorithms.auto import iterations_left
from emkit.algorithms.online import OnlineEM
from emkit.algorithms.words import WORDS
from emkit.cli.exits import Refusal
from emkit.cli.talk import Talk
from emkit.core.monitor import Monitor
from emkit.core.result import Step, StopReason
from emkit.data.parts import READ

_LARGE = 2**28  # bytes of a file of columns from which it is read as a stream
_OF_COLUMNS = (".parquet", ".arrow", ".ipc", ".feather", ".npy")
_EVERY = 10.0  # seconds between lines


def is_streamed(path: Path, cache: Path | None = None) -> bool:
    """Whether the data are read block by block."""
    if cache is not None or path.is_dir() or (path.is_file() and path.suffix.lower() in (".arrow", ".ipc")):
        return True
    if not path.exists():
        return any(sign in str(path) for sign in "*?[")
    return path.suffix.lower() in _OF_COLUMNS and path.stat().st_size >= _LARGE


def open_stream(
    path: Path, wanted: Sequence[str] | None, weights: str | None, cache: Path | None, on_error: str | None, talk: Talk
) -> Any:
    """The rows as a stream; a data frame's row index is left out, unless ``wanted`` names it."""
    from emkit.data.stream import stream

    how: dict[str, Any] = {"weights": weights, "cache": cache, "on_error": on_error or "stop"}
    found = stream(str(path), columns=wanted, **how)
    index = [name for name in found.declared.columns.names if re.fullmatch(r"__index_level_\d+__", name)]
    if wanted is None and index:
        talk.say(f"left out {', '.join(index)}: a data frame's row index; name it in --columns to use it")
        found = stream(str(path), columns=[name for name in found.declared.columns.names if name not in index], **how)
    return found


def refuse_beside(options: Mapping[str, Any], path: Path) -> None:
    """Refuse options that need the rows in memory."""
    for option, value in options.items():
        if value is not None:
            raise Refusal(f"--{option} needs the rows in memory, and {str(path)!r} is read as a stream; leave it out")


def paces(rows: Any, estimator: Any, talk: Talk) -> list[Monitor]:
    """What tells of the pace of a fit to these rows: nothing does where they are in memory."""
    from emkit.data.stream import Stream

    if not isinstance(rows, Stream):
        return []
    algorithm = estimator.get_params(deep=False).get("algorithm")
    if isinstance(algorithm, str) and algorithm in WORDS:
        algorithm = WORDS[algorithm]()
    return [Pace(rows, estimator.tol, talk, algorithm.n_passes if isinstance(algorithm, OnlineEM) else None)]


class Pace(Monitor):
    """Says now and then how many rows a second are read, and how long the rest may take.

    ``passes``: how many there will be in all, where that is known beforehand; then one more evaluates the result.
    """

    def __init__(self, source: Any, tol: float, talk: Talk, passes: int | None = None):
        self._source, self._tol, self._talk, self._passes = source, tol, talk, passes
        self._trace: list[float] = []
        self._last = self._said = time.monotonic()
        self._read = READ.rows
        self._done = 0

    def step(self, step: Step) -> StopReason | None:
        """After a pass over the data, or part of one."""
        now = time.monotonic()
        took, self._last = max(now - self._last, 1e-9), now
        read, self._read = READ.rows - self._read, READ.rows
        self._done = self._done + read if step.iteration else 0
        if self._trace and step.objective < self._trace[-1]:
            self._trace = []  # another start
        self._trace = [*self._trace[-4:], step.objective]
        if now - self._said >= _EVERY:
            self._said = now
            pace = (read or self._source.n_rows) / took  # what workers of a cluster read is not counted here
            left = self._seconds_left(took, pace)
            more = f", about {in_words(left)} left" if left < 10_000 * took else ""
            self._talk.say(f"iteration {step.iteration}: {pace:,.0f} rows a second{more}")
        return None

    def _seconds_left(self, took: float, pace: float) -> float:
        if self._passes is not None:
            return max((self._passes + 1) * self._source.n_rows - self._done, 0) / pace
        if not (self._tol > 0 and len(self._trace) > 2):
            return float("inf")
        return iterations_left(self._trace, self._tol) * took


def in_words(seconds: float) -> str:
    """A time as a person says it."""
    if seconds < 90:
        return f"{max(seconds, 1.0):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
