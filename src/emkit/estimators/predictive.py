"""What a regression with several answers predicts: for each row a mixture of normal distributions of the target."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.bayes import SLICE, draw_labels, log_sum_exp
from emkit.core.checks import count, level_of
from emkit.core.errors import ParameterError
from emkit.estimators.settings import make_rng

_LOG_2PI = float(np.log(2.0 * np.pi))
_STEPS = 200  # towards a quantile; halving alone comes to neighbouring numbers in fewer, unless they are next to 0
_CLOSE = 4.0 * float(np.finfo(np.float64).eps)  # a Newton step this small, beside the number, is the last


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

        Each lies between the smallest and the largest quantile of the cases: Newton's method within that interval, which is halved
        where a step would leave it or gains little (Press et al., Numerical Recipes, section 9.4).
        """
        from scipy.special import ndtri

        levels = np.atleast_1d(np.asarray(q, dtype=np.float64))
        if levels.ndim != 1 or not ((levels > 0) & (levels < 1)).all():
            raise ParameterError(f"q={q!r}: give probabilities between 0 and 1", parameter="q")
        each = self.means[:, None] + np.sqrt(self.variances)[:, None] * ndtri(levels)[:, None]
        used = self.weights[:, None] > 0
        low, high = np.where(used, each, np.inf).min(axis=2), np.where(used, each, -np.inf).max(axis=2)
        found, wide = high.copy(), np.flatnonzero((low < high).ravel())
        row, column = np.divmod(wide, len(levels))
        for i in range(0, len(wide), SLICE):
            part = slice(i, i + SLICE)
            some, cells = row[part], wide[part]
            sds = np.sqrt(self.variances[some])
            ends = levels[column[part]], low.flat[cells], high.flat[cells]
            found.flat[cells] = _crossing(self.weights[some], self.means[some], sds, *ends)
        return found if np.ndim(q) else found[:, 0]

    def interval(self, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Low and high ends, (n,) each, with half of what is left of ``level`` on either side."""
        rest = 0.5 * (1.0 - level_of(level))
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


def _crossing(
    weights: np.ndarray, means: np.ndarray, sds: np.ndarray, levels: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Where each mixture of K normal distributions, rows of (m, K), has its level (m,) below it: between ``low`` and ``high``."""
    out, left = high.copy(), np.arange(len(low))
    x, before, last = 0.5 * (low + high), high - low, high - low
    for _ in range(_STEPS):
        excess, slope = _excess(weights, means, sds, levels, x)
        enough = excess >= 0
        low, high = np.where(enough, low, x), np.where(enough, x, high)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = excess / slope
            newton = (x - step > low) & (x - step < high) & (np.abs(2.0 * step) <= np.abs(before))
        middle = 0.5 * (low + high)
        new = np.where(newton, x - step, middle)
        met = (np.abs(excess) <= _CLOSE * np.minimum(levels, 1.0 - levels)) & (slope > 0)  # as well as it can be told
        near = newton & (np.abs(step) <= _CLOSE * np.abs(x))
        done = met | near
        out[left[done]] = np.where(met, x, new)[done]
        jump = np.flatnonzero(~done & ((middle <= low) | (middle >= high)))
        out[left[jump]], done[jump] = _jump(*(a[jump] for a in (weights, means, sds, levels, low, high))), True
        before, last, x, go = last, new - x, new, ~done
        if not go.any():
            return out
        left, x, before, last, low, high, levels = (a[go] for a in (left, x, before, last, low, high, levels))
        weights, means, sds = weights[go], means[go], sds[go]
    out[left] = _jump(weights, means, sds, levels, low, high)
    return out


def _jump(
    weights: np.ndarray, means: np.ndarray, sds: np.ndarray, levels: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Where the level is reached in intervals that nothing is left of, (m,): at a case without variance, or else at their end."""
    if not len(low):
        return high
    within = (sds == 0) & (means >= low[:, None]) & (means <= high[:, None])
    point = np.where(within, means, high[:, None]).min(axis=1)
    return np.where(_excess(weights, means, sds, levels, point)[0] >= 0, point, high)


def _excess(
    weights: np.ndarray, means: np.ndarray, sds: np.ndarray, levels: np.ndarray, x: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How far the probability of at most ``x`` is above the level, (m,), by the tail that is smaller, and the density."""
    from scipy.special import ndtr

    sign = np.where(levels > 0.5, -1.0, 1.0)[:, None]
    away = x[:, None] - means
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        z = away / sds
        tail = np.where(sds > 0, ndtr(sign * z), np.where(sign > 0, away >= 0, away < 0))
        heights = np.where(sds > 0, np.exp(-0.5 * z * z) / sds, 0.0)
    wanted = np.where(levels > 0.5, 1.0 - levels, levels)
    return sign[:, 0] * ((weights * tail).sum(axis=1) - wanted), (weights * heights).sum(axis=1) / np.sqrt(2.0 * np.pi)
