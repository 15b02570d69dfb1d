"""Sequences as people have them: rows with lengths, a list of arrays, a 3-D array, a table with a sequence and an order column."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from emkit.core.checks import one_of
from emkit.core.columns import Columns
from emkit.core.errors import DataError
from emkit.data.cells import is_absent, sorted_levels
from emkit.data.order import Places, read_order
from emkit.data.sequence_lists import as_sequences
from emkit.data.sequences import check_lengths
from emkit.data.tables import Table, holds_texts, is_table, read_frame, read_table
from emkit.data.validate import check_matrix, unmask

GAPS = ("error", "missing", "ignore")


@dataclass(frozen=True)
class Sequences:
    """Steps in time order, sequence after sequence.

    ``position[i]`` is where the user's row i went; None if nothing moved. ``keys``: the values of the sequence column, one for each
    sequence, or None. ``listed``: the user has a list of sequences, or a 3-D array.
    """

    x: np.ndarray
    lengths: np.ndarray
    columns: Columns
    position: np.ndarray | None = None
    keys: list[Any] | None = None
    listed: bool = False

    def called(self, sequence: int) -> str | None:
        """What messages call a sequence, by its number; None where that is all."""
        return None if self.keys is None else f"sequence {self.keys[sequence]!r}"

    def place(self, step: int) -> str:
        """How messages name a step: by the user's own row, or sequence and step."""
        row = self.user_row(step)
        if not self.listed:
            return f"row {row}"
        ends = np.cumsum(self.lengths)
        s = int(np.searchsorted(ends, step, side="right"))
        begin = int(ends[s] - self.lengths[s])
        if self.position is None:
            return f"sequence {s} step {step - begin}"
        return f"sequence {s} row {row - int(np.sum(self.position < begin))}"

    def user_row(self, step: int) -> int:
        """The number of a step's row in the user's data, counted through all sequences."""
        return step if self.position is None else int(np.flatnonzero(self.position == step)[0])

    def restore(self, per_step: np.ndarray) -> np.ndarray:
        """Per-step results in the order of the user's rows."""
        return per_step if self.position is None else per_step[self.position]

    def arrange(self, per_row: np.ndarray, fill: Any) -> np.ndarray:
        """The user's per-row values in the order of the steps; ``fill`` at steps the user has no row for."""
        if self.position is None:
            return per_row
        out = np.full((len(self.x), *per_row.shape[1:]), fill, dtype=per_row.dtype)
        out[self.position] = per_row
        return out


def read_sequences(
    x: Any,
    lengths: Any = None,
    *,
    sequence: str | None = None,
    order: str | None = None,
    gaps: str = "error",
    like: Columns | None = None,
    unseen: str = "error",
    every_column: bool = True,
) -> Sequences:
    """Read sequences.

    Parameters
    ----------
    x : array (n, d), list of arrays (T_s, d) or (T_s,), array (S, T, d), data frame, or list of data frames
        Generators, Series and arrays of objects that hold arrays are lists of sequences too.
    lengths : list of int, optional
        With an array (n, d) or a data frame: lengths of consecutive sequences.
    sequence, order : str, optional
        Columns of a data frame: which sequence a row belongs to, and its place in it. Rows may come in any order.
        A list of frames has no ``sequence`` column; ``order`` sorts inside each frame.
    gaps : {"error", "missing", "ignore"}
        What a jump in an integer ``order`` column means: a mistake, steps that were not observed, or nothing.
    like, unseen, every_column
        As in ``read_table``.

    Raises
    ------
    DataError
        Naming the sequence, column or row.
    """
    one_of(gaps, GAPS, "gaps")

    def read(table: Any, *, every_column: bool = every_column) -> Table:
        return read_table(table, like=like, unseen=unseen, every_column=every_column)

    coded = like is not None and like.has_levels
    items = as_sequences(x, has_lengths=lengths is not None)
    if items is not None and any(is_table(item) for item in items):
        return _from_tables(items, lengths, sequence, order, gaps, every_column, read)
    if sequence is not None or order is not None:
        if not is_table(x):
            raise DataError("sequence and order name columns, so the data must be a data frame")
        if lengths is not None:
            raise DataError("give lengths, or a sequence column, not both")
        return _from_table(x, sequence, order, gaps, read)
    if items is not None:
        return _from_list(items, lengths, every_column, read, coded)
    if not is_table(x) and getattr(x, "ndim", 0) == 3:
        return _from_list(list(np.asarray(unmask(x))), lengths, every_column, read, coded)
    found = read(x)
    return Sequences(found.x, check_lengths(lengths, len(found.x)), found.columns)


Read = Callable[..., Table]
Found = TypeVar("Found")


