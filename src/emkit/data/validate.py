"""Checks of data, in one place. Messages name the column and the row, and say what to do."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from emkit.core.columns import Columns
from emkit.core.errors import DataError
from emkit.data.tensors import on_host

_ROWS = 16384  # rows checked at a time, so that checking needs no copy of the data


def column_name(columns: Columns | Sequence[str] | None, j: int) -> str:
    """How messages name a column."""
    if isinstance(columns, Columns):
        return columns.called(j)
    return f"column {columns[j]!r}" if columns is not None else f"column {j}"


def _field(columns: Columns | Sequence[str] | None, j: int) -> str:
    """A column's name, as errors carry it."""
    if isinstance(columns, Columns):
        return columns[j].name
    return columns[j] if columns is not None else f"x{j}"


def unmask(x: Any) -> Any:
    """A masked array with NaN, or None among objects, where the mask is, and lists of such arrays; anything else as it is.

    ``np.asarray`` would forget a mask without a word.
    """
    if isinstance(x, list | tuple) and any(isinstance(item, np.ma.MaskedArray) for item in x):
        return [unmask(item) for item in x]
    if not isinstance(x, np.ma.MaskedArray):
        return x
    if not np.ma.is_masked(x):
        return x.filled() if x.dtype.kind == "V" else np.asarray(x)
    numeric = x.dtype.kind in "biufc"
    cells = np.array(x.data, dtype=object if not numeric else x.dtype if x.dtype.kind in "fc" else np.float64)
    cells[np.ma.getmaskarray(x)] = np.nan if numeric else None
    return cells


def refuse_masked(x: Any, what: str) -> None:
    """Raise DataError if an entry of ``x`` is masked: where nothing may be missing."""
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
        row = int(np.argwhere(np.ma.getmaskarray(x).reshape(-1))[0, 0])
        raise DataError(f"{what} {row} is missing (masked); give a value, or leave out what it belongs to", row=row)


def check_matrix(
    x: Any, columns: Columns | Sequence[str] | None = None, *, min_rows: int = 1, every_column: bool = True
) -> np.ndarray:
    """A float matrix (n, d) without infinities and without all-missing columns; float32 and float64 are not copied.

    ``every_column=False`` lets columns pass that have no observed cell: a fitted model marginalises them.

    Raises
    ------
    DataError
        If it is empty, not two-dimensional, not numeric, has an infinite cell or a column with no observed cell.
    """
    x = unmask(on_host(x))
    whole = getattr(getattr(x, "dtype", None), "kind", "?") in "biu"  # integers have no NaN and no infinity
    x = _as_float(x, columns)
    if x.ndim != 2:
        hint = " Reshape your data: x.reshape(-1, 1) for a single column." if x.ndim < 2 else ""
        raise DataError(f"expected a 2-D array of rows and columns, got {x.ndim} dimension(s).{hint}")
    n, d = x.shape
    if n < min_rows:
        raise DataError(f"found {n} row(s) (shape={x.shape}); at least {min_rows} is needed: found array with {n} sample(s)")
    if d < 1:
        raise DataError(f"found 0 feature(s) (shape={x.shape}) while a minimum of 1 is required.")
    if whole:
        return x
    observed = np.zeros(d, dtype=bool)
    for a in range(0, n, _ROWS):
        part = x[a : a + _ROWS]
        finite = np.isfinite(part)
        if finite.all():
            observed[:] = True
            continue
        bad = np.isinf(part)
        if bad.any():
            i, j = (int(v) for v in np.argwhere(bad)[0])
            value = "-inf" if part[i, j] < 0 else "inf"
            raise DataError(
                f"{column_name(columns, j)} row {a + i} is {value} (infinity); drop the row or mark it missing (NaN)",
                column=_field(columns, j),
                row=a + i,
            )
        observed |= finite.any(axis=0)
    if every_column and not observed.all():
        j = int(np.flatnonzero(~observed)[0])
        raise DataError(
            f"{column_name(columns, j)} has no observed value (all missing); drop the column", column=_field(columns, j)
        )
    return x


