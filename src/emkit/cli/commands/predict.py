"""``emkit predict``: the rows of a file with what a fitted model says about each."""

from pathlib import Path
from typing import Annotated

import typer

from emkit.cli.options import Decimal, FittedModel, GapsHere, JsonLines, OnError, OtherSequence, Quiet, Separator, Unseen
from emkit.cli.talk import Talk


def command(
    model: FittedModel,
    data: Annotated[
        Path,
        typer.Argument(
            help="Rows: .csv, .tsv, .txt, .dat, .parquet, .feather or .npy, a folder or a pattern; further columns are kept."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write: .csv, .tsv, .parquet, .feather or .jsonl; a folder for a folder. CSV on stdout by default."
        ),
    ] = None,
    prefix: Annotated[str, typer.Option(help="Put before the names of the added columns.")] = "",
    gaps: GapsHere = None,
    sequence: OtherSequence = None,
    unseen: Unseen = None,
    separator: Separator = None,
    decimal: Decimal = None,
    as_json: JsonLines = False,
    on_error: OnError = None,
    quiet: Quiet = False,
) -> None:
    """Write the rows with what the model says about each.

    A mixture adds `label`, the most probable component, and `p0`, `p1`, ..., the responsibilities; an hmm adds `state`, along the
    most probable path, and `p0`, `p1`, ..., the probability of each state given the whole sequence.

    A folder, or a pattern such as 'sales/*.parquet', is read block by block, and --out is a folder, too, of Parquet files. The rows
    of a sequence stand together there, in order, and may go on from one file to the next.
    """
    from emkit.cli.opened import open_both
    from emkit.cli.reading import DataFile
    from emkit.cli.streams import is_streamed
    from emkit.cli.writing import as_written, check_out, keeps_text, named, put_out

    talk = Talk(quiet)
    file = DataFile(data, separator, decimal)
    if is_streamed(data):
        _stream(model, data, out, talk, {"gaps": gaps, "unseen": unseen, "sequence": sequence}, as_json, prefix, on_error)
        return
    check_out(out, as_json)
    with talk.warnings():
        found = open_both(model, file, talk, gaps, unseen, sequence)
        fitted, table, rows = found.fitted, found.table, found.rows
        fitted.check_cells(rows)
        added = fitted.table(rows)
        shown = as_written(file.read(as_text=True), table) if keeps_text(out, as_json) else table
        for name, values in named(added, shown.column_names, prefix, data).items():
            shown = shown.append_column(name, values)
    put_out(shown, out, as_json, talk)


def _stream(
    model: Path,
    data: Path,
    out: Path | None,
    talk: Talk,
    new: dict[str, str | None],
    as_json: bool,
    prefix: str,
    on_error: str | None,
) -> None:
    """From a folder to a folder."""
    from emkit.cli.estimators import for_new_data, open_model
    from emkit.cli.exits import Refusal

    if out is None or as_json or (out.exists() and not out.is_dir()):
        raise Refusal(f"{str(data)!r} is read as a stream: give --out a folder for the predictions")
    with talk.warnings():
        fitted, _ = open_model(model)
        for_new_data(fitted, **new)
        rows = fitted.predict_to(str(data), out, prefix=prefix, on_error=on_error or "stop")
    talk.say(f"{rows} rows written to the folder {str(out)!r}")
