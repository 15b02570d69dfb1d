"""Tables whose every column is categorical: the levels of a column are the values that it has, whether numbers or texts."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from emkit.core.columns import Column, Columns
from emkit.core.errors import DataError
from emkit.core.warn import warn
from emkit.data.cells import is_absent, numbers_of, read_objects, whole_numbers
from emkit.data.tables import Table, columns_of_the_fit, holds_texts, is_table, read_frame, refuse_stream
from emkit.data.validate import check_matrix, unmask

_TELLING = 10  # observed cells from which on it is remarkable that no two are equal


def read_categories(
    x: Any,
    *,
    like: Columns | None = None,
    unseen: str = "error",
    min_rows: int = 1,
    every_column: bool = True,
    real: Callable[[str, np.ndarray], bool] | None = None,
    written: Callable[[str], bool] = lambda name: False,
) -> Table:
    """Rows as float64 numbers of levels, 0, 1, ..., NaN where a cell is missing, with the levels in the schema.

    Whole numbers, booleans, texts and categories are levels. Those that occur are numbered in their order: numbers by size, texts
    by the alphabet, a declared order (polars Enum, an ordered category of pandas) as it is declared.

    Parameters
    ----------
    x : data frame or array
    like : Columns, optional
        Those of the fit: levels get the numbers that they had then. Columns without levels hold numbers of levels already.
    unseen : {"error", "missing"}
        What a level that is not in ``like`` is.
    min_rows : int
    every_column : bool
        Whether every column must have an observed cell.
    real : callable, optional
        Says of a column of numbers, by its name and its cells, that these are no levels: they stay what they are.
    written : callable
        Says of a column, by its name, that where texts stand among others, these are levels as they are written.

    Raises
    ------
    DataError
        Naming the column, and the row where there is one: of numbers with a fraction, of infinities, of dates, of new levels.
    """
    refuse_stream(x)
    raw, named = _frame(x) if is_table(x) else (_array(x, min_rows, every_column), None)
    labels = [str(label) for label in named] if named is not None else None
    known = columns_of_the_fit(like, len(raw), labels)
    if not raw:
        raise DataError("found 0 feature(s) (shape=(0, 0)) while a minimum of 1 is required.")
    codes, items = np.empty((len(raw[0]), len(raw))), []
    for j, (cells, former) in enumerate(zip(raw, known, strict=True)):
        name = f"x{j}" if labels is None else labels[j]
        shown = str(j) if labels is None else repr(name)
        codes[:, j], column = _coded(cells, former, unseen, shown, name, real, written)
        items.append(replace(column, name=name))
        if like is None and column.levels is not None:
            _doubt(codes[:, j], items[-1], shown)
    columns = Columns(tuple(items), named=labels is not None)
    return Table(check_matrix(codes, columns, min_rows=min_rows, every_column=every_column), columns)


def _frame(x: Any) -> tuple[list[Any], list[Any] | None]:
    """The cells of each column: float64, or narwhals' series; and the names, None if these are only numbers."""
    frame = read_frame(x)
    labels = list(frame.columns)
    named = all(isinstance(label, str) for label in labels)
    return [_numeric(series) for series in frame.iter_columns()], labels if named else None


def _numeric(series: Any) -> Any:
    """A column of numbers as float64; any other as it is."""
    import narwhals as nw

    if not series.dtype.is_numeric():
        return series
    if series.dtype.is_integer() and series.dtype not in (nw.Int128, nw.UInt128):
        return whole_numbers(series)
    return np.asarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64)


def _array(x: Any, min_rows: int, every_column: bool) -> list[Any]:
    """The columns of an array: float64 if all cells are numbers, lists of objects otherwise."""
    x = unmask(x)
    array = x if hasattr(x, "dtype") or hasattr(x, "toarray") else _from_lists(x)
    if np.ndim(array) == 2 and np.size(array) and holds_texts(array):
        return [column.tolist() for column in np.asarray(array).T]
    return list(np.asarray(check_matrix(array, min_rows=min_rows, every_column=every_column), dtype=np.float64).T)


def _from_lists(x: Any) -> Any:
    try:
        array = np.asarray(x)
        return np.asarray(x, dtype=object) if array.dtype.kind == "U" else array  # a number among texts is still a number
    except (ValueError, TypeError) as error:
        raise DataError(f"the data cannot be read as an array of answers: {error}") from error


