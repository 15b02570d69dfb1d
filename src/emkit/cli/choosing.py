"""Which columns of a table a model sees."""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emkit.cli import outcome
from emkit.cli.exits import Refusal
from emkit.cli.reading import DataFile, find_columns, first_bad_number, is_text_file
from emkit.cli.talk import Talk


def split_names(text: str, option: str = "--columns") -> list[str]:
    """The names in ``a,b`` or ``a,"b, with comma"``."""
    names = next(csv.reader([text], skipinitialspace=True), [])
    if not names or not all(name.strip() for name in names):
        raise Refusal(f"{option} {text!r}: give names with commas between them, e.g. {option} a,b")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refusal(f"{option} names {', '.join(twice)} more than once")
    return names


def split_types(text: str) -> dict[str, str]:
    """The families in ``age=gaussian,visits=poisson``, by column; names with commas in quotes: ``"a, b=gaussian"``."""
    found: dict[str, str] = {}
    for pair in next(csv.reader([text], skipinitialspace=True), []):
        name, equals, family = (part.strip() for part in pair.rpartition("="))
        if not (equals and name and family):
            raise Refusal(
                f"--types {pair!r}: write COLUMN=FAMILY, with commas between them, e.g. --types age=gaussian,visits=poisson"
            )
        if name in found:
            raise Refusal(f"--types gives column {name!r} a family twice, {found[name]} and {family}")
        found[name] = family
    if not found:
        raise Refusal("--types is empty: write COLUMN=FAMILY, e.g. --types age=gaussian,visits=poisson")
    return found


def families_of(types: Mapping[str, str], chosen: Sequence[str], file: DataFile, known: Sequence[str]) -> dict[str, str]:
    """The types by the file's spelling of the columns; refuses words that are not ``known``, and columns that are not fitted."""
    for name, word in types.items():
        if word not in known:
            raise Refusal(f"--types gives column {name!r} the family {word!r}; choose one of: {', '.join(known)}")
    return dict(zip(find_columns(chosen, list(types), file.path, "among those to fit"), types.values(), strict=True))


def columns_aside(estimator: Any, table: Any, file: DataFile, **options: str | None) -> tuple[dict[str, str], dict[str, str]]:
    """Columns of a table that are not data, by the option that names them, and those among them that the estimator reads."""
    asked = {**estimator.key_columns(), **options}
    aside = {option: find_columns(table.column_names, [name], file.path)[0] for option, name in asked.items() if name is not None}
    return aside, {option: aside[option] for option in estimator.key_columns()}


def choose(
    table: Any, wanted: Sequence[str] | None, aside: Mapping[str, str], file: DataFile, talk: Talk, texts: bool = False
) -> list[str]:
    """The columns to fit. Without ``wanted`` every column is taken, and each must be of numbers, unless ``texts`` are allowed.

    ``aside``: columns with another purpose, by the option that names them.
    """
    names = list(table.column_names)
    _doubt_header(names, file, talk)
    if wanted is not None:
        chosen = find_columns(names, wanted, file.path)
        for option, name in aside.items():
            if name in chosen and option != "weights":
                raise Refusal(f"--columns names {name!r}, which --{option} names too; leave it out of --columns")
    else:
        index = [name for name in names if re.fullmatch(r"__index_level_\d+__", name) and name not in aside.values()]
        if index:
            talk.say(f"left out {', '.join(index)}: a data frame's row index; name it in --columns to use it")
        chosen = [name for name in names if name not in aside.values() and name not in index]
    if not chosen:
        raise Refusal(f"{str(file.path)!r}: no columns are left to fit")
    numeric = [name for name in chosen if is_numeric(table[name].type)]
    if not texts:
        refuse_text(table, chosen, file, numeric if wanted is None else ())
    return chosen


def numbers(table: Any, name: str, file: DataFile) -> Any:
    """A column as a float vector, NaN where cells are empty."""
    refuse_text(table, [name], file)
    return table[name].cast("float64").to_numpy()


def with_keys(table: Any, columns: Sequence[str], keys: Mapping[str, str], file: DataFile) -> Any:
    """The table of those columns, and of the keys: the sequence and the order column.

    The sequences of a text file are told apart as they are written, so that 7 and 007 are two; numbers would not be.
    """
    chosen = table.select([*columns, *keys.values()])
    _refuse_empty(chosen, keys, file.path)
    sequence = keys.get("sequence")
    if sequence is not None and is_text_file(file.path):
        written = file.read([sequence], as_text=True)[sequence]
        chosen = chosen.set_column(chosen.column_names.index(sequence), sequence, written)
        _refuse_empty(chosen, keys, file.path)
    return chosen


