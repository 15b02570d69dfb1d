"""What a regression with several answers predicts: for each row a mixture of normal distributions of the target."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.bayes import draw_labels, log_sum_exp
from emkit.core.checks import count
from emkit.core.errors import ParameterError
from emkit.estimators.settings import make_rng

_LOG_2PI = float(np.log(2.0 * np.pi))
_HALVINGS = 200  # of an interval that holds a quantile: until it is one number wide


def check_level(level: Any) -> float:
    """A probability strictly between 0 and 1. Raises ParameterError for anything else."""
    good = isinstance(level, int | float | np.number) and not isinstance(level, bool)
    if not (good and 0.0 < level < 1.0):
        raise ParameterError(f"level={level!r}: give a probability between 0 and 1", parameter="level")
    return float(level)


@dataclass(frozen=True)
class PredictiveDistribution:
    """The distribution of the target in each of n rows: normal in each of K cases.

    Attributes
    ----------
    weights : array of shape (n, K)
        Probabilities of the cases; those of a row add up to 1.
    means, variances : arrays of shape (n, K)
        Of the target in each case; a variance may be 0.

    Values of the target are given as (n,), one for each row, or (n, m), several; a single number is that value in every row.
    """

    weights: np.ndarray
    means: np.ndarray
    variances: np.ndarray

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def mean(self) -> np.ndarray:
        """Expected target, (n,)."""
        first = self.means[:, :1]  # cases that agree are exactly what they say
        return np.asarray(first[:, 0] + (self.weights * (self.means - first)).sum(axis=1))

    @property
    def variance(self) -> np.ndarray:
        """Within the cases, and between them, (n,)."""
        between = (self.means - self.mean[:, None]) ** 2
        return np.asarray((self.weights * (self.variances + between)).sum(axis=1))

    @property
    def std(self) -> np.ndarray:
        """Standard deviation, (n,)."""
        return np.asarray(np.sqrt(self.variance))

    def log_density(self, y: Any) -> np.ndarray:
        """Log density at values ``y`` of the target, in their shape."""
        values, shape = self._values(y)
        with np.errstate(divide="ignore", invalid="ignore"):
            away = np.where(values == self.means[:, None], 0.0, (values - self.means[:, None]) ** 2 / self.variances[:, None])
            logs = np.log(self.weights)[:, None] - 0.5 * (_LOG_2PI + np.log(self.variances)[:, None] + away)
        logs = np.where(np.isnan(logs), -np.inf, logs)
        return np.where((logs == np.inf).any(axis=2), np.inf, log_sum_exp(logs)).reshape(shape)

    def density(self, y: Any) -> np.ndarray:
        """Density at values ``y`` of the target, in their shape."""
        return np.asarray(np.exp(self.log_density(y)))

    def cdf(self, y: Any) -> np.ndarray:
        """Probability of at most ``y``, in its shape."""
        values, shape = self._values(y)
        return self._below(values[:, :, 0]).reshape(shape)

    def quantiles(self, q: Any) -> np.ndarray:
        """The values that the target is below with probability ``q``: (n,) for a number, (n, m) for m of them.

        Each lies between the smallest and the largest quantile of the cases; the interval is halved until it holds one number.
        """
        from scipy.special import ndtri

        levels = np.atleast_1d(np.asarray(q, dtype=np.float64))
        if levels.ndim != 1 or not ((levels > 0) & (levels < 1)).all():
            raise ParameterError(f"q={q!r}: give probabilities between 0 and 1", parameter="q")
        each = self.means[:, None] + np.sqrt(self.variances)[:, None] * ndtri(levels)[:, None]
        used = self.weights[:, None] > 0
        low, high = np.where(used, each, np.inf).min(axis=2), np.where(used, each, -np.inf).max(axis=2)
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            if ((middle <= low) | (middle >= high)).all():
                break
            enough = self._below(middle) >= levels
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        return high if np.ndim(q) else high[:, 0]

    def interval(self, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Low and high ends, (n,) each, with half of what is left of ``level`` on either side."""
        rest = 0.5 * (1.0 - check_level(level))
        found = self.quantiles([rest, 1.0 - rest])
        return found[:, 0], found[:, 1]

    def sample(self, n_samples: int = 1, random_state: Any = None) -> np.ndarray:
        """Random targets, (n, n_samples)."""
        many, rng = count(n_samples, "n_samples"), make_rng(random_state)
        labels = draw_labels(np.repeat(self.weights, many, axis=0), rng)
        rows = np.repeat(np.arange(len(self)), many)
        found = self.means[rows, labels] + np.sqrt(self.variances[rows, labels]) * rng.standard_normal(len(rows))
        return np.asarray(found.reshape(len(self), many))

    def _below(self, values: np.ndarray) -> np.ndarray:
        """Probability of at most each value, (n, m)."""
        from scipy.special import ndtr

        away, sd = values[:, :, None] - self.means[:, None], np.sqrt(self.variances)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            each = np.where(sd > 0, ndtr(away / sd), away >= 0)
        return np.asarray((self.weights[:, None] * each).sum(axis=2))

    def _values(self, y: Any) -> tuple[np.ndarray, tuple[int, ...]]:
        """Values (n, m, 1), and the shape of the answer."""
        array = np.asarray(y, dtype=np.float64)
        if array.ndim == 0:
            return np.full((len(self), 1, 1), array), (len(self),)
        if array.ndim > 2 or len(array) != len(self):
            raise ParameterError(f"y has shape {array.shape}: give a number, ({len(self)},), or ({len(self)}, m)", parameter="y")
        return array.reshape(len(self), -1, 1), array.shape
