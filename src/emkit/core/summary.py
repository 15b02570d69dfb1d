"""What one pass over the data tells of each column: additive, so that it can be gathered block by block, in any grouping."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

_CHUNK = 4096  # rows at a time: temporaries stay in cache
_MANY = 2**20  # row numbers hashed at a time
_MOST_ROWS, _MOST_CELLS, _LEAST_ROWS = 2**16, 2**22, 1024  # rows from which quartiles are taken: at most, in cells, at least


@dataclass(frozen=True)
class ColumnSummary:
    """Moments and ranges of d columns over their observed cells, and a sample of rows for their quartiles. ``a + b`` joins two.

    Attributes
    ----------
    weight, mean : arrays of shape (d,)
        Total weight of the observed cells, and their weighted mean; 0 for a column with none.
    scatter : array of shape (d,)
        Weighted sum of squared differences from the mean.
    low, high : arrays of shape (d,)
        Smallest and largest observed cell; inf and -inf for a column with none.
    whole : bool array of shape (d,)
        Whether every observed cell is an integer.
    rows : array of shape (m, d)
        Sampled rows: those whose row number has the smallest hash, so that neither blocks nor threads matter. All rows of small
        data.
    hashes : uint64 array of shape (m,)
    row_weights : array of shape (m,) or None
    """

    weight: np.ndarray
    mean: np.ndarray
    scatter: np.ndarray
    low: np.ndarray
    high: np.ndarray
    whole: np.ndarray
    rows: np.ndarray
    hashes: np.ndarray
    row_weights: np.ndarray | None

    @cached_property
    def variance(self) -> np.ndarray:
        """Weighted variance of each column (divisor: its weight), (d,); NaN for a column with no observed cell."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(self.weight > 0, self.scatter / self.weight, np.nan))

    @cached_property
    def spread(self) -> np.ndarray:
        """A variance of each column that a few outliers cannot inflate, (d,); see ``robust_variance``."""
        each = zip(self.rows.T, self.variance, strict=True)
        return np.array([robust_variance(column, self.row_weights, variance) for column, variance in each])

    def __add__(self, other: "ColumnSummary") -> "ColumnSummary":
        """Of both, by the formula of Chan, Golub and LeVeque (1983), Am. Statistician 37, 242-247."""
        total = self.weight + other.weight
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            share = np.where(total > 0, other.weight / np.where(total > 0, total, 1.0), 0.0)
            shift = other.mean - self.mean
            mean = np.where(self.weight > 0, self.mean + shift * share, other.mean)
            scatter = self.scatter + other.scatter + np.where(total > 0, shift * shift * self.weight * share, 0.0)
        joined = replace(
            self,
            weight=total,
            mean=mean,
            scatter=scatter,
            low=np.minimum(self.low, other.low),
            high=np.maximum(self.high, other.high),
            whole=self.whole & other.whole,
            rows=np.concatenate([self.rows, other.rows]),
            hashes=np.concatenate([self.hashes, other.hashes]),
            row_weights=None if self.row_weights is None else np.concatenate([self.row_weights, other.row_weights]),  # type: ignore[list-item]
        )
        return joined._thinned()

    def _thinned(self) -> "ColumnSummary":
        most = most_rows(self.rows.shape[1])
        if len(self.rows) <= most:
            return self
        kept = np.sort(np.argpartition(self.hashes, most)[:most])
        weights = None if self.row_weights is None else self.row_weights[kept]
        return replace(self, rows=self.rows[kept], hashes=self.hashes[kept], row_weights=weights)


def most_rows(d: int) -> int:
    """How many rows of d columns are kept."""
    return max(_LEAST_ROWS, min(_MOST_ROWS, _MOST_CELLS // max(d, 1)))


def summarise(x: np.ndarray, weights: np.ndarray | None, first_row: int = 0) -> ColumnSummary:
    """The summary of a block of rows (n, d) that are numbered from ``first_row`` on; ``weights`` (n,) or None for ones."""
    pivot = _first_observed(x)
    total, first, _ = _sums(x, weights, pivot)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(total > 0, pivot + first / total, pivot)
    # A second time about the mean itself, while the block is in cache: E[x^2] - mean^2 loses its digits when the pivot was an
    # outlier.
    scatter = _sums(x, weights, mean)[2]
    low, high, whole = _ranges(x)
    used = None if weights is None else np.asarray(weights, dtype=np.float64)
    hashes = _hash(np.arange(first_row, first_row + len(x), dtype=np.uint64))
    return ColumnSummary(total, mean, scatter, low, high, whole, x, hashes, used)._thinned()


def _sums(x: np.ndarray, weights: np.ndarray | None, pivot: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weight, first and second moment of each column about ``pivot``, over observed cells."""
    total, s1, s2 = np.zeros((3, x.shape[1]))
    for begin in range(0, len(x), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        centred = np.asarray(x[part], dtype=np.float64) - pivot
        w = np.ones(len(centred)) if weights is None else np.asarray(weights[part], dtype=np.float64)
        if weights is not None and not w.all():
            centred[w == 0] = 0.0  # what has no weight may be anything
        seen = ~np.isnan(centred)
        if seen.all():
            total += w.sum()
        else:
            centred = np.where(seen, centred, 0.0)
            total += w @ seen
        with np.errstate(over="ignore"):  # values beyond 1e154: the family says which column
            s1 += w @ centred
            s2 += w @ (centred * centred)
    return total, s1, s2


def _ranges(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    low, high = np.full(x.shape[1], np.inf), np.full(x.shape[1], -np.inf)
    whole = np.ones(x.shape[1], dtype=bool)
    for begin in range(0, len(x), _CHUNK):
        part = np.asarray(x[begin : begin + _CHUNK])
        low, high = np.fmin(low, np.fmin.reduce(part, axis=0)), np.fmax(high, np.fmax.reduce(part, axis=0))
        whole &= ((part == np.floor(part)) | np.isnan(part)).all(axis=0)
    return low, high, whole


def rows_by_hash(n: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the rows that a summary of ``n`` rows keeps, ``most`` at most, ascending; and their hashes."""
    rows, hashes = np.zeros(0, np.int64), np.zeros(0, np.uint64)
    for begin in range(0, n, _MANY):
        here = np.arange(begin, min(begin + _MANY, n))
        rows, hashes = np.concatenate([rows, here]), np.concatenate([hashes, _hash(here.astype(np.uint64))])
        if len(rows) > most:
            kept = np.sort(np.argpartition(hashes, most)[:most])
            rows, hashes = rows[kept], hashes[kept]
    return rows, hashes


def _hash(number: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): neighbours get unrelated values."""
    z = (number + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))


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
        if not cumulative[-1] > 0:
            return float(variance)
        marks = np.searchsorted(cumulative, np.array([0.25, 0.75]) * cumulative[-1] * (1.0 - 1e-12))
        low, high = values[order[np.minimum(marks, len(order) - 1)]]
    deviation = (float(high) - float(low)) / 1.349
    spread = deviation * deviation  # inf beyond 1e154, where ** would raise
    return min(spread, float(variance)) if spread > 0 else float(variance)


def _first_observed(x: np.ndarray) -> np.ndarray:
    """One observed value of each column, (d,): a pivot near the data. 0 where a column has none."""
    pivot = np.asarray(x[0], dtype=np.float64).copy()
    for j in np.flatnonzero(np.isnan(pivot)):
        seen = np.flatnonzero(~np.isnan(x[:, j]))
        pivot[j] = x[seen[0], j] if len(seen) else 0.0
    return pivot
