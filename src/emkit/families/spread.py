"""Families whose columns have a variance that could run to zero: their weak prior, and normal moments about the present means."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from emkit.core.block import Source
from emkit.core.errors import CollapseError, DataError, ParameterError
from emkit.core.parameters import Parameter, Positive, Real
from emkit.core.prior import Prior
from emkit.families.columnwise import Columnwise, Terms
from emkit.families.gaussian.prior import GaussianPrior, weak_prior

_COLLAPSED = 1e-12  # of a column's variance: without a prior, a component as narrow as that has collapsed onto a point


@dataclass(frozen=True)
class Spread(Columnwise):
    """Base of families with a parameter of spread: a variance, or a scale whose square is like one.

    Parameters
    ----------
    prior : "weak", GaussianPrior or None
        "weak": 2/n pseudo-observations with the columns' variances as their quartiles tell them, which keeps components from
        collapsing; the same as ``Gaussian``'s. None: maximum likelihood.
    fixed, start_values : mapping, optional
    """

    prior: Any = "weak"

    spread_name: ClassVar[str] = "variances"
    power: ClassVar[float] = 1.0
    """Of the parameter, that makes it a variance."""

    def __post_init__(self) -> None:
        good = self.prior is None or isinstance(self.prior, GaussianPrior) or (isinstance(self.prior, str) and self.prior == "weak")
        if not good:
            raise ParameterError(f"prior={self.prior!r}: give 'weak', None or a GaussianPrior", parameter="prior")
        super().__post_init__()

    @classmethod
    def examples(cls) -> list[Self]:
        """With the default prior and without."""
        return [cls(), cls(prior=None)]

    def spread_of(self, source: Source) -> np.ndarray:
        """The columns' own variances, robust, (d,)."""
        return self._resolved().spread

    def ready(self, source: Source, k: int) -> Self:
        """Makes the prior concrete. Raises DataError for a constant column, unless its spread is fixed or a prior is given."""
        if isinstance(self.prior, GaussianPrior):
            return replace(self, prior=self.prior.check(source.n_features))
        spread = self.spread_of(source)
        constant = np.flatnonzero(~(spread > 0))
        if len(constant) and self.spread_name not in self.fixed:
            name = source.columns.called(int(constant[0]))
            raise DataError(
                f"{name} is constant: its spread is zero, which no {type(self).__name__} can have; drop the column, fix the "
                f"{self.spread_name}, or give a GaussianPrior with a scale of its own",
                column=source.columns[int(constant[0])].name,
            )
        return self if self.prior is None else replace(self, prior=weak_prior(spread, source.total_weight))

    def without_data(self, values: Any, d: int) -> Self:
        """Without a prior that would take its scale from the data."""
        return replace(self, fixed={}, start_values={}, prior=self.prior if isinstance(self.prior, GaussianPrior) else None)

    @property
    def pseudo(self) -> tuple[float, np.ndarray | float]:
        """Pseudo-observations behind each variance, and their sum of squares (d,)."""
        if isinstance(self.prior, str):
            raise ParameterError(f"this {type(self).__name__} is not resolved: call resolve(source, k) first (fit does)")
        return (0.0, 0.0) if self.prior is None else (self.prior.mass, self.prior.diagonal)

    @property
    def priors(self) -> dict[str, Prior]:
        """The variances' stands in ``log_priors``."""
        return {}

    def log_priors(self, params: Any) -> np.ndarray:
        """Log density of the pseudo-observations, (K,); nothing for what is held."""
        value = getattr(params, self.spread_name)
        variance, (mass, scatter) = value**self.power, self.pseudo
        density = -0.5 * (mass * np.log(variance) + scatter / variance)
        return np.asarray(np.where(np.isnan(self.held(self.spread_name, value.shape)), density, 0.0).sum(axis=1))

    def log_prior(self, params: Any) -> float:
        """Of all components."""
        return float(self.log_priors(params).sum())

    def priors_in_words(self) -> list[str]:
        """Name and weight."""
        prior = self.prior if isinstance(self.prior, GaussianPrior) else None
        return [] if prior is None else [f"{prior.name} prior, {prior.mass:.3g} pseudo-observations"]

    def spread_slope(self, mass: np.ndarray, scatter: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Derivative by the variance of what M-steps maximise, the prior's included, and the information about it."""
        more, square = self.pseudo
        slope = -0.5 * (mass + more) / variance + 0.5 * (scatter + square) / variance**2
        return slope, 0.5 * (mass + more) / variance**2

    def refuse_collapse(self, params: Any) -> None:
        """Raise CollapseError where a spread has run to zero."""
        if self.prior is not None or self.seen is None:
            return
        variance = getattr(params, self.spread_name) ** self.power
        bad = ~(variance > _COLLAPSED * self._floor)
        if bad.any():
            raise CollapseError(
                f"component {int(np.argwhere(bad)[0][0])} has collapsed onto a value: the likelihood is unbounded there; "
                "use the default prior or fewer components"
            )

    @property
    def _floor(self) -> np.ndarray:
        """Variances of the columns, (d,), by which a collapse is told."""
        return self._resolved().spread

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