def _from_list(items: Sequence[Any], lengths: Any, every_column: bool, read: Read, coded: bool) -> Sequences:
    """A list of arrays, one for each sequence; ``coded``: whether some column of the fit had levels."""
    if lengths is not None:
        raise DataError("a list of sequences or a 3-D array has its own lengths; leave lengths out")
    if not items:
        raise DataError("found no sequence (0 sequences)")
    parts: list[np.ndarray] = []
    for i, item in enumerate(items):
        try:
            part = np.asarray(unmask(item))
        except (TypeError, ValueError) as error:
            raise DataError(f"sequence {i} cannot be read as an array of numbers: {error}", sequence=i) from error
        if part.ndim != 2:
            raise DataError(
                f"sequence {i} has {part.ndim} dimension(s), expected steps and columns: x.reshape(-1, 1) for a single column",
                sequence=i,
            )
        if not len(part):
            raise DataError(f"sequence {i} is empty; drop it", sequence=i)
        if parts and part.shape[1] != parts[0].shape[1]:
            raise DataError(f"sequence {i} has {part.shape[1]} columns, sequence 0 has {parts[0].shape[1]}", sequence=i)
        parts.append(part)
    if coded or any(holds_texts(part) for part in parts):
        return _joined([_part(i, partial(_of_array, part, read)) for i, part in enumerate(parts)], every_column)
    sizes = np.array([len(part) for part in parts], dtype=np.int64)
    if len({part.dtype.kind in "biuf" for part in parts}) > 1 or any(part.dtype.kind not in "biuf" for part in parts):
        parts = [_numbers_of(i, part) for i, part in enumerate(parts)]
    try:
        matrix = check_matrix(np.concatenate(parts), every_column=every_column)
    except DataError:
        for i, part in enumerate(parts):
            _numbers_of(i, part)
        raise
    return Sequences(matrix, sizes, Columns.numbered(matrix.shape[1]), listed=True)


def _numbers_of(i: int, part: np.ndarray) -> np.ndarray:
    """Sequence ``i`` as a float matrix, or a DataError that names it."""
    return _part(i, partial(check_matrix, part, every_column=False))


def _part(i: int, read: Callable[[], Found]) -> Found:
    """What ``read`` returns for sequence ``i``, or a DataError that names the sequence too."""
    try:
        return read()
    except DataError as error:
        raise DataError(f"sequence {i}: {error}", column=error.column, row=error.row, sequence=i) from None


def _of_array(part: np.ndarray, read: Read) -> Sequences:
    """One sequence, whose columns may be of texts."""
    table = read(part, every_column=False)
    return Sequences(table.x, np.array([len(table.x)], dtype=np.int64), table.columns)


def _from_tables(
    items: Sequence[Any], lengths: Any, sequence: str | None, order: str | None, gaps: str, every_column: bool, read: Read
) -> Sequences:
    """A list of data frames, one for each sequence: the same columns in each, put in order inside each."""
    if lengths is not None:
        raise DataError("a list of sequences or a 3-D array has its own lengths; leave lengths out")
    if sequence is not None:
        raise DataError("each frame of a list is one sequence; leave sequence out, or join the frames into one")
    parts: list[Sequences] = []
    for i, item in enumerate(items):
        if not is_table(item):
            raise DataError(
                f"sequence {i} is a {type(item).__name__}, but the list holds data frames; give frames, or arrays, throughout",
                sequence=i,
            )
        part = _part(i, partial(_from_table, item, None, order, gaps, partial(read, every_column=False)))
        if parts and part.columns.names != parts[0].columns.names:
            raise DataError(
                f"sequence {i} has the columns {list(part.columns.names)}, sequence 0 has {list(parts[0].columns.names)}",
                sequence=i,
            )
        parts.append(part)
    return _joined(parts, every_column)


def _joined(parts: list[Sequences], every_column: bool) -> Sequences:
    """Sequences that were read one by one."""
    parts, columns = _one_schema(parts)
    matrix = check_matrix(np.concatenate([part.x for part in parts]), columns, every_column=every_column)
    sizes = np.array([len(part.x) for part in parts], dtype=np.int64)
    position = None
    if any(part.position is not None for part in parts):
        begins = np.cumsum(sizes) - sizes
        rows = [np.arange(len(part.x)) if part.position is None else part.position for part in parts]
        position = np.concatenate([begin + at for begin, at in zip(begins, rows, strict=True)])
    return Sequences(matrix, sizes, columns, position, listed=True)


