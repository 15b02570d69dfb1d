"""Newton steps that cannot lower an objective of which only the slope and the curvature at one point are known.

An M-step sees additive statistics, not the rows, so it cannot try a step and look. What a step does can still be bounded. The log
partition functions of Poisson, binomial and multinomial regressions satisfy |f'''(t)| <= R f''(t) along a step, where R is the
largest change of any row's linear predictor (of a difference of two of them, where there are several classes): a third central
moment of what lies within R is at most R times the variance, and of a Poisson rate all derivatives are equal. Hence (Bach 2010,
Electronic J. Statistics 4, 384-414, Proposition 1)

    objective(t) - objective(0) >= t slope - curvature (exp(R t) - R t - 1) / R^2,

whose maximum in t lies above 0. R is known from the ranges of the columns.
"""

import numpy as np


def guarded_length(bend: np.ndarray, own: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """How much of each Newton step to take, above 0 and at most 1: where the bound on the gain is largest.

    Parameters
    ----------
    bend, own : arrays of shape (m,)
        Minus the second derivative along each whole step: of the log-likelihood, and of a quadratic log prior, for which no bound
        is needed. The slope along a Newton step is their sum.
    reach : array of shape (m,)
        R: the largest change of a linear predictor.

    Notes
    -----
    The slope of the bound is concave in the length and falls, so Newton's method from the right ends at its zero without crossing
    it. Near the optimum R is small and the length is nearly 1: convergence stays as fast as Newton's.
    """
    bend, own, reach = np.maximum(bend, 0.0), np.maximum(own, 0.0), np.maximum(reach, 1e-12)
    slope = bend + own
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        at = np.minimum(1.0, np.log1p(reach * slope / bend) / reach)
    at = np.where(bend > 0, at, 1.0)
    for _ in range(50):
        grown = np.expm1(at * reach)
        excess = slope - bend * grown / reach - at * own
        fall = bend * (grown + 1.0) + own
        step = excess / np.where(fall > 0, fall, 1.0)
        at = np.clip(at + step, 0.0, 1.0)
        if (np.abs(step) <= 1e-15).all():
            break
    return np.asarray(at)


def solved(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """``matrix``^-1 ``right`` for positive semidefinite matrices (..., p, p): by Cholesky where they are definite.

    Along directions in which a matrix says nothing, such as the coefficient of a constant column without a prior, the answer is 0:
    as the change of a parameter, that leaves it where it is.
    """
    scale = np.sqrt(np.maximum(np.einsum("...ii->...i", matrix), 0.0))
    scale = np.where(scale > 0, scale, 1.0)
    unit, by = matrix / scale[..., :, None] / scale[..., None, :], right / scale
    try:
        root = np.linalg.cholesky(unit)
        if (np.einsum("...ii->...i", root) > 1e-5).all():
            half = np.linalg.solve(root, by[..., None])
            return np.asarray(np.linalg.solve(np.swapaxes(root, -1, -2), half)[..., 0] / scale)
    except np.linalg.LinAlgError:
        pass
    values, axes = np.linalg.eigh(unit)
    told = values > 1e-11 * np.maximum(values[..., -1:], 1e-300)
    along = np.einsum("...ij,...i->...j", axes, by) * told / np.where(told, values, 1.0)
    return np.asarray(np.einsum("...ij,...j->...i", axes, along) / scale)
