"""What a report is about: a fit, the rows that it is looked at with, and what the model says of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emkit.core.columns import Columns
from emkit.core.result import Result, StopReason

KINDS = ("number", "category", "angle")


@dataclass(frozen=True)
class Labelled:
    """The hidden labels of the rows.

    Attributes
    ----------
    word : str
        What one of them is called, such as "component" or "state".
    names : tuple of K str
    posteriors : array (n, K)
    """

    word: str
    names: tuple[str, ...]
    posteriors: np.ndarray

    @property
    def k(self) -> int:
        """How many there are."""
        return len(self.names)


@dataclass(frozen=True)
class Subject:
    """A fit and rows.

    Attributes
    ----------
    estimator : str
        The name of its class.
    in_words : str
        What was fitted.
    columns : Columns
        Of ``x``.
    kinds : tuple of str
        What cells of each column are: "number", "category" (numbers of levels) or "angle".
    x : array (n, d)
        NaN where a cell is missing.
    summary : str
        The fit as text.
    parameters : mapping of names to arrays
    settings : mapping of names to texts
        Those that are not the defaults.
    pictures : sequence of str
        Kinds of pictures, the best one first.
    draw : callable
        From a kind of picture to matplotlib axes, or an array of them.
    find_errors : callable
        Standard errors; may raise ParameterError, which says why there are none.
    result : Result, optional
        None where the fit does not end in one.
    source : Source, optional
        The rows as the model reads them.
    executor : Executor, optional
    weights : array (n,), optional
        Of the rows.
    lengths : array (S,), optional
        Of sequences, where rows hang together.
    together : str
        What one of them is called.
    labels : Labelled, optional
        None where rows have no single hidden label.
    log_likelihood : array (units,), optional
        Of rows, or of what hangs together, nats.
    narrowest : pair of arrays (m, d), optional
        Variances and rows: see ``Model.narrowest``; None where there are no densities.
    total : float, optional
        All of it, weights multiplied in.
    of_all : int, optional
        How many rows there are in all, where ``x`` are some of them, drawn at random.
    known_errors : StandardErrors, optional
        What the user has asked for before.
    candidates : sequence of mappings
        What a search tried, where there is no table of starts.
    notes, remarks : sequence of str
        What went wrong, and what is to be said besides.
    scores : mapping of names to numbers
        How well a target is predicted on these rows.
    families : mapping of names of columns to words
        Where columns differ.
    criteria : mapping of names to texts
        What fits are compared by.
    """

    estimator: str
    in_words: str
    columns: Columns
    kinds: tuple[str, ...]
    x: np.ndarray
    summary: str
    parameters: Mapping[str, np.ndarray]
    settings: Mapping[str, str]
    pictures: Sequence[str]
    draw: Callable[[str], Any]
    find_errors: Callable[[], Any]
    result: Result | None = None
    source: Any = None
    executor: Any = None
    weights: np.ndarray | None = None
    lengths: np.ndarray | None = None
    together: str = "sequence"
    labels: Labelled | None = None
    log_likelihood: np.ndarray | None = None
    narrowest: tuple[np.ndarray, np.ndarray] | None = None
    total: float | None = None
    of_all: int | None = None
    known_errors: Any = None
    candidates: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()
    remarks: Sequence[str] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    families: Mapping[str, str] = field(default_factory=dict)
    criteria: Mapping[str, str] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.x)

    @property
    def of_the_fit(self) -> bool | None:
        """Whether these are the rows of the fit, by their log-likelihood; None where that cannot be told."""
        result, total = self.result, self.total
        told = result is not None and result.reason not in (StopReason.SET_BY_HAND, StopReason.STREAM)
        if result is None or total is None or not told or not np.isfinite(result.log_likelihood):
            return None
        return bool(abs(total - result.log_likelihood) <= 1e-6 * max(1.0, abs(result.log_likelihood)))

    @property
    def unit(self) -> str:
        """What has one log-likelihood."""
        return "row" if self.lengths is None else self.together

    @property
    def row_weights(self) -> np.ndarray:
        """Weights of all rows, (n,)."""
        return np.ones(self.n) if self.weights is None else np.asarray(self.weights, dtype=np.float64)

    def level(self, j: int, code: int) -> str:
        """What a category's number stands for."""
        levels = self.columns[j].levels
        return str(code) if levels is None or not 0 <= code < len(levels) else str(levels[code])


def many(word: str) -> str:
    """As "rows", "classes"."""
    return word + ("es" if word.endswith(("s", "x", "ch")) else "s")


def plural(n: float, word: str) -> str:
    """As "1 row", "1,234 rows", "2 classes"."""
    return f"{f'{n:,.0f}' if n == int(n) else f'{n:,.6g}'} {word if n == 1 else many(word)}"


def percent(share: float) -> str:
    """As "97 %", "0.4 %", which no line breaks apart."""
    value = round(100.0 * share, 9)  # sums of rows are not exact
    if 0.0 < value < 0.01:
        return "under 0.01\u00a0%"
    if value in (0.0, 100.0) or 10.0 <= value <= 99.0:
        return f"{value:.0f}\u00a0%"
    if value < 10.0:
        return f"{value:.2g}\u00a0%"
    return "over 99.9\u00a0%" if value > 99.9 else f"{value:.1f}\u00a0%"


def number(value: float) -> str:
    """Four digits, with a power of ten only from 10^9 on; a dash for what there is not."""
    if value != value:
        return "\u2013"
    return f"{float(f'{value:.4g}'):,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"
