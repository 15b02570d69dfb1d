"""The parts of a stream: blocks of 16,384 rows out of whatever a piece yields, checked and counted as they pass."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import numpy as np

from emkit.core.block import Block, LongPart
from emkit.core.errors import DataError, EmkitError
from emkit.data.layout import ROWS, Layout, check_cells, checked_weights
from emkit.data.pieces import Piece


@dataclass
class Tally:
    """What has passed: rows, their weight, and a digest, the sum of all cells' bits."""

    rows: int = 0
    weight: float = 0.0
    digest: int = 0

    def add(self, x: np.ndarray, weights: np.ndarray | None) -> None:
        """Some more rows."""
        self.rows += len(x)
        self.weight += float(len(x)) if weights is None else float(np.sum(weights, dtype=np.float64))
        for array in (x, weights):
            if array is not None:
                bits = np.ascontiguousarray(array).reshape(-1).view(np.uint64 if array.dtype == np.float64 else np.uint32)
                self.digest = (self.digest + int(np.add.reduce(bits, dtype=np.uint64))) % 2**64


class Meter:
    """Counts rows that streams have read in this process, for whoever tells of the pace."""

    def __init__(self) -> None:
        self.rows = 0
        self._lock = Lock()

    def add(self, rows: int) -> None:
        """Some more; from any thread."""
        with self._lock:
            self.rows += rows


READ = Meter()


@dataclass(frozen=True)
class StreamPart(LongPart):
    """A Part that is read where it is used.

    Attributes
    ----------
    piece : Piece
    layout : Layout
    start : int
        Number of its first row.
    source_rows : int
        Rows of the whole source, 0 where that is not known yet.
    expected : tuple (rows, digest), optional
        What the first pass saw.
    """

    piece: Piece
    layout: Layout
    start: int = 0
    source_rows: int = 0
    expected: tuple[int, int] | None = None

    def read(self) -> Block:
        """All of it as one block."""
        blocks = list(self.blocks())
        if not blocks:
            empty = np.empty((0, len(self.layout.columns)), self.layout.width)
            return Block(empty, None, self.start, source_rows=self.source_rows, columns=self.layout.columns)
        return Block.join(blocks)

    def blocks(self) -> Iterator[Block]:
        """Block by block.

        Raises
        ------
        DataError
            Naming file, row group and row of what cannot be used; also if there are not the rows that the first pass saw.
        """
        tally = Tally()
        yield from self.counted(tally)
        if self.expected is not None and (tally.rows, tally.digest) != self.expected:
            was = f"it had {self.expected[0]} rows, now it has {tally.rows}"
            if tally.rows == self.expected[0]:
                was = "it has as many rows as before, with other cells"
            raise DataError(
                f"{self.piece.called} has changed since the first pass: {was}; every pass must see the same rows in the same order"
            )

    def counted(self, tally: Tally) -> Iterator[Block]:
        """Block by block, each added to the tally."""
        for x, weights in self._cut():
            try:
                missing = check_cells(x, self.layout.columns)
            except DataError as error:
                raise placed(error, self.piece, tally.rows) from None
            block = Block(
                x, weights, self.start + tally.rows, missing, None, self.source_rows, None, self.layout.columns
            )  # fmt: skip
            tally.add(x, weights)
            READ.add(len(x))
            yield block

    def _cut(self) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Rows in runs of ``ROWS``, the last one shorter."""
        held: list[tuple[np.ndarray, np.ndarray | None]] = []
        count = before = 0
        for chunk in self._chunks(self.layout.needed):
            at, size = 0, _size(chunk)
            while at < size:
                take = min(size - at, ROWS - count)
                try:
                    held.append(self._decoded(_slice(chunk, at, take)))
                except EmkitError as error:
                    raise placed(error, self.piece, before + at) from None
                at, count = at + take, count + take
                if count == ROWS:
                    yield joined(held)
                    held, count = [], 0
            before += size
        if held:
            yield joined(held)

    def every_chunk(self) -> Iterator[Any]:
        """What the piece yields, with all its columns."""
        return self._chunks(None)

    def _chunks(self, names: list[str] | None) -> Iterator[Any]:
        """What the piece yields; errors of others name it."""
        import pyarrow as pa

        try:
            yield from self.piece.chunks(names)
        except EmkitError:
            raise
        except (pa.ArrowException, OSError, EOFError) as error:
            why = " ".join(str(error).split())
            raise DataError(f"cannot read {self.piece.called}: {why}; is the file cut short, or of another kind?") from error

    def _decoded(self, chunk: Any) -> tuple[np.ndarray, np.ndarray | None]:
        """A matrix and weights; float32 only if the layout is."""
        if not isinstance(chunk, Block | np.ndarray):
            return self.layout.matrix(chunk), self.layout.weights_of(chunk)
        x, weights = (chunk, None) if isinstance(chunk, np.ndarray) else (chunk.x, chunk.weights)
        if isinstance(chunk, Block) and (chunk.labels is not None or chunk.lengths is not None):
            what = "lengths of sequences" if chunk.lengths is not None else "known labels"
            raise DataError(f"{self.piece.called} yielded a Block with {what}, which a stream of rows does not keep")
        try:
            x = np.ascontiguousarray(self.layout.chosen(x), dtype=self.layout.width)
        except DataError as error:
            raise DataError(f"{self.piece.called} yielded {error}") from None
        if weights is None:
            return x, None
        return x, checked_weights(np.asarray(weights, dtype=np.float64), "weights")

    def with_first_pass(self, tally: Tally, start: int, source_rows: int) -> "StreamPart":
        """The part, knowing what a first pass has seen."""
        return replace(self, start=start, source_rows=source_rows, expected=(tally.rows, tally.digest))


def placed(error: EmkitError, piece: Piece, before: int) -> EmkitError:
    """An error that tells a row by its number in a chunk, with the place it has in its file instead."""
    if error.row is None:
        return type(error)(
            str(error) if piece.called in str(error) else f"{piece.called}: {error}", column=error.column, parameter=error.parameter
        )
    text = str(error).replace(f"row {error.row} ", piece.where(before + error.row) + " ", 1)
    return type(error)(text, column=error.column, row=before + error.row, parameter=error.parameter)


def _size(chunk: Any) -> int:
    return chunk.n if isinstance(chunk, Block) else len(chunk)


def _slice(chunk: Any, at: int, take: int) -> Any:
    if isinstance(chunk, Block):
        return chunk if take == chunk.n else chunk.take(np.arange(at, at + take))
    if isinstance(chunk, np.ndarray):
        return chunk[at : at + take]
    return chunk.slice(at, take)


def joined(held: list[tuple[np.ndarray, np.ndarray | None]]) -> tuple[np.ndarray, np.ndarray | None]:
    """Runs of rows, each with its weights or without, as one."""
    if len(held) == 1:
        return held[0]
    weights = None if held[0][1] is None else np.concatenate([w for _, w in held if w is not None])
    return np.concatenate([x for x, _ in held]), weights
