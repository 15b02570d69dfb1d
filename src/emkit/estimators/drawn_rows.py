"""Rows of a stream as users give rows: drawn at random, in memory, with the names and levels of their columns."""

from typing import Any

import numpy as np

from emkit.core.columns import Column
from emkit.core.errors import ParameterError

MOST = 50_000
"""Rows drawn."""


def drawn_rows(source: Any) -> tuple[Any, np.ndarray | None, int]:
    """A table or, where columns have no names, an array of some rows; their weights; and how many rows there are in all.

    The same rows each time; all of them, where they are few.

    Raises
    ------
    ParameterError
        For sequences, of which a few rows say little.
    """
    block = source.sample(MOST, np.random.default_rng(0)).joined()
    if block.lengths is not None:
        raise ParameterError("a report of sequences is of rows in memory: give some sequences as a data frame", parameter="X")
    x = np.asarray(block.x)
    weights = None if block.weights is None else np.asarray(block.weights, dtype=np.float64)
    if not source.columns.named:
        return x, weights, source.n_rows
    import pyarrow as pa

    columns = source.columns.items
    table = pa.table([_cells(column, x[:, j]) for j, column in enumerate(columns)], names=[column.name for column in columns])
    return table, weights, source.n_rows


def _cells(column: Column, values: np.ndarray) -> Any:
    """A column's cells as they came in."""
    import pyarrow as pa

    if column.levels is not None:
        return pa.array([None if value != value else column.levels[int(value)] for value in values])
    if column.kind == "binary":
        return pa.array([None if value != value else bool(value) for value in values])
    return pa.array(values)
