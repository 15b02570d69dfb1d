"""Priors of Gaussian means and covariances, all of one form: pseudo-observations."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.errors import ParameterError
from emkit.core.prior import Prior
from emkit.families.gaussian.params import GaussianParams

_LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True)
class GaussianPrior(Prior):
    """What every prior of a Gaussian comes down to. For each distinct covariance S and each mean m_k it adds to the objective

        - mass/2 log|S| - 1/2 tr(scatter S^-1)
        - 1/2 log|S_k| - mean_mass/2 (m_k - mean)^T S_k^-1 (m_k - mean)      (second line only where mean_mass > 0)

    Restricted covariances (diagonal, spherical, tied) get the same density restricted to them.

    Parameters
    ----------
    mass : float
        Pseudo-observations behind the scatter.
    scatter : array of shape (d, d), or (d,) for a diagonal one
        Their sum of squares and products.
    mean : array of shape (d,), optional
    mean_mass : float
        Pseudo-observations behind the mean; 0 leaves means free.
    """

    mass: float
    scatter: np.ndarray
    mean: np.ndarray | None = None
    mean_mass: float = 0.0
    name: str = "given"

    @property
    def matrix(self) -> np.ndarray:
        """The scatter as a matrix."""
        return np.diag(self.scatter) if self.scatter.ndim == 1 else self.scatter

    @property
    def diagonal(self) -> np.ndarray:
        """Its diagonal, (d,)."""
        return self.scatter if self.scatter.ndim == 1 else np.diag(self.scatter)

    def beside(self, scatter: np.ndarray, name: str) -> "GaussianPrior":
        """The same with a further diagonal scatter (d,), under another name."""
        both = self.scatter + (scatter if self.scatter.ndim == 1 else np.diag(scatter))
        return GaussianPrior(self.mass, both, self.mean, self.mean_mass, name)

    def check(self, d: int) -> "GaussianPrior":
        """Itself. Raises ParameterError if it is not about ``d`` columns."""
        if self.scatter.shape not in ((d,), (d, d)):
            raise ParameterError(f"prior scatter has shape {self.scatter.shape}, expected ({d}, {d})", parameter="prior")
        return self

    def densities(self, params: GaussianParams, means_free: bool, covariances_free: bool) -> tuple[np.ndarray, np.ndarray]:
        """Log densities, up to a constant, of each distinct covariance and of each mean, (K,); zeros for what is not free."""
        whitener = params.whitener
        k, d = params.means.shape
        half_log_det = np.broadcast_to(-whitener.log_norm - 0.5 * d * _LOG_2PI, (k,))
        distinct = half_log_det[: len(params.covariances)]
        spreads, means = np.zeros(len(distinct)), np.zeros(k)
        if covariances_free:
            spreads = -(self.mass * distinct + 0.5 * whitener.trace_of(self.scatter))
        if self.mean_mass > 0 and self.mean is not None:
            if covariances_free:
                means = means - half_log_det
            if covariances_free or means_free:
                means = means - 0.5 * self.mean_mass * whitener.squared_norm(params.means - self.mean)
        return spreads, means

    def log_density(self, value: np.ndarray) -> np.ndarray:
        """Means and covariances have it together: see ``Gaussian.log_prior``."""
        return np.zeros_like(value)


@dataclass(frozen=True)
class NormalInverseWishart(Prior):
    """The conjugate prior: S ~ InverseWishart(df, scale), mean ~ Normal(mean, S / mean_mass).

    Fraley and Raftery (2007), J. Classification 24, 155-181, recommend mean_mass=0.01, df=d+2 and scale = the data's covariance
    divided by K^(2/d) for clustering.

    Parameters
    ----------
    df : float
        Degrees of freedom, > d - 1.
    scale : float, array of shape (d,) or (d, d)
        Scale matrix; a number or a vector stands for a diagonal one. In squared units of the columns.
    mean : array of shape (d,), optional
        Default: the columns' means.
    mean_mass : float
        Pseudo-observations behind the mean; 0 for a flat prior on means.
    """

    df: float
    scale: Any
    mean: Any = None
    mean_mass: float = 0.0

    def resolve(self, column_mean: np.ndarray) -> GaussianPrior:
        """As pseudo-observations. Raises ParameterError if the settings do not fit the number of columns."""
        d = len(column_mean)
        scale = np.asarray(self.scale, dtype=np.float64)
        if scale.ndim < 2:
            scale = np.diag(np.broadcast_to(scale, (d,)))
        if scale.shape != (d, d) or not np.allclose(scale, scale.T) or np.linalg.eigvalsh(scale).min() <= 0:
            raise ParameterError(f"prior scale must be a positive-definite ({d}, {d}) matrix (or d or one positive numbers)")
        if not self.df > d - 1:
            raise ParameterError(f"prior df={self.df} must exceed d - 1 = {d - 1}")
        if not self.mean_mass >= 0:
            raise ParameterError(f"prior mean_mass={self.mean_mass} must not be negative")
        mean = column_mean if self.mean is None else np.asarray(self.mean, dtype=np.float64)
        if mean.shape != (d,):
            raise ParameterError(f"prior mean has shape {mean.shape}, expected ({d},)")
        return GaussianPrior(self.df + d + 1.0, scale, mean, float(self.mean_mass), "normal-inverse-Wishart")

    def log_density(self, value: np.ndarray) -> np.ndarray:
        """As a ``GaussianPrior``, once it is resolved."""
        return np.zeros_like(value)


def weak_prior(column_spread: np.ndarray, total_weight: float) -> GaussianPrior:
    """The default: 2/n pseudo-observations with robust variances of the columns (d,), for n rows.

    The penalty - a_n (tr(V S^-1) + log|S|) with a_n = 1/n of Chen and Tan (2009), J. Multivariate Analysis 100, 1367-1383, who
    prove that it makes maximum likelihood of normal mixtures consistent; V is here diagonal, with the
    columns' variances as their quartiles tell them, which an outlier cannot inflate. It does not
    depend on the columns' scales, vanishes as data accumulate, and bounds the objective, so that no component can collapse.
    """
    strength = 2.0 / max(total_weight, 1.0)
    return GaussianPrior(strength, strength * column_spread, None, 0.0, "weak")
