"""What kind of quantity a column of numbers holds, as its cells tell it."""

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
