"""Tables for networks: each column's cells as numbers of states that are declared, or that the column has; or as they are."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from emkit.core.columns import Column, Columns
from emkit.core.errors import DataError, ParameterError
from emkit.data.categories import read_categories
from emkit.data.tables import Table

_WHOLE = 2.0**53  # beyond it every floating-point number is whole


def same_state(level: Any) -> str:
    """What two ways of writing a state have in common: 0, "0", 0.0 and "0.0" are one, and so are True, "True" and "true"."""
    if isinstance(level, bool | np.bool_):
        return str(bool(level)).lower()
    text = str(level).strip()
    if text.lower() in ("true", "false"):
        return text.lower()
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if np.isfinite(number) and number == int(number) else text


def state_finder(states: Sequence[Any]) -> Callable[[Any], int]:
    """A function from a state, in whatever way it is written, to its number; -1 where there is no such state.

    To the letter first, so that "01", "1" and "1.0" can all be states of one node; in another way of writing the same number or
    truth only where a single state is meant.
    """
    exact: dict[str, int] = {}
    alike: dict[str, int] = {}
    for number, state in enumerate(states):
        exact.setdefault(str(state), number)
        alike[same_state(state)] = -1 if same_state(state) in alike else number
    written = set(alike)
    for truth, whole in (("true", "1"), ("false", "0")):  # a column of truths with holes may come as numbers, and the reverse
        if written <= {"true", "false"} and truth in alike:
            alike[whole] = alike[truth]
        elif written <= {"0", "1"} and whole in alike:
            alike[truth] = alike[whole]
    return lambda state: exact.get(str(state), alike.get(same_state(state), -1))


def read_states(
    x: Any,
    declared: Mapping[str, Sequence[Any]],
    *,
    numbers: Collection[str] = (),
    like: Columns | None = None,
    unseen: str = "error",
    min_rows: int = 1,
    every_column: bool = True,
) -> Table:
    """Rows as float64 numbers of states, NaN where a cell is missing, with the states in the schema.

    Parameters
    ----------
    x : data frame or array
    declared : mapping from names of columns to their states
        In the order in which they are numbered. Other columns have the states that occur: see ``read_categories``.
    numbers : names of columns of whole numbers that are no states
        Columns of numbers with a fraction, or beyond 2^53, of which no states are declared, are none either.
    like : Columns, optional
        Those of the fit, whose states count. Columns may then be missing, in any order: they are not observed.
    unseen : {"error", "missing"}
        What a cell is that is none of the declared states.

    Raises
    ------
    DataError
        Naming the column, the row and the states that there are.
    """
    if like is not None:
        numbers = [column.name for column in like.items if column.levels is None]

    def real(name: str, cells: np.ndarray) -> bool:
        if name in declared:
            return False
        seen = cells[np.isfinite(cells)]
        return name in numbers or bool(((seen != np.round(seen)) | (np.abs(seen) > _WHOLE)).any())

    table = read_categories(
        x, min_rows=min_rows, every_column=every_column, real=real, written=lambda name: like is not None or name in declared
    )
    if like is None:
        out, items = table.x, []
        for j, column in enumerate(table.columns.items):
            states = declared.get(column.name)
            if states is not None:
                out[:, j], column = _renumbered(out[:, j], column, tuple(states), unseen, table.columns.called(j))
            elif column.name in numbers:
                out[:, j] = _as_numbers(out[:, j], column, table.columns.called(j))
                column = replace(column, kind="real", levels=None)
            items.append(column)
        return Table(out, Columns(tuple(items), table.columns.named))
    rows = np.full((len(table.x), len(like)), np.nan)
    place = _places(table.columns, like)
    for j, column in enumerate(table.columns.items):
        to, called = like[place[j]], table.columns.called(j)
        if to.levels is None:
            rows[:, place[j]] = _as_numbers(table.x[:, j], column, called)
        else:
            rows[:, place[j]], _ = _renumbered(table.x[:, j], column, to.levels, unseen, called)
    return Table(rows, like)


def _as_numbers(cells: np.ndarray, column: Column, called: str) -> np.ndarray:
    """A column's cells as the numbers that they are. Raises DataError for texts."""
    if column.levels is None:
        return cells
    out, seen = np.full(len(cells), np.nan), np.flatnonzero(~np.isnan(cells))
    for row in seen:
        level = column.levels[int(cells[row])]
        try:
            out[row] = float(level)
        except (TypeError, ValueError):
            raise DataError(
                f"{called} row {row} is {level!r}, and the node is one of numbers; correct the cell, or mark it missing",
                column=column.name, row=int(row),
            ) from None  # fmt: skip
    return out


def _places(columns: Columns, like: Columns) -> list[int]:
    """Which column of the fit each column is: by name if both have names, else by place."""
    if columns.named and like.named:
        unknown = [name for name in columns.names if name not in like.names]
        if unknown:
            raise DataError(f"column {unknown[0]!r} is no node of the network; its observed nodes are {_few(like.names)}")
        return [like.names.index(name) for name in columns.names]
    if len(columns) != len(like):
        raise DataError(
            f"X has {len(columns)} features, but BayesianNetwork is expecting {len(like)} features as input, one for each observed "
            "node; only a data frame may leave columns out"
        )
    return list(range(len(like)))


def _renumbered(cells: np.ndarray, column: Column, states: tuple[Any, ...], unseen: str, called: str) -> tuple[np.ndarray, Column]:
    """A column's cells as numbers of ``states``."""
    if len(set(map(str, states))) < len(states):
        raise ParameterError(f"states of {column.name!r}: {_few(states)} has two that are written alike", parameter="states")
    if column.levels is None:  # numbers with a fraction
        levels, found = np.unique(cells[~np.isnan(cells)], return_inverse=True)
        cells = cells.copy()
        cells[~np.isnan(cells)] = found
        column = replace(column, levels=tuple(levels.tolist()))
    to = list(map(state_finder(states), column.levels or ()))
    seen = ~np.isnan(cells)
    codes = np.array(to, dtype=np.float64)[cells[seen].astype(np.intp)] if len(to) else np.zeros(0)
    if (codes < 0).any() and unseen != "missing":
        row = int(np.flatnonzero(seen)[np.flatnonzero(codes < 0)[0]])
        level = (column.levels or ())[int(cells[row])]
        raise DataError(
            f"{called} row {row} is {level!r}, which is no state of that node; it has {_few(states)}. Correct the cell, declare "
            "the state, or say unseen='missing'",
            column=column.name, row=row, parameter="unseen",
        )  # fmt: skip
    out = np.full(len(cells), np.nan)
    out[seen] = np.where(codes < 0, np.nan, codes)
    return out, replace(column, kind="category", levels=states)


def _few(values: Sequence[Any]) -> str:
    return ", ".join(map(repr, values[:10])) + (", ..." if len(values) > 10 else "")
