"""The marginal probability of complete normal data under the normal-inverse-Wishart prior: see ``emkit.families.marginals``."""

from dataclasses import dataclass

import numpy as np

from emkit.core.family import Seen
from emkit.families.gaussian.covariance_types import plain_name
from emkit.families.gaussian.params import GaussianParams, GaussianStats
from emkit.families.gaussian.prior import GaussianPrior

_MATRICES, _VARIANCES = ("full", "tied"), ("diag", "tied-diag", "spherical", "tied-spherical")


@dataclass(frozen=True)
class Conjugate:
    """S ~ InverseWishart(df, scale), or each variance ~ InverseGamma(df / 2, scale / 2); mean ~ Normal(mean, S / mean_mass)."""

    df: float
    scale: np.ndarray
    mean: np.ndarray
    mean_mass: float

    @classmethod
    def of(cls, prior: GaussianPrior | None, seen: Seen, k: int, covariance_type: str) -> "Conjugate":
        """The prior that was given, where it is proper; otherwise one of unit information.

        That has the mean of the columns, as if seen in one row; and, as Fraley and Raftery (2007) have it, df = d + 2 and the
        columns' variances over K^(2/d) as its scale.
        """
        d, kind = len(seen.mean), plain_name(covariance_type)
        matrix, pooled = kind in _MATRICES, kind.endswith("spherical")
        if prior is not None and prior.mean is not None and prior.mean_mass > 0:
            df = prior.mass - d - 1.0 if matrix else prior.mass * (d if pooled else 1) - 2.0
            scale = prior.matrix if matrix else np.array([prior.diagonal.sum()]) if pooled else prior.diagonal
            proper = np.linalg.eigvalsh(scale).min() > 0 if matrix else scale.min() > 0
            if df > (d - 1 if matrix else 0) and proper:
                return cls(df, scale, prior.mean, prior.mean_mass)
        variance = np.where(seen.variance > 0, seen.variance, 1.0) / k ** (2.0 / d)
        scale = np.diag(variance) if matrix else np.array([variance.mean()]) if pooled else variance
        return cls((d if matrix else 1) + 2.0, scale, seen.mean, 1.0)


def complete_marginal(
    stats: GaussianStats, params: GaussianParams, prior: GaussianPrior | None, seen: Seen, covariance_type: str
) -> float | None:
    """Less the log density at ``params``; None for a shape without a closed form."""
    kind, (k, d) = plain_name(covariance_type), params.means.shape
    if kind not in _MATRICES + _VARIANCES or stats.second is None:
        return None
    conjugate = Conjugate.of(prior, seen, k, covariance_type)
    n, about = stats.counts, stats.about(np.broadcast_to(conjugate.mean, (k, d)).copy())
    shrunk = about.first / np.sqrt(conjugate.mean_mass + n)[:, None]
    means = 0.5 * d * np.log(conjugate.mean_mass / (conjugate.mean_mass + n)).sum()
    shared = kind.startswith("tied")
    assert about.second is not None
    if kind in _MATRICES:
        cross = shrunk[:, :, None] * shrunk[:, None, :]
        more = about.second - (cross.sum(axis=0, keepdims=True) if shared else cross)
        rows = n.sum(keepdims=True) if shared else n
        spreads = _matrices(rows, more, conjugate)
    else:
        cross = shrunk**2
        more = about.second - (cross.sum(axis=1, keepdims=True) if kind.endswith("spherical") else cross)
        rows = np.repeat(n[:, None] * (d if kind.endswith("spherical") else 1), more.shape[1], axis=1)
        if shared:
            more, rows = more.sum(axis=0, keepdims=True), rows.sum(axis=0, keepdims=True)
        spreads = _variances(rows, more, conjugate)
    return float(means + spreads - _log_density(stats.about(params.means), params))


def _matrices(n: np.ndarray, more: np.ndarray, prior: Conjugate) -> float:
    """Log marginal of each scatter matrix, without what means add."""
    from scipy.special import multigammaln

    d, df = len(prior.mean), prior.df
    before, after = np.linalg.slogdet(prior.scale)[1], np.linalg.slogdet(prior.scale + more)[1]
    gammas = multigammaln(0.5 * (df + n), d) - multigammaln(0.5 * df, d)
    return float((gammas - 0.5 * n * d * np.log(np.pi) + 0.5 * df * before - 0.5 * (df + n) * after).sum())


def _variances(n: np.ndarray, more: np.ndarray, prior: Conjugate) -> float:
    """Log marginal of each sum of squares, from ``n`` numbers each, without what means add."""
    from scipy.special import gammaln

    a, b = 0.5 * prior.df, 0.5 * prior.scale
    after = a + 0.5 * n
    gain = gammaln(after) - gammaln(a) + a * np.log(b) - after * np.log(b + 0.5 * more)
    return float((gain - 0.5 * n * np.log(2.0 * np.pi)).sum())


def _log_density(stats: GaussianStats, params: GaussianParams) -> float:
    """Of the complete data at the parameters, whose means the moments are taken about."""
    k, d = params.means.shape
    covariances, n = params.covariances, stats.counts
    assert stats.second is not None
    if covariances.ndim == 3:
        logs = np.broadcast_to(np.linalg.slogdet(covariances)[1], (k,))
        squares = float(np.einsum("kij,kji->", np.linalg.inv(covariances), stats.second))
    else:
        logs = np.broadcast_to(np.log(covariances) * (d // covariances.shape[1]), (k, covariances.shape[1])).sum(axis=1)
        squares = float((stats.second / covariances).sum())
    return float(-0.5 * (n * (d * np.log(2.0 * np.pi) + logs)).sum() - 0.5 * squares)
