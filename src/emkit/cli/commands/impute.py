"""``emkit impute``: the rows of a file with their missing cells filled in by a fitted model."""

from pathlib import Path
from typing import Annotated, Any

import typer

from emkit.cli.options import Decimal, FittedModel, GapsHere, JsonLines, Quiet, Separator, TableOut, Unseen
from emkit.cli.talk import Talk


def command(
    model: FittedModel,
    data: Annotated[
        Path, typer.Argument(help="Rows: .csv, .tsv, .txt, .dat, .parquet, .feather or .npy; further columns are kept.")
    ],
    out: TableOut = None,
    draws: Annotated[
        int | None, typer.Option(min=1, help="So many tables, one below the other, with draws instead of best guesses.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws.")] = 0,
    prefix: Annotated[str, typer.Option(help="Put before the name of the column `draw`.")] = "",
    gaps: GapsHere = None,
    unseen: Unseen = None,
    separator: Separator = None,
    decimal: Decimal = None,
    as_json: JsonLines = False,
    quiet: Quiet = False,
) -> None:
    """Write the rows with their missing cells filled in.

    A number gets its expected value given the row's observed cells (of an hmm: given the whole sequence), a category the most
    probable one. With --draws M the rows come M times, their missing cells drawn from what the model gives them, and a column
    `draw` counts 1 to M: multiple imputation. Cells that are there, and columns that the model does not know, stay as they are.
    """
    import numpy as np
    import pyarrow as pa

    from emkit.cli.opened import open_both
    from emkit.cli.reading import DataFile
    from emkit.cli.writing import as_written, check_out, keeps_text, named, put_out

    talk = Talk(quiet)
    file = DataFile(data, separator, decimal)
    check_out(out, as_json)
    with talk.warnings():
        found = open_both(model, file, talk, gaps, unseen)
        fitted, table, rows = found.fitted, found.table, found.rows
        fitted.set_params(random_state=seed)
        filled = [fitted.impute(rows)] if draws is None else fitted.impute(rows, n_draws=draws)
        shown = as_written(file.read(as_text=True), table) if keeps_text(out, as_json) else table
        places = _places(fitted, table, data)
        holes = {name: _missing(table[name]) for name in places}
        whole = []
        for i, one in enumerate(filled):
            rows_out = _filled(shown, table, one, places, holes)
            if draws is not None:
                added = named({"draw": np.full(len(table), i + 1)}, shown.column_names, prefix, data)
                for name, values in added.items():
                    rows_out = rows_out.append_column(name, values)
            whole.append(rows_out)
        cells = sum(int(mask.sum()) for mask in holes.values())
        times = "" if draws is None else f", {draws} time{'s' * (draws > 1)}"
        talk.say(f"{cells} missing cell{'s' * (cells != 1)} filled in{times}")
    put_out(pa.concat_tables(whole, promote_options="permissive"), out, as_json, talk)


def _places(fitted: Any, table: Any, data: Path) -> list[str]:
    """The file's names of the columns that the model was fitted to, in its order."""
    from emkit.cli.outcome import columns_in
    from emkit.cli.reading import find_columns

    names = columns_in(fitted, list(table.column_names))
    return list(table.column_names) if names is None else find_columns(table.column_names, names, data)


def _missing(column: Any) -> Any:
    """Which cells are missing, bool (n,)."""
    import numpy as np

    return np.asarray(column.is_null(nan_is_null=True).to_numpy(), dtype=bool)


def _filled(shown: Any, table: Any, filled: Any, places: list[str], holes: dict[str, Any]) -> Any:
    """The rows as they are shown, typed or as they are written, with cells of ``filled`` where they have none."""
    import pyarrow as pa
    from pyarrow import types

    for j, name in enumerate(places):
        mask = holes[name]
        if not mask.any():
            continue
        new = pa.chunked_array([pa.array(filled[:, j])]) if not hasattr(filled, "column_names") else filled.column(j)
        at = shown.column_names.index(name)
        if types.is_string(shown[name].type):
            new = _in_writing(shown[name].to_pylist(), table[name].to_pylist(), new.to_pylist(), mask)
        shown = shown.set_column(at, name, new)
    return shown


def _in_writing(written: list[Any], read: list[Any], new: list[Any], mask: Any) -> Any:
    """Text cells: those that are there as they are written, the others as the same value is written elsewhere, or plainly."""
    import pyarrow as pa

    as_elsewhere = {value: text for value, text, gone in zip(read, written, mask, strict=True) if not gone}

    def plain(value: Any) -> str:
        return str(value).lower() if isinstance(value, bool) else str(value)

    return pa.array([as_elsewhere.get(v, plain(v)) if gone else old for old, v, gone in zip(written, new, mask, strict=True)])
