"""Columns of numbers measured with a known error: normal, on their own scale or that of logarithms, and not narrower than it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from emkit.core.block import Source
from emkit.core.checks import number, numbers
from emkit.core.errors import DataError, ParameterError
from emkit.core.parameters import Domain, Parameter, Positive, Real
from emkit.core.prior import Prior
from emkit.core.records import Params
from emkit.core.support import Reals, Support
from emkit.families.columnwise import Columnwise, Terms
from emkit.families.measured_prior import Above, MeasuredPrior, Within

_LOG_2PI = float(np.log(2.0 * np.pi))
_SAFETY = 5.0  # errors of measurement: no component is narrower than that
_LEAST_ROWS = 2.1  # AutoClass's smallest class, by which the spread of the means' prior is at least that of so few such rows


@dataclass(frozen=True)
class MeasuredNormalParams(Params):
    """``means`` and ``variances`` (K, d)."""

    means: np.ndarray
    variances: np.ndarray


@dataclass(frozen=True)
class MeasuredNormal(Columnwise):
    """Independent columns of numbers that were measured with a known error: AutoClass's normal terms.

    Columns are normal given the component, or with ``log`` the logarithms of their distance from ``zero_point`` are; densities are
    those of the numbers as they are. A missing cell contributes nothing; see ``WithMissing``.

    The prior is AutoClass's: the mean of a component is N(m0, s0^2), m0 the column's mean, and p(sigma) ~ 1 / sigma from smin = 5
    errors to smax = half of the column's range, with s0 = max(smax, 5 smin / sqrt(2.1)). A component is never narrower than smin:
    what is closer than that cannot be told apart.

    Parameters
    ----------
    error : float or sequence of d floats
        How precisely the numbers were measured: in their own units, or with ``log`` as a part of the distance from ``zero_point``
        (0.01: to 1 per cent).
    log : bool
        Whether columns are normal on the log scale.
    zero_point : float
        With ``log``: what all numbers are above. Columns with different ones go into a ``PerColumn``.
    prior : "measured" or MeasuredPrior
        "measured": the above.
    fixed, start_values : mapping, optional
        "means" and "variances" (K, d), on the scale on which columns are normal.

    References
    ----------
    Cheeseman and Stutz (1996), Bayesian Classification (AutoClass): Theory and Results, in Advances in Knowledge Discovery and Data
    Mining; the constants are those of the program AutoClass C.
    """

    error: Any
    log: bool = False
    zero_point: float = 0.0
    prior: Any = "measured"

    Params = MeasuredNormalParams

    def __post_init__(self) -> None:
        error = numbers(self.error, "error", parameter="error")
        if error.ndim > 1 or not (error.size and (error > 0).all()):
            raise ParameterError(
                f"error={self.error!r}: give the error of measurement, above 0, one or one per column", parameter="error"
            )
        object.__setattr__(self, "error", error if error.ndim else float(error))
        number(self.zero_point, "zero_point", "the value that no number can be below", least=-np.inf)
        if not self.log and self.zero_point:
            raise ParameterError(f"zero_point={self.zero_point!r} is for log=True", parameter="zero_point")
        if not isinstance(self.prior, MeasuredPrior) and not (isinstance(self.prior, str) and self.prior == "measured"):
            raise ParameterError(f"prior={self.prior!r}: give 'measured' or a MeasuredPrior", parameter="prior")
        super().__post_init__()

    @classmethod
    def examples(cls) -> list[Self]:
        """As they are and on the log scale; one error for each column; partly fixed."""
        some = {"means": [[0.0, np.nan], [np.nan, 1.0]]}
        return [cls(0.05), cls(0.02, log=True), cls([0.1, 0.05], log=True, zero_point=-2.0), cls(0.05, fixed=some)]

    def column_words(self, d: int) -> list[str]:
        """As ``AutoClass`` calls them."""
        return ["log" if self.log else "normal"] * d

    # --- what the columns and the error tell --------------------------------------------------------------------------

    @property
    def parameters(self) -> tuple[Parameter, ...]:  # type: ignore[override]
        """Means, and variances between bounds once these are known."""
        known = self.prior if isinstance(self.prior, MeasuredPrior) else None
        domain: Domain = Positive() if known is None else Within(known.low**2, known.high**2)
        return Parameter("means", "K d", Real()), Parameter("variances", "K d", domain)

    @property
    def support(self) -> Support:  # type: ignore[override]
        """Any number, or those above the zero point."""
        return Above(self.zero_point) if self.log else Reals()

    def ready(self, source: Source, k: int) -> Self:
        """Makes the prior concrete. Raises DataError for a column whose range is not larger than ten errors."""
        d = source.n_features
        if np.shape(self.error) not in ((), (d,)):
            raise ParameterError(f"error has {np.size(self.error)} entries, there are {d} columns", parameter="error")
        if isinstance(self.prior, MeasuredPrior):
            return replace(self, prior=self.prior.check(d))
        error = self._error(d)
        with np.errstate(invalid="ignore"):
            extent = self._scaled(source.summary.high) - self._scaled(source.summary.low)
        narrow = np.flatnonzero(~(extent > 2.0 * _SAFETY * error))
        if len(narrow):
            j = int(narrow[0])
            scale = " of its logarithms" if self.log else ""
            raise DataError(
                f"{source.columns.called(j)} has a range{scale} of {extent[j]:g}, not more than ten errors of measurement "
                f"({2.0 * _SAFETY * error[j]:g}); drop the column, or give a smaller error",
                column=source.columns[j].name,
            )
        low, high = _SAFETY * error, 0.5 * extent
        spread = np.maximum(high, _SAFETY * low / np.sqrt(_LEAST_ROWS))
        return replace(self, prior=MeasuredPrior(self._centre(source), spread, low, high))

    def without_data(self, values: Mapping[str, Any], d: int) -> Self:
        """Without a prior that would take its scale from the data: every mean is as likely, and so are all wide spreads."""
        prior = self.prior
        if not isinstance(prior, MeasuredPrior):
            given = np.sqrt(numbers(values.get("variances", 1.0), "variances"))
            low = np.minimum(_SAFETY * self._error(d), given.min())
            prior = MeasuredPrior(np.zeros(d), np.full(d, np.inf), low, np.full(d, 1e3 * max(given.max(), low.max())))
        return replace(self, fixed={}, start_values={}, prior=prior)

    def _error(self, d: int) -> np.ndarray:
        """On the scale on which columns are normal, (d,)."""
        error = np.broadcast_to(np.asarray(self.error, dtype=np.float64), (d,))
        return np.log1p(error) if self.log else error.copy()

    def _scaled(self, x: Any) -> Any:
        return np.log(x - self.zero_point) if self.log else x

    def _centre(self, source: Source) -> np.ndarray:
        """Means of the columns on the scale on which they are normal, (d,)."""
        if not self.log:
            return np.array(source.summary.mean, dtype=np.float64)
        total, mass = np.zeros(source.n_features), np.zeros(source.n_features)
        for block in source:
            seen = ~np.isnan(np.asarray(block.x))
            y = np.log(np.where(seen, block.x, self.support.inside) - self.zero_point)
            weights = np.ones(block.n) if block.row_weights is None else np.asarray(block.row_weights, dtype=np.float64)
            total += weights @ np.where(seen, y, 0.0)
            mass += weights @ seen
        return total / np.where(mass > 0, mass, 1.0)

    @property
    def _known(self) -> MeasuredPrior:
        if not isinstance(self.prior, MeasuredPrior):
            raise ParameterError(f"this {type(self).__name__} is not resolved: call resolve(source, k) first (fit does)")
        return self.prior

    # --- the mathematics ----------------------------------------------------------------------------------------------

    def cell(self, params: Any, x: np.ndarray) -> np.ndarray:
        """The normal density; with ``log`` that of y = log(x - zero_point), over x - zero_point."""
        y = self._scaled(x)
        density = -0.5 * (_LOG_2PI + np.log(params.variances) + (y - params.means) ** 2 / params.variances)
        return np.asarray(density - y if self.log else density)

    def terms(self, params: Any, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """Moments about the means."""
        y = self._scaled(x) - params.means
        return np.ones_like(x), y, y * y

    def pivot(self, params: Any) -> np.ndarray:
        """The means."""
        return np.asarray(params.means)

    def guess(self, mean: np.ndarray, variance: np.ndarray) -> Any:
        """The distribution with these moments, within the bounds."""
        if self.log:
            mean = np.maximum(mean - self.zero_point, 1e-300)
            variance = np.log1p((np.sqrt(variance) / mean) ** 2)
            mean = np.log(mean) - 0.5 * variance
        return self.Params(mean, np.clip(variance, self._known.low**2, self._known.high**2))

    def best(self, stats: Terms, params: Any) -> Any:
        """The M-step; where nothing was counted, the prior's mode."""
        return self.m_step(stats, params)

    def m_step(self, stats: Terms, params: Any) -> Any:
        """The best mean given the variance, then the best variance given the mean: each raises the objective.

        With W rows of mean m and sum of squares S about the new mean: (W m / v + m0 / s0^2) / (W / v + 1 / s0^2), and S / (W + 1)
        within the bounds.
        """
        assert stats.pivot is not None
        prior, (weight, first, _) = self._known, stats.sums[:3]
        known, free = weight / params.variances, 1.0 / prior.spread**2
        total = known + free
        pull = first / params.variances + (prior.mean - stats.pivot) * free
        means = np.where(total > 0, stats.pivot + pull / np.where(total > 0, total, 1.0), params.means)
        held = self.held("means", means.shape)
        means = np.where(np.isnan(held), means, held)
        variances = np.maximum(stats.about(means).sums[2], 0.0) / (weight + 1.0)
        return self.Params(means, np.clip(variances, prior.low**2, prior.high**2))

    def q(self, stats: Terms, params: Any) -> float:
        """Of a normal distribution."""
        weight, _, square = stats.about(params.means).sums[:3]
        return float(-0.5 * (weight * np.log(params.variances) + square / params.variances).sum())

    def gradient(self, stats: Terms, params: Any) -> dict[str, np.ndarray]:
        """With the prior's."""
        weight, first, square = stats.about(params.means).sums[:3]
        prior, v = self._known, params.variances
        means = first / v - (params.means - prior.mean) / prior.spread**2
        return {"means": means, "variances": 0.5 * (square / v - (weight + 1.0)) / v}

    def curvature(self, stats: Terms, params: Any) -> dict[str, np.ndarray]:
        """Of so many rows, and the prior's."""
        weight, v = stats.sums[0], params.variances
        return {"means": weight / v + 1.0 / self._known.spread**2, "variances": 0.5 * (weight + 1.0) / v**2}

    def log_priors(self, params: Any) -> np.ndarray:
        """-(m - m0)^2 / (2 s0^2) - log sigma, summed over the columns, of what is free, (K,)."""
        prior = self._known
        of_means = -0.5 * ((params.means - prior.mean) / prior.spread) ** 2
        of_spreads = -0.5 * np.log(params.variances)
        free, of_free = (np.isnan(self.held(name, params.means.shape)) for name in ("means", "variances"))
        return np.asarray((np.where(free, of_means, 0.0) + np.where(of_free, of_spreads, 0.0)).sum(axis=1))

    def log_prior(self, params: Any) -> float:
        """Of all components."""
        return float(self.log_priors(params).sum())

    @property
    def priors(self) -> dict[str, Prior]:
        """Means' and variances' stands in ``log_priors``."""
        return {}

    def priors_in_words(self) -> list[str]:
        """As "AutoClass's prior"."""
        return ["AutoClass's prior of means and spreads"]

    # --- what follows -------------------------------------------------------------------------------------------------

    def normal_columns(self, params: Any) -> tuple[np.ndarray, np.ndarray] | None:
        """Of numbers as they are."""
        return None if self.log else (params.means, params.variances)

    def normal_stats(self, params: Any, counts: np.ndarray, mass: np.ndarray, first: np.ndarray, second: np.ndarray) -> Terms:
        """The same terms."""
        return Terms(mass, (mass, first, second), params.means)

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One row for each entry of ``component``."""
        y = rng.normal(params.means[component], np.sqrt(params.variances[component]))
        return self.zero_point + np.exp(y) if self.log else y

    def moments(self, params: Any) -> tuple[np.ndarray, np.ndarray]:
        """Of the numbers as they are."""
        if not self.log:
            return params.means, params.variances
        mean = np.exp(params.means + 0.5 * params.variances)
        return self.zero_point + mean, mean**2 * np.expm1(params.variances)

    def cdf(self, params: Any, x: np.ndarray, *, upper: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """The normal one."""
        from scipy.special import ndtr

        with np.errstate(divide="ignore"):
            y = np.log(np.maximum(x - self.zero_point, 0.0)) if self.log else x
        z = (y - params.means[:, 0]) / np.sqrt(params.variances[:, 0])
        value = ndtr(-z if upper else z)
        return value, value
