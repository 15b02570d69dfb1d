"""Columns by their distinct values: what is computed of a column is computed once for each value, however many rows have it."""

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.block import Block

MOST = 65_535
"""Distinct values up to which a column is coded: codes fit into two bytes."""
_SAMPLE = 2**14  # rows that tell whether it is worth looking for distinct values
_MANY = 0.9  # of the sampled rows, with values of their own: then so have too many of all


@dataclass(frozen=True)
class Coded:
    """``values`` (V,): the distinct values, rising, NaN last if a cell is missing. ``codes`` (n,): which of them each row has."""

    values: np.ndarray
    codes: np.ndarray


class Coder:
    """The coded columns of a matrix (n, d), made when they are first asked for, and kept, with whatever follows from them."""

    def __init__(self, x: Any):
        self.x = x
        self._lock = threading.RLock()
        self._kept: dict[Hashable, Any] = {}

    def column(self, j: int) -> Coded | None:
        """Column ``j``; None if it has too many distinct values."""
        found: Coded | None = self.once(("column", j), lambda: _code(np.asarray(self.x[:, j], dtype=np.float64)))
        return found

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What ``make`` gives, made once; several threads may ask."""
        with self._lock:
            if key not in self._kept:
                self._kept[key] = make()
            return self._kept[key]


def coder_of(block: Block) -> tuple[Coder, slice]:
    """The coder of the matrix that a block's rows were cut from, and which rows of it they are."""
    found: tuple[Coder, slice] | None = block.kept.get("coder")
    if found is None:
        found = Coder(np.asarray(block.x)), slice(0, block.n)
        block.kept["coder"] = found
    return found


def smallest(count: int) -> Any:
    """The type of codes 0 to ``count`` - 1."""
    return np.uint8 if count <= 256 else np.uint16


def _code(column: np.ndarray) -> Coded | None:
    missing = np.isnan(column)
    holes = bool(missing.any())
    if holes and missing.all():
        return Coded(np.array([np.nan]), np.zeros(len(column), dtype=np.uint8))
    seen = column[~missing] if holes else column
    low, high = seen.min(), seen.max()
    if np.isfinite(high - low) and high - low < MOST and (seen == np.floor(seen)).all():
        places = (seen - low).astype(np.int64)
        there = np.bincount(places, minlength=int(high - low) + 1) > 0
        values = low + np.flatnonzero(there)
        codes = (np.cumsum(there) - 1)[places]
    else:
        few = seen[:: max(1, len(seen) // _SAMPLE)]
        if len(np.unique(few)) > _MANY * len(few) and len(few) > 64:
            return None
        values, codes = np.unique(seen, return_inverse=True)
    count = len(values) + holes
    if count > MOST:
        return None
    out = np.full(len(column), count - 1, dtype=smallest(count))
    out[~missing if holes else slice(None)] = codes
    return Coded(np.append(values, np.nan) if holes else values, out)
