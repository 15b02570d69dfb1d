"""Every error emkit raises on purpose. Messages say what was found, where, and what to do."""


class EmkitError(Exception):
    """Base of all errors raised on purpose."""


class DataError(EmkitError, ValueError):
    """The data cannot be used as they are: names the column, the row or the sequence."""


class ParameterError(EmkitError, ValueError):
    """A setting, starting value or fixed value cannot be used: names the parameter."""


class CollapseError(EmkitError, ArithmeticError):
    """A component shrank onto a point, so that the likelihood is unbounded. Cannot happen under the default prior."""


class ModelFileError(EmkitError, ValueError):
    """A model file is damaged, foreign, or written by a newer emkit."""
