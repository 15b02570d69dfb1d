"""What kind of quantity a column of numbers holds, as its cells tell it, or as somebody says."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from emkit.core.columns import Column, Columns
from emkit.core.summary import ColumnSummary

_LARGEST_COUNT = 255


def refined(columns: Columns, summary: ColumnSummary) -> Columns:
    """The schema with whole numbers told apart: 0 and 1 are binary, others up to 255 counts, the rest real numbers.

    Columns of texts, categories, booleans and floating-point numbers are what they were.
    """

    def kind(j: int, column: Column) -> Column:
        if column.kind != "count":
            return column
        low, high = summary.low[j], summary.high[j]
        if low >= 0 and high <= 1:
            return replace(column, kind="binary")
        return column if low >= 0 and high <= _LARGEST_COUNT and np.isfinite(high) else replace(column, kind="real")

    return Columns(tuple(kind(j, column) for j, column in enumerate(columns.items)), columns.named)


def with_levels(x: np.ndarray, columns: Columns, chosen: Iterable[int]) -> tuple[np.ndarray, Columns]:
    """The rows (n, d) and their schema with the ``chosen`` columns of numbers as categories.

    Codes such as 3, 6, 7 become three levels, not eight symbols. Columns with the symbols 0, 1, ..., L - 1 are what they were, and
    so are those that hold fractions or negative numbers: who models them says what is wrong.
    """
    items, out = list(columns.items), x
    for j in chosen:
        values = np.unique(x[:, j])
        values = values[~np.isnan(values)]
        whole = bool(len(values)) and bool((values == np.floor(values)).all()) and values[0] >= 0 and values[-1] < 2**53
        if items[j].levels is not None or not whole or values[-1] == len(values) - 1:
            continue
        out = x.copy() if out is x else out
        seen = ~np.isnan(x[:, j])
        out[seen, j] = np.searchsorted(values, x[seen, j])
        items[j] = replace(items[j], kind="category", levels=tuple(int(value) for value in values))
    return out, Columns(tuple(items), columns.named)
