"""Categorical tables whose rows belong to groups: the group is a column of the table, or is given beside it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emkit.core.columns import Column, Columns
from emkit.core.errors import DataError, ParameterError
from emkit.data.categories import read_categories
from emkit.data.tables import Table, is_table

GROUP = "group"
"""The role of the column that holds the group."""


@dataclass(frozen=True)
class Grouped:
    """Rows, and beside them the group of each."""

    x: Any
    groups: Any


def read_grouped(x: Any, group: Any, *, like: Columns | None = None, unseen: str = "error", min_rows: int = 1) -> Table:
    """Rows as ``read_categories`` gives them, with the column of the group, if there is one, marked by its role.

    Parameters
    ----------
    x : data frame, array or Grouped
        Groups that are given beside the rows become the last column. New rows may come without them: each row's group is then
        missing.
    group : str, int or None
        The column that holds the group.
    like : Columns, optional
        Those of the fit.
    unseen, min_rows
        As for ``read_categories``.

    Raises
    ------
    DataError, ParameterError
        Also where a row of the fit has no group, and for groups that are given twice.
    """
    options: dict[str, Any] = {"unseen": unseen, "min_rows": min_rows, "every_column": like is None}
    if isinstance(x, Grouped):
        if group is not None:
            raise ParameterError("groups are given as a column of X and beside it; give one of them", parameter="groups")
        return _beside(x, like, options)
    if like is not None and group is None and like.role(GROUP) and _width(x) == len(like) - 1:
        table = read_categories(x, like=_items(like), **options)
        return _joined(table, np.full(len(table.x), np.nan), like[len(like) - 1])
    table = read_categories(x, like=like, **options)
    if like is not None or group is None:
        return table
    j = _place(table.columns, group)
    _refuse_missing(table.x[:, j], table.columns.called(j))
    items = tuple(replace(column, role=GROUP) if i == j else column for i, column in enumerate(table.columns.items))
    return Table(table.x, Columns(items, table.columns.named))


def _beside(given: Grouped, like: Columns | None, options: dict[str, Any]) -> Table:
    if like is not None and not like.role(GROUP):
        raise ParameterError("groups are given, but the model was fitted without", parameter="groups")
    table = read_categories(given.x, like=None if like is None else _items(like), **options)
    groups = np.asarray(given.groups)
    if groups.shape != (len(table.x),):
        raise DataError(f"groups has shape {groups.shape}, expected ({len(table.x)},): a group for each row")
    former = None if like is None else Columns((like[len(like) - 1],), like.named)
    name = str(getattr(given.groups, "name", None) or "group")
    codes = read_categories(groups[:, None], like=former, unseen=options["unseen"], every_column=like is None)
    if like is not None:
        return _joined(table, codes.x[:, 0], like[len(like) - 1])
    while name in table.columns.names:
        name += "_"
    _refuse_missing(codes.x[:, 0], f"groups {name!r}")
    return _joined(table, codes.x[:, 0], replace(codes.columns[0], name=name, role=GROUP))


def _joined(table: Table, codes: np.ndarray, column: Column) -> Table:
    named = table.columns.named
    last = column if named else replace(column, name=f"x{len(table.columns)}")
    return Table(np.column_stack([table.x, codes]), Columns((*table.columns.items, last), named))


def _items(like: Columns) -> Columns:
    """The columns of the fit without the group, which came last."""
    return Columns(like.items[:-1], like.named)


def _width(x: Any) -> int:
    """How many columns a table or an array has."""
    if is_table(x):
        return len(getattr(x, "column_names", None) or x.columns)
    shape = np.shape(x)
    return int(shape[1]) if len(shape) == 2 else 0


def _place(columns: Columns, group: Any) -> int:
    """The number of the column that is named, or numbered."""
    if isinstance(group, str) and columns.named and group in columns.names:
        return columns.names.index(group)
    whole = isinstance(group, int | np.integer) and not isinstance(group, bool)
    if whole and 0 <= group < len(columns):
        return int(group)
    has = f"it has: {', '.join(map(repr, columns.names))}" if columns.named else f"columns are numbered 0 to {len(columns) - 1}"
    raise ParameterError(f"groups={group!r}: there is no such column; {has}", parameter="groups")


def _refuse_missing(codes: np.ndarray, called: str) -> None:
    lacking = np.flatnonzero(np.isnan(codes))
    if len(lacking):
        raise DataError(
            f"{called} row {lacking[0]} is missing; every row needs its group: leave such rows out", row=int(lacking[0])
        )
