"""``emkit predict``: the rows of a file with what a fitted model says about each."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from emkit.cli.exits import Refusal
from emkit.cli.talk import Talk


def command(
    model: Annotated[Path, typer.Argument(help="Model file that `emkit fit` or `save` wrote.")],
    data: Annotated[Path, typer.Argument(help="Rows: .csv, .tsv, .parquet, .feather or .npy; further columns are kept.")],
    out: Annotated[
        Path | None, typer.Option(help="File to write: .csv, .tsv, .parquet, .feather or .jsonl. CSV on stdout by default.")
    ] = None,
    prefix: Annotated[str, typer.Option(help="Put before the names of the added columns.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines on stdout instead of CSV.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on stderr but errors.")] = False,
) -> None:
    """Write the rows with `label`, the most probable component, and `p0`, `p1`, ..., the responsibilities."""
    from emkit.cli.models.registry import open_model
    from emkit.cli.reading import read_table
    from emkit.cli.writing import check_rows_path, write_delimited, write_json_lines, write_rows

    talk = Talk(quiet)
    if as_json and out is not None:
        raise Refusal("--json writes to stdout; for JSON lines in a file give --out rows.jsonl without --json")
    if out is not None:
        check_rows_path(out)
    with talk.warnings():
        fitted, kind, _ = open_model(model)
        table = read_table(data)
        added = kind.added_columns(fitted, _rows(fitted, table, data, model))
        # Cells that go from one text file to another stay as they are written: 007 is not 7.
        as_text = not as_json and (out is None or out.suffix.lower() in (".csv", ".tsv"))
        table = _append(read_table(data, as_text=True) if as_text else table, added, prefix, data)
    if out is not None:
        write_rows(table, out)
        talk.say(f"{table.num_rows} rows written to {str(out)!r}")
    elif as_json:
        write_json_lines(table, sys.stdout)
    else:
        write_delimited(table, sys.stdout)


def _rows(fitted: Any, table: Any, data: Path, model: Path) -> Any:
    """The columns that the model was fitted to, in its order; all of them if it remembers no names."""
    from emkit.cli.choosing import refuse_text
    from emkit.cli.outcome import columns
    from emkit.cli.reading import find_columns

    names = columns(fitted)
    if names is None:
        expected = fitted.n_features_in_
        if table.num_columns != expected:
            raise Refusal(
                f"{str(model)!r} was fitted to {expected} columns without names, {str(data)!r} has {table.num_columns}; "
                "fit to a table with column names, or give a file of just those columns"
            )
    found = (
        table.column_names if names is None else find_columns(table.column_names, names, data, f"that {str(model)!r} was fitted to")
    )
    refuse_text(table, found, data)
    chosen = table.select(found)
    if names is not None:
        return chosen.rename_columns(names)
    import numpy as np

    return np.column_stack([column.cast("float64").to_numpy() for column in chosen.columns])


def _append(table: Any, added: dict[str, Any], prefix: str, data: Path) -> Any:
    import pyarrow as pa

    clash = [prefix + name for name in added if prefix + name in table.column_names]
    if clash:
        raise Refusal(
            f"{str(data)!r} already has a column {', '.join(map(repr, clash))}; give the added columns a prefix, e.g. --prefix em_"
        )
    for name, values in added.items():
        table = table.append_column(prefix + name, pa.array(values))
    return table
