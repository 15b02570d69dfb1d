"""What is known of columns that were measured with a known error: AutoClass's prior, and between which bounds a spread lies."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core import simplex
from emkit.core.block import Source
from emkit.core.checks import numbers
from emkit.core.errors import ParameterError
from emkit.core.parameters import Positive, Unit
from emkit.core.prior import Prior
from emkit.core.support import Positives


@dataclass(frozen=True)
class MeasuredPrior(Prior):
    """AutoClass's prior of a normal column: mean ~ N(``mean``, ``spread``^2), p(sigma) ~ 1 / sigma from ``low`` to ``high``.

    Parameters
    ----------
    mean, spread : arrays of shape (d,)
        Of the means of components.
    low, high : arrays of shape (d,)
        Smallest and largest standard deviation of a component.
    """

    mean: Any
    spread: Any
    low: Any
    high: Any

    def __post_init__(self) -> None:
        for name in ("mean", "spread", "low", "high"):
            value = numbers(getattr(self, name), f"MeasuredPrior {name}", finite=name != "spread", parameter="prior")
            object.__setattr__(self, name, np.atleast_1d(value))
        if len({np.shape(getattr(self, name)) for name in ("mean", "spread", "low", "high")}) > 1:
            raise ParameterError("MeasuredPrior: mean, spread, low and high need one number for each column", parameter="prior")
        if not ((self.spread > 0).all() and (self.low > 0).all() and (self.high > self.low).all()):
            raise ParameterError("MeasuredPrior: spread and low must be above 0, and high above low", parameter="prior")

    def log_density(self, value: np.ndarray) -> np.ndarray:
        """Means and variances have it together: see ``MeasuredNormal.log_priors``."""
        return np.zeros_like(value)

    def check(self, d: int) -> "MeasuredPrior":
        """Itself. Raises ParameterError if it is not about ``d`` columns."""
        if np.shape(self.mean) != (d,):
            raise ParameterError(f"the MeasuredPrior is about {len(self.mean)} columns, the data have {d}", parameter="prior")
        return self


_EDGE = 1e-10  # of the way between the bounds, on the log scale: what is as near to one as that is on it


class Within(Positive):
    """Numbers from ``low`` to ``high``, (d,) each, above 0. Coordinate: the log odds of the place between them on the log scale."""

    def __init__(self, low: np.ndarray, high: np.ndarray):
        self.least, self.most = low, high

    def _place(self, value: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(value / self.least) / np.log(self.most / self.least))

    def check(self, value: np.ndarray, name: str, parameter: str) -> np.ndarray:
        """Every given entry lies between the bounds."""
        bad = (value < self.least * (1.0 - 1e-9)) | (value > self.most * (1.0 + 1e-9))
        if bad.any():
            k, j = (int(v) for v in np.argwhere(bad)[0])
            raise ParameterError(
                f"{name} must be between {self.least[j]:g} and {self.most[j]:g}, as the error and the range of column "
                f"{j} tell, but holds {value[k, j]:g}",
                parameter=parameter,
            )
        return value

    def null(self, shape: tuple[int, ...]) -> np.ndarray:
        """Half-way on the log scale."""
        return np.broadcast_to(np.sqrt(self.least) * np.sqrt(self.most), shape).copy()

    def pack(self, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Each free entry's coordinate."""
        return Unit().forward(np.clip(self._place(value)[np.isnan(held)], _EDGE, 1.0 - _EDGE))

    def unpack(self, vector: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, int]:
        """Each free entry from its coordinate."""
        out, free = np.array(held, dtype=np.float64), np.isnan(held)
        used = int(free.sum())
        low, high = (np.broadcast_to(end, held.shape)[free] for end in (self.least, self.most))
        place, edge = Unit().backward(np.asarray(vector[:used])), _EDGE * (1.0 + 1e-6)
        out[free] = np.where(place <= edge, low, np.where(place >= 1.0 - edge, high, low * (high / low) ** place))
        return out, used

    def _rate(self, value: np.ndarray) -> np.ndarray:
        place = np.clip(self._place(value), 0.0, 1.0)
        return np.asarray(value * np.log(self.most / self.least) * place * (1.0 - place))

    def pull(self, gradient: np.ndarray, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Times the rate, for each free entry."""
        return np.asarray((gradient * self._rate(value))[np.isnan(held)])

    def pull_information(self, information: np.ndarray, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Times the squared rate; none at the bounds."""
        return simplex.counted((information * self._rate(value) ** 2)[np.isnan(held)])


class Above(Positives):
    """Numbers above a zero point."""

    def __init__(self, zero_point: float):
        self.zero_point = zero_point
        self.words = f"a number above {zero_point:g}"  # type: ignore[misc]
        self.signed = zero_point < 0  # type: ignore[misc]
        self.inside = zero_point + 1.0  # type: ignore[misc]

    def holds(self, x: np.ndarray) -> np.ndarray:
        """Above the zero point."""
        return np.asarray(x > self.zero_point)

    def suspect(self, source: Source) -> bool:
        """From the smallest cells."""
        return bool((source.summary.low <= self.zero_point).any())

    def embed(self, x: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Logarithms of the distance from the zero point; a missing cell sits at the column's mean."""
        return super().embed(np.asarray(x, dtype=np.float64) - self.zero_point, mean, variance)

    def draw(self, rng: np.random.Generator, n: int, d: int) -> np.ndarray:
        """Waiting times of two lengths."""
        return super().draw(rng, n, d) + self.zero_point
