"""Predictions of rows that stay in files, written to files: each row with all its columns, and those that a prediction adds."""

import os
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.errors import EmkitError, ParameterError
from emkit.core.model import Infer, Model
from emkit.core.warn import warn
from emkit.data.layout import ROWS, Layout, check_cells
from emkit.data.parts import StreamPart, placed
from emkit.data.pieces import Piece
from emkit.data.rows import ArraySource
from emkit.data.scanning import Skipped, in_order
from emkit.data.stream import Stream, stream
from emkit.estimators.streaming import unseen


def predict_to(face: Any, X: Any, out: Any, prefix: str, on_error: str) -> int:
    """See ``RowFace.predict_to``."""
    if isinstance(X, Stream):
        source = X.like(face.columns_, unseen(face))
    elif isinstance(X, Source):
        raise in_memory()
    else:
        source = stream(X, columns=face.columns_, unseen=unseen(face), on_error=on_error)
    face._check_columns(source.columns)
    tasks = targets(source.pieces, folder_of(out))
    skips = "skip" in (on_error, source.on_error)
    task = rows_writer(face, source, prefix, skips)
    written, left_out = 0, list(source.unopened)
    with closing(in_order(task, tasks, face._executor().n_jobs)) as results:
        for rows, why in results:
            written += rows
            left_out += why
    words = Skipped.in_words(left_out)
    if words is not None:
        warn(words)
    return written


def rows_writer(face: Any, source: Stream, prefix: str, skips: bool = False) -> "WriteRows":
    """What writes a piece of a stream, under the columns of the fit, with what the estimator adds to its rows."""
    current = face._current()
    return WriteRows(face._added, Infer(current.model, current.params, "marginals"), source.layout, prefix, skips)


def in_memory() -> ParameterError:
    """The error that says that rows are not in files."""
    return ParameterError("predict_to writes what is in files or behind a stream; of rows in memory take table")


def folder_of(out: Any) -> Path:
    """The folder, made if it is not there. Raises ParameterError where it cannot be."""
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ParameterError(f"cannot make the folder {str(folder)!r}: {error.strerror or error}", parameter="out") from error
    return folder


def targets(pieces: Sequence[Piece], folder: Path) -> list[tuple[Piece, Path]]:
    """Each piece with the file that it becomes. Raises ParameterError for a file that is among the data."""
    many = Counter(piece.stem for piece in pieces)
    numbered = {stem: _numbered(stem, many) for stem in many}
    read = {Path(piece.file).resolve() for piece in pieces if piece.file is not None}
    found = []
    for piece in pieces:
        name = piece.stem if many[piece.stem] == 1 else next(numbered[piece.stem])
        target = folder / f"{name}.parquet"
        if target.exists() and target.resolve() in read:
            raise ParameterError(f"{str(target)!r} is among the data: write to another folder", parameter="out")
        found.append((piece, target))
    return found


def _numbered(stem: str, others: Container[str]) -> Iterator[str]:
    """Names that no other file has."""
    return (name for name in (f"{stem}-{i:05d}" for i in count()) if name not in others)


def tables_of(part: StreamPart) -> Iterator[tuple[Any, int]]:
    """A part's rows as arrow tables of all its columns, some rows at a time, and the number of the first of them."""
    import pyarrow as pa

    before = 0
    for chunk in part.every_chunk():
        if isinstance(chunk, Block | np.ndarray):
            x = np.asarray(chunk.x if isinstance(chunk, Block) else chunk)
            stored = part.layout.stored or part.layout.names
            chunk = pa.table({name: x[:, j] for j, name in enumerate(stored)})
        for at in range(0, len(chunk), ROWS):
            yield chunk.slice(at, ROWS), before + at
        before += len(chunk)


def cells_of(rows: Any, layout: Layout, model: Model, piece: Piece, before: int) -> tuple[np.ndarray, bool]:
    """Rows of a piece as a matrix (n, d), and whether a cell is missing.

    Raises
    ------
    DataError
        Naming file and row of a cell that cannot be read, or that the model cannot describe.
    """
    try:
        x = layout.matrix(rows)
        missing = check_cells(x, layout.columns)
        model.check(ArraySource(x, columns=layout.columns, checked=True))
    except EmkitError as error:
        raise placed(error, piece, before) from None
    return x, missing


def with_added(rows: Any, added: Mapping[str, np.ndarray], prefix: str) -> Any:
    """The rows as a table with further columns. Raises ParameterError for a name that they have already."""
    import pyarrow as pa

    table = pa.table(dict(zip(rows.schema.names, rows.columns, strict=True)))
    for name, values in added.items():
        if prefix + name in table.column_names:
            raise ParameterError(
                f"the data have a column {prefix + name!r} already; give the added columns a prefix", parameter="prefix"
            )
        table = table.append_column(prefix + name, pa.array(np.ascontiguousarray(values)))
    return table


def write_file(tables: Iterator[Any], target: Path) -> int:
    """Tables to one Parquet file, which is there only once it is complete; how many rows that were. Nothing of no tables."""
    from pyarrow import parquet

    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    writer, rows = None, 0
    try:
        for table in tables:
            if writer is None:
                writer = parquet.ParquetWriter(str(temporary), table.schema)
            writer.write_table(table)
            rows += len(table)
        if writer is not None:
            writer.close()
            os.replace(temporary, target)
            writer = None
    except OSError as error:
        raise ParameterError(f"cannot write {str(target)!r}: {error.strerror or error}", parameter="out") from error
    finally:
        if writer is not None:
            with suppress(Exception):
                writer.close()
        with suppress(OSError):
            temporary.unlink()
    return rows


@dataclass(frozen=True)
class WriteRows:
    """Reads a piece with all its columns, and writes it with those that a prediction adds. Bounded memory: some rows at a time."""

    added: Callable[[np.ndarray], dict[str, np.ndarray]]
    infer: Infer
    layout: Layout
    prefix: str
    skips: bool

    def __call__(self, task: tuple[Piece, Path]) -> tuple[int, list[Skipped]]:
        """How many rows of a piece were written to its file, and what was left out."""
        piece, target = task
        left_out: list[Skipped] = []
        try:
            return write_file(self._tables(piece), target), left_out
        except EmkitError as error:
            if not self.skips or error.parameter is not None:
                raise
        return write_file(self._readable(piece, left_out), target), left_out

    def _readable(self, piece: Piece, left_out: list[Skipped]) -> Iterator[Any]:
        """The tables of what can be read of a piece; what cannot, as a whole row group, is added to ``left_out``."""
        for one in piece.apart():
            try:
                tables = list(self._tables(one))
            except EmkitError as error:
                if error.parameter is not None:
                    raise
                left_out.append(Skipped(one.called, one.rows, str(error)))
            else:
                yield from tables

    def _tables(self, piece: Piece) -> Iterator[Any]:
        for rows, before in tables_of(StreamPart(piece, self.layout)):
            x, missing = cells_of(rows, self.layout, self.infer.model, piece, before)
            block = Block(x, None, before, missing, None, 1 << 20, None, self.layout.columns)
            marginals = self.infer(block).marginals
            assert marginals is not None
            yield with_added(rows, self.added(marginals), self.prefix)
