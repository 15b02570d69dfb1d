"""Standardised columns: their units, and a line's coefficients in these and in the user's."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from emkit.core.summary import ColumnSummary


@dataclass(frozen=True)
class StandardUnits:
    """Where columns are centred, what they are divided by, and how far they then reach.

    Attributes
    ----------
    centre, scale : arrays of shape (q,)
        Means and standard deviations of the covariates; a constant one has scale 1.
    low, high : arrays of shape (q,)
        Ranges of the standardised covariates.
    """

    centre: np.ndarray
    scale: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def empty(cls, q: int) -> Self:
        """Where there are no data."""
        return cls(np.zeros(q), np.ones(q), np.zeros(q), np.zeros(q))

    def standard(self, intercepts: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """Coefficients of [1, (x - centre) / scale], (K, 1 + q), from those of [1, x]."""
        return np.concatenate([(intercepts + coefficients @ self.centre)[:, None], coefficients * self.scale], axis=1)

    def plain(self, standard: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The inverse: intercepts (K,) and coefficients (K, q)."""
        coefficients = standard[:, 1:] / self.scale
        return standard[:, 0] - coefficients @ self.centre, coefficients


def standard_units(summary: ColumnSummary, q: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Means and sds of the first ``q`` columns, 1 for a constant one, and ranges of the standardised columns, (q,) each."""
    centre, variance = np.nan_to_num(summary.mean[:q]), np.nan_to_num(summary.variance[:q])
    told = variance > (1e-10 * centre) ** 2
    scale = np.sqrt(np.where(told, variance, 1.0))
    low, high = ((np.where(told, end[:q], centre) - centre) / scale for end in (summary.low, summary.high))
    return centre, scale, low, high
