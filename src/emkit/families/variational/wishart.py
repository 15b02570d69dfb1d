"""Wishart and gamma distributions of precisions, as posteriors of variational Bayes, for four shapes of covariance.

With ``dof`` n and ``scale`` S, the expected precision is n S^-1, and every row of data adds 1 to n and its square to S:

- full, tied: Wishart(n, S^-1) over matrices (Bishop 2006, section 10.2.1);
- diag: a Gamma(n / 2, S_j / 2) for each column;
- spherical: a Gamma(d n / 2, d S / 2), since each of the d columns of a row tells of the one variance.

What differs between them is a function of n alone, ``psi``, and its antiderivative.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, gammaln, zeta

from emkit.families.gaussian.shapes import Shape, Whitener, whiten

_LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True)
class Precisions:
    """The functions of ``dof`` (K or 1,) for one shape of covariance over ``d`` columns."""

    shape: Shape
    d: int

    @property
    def least(self) -> float:
        """What ``dof`` must exceed."""
        return self.d - 1.0 if self.shape.matrix else 0.0

    def _halves(self, dof: np.ndarray) -> tuple[np.ndarray, float]:
        """Arguments of the gamma functions, (K or 1, terms), and how often each counts."""
        if self.shape.matrix:
            return 0.5 * (dof[:, None] - np.arange(self.d)), 1.0
        return (0.5 * self.d * dof[:, None], 1.0) if self.shape.pooled else (0.5 * dof[:, None], float(self.d))

    def psi(self, dof: np.ndarray) -> np.ndarray:
        """E[log|precision|] + log|S / 2|; for the pooled variance + d log(d S / 2)."""
        halves, times = self._halves(dof)
        per = self.d if self.shape.pooled else 1.0
        return np.asarray(times * per * digamma(halves).sum(axis=1))

    def psi_slope(self, dof: np.ndarray) -> np.ndarray:
        """Derivative of ``psi``."""
        halves, times = self._halves(dof)
        per = self.d if self.shape.pooled else 1.0
        return np.asarray(0.5 * times * per**2 * zeta(2.0, halves).sum(axis=1))

    def log_gamma(self, dof: np.ndarray) -> np.ndarray:
        """Half the integral of ``psi``."""
        halves, times = self._halves(dof)
        return np.asarray(times * gammaln(halves).sum(axis=1))

    def shortfall(self, dof: np.ndarray) -> np.ndarray:
        """E[log|precision|] less the logarithm of the determinant of the expected precision: never above 0."""
        per = np.log(self.d) if self.shape.pooled else 0.0
        return np.asarray(self.psi(dof) - self.d * (np.log(0.5 * dof) + per))

    def log_det(self, scale: np.ndarray) -> np.ndarray:
        """log|S|, (K or 1,)."""
        return log_det(whiten(scale, self.d), self.d)

    def divergence(self, dof: np.ndarray, scale: np.ndarray, dof_prior: np.ndarray, scale_prior: np.ndarray) -> np.ndarray:
        """Kullback-Leibler divergence of each posterior from its prior, (K or 1,): Penny (2001), Wishart and gamma densities."""
        whitener = whiten(scale, self.d)
        inverse = whitener.precisions()
        trace = (scale_prior * inverse).sum(axis=tuple(range(1, scale.ndim))) * (self.d if self.shape.pooled else 1)
        logs = log_det(whitener, self.d) - self.log_det(scale_prior)
        gammas = self.log_gamma(dof_prior) - self.log_gamma(dof)
        return np.asarray(0.5 * (dof - dof_prior) * self.psi(dof) + gammas + 0.5 * dof_prior * logs + 0.5 * dof * (trace - self.d))


def log_det(whitener: Whitener, d: int) -> np.ndarray:
    """Logarithms of the determinants of what was factored."""
    return np.asarray(-2.0 * whitener.log_norm - d * _LOG_2PI)
