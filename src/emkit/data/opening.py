"""From what a user calls their data, a path, a pattern, a dataset, a LazyFrame, a callable, to pieces that can be read."""

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from emkit.core.block import Block
from emkit.core.columns import Column, Columns
from emkit.core.errors import DataError, ParameterError
from emkit.data.layout import ROWS, kind_of, schema_columns
from emkit.data.parquet import PART_ROWS, parquet_pieces
from emkit.data.pieces import (
    ArrowPiece,
    CsvPiece,
    FragmentPiece,
    LazyPiece,
    MadePiece,
    MatrixPiece,
    OneShot,
    Piece,
    as_arrow,
    open_csv,
    stamp,
)

DELIMITERS = {".csv": ",", ".tsv": "\t"}
EXTENSIONS = (".parquet", ".pq", ".arrow", ".feather", ".ipc", ".npy", ".csv", ".tsv")


@dataclass
class Opened:
    """Pieces, and what their columns are: an arrow schema, or a Columns of a matrix and its width."""

    pieces: list[Piece]
    schema: Any = None
    columns: Columns | None = None
    float32: bool = False
    left_out: list[tuple[str, str]] = field(default_factory=list)
    """Files that were left out, and why."""

    def stored(self, names: Sequence[str]) -> tuple[str, ...] | None:
        """What the columns of a matrix are called, where ``names`` are of some of them, or in another order; None elsewhere."""
        own = () if self.columns is None else self.columns.names
        return own if set(names) <= set(own) and tuple(names) != own else None


def open_data(data: Any, expression: Any, on_error: str, names: Sequence[str] | None) -> Opened:
    """The pieces of ``data``.

    Raises
    ------
    DataError
        For files that are not there, are not of the kind that their name says, or differ in their columns: named.
    """
    kind = f"{type(data).__module__}.{type(data).__name__}"
    if isinstance(data, str | os.PathLike):
        return _files(paths_of(data), expression, on_error, names)
    if isinstance(data, np.memmap):
        return _memmap(data, expression)
    if kind.startswith("pyarrow._dataset"):
        return _dataset(data, expression)
    if kind.startswith("polars.") and type(data).__name__ == "LazyFrame":
        return _lazy(data, expression)
    if isinstance(data, list | tuple) and data and all(isinstance(item, str | os.PathLike) for item in data):
        return _files([path for item in data for path in paths_of(item)], expression, on_error, names)
    if callable(data):
        return _made(data, expression)
    if isinstance(data, Iterator):
        return _made(OneShot(data), expression)
    raise ParameterError(
        f"a {kind} is no stream: give a path or a pattern of Parquet, Arrow, CSV or npy files, a pyarrow dataset, a polars "
        "LazyFrame, a memory-mapped array, or a callable that returns an iterator of blocks or data frames"
    )


def paths_of(data: Any) -> list[str]:
    """The files that a path, folder or pattern stands for, in the order of their names."""
    text = os.fspath(data)
    if os.path.isdir(text):
        found = sorted(str(p) for p in Path(text).rglob("*") if p.suffix.lower() in EXTENSIONS and not _hidden(p, Path(text)))
        if not found:
            raise DataError(f"the folder {text!r} holds no file of a kind that can be read: {', '.join(EXTENSIONS)}")
        return found
    if os.path.exists(text):
        return [text]
    if any(sign in text for sign in "*?["):
        found = sorted(path for path in glob.glob(text, recursive=True) if os.path.isfile(path))
        if found:
            return found
        raise DataError(f"no file matches {text!r}")
    raise DataError(f"no such file: {text!r}")


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)


def _files(paths: list[str], expression: Any, on_error: str, names: Sequence[str] | None) -> Opened:
    found = Opened([])
    for path in paths:
        try:
            pieces, about = _file(path, expression)
            _agree(found, about, path, names)
        except DataError as error:
            if on_error != "skip":
                raise
            found.left_out.append((path, str(error)))
            continue
        if found.schema is None and found.columns is None:
            found.schema, found.columns, found.float32 = about.schema, about.columns, about.float32
        elif about.schema is not None:
            found.schema = _wider(found.schema, about.schema)
        found.float32 = found.float32 and about.float32
        found.pieces += pieces
    if found.schema is None and found.columns is None:
        raise DataError(f"none of the {len(paths)} files can be read: {found.left_out[0][1]}")
    return found


