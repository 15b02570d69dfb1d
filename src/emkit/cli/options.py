"""Options that several commands have."""

from typing import Annotated

import typer

Separator = Annotated[
    str | None,
    typer.Option(
        metavar="CHARACTER",
        help="Between the cells of a text file: a character, or comma, semicolon, tab, pipe or blank. Recognised by default.",
    ),
]
Decimal = Annotated[
    str | None, typer.Option(metavar="MARK", help="Decimal mark of a text file: point or comma. Recognised by default.")
]
