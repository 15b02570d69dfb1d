"""Families of independent columns with a spread: their prior, and normal moments about the present means."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from emkit.core.parameters import Parameter, Positive, Real
from emkit.families.columnwise import Columnwise, Terms
from emkit.families.spread_prior import SpreadPrior


@dataclass(frozen=True)
class Spread(SpreadPrior, Columnwise):
    """Base of columns with a variance each, or a scale: see ``SpreadPrior`` for the prior."""

    power: ClassVar[float] = 1.0
    """Of the parameter of spread, that makes it a variance."""

    def log_priors(self, params: Any) -> np.ndarray:
        """Log density of the pseudo-observations, (K,); nothing for what is held."""
        value = getattr(params, self.spread_name)
        variance, (mass, scatter) = value**self.power, self.pseudo
        density = -0.5 * (mass * np.log(variance) + scatter / variance)
        return np.asarray(np.where(np.isnan(self.held(self.spread_name, value.shape)), density, 0.0).sum(axis=1))

    def spread_slope(self, mass: np.ndarray, scatter: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Derivative by the variance of what M-steps maximise, the prior's included, and the information about it."""
        more, square = self.pseudo
        slope = -0.5 * (mass + more) / variance + 0.5 * (scatter + square) / variance**2
        return slope, 0.5 * (mass + more) / variance**2

    def variances_left(self, params: Any) -> np.ndarray:
        """The variances."""
        return np.asarray(getattr(params, self.spread_name) ** self.power)

    def best(self, stats: Terms, params: Any) -> Any:
        """The M-step; what nothing tells of, as before. Raises CollapseError where the likelihood is unbounded."""
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            after = self.own(self.m_step(stats, params))
        before = self.own(params)
        new = self.made(params, {name: np.where(np.isnan(value), before[name], value) for name, value in after.items()}, {})
        self.refuse_collapse(new)
        return new


@dataclass(frozen=True)
class NormalColumns(Spread):
    """Base of columns that are normal once something hidden is known or undone: "means" (K, d) and "variances" (K, d).

    You implement ``support``, ``cell``, ``terms`` (weight, and first and second moment about the means) and ``sample``.
    """

    parameters = (Parameter("means", "K d", Real()), Parameter("variances", "K d", Positive()))

    def pivot(self, params: Any) -> np.ndarray:
        """The means."""
        return np.asarray(params.means)

    def guess(self, mean: np.ndarray, variance: np.ndarray) -> Any:
        """As given."""
        return self.Params(mean, variance)

    def m_step(self, stats: Terms, params: Any) -> Any:
        """The mean; the mean square about it, held means included, with the prior's pseudo-observations."""
        assert stats.pivot is not None
        means = stats.pivot + np.where(stats.sums[0] > 0, stats.sums[1] / stats.sums[0], 0.0)
        held = self.held("means", means.shape)
        means, (mass, scatter) = np.where(np.isnan(held), means, held), self.pseudo
        return self.Params(means, (stats.about(means).sums[2] + scatter) / (stats.sums[0] + mass))

    def q(self, stats: Terms, params: Any) -> float:
        """Of a normal distribution."""
        weight, _, square = stats.about(params.means).sums[:3]
        return float(-0.5 * (weight * np.log(params.variances) + square / params.variances).sum())

    def gradient(self, stats: Terms, params: Any) -> dict[str, np.ndarray]:
        """With the prior's."""
        weight, first, square = stats.about(params.means).sums[:3]
        return {"means": first / params.variances, "variances": self.spread_slope(weight, square, params.variances)[0]}

    def curvature(self, stats: Terms, params: Any) -> dict[str, np.ndarray]:
        """Of so many rows."""
        weight = stats.sums[0]
        return {"means": weight / params.variances, "variances": self.spread_slope(weight, weight, params.variances)[1]}
