"""The expected log-likelihood of a Gaussian from its moments: its value, and with the prior its derivatives and its information.

With N rows and scatter M about the mean, behind a covariance S, it is - N/2 log|S| - tr(M S^-1)/2, whose derivative with
respect to S is S^-1 (M - N S) S^-1 / 2 (Magnus and Neudecker 1988, Matrix Differential Calculus, section 15.3). Nothing is
subtracted before it is whitened, so that no digits are lost to columns of different units.
"""

from dataclasses import replace

import numpy as np

from emkit.families.gaussian.m_step import posterior_scatter
from emkit.families.gaussian.params import GaussianParams, GaussianStats
from emkit.families.gaussian.prior import GaussianPrior
from emkit.families.gaussian.shapes import Shape


def value(stats: GaussianStats, params: GaussianParams) -> float:
    """Sum of counts log_norm - tr(scatter about the means S^-1) / 2."""
    if stats.second is None:  # covariances are fixed: second moments about the pivot are a constant
        form = params.covariances.shape
        stats = replace(stats, second=np.zeros(form if len(form) == 3 else (len(params.means), form[1])))
    moments = stats.about(params.means)
    assert moments.second is not None
    whitener, k = params.whitener, len(params.means)
    log_norm = np.broadcast_to(whitener.log_norm, (k,))
    inverse = whitener.precisions()
    if inverse.ndim == 2 and moments.second.shape[1] != inverse.shape[1]:  # spherical: the second moments are summed over columns
        inverse = inverse[:, :1]
    return float(stats.counts @ log_norm - 0.5 * np.sum(moments.second * inverse))


def gradient(stats: GaussianStats, params: GaussianParams, prior: GaussianPrior | None) -> dict[str, np.ndarray]:
    """With respect to means and covariances, the log prior included."""
    moments, whitener = stats.about(params.means), params.whitener
    pull = moments.first
    if prior is not None and prior.mean_mass > 0 and prior.mean is not None:
        pull = pull + prior.mean_mass * (prior.mean - params.means)
    inverse = whitener.precisions()
    means = inverse * pull if inverse.ndim == 2 else np.matmul(inverse, pull[:, :, None])[:, :, 0]
    if moments.second is None:
        return {"means": means, "covariances": np.zeros_like(params.covariances)}
    c = params.covariances
    scatter, rows = posterior_scatter(moments, c.shape, prior)
    if c.ndim == 2:
        return {"means": means, "covariances": 0.5 * (scatter / c - rows) / c}
    w = whitener.matrices
    assert w is not None
    turned = np.swapaxes(w, 1, 2)
    return {"means": means, "covariances": 0.5 * turned @ (w @ scatter @ turned - rows * np.eye(w.shape[-1])) @ w}


def curvature(stats: GaussianStats, params: GaussianParams, prior: GaussianPrior | None, shape: Shape) -> dict[str, np.ndarray]:
    """About means, counts / variance given the other columns; of covariances, what their domain wants.

    That is how many rows are behind them (``Covariance``), or which scatter (``DecomposedCovariance``).
    """
    counts, c = stats.counts, params.covariances
    moments = stats.about(params.means)
    if prior is not None and prior.mean_mass > 0:
        counts = counts + prior.mean_mass
    behind = np.zeros(1)
    if moments.second is not None:
        scatter, rows = posterior_scatter(moments, c.shape, prior)
        behind = rows if shape.apart else scatter
    return {"means": counts[:, None] * params.whitener.precisions_diagonal(), "covariances": np.broadcast_to(behind, c.shape)}
