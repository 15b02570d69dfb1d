"""Streams as estimators see them: data for a fit or a prediction that stay in files, and predictions written to files."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.columns import Columns
from emkit.core.errors import DataError, EmkitError, ParameterError
from emkit.core.model import Infer
from emkit.core.monitor import Monitors
from emkit.core.warn import warn
from emkit.data.layout import ROWS, check_cells
from emkit.data.parts import StreamPart, placed
from emkit.data.pieces import Piece
from emkit.data.scanning import Skipped, in_order
from emkit.data.stream import Stream, stream

_EVERY = 5.0  # seconds between lines about a first pass


def read_stream(face: Any, X: Any, sample_weight: Any, like: Columns | None, min_rows: int) -> Any:
    """A Source of rows that stay where they are; in memory after all if they are few, in a fit.

    Parameters
    ----------
    face : Settings
        Its ``n_jobs`` threads make the first pass, its monitors hear of it.
    X : path, dataset, LazyFrame, memory-mapped array, callable or Source
    sample_weight : str, optional
        The column of the weights.
    like : Columns, optional
        Those of the fit, for new rows.
    min_rows : int

    Raises
    ------
    DataError, ParameterError
        Naming what cannot be used.
    """
    source = _opened(face, X, sample_weight, like)
    if not isinstance(source, Stream):
        return source
    if like is None:
        source.scan(face._executor().n_jobs, told_by(face))
        if source.n_rows < min_rows:
            raise DataError(f"found {source.n_rows} row(s); at least {min_rows} is needed")
        source.check_observed()
        return source.held()
    return source


def _opened(face: Any, X: Any, sample_weight: Any, like: Columns | None) -> Source:
    if isinstance(X, Source):
        if sample_weight is not None:
            raise ParameterError("sample_weight beside a stream: the stream has the weights of its rows", parameter="sample_weight")
        return X.like(like, _unseen(face)) if isinstance(X, Stream) and like is not None else X
    if sample_weight is not None and not isinstance(sample_weight, str):
        raise ParameterError(
            "sample_weight beside data in files: give the name of the column that holds the weights", parameter="sample_weight"
        )
    return stream(X, columns=like, weights=sample_weight, unseen=_unseen(face))


def _unseen(face: Any) -> str:
    found: str = face.get_params(deep=False).get("unseen", "error")
    return found


def told_by(face: Any) -> "_Told":
    """What an estimator's monitors hear of a first pass."""
    return _Told(Monitors(face._monitors()))


class _Told:
    """Tells monitors of a first pass that takes a while."""

    def __init__(self, monitor: Monitors):
        self._monitor, self._begin = monitor, time.monotonic()
        self._next = self._begin + _EVERY

    def __call__(self, rows: int) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _EVERY
            self._monitor.say(f"first pass: {rows:,} rows, {rows / (now - self._begin):,.0f} a second")


# --- predictions ------------------------------------------------------------------------------------------------------


def predict_to(face: Any, X: Any, out: Any, prefix: str, on_error: str) -> int:
    """See ``RowFace.predict_to``."""
    current = face._current()
    if isinstance(X, Stream):
        source = X.like(face.columns_, _unseen(face))
    elif isinstance(X, Source):
        raise ParameterError("predict_to writes what is in files or behind a stream; of rows in memory take table")
    else:
        source = stream(X, columns=face.columns_, unseen=_unseen(face), on_error=on_error)
    face._check_columns(source.columns)
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ParameterError(f"cannot make the folder {str(folder)!r}: {error.strerror or error}", parameter="out") from error
    tasks = list(_named(source, folder))
    skips = "skip" in (on_error, source.on_error)
    task = _Write(face._added, Infer(current.model, current.params, "marginals"), source.layout, prefix, skips)
    written, left_out = 0, list(source.unopened)
    executor = face._executor()
    with closing(in_order(task, tasks, executor.n_jobs)) as results:
        for rows, why in results:
            written += rows
            left_out += why
    words = Skipped.in_words(left_out)
    if words is not None:
        warn(words)
    return written


def _named(source: Stream, folder: Path) -> Iterator[tuple[Piece, Path]]:
    """Each piece with the file that it becomes."""
    many = Counter(piece.stem for piece in source.pieces)
    numbers: Counter[str] = Counter()
    for piece in source.pieces:
        name = piece.stem if many[piece.stem] == 1 else f"{piece.stem}-{numbers[piece.stem]:05d}"
        numbers[piece.stem] += 1
        target = folder / f"{name}.parquet"
        if target.exists() and target.resolve() in {Path(p).resolve() for p in [getattr(piece, "path", "")] if p}:
            raise ParameterError(f"{str(target)!r} is among the data: write to another folder", parameter="out")
        yield piece, target


@dataclass(frozen=True)
class _Write:
    """Reads a piece with all its columns, and writes it with those that a prediction adds. Bounded memory: some rows at a time."""

    added: Callable[[np.ndarray], dict[str, np.ndarray]]
    infer: Infer
    layout: Any
    prefix: str
    skips: bool

    def __call__(self, task: tuple[Piece, Path]) -> tuple[int, list[Skipped]]:
        piece, target = task
        left_out: list[Skipped] = []
        try:
            return self._write(self._tables(piece), target), left_out
        except EmkitError as error:
            if not self.skips or error.parameter is not None:
                raise
        return self._write(self._readable(piece, left_out), target), left_out

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

    def _write(self, tables: Iterator[Any], target: Path) -> int:
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

    def _tables(self, piece: Piece) -> Iterator[Any]:
        import pyarrow as pa

        part, before = StreamPart(piece, self.layout), 0
        for chunk in part.every_chunk():
            if isinstance(chunk, Block | np.ndarray):
                x = np.asarray(chunk.x if isinstance(chunk, Block) else chunk)
                stored = self.layout.stored or self.layout.names
                chunk = pa.table({name: x[:, j] for j, name in enumerate(stored)})
            for at in range(0, len(chunk), ROWS):
                rows = chunk.slice(at, ROWS)
                yield self._with_added(rows, self.layout, piece, before + at)
            before += len(chunk)

    def _with_added(self, rows: Any, layout: Any, piece: Piece, before: int) -> Any:
        import pyarrow as pa

        try:
            x = layout.matrix(rows)
            block = Block(x, None, before, check_cells(x, layout.columns), None, 1 << 20, None, layout.columns)
        except EmkitError as error:
            raise placed(error, piece, before) from None
        marginals = self.infer(block).marginals
        assert marginals is not None
        table = pa.table(dict(zip(rows.schema.names, rows.columns, strict=True)))
        for name, values in self.added(marginals).items():
            if self.prefix + name in table.column_names:
                raise ParameterError(
                    f"the data have a column {self.prefix + name!r} already; give the added columns a prefix", parameter="prefix"
                )
            table = table.append_column(self.prefix + name, pa.array(np.ascontiguousarray(values)))
        return table
