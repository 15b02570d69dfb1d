"""``emkit report``: a fitted model and its rows as one page for a browser."""

from pathlib import Path
from typing import Annotated, Any

import typer

from emkit.cli.options import Decimal, Labels, Quiet, Separator, Unseen, Weights
from emkit.cli.talk import Talk


def command(
    model: Annotated[Path, typer.Argument(help="Model file that `emkit fit` or `save` wrote.")],
    data: Annotated[Path, typer.Argument(help="The rows of the fit: .csv, .tsv, .txt, .dat, .parquet, .feather or .npy.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write, such as report.html.")] = Path("report.html"),
    level: Annotated[float, typer.Option(help="Of the intervals.")] = 0.95,
    errors: Annotated[
        bool | None,
        typer.Option("--errors/--no-errors", help="Whether with standard errors; by default if they take about a second at most."),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Of the page.")] = None,
    weights: Weights = None,
    labels: Labels = None,
    unseen: Unseen = None,
    separator: Separator = None,
    decimal: Decimal = None,
    quiet: Quiet = False,
) -> None:
    """Write what there is to know of a fit to one HTML file, which needs no network.

    What was fitted to what, and whether to trust it; what sets each component apart; pictures, parameters with intervals, the
    starts, and advice. Give the same rows, weights and known labels that the model was fitted to; other rows show how it carries
    over.
    """
    from emkit.cli.choosing import columns_aside, numbers, rows_for
    from emkit.cli.estimators import for_new_data, open_model
    from emkit.cli.exits import Refusal
    from emkit.cli.reading import DataFile, find_columns
    from emkit.cli.supervised import target_cells
    from emkit.cli.writing import check_writable

    if out.suffix.lower() not in (".html", ".htm"):
        raise Refusal(f"--out {str(out)!r}: a report is a page; call it .html")
    check_writable(out)
    talk, file = Talk(quiet), DataFile(data, separator, decimal)
    with talk.warnings():
        fitted, _ = open_model(model)
        for_new_data(fitted, None, unseen)
        table = file.read(say=talk.say)
        aside, _ = columns_aside(fitted, table, file, weights=weights, labels=labels)
        given: dict[str, Any] = {}
        if "weights" in aside:
            given["sample_weight"] = numbers(table, aside["weights"], file)
        if "labels" in aside:
            given[fitted.labels_word] = numbers(table, aside["labels"], file)
        rows, target = rows_for(fitted, table, file, model), fitted.target_column()
        if target is not None:
            place = find_columns(table.column_names, [target], data)
            given["y"] = target_cells(table, place[0], data) if place else None
        asked = "auto" if errors is None else errors
        fitted.report(out, rows, level=level, errors=asked, title=title or f"{data.name}: {type(fitted).__name__}", **given)
    talk.say(f"written to {str(out)!r}")
