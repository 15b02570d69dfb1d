"""Densities of single columns under each component, and outlines of components over two: by what every family can say."""

from collections.abc import Mapping

import numpy as np

from emkit.core.errors import ParameterError
from emkit.plots.view import View

_POINTS = 400  # of a curve
_ROUND = 100  # points of an ellipse
_WIDEST = 2000  # whole numbers that are evaluated one by one


def is_whole(view: View, j: int) -> bool:
    """Whether a column's family is one of whole numbers."""
    try:
        blocks = view.family.blocks(view.columns)
    except ParameterError:  # regressions among the parts: they tie columns together
        return bool(view.family.support.whole)
    return any(j in places and family.support.whole for places, family in blocks)


def has_margins(view: View) -> bool:
    """Whether columns have distributions of their own: not if the family conditions on some, or on their sum."""
    d = len(view.columns)
    return not view.family.complete(tuple(range(d))) and "multinomial" not in view.family.column_words(d)


def log_densities(view: View, j: int, values: np.ndarray, given: Mapping[int, float] | None = None) -> np.ndarray:
    """Log density, or probability, of values (m,) of column ``j`` under each component, the others integrated out: (m, K).

    A missing cell contributes nothing, so rows of which only this cell is there have just this density. ``given``: cells of other
    columns that are known.
    """
    rows = np.full((len(values), len(view.columns)), np.nan)
    for column, value in (given or {}).items():
        rows[:, column] = value
    rows[:, j] = values
    with np.errstate(all="ignore"):
        return np.asarray(view.family.log_prob(view.params, rows), dtype=np.float64)


def densities(view: View, j: int, values: np.ndarray, *, whole: bool, given: Mapping[int, float] | None = None) -> np.ndarray:
    """The same as densities given those cells; where empty cells say something of their own, those of values that were observed."""
    found = np.exp(log_densities(view, j, values, given))
    empty = log_densities(view, j, np.array([np.nan]), given)
    if np.any(empty != 0.0):  # families of which a missing cell is an outcome
        total = found.sum(axis=0) if whole else (0.5 * (found[1:] + found[:-1]) * np.diff(values)[:, None]).sum(axis=0)
        found = np.divide(found, total, out=np.zeros_like(found), where=total > 0)
    return np.where(np.isfinite(found), found, 0.0)


def moments(view: View) -> tuple[np.ndarray, np.ndarray] | None:
    """Means and standard deviations of the components that have a shape, (K, d) each; None if the family does not say."""
    family, params = view.shapes
    found = family.moments(params)
    if found is None:
        return None
    mean, words = np.array(found[0]), family.column_words(len(view.columns))
    for j in (j for j, word in enumerate(words) if word == "vonmises"):
        seen = np.zeros(0) if view.x is None else view.x[np.isfinite(view.x[:, j]), j]
        if len(seen):  # angles may go from 0 or from -pi: a mean is drawn on the turn on which the data are
            mean[:, j] += 2.0 * np.pi * np.round((0.5 * (seen.min() + seen.max()) - mean[:, j]) / (2.0 * np.pi))
    return mean, np.sqrt(np.maximum(found[1], 0.0))


def grid_of(view: View, j: int, *, whole: bool) -> np.ndarray:
    """Values at which to draw column ``j``: over its data and its components, closer where a component is narrow."""
    ends = [] if view.x is None else [view.x[np.isfinite(view.x[:, j]), j]]
    known = moments(view)
    mean, sd = (np.zeros(0), np.zeros(0)) if known is None else (known[0][:, j], known[1][:, j])
    good = np.isfinite(mean) & np.isfinite(sd)
    mean, sd = mean[good], sd[good]
    if view.x is None or not len(ends[0]):
        ends += [mean - 3.5 * sd, mean + 3.5 * sd]
    every = np.concatenate([np.asarray(end, dtype=np.float64) for end in ends]) if ends else np.zeros(0)
    if not len(every):
        every = np.array([0.0, 1.0])
    low, high = float(every.min()), float(every.max())
    if whole:
        low, high = np.floor(low), np.ceil(high)
        if view.x is None:
            low = max(low, 0.0) if not view.family.support.signed else low
        return np.unique(np.linspace(low, high, int(min(high - low + 1, _WIDEST))).round())
    wide = (high - low) or max(abs(low), 1.0) * 1e-3
    grid = np.linspace(low - 0.05 * wide, high + 0.05 * wide, _POINTS)
    near = (mean[:, None] + sd[:, None] * np.linspace(-4, 4, 33)).ravel() if len(mean) <= 100 else mean
    return np.unique(np.concatenate([grid, near[(near >= grid[0]) & (near <= grid[-1])]]))


def covariances(view: View, i: int, j: int) -> np.ndarray | None:
    """Covariance matrices of two columns under each component that has a shape, (K, 2, 2), NaN where one is not finite.

    Variances are the family's. The covariance comes from E[x_j | x_i], which the family fills a missing cell in with: where x_i
    is one standard deviation above its mean, that is the mean of x_j plus the covariance over this standard deviation. None if
    the family has no moments, or conditions on columns.
    """
    family, params = view.shapes
    known = moments(view)
    if known is None or not has_margins(view):
        return None
    mean, sd = known
    k = len(mean)
    out = np.full((k, 2, 2), np.nan)
    good = np.flatnonzero(np.isfinite(mean[:, [i, j]]).all(axis=1) & np.isfinite(sd[:, [i, j]]).all(axis=1))
    rows = np.full((k, len(view.columns)), np.nan)
    rows[:, i] = np.where(np.isfinite(mean[:, i] + sd[:, i]), mean[:, i] + sd[:, i], 0.0)
    try:
        expected = family.filled(params, rows, np.eye(k))[:, j]
    except ParameterError:  # it does not say how columns go together
        return None
    out[good, 0, 0], out[good, 1, 1] = sd[good, i] ** 2, sd[good, j] ** 2
    out[good, 0, 1] = out[good, 1, 0] = (expected[good] - mean[good, j]) * sd[good, i]
    return out


def ellipses(view: View, i: int, j: int, level: float) -> dict[int, np.ndarray]:
    """Outlines (100, 2) by component: of a normal distribution with its means and covariance they hold ``level`` of the mass."""
    found, known = covariances(view, i, j), moments(view)
    if found is None or known is None:
        return {}
    radius, angle = np.sqrt(-2.0 * np.log1p(-level)), np.linspace(0.0, 2.0 * np.pi, _ROUND)
    circle = radius * np.stack([np.cos(angle), np.sin(angle)])
    out = {}
    for k, matrix in enumerate(found):
        if np.isfinite(matrix).all():
            values, vectors = np.linalg.eigh(matrix)
            out[k] = known[0][k, [i, j]] + ((vectors * np.sqrt(np.maximum(values, 0.0))) @ circle).T
    return out


def levels_of(view: View, j: int, given: Mapping[int, float], most: int = 256) -> tuple[list[str], np.ndarray] | None:
    """Levels of a categorical column, and their probabilities under each component, (L, K); None if they have no end."""
    levels = view.columns[j].levels
    count = len(levels) if levels is not None else most
    p = densities(view, j, np.arange(count, dtype=np.float64), whole=True, given=given)
    if levels is None:
        there = np.flatnonzero((p > 0).any(axis=1))
        count = int(there[-1]) + 1 if len(there) else 0
        if count in (0, most):
            return None
    return [str(level) for level in (levels if levels is not None else range(count))], p[:count]
