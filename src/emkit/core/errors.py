"""Every error emkit raises on purpose. Messages say what was found, where, and what to do.

An error carries where it happened as fields, so that a program can act on it without reading its text; it survives pickling.
"""

from collections.abc import Callable
from typing import Any, Self


class EmkitError(Exception):
    """Base of all errors raised on purpose.

    Attributes
    ----------
    column, row, sequence, parameter : str, int, int, str, or None
        Where: the column's name, the row's number (in the user's own data), the sequence's number, the parameter's name.
    """

    def __init__(
        self,
        message: str = "",
        *,
        column: Any = None,
        row: int | None = None,
        sequence: int | None = None,
        parameter: str | None = None,
    ):
        super().__init__(message)
        self.column, self.row, self.sequence, self.parameter = column, row, sequence, parameter

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _again, (type(self), self.args, dict(self.__dict__))

    @classmethod
    def _rebuilt(cls, args: tuple[Any, ...], state: dict[str, Any]) -> Self:
        error = cls.__new__(cls)
        error.args = args
        error.__dict__.update(state)
        return error


def _again(cls: type[EmkitError], args: tuple[Any, ...], state: dict[str, Any]) -> EmkitError:
    return cls._rebuilt(args, state)


class DataError(EmkitError, ValueError):
    """The data cannot be used as they are: names the column, the row or the sequence."""


class ParameterError(EmkitError, ValueError):
    """A setting, starting value or fixed value cannot be used: names the parameter."""


class CollapseError(EmkitError, ArithmeticError):
    """A component shrank onto a point, so that the likelihood is unbounded. Cannot happen under the default prior."""


class ClusterError(EmkitError, RuntimeError):
    """Workers elsewhere cannot be used, or are gone; what they computed so far is not lost where there is a checkpoint."""


class ModelFileError(EmkitError, ValueError):
    """A model file is damaged, foreign, or written by a newer emkit."""


class ImpossibleSequenceError(DataError):
    """A model gives a sequence probability zero; ``sequence`` is its number."""

    sequence: int

    def __init__(self, sequence: int, name: str | None = None):
        super().__init__(
            f"{name or f'sequence {sequence}'} has probability zero under the model: some step is impossible in every state that "
            "can be reached; look for zeros in startprob, transmat or the emissions, for labels that contradict them, or for "
            "values so far out that their density is zero",
            sequence=sequence,
        )