def _coded(
    cells: Any,
    former: Column | None,
    unseen: str,
    shown: str,
    name: str,
    real: Callable[[str, np.ndarray], bool] | None,
    written: Callable[[str], bool],
) -> tuple[np.ndarray, Column]:
    """The numbers of one column's levels, and the column; ``former``: what it was in the fit. See ``read_categories``."""
    if not isinstance(cells, np.ndarray):
        cells, declared = _objects(cells)
        if all(is_absent(value) or value != value or isinstance(value, int | float | np.number | np.bool_) for value in cells):
            flags = all(is_absent(value) or value != value or isinstance(value, bool | np.bool_) for value in cells)
            cells = numbers_of(cells, shown, name)
            if real is not None and real(name, cells):
                return cells, Column(name)
            if flags and former is None:
                codes, column = _numbered(cells, shown, name)
                return codes, replace(column, levels=tuple(bool(level) for level in column.levels or ()))
        else:
            if written(name):
                cells = [v if isinstance(v, str) or is_absent(v) or v != v else str(v) for v in cells]
            codes, column = read_objects(cells, former, unseen, shown, name)
            if former is None and declared:
                codes, column = _in_order(codes, column, declared)
            return codes, column
    if former is not None:
        return (cells if former.levels is None else _known(cells, former, unseen, shown)), former
    if real is not None and real(name, cells):
        return cells, Column(name)
    return _numbered(cells, shown, name)


def _objects(cells: Any) -> tuple[Sequence[Any], tuple[Any, ...]]:
    """The cells as Python objects, and the levels in the order that the column declares, if it does."""
    if isinstance(cells, list):
        return cells, ()
    import narwhals as nw

    declared = tuple(cells.dtype.categories) if isinstance(cells.dtype, nw.Enum) else ()
    return cells.to_list(), declared


def _in_order(codes: np.ndarray, column: Column, declared: tuple[Any, ...]) -> tuple[np.ndarray, Column]:
    """The same cells with levels in their declared order; declared levels that no cell has are left out."""
    found = column.levels or ()
    levels = tuple(level for level in declared if level in found)
    if len(levels) < len(found):
        return codes, column
    number = np.array([levels.index(level) for level in found], dtype=np.float64)
    seen = ~np.isnan(codes)
    out = np.full(len(codes), np.nan)
    out[seen] = number[codes[seen].astype(np.intp)]
    return out, replace(column, levels=levels)


def _numbered(cells: np.ndarray, shown: str, name: str) -> tuple[np.ndarray, Column]:
    """A column of numbers: its distinct values are the levels. Raises DataError for fractions and infinities."""
    seen = ~np.isnan(cells)
    levels, codes = np.unique(cells[seen], return_inverse=True)
    bad = ~np.isfinite(levels) | (levels != np.round(levels))
    if bad.any():
        row = int(np.flatnonzero(np.isin(cells, levels[bad]))[0])
        value = cells[row]
        if np.isinf(value):
            text = f"{'-' if value < 0 else ''}inf (infinity); drop the row or mark it missing (NaN)"
        else:
            text = (
                f"{value:g}, a number with a fraction, and a category is a whole number or a text; leave the column out, cut it "
                "into intervals, or make it text if its values are categories"
            )
        raise DataError(f"column {shown} row {row} is {text}", column=name, row=row)
    out = np.full(len(cells), np.nan)
    out[seen] = codes
    return out, Column(name, "category", tuple(int(level) for level in levels))


def _known(cells: np.ndarray, former: Column, unseen: str, shown: str) -> np.ndarray:
    """Numbers as the numbers of levels that they had in the fit."""
    assert former.levels is not None
    if not all(isinstance(level, int | float) for level in former.levels):
        return read_objects([None if value != value else _whole(value) for value in cells], former, unseen, shown)[0]
    levels = np.array(former.levels, dtype=np.float64)
    order = np.argsort(levels)
    seen = ~np.isnan(cells)
    place = order[np.minimum(np.searchsorted(levels[order], cells[seen]), len(levels) - 1)]
    there = levels[place] == cells[seen]
    if not there.all() and unseen != "missing":
        row = int(np.flatnonzero(seen)[np.flatnonzero(~there)[0]])
        first = [None] * row + [_whole(cells[row])]
        read_objects(first, former, unseen, shown)  # says so, in its own words
    out = np.full(len(cells), np.nan)
    out[seen] = np.where(there, place, np.nan)
    return out


def _whole(value: float) -> Any:
    return int(value) if value == np.round(value) else float(value)


def _doubt(codes: np.ndarray, column: Column, shown: str) -> None:
    """Warn of a column that has a different level in every row."""
    seen = int((~np.isnan(codes)).sum())
    if seen > _TELLING and len(column.levels or ()) == seen:
        warn(
            f"column {shown} has a different value in each of its {seen} rows: it tells rows apart and says nothing of classes; "
            "leave it out"
        )
