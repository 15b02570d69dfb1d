"""Columns brought to mean 0 and standard deviation 1 before anything else, and a sample of distinct rows."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emkit.models.rbf.features import Array

_CONSTANT = 1e-13  # sd over the largest size of a column below which it is rounding
_SAME = 1e-12  # 1 - correlation of a column with an earlier one that it repeats
_GRID = 2.0**16  # rows are compared by standardised values on this grid, so that rounding by another unit changes nothing
_OFFSET = 0.31830988618


@dataclass(frozen=True)
class Scaling:
    """Means and standard deviations of all columns, and which columns say anything new."""

    mean: Array
    """(d,)."""
    sd: Array
    """(d,); 1 for constant columns."""
    kept: npt.NDArray[np.intp]
    """Columns that are neither constant nor a repetition of an earlier one."""

    def apply(self, x: Array) -> Array:
        """Rows (n, d) as standardised rows of the kept columns (n, kept)."""
        out: Array = (x[:, self.kept] - self.mean[self.kept]) / self.sd[self.kept]
        return out


def moments(x: Array, weights: Array | None) -> tuple[Array, Array]:
    """Means and standard deviations (d,) of columns; 1 where a column is constant but for rounding."""
    total = float(len(x)) if weights is None else float(weights.sum())
    mean = x.mean(0) if weights is None else (weights @ x) / total
    top = np.maximum(np.abs(x).max(0), np.finfo(float).tiny)
    variance = np.empty(x.shape[1])
    for j in range(x.shape[1]):  # by column: no copy of the whole table
        off = (x[:, j] - mean[j]) / top[j]
        variance[j] = (off @ off if weights is None else (weights * off) @ off) / total
    sd = np.sqrt(variance)
    return mean, np.where(sd > _CONSTANT, sd * top, 1.0)


def constant_columns(x: Array, weights: Array | None) -> npt.NDArray[np.bool_]:
    """Which columns hold one value, but for rounding, in rows of positive weight: (d,)."""
    rows = x if weights is None else x[weights > 0]
    low, high = rows.min(0), rows.max(0)
    return np.asarray(high - low <= 4.0 * _CONSTANT * np.maximum(np.abs(low), np.abs(high)))


def scaling_of(x: Array, weights: Array | None) -> Scaling:
    """The scaling of the rows ``x`` (n, d)."""
    mean, sd = moments(x, weights)
    varied = np.flatnonzero(~constant_columns(x, weights))
    z = (x[:, varied] - mean[varied]) / sd[varied]
    rooted = z if weights is None else z * np.sqrt(weights)[:, None]
    correlation = np.abs(rooted.T @ rooted) / (len(x) if weights is None else float(weights.sum()))
    again = (np.tril(correlation, -1) > 1.0 - _SAME).any(1)
    return Scaling(mean, np.where(constant_columns(x, weights), 1.0, sd), varied[~again])


def row_keys(z: Array, seed: int) -> npt.NDArray[np.uint64]:
    """A random-looking 64-bit number for every row, the same for equal rows: (n,)."""
    key = np.full(len(z), seed, np.uint64)
    with np.errstate(over="ignore"):
        for j in range(z.shape[1]):
            cell = np.floor(z[:, j] * _GRID + _OFFSET)
            key = (key ^ cell.astype(np.int64).view(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
            key ^= key >> np.uint64(29)
            key *= np.uint64(0xBF58476D1CE4E5B9)
            key ^= key >> np.uint64(32)
    return key


def distinct_sample(x: Array, y: Array, weights: Array | None, most: int, seed: int) -> tuple[Array, Array, Array]:
    """At most ``most`` distinct rows of standardised ``x`` (n, d) and ``y`` (n, p), equal rows as one with their summed weight.

    Rows are drawn, and put in order, by a hash of what they hold. The sample therefore depends neither on the order of the rows
    nor on whether a row stands there twice or with weight 2.
    """
    keys = row_keys(np.column_stack([x, y]), seed)
    mass = np.ones(len(x)) if weights is None else weights
    used = np.flatnonzero(mass > 0)
    if len(used) > 4 * most:  # keys are uniform: the smallest few are enough, were not most rows repeated
        few = used[np.argpartition(keys[used], 4 * most)[: 4 * most]]
        if len(np.unique(keys[few])) > most:
            used = few
    ordered = used[np.argsort(keys[used], kind="stable")]
    _, first, label = np.unique(keys[ordered], return_index=True, return_inverse=True)
    total = np.bincount(label, mass[ordered]).astype(np.float64)
    picked = ordered[first[:most]]
    return x[picked], y[picked], total[:most]
