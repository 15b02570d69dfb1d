"""Student's t columns: like normal ones, with tails as heavy as the degrees of freedom of each component say."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from emkit.core.columns import Columns
from emkit.core.parameters import Parameter, Positive, Real
from emkit.core.profiles import differences
from emkit.core.records import Params
from emkit.core.support import Reals
from emkit.families.columnwise import Terms
from emkit.families.gamma_function import gamma_shape, log_gamma_step, log_minus_digamma, shape_value, trigamma_minus_inverse
from emkit.families.hidden_scale import as_good_as_infinite, bounds, jumped, jumps, running_away
from emkit.families.spread import Spread


@dataclass(frozen=True)
class StudentTParams(Params):
    """``locations`` and ``scales`` (K, d), ``df`` (K, d) or, in common, (1, d)."""

    locations: np.ndarray
    scales: np.ndarray
    df: np.ndarray


@dataclass(frozen=True)
class StudentT(Spread):
    """Independent t columns given the component: (x - location) / scale has Student's distribution with df degrees of freedom.

    A cell is normal with variance scale^2 / u, where u is hidden: gamma distributed about 1 with shape df / 2. Degrees of freedom
    that the data push to infinity, where cells are normal, end at 1e6; ``remarks`` says so. A missing cell contributes nothing.

    Parameters
    ----------
    prior : "weak", GaussianPrior or None
        2/n pseudo-observations with the columns' variances as their quartiles tell them; see ``Gaussian``. None: none.
    common_df : bool
        Whether all components share the degrees of freedom of a column.
    fixed, start_values : mapping, optional
        "locations" (K, d), "scales" (K, d), "df" (K, d) or, in common, (d,): a number holds all of them there.

    References
    ----------
    Peel and McLachlan (2000), Statistics and Computing 10, 339-348. The scale is divided by the sum of the expected u, not by the
    number of rows: Kent, Tyler and Vardi (1994), Communications in Statistics B 23, 441-453; it is the M-step of a model with a
    mean of u besides (Liu, Rubin and Wu 1998, Biometrika 85, 755-770), from which the degrees of freedom follow too.
    """

    common_df: bool = False

    Params = StudentTParams
    support = Reals()
    spread_name: ClassVar[str] = "scales"
    power: ClassVar[float] = 2.0

    @property
    def parameters(self) -> tuple[Parameter, ...]:  # type: ignore[override]
        """The degrees of freedom are each component's own, or common to all."""
        df = Parameter("df", "1 d" if self.common_df else "K d", Positive())
        return (Parameter("locations", "K d", Real()), Parameter("scales", "K d", Positive()), df)

    @classmethod
    def examples(cls) -> list[Self]:
        """Own and common df, without a prior, held in part."""
        nan = np.nan
        some = {"locations": [[0.0, nan], [nan, 4.0]], "scales": [[nan, 1.0], [nan, nan]], "df": [[3.0, nan], [nan, nan]]}
        return [cls(), cls(common_df=True), cls(prior=None, fixed={"df": 4.0}), cls(fixed=some)]

    def cell(self, params: Any, x: np.ndarray) -> np.ndarray:
        """Log density."""
        return _log_prob(((x - params.locations) / params.scales) ** 2, params.df) - np.log(params.scales)

    def terms(self, params: Any, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """The expected u, moments with it as a weight, its expected log, and what jumps of df would gain."""
        off, df = x - params.locations, params.df
        square = (off / params.scales) ** 2
        u = (df + 1.0) / (df + square)
        logs = np.log(u) - log_minus_digamma(0.5 * (df + 1.0))
        here = _log_prob(square, df)
        return u, u * off, u * off * off, logs, *(_log_prob(square, there) - here for there in jumps(df))

    def pivot(self, params: Any) -> np.ndarray:
        """The locations."""
        return np.asarray(params.locations)

    def taken_at(self, params: Any) -> np.ndarray:
        """All parameters: jumps start from there."""
        return np.stack([params.locations, params.scales, np.broadcast_to(params.df, params.scales.shape)], axis=-1)

    def guess(self, mean: np.ndarray, variance: np.ndarray) -> Any:
        """With tails of 8 degrees of freedom."""
        return self.Params(mean, np.sqrt(variance), np.full((1 if self.common_df else len(mean), mean.shape[1]), 8.0))

    def m_step(self, stats: Terms, params: Any) -> Any:
        """Locations; then scales together with the mean of u; then df given these; or a jump of df where that gains more."""
        assert stats.pivot is not None and stats.at is not None
        before = self.own(params)
        held = {name: self.held(name, value.shape) for name, value in before.items()}
        u, first = stats.sums[:2]
        locations = stats.pivot + np.where(u > 0, first / u, 0.0)
        locations = np.where(np.isnan(held["locations"]), locations, held["locations"])
        about = stats.about(locations)
        variances, alpha = self._scale(about, params.df)
        free = np.isnan(held["scales"])
        variances, alpha = np.where(free, variances, held["scales"] ** 2), np.where(free, alpha, 1.0)
        gap, rows = self._pooled(stats.mass * self._gap(stats, alpha)), self._pooled(stats.mass)
        low, high = bounds(params.df)
        df = np.where(np.isnan(held["df"]), 2.0 * gamma_shape(gap / rows, 0.5 * low, 0.5 * high), held["df"])
        new = {"locations": locations, "scales": np.sqrt(variances), "df": df}
        gain = self._value(about, variances, df, alpha)
        gain = gain - self._value(stats.about(params.locations), params.scales**2, params.df, np.ones_like(alpha))
        may = np.isnan(held["df"]) & np.array_equal(stats.at, self.taken_at(params))
        far = (self._pooled(stats.sums[4]), self._pooled(stats.sums[5]))
        return self.Params(**jumped("df", new, before, self._pooled(gain), far, may))

    def _pooled(self, value: np.ndarray) -> np.ndarray:
        """Sums over the components that share the degrees of freedom."""
        return value.sum(axis=0, keepdims=True) if self.common_df else value

    def _scale(self, about: Terms, df: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The variances, and the mean alpha of u that goes with them, best together.

        Given a variance y, alpha is (S / y + df U) / (N (df + 1)); given alpha, y is (S / alpha + prior's squares) / (N + prior's
        rows). Without a prior that is y = S / U; with one a quadratic equation, of which one root is positive.
        """
        (mass, squares), rows, u, total = self.pseudo, about.mass, about.sums[0], about.sums[2]
        a, b, c = (rows + mass) * df * u, total * (mass - rows * df) - squares * df * u, squares * total
        y = 0.5 * (np.sqrt(b * b + 4.0 * a * c) - b) / a
        alpha = (total / y + df * u) / (rows * (df + 1.0))
        return np.where(rows > 0, y, squares / mass if mass > 0 else np.nan), np.where(rows > 0, alpha, 1.0)

    @staticmethod
    def _gap(stats: Terms, alpha: np.ndarray) -> np.ndarray:
        rows = np.where(stats.mass > 0, stats.mass, 1.0)
        return np.log(alpha) + (stats.sums[0] / alpha - stats.sums[3]) / rows - 1.0

    def _value(self, about: Terms, variances: np.ndarray, df: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """Expected log density of cells and of u, whose mean is ``alpha``, and the log prior, (K, d)."""
        normal = about.mass * np.log(variances * alpha) + about.sums[2] / (variances * alpha)
        mass, squares = self.pseudo
        prior = mass * np.log(variances) + squares / variances
        return np.asarray(-0.5 * (normal + prior) + about.mass * shape_value(0.5 * df, self._gap(about, alpha)))

    def q(self, stats: Terms, params: Any) -> float:
        """Of cells and of u."""
        plain = replace(self, prior=None)
        return float(plain._value(stats.about(params.locations), params.scales**2, params.df, np.ones_like(stats.mass)).sum())

    def gradient(self, stats: Terms, params: Any) -> dict[str, np.ndarray]:
        """With the prior's."""
        about, half = stats.about(params.locations), 0.5 * params.df
        slope, _ = self.spread_slope(stats.mass, about.sums[2], params.scales**2)
        df = 0.5 * (stats.mass * (log_minus_digamma(half) + 1.0) + stats.sums[3] - stats.sums[0])
        return {"locations": about.sums[1] / params.scales**2, "scales": 2.0 * params.scales * slope, "df": self._pooled(df)}

    def curvature(self, stats: Terms, params: Any) -> dict[str, np.ndarray]:
        """Of q."""
        variances = params.scales**2
        _, information = self.spread_slope(stats.mass, stats.mass, variances)
        df = self._pooled(0.25 * stats.mass * trigamma_minus_inverse(0.5 * params.df))
        return {"locations": stats.sums[0] / variances, "scales": 4.0 * variances * information, "df": df}

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One row for each entry of ``component``."""
        df = np.broadcast_to(params.df, params.scales.shape)[component]
        return params.locations[component] + params.scales[component] * rng.standard_t(df)

    def moments(self, params: Any) -> tuple[np.ndarray, np.ndarray]:
        """Locations, which are medians where df <= 1 and there is no mean; variances, infinite where df <= 2."""
        df = np.broadcast_to(params.df, params.scales.shape)
        return params.locations, params.scales**2 * np.where(df > 2.0, df / np.where(df > 2.0, df - 2.0, 1.0), np.inf)

    def profile(self, params: Any, weights: np.ndarray, columns: Columns) -> list[tuple[np.ndarray, list[str]]]:
        """The location's difference; where df <= 2 squared scales stand for variances, next to which nothing would differ."""
        mean, variance = self.moments(params)
        variance = np.where(np.isfinite(variance), variance, params.scales**2)
        return differences(mean, weights @ mean, mean - weights @ mean, variance, weights, columns)

    def cdf(self, params: Any, x: np.ndarray, *, upper: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """By the incomplete beta function."""
        from scipy.special import stdtr

        z = (x - params.locations[:, 0]) / params.scales[:, 0]
        value = stdtr(params.df[:, 0], -z if upper else z)
        return value, value

    def own_away(self, params: Any) -> dict[str, np.ndarray]:
        """Degrees of freedom that run to infinity."""
        return {"df": as_good_as_infinite(params.df, self.held("df", params.df.shape))}

    def remarks(self, params: Any) -> list[str]:
        """Of degrees of freedom that run to infinity."""
        return running_away(params.df, self.held("df", params.df.shape), "df", "normal")


def _log_prob(square: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Log density of a cell at that squared distance, in units of the scale."""
    return np.asarray(log_gamma_step(0.5 * df, 0.5) - 0.5 * np.log(np.pi * df) - 0.5 * (df + 1.0) * np.log1p(square / df))