def _file(path: str, expression: Any) -> tuple[list[Piece], Opened]:
    suffix = Path(path).suffix.lower()
    if suffix == ".npy":
        return _npy(path, expression)
    if suffix in (".arrow", ".feather", ".ipc"):
        return _arrow(path, expression)
    if suffix in DELIMITERS:
        return _csv(path, DELIMITERS[suffix], expression)
    if suffix not in (".parquet", ".pq", ""):
        raise DataError(f"{path!r}: unknown extension {suffix!r}; streams are read from {', '.join(EXTENSIONS)}")
    pieces, schema = parquet_pieces(path, expression)
    return pieces, Opened([], schema)


def _agree(found: Opened, about: Opened, path: str, names: Sequence[str] | None) -> None:
    """Raise DataError if a file lacks a column that is asked for or that the others have, or has it in another kind."""
    if found.columns is not None or about.columns is not None:
        first = found.columns if found.columns is not None else about.columns
        if about.columns is None or (found.schema is not None) or len(about.columns) != len(first or ()):
            raise DataError(f"{path!r} has other columns than the files before it")
        return
    for name in (names or []) if found.schema is None else ():
        if name not in about.schema.names:
            raise DataError(f"{path!r} has no column {name!r}; it has: {_shown(about.schema.names)}", column=name)
    if found.schema is None:
        return
    if names is None and set(about.schema.names) - set(found.schema.names):
        name = next(name for name in about.schema.names if name not in found.schema.names)
        raise DataError(
            f"{path!r} has a column {name!r}, which the files before it have not; say columns=..., those to read", column=name
        )
    for name in found.schema.names if names is None else names:
        if name not in about.schema.names:
            raise DataError(f"{path!r} has no column {name!r}, which the files before it have", column=name)
        here, before = kind_of(about.schema.field(name).type), kind_of(found.schema.field(name).type)
        if here != before and "nothing" not in (here, before):
            raise DataError(
                f"{path!r}: column {name!r} holds {here} ({about.schema.field(name).type}), in the files before it {before} "
                f"({found.schema.field(name).type})",
                column=name,
            )


def _wider(a: Any, b: Any) -> Any:
    """The schema with each column of the type that holds both: real numbers win over whole ones, float64 over float32."""
    import pyarrow as pa

    fields = []
    for one in a:
        other = b.field(one.name) if one.name in b.names else one
        types = (one.type, other.type)
        if not types[0].equals(types[1]) and kind_of(types[0]) in ("numbers", "nothing"):
            real = any(pa.types.is_floating(t) or pa.types.is_decimal(t) for t in types)
            one = pa.field(one.name, pa.float64() if real else other.type if pa.types.is_null(one.type) else pa.int64())
        elif pa.types.is_null(one.type):
            one = other
        fields.append(one)
    return pa.schema(fields)


def _npy(path: str, expression: Any) -> tuple[list[Piece], Opened]:
    try:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError) as error:
        raise DataError(f"cannot read {path!r}: {error}") from error
    opened = _memmap(mapped, expression)
    return opened.pieces, opened