def _as_float(x: Any, columns: Columns | Sequence[str] | None) -> np.ndarray:
    if hasattr(x, "toarray") and hasattr(x, "tocsr"):
        raise DataError("sparse data is not supported: pass x.toarray() if it fits in memory")
    try:
        array = np.asarray(x)
    except (ValueError, TypeError) as error:
        raise DataError(f"the data cannot be read as an array of numbers: {error}") from error
    if array.dtype in (np.float32, np.float64):
        return array
    if np.iscomplexobj(array):
        raise DataError("Complex data not supported: pass real and imaginary parts as two columns")
    if array.dtype.kind in "biuf":
        return array.astype(np.float64)
    if array.dtype.kind == "O":
        return _from_objects(array, columns)
    if array.dtype.kind in "US":
        _refuse_text(array.astype(object), columns)
    if array.dtype.kind in "mM":
        raise DataError(f"expected numbers, got dtype {array.dtype}; convert dates and times, such as to days since the first")
    raise DataError(f"expected numbers, got dtype {array.dtype}; convert the columns to numbers first")


def _from_objects(array: np.ndarray, columns: Columns | Sequence[str] | None) -> np.ndarray:
    missing = np.array([v is None or type(v).__name__ == "NAType" for v in array.ravel()], dtype=bool).reshape(array.shape)
    if any(isinstance(v, str | bytes) for v in array.ravel()):  # astype would quietly read '1' as a number
        _refuse_text(array, columns)
    try:
        return np.where(missing, np.nan, array).astype(np.float64)
    except (ValueError, TypeError):
        _refuse_text(array, columns)
        raise


def _refuse_text(array: np.ndarray, columns: Columns | Sequence[str] | None) -> None:
    cells = array.reshape(len(array), -1) if array.ndim else array.reshape(1, 1)
    for i, j in np.ndindex(cells.shape):
        value = cells[i, j]
        if isinstance(value, str | bytes):
            raise DataError(
                f"{column_name(columns, j)} row {i} is the text {value!r}, not a number; drop the column, or encode it as numbers",
                column=_field(columns, j),
                row=i,
            )
        if value is not None and not isinstance(value, int | float | np.number | np.bool_):
            raise TypeError(
                f"{column_name(columns, j)} row {i} holds a {type(value).__name__}: argument must be a string or a number"
            )


def check_weights(weights: Any, n: int) -> np.ndarray | None:
    """Row weights as a float vector of length n, or None.

    Raises
    ------
    DataError
        If the length is wrong, or a weight is negative, NaN or infinite, or none is positive.
    """
    if weights is None:
        return None
    weights = on_host(weights)
    refuse_masked(weights, "sample_weight row")
    try:
        w = np.asarray(weights, dtype=None if getattr(weights, "dtype", None) == np.float32 else np.float64)
    except (ValueError, TypeError) as error:
        raise DataError(f"sample_weight is not numeric: {error}") from error
    if w.ndim == 0:
        w = np.full(n, float(w))
    if w.ndim != 1:
        raise DataError(f"Sample weights must be 1D array or scalar, got {w.ndim} dimensions")
    if w.shape != (n,):
        raise DataError(f"sample_weight.shape == {w.shape}, expected {(n,)}!: one weight for each row")
    for what, bad in (("NaN", np.isnan(w)), ("infinite", np.isinf(w)), ("negative", w < 0)):
        if bad.any():
            i = int(np.flatnonzero(bad)[0])
            raise DataError(f"sample_weight row {i} is {what} ({w[i]}); weights must be finite and nonnegative", row=i)
    if not (w > 0).any():
        raise DataError("sample_weight: every weight is zero, so there are no data; give some rows a positive weight")
    return w
