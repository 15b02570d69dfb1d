"""Functions for ``Custom`` that the conformance kit tries: Rayleigh columns. They are dataclasses, so that files can hold them."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RayleighDensity:
    """Log density of independent Rayleigh columns, theta the logarithms of their scales; a missing cell contributes nothing."""

    def __call__(self, x: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """Log x - 2 log scale - x^2 / (2 scale^2), summed over the columns."""
        return np.nansum(np.log(x) - 2.0 * theta - 0.5 * (x * np.exp(-theta)) ** 2, axis=1)


@dataclass(frozen=True)
class RayleighFit:
    """The squared scale is half of the mean square."""

    def __call__(self, x: np.ndarray, weights: np.ndarray, theta: np.ndarray | None) -> np.ndarray:
        """The logarithm of the scale of each column."""
        seen = weights @ ~np.isnan(x)
        before = np.zeros(x.shape[1]) if theta is None else theta
        mean_square = weights @ np.nan_to_num(x) ** 2 / np.where(seen > 0, seen, 1.0)
        return np.where(seen > 0, 0.5 * np.log(np.where(seen > 0, 0.5 * mean_square, 1.0)), before)


@dataclass(frozen=True)
class RayleighSampler:
    """Rows of Rayleigh columns."""

    def __call__(self, theta: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
        """Drawn one column beside the other."""
        return rng.rayleigh(np.exp(theta), size=(n, len(theta)))
