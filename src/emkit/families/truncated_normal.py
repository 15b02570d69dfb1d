"""Normal columns of which only rows between limits are ever seen."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from emkit.core.parameters import Parameter, Positive, Real
from emkit.core.support import Support
from emkit.families.columnwise import ExponentialFamily, Terms
from emkit.families.limits import interval, log_between, log_phi, times
from emkit.families.newton import climb

_FAR = 100.0  # standard deviations of a column: how far a mean may lie from its average, and how wide a component may be
_NOWHERE = 1e30  # standard deviations to a limit that there is not, as good as infinity
_LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True)
class TruncatedNormal(ExponentialFamily):
    """Independent columns given the component: normal ones from which everything beyond the limits is left out.

    Density phi((x - mean) / s) / (s P), P the probability between the limits. A missing cell contributes nothing. Data that rise
    towards a limit, or are spread evenly, can push mean and variance to infinity: these end 100 standard deviations of the column
    away, and ``remarks`` says so.

    Parameters
    ----------
    prior : "weak", PseudoRows or None
        See ``ExponentialFamily``: pseudo-rows, since what bounds a variance does not keep a tail from collapsing onto a limit.
    lower, upper : float or None
        The limits.
    fixed, start_values : mapping, optional
        "means" and "variances" (K, d), those of the normal distributions before anything is left out.
    """

    lower: Any = None
    upper: Any = None

    parameters = (Parameter("means", "K d", Real()), Parameter("variances", "K d", Positive()))

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

    def _ends(self, means: Any, scale: Any) -> tuple[Any, Any]:
        """The limits in standard deviations from the means."""
        limits, nowhere = interval(self.lower, self.upper), np.full_like(means, _NOWHERE)
        low = (limits.lower - means) / scale if self.lower is not None else -nowhere
        return low, (limits.upper - means) / scale if self.upper is not None else nowhere

    @property
    def _origin(self) -> float:
        """A limit, if there is one: measured from there, nothing cancels where the mean lies far beyond it."""
        return float(next((end for end in (self.lower, self.upper) if end is not None), 0.0))

    def terms(self, params: Any, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """What is above the origin, and its square."""
        off = x - self._origin
        return off, off * off

    def natural(self, params: Any) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """M / v and -1 / (2 v), m the mean above the origin; A = m^2 / (2 v) + log(2 pi v) / 2 + log P.

        Where the mean lies beyond a limit, at a standard deviations, log P = -a^2 / 2 + log(erfcx(a / sqrt 2) / 2) + ..., and the
        squares are taken away from each other before they are large.
        """
        from scipy.special import erfcx, wofz

        def scaled(z: Any) -> Any:  # erfcx of numbers on this side of 0; others are not used
            z = np.where(np.real(z) > 0, z, 1.0) / np.sqrt(2.0)
            return wofz(1j * z) if np.iscomplexobj(z) else erfcx(z)

        m, scale = params.means - self._origin, np.sqrt(params.variances)
        a, b = self._ends(params.means, scale)
        width = (b - a) if self.lower is None or self.upper is None else (self.upper - self.lower) / scale
        below, above = np.real(a) > 0, np.real(b) < 0  # where the mean is
        gap = width * (a + b)  # b^2 - a^2
        with np.errstate(over="ignore", invalid="ignore"):
            left = 1.0 - np.where(below, np.exp(-0.5 * np.where(below, gap, 1.0)) * scaled(b) / scaled(a), 0.0)
            right = 1.0 - np.where(above, np.exp(0.5 * np.where(above, gap, -1.0)) * scaled(-a) / scaled(-b), 0.0)
        inside = log_between(np.where(below, -1.0, a), np.where(above, 1.0, b)) + 0.5 * (m / scale) ** 2
        beyond = np.where(below, 0.5 * scaled(a) * left, 0.5 * scaled(-b) * right)
        start = 0.0 if self.lower is None else np.where(above, -0.5 * np.where(above, gap, 0.0), 0.0)  # from the other limit
        tail = np.log(np.where(below | above, beyond, 1.0)) + start
        whole = np.where(below | above, tail, inside) + 0.5 * (_LOG_2PI + np.log(params.variances))
        return (m / params.variances, -0.5 / params.variances), whole

    def m_step(self, stats: Terms, params: Any) -> Any:
        """By Newton's method, in units of the columns."""
        seen = self._resolved()
        centre, unit = seen.mean, np.sqrt(np.where(seen.variance > 0, seen.variance, 1.0))

        def value(c: np.ndarray) -> np.ndarray:
            return self._values(stats, self.Params(centre + unit * c[0], unit**2 * np.exp(c[1])))

        values = self.own(self.put_back(params))
        free = np.array([np.isnan(self.held(name, v.shape)) for name, v in values.items()])
        start = np.array([(values["means"] - centre) / unit, np.log(values["variances"] / unit**2)])
        most = np.array([_FAR, 2.0 * np.log(_FAR)])[:, None, None]
        found = climb(value, start, free, -most * [[[1.0]], [[np.inf]]], most)
        return self.Params(*np.where(free, [centre + unit * found[0], unit**2 * np.exp(found[1])], list(values.values())))

    def guess(self, mean: np.ndarray, variance: np.ndarray) -> Any:
        """As if nothing had been left out."""
        return self.Params(mean, variance)

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

    def own_away(self, params: Any) -> dict[str, np.ndarray]:
        """Means and variances that ended far away."""
        if self.seen is None:
            return {}
        off, most = params.means - self.seen.mean, 0.99 * _FAR
        found = {
            "means": np.sign(off) * (np.abs(off) >= most * np.sqrt(self.seen.variance)),
            "variances": 1.0 * (params.variances >= most**2 * self.seen.variance),
        }
        return {name: np.where(np.isnan(self.held(name, away.shape)), away, 0.0) for name, away in found.items()}

    def remarks(self, params: Any) -> list[str]:
        """Of means and variances that ended far away."""
        if self.seen is None:
            return []
        off, wide = (found != 0 for found in self.own_away(params).values())
        return [
            f"the mean or variance of component {k}, column {j}, runs to infinity: what is between the limits does not bound it"
            for k, j in np.argwhere(off | wide).tolist()
        ]


def _densities(a: np.ndarray, b: np.ndarray, whole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """phi(a) and phi(b) over the probability between them, finite however far away that is."""
    return np.exp(np.minimum(log_phi(a) - whole, 300.0)), np.exp(np.minimum(log_phi(b) - whole, 300.0))
