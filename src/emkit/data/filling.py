"""Tables with their missing cells filled in: what goes out is the kind of thing that came in, with the same columns."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emkit.core.columns import Column, Columns
from emkit.data.cells import is_absent
from emkit.data.sequence_lists import as_sequences
from emkit.data.tables import holds_texts, is_table, read_frame
from emkit.data.validate import unmask


def filled_in(given: Any, x: np.ndarray, holes: np.ndarray, columns: Columns, keys: Sequence[str] = ()) -> Any:
    """The user's data with the cells of ``x`` where they have none.

    Parameters
    ----------
    given : array, list of rows, or data frame
        What the user gave. Observed cells stay as they are, and so do columns without a missing cell.
    x : array of shape (n, d)
        The same rows as numbers, with nothing missing.
    holes : bool array of shape (n, d)
        Which cells were missing when the rows were read.
    columns : Columns
        What the columns are: numbers of levels become levels again.
    keys : sequence of str
        Columns of a frame that are not among those of ``x``.

    Returns
    -------
    array or data frame
        Columns keep their types where these can hold the new cells: whole numbers stay integers if all of them are whole, and
        become floating-point numbers otherwise.
    """
    if is_table(given):
        return _frame(given, x, holes, columns, keys)
    array = np.asarray(unmask(given)) if hasattr(given, "dtype") else np.array(unmask(given), dtype=object)
    if columns.has_levels or holds_texts(array):
        cells = [_cells(c.tolist(), x[:, j], holes[:, j], columns[j]) for j, c in enumerate(array.T)]
        out = np.empty(array.shape, dtype=object)
        for j, column in enumerate(cells):
            out[:, j] = column
        return out
    if array.dtype.kind in "biu":
        return array.copy()
    return x.astype(array.dtype if array.dtype in (np.float32, np.float64) else np.float64)


def sequences_filled_in(
    given: Any, lengths: Any, x: np.ndarray, holes: np.ndarray, columns: Columns, keys: Mapping[str, str]
) -> Any:
    """``filled_in`` for whatever holds sequences: an array or a frame of all rows, a list of such, or a 3-D array.

    ``x`` (n, d) and ``holes`` are in the order of the user's rows; ``keys``: the sequence and the order column, by their roles.
    """
    aside = tuple(keys.values())
    items = as_sequences(given, has_lengths=lengths is not None)
    if items is None and not is_table(given) and getattr(given, "ndim", 0) == 3:
        items = list(given)
    if items is None:
        return filled_in(given, x, holes, columns, aside)
    ends = np.cumsum([len(read_frame(item)) if is_table(item) else len(item) for item in items])
    each = [np.split(part, ends[:-1]) for part in (x, holes)]
    out = [filled_in(item, new, gone, columns, aside) for item, new, gone in zip(items, *each, strict=True)]
    if getattr(given, "ndim", 0) == 3:
        return np.stack(out)
    flat = [not is_table(item) and np.ndim(item) == 1 for item in given]
    return [table.ravel() if one else table for table, one in zip(out, flat, strict=True)]


def _frame(given: Any, x: np.ndarray, holes: np.ndarray, columns: Columns, keys: Sequence[str]) -> Any:
    frame = read_frame(given)
    features = [name for name in frame.columns if name not in keys]
    new = [
        _series(frame.get_column(name), x[:, j], holes[:, j], columns[j]) for j, name in enumerate(features) if holes[:, j].any()
    ]
    out = frame.with_columns(*new).to_native() if new else frame.to_native()
    if type(given).__name__ == "RecordBatch":
        return out.combine_chunks().to_batches()[0]
    return out.copy() if out is given and hasattr(out, "copy") else out


def _gone(value: Any) -> bool:
    """Whether a cell is missing."""
    return is_absent(value) or bool(value != value)


def _cells(values: list[Any], x: np.ndarray, holes: np.ndarray, column: Column) -> list[Any]:
    """The cells of a column as Python objects. A level that was not there in the fit is missing to the model, but is observed."""
    out = list(values)
    for i in np.flatnonzero(holes):
        if _gone(out[i]):
            levels = column.levels
            out[i] = float(x[i]) if levels is None else levels[int(x[i])] if x[i] < len(levels) else int(x[i])
    return out


def _series(series: Any, x: np.ndarray, holes: np.ndarray, column: Column) -> Any:
    """The column of a frame with its cells filled in."""
    import narwhals as nw

    dtype = series.dtype
    if column.levels is not None:
        cells = _cells(series.to_list(), x, holes, column)
        if not dtype.is_numeric():
            return _of_levels(series, cells)
        x = np.array(cells, dtype=np.float64)  # codes: what was missing is a code now, and a code that is new stays
    new = x[holes]
    if dtype in (nw.Float32, nw.Float64):
        return _made(series, x.astype(np.float32 if dtype == nw.Float32 else np.float64), dtype)
    old = series.to_list()
    if dtype.is_integer() and (new == np.round(new)).all():
        cells = [int(a) if _gone(v) else v for a, v in zip(x, old, strict=True)]
        return _made(series, cells, dtype if _within(dtype, new) else nw.Int64)
    truths = [v for v, hole in zip(old, holes, strict=True) if not hole]
    if truths and all(isinstance(v, bool | np.bool_) for v in truths) and ((new == 0) | (new == 1)).all():
        return _made(series, [bool(a) if hole else v for a, hole, v in zip(x, holes, old, strict=True)], nw.Boolean)
    return _made(series, x.astype(np.float64), nw.Float64)


def _within(dtype: Any, new: np.ndarray) -> bool:
    """Whether an integer type holds these whole numbers."""
    name = str(dtype).lower()
    if name.endswith("128"):
        return True
    limits = np.iinfo(name)
    return bool(limits.min <= new.min() and new.max() <= limits.max)


def _of_levels(series: Any, cells: list[Any]) -> Any:
    """A column of texts or categories; a type that lists its categories gets those that are new to it, or becomes text."""
    import narwhals as nw

    if series.implementation.is_pandas_like():
        native = series.to_native()
        known = getattr(native.dtype, "categories", None)
        if known is not None:
            as_known = {str(category): category for category in known}  # intervals and the like are levels by their texts
            cells = [as_known.get(str(v), v) for v in cells]
            native = native.cat.add_categories(sorted({v for v in cells if v not in known}, key=str))
            return nw.from_native(type(native)(cells, index=native.index, name=native.name, dtype=native.dtype), series_only=True)
    dtype = series.dtype
    if isinstance(dtype, nw.Enum) and not set(cells) <= set(dtype.categories):
        dtype = nw.String
    texts = dtype in (nw.String, nw.Categorical, nw.Enum) and all(isinstance(v, str) for v in cells)
    return _made(series, cells, dtype if texts else None)


def _made(series: Any, cells: Any, dtype: Any) -> Any:
    """A column of these cells in the place of ``series``: of its own type if that is ``dtype``, which None leaves to the cells."""
    import narwhals as nw

    if not series.implementation.is_pandas_like():
        return nw.new_series(series.name, cells, dtype, backend=series.implementation)
    native = series.to_native()
    kind = native.dtype if dtype is not None and dtype == series.dtype else None
    return nw.from_native(type(native)(list(cells), index=native.index, name=native.name, dtype=kind), series_only=True)
