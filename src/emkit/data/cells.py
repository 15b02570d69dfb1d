"""The cells of one column as float64: numbers, booleans, and text or categories as numbers of their levels."""

from collections.abc import Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from emkit.core.columns import Column
from emkit.core.errors import DataError

_EXACT = 2**53  # up to which every whole number is a floating-point number
_IDENTIFIERS = 50  # more distinct texts than this, each in one row only, are identifiers


def is_absent(value: Any) -> bool:
    """Whether a cell is None or pandas.NA."""
    return value is None or type(value).__name__ == "NAType"


def is_time(value: Any) -> bool:
    """Whether a cell is a date, a time, a duration or a pandas Period."""
    return isinstance(value, date | time | timedelta) or type(value).__name__ == "Period"


def read_cells(series: Any, like: Column | None, unseen: str) -> tuple[np.ndarray, Column]:
    """A column of a frame, as narwhals sees it: its cells, NaN where missing, and what it is.

    Parameters
    ----------
    series : narwhals Series
    like : Column or None
        What it was in the fit: the levels of a category are numbered as they were then.
    unseen : {"error", "missing"}
        What a level is that was not there in the fit.

    Raises
    ------
    DataError
        Naming column, row and value.
    """
    import narwhals as nw

    dtype, name = series.dtype, str(series.name)
    if like is not None and like.levels is not None:
        return _coded(series.to_list(), like, unseen, repr(name)), like
    if dtype in (nw.Int128, nw.UInt128):  # NumPy has none
        return series.cast(nw.Float64).to_numpy().astype(np.float64), Column(name, "count")
    if dtype.is_integer():
        return whole_numbers(series), Column(name, "count")
    if dtype.is_numeric():
        values = series.to_numpy()
        if values.dtype.kind == "O" or series.null_count():
            values = series.cast(nw.Float64).to_numpy()
        values = np.asarray(values)
        return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64), Column(name)
    found = series.to_list()
    if dtype == nw.Boolean:
        return numbers_of(found, repr(name), name), Column(name, "binary")
    if dtype in (nw.Categorical, nw.Enum):
        return _texts(found, like, repr(name), name, unseen, tuple(dtype.categories) if isinstance(dtype, nw.Enum) else ())
    return read_objects(found, like, unseen, repr(name), name)


def whole_numbers(series: Any) -> np.ndarray:
    """A column of integers as float64, NaN where missing. Raises DataError where that would make two of them one."""
    cells = series.to_list() if series.null_count() else series.to_numpy()
    if isinstance(cells, list):
        cells = [None if is_absent(v) else v for v in cells]
        values = np.array([np.nan if v is None else float(v) for v in cells])
    else:
        values = cells.astype(np.float64)
    for row in np.flatnonzero(np.abs(np.nan_to_num(values)) >= _EXACT):
        if int(values[row]) != int(cells[row]):
            raise DataError(
                f"column {str(series.name)!r} row {row} is {int(cells[row])}: whole numbers beyond 2**53 cannot be told apart as "
                "floating-point numbers; subtract a constant, or turn them into text if they are names",
                column=str(series.name),
                row=int(row),
            )
    return np.asarray(values, dtype=np.float64)


def read_objects(
    values: Sequence[Any], like: Column | None, unseen: str, shown: str, name: str | None = None
) -> tuple[np.ndarray, Column]:
    """Cells that are Python objects: all numbers, or all texts. ``shown`` is how messages call the column."""
    label = shown if name is None else name
    if like is not None and like.levels is not None:
        return _coded(values, like, unseen, shown), like
    few = _few_texts(values)
    if few:
        return _texts(values, like, shown, label, unseen, (), few)
    texts = [isinstance(value, str) for value in values]
    if any(texts) and all(text or is_absent(v) or v != v for text, v in zip(texts, values, strict=True)):
        return _texts(values, like, shown, label, unseen, ())
    if 2 * sum(texts) > sum(not (is_absent(v) or v != v) for v in values):
        row = next(i for i, (text, v) in enumerate(zip(texts, values, strict=True)) if not (text or is_absent(v) or v != v))
        raise DataError(
            f"column {shown} row {row} is {values[row]!r}, of type {type(values[row]).__name__}, among texts; write it as a text, "
            "or mark it missing",
            column=name, row=row,
        )  # fmt: skip
    return numbers_of(values, shown, name), Column(label)


