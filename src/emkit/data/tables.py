"""Data frames (pandas, polars, pyarrow, anything narwhals reads) and arrays, as a float matrix with its schema."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any

import numpy as np

from emkit.core.block import Source
from emkit.core.columns import Column, Columns
from emkit.core.errors import DataError
from emkit.data.cells import read_cells, read_objects
from emkit.data.tensors import on_host
from emkit.data.validate import check_matrix, unmask


@dataclass(frozen=True)
class Table:
    """``x`` (n, d), float32 or float64, NaN where a cell is missing, and ``columns``, what its columns are."""

    x: np.ndarray
    columns: Columns


def is_table(x: Any) -> bool:
    """Whether ``x`` is a data frame rather than an array."""
    return not isinstance(x, np.ndarray | list | tuple) and (
        hasattr(x, "__dataframe__")
        or hasattr(x, "__narwhals_dataframe__")
        or (type(x).__module__.split(".")[0] in ("pandas", "polars", "pyarrow", "modin", "cudf") and hasattr(type(x), "columns"))
    )


def read_table(
    x: Any, *, like: Columns | None = None, unseen: str = "error", min_rows: int = 1, every_column: bool = True
) -> Table:
    """Rows as float32 (if every column is) or float64, with the schema. Text and categories become numbers of their levels.

    Parameters
    ----------
    x : data frame or array
    like : Columns, optional
        Those of the fit: categories get the numbers that they had then.
    unseen : {"error", "missing"}
        What a level that is not in ``like`` is.
    min_rows : int
    every_column : bool
        Whether every column must have an observed cell.

    Raises
    ------
    DataError
        Naming the column, and the row where there is one.
    """
    refuse_stream(x)
    x = on_host(x)
    if not is_table(x):
        return _read_array(x, like, unseen, min_rows, every_column)
    frame = read_frame(x)
    labels = list(frame.columns)
    if not labels:
        raise DataError(f"found 0 feature(s) (shape=({len(frame)}, 0)) while a minimum of 1 is required.")
    named = all(isinstance(label, str) for label in labels)
    known = columns_of_the_fit(like, len(labels), labels if named else None)
    cells = [read_cells(series, column, unseen) for series, column in zip(frame.iter_columns(), known, strict=True)]
    width = np.float32 if all(c.dtype == np.float32 for c, _ in cells) else np.float64
    matrix = np.empty((len(frame), len(labels)), dtype=width)
    for j, (values, _) in enumerate(cells):
        matrix[:, j] = values
    items = [column for _, column in cells]
    columns = Columns(tuple(items if named else (replace(column, name=f"x{j}") for j, column in enumerate(items))), named)
    return Table(check_matrix(matrix, columns, min_rows=min_rows, every_column=every_column), columns)


def refuse_stream(x: Any) -> None:
    """Raise DataError for a path, a Source or an iterator where rows must be in memory."""
    if isinstance(x, str | os.PathLike | Source | Iterator | FunctionType):
        what = f"the path {os.fspath(x)!r}" if isinstance(x, str | os.PathLike) else f"a {type(x).__name__}"
        raise DataError(f"{what}: this estimator needs its rows in memory; read them into a data frame or an array first")


def columns_of_the_fit(like: Columns | None, count: int, names: Sequence[str] | None = None) -> list[Column | None]:
    """What each of ``count`` columns was in the fit: by name if both have names, else by place; None where that cannot be told."""
    if like is not None and like.named and names is not None:
        by_name = {column.name: column for column in like.items}
        return [by_name.get(name) for name in names]
    return list(like.items) if like is not None and len(like) == count else [None] * count


def holds_texts(array: Any) -> bool:
    """Whether an array holds texts, alone or among other objects."""
    kind = getattr(getattr(array, "dtype", None), "kind", "?")
    return kind in "UT" or (kind == "O" and any(isinstance(value, str) for value in array.ravel()))


def _read_array(x: Any, like: Columns | None, unseen: str, min_rows: int, every_column: bool) -> Table:
    x = unmask(x)
    array = x if hasattr(x, "dtype") or hasattr(x, "toarray") else _as_array(x)
    kind = getattr(getattr(array, "dtype", None), "kind", "?")
    if np.ndim(array) == 2 and np.size(array) and (holds_texts(array) or (like is not None and like.has_levels)):
        known = columns_of_the_fit(like, array.shape[1])
        cells = [read_objects(c.tolist(), known[j], unseen, str(j), f"x{j}") for j, c in enumerate(np.asarray(array).T)]
        items = tuple(Column(f"x{j}", column.kind, column.levels) for j, (_, column) in enumerate(cells))
        columns = Columns(items, named=False)
        matrix = np.column_stack([values for values, _ in cells])
        return Table(check_matrix(matrix, columns, min_rows=min_rows, every_column=every_column), columns)
    matrix = check_matrix(array, min_rows=min_rows, every_column=every_column)
    return Table(matrix, Columns.numbered(matrix.shape[1], {"b": "binary", "i": "count", "u": "count"}.get(kind, "real")))


def _as_array(x: Any) -> Any:
    try:
        array = np.asarray(x)
        return np.asarray(x, dtype=object) if array.dtype.kind == "U" else array  # a number among texts is still a number
    except (ValueError, TypeError) as error:
        raise DataError(f"the data cannot be read as an array of numbers: {error}") from error


def read_frame(x: Any) -> Any:
    """A table in memory, as narwhals sees it. Raises DataError for what is not one, and for two columns of one name."""
    import narwhals as nw

    x = _whole(x)
    _refuse_twins(x)
    x = _dense(x)
    try:
        return nw.from_native(x, eager_only=True)
    except TypeError as error:  # a LazyFrame, ...
        kind = type(x).__module__.split(".")[0]
        also = ", or take its partitions one at a time: X.map_partitions(model.predict, ...)" if kind.startswith("dask") else ""
        raise DataError(
            f"a {kind} {type(x).__name__} cannot be read as a table in memory; collect or convert it to a DataFrame or a Table "
            f"first{also}"
        ) from error


def _whole(x: Any) -> Any:
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


def _refuse_twins(x: Any) -> None:
    """Before narwhals sees the frame: it refuses two columns of one name in words of its own."""
    arrow = type(x).__module__.startswith("pyarrow")
    labels = [str(label) for label in (x.column_names if arrow else x.columns if type(x).__name__ == "DataFrame" else ())]
    twice = sorted({label for label in labels if labels.count(label) > 1}) if len(set(labels)) < len(labels) else []
    if twice:
        raise DataError(f"column names must be unique; found more than once: {', '.join(map(repr, twice))}", column=twice[0])