def _one_schema(parts: list[Sequences]) -> tuple[list[Sequences], Columns]:
    """Parts with the same columns, whose categories may have different levels: all of them, and the cells numbered by these.

    A column with nothing in it is of the kind that it is of elsewhere. Raises DataError where a column mixes numbers and texts.
    """
    if all(part.columns == parts[0].columns for part in parts):
        return parts, parts[0].columns
    items, xs = list(parts[0].columns.items), [part.x.copy() for part in parts]
    for j, first in enumerate(items):
        seen = [~np.isnan(part.x[:, j]) for part in parts]
        each = {i: part.columns[j] for i, part in enumerate(parts) if seen[i].any() or part.columns[j].levels is not None}
        coded = [i for i, column in each.items() if column.levels is not None]
        if not coded:
            kinds = {column.kind for column in each.values()}
            items[j] = replace(first, kind=kinds.pop() if len(kinds) == 1 else "real")
            continue
        plain = [i for i in each if i not in coded]
        if plain:
            i = max(plain[0], coded[0])
            here, before = ("texts", "numbers") if i in coded else ("numbers", "texts")
            raise DataError(
                f"{parts[0].columns.called(j)} holds {here} in sequence {i}, {before} before; "
                "correct the cells, or give texts throughout",
                column=first.name,
                sequence=i,
            )
        levels = sorted_levels({level for i in coded for level in each[i].levels or ()})
        for i in coded:
            number = np.array([levels.index(level) for level in each[i].levels or ()] or [0], dtype=xs[i].dtype)
            xs[i][seen[i], j] = number[xs[i][seen[i], j].astype(np.intp)]
        items[j] = replace(each[coded[0]], levels=levels)
    columns = replace(parts[0].columns, items=tuple(items))
    return [replace(part, x=x) for part, x in zip(parts, xs, strict=True)], columns


def _from_table(x: Any, sequence: str | None, order: str | None, gaps: str, read: Read) -> Sequences:
    frame = read_frame(x)
    for name in (sequence, order):
        if name is not None and name not in frame.columns:
            raise DataError(f"no column {name!r}; the columns are {', '.join(map(str, frame.columns))}", column=name)
    rest = [c for c in frame.columns if c not in (sequence, order)]
    table = read(frame.select(rest).to_native())
    matrix, columns = table.x, table.columns
    n = len(matrix)
    labels = list(range(n)) if sequence is None else frame.get_column(sequence).to_list()
    if sequence is None:
        codes, keys = np.zeros(n, dtype=np.int64), None
    else:
        i = next((i for i, v in enumerate(labels) if is_absent(v) or v != v), None)
        if i is not None:
            raise DataError(f"column {sequence!r} row {i} is missing; every row belongs to a sequence", column=sequence, row=i)
        number: dict[Any, int] = {}
        codes = np.array([number.setdefault(v, len(number)) for v in labels], dtype=np.int64)
        keys = list(number)
    places = None if order is None else read_order(frame.get_column(order), order)
    by = np.lexsort((np.arange(n), codes)) if places is None else np.lexsort((np.arange(n), places.values, codes))
    position = np.empty(n, dtype=np.int64)
    position[by] = np.arange(n)
    lengths = np.bincount(codes)
    matrix = matrix[by]
    if places is None:
        return Sequences(matrix, lengths, columns, None if np.array_equal(by, np.arange(n)) else position, keys)
    sorted_places = Places(places.values[by], places.is_time, lambda i: places.show(int(by[i])))
    return _fill_gaps(Sequences(matrix, lengths, columns, position, keys), codes[by], sorted_places, order or "", gaps)


def _fill_gaps(found: Sequences, codes: np.ndarray, places: Places, order: str, gaps: str) -> Sequences:
    """Refuse duplicates; deal with jumps in an integer order column."""

    def who(i: int) -> str:
        return f"sequence {found.keys[codes[i]]!r}" if found.keys is not None else "the sequence"

    place, show = places.values, places.show
    step = np.diff(place)
    within = codes[1:] == codes[:-1]
    if (within & (step == 0)).any():
        i = int(np.flatnonzero(within & (step == 0))[0])
        raise DataError(f"{who(i)} has {order} = {show(i)} twice; every step needs a place of its own")
    whole = place.dtype == np.int64 or (np.abs(place).max() < 1e15 and np.all(place == np.round(place)))
    jump = within & (step != 1) if whole else np.zeros(len(step), dtype=bool)
    if not jump.any() or gaps == "ignore" or places.is_time:
        return found
    i = int(np.flatnonzero(jump)[0])
    if gaps == "error":
        raise DataError(
            f"{who(i)} jumps from {order} = {show(i)} to {show(i + 1)}; "
            "say gaps='missing' if the steps between were not observed, gaps='ignore' if nothing is between",
            parameter="gaps",
        )
    extra = np.where(within, step - 1, 0)
    total = len(place) + extra.sum(dtype=np.float64)
    if total > max(100 * len(place), 10**8):
        raise DataError(
            f"gaps='missing' would make {total:.0f} steps of {len(place)} rows; is {order!r} counted in the right unit?"
        )
    target = np.arange(len(place)) + np.concatenate([[0], np.cumsum(extra)]).astype(np.int64)
    matrix = np.full((int(target[-1]) + 1, found.x.shape[1]), np.nan, dtype=found.x.dtype)
    matrix[target] = found.x
    lengths = found.lengths + np.bincount(codes[1:], weights=extra, minlength=len(found.lengths)).astype(np.int64)
    assert found.position is not None
    return Sequences(matrix, lengths, found.columns, target[found.position], found.keys)
