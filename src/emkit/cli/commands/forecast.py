"""``emkit forecast``: what a fitted model expects after the end of each sequence of a file."""

from pathlib import Path
from typing import Annotated, Any

import typer

from emkit.cli.options import Decimal, JsonLines, Quiet, Separator, TableOut, Unseen
from emkit.cli.talk import Talk


def command(
    model: Annotated[Path, typer.Argument(help="Model file of an hmm that `emkit fit` or `save` wrote.")],
    data: Annotated[Path, typer.Argument(help="Sequences so far: .csv, .tsv, .txt, .dat, .parquet, .feather or .npy.")],
    horizon: Annotated[int, typer.Option(min=1, help="How many steps ahead.")] = 1,
    out: TableOut = None,
    prefix: Annotated[str, typer.Option(help="Put before the names of the columns that the data do not have.")] = "",
    gaps: Annotated[
        str | None, typer.Option(help="What jumps in the --order column mean here, if not what they meant in the fit.")
    ] = None,
    unseen: Unseen = None,
    separator: Separator = None,
    decimal: Decimal = None,
    as_json: JsonLines = False,
    quiet: Quiet = False,
) -> None:
    """Write one row for each sequence and step ahead.

    The sequence and, if it holds whole numbers, the order column; `step` 1, 2, ...; `survival`, the probability that the sequence
    has not ended by then, if the model has an end state; `p0`, `p1`, ..., the probability of each state; `mean_` and `sd_` of
    each data column.
    """
    import pyarrow as pa

    from emkit.cli.opened import open_both
    from emkit.cli.reading import DataFile
    from emkit.cli.writing import check_out, keeps_text, named, put_out

    talk = Talk(quiet)
    file = DataFile(data, separator, decimal)
    check_out(out, as_json)
    with talk.warnings():
        found = open_both(model, file, talk, gaps, unseen)
        fitted, table, rows = found.fitted, found.table, found.rows
        fitted.check_cells(rows)
        last, ahead = fitted.forecast_table(rows, horizon)
        first = _keys(fitted, last, table, rows, keeps_text(out, as_json), horizon, data)
        shown = pa.table({**first, **named(ahead, list(first), prefix, data)})
    put_out(shown, out, as_json, talk)


def _keys(fitted: Any, last: Any, table: Any, rows: Any, written: bool, horizon: int, data: Path) -> dict[str, Any]:
    """The sequence of each row, as ``written`` or with the column's type; and the place of its step, if steps are counted."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import types

    from emkit.cli.reading import find_columns

    keys, found = fitted.key_columns(), {}
    if "sequence" in keys:
        name = keys["sequence"]
        column = rows[name] if written else table[find_columns(table.column_names, [name], data)[0]]
        found[name] = column.take(pa.array(np.repeat(last, horizon)))
    if "order" in keys and fitted.gaps != "ignore" and types.is_integer(rows[keys["order"]].type):
        place = rows[keys["order"]].to_numpy()[last].astype(np.int64)
        found[keys["order"]] = pa.array((place[:, None] + np.arange(1, horizon + 1)).ravel())
    return found
