"""What a fitted model shows of itself and of rows: all that pictures of mixtures and hidden Markov models are drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from emkit.core.columns import Columns
from emkit.core.errors import ParameterError


@dataclass(frozen=True)
class View:
    """A model with a hidden label for each row, and rows.

    Attributes
    ----------
    columns : Columns
    family, params : Family, Params
        Of the K components.
    weights : array (K,)
        How large each component's share is.
    names : tuple of str
        Of the components, such as "component 0"; noise is called that.
    x : array (n, d) or None
        Cells as the family has them, NaN where missing; None without data.
    responsibilities : array (n, K) or None
    shapes : tuple
        The family and the Params of the components that have an ellipse: all but noise.
    numeric : tuple of int
        Numbers of the columns that are numbers, not categories.
    lengths : array (S,) or None
        Of sequences, whose steps the rows are in this order.
    path : array (n,) or None
        The most probable states of sequences.
    transitions : array (K, K) or None
        Of a hidden Markov model.
    """

    columns: Columns
    family: Any
    params: Any
    weights: np.ndarray
    names: tuple[str, ...]
    x: np.ndarray | None
    responsibilities: np.ndarray | None
    shapes: tuple[Any, Any]
    numeric: tuple[int, ...]
    lengths: np.ndarray | None = None
    path: np.ndarray | None = None
    transitions: np.ndarray | None = None

    @property
    def k(self) -> int:
        """Components."""
        return len(self.weights)

    def titles(self) -> list[str]:
        """Names with shares."""
        return [f"{name} ({weight:.2f})" for name, weight in zip(self.names, self.weights, strict=True)]

    def needs(self, picture: str) -> tuple[np.ndarray, np.ndarray]:
        """Rows and responsibilities. Raises ParameterError where there are no data."""
        if self.x is None or self.responsibilities is None:
            raise ParameterError(f"{picture} shows rows: give the data, X", parameter="X")
        return self.x, self.responsibilities


@runtime_checkable
class Viewable(Protocol):
    """Estimators whose rows have a hidden label each."""

    def _view(self, X: Any = None, **read: Any) -> View:
        """What it is, and what it says of the rows of ``X``."""


def view_of(estimator: Any, X: Any, **read: Any) -> View:
    """What the estimator shows. Raises ParameterError for one whose rows have no hidden label, NotFittedError before a fit."""
    if isinstance(estimator, type) or not isinstance(estimator, Viewable):
        what = estimator.__name__ if isinstance(estimator, type) else type(estimator).__name__
        raise ParameterError(
            f"estimator: this picture is of a fitted mixture or hidden Markov model of emkit's, not of {what}",
            parameter="estimator",
        )
    return estimator._view(X, **{name: value for name, value in read.items() if value is not None})


def column_numbers(columns: Columns, asked: Any, among: Sequence[int]) -> list[int]:
    """Columns that a user asked for, by name or number, as numbers; all of ``among`` where nothing was asked.

    Raises ParameterError, naming the argument, for one that is not among them.
    """
    if asked is None:
        return list(among)
    listed = [asked] if isinstance(asked, str | int | np.integer) else list(asked)
    found = []
    for one in listed:
        whole = isinstance(one, int | np.integer) and not isinstance(one, bool)
        j = columns.names.index(one) if isinstance(one, str) and one in columns.names else int(one) if whole else -1
        if j not in among:
            there = ", ".join(repr(columns[i].name) if columns.named else str(i) for i in list(among)[:20])
            more = ", ..." if len(among) > 20 else ""
            raise ParameterError(
                f"columns: {one!r} cannot be drawn here; those that can are {there or 'none'}{more}", parameter="columns"
            )
        if j in found:
            raise ParameterError(f"columns: {one!r} is there twice", parameter="columns")
        found.append(j)
    if not found:
        raise ParameterError("columns is empty: name columns, or leave it out", parameter="columns")
    return found
