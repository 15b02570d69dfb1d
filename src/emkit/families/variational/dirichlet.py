"""Dirichlet distributions over probability vectors, as posteriors of variational Bayes.

A vector of concentrations a, along the last axis, stands for the density proportional to prod p_j^(a_j - 1). A concentration of 0
is a structural zero: that p_j is 0, and stays so.
"""

import numpy as np
from scipy.special import digamma, gammaln, zeta

from emkit.core.checks import numbers
from emkit.core.errors import ParameterError
from emkit.core.parameters import Nonnegative


class Concentrations(Nonnegative):
    """Concentrations of Dirichlet distributions along the last axis; each vector is held whole, or is free.

    Coordinates: logarithms.
    """

    def check(self, value: np.ndarray, name: str, parameter: str) -> np.ndarray:
        """Not negative, and none of the vectors all zero."""
        value = super().check(value, name, parameter)
        gone = np.isnan(value)
        if (gone.any(axis=-1) & ~gone.all(axis=-1)).any():
            raise ParameterError(f"{name} holds some NaN; concentrations are held all together", parameter=parameter)
        if not (np.where(gone, 1.0, value).sum(axis=-1) > 0).all():
            raise ParameterError(f"{name}: some concentration of each distribution must be above 0", parameter=parameter)
        return value


def read_prior(value: object, default: np.ndarray, name: str) -> np.ndarray:
    """Concentrations of a prior as a user gave them: None for ``default``, a number, a vector for all, or as many as in it.

    Raises ParameterError for another shape, for negative numbers and for a distribution without any above 0.
    """
    if value is None:
        return default
    given, shape = numbers(value, name), default.shape
    if given.ndim > 1 and given.shape == tuple(n for n in shape if n != 1):
        given = given.reshape(shape)
    if given.shape not in ((), shape, shape[-1:]):
        raise ParameterError(f"{name} has shape {given.shape}; give one concentration, or an array {shape}", parameter=name)
    return Concentrations().check(np.broadcast_to(given, shape).copy(), name, name)


def refuse_other_zeros(value: np.ndarray, prior: np.ndarray, name: str) -> None:
    """Raise ParameterError where a concentration is 0 and its prior is not, or the other way round."""
    bad = np.isfinite(value) & ((value == 0) != (np.broadcast_to(prior, value.shape) == 0))
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ParameterError(
            f"{name} holds {value[at]:g} at {list(at)}, where its prior holds {np.broadcast_to(prior, value.shape)[at]:g}: "
            "a structural zero is one in both",
            parameter=name,
        )


def expected_logs(a: np.ndarray) -> np.ndarray:
    """E[log p_j] = digamma(a_j) - digamma(sum a); -inf for a structural zero (Bishop 2006, eq. B.21)."""
    with np.errstate(invalid="ignore"):
        return np.where(a > 0, digamma(np.where(a > 0, a, 1.0)) - digamma(a.sum(axis=-1, keepdims=True)), -np.inf)


def means(a: np.ndarray) -> np.ndarray:
    """E[p]."""
    return np.asarray(a / a.sum(axis=-1, keepdims=True))


def divergence(a: np.ndarray, prior: np.ndarray) -> float:
    """Kullback-Leibler divergences from the priors, added up over all vectors (Beal 2003, appendix A)."""
    prior = np.broadcast_to(prior, a.shape)
    used = a > 0
    terms = np.where(used, gammaln(np.where(used, prior, 1.0)) - gammaln(np.where(used, a, 1.0)), 0.0)
    terms += np.where(used, (a - prior) * np.where(used, expected_logs(a), 0.0), 0.0)
    return float(terms.sum() + np.sum(gammaln(a.sum(axis=-1)) - gammaln(prior.sum(axis=-1))))


def expectation(counts: np.ndarray, a: np.ndarray) -> float:
    """Sum of counts E[log p]; what was not counted adds nothing."""
    used = counts > 0
    return float(np.sum(counts[used] * expected_logs(a)[used]))


def slopes(target: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Derivatives of the lower bound, of which the best concentrations are ``target``: prior and counts added up.

    The bound is sum (target_j - a_j) E[log p_j] plus log-gamma terms, whose derivatives cancel but for those of E[log p].
    """
    left = np.where(a > 0, target - a, 0.0)
    return np.where(a > 0, _trigamma(a) * left - _trigamma(a.sum(axis=-1, keepdims=True)) * left.sum(axis=-1, keepdims=True), 0.0)


def curvature(a: np.ndarray) -> np.ndarray:
    """Minus the second derivatives of the lower bound where ``a`` is the best."""
    return np.where(a > 0, np.maximum(_trigamma(a) - _trigamma(a.sum(axis=-1, keepdims=True)), 0.0), 0.0)


def _trigamma(a: np.ndarray) -> np.ndarray:
    return np.asarray(zeta(2.0, np.where(a > 0, a, 1.0)))
