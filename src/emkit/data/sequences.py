"""Sequences in memory: rows with lengths, cut into blocks of whole sequences."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from emkit.core.block import Block
from emkit.core.block_source import BlockSource
from emkit.core.columns import Columns
from emkit.core.errors import DataError
from emkit.data.rows import as_columns, block_bounds
from emkit.data.validate import check_matrix, check_weights, refuse_masked


def check_lengths(lengths: Any, n_rows: int) -> np.ndarray:
    """Lengths of consecutive sequences as int64, adding up to ``n_rows``; None means one sequence.

    Raises
    ------
    DataError
        If they are not positive integers, or do not add up.
    """
    if lengths is None:
        return np.array([n_rows], dtype=np.int64)
    refuse_masked(lengths, "lengths entry")
    try:
        found = np.asarray(lengths)
    except ValueError as error:
        raise DataError("lengths must be a list of integers, one for each sequence") from error
    if found.ndim != 1 or not len(found):
        raise DataError(f"lengths must be a list of sequence lengths, got shape {found.shape}")
    if found.dtype.kind not in "iu" and not (found.dtype.kind == "f" and np.all(found == np.round(found))):
        raise DataError(f"lengths must be integers, got {found.dtype}")
    if not np.isfinite(found).all():
        i = int(np.flatnonzero(~np.isfinite(found))[0])
        raise DataError(f"lengths must be integers; entry {i} is not finite", sequence=i)
    found = found.astype(np.int64)
    if (found < 1).any():
        i = int(np.flatnonzero(found < 1)[0])
        raise DataError(f"sequence {i} is empty (length {found[i]}); drop it", sequence=i)
    if found.sum() != n_rows:
        raise DataError(f"lengths add up to {found.sum()}, but the data have {n_rows} rows; every row belongs to one sequence")
    return found


class SequenceSource(BlockSource):
    """A Source over sequences: rows (n, d) with consecutive lengths.

    Parameters
    ----------
    x : array of shape (n, d)
        All sequences one after the other. NaN marks a missing cell; a row of NaN a missing step.
    lengths : sequence of int, optional
        Default: one sequence.
    weights : array of shape (sequences,), optional
        One for each sequence; weight 2 means the sequence twice.
    columns : Columns, or sequence of str, optional
        The schema, or names for messages and outputs; x0, x1, ... otherwise.
    labels : array, optional
        What is known about the hidden state of each row, as ``Block.labels``.
    checked : bool
        True if the caller has already validated ``x`` and ``weights``.
    place : callable, optional
        From a step's number to how messages name it; default: ``row 17``.
    user_row : callable, optional
        From a step's number to the number of the row in the data as the user gave them; default: the same number.
    """

    def __init__(
        self,
        x: Any,
        lengths: Any = None,
        weights: Any = None,
        columns: Columns | Sequence[str] | None = None,
        labels: np.ndarray | None = None,
        *,
        checked: bool = False,
        place: Callable[[int], str] | None = None,
        user_row: Callable[[int], int] | None = None,
    ):
        self.x = x if checked else check_matrix(x, columns)
        self.n_rows = int(self.x.shape[0])
        self.lengths = check_lengths(lengths, self.n_rows)
        self.weights = weights if checked else check_weights(weights, len(self.lengths))
        self.labels = labels
        self.columns = as_columns(columns, self.x.shape[1])
        self.total_weight = float(self.n_rows if self.weights is None else np.dot(self.weights, self.lengths))
        self.offsets = np.concatenate([[0], np.cumsum(self.lengths)])
        self._place, self._user_row = place, user_row
        self.blocks = self._cut()

    def _cut(self) -> tuple[Block, ...]:
        """Blocks of whole sequences, each beginning with the first sequence at or after a row boundary of an ArraySource."""
        rows = block_bounds(self.n_rows, len(self.columns))
        bounds = np.unique(np.searchsorted(self.offsets, rows)).tolist()
        return tuple(self._block(a, b) for a, b in pairwise(bounds))

    def _block(self, a: int, b: int) -> Block:
        begin, end = int(self.offsets[a]), int(self.offsets[b])
        return Block(
            self.x[begin:end],
            None if self.weights is None else self.weights[a:b],
            start=a,
            missing=bool(np.isnan(self.x[begin:end]).any()),
            lengths=self.lengths[a:b],
            source_rows=self.n_rows,
            labels=None if self.labels is None else self.labels[begin:end],
            columns=self.columns,
        )

    @property
    def missing(self) -> bool:
        """Whether any cell is NaN."""
        return any(block.missing for block in self.blocks)

    def place(self, row: int) -> str:
        """How messages name a step: as the user has it."""
        return super().place(row) if self._place is None else self._place(row)

    def user_row(self, row: int) -> int:
        """The number that a step's row has in the data as the user gave them."""
        return row if self._user_row is None else self._user_row(row)

    def joined(self) -> Block:
        """Everything as one block, without a copy."""
        return Block(
            self.x,
            self.weights,
            missing=self.missing,
            lengths=self.lengths,
            source_rows=self.n_rows,
            labels=self.labels,
            columns=self.columns,
        )

    def _of(self, block: Block) -> "SequenceSource":
        return SequenceSource(block.x, block.lengths, block.weights, self.columns, block.labels, checked=True)

    def __getstate__(self) -> dict[str, Any]:
        """Without the blocks: they are views, and pickling them would send the rows twice."""
        return {name: value for name, value in self.__dict__.items() if name not in ("blocks", "kept", "summary")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.blocks = self._cut()
