"""``emkit errors``: how sure a fitted model is of its parameters."""

from pathlib import Path
from typing import Annotated, Any

import typer

from emkit.cli.options import Decimal, Labels, Quiet, Separator, Unseen, Weights
from emkit.cli.talk import Talk


def command(
    model: Annotated[Path, typer.Argument(help="Model file that `emkit fit` or `save` wrote.")],
    data: Annotated[Path, typer.Argument(help="The rows of the fit: .csv, .tsv, .txt, .dat, .parquet, .feather or .npy.")],
    method: Annotated[
        str, typer.Option(help="observed (the information), sandwich, bootstrap or 'parametric bootstrap'.")
    ] = "observed",
    level: Annotated[float, typer.Option(help="Of the intervals.")] = 0.95,
    weights: Weights = None,
    labels: Labels = None,
    replicates: Annotated[int, typer.Option(help="Data sets that a bootstrap draws and fits; at least 20.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Of a bootstrap.")] = 0,
    n_jobs: Annotated[int | None, typer.Option(help="Processes of a bootstrap; all cores by default.")] = None,
    unseen: Unseen = None,
    separator: Separator = None,
    decimal: Decimal = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    quiet: Quiet = False,
) -> None:
    """Print every parameter with its standard error and interval.

    Give the same rows, weights and known labels that the model was fitted to. What has no standard error, since it is fixed, at the
    edge of what is possible or not identified, is named below the table.
    """
    from emkit.cli.choosing import columns_aside, numbers, rows_for
    from emkit.cli.estimators import for_new_data, open_model
    from emkit.cli.reading import DataFile, find_columns
    from emkit.cli.supervised import target_cells
    from emkit.cli.writing import print_json

    talk, file = Talk(quiet), DataFile(data, separator, decimal)
    with talk.warnings():
        fitted, _ = open_model(model)
        for_new_data(fitted, None, unseen)
        table = file.read(say=talk.say)
        aside, _ = columns_aside(fitted, table, file, weights=weights, labels=labels)
        row_weights, known = (numbers(table, aside[name], file) if name in aside else None for name in ("weights", "labels"))
        how: dict[str, Any] = {"method": method, "n_replicates": replicates, "random_state": seed, "n_jobs": n_jobs}
        rows, target = rows_for(fitted, table, file, model), fitted.target_column()
        if target is not None:
            cells = target_cells(table, find_columns(table.column_names, [target], data)[0], data)
            found = fitted.standard_errors(rows, cells, row_weights, **how)
        else:
            found = fitted.standard_errors_of_rows(rows, row_weights, known, **how)
        intervals = found.conf_int(level)
    if not as_json:
        print(found.as_text(level))
        return
    estimates, errors = found.estimates, found.errors
    parameters = {name: {"estimate": estimates[name], "std_error": errors[name], "interval": intervals[name]} for name in errors}
    print_json({"method": method, "level": level, "parameters": parameters, "notes": list(found.notes)})
