"""``emkit errors``: how sure a fitted model is of its parameters."""

from typing import Annotated, Any

import typer

from emkit.cli.options import Decimal, FittedModel, Labels, Level, PlainJson, Quiet, RowsOfTheFit, Separator, Unseen, Weights
from emkit.cli.talk import Talk


def command(
    model: FittedModel,
    data: RowsOfTheFit,
    method: Annotated[
        str, typer.Option(help="observed (the information), sandwich, bootstrap or 'parametric bootstrap'.")
    ] = "observed",
    level: Level = 0.95,
    weights: Weights = None,
    labels: Labels = None,
    replicates: Annotated[int, typer.Option(help="Data sets that a bootstrap draws and fits; at least 20.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Of a bootstrap.")] = 0,
    n_jobs: Annotated[int | None, typer.Option(help="Processes of a bootstrap; all cores by default.")] = None,
    unseen: Unseen = None,
    separator: Separator = None,
    decimal: Decimal = None,
    as_json: PlainJson = False,
    quiet: Quiet = False,
) -> None:
    """Print every parameter with its standard error and interval.

    Give the same rows, weights and known labels that the model was fitted to. What has no standard error, since it is fixed, at the
    edge of what is possible or not identified, is named below the table.
    """
    from emkit.cli.opened import open_fit
    from emkit.cli.reading import DataFile
    from emkit.cli.writing import print_json

    talk, file = Talk(quiet), DataFile(data, separator, decimal)
    with talk.warnings():
        fit = open_fit(model, file, talk, unseen, weights=weights, labels=labels)
        how: dict[str, Any] = {"method": method, "n_replicates": replicates, "random_state": seed, "n_jobs": n_jobs}
        if fit.target is not None:
            found = fit.fitted.standard_errors(fit.rows, fit.target, fit.weights, **how)
        else:
            found = fit.fitted.standard_errors_of_rows(fit.rows, fit.weights, fit.labels, **how)
        intervals = found.conf_int(level)
    if not as_json:
        print(found.as_text(level))
        return
    estimates, errors = found.estimates, found.errors
    parameters = {name: {"estimate": estimates[name], "std_error": errors[name], "interval": intervals[name]} for name in errors}
    print_json({"method": method, "level": level, "parameters": parameters, "notes": list(found.notes)})
