"""What a table of arrow becomes: a float matrix of some of its columns, and the rows' weights."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from emkit.core.block import Block
from emkit.core.columns import Column, Columns
from emkit.core.errors import DataError

ROWS = 2**14
"""Rows of a block."""
_MANY = 1000  # levels from which cells are looked up in a dictionary
_EXACT = 2**53  # up to which every whole number is a floating-point number


@dataclass(frozen=True)
class Layout:
    """How rows of a table become rows of a matrix: small and picklable, so that it travels with each part.

    Attributes
    ----------
    columns : Columns
        The columns of the matrix. Cells of one with levels become the numbers of these.
    names : tuple of str
        What they are called in the table.
    float32 : bool
        Whether the matrix is of float32: if every column is.
    weights : str, optional
        The column of the rows' weights.
    stored : tuple of str, optional
        What the columns of a matrix without names are called, in their order, where ``names`` are some of them or in another one.
    unseen : {"error", "missing"}
        What a cell is that is none of the levels.
    """

    columns: Columns
    names: tuple[str, ...]
    float32: bool = False
    weights: str | None = None
    stored: tuple[str, ...] | None = None
    unseen: str = "error"
    _value_sets: dict[int, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def width(self) -> Any:
        """float32 or float64."""
        return np.float32 if self.float32 else np.float64

    @property
    def needed(self) -> list[str]:
        """What must be read."""
        return list(dict.fromkeys([*self.names, *(name for name in (self.weights,) if name is not None)]))

    def with_columns(self, columns: Columns) -> "Layout":
        """The same cells under another schema; float64 where there are levels."""
        return replace(self, columns=columns, float32=self.float32 and not columns.has_levels, _value_sets={})

    def matrix(self, table: Any) -> np.ndarray:
        """Rows of a RecordBatch or Table as a matrix, (n, d). Raises DataError with the row's number in the table."""
        cells = [self._cells(table.column(name), j) for j, name in enumerate(self.names)]
        return np.stack(cells, axis=1, dtype=self.width, casting="same_kind")

    def chosen(self, x: np.ndarray) -> np.ndarray:
        """The columns of a matrix without names, (n, d). Raises DataError if it has more or fewer than it should."""
        known = self.names if self.stored is None else self.stored
        if np.ndim(x) != 2 or x.shape[1] != len(known):
            raise DataError(f"rows of shape {np.shape(x)}, after rows of {len(known)} columns")
        return x if self.stored is None else x[:, [known.index(name) for name in self.names]]

    def some(self, chosen: Sequence[int]) -> "Layout":
        """Of some of the columns."""
        names = tuple(self.names[j] for j in chosen)
        return replace(self.with_columns(self.columns.some(chosen)), names=names, stored=self.stored or self.names)

    def weights_of(self, table: Any) -> np.ndarray | None:
        """The rows' weights, (n,); None without a column of them. Raises DataError for what is no weight."""
        if self.weights is None:
            return None
        return checked_weights(floats(table.column(self.weights), self.weights), self.weights)

    def _cells(self, column: Any, j: int) -> np.ndarray:
        levels, name = self.columns[j].levels, self.names[j]
        if levels is None:
            return floats(column, name)
        from pyarrow import compute as pc

        column = plain(column, name)
        known = self._value_sets.get(j)
        if known is None:
            known = _value_set(levels)
            known = self._value_sets[j] = known if len(levels) <= _MANY else _Places(known)
        column = _comparable(column, known.type, name)
        codes = known.of(column) if isinstance(known, _Places) else pc.index_in(column, value_set=known, skip_nulls=True)
        if codes.null_count > column.null_count and self.unseen != "missing":
            self._refuse_unseen(column, codes, j)
        return np.asarray(codes.cast("float64").to_numpy(zero_copy_only=False) if codes.null_count else codes, dtype=np.float64)

    def _refuse_unseen(self, column: Any, codes: Any, j: int) -> None:
        from pyarrow import compute as pc

        row = int(pc.index(pc.and_(codes.is_null(), column.is_valid()), True).as_py())
        levels = self.columns[j].levels or ()
        known = ", ".join(map(repr, levels[:10])) + (", ..." if len(levels) > 10 else "")
        raise DataError(
            f"{self.columns.called(j)} row {row} is {column[row].as_py()!r}, a level that was not there in the fit (it had {known}"
            "); correct the cell, or say unseen='missing' to treat such cells as missing",
            column=self.columns[j].name,
            row=row,
            parameter="unseen",
        )


