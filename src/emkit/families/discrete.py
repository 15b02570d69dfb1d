"""Checks that families of counts and symbols share."""

from collections.abc import Callable

import numpy as np

from emkit.core.block import Source
from emkit.core.errors import DataError


def refuse_cells(source: Source, bad: Callable[[np.ndarray], np.ndarray], what: str) -> None:
    """Raise DataError, naming column and row, if for an observed cell ``bad`` is true."""
    row = 0
    for block in source:
        x = np.asarray(block.x)
        found = np.isfinite(x) & bad(x)
        if found.any():
            i, j = (int(v) for v in np.argwhere(found)[0])
            place = getattr(source, "place", "row {}".format)
            raise DataError(f"column {source.columns[j]!r} {place(row + i)} is {x[i, j]:g}, expected {what}")
        row += len(x)


def refuse_fractions(source: Source, what: str) -> None:
    """Raise DataError, naming column and row, if an observed cell is not an integer."""
    refuse_cells(source, lambda x: x != np.floor(x), what)


def column_range(source: Source) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest observed value of each column, (d,) each; 0 for a column with none."""
    low = np.full(source.n_features, np.inf)
    high = np.full(source.n_features, -np.inf)
    for block in source:
        x = np.asarray(block.x, dtype=np.float64)
        seen = np.isfinite(x)
        low = np.minimum(low, np.where(seen, x, np.inf).min(axis=0))
        high = np.maximum(high, np.where(seen, x, -np.inf).max(axis=0))
    return np.where(np.isfinite(low), low, 0.0), np.where(np.isfinite(high), high, 0.0)
