"""Columns that say nothing of classes, which ``AutoClass`` leaves out: identifiers, dates, columns without cells, constants."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from emkit.core.columns import Columns
from emkit.core.errors import DataError
from emkit.data.cells import is_absent, is_time
from emkit.data.tables import is_table, read_frame
from emkit.selection.autoclass.attributes import TableModel, Term

_DIFFERENT = 10  # texts: of fewer rows, that all differ may be chance


def readable(X: Any, told: Mapping[Any, str]) -> tuple[Any, dict[str, str]]:
    """A frame with its identifiers and dates emptied, and why, by name: nothing could be made of their cells.

    Columns with a type that is ``told`` are left alone unless it is "ignore". Anything but a frame of named columns is as it was.
    """
    if not is_table(X):
        return X, {}
    frame = read_frame(X)
    if not all(isinstance(label, str) for label in frame.columns):
        return X, {}
    words = {name: word for key, word in told.items() for name in (key if isinstance(key, tuple) else (key,))}
    why = {series.name: _why(series) for series in frame.iter_columns() if words.get(series.name, "ignore") == "ignore"}
    left_out = {name: reason for name, reason in why.items() if reason}
    told_so = {name for name, word in words.items() if word == "ignore" and name in frame.columns}
    return emptied(X, {*left_out, *told_so}), {name: reason for name, reason in left_out.items() if name not in told_so}


def emptied(X: Any, names: Collection[str]) -> Any:
    """A frame with those of its columns without cells; what is no frame, or has none of them, as it is."""
    if not names or not is_table(X):
        return X
    import narwhals as nw

    frame = read_frame(X)
    there = [name for name in frame.columns if name in names and not frame[name].dtype.is_numeric()]
    if not there:
        return X
    return frame.with_columns(*(nw.lit(None, dtype=nw.Float64).alias(name) for name in there)).to_native()


def _why(series: Any) -> str:
    """Why nothing can be made of a column; empty where something can."""
    import narwhals as nw

    if series.dtype.is_temporal():
        return "dates or times"
    if series.dtype not in (nw.String, nw.Object, nw.Categorical):
        return ""
    cells = [value for value in series.to_list() if not (is_absent(value) or value != value)]
    if cells and all(is_time(value) for value in cells):
        return "dates or times"
    texts = all(isinstance(value, str) for value in cells)
    return "texts that are all different" if texts and len(cells) > _DIFFERENT and len(set(cells)) == len(cells) else ""


def in_table(x: np.ndarray, columns: Columns, told: Collection[int]) -> dict[str, str]:
    """Columns of rows (n, d) without cells, or with one value, and why they say nothing; ``told``: columns that have a type.

    A value and holes are two outcomes, and tell classes apart.
    """
    out = {}
    for j, column in enumerate(columns.items):
        values = np.unique(x[~np.isnan(x[:, j]), j])
        if j not in told and not len(values):
            out[column.name] = "no cells"
        elif j not in told and constant(x[:, j]):
            out[column.name] = "one value in all rows"
    return out


def constant(x: np.ndarray) -> bool:
    """Whether a column has nothing but one value, or no cells at all; a value that no category can be, with holes, counts too."""
    values = np.unique(x[~np.isnan(x)])
    whole = bool(len(values)) and values[0] >= 0 and values[0] == np.round(values[0])
    return len(values) == 0 or (len(values) == 1 and not (whole and bool(np.isnan(x).any())))


def without_constants(model: TableModel, x: np.ndarray) -> tuple[TableModel, dict[str, str]]:
    """A model of files whose numbers of one value are ignored, and why, by name."""
    alone = {"single_normal_cn", "single_normal_cm"}
    flat = [t for t in model.terms if t.kind in alone and len(np.unique(x[~np.isnan(x[:, t.columns[0]]), t.columns[0]])) < 2]
    if not flat:
        return model, {}
    terms = tuple(Term("ignore", term.columns) if term in flat else term for term in model.terms)
    return replace(model, terms=terms), {model.attributes[t.columns[0]].name: "at most one value in all rows" for t in flat}


def check_some_left(model: TableModel, why: Mapping[str, str]) -> None:
    """Raise DataError where every column is left out."""
    if all(term.kind == "ignore" for term in model.terms):
        raise DataError(f"no column is left that could tell classes apart{': ' + in_words(why) if why else ''}")


def in_words(why: Mapping[str, str]) -> str:
    """As "'id' (texts that are all different), 'born' (dates or times)"."""
    return ", ".join(f"{name!r} ({reason})" for name, reason in why.items())