def numbers_of(values: Sequence[Any], shown: str, name: str | None = None) -> np.ndarray:
    """Python objects as numbers; None and pandas.NA are missing. Raises DataError for what is not a number."""
    if any(isinstance(value, str | bytes) or is_time(value) for value in values):  # float() would quietly read '1' as a number
        _refuse_first(values, shown, name)
    try:
        return np.array([np.nan if is_absent(value) else float(value) for value in values], dtype=np.float64)
    except (TypeError, ValueError):
        _refuse_first(values, shown, name)
        raise


def _refuse_first(values: Sequence[Any], shown: str, name: str | None) -> None:
    """Raise DataError for the first cell that is no number, in words that fit what it is."""
    for row, value in enumerate(values):
        if is_absent(value) or isinstance(value, int | float | Decimal | np.number | np.bool_):
            continue
        if is_time(value):
            raise DataError(
                f"column {shown} row {row} is {value!r}, a date or time, not a number: convert the column to numbers, such as days "
                "since the first; an HMM puts steps in order by such a column if it is named as order",
                column=name,
                row=row,
            )
        what = "the text " if isinstance(value, str | bytes) else f"of type {type(value).__name__}: "
        raise DataError(
            f"column {shown} row {row} is {what}{value!r}, not a number; drop the column, or encode it as numbers",
            column=name,
            row=row,
        )


def _texts(
    values: Sequence[Any],
    like: Column | None,
    shown: str,
    name: str,
    unseen: str,
    declared: tuple[Any, ...],
    few: set[Any] | None = None,
) -> tuple[np.ndarray, Column]:
    if like is not None:  # a column of numbers in the fit
        return numbers_of(values, shown, name), Column(name)
    few = _few_texts(values) if few is None else few
    if not few and any(is_time(value) for value in values):
        _refuse_first(values, shown, name)
    seen = {_level(value) for value in few or values if not (is_absent(value) or value != value)}
    levels = declared if seen <= set(declared) else sorted_levels(seen)
    many = len(seen) > _IDENTIFIERS and len(seen) == sum(not (is_absent(v) or v != v) for v in values)
    if many and isinstance(next(iter(seen)), str):
        raise DataError(
            f"column {shown} holds {len(seen)} different texts, one in each row: an identifier, which says nothing about a row; "
            "drop the column",
            column=name,
        )
    column = Column(name, "category", levels)
    return _coded(values, column, unseen, shown, few), column


def _few_texts(values: Sequence[Any]) -> set[Any]:
    """The different cells of a column of texts, missing ones among them; none where it is something else, or they are many.

    What takes a look at every cell is slow, and a set of texts is made in no time.
    """
    try:
        found = set(values)
    except TypeError:  # of cells that cannot be told apart by hashing
        return set()
    if 4 * len(found) > len(values) or not any(isinstance(value, str) for value in found):
        return set()
    return found if all(isinstance(v, str) or is_absent(v) or (v != v and not is_time(v)) for v in found) else set()


def _level(value: Any) -> Any:
    """A cell of a category as a level that can be compared and saved: text, a number, a boolean; an interval by its text."""
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, str | bool | int | float) else str(value)


def sorted_levels(levels: set[Any]) -> tuple[Any, ...]:
    """Levels in an order that does not depend on that of the rows."""
    try:
        return tuple(sorted(levels))
    except TypeError:  # of several types
        return tuple(sorted(levels, key=lambda level: (type(level).__name__, str(level))))


def _coded(values: Sequence[Any], column: Column, unseen: str, shown: str, few: set[Any] | None = None) -> np.ndarray:
    """The number of each cell's level; NaN where missing."""
    assert column.levels is not None
    number = {level: float(i) for i, level in enumerate(column.levels)}
    few = _few_texts(values) if few is None else few
    if few:
        codes = {value: number.get(value, np.nan) if isinstance(value, str) else np.nan for value in few}
        if unseen == "missing" or all(value in number for value in few if isinstance(value, str)):
            return np.fromiter(map(codes.__getitem__, values), np.float64, len(values))
    out = np.full(len(values), np.nan)
    for row, value in enumerate(values):
        if is_absent(value) or value != value:
            continue
        code = number.get(_level(value))
        if code is not None:
            out[row] = code
        elif unseen != "missing":
            known = ", ".join(map(repr, column.levels[:10])) + (", ..." if len(column.levels) > 10 else "")
            raise DataError(
                f"column {shown} row {row} is {value!r}, a level that was not there in the fit (it had {known}); correct the cell, "
                "or say unseen='missing' to treat such cells as missing",
                column=column.name,
                row=row,
                parameter="unseen",
            )
    return out
