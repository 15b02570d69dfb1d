"""Limits of columns, and normal distributions between them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.checks import numbers
from emkit.core.errors import ParameterError
from emkit.core.support import Support

_LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True)
class Interval(Support):
    """Numbers from ``lower`` to ``upper``, both included; infinite where there is no limit."""

    lower: float
    upper: float

    @property
    def words(self) -> str:  # type: ignore[override]
        """As "a number from 1 to 12"."""
        return f"a number from {self.lower:g} to {self.upper:g}"

    @property
    def signed(self) -> bool:  # type: ignore[override]
        """Whether some number below 0 is allowed."""
        return self.lower < 0

    @property
    def inside(self) -> float:  # type: ignore[override]
        """A number between the limits."""
        low, high = max(self.lower, min(0.0, self.upper) - 2.0), min(self.upper, max(0.0, self.lower) + 2.0)
        return 0.5 * (low + high)

    def holds(self, x: np.ndarray) -> np.ndarray:
        """From the one to the other."""
        return np.asarray((x >= self.lower) & (x <= self.upper))

    def draw(self, rng: np.random.Generator, n: int, d: int) -> np.ndarray:
        """Two clusters, cut off at the limits."""
        return np.clip(self.inside + rng.normal(size=(n, d)) + 3.0 * rng.integers(2, size=n)[:, None] - 1.5, self.lower, self.upper)


def interval(lower: Any, upper: Any) -> Interval:
    """From what a user gave, a number or None for each. Raises ParameterError."""
    ends = []
    for name, value, none in (("lower", lower, -np.inf), ("upper", upper, np.inf)):
        given = np.asarray(none) if value is None else numbers(value, name, parameter=name)
        if given.ndim:
            raise ParameterError(f"{name}={value!r}: give one number, or None", parameter=name)
        ends.append(float(given))
    if not ends[0] < ends[1]:
        raise ParameterError(f"lower={lower!r} must be below upper={upper!r}", parameter="lower")
    return Interval(*ends)


def hazard(z: np.ndarray) -> np.ndarray:
    """phi(z) / Phi(z), exact far below 0; 0 at both infinities."""
    from scipy.special import log_ndtr

    there = np.where(np.isfinite(z), z, 0.0)
    return np.asarray(np.where(np.isfinite(z), np.exp(log_phi(there) - log_ndtr(there)), 0.0))


def log_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """log(Phi(b) - Phi(a)), for a < b, without cancellation in the tails; takes complex numbers too."""
    from scipy.special import log_ndtr

    flip = np.real(a) > 0
    low, high = np.where(flip, -b, a), np.where(flip, -a, b)
    whole, less = log_ndtr(high), log_ndtr(low)
    with np.errstate(divide="ignore"):
        return np.asarray(whole + np.log(-np.expm1(less - whole)))


def log_phi(z: np.ndarray) -> np.ndarray:
    """Log density of the standard normal distribution; -inf at infinity."""
    return np.asarray(-0.5 * (z * z + _LOG_2PI))


def times(z: np.ndarray, density: np.ndarray) -> np.ndarray:
    """Z times a density, which is 0 where z is infinite."""
    return np.asarray(np.where(np.isfinite(z), z, 0.0) * density)
