"""One file for each command; each has a function ``command``, whose parameters typer turns into options."""

COMMANDS = ("demo", "fit", "select", "predict", "impute", "forecast", "query", "errors", "compare", "report", "inspect")
"""In the order that ``emkit --help`` lists them."""
