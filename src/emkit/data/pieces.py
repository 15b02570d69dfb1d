"""Pieces of data that stay where they are: each says how its rows are read, and reads them where that is asked."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from emkit.core.block import Block
from emkit.core.errors import DataError
from emkit.data.layout import ROWS


@dataclass(frozen=True)
class Piece(ABC):
    """A run of rows, read in the process that asks for them. Small and picklable.

    You implement ``chunks``; ``apart`` where a piece has pieces of its own.
    """

    @abstractmethod
    def chunks(self, names: list[str] | None) -> Iterator[Any]:
        """Arrow tables or record batches with these columns (None: all), matrices, or Blocks: one after the other, in order."""

    @property
    @abstractmethod
    def called(self) -> str:
        """How messages name it."""

    @property
    def stem(self) -> str:
        """What a file that is made of it may be called."""
        return "rows"

    @property
    def file(self) -> str | None:
        """The path of the file that it is in; None where there is none."""
        return None

    @property
    def rows(self) -> int | None:
        """How many rows it has, where that is known without reading."""
        return None

    @property
    def identity(self) -> Any:
        """What tells whether the data are still the same without reading them; None where nothing does."""
        return None

    def apart(self) -> "list[Piece]":
        """The smallest pieces that can be read, and left out, by themselves."""
        return [self]

    def where(self, row: int) -> str:
        """How messages name a row of it, whose number is counted in what it holds."""
        return f"row {row} of {self.called}"


@dataclass(frozen=True)
class FilePiece(Piece):
    """Part of a file, of the size and age that it had when it was first seen."""

    path: str
    seen: tuple[int, int]
    """Size in bytes, and time of the last change in nanoseconds."""

    @property
    def called(self) -> str:
        """By its path."""
        return repr(self.path)

    @property
    def stem(self) -> str:
        """The file's name without its extension."""
        return Path(self.path).stem

    @property
    def file(self) -> str | None:
        """Its path."""
        return self.path

    @property
    def identity(self) -> Any:
        """Path, size and time."""
        return [self.path, *self.seen]

    def check(self) -> None:
        """Raise DataError if the file is not the one that it was."""
        if stamp(self.path) != self.seen:
            raise DataError(f"{self.called} has changed since it was first read: every pass must see the same rows; fit again")


def stamp(path: str) -> tuple[int, int]:
    """Size and time of a file. Raises DataError if it is not there."""
    try:
        found = Path(path).stat()
    except OSError as error:
        raise DataError(f"cannot read {path!r}: {error.strerror or error}") from error
    return found.st_size, found.st_mtime_ns


@dataclass(frozen=True)
class ArrowPiece(FilePiece):
    """Some record batches of an Arrow IPC file, memory-mapped while they are read; all (None) of one in the streaming format."""

    batches: tuple[int, ...] | None = ()
    n_rows: int = 0
    filter: Any = None

    def chunks(self, names: list[str] | None) -> Iterator[Any]:
        """The batches."""
        import pyarrow as pa

        self.check()
        with pa.memory_map(self.path) as file, (pa.ipc.open_stream if self.batches is None else pa.ipc.open_file)(file) as reader:
            for batch in reader if self.batches is None else map(reader.get_batch, self.batches):
                yield filtered(batch, self.filter, names)

    @property
    def rows(self) -> int | None:
        """From the file's metadata, unless some are filtered out."""
        return None if self.filter is not None else self.n_rows

    @property
    def identity(self) -> Any:
        """Path, size, time, batches, and the filter."""
        return [self.path, *self.seen, self.batches and list(self.batches), str(self.filter)]


@dataclass(frozen=True)
class MatrixPiece(FilePiece):
    """Some rows of a matrix in a file: what np.memmap maps."""

    dtype: str = "<f8"
    offset: int = 0
    shape: tuple[int, int] = (0, 0)
    order: str = "C"
    begin: int = 0
    end: int = 0

    def chunks(self, names: list[str] | None) -> Iterator[Any]:
        """Copies of some rows at a time."""
        self.check()
        for a in range(self.begin, self.end, ROWS):
            mapped = np.memmap(self.path, self.dtype, "r", self.offset, self.shape, self.order)  # type: ignore[call-overload]
            yield np.array(mapped[a : min(a + ROWS, self.end)])  # what is mapped counts as memory in use until it is let go
            del mapped

    @property
    def rows(self) -> int | None:
        """Known."""
        return self.end - self.begin

    @property
    def identity(self) -> Any:
        """Path, size, time, and which rows."""
        return [self.path, *self.seen, self.dtype, self.offset, list(self.shape), self.order, self.begin, self.end]


@dataclass(frozen=True)
class CsvPiece(FilePiece):
    """A text file with separators, read as a stream; ``types``: arrow type of each column."""

    types: tuple[tuple[str, str], ...] = ()
    delimiter: str = ","
    filter: Any = None

    def chunks(self, names: list[str] | None) -> Iterator[Any]:
        """About 4 MB of text at a time."""
        self.check()
        wanted = None if names is None or self.filter is not None else names
        with open_csv(self.path, self.delimiter, dict(self.types), wanted) as reader:
            for batch in reader:
                yield filtered(batch, self.filter, names)

    @property
    def identity(self) -> Any:
        """Path, size, time, and how it is read."""
        return [self.path, *self.seen, list(map(list, self.types)), self.delimiter, str(self.filter)]


