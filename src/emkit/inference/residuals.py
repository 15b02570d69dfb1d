"""Bivariate residuals: which pairs of items a latent class model leaves associated."""

from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from emkit.core.notebook import Printed
from emkit.inference.answers import Answers, Measurement

_SHOWN = 10  # pairs in words
_ROWS = 8192  # taken at a time


@dataclass(frozen=True)
class BivariateResiduals(Printed):
    """Bivariate residuals of all pairs of items; with groups, of the group and each item too.

    Attributes
    ----------
    names : tuple of str
        The items; the group comes last.
    values : array of shape (d, d)
        Symmetric; NaN on the diagonal, and where an item has one level.
    p_values : array of shape (d, d) or None
        By parametric bootstrap: the share of data sets drawn from the model, and fitted again, whose residual is as large.
    n_bootstrap : int
    """

    names: tuple[str, ...]
    values: np.ndarray
    p_values: np.ndarray | None = None
    n_bootstrap: int = 0
    pairs: tuple[tuple[int, int], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        found = [pair for pair in combinations(range(len(self.names)), 2) if not np.isnan(self.values[pair])]
        object.__setattr__(self, "pairs", tuple(sorted(found, key=lambda pair: -self.values[pair])))

    def __str__(self) -> str:
        p = self.p_values
        width = max([12, *(len(name) for name in self.names)])
        lines = [f"{'item':{width}}  {'item':{width}}{'residual':>10}" + ("" if p is None else f"{'p':>8}")]
        for i, j in self.pairs[:_SHOWN]:
            one = f"{self.names[i]:{width}}  {self.names[j]:{width}}{self.values[i, j]:10.3f}"
            lines.append(one if p is None else f"{one}{p[i, j]:8.3f}")
        rest = len(self.pairs) - _SHOWN
        return "\n".join([*lines, *([f"... and {rest} smaller ones"] if rest > 0 else [])])


def bivariate_residuals(measurement: Measurement, answers: Answers) -> np.ndarray:
    """Pearson's X2 of each two-way table over its (L - 1)(L' - 1), (d, d), or (d + 1, d + 1) with groups, which come last.

    Vermunt and Magidson (2005), Technical Guide for Latent GOLD 4.0, section 7.3; Oberski, van Kollenburg and Vermunt (2013), Adv.
    Data Anal. Classif. 7, 267-279. The table has the rows in which both items are observed; the model's expectation of it is for
    as many rows of each group.
    """
    found, groups = answers, len(measurement.joint)
    d, most = found.items.shape[1], measurement.probs.shape[3]
    observed, expected = np.zeros((2, d * most, d * most))
    seen = ~np.isnan(found.items)
    shares = measurement.joint / np.maximum(measurement.joint.sum(axis=1, keepdims=True), 1e-300)
    alone = np.zeros((2, groups, d, most))  # observed and expected rows of each group, item and level
    for g in range(groups):
        mine = np.flatnonzero(found.group == g)
        items = found.items[mine]
        w, there = found.weights[mine], seen[mine].astype(np.float64)
        both = there.T @ (w[:, None] * there)
        table = measurement.probs[g].reshape(len(shares[g]), -1)
        for begin in range(0, len(w), _ROWS):
            part = slice(begin, begin + _ROWS)
            hot = (items[part, :, None] == np.arange(most)).reshape(len(w[part]), -1).astype(np.float64)
            observed += hot.T @ (w[part, None] * hot)
            alone[0, g] += (w[part] @ hot).reshape(d, most)
        expected += (table.T @ (shares[g][:, None] * table)) * np.repeat(np.repeat(both, most, axis=0), most, axis=1)
        alone[1, g] = (shares[g] @ table).reshape(d, most) * (w @ there)[:, None]
    free = np.maximum(measurement.sizes - 1, 0).astype(np.float64)
    pairs = _chi_squared(observed, expected).reshape(d, most, d, most).sum(axis=(1, 3))
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.where(np.outer(free, free) > 0, pairs / np.outer(free, free), np.nan)
        np.fill_diagonal(values, np.nan)
        values = 0.5 * (values + values.T)  # sums in another order differ in last bits
        if groups == 1:
            return np.asarray(values)
        by_group = _chi_squared(alone[0], alone[1]).sum(axis=(0, 2)) / ((groups - 1) * free)
    by_group[free == 0] = np.nan
    out = np.full((d + 1, d + 1), np.nan)
    out[:d, :d], out[d, :d], out[:d, d] = values, by_group, by_group
    return out


def _chi_squared(observed: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """(O - E)^2 / E of each cell; 0 where nothing is expected and nothing is there."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((expected > 0) | (observed > 0), (observed - expected) ** 2 / expected, 0.0)
