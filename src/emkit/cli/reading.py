"""Data files as pyarrow tables: text with separators, Parquet, Feather and npy, told apart by their extension."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emkit.cli.dialects import DECIMALS, NULLS, Dialect, recognise
from emkit.cli.exits import Refusal
from emkit.cli.text import Text, open_utf8, refuse_open_quote, without_blank_lines
from emkit.core.errors import EmkitError

# The separator that an extension promises; the file's start decides.
_USUAL = {".csv": ",", ".tsv": "\t", ".txt": "\t", ".dat": "\t"}
_BLOCK = 1 << 22
_NUMBER = r"^[ \t]*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[ \t]*$|^[ \t]*[+-]?(?i:inf|infinity|nan)[ \t]*$"


@dataclass(frozen=True)
class DataFile:
    """A file, and what the person said about how it is written; None where that is to be recognised.

    Parameters
    ----------
    path : Path
        The file.
    separator, decimal : str, optional
        As for ``read_table``.
    """

    path: Path
    separator: str | None = None
    decimal: str | None = None

    def read(self, columns: Sequence[str] | None = None, *, as_text: bool = False, say: Callable[[str], None] | None = None) -> Any:
        """Its rows, as ``read_table`` gives them."""
        return read_table(self.path, columns, as_text=as_text, separator=self.separator, decimal=self.decimal, say=say)


def read_table(
    path: Path,
    columns: Sequence[str] | None = None,
    *,
    as_text: bool = False,
    separator: str | None = None,
    decimal: str | None = None,
    say: Callable[[str], None] | None = None,
) -> Any:
    """Rows of a file as a pyarrow Table; those columns, or all.

    Parameters
    ----------
    path : Path
        The file. Text is read as Python's csv module reads it, in UTF-8, UTF-16, or else Windows-1252. An empty line is no row,
        except in a file of one column, where its cell is missing. The columns of an npy file are x0, x1, ... An AutoClass file
        (.db2) needs its header (.hd2) beside it.
    columns : sequence of str, optional
        The columns to read, in this order; blanks around a name do not count.
    as_text : bool
        Leave cells of text as they are written, with nulls for empty cells without quotes. Otherwise types are inferred, with
        nulls for the cells that pandas takes as missing by default (``dialects.NULLS``: empty, NA, NaN, null, ...).
    separator : str, optional
        One character, or comma, semicolon, tab, pipe or blank (any run of blanks and tabs). Recognised if it is not given.
    decimal : str, optional
        ``.`` or ``,`` (point or comma). Recognised if it is not given.
    say : callable, optional
        Is told, in a line of text, about each column that is left out and about guesses to check.

    Returns
    -------
    pyarrow.Table
        A first column without a name is a row index and left out, unless ``columns`` names it (as the empty string) or
        ``as_text`` asks for cells as they are. A later one is left out if it has no cells, or else called, e.g., ``Unnamed: 2``.

    Raises
    ------
    Refusal
        If there is no such file, it cannot be read, it lacks a column, or two columns have one name.
    """
    suffix = path.suffix.lower()
    if path.is_dir():
        raise Refusal(f"{_shown(path)} is a folder, and this needs rows in memory: give one of its files, or some rows in a file")
    if suffix not in (*_USUAL, *_READERS):
        raise Refusal(f"{_shown(path)}: unknown extension {path.suffix!r}; emkit reads {', '.join((*_USUAL, *_READERS))}")
    if not path.is_file():
        raise Refusal(f"no such file: {_shown(path)}")
    if not is_text_file(path) and (separator or decimal):
        raise Refusal(f"{_shown(path)} is not a text file; leave out --separator and --decimal")
    import pyarrow as pa

    try:
        if is_text_file(path):
            return _read_text(path, columns, as_text, separator, decimal, say or (lambda _: None))
        table = _READERS[suffix](path)
    except (MemoryError, EmkitError):
        raise
    except (pa.ArrowException, ValueError, OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        why = " ".join(reason.split())
        raise Refusal(f"cannot read {_shown(path)}: {why}; is the file cut short, or of another kind?") from error
    _refuse_twice(table.column_names, path)
    return table if columns is None else table.select(find_columns(table.column_names, columns, path))


def is_text_file(path: Path) -> bool:
    """Whether the extension is one of text with separators."""
    return path.suffix.lower() in _USUAL


def find_columns(names: Sequence[str], wanted: Sequence[str], path: Path, whose: str = "") -> list[str]:
    """The columns as the file spells them (blanks around a name do not count); refuses those that are not there."""
    exact, stripped = set(names), {name.strip(): name for name in names}
    absent = [name for name in wanted if name not in exact and name.strip() not in stripped]
    if absent:
        what = "column" if len(absent) == 1 else "columns"
        shown = ", ".join(names) if len(names) <= 50 else f"{', '.join(names[:50])} and {len(names) - 50} more"
        raise Refusal(f"{_shown(path)} has no {what} {', '.join(map(repr, absent))}{f' {whose}' if whose else ''}; it has: {shown}")
    return [name if name in exact else stripped[name.strip()] for name in wanted]


def first_bad_number(column: Any, decimal: str | None = None) -> tuple[int, str] | None:
    """The first cell that is no number to ``read_table``: its row, counted from 0, and its text; None if there is none.

    Parameters
    ----------
    column : pyarrow.ChunkedArray or pyarrow.Array
        A column of any type. Nulls are missing, not bad. Every cell of dates, lists and the like is bad.
    decimal : str, optional
        ``.`` or ``,``, the decimal mark of the file, or its name. If it is not given, the one that makes more cells numbers counts.
    """
    import pyarrow as pa
    from pyarrow import compute as pc
    from pyarrow import types

    kind = column.type
    if types.is_dictionary(kind):
        return first_bad_number(column.cast(kind.value_type), decimal)
    if any(test(kind) for test in (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, types.is_null)):
        return None
    if types.is_string(kind) or types.is_large_string(kind):
        marks = [DECIMALS.get(decimal, decimal)] if decimal else [".", ","]
        good = max((_numeric(column, mark) for mark in marks), key=lambda cells: pc.sum(cells).as_py() or 0)
    else:
        good = pc.if_else(column.is_valid(), False, pa.scalar(None, pa.bool_()))
    row = pc.index(good, False).as_py()
    return None if row < 0 else (row, str(column[row].as_py()))


def _numeric(cells: Any, decimal: str) -> Any:
    """For each text cell, whether it is a number; null where it is null."""
    from pyarrow import compute as pc

    return pc.match_substring_regex(cells, _NUMBER.replace(r"\.", decimal) if decimal == "," else _NUMBER)


def _shown(path: Path) -> str:
    return repr(os.fspath(path))


def _refuse_twice(names: Sequence[str], path: Path) -> None:
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise Refusal(f"{_shown(path)}: column names must be unique; found more than once: {', '.join(twice)}")


def _read_text(
    path: Path, columns: Sequence[str] | None, as_text: bool, separator: str | None, decimal: str | None, say: Callable[[str], None]
) -> Any:
    text, dialect = recognise(open_utf8(path, say), path, _USUAL[path.suffix.lower()], separator, decimal, say)
    # Later columns without a name are called as pandas calls them.
    names = [name if j == 0 or name.strip() else f"Unnamed: {j}" for j, name in enumerate(dialect.names)]
    _refuse_twice(names, path)
    chosen = list(range(len(names)))
    if columns is not None:
        place = {name: j for j, name in enumerate(names)}
        chosen = [place[name] for name in find_columns(names, columns, path)]
    elif len(names) > 1 and not names[0].strip() and not as_text:
        del chosen[0]
        say(f"left out the first column of {_shown(path)}, a row index without a name; name it in the file to use it")
    if text.quotes:
        refuse_open_quote(text, dialect.separator, path)
    table = _cells(text, dialect, sorted(set(chosen)), as_text, path)
    if columns is None:
        nothing = [j for j in chosen if j and not dialect.names[j].strip() and table[str(j)].null_count == table.num_rows]
        if nothing:
            say(f"left out column {', '.join(str(j + 1) for j in nothing)} of {_shown(path)}: no name and no cells")
            chosen = [j for j in chosen if j not in nothing]
    return table.select([str(j) for j in chosen]).rename_columns([names[j] for j in chosen])


def _cells(text: Text, dialect: Dialect, chosen: list[int], as_text: bool, path: Path) -> Any:
    """The chosen columns under their numbers; on an error of pyarrow's, after another look with Python's csv module."""
    import pyarrow as pa

    none = pa.table({str(j): pa.array([], pa.string() if as_text else pa.null()) for j in chosen})
    if not dialect.has_rows:
        return none
    size = text.size() - dialect.start + 1
    # A block must hold a row, and should hold many where a header shows that rows are long.
    for block in (_BLOCK if dialect.start < 1 << 16 else 4 * _BLOCK, 16 * _BLOCK, size):
        try:
            return _typed(text, dialect, dialect.start, chosen, as_text, min(block, 2**31 - 1))
        except pa.ArrowInvalid:
            if block >= size:
                break
    again = without_blank_lines(text, dialect.separator, len(dialect.names), path)
    if not again.size():
        return none
    return _typed(again, dialect, 0, chosen, as_text, min(again.size() + 1, 2**31 - 1))


def _typed(text: Text, dialect: Dialect, start: int, chosen: list[int], as_text: bool, block: int) -> Any:
    """The chosen columns as pyarrow reads them, with the kinds of numbers that it does not know."""
    from pyarrow import types

    strings = chosen if as_text else []
    table = _parsed(text, dialect, start, chosen, strings, as_text, block)
    if as_text:
        return table
    if text.hexadecimal:
        # pyarrow takes 0x1F for a number; Python, pandas and people who name things so do not.
        whole = [j for j in chosen if types.is_integer(table[str(j)].type)]
        written = _parsed(text, dialect, start, whole, whole, False, block) if whole else table
        for j in whole:
            if first_bad_number(written[str(j)], dialect.decimal) is not None:
                table = table.set_column(chosen.index(j), str(j), written[str(j)])
    for at, column in enumerate(table.columns):
        if types.is_string(column.type):
            table = table.set_column(at, table.column_names[at], _padded(column, dialect.decimal))
    return table


def _padded(column: Any, decimal: str) -> Any:
    """A column of text as numbers, if all that it has beside numbers are cells of blanks and words such as `` NA``."""
    import pyarrow as pa
    from pyarrow import compute as pc

    def numbers(cells: Any) -> Any:
        bare = pc.utf8_trim(cells, " \t\r\n")
        bare = pc.if_else(pc.is_in(bare, pa.array(NULLS)), pa.scalar(None, bare.type), bare)
        return bare if pc.all(_numeric(bare, decimal), min_count=0).as_py() else None

    if numbers(column[:1000]) is None or (bare := numbers(column)) is None or bare.null_count == len(bare):
        return column
    return (pc.replace_substring(bare, ",", ".") if decimal == "," else bare).cast("float64")


def _parsed(text: Text, dialect: Dialect, start: int, chosen: list[int], strings: list[int], as_text: bool, block: int) -> Any:
    from pyarrow import csv as arrow_csv

    source, block = text.for_arrow(start, block)
    return arrow_csv.read_csv(
        source,
        read_options=arrow_csv.ReadOptions(column_names=[str(j) for j in range(len(dialect.names))], block_size=block),
        parse_options=arrow_csv.ParseOptions(
            delimiter=dialect.separator, newlines_in_values=text.quotes, ignore_empty_lines=len(dialect.names) > 1
        ),
        convert_options=arrow_csv.ConvertOptions(
            include_columns=[str(j) for j in chosen],
            column_types={str(j): "string" for j in strings},
            null_values=[""] if as_text else list(NULLS),
            strings_can_be_null=True,
            quoted_strings_can_be_null=not as_text,
            decimal_point=dialect.decimal,
        ),
    )


def _read_parquet(path: Path) -> Any:
    from pyarrow import parquet

    return parquet.read_table(path)


def _read_feather(path: Path) -> Any:
    from pyarrow import feather

    return feather.read_table(path)


def _read_npy(path: Path) -> Any:
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


def _read_autoclass(path: Path) -> Any:
    import pyarrow as pa

    from emkit.selection.autoclass.files import read_autoclass

    header = path.with_suffix(".hd2")
    if not header.is_file():
        raise Refusal(f"no such file: {_shown(header)}, which is the header of {_shown(path)}")
    data = read_autoclass(path)
    kinds = [pa.string() if attribute.kind == "discrete" else pa.float64() for attribute in data.model.attributes]
    return pa.table({name: pa.array(cells, kind) for name, cells, kind in zip(data.names, data.columns, kinds, strict=True)})


_READERS: dict[str, Callable[[Path], Any]] = {
    ".parquet": _read_parquet, ".feather": _read_feather, ".npy": _read_npy, ".db2": _read_autoclass,
}  # fmt: skip
