"""Normal columns of which only rows between limits are ever seen."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from emkit.core.support import Support
from emkit.families.columnwise import Terms
from emkit.families.limits import interval, log_between, log_phi, times
from emkit.families.newton import climb
from emkit.families.spread import NormalColumns

_FAR = 100.0  # standard deviations of a column: how far a mean may lie from its average, and how wide a component may be


@dataclass(frozen=True)
class TruncatedNormal(NormalColumns):
    """Independent columns given the component: normal ones from which everything beyond the limits is left out.

    Density phi((x - mean) / s) / (s P), P the probability between the limits. A missing cell contributes nothing. Data that rise
    towards a limit, or are spread evenly, can push mean and variance to infinity: these end 100 standard deviations of the column
    away, and ``remarks`` says so.

    Parameters
    ----------
    lower, upper : float or None
        The limits.
    prior : "weak", GaussianPrior or None
        2/n pseudo-observations with the columns' variances as their quartiles tell them; see ``Gaussian``. None: none.
    fixed, start_values : mapping, optional
        "means" and "variances" (K, d), those of the normal distributions before anything is left out.
    """

    lower: Any = None
    upper: Any = None

    parameters = NormalColumns.parameters

    def __post_init__(self) -> None:
        interval(self.lower, self.upper)
        super().__post_init__()

    @classmethod
    def examples(cls) -> list[Self]:
        """Two limits; one; held means."""
        some = {"means": [[1.0, np.nan], [np.nan, 1.0]]}
        return [cls(lower=-3.0, upper=5.0), cls(None, upper=6.0), cls(lower=-4.0, fixed=some)]

    @property
    def support(self) -> Support:  # type: ignore[override]
        """From limit to limit."""
        return interval(self.lower, self.upper)

    def _ends(self, means: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The limits in standard deviations from the means; 1e30 of them where there is none, as good as infinity."""
        limits, nowhere = interval(self.lower, self.upper), np.full_like(means, 1e30)
        low = (limits.lower - means) / scale if self.lower is not None else -nowhere
        return low, (limits.upper - means) / scale if self.upper is not None else nowhere

    def cell(self, params: Any, x: np.ndarray) -> np.ndarray:
        """Log density."""
        scale = np.sqrt(params.variances)
        return log_phi((x - params.means) / scale) - np.log(scale) - log_between(*self._ends(params.means, scale))

    def terms(self, params: Any, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """Moments about the means."""
        off = x - params.means
        return np.ones_like(off), off, off * off

    def _value(self, stats: Terms, means: Any, variances: Any) -> np.ndarray:
        """Expected log density, (K, d), up to a constant; of complex numbers too."""
        assert stats.pivot is not None
        weight, first, second = stats.sums
        off, scale = means - stats.pivot, np.sqrt(variances)
        square = second - 2.0 * off * first + off * off * weight
        return np.asarray(
            -0.5 * (weight * np.log(variances) + square / variances) - weight * log_between(*self._ends(means, scale))
        )

    def m_step(self, stats: Terms, params: Any) -> Any:
        """By Newton's method, in units of the columns."""
        seen, (mass, squares) = self._resolved(), self.pseudo
        centre, unit = seen.mean, np.sqrt(np.where(seen.variance > 0, seen.variance, 1.0))

        def value(c: np.ndarray) -> np.ndarray:
            means, variances = centre + unit * c[0], unit**2 * np.exp(c[1])
            return self._value(stats, means, variances) - 0.5 * (mass * np.log(variances) + squares / variances)

        values = self.own(self.put_back(params))
        free = np.array([np.isnan(self.held(name, v.shape)) for name, v in values.items()])
        start = np.array([(values["means"] - centre) / unit, np.log(values["variances"] / unit**2)])
        most = np.array([_FAR, 2.0 * np.log(_FAR)])[:, None, None]
        found = climb(value, start, free, -most * [[[1.0]], [[np.inf]]], most)
        return self.Params(*np.where(free, [centre + unit * found[0], unit**2 * np.exp(found[1])], list(values.values())))

    def q(self, stats: Terms, params: Any) -> float:
        """The expected log density itself: nothing is hidden."""
        return float(self._value(stats, params.means, params.variances).sum())

    def gradient(self, stats: Terms, params: Any) -> dict[str, np.ndarray]:
        """With the prior's."""
        return self._gradient(stats, params.means, params.variances)

    def _gradient(self, stats: Terms, means: np.ndarray, variances: np.ndarray) -> dict[str, np.ndarray]:
        weight, first, square = stats.about(means).sums
        scale = np.sqrt(variances)
        a, b = self._ends(means, scale)
        whole = log_between(a, b)
        at_a, at_b = _densities(a, b, whole)
        slope, _ = self.spread_slope(weight, square, variances)
        return {
            "means": first / variances - weight * (at_a - at_b) / scale,
            "variances": slope - 0.5 * weight * (times(a, at_a) - times(b, at_b)) / variances,
        }

    def curvature(self, stats: Terms, params: Any) -> dict[str, np.ndarray]:
        """Minus the second derivatives, by differences; where these are not positive, those without limits."""
        plain, values, found = super().curvature(stats, params), self.own(params), {}
        for name in values:
            by = 1e-5 * np.sqrt(params.variances) if name == "means" else 1e-5 * params.variances
            up, down = (self._gradient(stats, **{**values, name: values[name] + s})[name] for s in (by, -by))
            bend = (down - up) / (2.0 * by)
            found[name] = np.where(bend > 0, bend, plain[name])
        return found

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One row for each entry of ``component``, by the inverse of the distribution function of the nearer tail."""
        from scipy.special import ndtr, ndtri

        means, scale = params.means[component], np.sqrt(params.variances[component])
        a, b = self._ends(means, scale)
        sign = np.where(a > 0, -1.0, 1.0)
        low, high = ndtr(np.where(a > 0, -b, a)), ndtr(np.where(a > 0, -a, b))
        limits = interval(self.lower, self.upper)
        return np.clip(means + scale * sign * ndtri(low + (high - low) * rng.random(a.shape)), limits.lower, limits.upper)

    def moments(self, params: Any) -> tuple[np.ndarray, np.ndarray]:
        """Of what is between the limits."""
        scale = np.sqrt(params.variances)
        a, b = self._ends(params.means, scale)
        whole = log_between(a, b)
        at_a, at_b = _densities(a, b, whole)
        first, second = at_a - at_b, 1.0 + times(a, at_a) - times(b, at_b)
        return params.means + scale * first, params.variances * np.maximum(second - first**2, 0.0)

    def cdf(self, params: Any, x: np.ndarray, *, upper: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """The normal one between the limits."""
        scale = np.sqrt(params.variances)
        a, b = (end[:, 0] for end in self._ends(params.means, scale))
        z = np.clip((x - params.means[:, 0]) / scale[:, 0], a, b)
        part = log_between(z, b) if upper else log_between(a, z)
        value = np.exp(part - log_between(a, b))
        return value, value

    def remarks(self, params: Any) -> list[str]:
        """Of means and variances that ended far away."""
        if self.seen is None:
            return []
        off = np.abs(params.means - self.seen.mean) >= 0.99 * _FAR * np.sqrt(self.seen.variance)
        wide = params.variances >= 0.99 * _FAR**2 * self.seen.variance
        return [
            f"the mean or variance of component {k}, column {j}, runs to infinity: what is between the limits does not bound it"
            for k, j in np.argwhere(off | wide).tolist()
        ]


def _densities(a: np.ndarray, b: np.ndarray, whole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """phi(a) and phi(b) over the probability between them, finite however far away that is."""
    return np.exp(np.minimum(log_phi(a) - whole, 300.0)), np.exp(np.minimum(log_phi(b) - whole, 300.0))
