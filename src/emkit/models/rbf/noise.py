"""Noise that differs from place to place: its logarithm is a weighted mean over the units that are near.

log s2(x) = a + sum_k share_k(x) u_k, with u ~ N(0, 1 / tau) and tau by the largest evidence (Laplace's approximation): where the
data show no difference, tau is large and the noise the same everywhere. Shares of wide units overlap, so that a mean of squared
residuals about each unit would blur the differences that this finds.
"""

import numpy as np

from emkit.models.rbf.features import Array

_PRECISIONS = (0.03, 0.3, 3.0, 30.0, 1e4)  # of u; the last is the same noise everywhere
_STEPS, _TOL = 50, 1e-9
_FAR = 3.0  # a log variance moves no farther in one step
_FLOOR = 1e-12  # of squares, in their mean


def local_noise(shares: Array, squares: Array, mass: Array) -> Array:
    """Log noise variance about each unit, (K,).

    Parameters
    ----------
    shares : array (n, K)
        Of the units in each row; rows add up to 1.
    squares : array (n,)
        Expected squared deviation of each row from its mean.
    mass : array (n,)
        Row weights.
    """
    total = float(mass.sum())
    level = float(mass @ squares) / total
    if not level > 0:
        return np.full(shares.shape[1], -np.inf)
    features = np.column_stack([np.ones(len(shares)), shares])
    information = 0.5 * (features * mass[:, None]).T @ features  # expected: the same wherever the noise is
    at = np.zeros(features.shape[1])
    best, found = -np.inf, at
    for precision in _PRECISIONS[::-1]:
        value, at, log_det = _most_probable(features, np.maximum(squares / level, _FLOOR), mass, information, precision, at)
        evidence = value + 0.5 * shares.shape[1] * np.log(precision) - 0.5 * log_det
        if evidence > best:
            best, found = evidence, at
    return np.asarray(np.log(level) + found[0] + found[1:])


def _most_probable(
    features: Array, squares: Array, mass: Array, information: Array, precision: float, start: Array
) -> tuple[float, Array, float]:
    """The log posterior at its top, where that is, and the log determinant of the information there: Fisher scoring, halved."""
    prior = np.r_[1e-9, np.full(features.shape[1] - 1, precision)]
    curvature = information + np.diag(prior)

    def value_at(theta: Array) -> float:
        log_noise = features @ theta
        return float(-0.5 * mass @ (log_noise + squares * np.exp(-log_noise)) - 0.5 * prior @ theta**2)

    at, value = start, value_at(start)
    for _ in range(_STEPS):
        slope = 0.5 * features.T @ (mass * (squares * np.exp(-(features @ at)) - 1.0)) - prior * at
        step = np.linalg.solve(curvature, slope)
        step *= min(1.0, _FAR / max(float(np.abs(step).max()), 1e-300))
        if float(slope @ step) < _TOL:
            break
        for _ in range(30):
            then = value_at(at + step)
            if then >= value:
                break
            step = 0.5 * step
        else:
            break
        at, value = at + step, then
    return value, at, float(np.linalg.slogdet(curvature)[1])
