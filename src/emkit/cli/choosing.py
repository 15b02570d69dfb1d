"""Which columns of a table a model sees."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emkit.cli.exits import Refusal
from emkit.cli.reading import find_columns
from emkit.cli.talk import Talk


def split_names(text: str) -> list[str]:
    """The names in ``a,b`` or ``a,"b, with comma"``."""
    names = next(csv.reader([text], skipinitialspace=True), [])
    if not names or not all(name.strip() for name in names):
        raise Refusal(f"--columns {text!r}: give names with commas between them, e.g. --columns a,b")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refusal(f"--columns names {', '.join(twice)} more than once")
    return names


def choose(table: Any, wanted: Sequence[str] | None, weights: str | None, path: Path, talk: Talk) -> tuple[Any, Any]:
    """The table to fit and the row weights (or None).

    Without ``wanted`` every column is taken but the weights, and each must be of numbers.
    """
    names = list(table.column_names)
    _doubt_header(names, path, talk)
    row_weights = None
    if weights is not None:
        weights = find_columns(names, [weights], path)[0]
        refuse_text(table, [weights], path)
        row_weights = table[weights].cast("float64").to_numpy()
    if wanted is not None:
        chosen = find_columns(names, wanted, path)
    else:
        index = [name for name in names if re.fullmatch(r"__index_level_\d+__", name)]
        if index:
            talk.say(f"left out {', '.join(index)}: a data frame's row index; name it in --columns to use it")
        chosen = [name for name in names if name != weights and name not in index]
    if not chosen:
        raise Refusal(f"{str(path)!r}: no columns are left to fit")
    numeric = [name for name in chosen if is_numeric(table[name].type)]
    refuse_text(table, chosen, path, numeric if wanted is None else ())
    return table.select(chosen), row_weights


def is_numeric(kind: Any) -> bool:
    """Whether a column of that arrow type can be fitted: numbers, true and false, or nothing observed at all."""
    from pyarrow import types

    tests = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, types.is_null)
    return any(test(kind) for test in tests)


def refuse_text(table: Any, used: Sequence[str], path: Path, instead: Sequence[str] = ()) -> None:
    """Name the first column that is not of numbers, and where; suggest the columns to take ``instead``."""
    for name in used:
        column = table[name]
        if is_numeric(column.type):
            continue
        row, value = _first_text(column)
        advice = "correct the cell, or leave it empty if it is missing"
        if instead:
            advice = f"choose the columns to fit, e.g. --columns {','.join(instead)}"
        raise Refusal(f"{str(path)!r}: column {name!r} is not of numbers (row {row} is {value!r}); {advice}")


def _first_text(column: Any) -> tuple[int, Any]:
    """Row and value of the first cell that no number can be made of; the first observed one if all look like numbers."""
    first = (0, None)
    for row, value in enumerate(v for chunk in column.chunks for v in chunk.to_pylist()):
        if value is None:
            continue
        if first[1] is None:
            first = (row, value)
        try:
            float(value)
        except (TypeError, ValueError):
            return row, value
    return first


def _doubt_header(names: Sequence[str], path: Path, talk: Talk) -> None:
    """A file without a header line would lose its first row to the names, silently."""
    if path.suffix.lower() in (".csv", ".tsv") and all(_is_number(name) for name in names):
        shown = ", ".join(names[:4])
        talk.say(f"warning: the first line of {str(path)!r} is numbers, taken as the columns' names ({shown}); add a header line")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
