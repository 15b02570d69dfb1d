"""Parquet files: runs of their row groups, each decoded where its rows are used."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from emkit.core.errors import DataError
from emkit.data.layout import ROWS
from emkit.data.pieces import FilePiece, Piece, stamp

PART_ROWS = 2**17
"""Rows that a part has at least, where row groups are smaller and the file has more of them."""
_AT_ONCE = 2**22  # bytes decoded at once, about
_BUFFER = 2**16  # bytes of a column that are read from the file at once


@dataclass(frozen=True)
class ParquetPiece(FilePiece):
    """Consecutive row groups of a Parquet file."""

    groups: tuple[int, ...] = ()
    sizes: tuple[int, ...] = ()
    """Their rows."""
    filter: Any = None

    def chunks(self, names: list[str] | None) -> Iterator[Any]:
        """Row group by row group; large ones in batches, so that memory does not depend on how a file was written."""
        self.check()
        if self.filter is not None:
            yield from self._filtered(names)
            return
        with open_parquet(self.path) as file:
            width = file.metadata.num_columns if names is None else max(len(names), 1)
            rows = max(_AT_ONCE // (8 * width) // ROWS, 1) * ROWS
            for group, size in zip(self.groups, self.sizes, strict=True):
                if size <= rows:
                    yield file.read_row_group(group, columns=names, use_threads=False)
                else:
                    yield from file.iter_batches(rows, row_groups=[group], columns=names, use_threads=False)

    def _filtered(self, names: list[str] | None) -> Iterator[Any]:
        """By pyarrow's scanner, which leaves out row groups whose statistics say that no row passes."""
        from pyarrow import dataset, fs

        fragment = dataset.ParquetFileFormat().make_fragment(self.path, fs.LocalFileSystem(), row_groups=list(self.groups))
        columns = list(fragment.physical_schema.names) if names is None else names
        how = {"batch_size": 4 * ROWS, "use_threads": False, "batch_readahead": 2}
        yield from fragment.to_batches(columns=columns, filter=self.filter, **how)

    @property
    def called(self) -> str:
        """The file and the row groups."""
        shown = str(self.groups[0]) if len(self.groups) == 1 else f"{self.groups[0]} to {self.groups[-1]}"
        return f"{self.path!r}, row group{'s' * (len(self.groups) > 1)} {shown}"

    @property
    def rows(self) -> int | None:
        """From the file's metadata, unless some are filtered out."""
        return None if self.filter is not None else sum(self.sizes)

    @property
    def identity(self) -> Any:
        """Path, size, time, row groups, and the filter."""
        return [self.path, *self.seen, list(self.groups), str(self.filter)]

    def apart(self) -> list[Piece]:
        """A row group each."""
        return [replace(self, groups=(g,), sizes=(s,)) for g, s in zip(self.groups, self.sizes, strict=True)]

    def where(self, row: int) -> str:
        """The row's number in its file, and its row group."""
        if self.filter is not None:
            return f"row {row} of the filtered rows of {self.called}"
        before = 0
        for group, size in zip(self.groups, self.sizes, strict=True):
            if row < before + size:
                return f"row {row - before} of {self.path!r}, row group {group}"
            before += size
        return super().where(row)


def open_parquet(path: str) -> Any:
    """The file. Raises DataError, naming it, where it is none."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"cannot read {path!r}: {_reason(error)}; is the file cut short, or of another kind?") from error


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())


def parquet_pieces(path: str, expression: Any = None) -> tuple[list[Piece], Any]:
    """The pieces of a file, each of row groups with ``PART_ROWS`` rows at least, and its arrow schema."""
    seen = stamp(path)
    with open_parquet(path) as file:
        metadata, schema = file.metadata, file.schema_arrow
        sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    pieces: list[Piece] = []
    groups: list[int] = []
    for i, size in enumerate(sizes):
        if not size:
            continue  # an empty row group has nothing to read
        groups.append(i)
        if sum(sizes[g] for g in groups) >= PART_ROWS or i + 1 == len(sizes):
            pieces.append(ParquetPiece(path, seen, tuple(groups), tuple(sizes[g] for g in groups), expression))
            groups = []
    if groups:
        pieces.append(ParquetPiece(path, seen, tuple(groups), tuple(sizes[g] for g in groups), expression))
    return pieces, schema
