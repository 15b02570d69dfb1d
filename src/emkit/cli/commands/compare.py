"""``emkit compare``: the likelihood-ratio test between two fits to the same data."""

from pathlib import Path
from typing import Annotated

import typer

from emkit.cli.options import PlainJson, Quiet
from emkit.cli.talk import Talk


def command(
    smaller: Annotated[
        Path, typer.Argument(help="Model file of the special case: with something fixed, or equal, that is free in the other.")
    ],
    larger: Annotated[Path, typer.Argument(help="Model file of the fit with more free parameters.")],
    as_json: PlainJson = False,
    quiet: Quiet = False,
) -> None:
    """Test a special case of a model against the model.

    Both were fitted to the same data. Numbers of components are compared by `emkit select`, or by emkit.likelihood_ratio_test.
    """
    from emkit.cli.estimators import open_model
    from emkit.cli.writing import print_json

    with Talk(quiet).warnings():
        found = open_model(larger)[0].compare_lr_test(open_model(smaller)[0])
    if as_json:
        print_json({"statistic": found.statistic, "df": found.df, "p": found.p})
        return
    print(found)
