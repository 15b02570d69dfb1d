"""The M-step of a Gaussian: means and covariances that maximise the expected log posterior, from moments."""

import numpy as np

from emkit.families.gaussian.params import GaussianParams, GaussianStats, products
from emkit.families.gaussian.prior import GaussianPrior
from emkit.families.gaussian.shapes import Shape

_PASSES = 10  # of a shape's alternation, where covariances are first guessed


def best_means(stats: GaussianStats, params: GaussianParams, prior: GaussianPrior | None, held: np.ndarray) -> np.ndarray:
    """Means (K, d), held entries (not NaN) at their values. A component that nothing belongs to stays where it is."""
    total, first = stats.counts[:, None], stats.first
    if prior is not None and prior.mean_mass > 0 and prior.mean is not None:
        total = total + prior.mean_mass
        first = first + prior.mean_mass * (prior.mean - stats.pivot)
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = np.where(total > 0, first / total, params.means - stats.pivot)
    means = np.asarray(stats.pivot + shift)
    fixed = ~np.isnan(held)
    if not fixed.any():
        return means
    if params.covariances.ndim == 3:
        for k in np.flatnonzero(fixed.any(axis=1) & ~fixed.all(axis=1)):
            means[k] = _given_some(means[k], held[k], params.whitener.precisions()[k % len(params.covariances)])
    return np.where(fixed, held, means)


def _given_some(mean: np.ndarray, held: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """The best mean among those that agree with ``held``: correlated columns follow the held ones, at the present covariance."""
    free = np.isnan(held)
    pull = precision[np.ix_(free, ~free)] @ (held[~free] - mean[~free])
    out = mean.copy()
    out[free] -= np.linalg.solve(precision[np.ix_(free, free)], pull)
    return out


def best_covariances(
    moments: GaussianStats, params: GaussianParams, prior: GaussianPrior | None, shape: Shape, passes: int = 1
) -> np.ndarray:
    """The shape's estimate from scatter about the new means and counts, both with the prior's pseudo-observations.

    ``moments`` are about the new means; the result has the form of ``params.covariances``. Shapes without a closed form improve on
    ``params.covariances``, pass by pass.
    """
    scatter, total = posterior_scatter(moments, params.covariances.shape, prior)
    new = params.covariances
    for _ in range(1 if shape.apart else passes):
        new = shape.estimate(scatter, total, new)
    return new


def posterior_scatter(moments: GaussianStats, form: tuple[int, ...], prior: GaussianPrior | None) -> tuple[np.ndarray, np.ndarray]:
    """Scatter about the pivot and counts behind each covariance, with the prior's: one over the other is the best covariance.

    Covariances have the form ``form``; counts are shaped to divide by. A variance that columns share has a count for each of them.
    """
    scatter, counts = moments.second, moments.counts
    assert scatter is not None
    d = moments.pivot.shape[1]
    if prior is not None and prior.mean_mass > 0 and prior.mean is not None:
        off = moments.pivot - prior.mean
        scatter = scatter + prior.mean_mass * products(off, off, scatter.shape)
        counts = counts + 1.0
    if form[0] == 1:
        scatter, counts = scatter.sum(axis=0, keepdims=True), counts.sum(keepdims=True)
    if prior is not None:
        counts = counts + prior.mass
        if scatter.ndim == 3:
            scatter = scatter + prior.matrix
        elif scatter.shape[1] == d:
            scatter = scatter + prior.diagonal
        else:
            scatter = scatter + prior.diagonal.sum()
    if len(form) == 2 and form[1] == 1:
        scatter = scatter.sum(axis=1, keepdims=True)
        counts = counts * d
    return scatter, counts.reshape((-1,) + (1,) * (len(form) - 1))


def first_covariances(
    moments: GaussianStats, whole: np.ndarray, spread: np.ndarray, prior: GaussianPrior | None, shape: Shape
) -> np.ndarray:
    """Covariances of a first partition, ``moments`` about its means; ``whole`` are those of all rows, ``spread`` (d,) the columns'.

    A part may hold a single row, or rows on a line: one row's worth of the columns' own variances is blended in.
    """
    if prior is not None:  # a constant column has the prior's
        spread = np.where(spread > 0, spread, prior.diagonal)
    blend = GaussianPrior(1.0, spread if spread.sum() > 0 else np.ones(len(spread)))
    return best_covariances(moments, GaussianParams(moments.pivot, whole), blend, shape, _PASSES)
