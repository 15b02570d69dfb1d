"""Statistics that several families share: the weight of the observed cells, and their weighted sum."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.records import Stats
from emkit.core.simplex import TINY


@dataclass(frozen=True)
class Sums(Stats):
    """``mass`` (K, d): expected rows with the cell observed; ``total`` (K, d): expected sum of their values."""

    mass: np.ndarray
    total: np.ndarray

    @classmethod
    def of(cls, x: Any, resp: Any) -> "Sums":
        """Of rows (n, d), NaN where missing, with responsibilities (n, K)."""
        x = np.asarray(x, dtype=np.float64)
        seen = ~np.isnan(x)
        r = np.asarray(resp).T
        return cls(r @ seen, r @ np.where(seen, x, 0.0))


def logs_times(count: Any, value: Any) -> np.ndarray:
    """Count * log(value), which is 0 where the count is 0, whatever the value."""
    from scipy.special import xlogy

    return np.asarray(xlogy(count, value))


def ratio(count: Any, value: Any) -> np.ndarray:
    """Count / value, where a value of 0 stands for 1e-300: times the value it is the count, or 0."""
    return np.asarray(count / np.maximum(value, TINY))


def sum_if_known(values: Iterable[float | None]) -> float | None:
    """Their sum; None if one of them is."""
    each = list(values)
    known = [value for value in each if value is not None]
    return sum(known) if len(known) == len(each) else None
