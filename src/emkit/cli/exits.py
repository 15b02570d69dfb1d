"""Exit codes, and the exception that ends a command with one line."""

OK = 0
BAD_INPUT = 2
"""Usage or bad input: nothing was done, one line on stderr says why."""
NOT_CONVERGED = 3
"""The fit ended before its stop rule was met; the model was written all the same."""
INTERRUPTED = 130
"""Ctrl-C before there was anything to keep."""


class Refusal(Exception):
    """Ends the command with exit code 2; its text is the one line a person reads."""
