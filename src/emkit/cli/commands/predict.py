"""``emkit predict``: the rows of a file with what a fitted model says about each."""

from pathlib import Path
from typing import Annotated

import typer

from emkit.cli.options import Decimal, Separator, Unseen
from emkit.cli.talk import Talk


def command(
    model: Annotated[Path, typer.Argument(help="Model file that `emkit fit` or `save` wrote.")],
    data: Annotated[
        Path, typer.Argument(help="Rows: .csv, .tsv, .txt, .dat, .parquet, .feather or .npy; further columns are kept.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="File to write: .csv, .tsv, .parquet, .feather or .jsonl. CSV on stdout by default.")
    ] = None,
    prefix: Annotated[str, typer.Option(help="Put before the names of the added columns.")] = "",
    gaps: Annotated[
        str | None, typer.Option(help="What jumps in an hmm's --order column mean here, if not what they meant in the fit.")
    ] = None,
    unseen: Unseen = None,
    separator: Separator = None,
    decimal: Decimal = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines on stdout instead of CSV.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on stderr but errors.")] = False,
) -> None:
    """Write the rows with what the model says about each.

    A mixture adds `label`, the most probable component, and `p0`, `p1`, ..., the responsibilities; an hmm adds `state`, along the
    most probable path, and `p0`, `p1`, ..., the probability of each state given the whole sequence.
    """
    from emkit.cli.choosing import rows_for
    from emkit.cli.estimators import for_new_data, open_model
    from emkit.cli.reading import DataFile
    from emkit.cli.writing import as_written, check_out, keeps_text, named, put_out

    talk = Talk(quiet)
    file = DataFile(data, separator, decimal)
    check_out(out, as_json)
    with talk.warnings():
        fitted, _ = open_model(model)
        for_new_data(fitted, gaps, unseen)
        table = file.read(say=talk.say)
        rows = rows_for(fitted, table, file, model)
        fitted.check_cells(rows)
        added = fitted.table(rows)
        shown = as_written(file.read(as_text=True), table) if keeps_text(out, as_json) else table
        for name, values in named(added, shown.column_names, prefix, data).items():
            shown = shown.append_column(name, values)
    put_out(shown, out, as_json, talk)
