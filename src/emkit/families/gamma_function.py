"""Differences of the gamma function and its derivatives, without the cancellation of large arguments."""

from typing import Any

import numpy as np

_LARGE = 30.0  # from here on the asymptotic series (Abramowitz and Stegun 6.1.41, 6.3.18, 6.4.12) are exact to the last digits


def log_minus_digamma(z: np.ndarray) -> np.ndarray:
    """The log of z less digamma(z), for z > 0."""
    from scipy.special import digamma

    y = np.maximum(z, _LARGE) ** -1.0
    series = y * (0.5 + y * (1.0 / 12.0 - y * y * (1.0 / 120.0 - y * y / 252.0)))
    return np.asarray(np.where(z > _LARGE, series, np.log(z) - digamma(z)))


def trigamma_minus_inverse(z: np.ndarray) -> np.ndarray:
    """trigamma(z) - 1/z, for z > 0: minus the derivative of ``log_minus_digamma``."""
    from scipy.special import polygamma

    y = np.maximum(z, _LARGE) ** -1.0
    series = y * y * (0.5 + y * (1.0 / 6.0 - y * y * (1.0 / 30.0 - y * y / 42.0)))
    return np.asarray(np.where(z > _LARGE, series, polygamma(1, z) - 1.0 / z))


def stirling_rest(z: np.ndarray) -> np.ndarray:
    """The rest of Stirling's formula, log gamma(z) - (z - 1/2) log z + z - log(2 pi) / 2, for z > 0."""
    from scipy.special import gammaln

    y = np.maximum(z, _LARGE) ** -1.0
    series = y * (1.0 / 12.0 - y * y * (1.0 / 360.0 - y * y / 1260.0))
    return np.asarray(np.where(z > _LARGE, series, gammaln(z) - (z - 0.5) * np.log(z) + z - 0.5 * np.log(2.0 * np.pi)))


def log_gamma_step(z: np.ndarray, by: np.ndarray | float) -> np.ndarray:
    """What z + by has above z: log gamma(z + by) - log gamma(z), for by >= 0, exact also where z is far larger."""
    return np.asarray((z - 0.5) * np.log1p(by / z) + by * np.log(z + by) - by + stirling_rest(z + by) - stirling_rest(z))


def shape_value(shape: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """What ``gamma_shape`` maximises, shape (log shape - gap - 1) - log gamma(shape), up to a constant; nothing cancels."""
    return np.asarray(0.5 * np.log(shape) - stirling_rest(shape) - shape * gap)


def gamma_shape(gap: np.ndarray, low: Any, high: Any) -> np.ndarray:
    """The best shape s for gamma distributed values whose log mean exceeds their mean log by ``gap``: log s - digamma(s) = gap.

    It lies within ``low`` and ``high``, where it ends if there is none. Newton steps of 1/s: Minka (2002), Estimating a gamma
    distribution.
    """
    gap = np.maximum(np.asarray(gap, dtype=np.float64), 1e-300)
    shape = np.clip((3.0 - gap + np.sqrt((gap - 3.0) ** 2 + 24.0 * gap)) / (12.0 * gap), low, high)
    for _ in range(30):
        inverse = 1.0 / shape + (gap - log_minus_digamma(shape)) / (shape**2 * trigamma_minus_inverse(shape))
        new = np.clip(1.0 / np.maximum(inverse, 1e-300), np.maximum(low, 0.2 * shape), np.minimum(high, 5.0 * shape))
        done = np.abs(new - shape) <= 1e-14 * shape
        shape = new
        if done.all():
            break
    return np.asarray(shape)
