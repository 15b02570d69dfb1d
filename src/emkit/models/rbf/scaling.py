"""Columns brought to mean 0 and standard deviation 1 before anything else; constant and repeated ones left out."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emkit.models.rbf.features import Array

_CONSTANT = 1e-13  # sd over the largest size of a column below which it is rounding
_SAME = 1e-12  # 1 - correlation of a column with an earlier one that it repeats
_BLOCK = 4096  # rows at a time
_STEPS = 2.0**20  # to 1, of what columns are put in order by


@dataclass(frozen=True)
class Scaling:
    """Means and standard deviations of all columns, and which columns say anything new."""

    mean: Array
    """(d,)."""
    sd: Array
    """(d,); 1 for constant columns."""
    kept: npt.NDArray[np.intp]
    """Columns that are neither constant nor a repetition of an earlier one, in an order that is their own."""

    def apply(self, x: Array) -> Array:
        """Rows (n, d) as standardised rows of the kept columns (n, kept)."""
        out: Array = (x[:, self.kept] - self.mean[self.kept]) / self.sd[self.kept]
        return out


def by_rank(keys: Array) -> npt.NDArray[np.intp]:
    """An order of columns by a number of about 1 for each, (d,), which rounding does not change; equal ones stay as they are."""
    return np.argsort(np.rint(keys * _STEPS), kind="stable")


def moments(x: Array, weights: Array | None) -> tuple[Array, Array]:
    """Means and standard deviations (d,) of columns; 1 where a column is constant but for rounding."""
    total = float(len(x)) if weights is None else float(weights.sum())
    mean = x.mean(0) if weights is None else (weights @ x) / total
    top = np.maximum(np.maximum(x.max(0), -x.min(0)), np.finfo(float).tiny)
    variance = np.empty(x.shape[1])
    for j in range(x.shape[1]):  # by column: no copy of the whole table
        off = (x[:, j] - mean[j]) / top[j]
        variance[j] = (off @ off if weights is None else (weights * off) @ off) / total
    sd = np.sqrt(variance)
    return mean, np.where(sd > _CONSTANT, sd * top, 1.0)


def constant_columns(x: Array, weights: Array | None) -> npt.NDArray[np.bool_]:
    """Which columns hold one value, but for rounding, in rows of positive weight: (d,)."""
    rows = x if weights is None or (weights > 0).all() else x[weights > 0]
    low, high = rows.min(0), rows.max(0)
    return np.asarray(high - low <= 4.0 * _CONSTANT * np.maximum(np.abs(low), np.abs(high)))


def scaling_of(x: Array, weights: Array | None) -> Scaling:
    """The scaling of the rows ``x`` (n, d)."""
    mean, sd = moments(x, weights)
    constant = constant_columns(x, weights)
    varied = np.flatnonzero(~constant)
    correlation = np.zeros((len(varied), len(varied)))
    for i in range(0, len(x), _BLOCK):
        z = (x[i : i + _BLOCK, varied] - mean[varied]) / sd[varied]
        if weights is not None:
            z *= np.sqrt(weights[i : i + _BLOCK])[:, None]
        correlation += z.T @ z
    correlation /= len(x) if weights is None else float(weights.sum())
    again = (np.tril(np.abs(correlation), -1) > 1.0 - _SAME).any(1)
    return Scaling(mean, np.where(constant, 1.0, sd), varied[~again])
