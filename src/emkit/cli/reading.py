"""Data files as pyarrow tables: CSV, TSV, Parquet, Feather and npy, told apart by their extension."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from emkit.cli.exits import Refusal

_DELIMITED = {".csv": ",", ".tsv": "\t"}


def read_table(path: Path, columns: Sequence[str] | None = None, *, as_text: bool = False) -> Any:
    """Rows of a file as a pyarrow Table; those columns, or all.

    ``as_text`` leaves the cells of CSV and TSV files as they are written; otherwise their types are inferred, and empty cells,
    NA and NaN are nulls. The columns of an npy file are x0, x1, ...

    Raises
    ------
    Refusal
        If there is no such file, it cannot be read, it lacks a column, or two columns have one name.
    """
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise Refusal(f"{_shown(path)}: unknown extension {path.suffix!r}; emkit reads {', '.join(_READERS)}")
    if not path.is_file():
        raise Refusal(f"{_shown(path)} is a folder, not a file" if path.is_dir() else f"no such file: {_shown(path)}")
    import pyarrow as pa

    try:
        table = _READERS[suffix](path, as_text)
    except MemoryError:
        raise
    except (pa.ArrowException, ValueError, OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Refusal(
            f"cannot read {_shown(path)}: {' '.join(reason.split())}; is the file cut short, or of another kind?"
        ) from error
    names = table.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refusal(f"{_shown(path)}: column names must be unique; found more than once: {', '.join(twice)}")
    return table if columns is None else table.select(find_columns(names, columns, path))


def find_columns(names: Sequence[str], wanted: Sequence[str], path: Path, whose: str = "") -> list[str]:
    """The columns as the file spells them (blanks around a name do not count); refuses those that are not there."""
    stripped = {name.strip(): name for name in names}
    absent = [name for name in wanted if name not in names and name.strip() not in stripped]
    if absent:
        what = "column" if len(absent) == 1 else "columns"
        raise Refusal(
            f"{_shown(path)} has no {what} {', '.join(map(repr, absent))}{f' {whose}' if whose else ''}; it has: {', '.join(names)}"
        )
    return [name if name in names else stripped[name.strip()] for name in wanted]


def _shown(path: Path) -> str:
    return repr(os.fspath(path))


def _read_delimited(path: Path, as_text: bool) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    delimiter = _DELIMITED[path.suffix.lower()]
    _refuse_open_quote(path, delimiter)
    parse = csv.ParseOptions(delimiter=delimiter)
    with csv.open_csv(path, parse_options=parse) as reader:
        names = reader.schema.names
    if len(names) == 1:
        # In a file of one column an empty line is a row whose cell is missing.
        parse = csv.ParseOptions(delimiter=delimiter, ignore_empty_lines=False)
    convert = csv.ConvertOptions()
    if as_text:
        convert = csv.ConvertOptions(
            column_types={name: pa.string() for name in names},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
    return csv.read_csv(path, parse_options=parse, convert_options=convert)


def _refuse_open_quote(path: Path, delimiter: str) -> None:
    """A file cut off inside a quoted cell would otherwise be read as if that cell ended with the file."""
    count, opening, before = 0, False, b"\n"
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            at = chunk.rfind(b'"')
            if at >= 0:
                count += chunk.count(b'"')
                opening = (chunk[at - 1 : at] if at else before) in (b"\n", b"\r", delimiter.encode())
            before = chunk[-1:]
    if count % 2 and opening:
        raise ValueError('a quoted cell (") is never closed')


def _read_parquet(path: Path, _: bool) -> Any:
    from pyarrow import parquet

    return parquet.read_table(path)


def _read_feather(path: Path, _: bool) -> Any:
    from pyarrow import feather

    return feather.read_table(path)


def _read_npy(path: Path, _: bool) -> Any:
    import numpy as np
    import pyarrow as pa

    array = np.load(path, allow_pickle=False)
    if array.dtype.names is not None:
        return pa.table({name: array[name] for name in array.dtype.names})
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise ValueError(f"it holds an array of {array.ndim} dimensions, expected rows and columns")
    return pa.table({f"x{j}": array[:, j] for j in range(array.shape[1])})


_READERS: dict[str, Callable[[Path, bool], Any]] = {
    ".csv": _read_delimited,
    ".tsv": _read_delimited,
    ".parquet": _read_parquet,
    ".feather": _read_feather,
    ".npy": _read_npy,
}
