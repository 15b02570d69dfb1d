"""Rows of a NumPy array in memory, cut into blocks."""

from collections.abc import Iterator

import numpy as np

from emkit.core.block import Block
from emkit.data.validate import check_matrix, check_weights

_CELLS = 2**18  # cells a block aims at: long enough to hide the cost of a call, short enough to balance threads
_MIN_ROWS, _MAX_ROWS = 4096, 65536


def block_bounds(n: int, d: int) -> np.ndarray:
    """Row numbers where blocks begin and end, (blocks + 1,): of equal size up to one row, a function of n and d alone."""
    rows = min(max(_CELLS // max(d, 1), _MIN_ROWS), _MAX_ROWS)
    return np.linspace(0, n, max(1, -(-n // rows)) + 1).astype(np.int64)


class ArraySource:
    """A Source over a matrix.

    Parameters
    ----------
    x : array of shape (n, d)
        float64 or float32 (kept as it is, not copied); anything else is converted to float64. NaN marks a missing cell.
    weights : array of shape (n,), optional
        Nonnegative; weight 2 means the row twice.
    columns : sequence of str, optional
        Names for messages and outputs; x0, x1, ... otherwise.
    checked : bool
        True if the caller has already validated ``x`` and ``weights``.

    Raises
    ------
    DataError
        Naming the column and row of what cannot be used.
    """

    def __init__(
        self,
        x: np.ndarray,
        weights: np.ndarray | None = None,
        columns: tuple[str, ...] | None = None,
        *,
        checked: bool = False,
    ):
        if not checked:
            x = check_matrix(x, columns)
            weights = check_weights(weights, len(x))
        self.x = x
        self.weights = weights
        self.n_rows, self.n_features = x.shape
        self.columns = columns if columns is not None else tuple(f"x{j}" for j in range(self.n_features))
        self.total_weight = float(self.n_rows if weights is None else np.sum(weights, dtype=np.float64))
        self._bounds = block_bounds(self.n_rows, self.n_features)
        self._missing = tuple(bool(np.isnan(x[a:b]).any()) for a, b in self._spans())

    def _spans(self) -> Iterator[tuple[int, int]]:
        return zip(self._bounds[:-1].tolist(), self._bounds[1:].tolist(), strict=True)

    @property
    def missing(self) -> bool:
        """Whether any cell is NaN."""
        return any(self._missing)

    def __iter__(self) -> Iterator[Block]:
        """The blocks, in order."""
        for (a, b), missing in zip(self._spans(), self._missing, strict=True):
            yield Block(self.x[a:b], None if self.weights is None else self.weights[a:b], a, missing, None, self.n_rows)

    def take(self, rows: np.ndarray) -> "ArraySource":
        """The given rows as a source of their own."""
        weights = None if self.weights is None else self.weights[rows]
        return ArraySource(self.x[rows], weights, self.columns, checked=True)

    def sample(self, n: int, rng: np.random.Generator) -> "ArraySource":
        """At most ``n`` rows, without replacement, in their order; ``self`` if there are no more. Rows of weight 0 are not drawn."""
        if n >= self.n_rows:
            return self
        usable = np.arange(self.n_rows) if self.weights is None else np.flatnonzero(self.weights)
        if n >= len(usable):
            return self.take(usable)
        return self.take(usable[np.sort(rng.choice(len(usable), n, replace=False))])

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Weighted mean and variance of each column over its observed cells, block by block about a common pivot.

        A column with no observed cell has mean 0 and variance NaN.
        """
        pivot = _first_observed(self.x)
        total, s1, _ = self._sums(pivot)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(total > 0, pivot + s1 / total, pivot)
            # A second pass, about the mean itself: E[x^2] - mean^2 loses its digits when the pivot was an outlier.
            variance = np.where(total > 0, self._sums(mean)[2] / total, np.nan)
        return mean, variance

    def spreads(self) -> np.ndarray:
        """Robust variances of the columns, (d,)."""
        variance = self.moments()[1]
        return np.array([robust_variance(self.x[:, j], self.weights, variance[j]) for j in range(self.n_features)])

    def _sums(self, pivot: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weight, first and second moment of each column about ``pivot``, over observed cells."""
        total, s1, s2 = np.zeros((3, self.n_features))
        for begin in range(0, self.n_rows, 4096):
            part = slice(begin, begin + 4096)
            x = np.asarray(self.x[part], dtype=np.float64) - pivot
            w = np.ones(len(x)) if self.weights is None else self.weights[part].astype(np.float64)
            if self.missing:
                seen = ~np.isnan(x)
                x = np.where(seen, x, 0.0)
                total += w @ seen
            else:
                total += w.sum()
            with np.errstate(over="ignore"):  # values beyond 1e154: the family says which column
                s1 += w @ x
                s2 += w @ (x * x)
        return total, s1, s2


def robust_variance(x: np.ndarray, weights: np.ndarray | None, variance: float) -> float:
    """(interquartile range / 1.349)^2, a normal distribution's variance from its quartiles, or ``variance`` if that is smaller.

    One value in a million can make a variance as large as it likes, quartiles not. Where more than half of the values are equal the
    quartiles say nothing, and ``variance`` is returned. Quartiles are observed values, so that weight 2 is the row twice.
    """
    seen = ~np.isnan(x)
    values = x if seen.all() else x[seen]
    if not len(values):
        return variance
    if weights is None:
        at = [max(int(np.ceil(q * len(values))) - 1, 0) for q in (0.25, 0.75)]
        low, high = np.partition(values, at)[at]
    else:
        order = np.argsort(values, kind="stable")
        cumulative = np.cumsum(weights[seen][order], dtype=np.float64)
        marks = np.searchsorted(cumulative, np.array([0.25, 0.75]) * cumulative[-1] * (1.0 - 1e-12))
        low, high = values[order[np.minimum(marks, len(order) - 1)]]
    spread = ((float(high) - float(low)) / 1.349) ** 2
    return min(spread, float(variance)) if spread > 0 else float(variance)


def _first_observed(x: np.ndarray) -> np.ndarray:
    """One observed value of each column, (d,): a pivot near the data. 0 where a column has none."""
    pivot = np.asarray(x[0], dtype=np.float64).copy()
    for j in np.flatnonzero(np.isnan(pivot)):
        seen = np.flatnonzero(~np.isnan(x[:, j]))
        pivot[j] = x[seen[0], j] if len(seen) else 0.0
    return pivot
