"""Predictions of sequences that stay in files, written to files: whole sequences are decoded, wherever files or row groups end.

The rows are read once. Those of a sequence wait until the last of them is there; so the longest one has to fit in memory.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.checks import one_of
from emkit.core.errors import DataError, EmkitError, ImpossibleSequenceError
from emkit.core.model import Model
from emkit.data.layout import Layout, floats, plain
from emkit.data.parts import StreamPart, placed
from emkit.data.pieces import Piece
from emkit.data.scanning import in_order
from emkit.data.sequence_runs import changes, refuse_beyond_exact
from emkit.data.sequence_stream import SequenceStream, refuse_order, sequence_stream, torn, whole_sequences
from emkit.data.stream import Stream, stream
from emkit.estimators.written import cells_of, folder_of, in_memory, tables_of, targets, with_added, write_file

Added = dict[str, np.ndarray]


def predict_sequences_to(face: Any, X: Any, out: Any, prefix: str, on_error: str, added: Callable[[Block], Added]) -> int:
    """See ``HMM.predict_to``; ``added`` makes the further columns of a block's rows."""
    source = _opened(face, X, on_error)
    face._check_columns(source.columns)
    one_of(on_error, ("stop", "skip"), "on_error")
    skips = "skip" in (on_error, source.rows.on_error)
    rows = source.rows.uncached("skip" if skips else "stop")
    pieces = [part.piece for part in rows.parts()] if skips else rows.pieces  # a first pass finds what can be read
    reader = _Reader(rows.declared, source.columns, face._current().model)
    items = reader.blocks(targets(pieces, folder_of(out)))
    with closing(in_order(_Task(added, reader.called), items, face._executor().n_jobs)) as found:
        tables = ((target, with_added(rows, more, prefix)) for target, rows, more in reader.with_rows(found))
        return sum(write_file(map(itemgetter(1), group), target) for target, group in groupby(tables, itemgetter(0)))


def _opened(face: Any, X: Any, on_error: str) -> SequenceStream:
    """The sequences, with the columns of the fit. Raises ParameterError for what is in memory."""
    if isinstance(X, SequenceStream):
        X = X.rows
    if isinstance(X, Source) and not isinstance(X, Stream):
        raise in_memory()
    refuse_order(face.order)
    rows = X if isinstance(X, Stream) or face.sequence is None else _stream_of(X, face, on_error)
    return sequence_stream(rows, face.sequence, None, face.columns_, face.unseen)


def _stream_of(X: Any, face: Any, on_error: str) -> Stream:
    columns = [*face.columns_.names, face.sequence] if face.columns_.named else None
    return stream(X, columns=columns, unseen=face.unseen, on_error=on_error)


@dataclass(frozen=True)
class _Task:
    """The columns that a prediction adds to a block; an impossible sequence is called by its key."""

    added: Callable[[Block], Added]
    called: Callable[[float], str]

    def __call__(self, item: tuple[Block, np.ndarray]) -> Added:
        block, keys = item
        try:
            return self.added(block)
        except ImpossibleSequenceError as error:
            raise ImpossibleSequenceError(error.sequence, self.called(float(keys[error.sequence - block.start]))) from None


@dataclass
class _Reader:
    """Reads pieces row by row, hands out blocks of whole sequences, and keeps the rows until these have been answered.

    Attributes
    ----------
    declared : Layout
        Its last column tells sequences apart.
    columns : Columns
        The others, as the model has them.
    model : Model
    """

    declared: Layout
    columns: Any
    model: Model
    waiting: deque[tuple[Path, Any]] = field(default_factory=deque)
    keys: dict[Any, float] = field(default_factory=dict)
    """The numbers of sequences that are called by texts."""
    starts: list[tuple[int, Piece]] = field(default_factory=list)
    """The number of the first row of each piece so far."""

    def blocks(self, pieces: Iterable[tuple[Piece, Path]]) -> Iterator[tuple[Block, np.ndarray]]:
        """Blocks of whole sequences, each with their keys.

        Raises
        ------
        DataError
            Naming file and row of a row without a sequence, or of a sequence in two places.
        """
        unit = row = 0
        seen: set[float] = set()
        for x, key in whole_sequences(self._runs(pieces), itemgetter(1)):
            assert key is not None
            begins = changes(key, np.nan)
            keys = key[begins]
            for begin, one in zip(begins.tolist(), keys.tolist(), strict=True):
                if one in seen:
                    raise torn(self.called(one), self._place(row + begin))
                seen.add(one)
            x, missing = np.ascontiguousarray(x), bool(np.isnan(x).any())
            lengths = np.diff(begins, append=len(x))
            block = Block(x, None, unit, missing, lengths, max(len(x), 1 << 20), None, self.columns)
            yield block, keys
            unit, row = unit + block.units, row + block.n

    def with_rows(self, found: Iterable[Added]) -> Iterator[tuple[Path, Any, Added]]:
        """The rows in their order, some at a time, with the columns that have been found for them, and their file."""
        rest: Added = {}
        for more in found:
            rest = {name: np.concatenate([rest[name], values]) if rest else values for name, values in more.items()}
            there, at = len(next(iter(rest.values()))), 0
            while self.waiting and at + len(self.waiting[0][1]) <= there:
                target, rows = self.waiting.popleft()
                yield target, rows, {name: values[at : at + len(rows)] for name, values in rest.items()}
                at += len(rows)
            rest = {name: values[at:] for name, values in rest.items()}

    def _runs(self, pieces: Iterable[tuple[Piece, Path]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The pieces' rows, (n, d), and what tells sequences apart, (n,)."""
        last, total = len(self.declared.names) - 1, 0
        layout = self.declared.some(range(last))
        for piece, target in pieces:
            self.starts.append((total, piece))
            for rows, before in tables_of(StreamPart(piece, self.declared)):
                if not len(rows):
                    continue
                x, _ = cells_of(rows, layout, self.model, piece, before)
                try:
                    key = self._keys_of(rows.column(self.declared.names[last]), self.declared.names[last])
                except EmkitError as error:
                    raise placed(error, piece, before) from None
                self.waiting.append((target, rows))
                total += len(rows)
                yield x, key

    def _keys_of(self, column: Any, name: str) -> np.ndarray:
        """What tells sequences apart, as numbers. Raises DataError for a row without it."""
        column = plain(column, name)
        if column.null_count == 0 and (kind := str(column.type)) in ("string", "large_string", "string_view"):
            coded = (column.cast("string") if kind == "string_view" else column).dictionary_encode()
            numbers = [self.keys.setdefault(text, float(len(self.keys))) for text in coded.dictionary.to_pylist()]
            return np.asarray(numbers, dtype=np.float64)[coded.indices.to_numpy()]
        gone = np.asarray(column.is_null(nan_is_null=True))
        if gone.any():
            row = int(np.argmax(gone))
            raise DataError(f"row {row} has no {name!r}; every row belongs to a sequence", column=name, row=row)
        found = np.asarray(floats(column, name), dtype=np.float64)
        refuse_beyond_exact(found, name)
        return found

    def called(self, key: float) -> str:
        """A sequence in the user's words."""
        return f"sequence {list(self.keys)[int(key)]!r}" if self.keys else f"sequence {key:g}"

    def _place(self, row: int) -> str:
        """A row in the user's words."""
        start, piece = next((start, piece) for start, piece in reversed(self.starts) if start <= row)
        return piece.where(row - start)
