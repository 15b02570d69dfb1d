"""Rows of a mixture of regressions: inputs, what else ``fit`` may be given beside them, and groups of rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.columns import Column, Columns
from emkit.core.errors import DataError, ParameterError
from emkit.data.sequences import SequenceSource
from emkit.data.tables import is_table, read_frame, read_table
from emkit.estimators.targets import column_of_target, read_numbers

OFFSET, TRIALS, CONCOMITANT, GROUPS = "offset", "trials", "concomitant", "groups"
ROLES = (OFFSET, TRIALS, CONCOMITANT, GROUPS)


@dataclass(frozen=True)
class Beside:
    """What a call is given beside X and y: arrays, or None."""

    offset: Any = None
    trials: Any = None
    concomitant: Any = None
    groups: Any = None

    def columns(self, n: int, taken: Sequence[str]) -> tuple[list[np.ndarray], list[Column]]:
        """Their cells, (n,) each, and their columns; that of groups holds zeros, for only which rows share one matters."""
        cells, items = [], []
        for role in (OFFSET, TRIALS):
            if getattr(self, role) is not None:
                cells.append(read_numbers(getattr(self, role), n, role)[0])
                items.append(Column(_free(role, taken), role=role))
        if self.concomitant is not None:
            table = read_table(_two_dimensional(self.concomitant))
            if len(table.x) != n:
                raise DataError(f"concomitant has {len(table.x)} rows, X has {n}; give one row for each")
            for j, found in enumerate(table.x.T):
                cells.append(np.asarray(found, dtype=np.float64))
                name = table.columns[j].name if table.columns.named else f"u{j}"
                items.append(Column(_free(name, taken), role=CONCOMITANT))
        if self.groups is not None:
            cells.append(np.zeros(n))
            items.append(Column(_free(GROUPS, taken), role=GROUPS))
        return cells, items


def _two_dimensional(values: Any) -> Any:
    if is_table(values):
        return values
    array = np.asarray(values, dtype=np.float64)
    return array[:, None] if array.ndim == 1 else array


def _free(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name += "_"
    return name


def place(column: Any, columns: Columns, setting: str) -> int:
    """The number of one of the inputs, from its name or number. Raises ParameterError for what is not one."""
    inputs = [j for j, item in enumerate(columns.items) if item.role == "feature"]
    if isinstance(column, str) and columns.named and column in columns.names:
        found = columns.names.index(column)
    elif isinstance(column, int | np.integer) and not isinstance(column, bool):
        found = int(column)
    else:
        found = -1
    if found not in inputs:
        there = ", ".join(map(repr, columns.names[: min(len(inputs), 8)])) if columns.named else f"0 to {len(inputs) - 1}"
        raise ParameterError(f"{setting}={column!r} is no column of X; these are {there}", parameter=setting)
    return found


def without_groups(X: Any, column: Any) -> tuple[Any, Any]:
    """X with zeros in the column that tells groups, and what was in it: texts or numbers."""
    if is_table(X):
        import narwhals as nw

        frame = read_frame(X)
        name: Any = column if isinstance(column, str) else frame.columns[column] if 0 <= column < len(frame.columns) else None
        if name not in frame.columns:
            raise ParameterError(
                f"groups={column!r} is no column of X; these are {', '.join(frame.columns[:8])}", parameter="groups"
            )
        return frame.with_columns(nw.lit(0.0).alias(name)).to_native(), frame[name].to_numpy()
    array = np.asarray(X)
    if array.ndim != 2 or isinstance(column, str) or not 0 <= column < array.shape[1]:
        raise ParameterError(f"groups={column!r} is no column of X; give its number, or a data frame", parameter="groups")
    cells = array[:, column].copy()
    rest = np.array(array, dtype=object if array.dtype.kind in "OUS" else np.float64)
    rest[:, column] = 0.0
    return rest, cells


def group_codes(groups: Any, n: int) -> np.ndarray:
    """Numbers of the groups of rows, (n,). Raises DataError for a row without one."""
    found, _ = column_of_target(groups, n, "groups")
    gone = np.array([value is None or value != value for value in found.tolist()], dtype=bool)
    if gone.any():
        row = int(np.flatnonzero(gone)[0])
        raise DataError(f"groups: row {row} has none; give each row its group", row=row)
    try:
        return np.unique(found, return_inverse=True)[1].ravel()
    except TypeError as error:
        raise DataError(f"groups holds values of several kinds: {error}") from error


@dataclass(frozen=True)
class Grouped:
    """Rows in order of their groups, ``order`` (n,), and the ``lengths`` of these."""

    order: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, codes: np.ndarray) -> "Grouped":
        """From the number of each row's group."""
        return cls(np.argsort(codes, kind="stable"), np.bincount(codes))

    def source(self, x: np.ndarray, weights: np.ndarray | None, columns: Columns, same: Sequence[int]) -> SequenceSource:
        """Groups as sequences. Raises DataError where weights, or one of the columns ``same``, differ within a group."""
        starts, order = np.cumsum(self.lengths) - self.lengths, self.order
        rows = x[order]
        first = np.repeat(starts, self.lengths)
        for j in same:
            self._refuse(rows[:, j] != rows[first, j], f"{columns.called(j)} differs within a group, whose class depends on it")
        if weights is not None:
            own = weights[order]
            self._refuse(own != own[first], "sample_weight differs within a group: rows of a group share their class and weight")
            weights = own[starts]
        return SequenceSource(
            rows, self.lengths, weights, columns, checked=True,
            place=lambda row: f"row {order[row]}", user_row=lambda row: int(order[row]),
        )  # fmt: skip

    def _refuse(self, bad: np.ndarray, what: str) -> None:
        if bad.any():
            row = int(self.order[np.flatnonzero(bad)[0]])
            raise DataError(f"{what}; see row {row}", row=row)

    def back(self, values: np.ndarray) -> np.ndarray:
        """Rows in the order in which they came."""
        out = np.empty_like(values)
        out[self.order] = values
        return out