def _refuse_empty(table: Any, keys: Mapping[str, str], path: Path) -> None:
    for role, name in keys.items():
        if table[name].null_count:
            row = next(i for i, value in enumerate(table[name].to_pylist()) if value is None)
            what = "every row belongs to a sequence" if role == "sequence" else "every row needs its place"
            raise Refusal(f"{str(path)!r}: column {name!r} row {row} is empty; {what}")


def rows_for(fitted: Any, table: Any, file: DataFile, model: Path) -> Any:
    """The columns that the model was fitted to, in its order, and its keys; all of them if it remembers no names."""
    names = outcome.columns_in(fitted, table.column_names)
    keys = fitted.key_columns()
    if names is None:
        expected = fitted.n_features_in_
        there = dict(zip(keys, find_columns(table.column_names, list(keys.values()), file.path), strict=True))
        others = [name for name in table.column_names if name not in there.values()]
        if len(others) != expected:
            beside = f" beside {', '.join(map(repr, there.values()))}" if there else ""
            raise Refusal(
                f"{str(model)!r} was fitted to {expected} columns without names, {str(file.path)!r} has {len(others)}{beside}; "
                "fit to a table with column names, or give a file of just those columns"
            )
        refuse_text(table, others, file)
        if there:
            return with_keys(table, others, there, file).rename_columns([*others, *keys.values()])
        import numpy as np

        return np.column_stack([column.cast("float64").to_numpy() for column in table.columns])
    found = find_columns(table.column_names, names, file.path, f"that {str(model)!r} was fitted to")
    purpose = {"sequence": "tells sequences apart by", "order": "puts steps in order by"}
    there = {
        role: find_columns(table.column_names, [name], file.path, f"that {str(model)!r} {purpose[role]}")[0]
        for role, name in keys.items()
    }
    kinds = {column.name: column for column in fitted.columns_.items}
    numeric = [place for place, name in zip(found, names, strict=True) if kinds[name].levels is None]
    refuse_text(table, numeric, file)
    return with_keys(table, found, there, file).rename_columns([*names, *keys.values()])


def is_numeric(kind: Any) -> bool:
    """Whether a column of that arrow type can be fitted: numbers, true and false, or nothing observed at all."""
    from pyarrow import types

    tests = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, types.is_null)
    return any(test(kind) for test in tests)


def refuse_text(table: Any, used: Sequence[str], file: DataFile, instead: Sequence[str] = ()) -> None:
    """Name the first column that is not of numbers, and where; suggest the columns to take ``instead``."""
    for name in used:
        column = table[name]
        if is_numeric(column.type):
            continue
        bad = first_bad_number(column, file.decimal)
        row, value = bad or _first_observed(column)
        if bad is None:
            # Every cell is a number as text: in a text file, with the other decimal mark than the file's.
            advice = "say which is the --decimal mark, point or comma" if is_text_file(file.path) else "make it a column of numbers"
        elif instead:
            columns = ",".join(instead[:8]) + (",..." if len(instead) > 8 else "")
            # Numbers above the cell make it likely that the column is meant to be fitted.
            advice = f"{'correct the cell, or ' if row else ''}choose the columns to fit, e.g. --columns {columns}"
        else:
            advice = "correct the cell, or leave it empty if it is missing"
        raise Refusal(f"{str(file.path)!r}: column {name!r} is not of numbers (row {row} is {value!r}); {advice}")


def _first_observed(column: Any) -> tuple[int, Any]:
    from pyarrow import compute as pc

    row = max(pc.index(column.is_valid(), True).as_py(), 0)
    return row, column[row].as_py()


def _doubt_header(names: Sequence[str], file: DataFile, talk: Talk) -> None:
    """A file without a header line would lose its first row to the names, silently."""
    import pyarrow as pa

    if is_text_file(file.path) and first_bad_number(pa.array(names, pa.string()), file.decimal) is None:
        shown = ", ".join(names[:4])
        talk.say(
            f"warning: the first line of {str(file.path)!r} is numbers, taken as the columns' names ({shown}); add a header line"
        )