def _memmap(mapped: Any, expression: Any) -> Opened:
    if expression is not None:
        raise ParameterError("filter=... needs columns with names; a matrix in a file has none", parameter="filter")
    if mapped.ndim == 1 and mapped.dtype.names is None:
        raise DataError("expected a 2-D array of rows and columns, got 1 dimension. Reshape your data: x.reshape(-1, 1)")
    if mapped.ndim != 2 or mapped.dtype.kind not in "biuf":
        raise DataError(f"a memory-mapped array must be a matrix of numbers; this one has shape {mapped.shape} of {mapped.dtype}")
    path, (n, d) = str(mapped.filename), mapped.shape
    order = "C" if mapped.flags.c_contiguous else "F"
    whole = np.load(path, mmap_mode="r", allow_pickle=False) if path.endswith(".npy") else None
    if not (mapped.flags.c_contiguous or mapped.flags.f_contiguous) or (whole is not None and whole.shape != mapped.shape):
        raise DataError(f"only a whole memory-mapped array can be read as a stream, not some rows or columns of {path!r}")
    kind, seen = {"b": "binary", "i": "count", "u": "count", "f": "real"}[mapped.dtype.kind], stamp(path)
    step = max(ROWS, PART_ROWS // ROWS * ROWS)
    pieces: list[Piece] = [
        MatrixPiece(path, seen, mapped.dtype.str, int(mapped.offset), (n, d), order, a, min(a + step, n)) for a in range(0, n, step)
    ]
    return Opened(pieces, None, Columns.numbered(d, kind), mapped.dtype == np.float32)


def _arrow(path: str, expression: Any) -> tuple[list[Piece], Opened]:
    import pyarrow as pa

    seen = stamp(path)
    try:
        with pa.memory_map(path) as file:
            if file.read_at(6, 0) != b"ARROW1":  # a stream of batches without an index, as some programs write it
                with pa.ipc.open_stream(file) as batches:
                    return [ArrowPiece(path, seen, None, sum(b.num_rows for b in batches), expression)], Opened([], batches.schema)
            with pa.ipc.open_file(file) as reader:
                schema = reader.schema
                sizes = [reader.get_batch(i).num_rows for i in range(reader.num_record_batches)]
    except (pa.ArrowException, OSError) as error:
        why = " ".join(str(error).split())
        raise DataError(f"cannot read {path!r}: {why}; is the file cut short, or of another kind?") from error
    pieces: list[Piece] = []
    held: list[int] = []
    for i, size in enumerate(sizes):
        held += [i] if size else []
        rows = sum(sizes[j] for j in held)
        if rows >= PART_ROWS or (held and i + 1 == len(sizes)):
            pieces.append(ArrowPiece(path, seen, tuple(held), rows, expression))
            held = []
    return pieces, Opened([], schema)


def _csv(path: str, delimiter: str, expression: Any) -> tuple[list[Piece], Opened]:
    """Types are those of the first 4 MB; whole numbers there may have fractions later, so numbers are all read as float64."""
    import pyarrow as pa

    seen = stamp(path)
    try:
        with open_csv(path, delimiter, {}, None) as reader:
            schema = reader.schema
    except (pa.ArrowException, OSError) as error:
        _refuse_dialect(path, delimiter, _first_line(path).split(delimiter))
        raise DataError(f"cannot read {path!r}: {' '.join(str(error).split())}") from error
    _refuse_dialect(path, delimiter, schema.names)
    types = {f.name: "double" if kind_of(f.type) in ("numbers", "nothing") else "string" for f in schema}
    number = {"double": pa.float64(), "string": pa.string()}
    schema = pa.schema([pa.field(f.name, f.type if pa.types.is_temporal(f.type) else number[types[f.name]]) for f in schema])
    kept = {name: kind for name, kind in types.items() if not pa.types.is_temporal(schema.field(name).type)}
    return [CsvPiece(path, seen, tuple(kept.items()), delimiter, expression)], Opened([], schema)


def _refuse_dialect(path: str, delimiter: str, names: Sequence[str]) -> None:
    """Raise DataError for a file whose only column has a name with other separators in it."""
    other = next((sign for sign in ";\t|," if sign != delimiter and len(names) == 1 and sign in names[0]), None)
    if other is not None:
        signs = {";": "semicolons", "\t": "tabs", "|": "vertical bars", ",": "commas"}
        raise DataError(
            f"{path!r} has {signs[other]} between its cells: files that are read as a stream have commas (.csv) or tabs (.tsv) "
            "there, and decimal points; write it so, or read it into a data frame"
        )


def _first_line(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.readline()


def _dataset(data: Any, expression: Any) -> Opened:
    pieces: list[Piece] = []
    for fragment in data.get_fragments(filter=expression):
        split = getattr(fragment, "split_by_row_group", None)
        if split is None:
            pieces.append(FragmentPiece(fragment, data.schema, expression))
            continue
        held: list[int] = []
        rows, groups = 0, list(fragment.row_groups)
        for i, group in enumerate(groups):
            held.append(group.id)
            rows += group.num_rows
            if rows >= PART_ROWS or i + 1 == len(groups):
                pieces.append(FragmentPiece(fragment.subset(row_group_ids=held), data.schema, expression))
                held, rows = [], 0
    return Opened(pieces, data.schema)


def _lazy(frame: Any, expression: Any) -> Opened:
    if expression is not None:
        raise ParameterError("filter=... beside a LazyFrame: filter the frame itself, polars pushes it down", parameter="filter")
    schema = frame.head(0).collect().to_arrow().schema
    return Opened([LazyPiece(frame)], schema)


def _made(make: Callable[[], Any], expression: Any) -> Opened:
    """What a callable yields: its first item tells the columns."""
    made = make()
    if not isinstance(made, Iterable) or isinstance(made, str | Mapping):
        raise DataError(
            f"a callable must return an iterator of Blocks, data frames, arrow tables or matrices; it returned {made!r}"[:300]
        )
    items = iter(made)
    first = next(items, None)
    if first is None:
        raise DataError("found 0 row(s): the stream yields nothing")
    if isinstance(make, OneShot):
        make = OneShot(chain([first], items))
    piece = MadePiece(make, "the stream", expression)
    if isinstance(first, Block):
        d = first.x.shape[1]
        columns = first.columns if first.columns is not None else Columns.numbered(d)
        return Opened([piece], None, columns, np.asarray(first.x).dtype == np.float32)
    if isinstance(first, np.ndarray):
        kind = {"b": "binary", "i": "count", "u": "count"}.get(first.dtype.kind, "real")
        return Opened([piece], None, Columns.numbered(np.atleast_2d(first).shape[1], kind), first.dtype == np.float32)
    return Opened([piece], as_arrow(first).schema)


def columns_of(opened: Opened, columns: Columns | Sequence[str] | None, aside: Sequence[str]) -> tuple[Columns, list[str], bool]:
    """The schema of the matrix, the columns' names in the data, and whether it is of float32.

    Raises
    ------
    DataError
        Naming a column that is not there.
    """
    if opened.columns is not None:
        given = opened.columns if columns is None else columns
        found = given if isinstance(given, Columns) else Columns.of_names(given)
        if opened.stored(found.names) is not None and found is not given:
            found = Columns(opened.columns.some([opened.columns.names.index(name) for name in found.names]).items)
        if opened.stored(found.names) is None and len(found) != len(opened.columns):
            raise DataError(f"columns names {len(found)} columns; the rows have {len(opened.columns)}")
        return found, list(found.names), opened.float32
    there = list(opened.schema.names)
    known = columns if isinstance(columns, Columns) else None
    if columns is None or (known is not None and not known.named):
        names = [name for name in there if name not in aside]
    else:
        names = list(known.names if known is not None else columns)  # type: ignore[arg-type]
    for name in [*names, *aside]:
        if name not in there:
            raise DataError(f"the data have no column {name!r}; they have: {_shown(there)}", column=name)
    if not names:
        raise DataError("found 0 feature(s): no columns are left to fit")
    items, narrow = schema_columns(opened.schema, names, "the data")
    if known is not None and len(known) != len(items):
        raise DataError(f"the data have {len(items)} columns, the fit had {len(known)} without names")
    if known is not None:
        items = [_as_known(item, column) for item, column in zip(items, known.items, strict=True)]
    made = Columns(tuple(items), True if known is None else known.named)
    return made, names, narrow and not made.has_levels


def _shown(names: Sequence[str]) -> str:
    return ", ".join(map(str, names[:50])) + (f" and {len(names) - 50} more" if len(names) > 50 else "")


def _as_known(item: Column, known: Column) -> Column:
    """A column as it was in the fit. Raises DataError where text has taken the place of numbers."""
    if known.levels is None and item.levels is not None:
        raise DataError(f"column {item.name!r} is text, and was of numbers in the fit", column=item.name)
    return known