def open_csv(path: str, delimiter: str, types: dict[str, str], names: list[str] | None) -> Any:
    """A reader of record batches."""
    from pyarrow import csv

    return csv.open_csv(
        path,
        read_options=csv.ReadOptions(use_threads=False, block_size=1 << 22),
        parse_options=csv.ParseOptions(delimiter=delimiter),
        convert_options=csv.ConvertOptions(column_types=types, include_columns=names or [], strings_can_be_null=True),
    )


@dataclass(frozen=True)
class FragmentPiece(Piece):
    """A fragment of a pyarrow dataset, or some of its row groups, read by pyarrow's scanner, with filters and partitions."""

    fragment: Any
    schema: Any
    filter: Any = None

    def chunks(self, names: list[str] | None) -> Iterator[Any]:
        """Record batches of those rows that the filter lets pass."""
        columns = list(self.schema.names) if names is None else names
        yield from self.fragment.to_batches(
            schema=self.schema, columns=columns, filter=self.filter, batch_size=ROWS, use_threads=False, batch_readahead=2
        )

    @property
    def called(self) -> str:
        """By its path, and row groups where these are some of several."""
        groups = getattr(self.fragment, "row_groups", None)
        name = repr(getattr(self.fragment, "path", "a fragment of a dataset"))
        return name if not groups else f"{name}, row group{'s' * (len(groups) > 1)} {', '.join(str(g.id) for g in groups[:20])}"

    @property
    def stem(self) -> str:
        """The file's name without its extension."""
        return Path(getattr(self.fragment, "path", "rows")).stem

    @property
    def file(self) -> str | None:
        """Its path, if it has one on this machine."""
        path: str | None = getattr(self.fragment, "path", None)
        return path

    @property
    def rows(self) -> int | None:
        """From the metadata of a Parquet file without a filter."""
        groups = getattr(self.fragment, "row_groups", None)
        return sum(g.num_rows for g in groups) if groups and self.filter is None else None

    @property
    def identity(self) -> Any:
        """Path, row groups and filter, size and time where the file is a local one."""
        path = getattr(self.fragment, "path", None)
        if path is None or not Path(path).is_file():
            return None
        groups = [g.id for g in getattr(self.fragment, "row_groups", None) or []]
        return [path, *stamp(path), groups, str(self.filter), str(self.fragment.partition_expression)]

    def apart(self) -> list[Piece]:
        """A row group each."""
        split = getattr(self.fragment, "split_by_row_group", None)
        return [self] if split is None else [replace(self, fragment=one) for one in split()]


@dataclass(frozen=True)
class MadePiece(Piece):
    """Whatever a callable yields: Blocks, arrow tables, data frames or matrices."""

    make: Callable[[], Any]
    name: str = "the stream"
    filter: Any = None

    def chunks(self, names: list[str] | None) -> Iterator[Any]:
        """One after the other."""
        for item in self.make():
            yield chunk_of(item, names, self.filter)

    @property
    def called(self) -> str:
        """By the name that it was given."""
        return self.name


@dataclass(frozen=True)
class LazyPiece(Piece):
    """A polars LazyFrame, collected by its streaming engine."""

    frame: Any

    def chunks(self, names: list[str] | None) -> Iterator[Any]:
        """Some rows at a time; polars reads no other columns."""
        frame = self.frame if names is None else self.frame.select(names)
        for batch in frame.collect_batches(chunk_size=4 * ROWS, maintain_order=True):
            yield batch.to_arrow()

    @property
    def called(self) -> str:
        """As what it is."""
        return "the LazyFrame"


class OneShot:
    """An iterator that can be gone through once. Picklable it is not."""

    def __init__(self, items: Iterator[Any]):
        self._items: Iterator[Any] | None = items

    def __call__(self) -> Iterator[Any]:
        """The items, the first time. Raises DataError at the second."""
        if self._items is None:
            raise DataError(
                "a one-shot iterator has been read, and a fit goes through the data several times: give cache=<a folder>, which "
                "keeps what is read, or a callable that makes a new iterator each time; partial_fit learns from blocks as they come"
            )
        items, self._items = self._items, None
        return items


def chunk_of(item: Any, names: list[str] | None, expression: Any) -> Any:
    """What somebody's iterator yields as a Block, a matrix, or a table of arrow."""
    if isinstance(item, Block):
        return item
    if isinstance(item, np.ndarray):
        return item if item.ndim == 2 else np.atleast_2d(item)
    return filtered(as_arrow(item), expression, names)


def as_arrow(item: Any) -> Any:
    """A data frame as a table of arrow. Raises DataError for what is none."""
    if type(item).__module__.startswith("pyarrow"):
        return item
    import narwhals as nw

    try:
        return nw.from_native(item, eager_only=True).to_arrow()
    except TypeError as error:
        raise DataError(
            f"a stream must yield Blocks, data frames, arrow tables or matrices; this one yielded a {type(item).__name__}"
        ) from error


def filtered(table: Any, expression: Any, names: list[str] | None) -> Any:
    """The rows that the expression lets pass, with the named columns."""
    if expression is not None:
        import pyarrow as pa

        table = (pa.Table.from_batches([table]) if isinstance(table, pa.RecordBatch) else table).filter(expression)
    return table if names is None or table.schema.names == names else table.select(names)
