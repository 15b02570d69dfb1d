"""Closed-form marginal probabilities of complete data under conjugate priors, less their probability at given parameters.

Each function returns log integral p(data | theta) p(theta) dtheta - log p(data | theta_hat) from sufficient statistics, which may
be expected ones; what depends on the data alone cancels. Bernardo and Smith (1994), Bayesian Theory, appendix A.
"""

import numpy as np

from emkit.families.sums import logs_times

JEFFREYS = 0.5
"""The default concentration of every probability: Jeffreys' prior."""


def of_probabilities(
    counts: np.ndarray, probs: np.ndarray, concentration: np.ndarray | float, free: np.ndarray | None = None
) -> float:
    """Of counts (..., L) with Dirichlet priors, each last axis a distribution of its own; entries that are not ``free`` are 0."""
    from scipy.special import gammaln

    there = np.broadcast_to(True if free is None else free, counts.shape)
    a = np.broadcast_to(concentration, counts.shape)
    each = np.where(there, gammaln(a + counts) - gammaln(a), 0.0).sum(axis=-1)
    whole, n = np.where(there, a, 0.0).sum(axis=-1), np.where(there, counts, 0.0).sum(axis=-1)
    some = there.any(axis=-1)
    whole = np.where(some, whole, 1.0)
    return float((each + np.where(some, gammaln(whole) - gammaln(whole + n), 0.0)).sum() - logs_times(counts, probs).sum())


def of_rates(mass: np.ndarray, total: np.ndarray, rates: np.ndarray, shape: float, inverse_scale: np.ndarray | float) -> float:
    """Of ``total`` events in ``mass`` rows, with Gamma(shape, inverse_scale) priors of the rates."""
    from scipy.special import gammaln

    marginal = gammaln(shape + total) - gammaln(shape) + shape * np.log(inverse_scale)
    marginal = marginal - (shape + total) * np.log(inverse_scale + mass)
    return float((marginal - logs_times(total, rates) + mass * rates).sum())
