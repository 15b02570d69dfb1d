"""Data frames (pandas, polars, pyarrow, anything narwhals reads) and arrays, as a float matrix with column names."""

from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from emkit.core.errors import DataError
from emkit.data.validate import check_matrix


def is_table(x: Any) -> bool:
    """Whether ``x`` is a data frame rather than an array."""
    return not isinstance(x, np.ndarray | list | tuple) and (
        hasattr(x, "__dataframe__")
        or hasattr(x, "__narwhals_dataframe__")
        or (type(x).__module__.split(".")[0] in ("pandas", "polars", "pyarrow", "modin", "cudf") and hasattr(type(x), "columns"))
    )


def read_matrix(x: Any, *, min_rows: int = 1, every_column: bool = True) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """Rows as float32 (if every column is) or float64, and the columns' names if there are any. Nulls become NaN.

    Raises
    ------
    DataError
        Naming the column, and the row where there is one.
    """
    if not is_table(x):
        return check_matrix(x, min_rows=min_rows, every_column=every_column), None
    frame = read_frame(x)
    names = tuple(str(c) for c in frame.columns)
    if not names:
        raise DataError(f"found 0 feature(s) (shape=({len(frame)}, 0)) while a minimum of 1 is required.")
    columns = [_column(c, name) for c, name in zip(frame.iter_columns(), names, strict=True)]
    width = np.float32 if all(c.dtype == np.float32 for c in columns) else np.float64
    matrix = np.empty((len(frame), len(names)), dtype=width)
    for j, column in enumerate(columns):
        matrix[:, j] = column
    return check_matrix(matrix, names, min_rows=min_rows, every_column=every_column), names


def as_frame(x: Any) -> Any:
    """A pyarrow RecordBatch as the Table that it is a part of; anything else as it is."""
    if type(x).__name__ != "RecordBatch" or not type(x).__module__.startswith("pyarrow"):
        return x
    import pyarrow as pa

    return pa.Table.from_batches([x])


def _dense(x: Any) -> Any:
    """A pandas frame with its sparse columns made dense; anything else as it is."""
    if type(x).__name__ != "DataFrame" or not type(x).__module__.startswith("pandas"):
        return x
    sparse = {label: kind.subtype for label, kind in x.dtypes.items() if type(kind).__name__ == "SparseDtype"}
    return x.astype(sparse) if sparse else x


def read_frame(x: Any) -> Any:
    """A table in memory, as narwhals sees it. Raises DataError for what is not one, and for two columns of one name."""
    import narwhals as nw

    x = as_frame(x)
    _refuse_twins(x)
    x = _dense(x)
    try:
        return nw.from_native(x, eager_only=True)
    except TypeError as error:  # a LazyFrame, ...
        raise DataError(
            f"a {type(x).__module__.split('.')[0]} {type(x).__name__} cannot be read as a table in memory; "
            "collect or convert it to a DataFrame or a Table first"
        ) from error


def _refuse_twins(x: Any) -> None:
    """Before narwhals sees the frame: it refuses two columns of one name in words of its own."""
    arrow = type(x).__module__.startswith("pyarrow")
    labels = [str(label) for label in (x.column_names if arrow else x.columns if type(x).__name__ == "DataFrame" else ())]
    twice = sorted({label for label in labels if labels.count(label) > 1}) if len(set(labels)) < len(labels) else []
    if twice:
        raise DataError(f"column names must be unique; found more than once: {', '.join(map(repr, twice))}")


def _number(value: Any) -> float:
    """A cell as a float; None and pandas.NA are missing. Raises for what is not a number."""
    if isinstance(value, str | bytes):  # float() would quietly read '1' as a number
        raise TypeError("text")
    return np.nan if is_absent(value) else float(value)


def is_absent(value: Any) -> bool:
    """Whether a cell is None or pandas.NA."""
    return value is None or type(value).__name__ == "NAType"


def is_time(value: Any) -> bool:
    """Whether a cell is a date, a time, a duration or a pandas Period."""
    return isinstance(value, date | time | timedelta) or type(value).__name__ == "Period"


def _refuse_dates(found: list[Any], dtype: Any, name: str) -> None:
    row = next((i for i, v in enumerate(found) if is_time(v)), None)
    if row is not None:
        raise DataError(
            f"column {name!r} is of type {dtype}, not numbers (row {row} is {found[row]!r}, a date or time): convert it to numbers, such "
            "as days since the first; a HMM puts steps in order by such a column if it is named as order"
        )


def _column(series: Any, name: str) -> np.ndarray:
    import narwhals as nw

    dtype = series.dtype
    if dtype in (nw.Int128, nw.UInt128):  # NumPy has none
        return series.cast(nw.Float64).to_numpy().astype(np.float64)
    if dtype.is_numeric():
        values = series.to_numpy()
        if values.dtype.kind == "O" or series.null_count():
            values = series.cast(nw.Float64).to_numpy()
        values = np.asarray(values)
        return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)
    if dtype == nw.Boolean:
        return np.array([_number(v) for v in series.to_list()])
    found = series.to_list()
    _refuse_dates(found, dtype, name)
    if dtype in (nw.Object, nw.Unknown) or all(v is None for v in found):
        try:
            return np.array([_number(v) for v in found])
        except (TypeError, ValueError):
            pass
    row = next((i for i, v in enumerate(found) if not (is_absent(v) or isinstance(v, int | float | Decimal))), 0)
    raise DataError(
        f"column {name!r} is of type {dtype}, not numbers (row {row} is {found[row]!r}); drop the column, or encode it as numbers"
    )
