"""Streams as estimators see them: data for a fit or a prediction that stay in files."""

import time
from typing import Any

from emkit.core.block import Source
from emkit.core.columns import Columns
from emkit.core.errors import DataError, ParameterError
from emkit.core.monitor import Monitors
from emkit.data.stream import Stream, stream

_EVERY = 5.0  # seconds between lines about a first pass


def read_stream(face: Any, X: Any, sample_weight: Any, like: Columns | None, min_rows: int) -> Any:
    """A Source of rows that stay where they are; in memory after all if they are few, in a fit.

    Parameters
    ----------
    face : Settings
        Its ``n_jobs`` threads make the first pass, its monitors hear of it.
    X : path, dataset, LazyFrame, memory-mapped array, callable or Source
    sample_weight : str, optional
        The column of the weights.
    like : Columns, optional
        Those of the fit, for new rows.
    min_rows : int

    Raises
    ------
    DataError, ParameterError
        Naming what cannot be used.
    """
    source = _opened(face, X, sample_weight, like)
    if not isinstance(source, Stream):
        return source
    if like is None:
        source.scan(face._executor().n_jobs, told_by(face))
        if source.n_rows < min_rows:
            raise DataError(f"found {source.n_rows} row(s); at least {min_rows} is needed")
        source.check_observed()
        return source.held()
    return source


def _opened(face: Any, X: Any, sample_weight: Any, like: Columns | None) -> Source:
    if isinstance(X, Source):
        if sample_weight is not None:
            raise ParameterError("sample_weight beside a stream: the stream has the weights of its rows", parameter="sample_weight")
        return X.like(like, unseen(face)) if isinstance(X, Stream) and like is not None else X
    if sample_weight is not None and not isinstance(sample_weight, str):
        raise ParameterError(
            "sample_weight beside data in files: give the name of the column that holds the weights", parameter="sample_weight"
        )
    return stream(X, columns=like, weights=sample_weight, unseen=unseen(face))


def unseen(face: Any) -> str:
    """What a text that was not there in the fit means to the estimator."""
    found: str = face.get_params(deep=False).get("unseen", "error")
    return found


def told_by(face: Any) -> "_Told":
    """What an estimator's monitors hear of a first pass."""
    return _Told(Monitors(face._monitors()))


class _Told:
    """Tells monitors of a first pass that takes a while."""

    def __init__(self, monitor: Monitors):
        self._monitor, self._begin = monitor, time.monotonic()
        self._next = self._begin + _EVERY

    def __call__(self, rows: int) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _EVERY
            self._monitor.say(f"first pass: {rows:,} rows, {rows / (now - self._begin):,.0f} a second")
