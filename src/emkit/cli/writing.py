"""Rows out: to stdout or to a file that appears only when it is complete."""

import contextlib
import csv
import json
import math
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from emkit.cli.exits import Refusal
from emkit.cli.talk import Talk

_DELIMITED = {".csv": ",", ".tsv": "\t"}
EXTENSIONS = (".csv", ".tsv", ".parquet", ".feather", ".jsonl")
_ROWS = 8192  # rows turned into Python objects at a time


@contextmanager
def replacing(path: Path) -> Iterator[str]:
    """A temporary file beside ``path`` to write to; it takes the place of ``path`` at the end, unless something went wrong.

    Raises
    ------
    Refusal
        If it cannot be written; what was at ``path`` is untouched.
    """
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def cannot_write(path: Path, error: OSError) -> Refusal:
    """What to tell about a file that could not be written."""
    return Refusal(
        f"cannot write {str(path)!r}: {error.strerror or error}" + ("; the old file is untouched" if path.is_file() else "")
    )


def check_writable(path: Path) -> None:
    """Find out before a long fit, not after it, that its folder is missing or read-only."""
    if path.is_dir():
        raise Refusal(f"cannot write {str(path)!r}: it is a folder")
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    os.close(handle)
    os.unlink(temporary)


def check_rows_path(path: Path) -> None:
    """Refuse an extension that rows cannot be written to, and a place that cannot be written."""
    if path.suffix.lower() not in EXTENSIONS:
        raise Refusal(f"{str(path)!r}: unknown extension {path.suffix!r}; rows are written as {', '.join(EXTENSIONS)}")
    check_writable(path)


def check_out(out: Path | None, as_json: bool) -> None:
    """Refuse, before any work, a place or a kind of file that rows cannot go to."""
    if as_json and out is not None:
        raise Refusal("--json writes to stdout; for JSON lines in a file give --out rows.jsonl without --json")
    if out is not None:
        check_rows_path(out)


def keeps_text(out: Path | None, as_json: bool) -> bool:
    """Whether rows go to text, where cells that came from text stay as they are written: 007 is not 7."""
    return not as_json and (out is None or out.suffix.lower() in _DELIMITED)


def as_written(written: Any, table: Any) -> Any:
    """The cells as they are ``written`` in a text file, but decimal commas as points: the columns that are added have these."""
    from pyarrow import compute as pc
    from pyarrow import types

    for at, name in enumerate(written.column_names):
        if name in table.column_names and types.is_floating(table[name].type) and types.is_string(written[name].type):
            written = written.set_column(at, name, pc.replace_substring(written[name], ",", "."))
    return written


def put_out(table: Any, out: Path | None, as_json: bool, talk: Talk) -> None:
    """Rows to their file, or to stdout as CSV or JSON lines."""
    if out is not None:
        write_rows(table, out)
        talk.say(f"{table.num_rows} rows written to {str(out)!r}")
    elif as_json:
        write_json_lines(table, sys.stdout)
    else:
        write_delimited(table, sys.stdout)


def named(added: Mapping[str, Any], taken: Sequence[str], prefix: str, data: Path) -> dict[str, Any]:
    """Columns to add, under their names in the file, as arrow arrays with nulls for NaN; refuses names that are ``taken``."""
    import pyarrow as pa

    clash = [prefix + name for name in added if prefix + name in taken]
    if clash:
        raise Refusal(
            f"{str(data)!r} already has a column {', '.join(map(repr, clash))}; give the added columns a prefix, e.g. --prefix em_"
        )
    return {prefix + name: pa.array(values, from_pandas=True) for name, values in added.items()}


def write_rows(table: Any, path: Path) -> None:
    """A table as the extension says, atomically."""
    suffix = path.suffix.lower()
    with replacing(path) as temporary:
        if suffix == ".parquet":
            from pyarrow import parquet

            parquet.write_table(table, temporary)
        elif suffix == ".feather":
            from pyarrow import feather

            feather.write_feather(table, temporary)
        else:
            with open(temporary, "w", encoding="utf-8", newline="") as file:
                if suffix == ".jsonl":
                    write_json_lines(table, file)
                else:
                    write_delimited(table, file, _DELIMITED[suffix])


def write_delimited(table: Any, file: TextIO, delimiter: str = ",") -> None:
    """Header and rows; nulls are empty cells, numbers have the digits that read back as the same number."""
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerow(table.column_names)
    for batch in table.to_batches(max_chunksize=_ROWS):
        writer.writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def write_json_lines(table: Any, file: TextIO) -> None:
    """One JSON object a row; nulls and NaN are null."""
    for batch in table.to_batches(max_chunksize=_ROWS):
        for row in batch.to_pylist():
            file.write(json.dumps(plain(row), ensure_ascii=False, allow_nan=False) + "\n")


def plain(value: Any) -> Any:
    """As JSON has it: arrays are lists, numbers that JSON lacks are null, what it does not know is text."""
    if value is None or isinstance(value, bool | str | int):
        return value
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value)


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False))
