"""Rows of a NumPy array in memory, cut into blocks."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from emkit.core.block import Block
from emkit.core.block_source import BlockSource
from emkit.core.coding import Coder
from emkit.core.columns import Columns
from emkit.data.kinds import with_levels
from emkit.data.merge import merge
from emkit.data.validate import check_matrix, check_weights

_CELLS = 2**18  # cells a block aims at: long enough to hide the cost of a call, short enough to balance threads
_MIN_ROWS, _MAX_ROWS = 4096, 65536


def block_bounds(n: int, d: int) -> np.ndarray:
    """Row numbers where blocks begin and end, (blocks + 1,): of equal size up to one row, a function of n and d alone."""
    rows = min(max(_CELLS // max(d, 1), _MIN_ROWS), _MAX_ROWS)
    return np.linspace(0, n, max(1, -(-n // rows)) + 1).astype(np.int64)


def as_columns(columns: Columns | Sequence[str] | None, d: int) -> Columns:
    """A schema from names, or from nothing (x0, x1, ...)."""
    if columns is None:
        return Columns.numbered(d)
    return columns if isinstance(columns, Columns) else Columns.of_names(columns)


class ArraySource(BlockSource):
    """A Source over a matrix.

    Parameters
    ----------
    x : array of shape (n, d)
        float64 or float32 (kept as it is, not copied); anything else is converted to float64. NaN marks a missing cell.
    weights : array of shape (n,), optional
        Nonnegative; weight 2 means the row twice.
    columns : Columns, or sequence of str, optional
        The schema, or names for messages and outputs; x0, x1, ... otherwise.
    labels : array, optional
        What is known of each row's label, as ``Block.labels``.
    checked : bool
        True if the caller has already validated ``x`` and ``weights``.

    Raises
    ------
    DataError
        Naming the column and row of what cannot be used.
    """

    def __init__(
        self,
        x: Any,
        weights: Any = None,
        columns: Columns | Sequence[str] | None = None,
        *,
        labels: np.ndarray | None = None,
        checked: bool = False,
    ):
        if not checked:
            x = check_matrix(x, columns)
            weights = check_weights(weights, len(x))
        self.x = x
        self.weights = weights
        self.labels = labels
        self.columns = as_columns(columns, x.shape[1])
        self.n_rows = int(x.shape[0])
        self.total_weight = float(self.n_rows if weights is None else np.sum(weights, dtype=np.float64))
        self.blocks = self._cut()

    def _cut(self) -> tuple[Block, ...]:
        self._coder = Coder(self.x)  # distinct values of all rows, for all blocks
        bounds = block_bounds(self.n_rows, len(self.columns)).tolist()
        return tuple(self._block(a, b) for a, b in pairwise(bounds))

    def _block(self, a: int, b: int) -> Block:
        x = self.x[a:b]
        block = Block(
            x,
            None if self.weights is None else self.weights[a:b],
            start=a,
            missing=bool(np.isnan(x).any()),
            source_rows=self.n_rows,
            labels=None if self.labels is None else self.labels[a:b],
            columns=self.columns,
        )
        block.kept["coder"] = self._coder, slice(a, b)
        return block

    @property
    def missing(self) -> bool:
        """Whether any cell is NaN."""
        return any(block.missing for block in self.blocks)

    @property
    def width(self) -> Any:
        """The floating-point type of the rows."""
        return self.x.dtype.type

    def with_columns(self, columns: Columns) -> "ArraySource":
        """The same rows under a schema in which kinds are told apart."""
        return ArraySource(self.x, self.weights, columns, labels=self.labels, checked=True)

    def with_levels(self, chosen: Sequence[int]) -> "ArraySource":
        """The same rows with the chosen columns of numbers as categories: see ``emkit.data.kinds.with_levels``."""
        x, columns = with_levels(self.x, self.columns, chosen)
        return ArraySource(x, self.weights, columns, labels=self.labels, checked=True)

    def distinct(self) -> "ArraySource":
        """Equal rows as one with their weights, unless something is known of labels: see ``merge``."""
        found = None if self.labels is not None else merge(self.x, self.weights)
        if found is None:
            return self
        first, weights = found
        return _Merged(self.x[first], weights, self.columns, first, self)

    def joined(self) -> Block:
        """Everything as one block, without a copy."""
        return Block(self.x, self.weights, missing=self.missing, source_rows=self.n_rows, labels=self.labels, columns=self.columns)

    def _of(self, block: Block) -> "ArraySource":
        return ArraySource(block.x, block.weights, self.columns, labels=block.labels, checked=True)

    def __getstate__(self) -> dict[str, Any]:
        """Without the blocks: they are views, and pickling them would send the rows twice."""
        return {name: value for name, value in self.__dict__.items() if name not in ("blocks", "kept", "summary", "_coder")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.blocks = self._cut()


class _Merged(ArraySource):
    """Distinct rows; ``first`` (n,) are the numbers that the first of each had among all rows, for messages."""

    def __init__(self, x: np.ndarray, weights: np.ndarray, columns: Columns, first: np.ndarray, rows: ArraySource):
        self.first, self._rows = first, rows
        super().__init__(x, weights, columns, checked=True)

    @property
    def unmerged(self) -> ArraySource:
        """All rows, where they were not left behind."""
        return self.__dict__.get("_rows", self)

    def __getstate__(self) -> dict[str, Any]:
        """Without the rows that were merged."""
        return {name: value for name, value in super().__getstate__().items() if name != "_rows"}

    def user_row(self, row: int) -> int:
        """The number of the first such row."""
        return int(self.first[row])