def plain(column: Any, name: str) -> Any:
    """A column as an array in one piece, dictionaries decoded."""
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def floats(column: Any, name: str) -> np.ndarray:
    """A column of numbers or booleans, NaN where it is null: float32 if it is, or else float64.

    Raises
    ------
    DataError
        For whole numbers that floating-point numbers cannot tell apart, and for what is no number.
    """
    import pyarrow as pa

    types = pa.types
    column = plain(column, name)
    kind = column.type
    if types.is_floating(kind):
        values = column.to_numpy(zero_copy_only=False)
        return values if values.dtype != np.float16 else values.astype(np.float32)
    if types.is_integer(kind):
        if kind.bit_width == 64:
            values = column.fill_null(0).to_numpy(zero_copy_only=False)
            if len(values) and (int(values.max()) > _EXACT or int(values.min()) < -_EXACT):
                row = int(np.argmax((values > _EXACT) | (values < (0 if kind.equals(pa.uint64()) else -_EXACT))))
                raise DataError(
                    f"column {name!r} row {row} is {int(values[row])}: whole numbers beyond 2**53 cannot be told apart as "
                    "floating-point numbers; subtract a constant, or turn them into text if they are names",
                    column=name,
                    row=row,
                )
        return np.asarray(column.cast("float64", safe=False).to_numpy(zero_copy_only=False))
    if types.is_boolean(kind) or types.is_decimal(kind) or types.is_null(kind):
        middle = column.cast("uint8") if types.is_boolean(kind) else column
        return np.asarray(middle.cast("float64").to_numpy(zero_copy_only=False))
    raise DataError(f"column {name!r} is of type {kind}, not of numbers; leave it out, or convert it", column=name)


def checked_weights(w: np.ndarray, name: str) -> np.ndarray:
    """Weights that are finite and not negative. Raises DataError for the first that is not."""
    good = np.isfinite(w) & (w >= 0)
    if good.all():
        return w
    row = int(np.flatnonzero(~good)[0])
    what = "missing" if np.isnan(w[row]) else "infinite" if np.isinf(w[row]) else "negative"
    text = f"weights {name!r} row {row} is {what} ({w[row]}); weights must be finite and nonnegative"
    raise DataError(text, column=name, row=row)


def check_cells(x: np.ndarray, columns: Columns) -> bool:
    """Whether some cell is missing. Raises DataError for the first that is infinite."""
    finite = np.isfinite(x)
    if finite.all():
        return False
    bad = np.isinf(x)
    if bad.any():
        i, j = (int(v) for v in np.argwhere(bad)[0])
        value = "-inf" if x[i, j] < 0 else "inf"
        raise DataError(
            f"{columns.called(j)} row {i} is {value} (infinity); drop the row or mark it missing (NaN)",
            column=columns[j].name,
            row=i,
        )
    return True


def schema_columns(schema: Any, names: Sequence[str], where: str) -> tuple[list[Column], bool]:
    """What the named columns of an arrow schema are, levels not known yet (``()``), and whether all are of float32."""
    import pyarrow as pa

    types, found, narrow = pa.types, [], True
    for name in names:
        kind = schema.field(name).type
        if types.is_dictionary(kind):
            kind = kind.value_type
        narrow = narrow and (kind.equals(pa.float32()) or kind.equals(pa.float16()))
        if types.is_floating(kind) or types.is_decimal(kind) or types.is_null(kind):
            found.append(Column(name))
        elif types.is_integer(kind):
            found.append(Column(name, "count"))
        elif types.is_boolean(kind):
            found.append(Column(name, "binary"))
        elif types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
            found.append(Column(name, "category", ()))
        else:
            what = "a date or time" if types.is_temporal(kind) else f"of type {kind}"
            raise DataError(
                f"{where}: column {name!r} is {what}, neither numbers nor text; leave it out (columns=...), or convert it",
                column=name,
            )
    return found, narrow


def kind_of(type_: Any) -> str:
    """Numbers, text or something else: what must agree between files."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(type_):
        type_ = type_.value_type
    if types.is_floating(type_) or types.is_integer(type_) or types.is_decimal(type_) or types.is_boolean(type_):
        return "numbers"
    if types.is_string(type_) or types.is_large_string(type_) or types.is_string_view(type_):
        return "text"
    return "nothing" if types.is_null(type_) else str(type_)


def _value_set(levels: Sequence[Any]) -> Any:
    import pyarrow as pa

    if all(isinstance(level, bool) for level in levels):
        return pa.array([float(level) for level in levels], pa.float64())
    if all(isinstance(level, int | float) for level in levels):
        return pa.array([float(level) for level in levels], pa.float64())
    return pa.array([str(level) for level in levels], pa.string())


class _Places:
    """Many levels, for what arrow's ``index_in`` does: it would look at all of them anew for each run of rows."""

    def __init__(self, levels: Any):
        self.type = levels.type
        self._places = {level: i for i, level in enumerate(levels.to_pylist())}

    def of(self, column: Any) -> Any:
        """The place of each cell among the levels; null where there is none."""
        import pyarrow as pa

        found = column.dictionary_encode()
        return pa.array([self._places.get(value) for value in found.dictionary.to_pylist()], pa.int64()).take(found.indices)


def _comparable(column: Any, kind: Any, name: str) -> Any:
    """A column in the type of its levels."""
    import pyarrow as pa

    if pa.types.is_floating(kind):
        values = floats(column, name)
        return pa.array(values, pa.float64(), from_pandas=True)
    return column if column.type.equals(kind) else column.cast(kind)


def block_of(x: np.ndarray, weights: np.ndarray | None, columns: Columns, start: int, source_rows: int) -> Block:
    """A block of checked rows. Raises DataError, with the row's number in the block."""
    return Block(x, weights, start, check_cells(x, columns), None, source_rows, None, columns)
