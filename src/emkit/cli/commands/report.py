"""``emkit report``: a fitted model and its rows as one page for a browser."""

from pathlib import Path
from typing import Annotated

import typer

from emkit.cli.options import Decimal, FittedModel, Labels, Level, Quiet, RowsOfTheFit, Separator, Unseen, Weights
from emkit.cli.talk import Talk


def command(
    model: FittedModel,
    data: RowsOfTheFit,
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write, such as report.html.")] = Path("report.html"),
    level: Level = 0.95,
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
    from emkit.cli.exits import Refusal
    from emkit.cli.opened import open_fit
    from emkit.cli.reading import DataFile
    from emkit.cli.writing import check_writable

    if out.suffix.lower() not in (".html", ".htm"):
        raise Refusal(f"--out {str(out)!r}: a report is a page; call it .html")
    check_writable(out)
    talk, file = Talk(quiet), DataFile(data, separator, decimal)
    with talk.warnings():
        fit = open_fit(model, file, talk, unseen, weights=weights, labels=labels)
        asked = "auto" if errors is None else errors
        title = title or f"{data.name}: {type(fit.fitted).__name__}"
        fit.fitted.report(out, fit.rows, level=level, errors=asked, title=title, **fit.aside)
    talk.say(f"written to {str(out)!r}")
