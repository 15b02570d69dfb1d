"""Data frames (pandas, polars, pyarrow, anything narwhals reads) and arrays, as a float matrix with column names."""

from typing import Any

import numpy as np

from emkit.core.errors import DataError
from emkit.data.validate import check_matrix


def is_table(x: Any) -> bool:
    """Whether ``x`` is a data frame rather than an array."""
    return not isinstance(x, np.ndarray | list | tuple) and (
        hasattr(x, "__dataframe__")
        or hasattr(x, "__narwhals_dataframe__")
        or (type(x).__module__.split(".")[0] in ("pandas", "polars", "pyarrow", "modin", "cudf") and hasattr(x, "columns"))
    )


def read_matrix(x: Any, *, min_rows: int = 1) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """Rows as float32 (if every column is) or float64, and the columns' names if there are any. Nulls become NaN.

    Raises
    ------
    DataError
        Naming the column, and the row where there is one.
    """
    if not is_table(x):
        return check_matrix(x, min_rows=min_rows), None
    import narwhals as nw

    frame = nw.from_native(x, eager_only=True)
    if len(set(frame.columns)) < len(frame.columns):
        twice = sorted({str(c) for c in frame.columns if list(frame.columns).count(c) > 1})
        raise DataError(f"column names must be unique; found more than once: {', '.join(twice)}")
    names = tuple(str(c) for c in frame.columns)
    if not names:
        raise DataError(f"found 0 feature(s) (shape=({len(frame)}, 0)) while a minimum of 1 is required.")
    columns = [_column(c, name) for c, name in zip(frame.iter_columns(), names, strict=True)]
    width = np.float32 if all(c.dtype == np.float32 for c in columns) else np.float64
    matrix = np.empty((len(frame), len(names)), dtype=width)
    for j, column in enumerate(columns):
        matrix[:, j] = column
    return check_matrix(matrix, names, min_rows=min_rows), names


def _column(series: Any, name: str) -> np.ndarray:
    import narwhals as nw

    dtype = series.dtype
    if dtype.is_numeric():
        values = series.to_numpy()
        if values.dtype.kind == "O" or series.null_count():
            values = series.cast(nw.Float64).to_numpy()
        values = np.asarray(values)
        return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)
    if dtype == nw.Boolean:
        return np.array([np.nan if v is None else float(v) for v in series.to_list()])
    found = series.to_list()
    if dtype == nw.Object or all(v is None for v in found):
        try:
            return np.array([np.nan if v is None else float(v) for v in found])
        except (TypeError, ValueError):
            pass
    row = next((i for i, v in enumerate(found) if v is not None and not isinstance(v, int | float)), 0)
    raise DataError(
        f"column {name!r} is of type {dtype}, not numbers (row {row} is {found[row]!r}); drop the column, or encode it as numbers"
    )
