"""Normal columns that are measured between limits: beyond, only the limit is recorded."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from emkit.core.support import Support
from emkit.families.limits import hazard, interval, log_phi, times
from emkit.families.spread import NormalColumns


@dataclass(frozen=True)
class CensoredNormal(NormalColumns):
    """Independent normal columns given the component, of which a cell at a limit says only that it lies there or beyond.

    The log density of a cell between the limits is the normal one; at a limit it is the log probability of what lies beyond. A
    missing cell contributes nothing.

    Parameters
    ----------
    lower, upper : float or None
        Limits of detection and of saturation.
    prior : "weak", GaussianPrior or None
        2/n pseudo-observations with the columns' variances as their quartiles tell them; see ``Gaussian``. None: none.
    fixed, start_values : mapping, optional
        "means" and "variances" (K, d), those of the normal distributions before anything is cut off.

    References
    ----------
    Dempster, Laird and Rubin (1977), JRSS B 39, 1-38, section 4.2.
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
        some = {"means": [[0.0, np.nan], [np.nan, 1.0]]}
        return [cls(lower=-2.0, upper=3.0), cls(None, upper=3.0), cls(lower=-1.0, fixed=some)]

    @property
    def support(self) -> Support:  # type: ignore[override]
        """From limit to limit."""
        return interval(self.lower, self.upper)

    def _ends(self, params: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Standard deviations, and the limits in units of these, (K, d) each."""
        limits, scale = interval(self.lower, self.upper), np.sqrt(params.variances)
        return scale, (limits.lower - params.means) / scale, (limits.upper - params.means) / scale

    def cell(self, params: Any, x: np.ndarray) -> np.ndarray:
        """Log density between the limits, log probability at them."""
        from scipy.special import log_ndtr

        limits, (scale, a, b) = interval(self.lower, self.upper), self._ends(params)
        between = log_phi((x - params.means) / scale) - np.log(scale)
        return np.where(x <= limits.lower, log_ndtr(a), np.where(x >= limits.upper, log_ndtr(-b), between))

    def terms(self, params: Any, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """Moments about the means; of what lies beyond a limit those of a normal distribution's tail."""
        limits, (scale, a, b) = interval(self.lower, self.upper), self._ends(params)
        off = (x - params.means) / scale
        below, above = hazard(a), hazard(-b)
        first = np.where(x <= limits.lower, -below, np.where(x >= limits.upper, above, off))
        second = np.where(x <= limits.lower, 1.0 - times(a, below), np.where(x >= limits.upper, 1.0 + times(b, above), off * off))
        return np.ones_like(x), scale * first, params.variances * second

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One row for each entry of ``component``, with what lies beyond a limit at it."""
        limits = interval(self.lower, self.upper)
        drawn = rng.normal(params.means[component], np.sqrt(params.variances[component]))
        return np.clip(drawn, limits.lower, limits.upper)

    def moments(self, params: Any) -> tuple[np.ndarray, np.ndarray]:
        """Of the column as it is recorded: what lies beyond a limit counts as the limit."""
        from scipy.special import ndtr

        scale, a, b = self._ends(params)
        below, above, at_a, at_b = ndtr(a), ndtr(-b), np.exp(log_phi(a)), np.exp(log_phi(b))
        first = times(a, below) + times(b, above) + at_a - at_b
        second = times(a, times(a, below)) + times(b, times(b, above)) + 1.0 - below - above + times(a, at_a) - times(b, at_b)
        return params.means + scale * first, params.variances * np.maximum(second - first**2, 0.0)

    def cdf(self, params: Any, x: np.ndarray, *, upper: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """The normal one, with a step at each limit."""
        from scipy.special import ndtr

        limits = interval(self.lower, self.upper)
        low, high = limits.lower, limits.upper
        z = (x - params.means[:, 0]) / np.sqrt(params.variances[:, 0])
        value = ndtr(-z if upper else z)
        before, after = float(upper), float(not upper)
        strictly = np.where(x <= low, before, np.where(x > high, after, value))
        return strictly, np.where(x < low, before, np.where(x >= high, after, value))
