"""Multivariate t rows: normal ones with correlated columns and heavy tails, missing cells marginalised exactly."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from emkit.core.bayes import slices
from emkit.core.checks import one_of
from emkit.core.columns import Columns
from emkit.core.parameters import Parameter, Positive, Real
from emkit.core.profiles import differences
from emkit.core.records import Params, Stats
from emkit.core.support import Reals
from emkit.families.gamma_function import gamma_shape, log_gamma_step, log_minus_digamma, shape_value, trigamma_minus_inverse
from emkit.families.gaussian.holes import Filled, Holes, Some
from emkit.families.gaussian.missing import Pattern, patterns
from emkit.families.gaussian.params import GaussianParams
from emkit.families.gaussian.shapes import COVARIANCE_TYPES, Covariance, whiten
from emkit.families.hidden_scale import as_good_as_infinite, bounds, jumped, jumps, running_away
from emkit.families.spread_prior import SpreadPrior

_SWEEPS = 20
_LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True)
class MultivariateTParams(Params):
    """``locations`` (K, d), ``scales`` (K or 1, d, d), ``df`` (K or 1,)."""

    locations: np.ndarray
    scales: np.ndarray
    df: np.ndarray


@dataclass(frozen=True)
class MultivariateTStats(Stats):
    """Expected rows (K,), of u and of its logarithm the sums (K,), and weighted by u the moments about the locations.

    ``first`` (K, d), ``second`` (K, d, d); ``far`` (K, 2): what jumps of df would gain; ``at`` (K,): df when they were taken.
    """

    rows: np.ndarray
    u: np.ndarray
    logs: np.ndarray
    first: np.ndarray
    second: np.ndarray
    far: np.ndarray
    pivot: np.ndarray = field(metadata={"additive": False})
    at: np.ndarray = field(metadata={"additive": False})

    def aligned(self, to: "MultivariateTStats") -> "MultivariateTStats":
        """About the locations of ``to``."""
        return self if np.array_equal(self.pivot, to.pivot) else self.about(to.pivot)

    def about(self, pivot: np.ndarray) -> "MultivariateTStats":
        """The same moments about other locations."""
        shift = self.pivot - pivot
        cross = self.first[:, :, None] * shift[:, None, :]
        second = self.second + cross + np.swapaxes(cross, 1, 2) + self.u[:, None, None] * shift[:, :, None] * shift[:, None, :]
        return replace(self, first=self.first + self.u[:, None] * shift, second=second, pivot=pivot)


@dataclass(frozen=True)
class MultivariateT(SpreadPrior):
    """Multivariate t distributions of rows, with a location, a scale matrix and degrees of freedom for each component.

    A row is normal with covariance scale / u, where u is hidden: gamma distributed about 1 with shape df / 2. Missing cells are
    marginalised: what is observed of a row has a t distribution too. See ``StudentT`` for independent columns, for degrees of
    freedom that run to infinity, and for references.

    Parameters
    ----------
    scale_type : {"full", "tied"}
        Whether each component has a scale matrix of its own, or all share one.
    prior : "weak", GaussianPrior or None
        2/n pseudo-observations with the columns' variances as their quartiles tell them; see ``Gaussian``. None: none.
    common_df : bool
        Whether all components share the degrees of freedom.
    fixed, start_values : mapping, optional
        "locations" (K, d), "scales" (K, d, d) or, tied, (d, d), "df" (K,) or, in common, a number.
    """

    scale_type: str = "full"
    common_df: bool = False

    Params = MultivariateTParams
    support = Reals()
    spread_name: ClassVar[str] = "scales"

    def __post_init__(self) -> None:
        one_of(self.scale_type, ("full", "tied"), "scale_type")
        super().__post_init__()

    @property
    def parameters(self) -> tuple[Parameter, ...]:  # type: ignore[override]
        """Scale matrices and degrees of freedom are each component's own, or common to all."""
        shape = COVARIANCE_TYPES[self.scale_type]
        df = Parameter("df", "1" if self.common_df else "K", Positive())
        return (Parameter("locations", "K d", Real()), Parameter("scales", shape.letters, Covariance(shape)), df)

    @classmethod
    def examples(cls) -> list[Self]:
        """Both types, own and common df, held in part."""
        some = {"locations": [[0.0, np.nan], [np.nan, 4.0]], "df": [4.0, np.nan]}
        return [cls(), cls(scale_type="tied", common_df=True), cls(prior=None, fixed={"df": 4.0}), cls(fixed=some)]

    # --- densities and statistics -------------------------------------------------------------------------------------

    def _parts(self, params: Any, x: np.ndarray) -> Iterator[tuple[Some, int, Filled]]:
        """Rows that have some cells, in parts: which, how many cells each has, and the rows completed."""
        k, d = params.locations.shape
        normal = params.kept.get("normal")
        if normal is None:
            normal = params.kept["normal"] = GaussianParams(params.locations, params.scales)
        for some in Holes.of(~np.isnan(x)).by_count(k):
            o = d - some.missing.shape[1]
            if o:
                yield some, o, Filled(normal, x[some.rows], some)

    def log_prob(self, params: Any, x: Any) -> np.ndarray:
        """Log density of what is observed of each row, (n, K)."""
        x = np.asarray(x, dtype=np.float64)
        out = np.zeros((len(x), len(params.locations)))
        for some, o, done in self._parts(params, x):
            norm = done.log_norm[:, some.pattern] + 0.5 * o * _LOG_2PI
            out[some.rows] = (norm + _log_t(done.square, params.df[:, None], o)).T
        return out

    def stats(self, params: Any, x: Any, resp: Any) -> MultivariateTStats:
        """Expected u, and moments with it as a weight; missing cells are regressed on those observed."""
        x, resp = np.asarray(x, dtype=np.float64), np.asarray(resp, dtype=np.float64)
        k, d = params.locations.shape
        count, total_u, logs, far = np.zeros(k), np.zeros(k), np.zeros(k), np.zeros((k, 2))
        first, second = np.zeros((k, d)), np.zeros((k, d, d))
        df = params.df[:, None]
        for some, o, done in self._parts(params, x):
            r, square = resp[some.rows].T, done.square
            u = (df + o) / (df + square)
            done.add_moments((r * u).T, first, second, spread=r.T)
            count, total_u = count + r.sum(axis=1), total_u + (r * u).sum(axis=1)
            logs += (r * (np.log(u) - log_minus_digamma(0.5 * (df + o)))).sum(axis=1)
            here = _log_t(square, df, o)
            for i, there in enumerate(jumps(params.df)):
                far[:, i] += (r * (_log_t(square, there[:, None], o) - here)).sum(axis=1)
        return MultivariateTStats(count, total_u, logs, first, second, far, params.locations, params.df)

    # --- starting and the M-step --------------------------------------------------------------------------------------

    def anchor(self, k: int, d: int) -> Any:
        """Every component at the columns' means, with their robust variances and 8 degrees of freedom."""
        seen = self._resolved()
        scales = COVARIANCE_TYPES[self.scale_type].isotropic(np.where(seen.spread > 0, seen.spread, 1.0), k)
        means = np.broadcast_to(seen.mean, (k, d)).copy()
        return self.put_back(self.Params(means, scales, np.full(1 if self.common_df else k, 8.0)))

    def first_guess(self, stats: MultivariateTStats) -> Any:
        """The M-step, with a row of average spread blended into each component."""
        k, d = stats.first.shape
        anchor = self.anchor(k, d)
        spread = np.diag(np.where(self._resolved().spread > 0, self._resolved().spread, 1.0))
        blended = replace(stats, rows=stats.rows + 1.0, u=stats.u + 1.0, second=stats.second + spread, far=stats.far * 0.0)
        return self.m_step(blended, anchor)

    def m_step(self, stats: MultivariateTStats, params: Any) -> Any:
        """Locations; then scales together with the mean of u; then df given these; or a jump of df where that gains more."""
        before = self.own(params)
        held = {name: self.held(name, value.shape) for name, value in before.items()}
        precisions = np.linalg.inv(params.scales)
        locations = stats.pivot + stats.first / np.where(stats.u > 0, stats.u, 1.0)[:, None]
        locations = np.array([_given(*of) for of in zip(locations, held["locations"], self._each(precisions, stats), strict=True)])
        about = stats.about(locations)
        scales, alpha = self._scales(about, params, np.isnan(held["scales"][:, 0, 0]))
        gap, rows = self._common(stats.rows * _gap(stats, alpha)), self._common(stats.rows)
        low, high = bounds(params.df)
        shape = gamma_shape(gap / np.where(rows > 0, rows, 1.0), 0.5 * low, 0.5 * high)
        df = np.where(np.isnan(held["df"]), np.where(rows > 0, 2.0 * shape, params.df), held["df"])
        gain = self._value(about, scales, df, alpha)
        gain = gain - self._value(stats.about(params.locations), params.scales, params.df, np.ones_like(alpha))
        here = np.array_equal(stats.at, params.df) and np.array_equal(stats.pivot, params.locations)
        gain, up, down = (self._jointly(value) for value in (gain, *stats.far.T))
        may = np.isnan(held["df"]).all() if len(gain) < len(held["df"]) else np.isnan(held["df"])
        new = {"locations": locations, "scales": scales, "df": df}
        found = self.Params(**jumped("df", new, before, gain, (up, down), may & here & (self._jointly(stats.rows) > 0)))
        self.refuse_collapse(found)
        return found

    def _common(self, value: np.ndarray) -> np.ndarray:
        """Sums over the components that share the degrees of freedom."""
        return value.sum(keepdims=True) if self.common_df else value

    def _jointly(self, value: np.ndarray) -> np.ndarray:
        """Sums over the components that share something, and so jump together or not at all."""
        return value.sum(keepdims=True) if self.common_df or self.scale_type == "tied" else value

    def _each(self, matrices: np.ndarray, stats: MultivariateTStats) -> np.ndarray:
        return np.broadcast_to(matrices, stats.second.shape)

    def _scales(self, about: MultivariateTStats, params: Any, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scale matrices and the mean alpha of u, each the best given the other, in turns; never worse than the present ones.

        Given a scale V, alpha is (tr(S V^-1) + df U) / (N (df + d)); given alpha, V is (S / alpha + prior's squares) / (N + prior's
        rows). Without a prior and with a V for each component it is S / U at once (Kent, Tyler and Vardi 1994).
        """
        (mass, squares), d = self.pseudo, about.first.shape[1]
        rows, some = np.where(about.rows > 0, about.rows, 1.0), about.rows > 0
        prior = np.diag(np.broadcast_to(squares, (d,)))
        own = self._each(free[:, None, None], about)[:, 0, 0]

        def best(alpha: np.ndarray) -> np.ndarray:
            scatter, counts = about.second / alpha[:, None, None], about.rows
            if self.scale_type == "tied":
                scatter, counts = scatter.sum(axis=0, keepdims=True), counts.sum(keepdims=True)
            with np.errstate(invalid="ignore", divide="ignore"):
                new = (scatter + prior) / (counts + mass)[:, None, None]
            usable = free & (counts + mass > 0)
            return np.where(usable[:, None, None], 0.5 * (new + np.swapaxes(new, 1, 2)), params.scales)

        def mean(scales: np.ndarray) -> np.ndarray:
            trace = np.einsum("kij,kji->k", self._each(np.linalg.inv(scales), about), about.second)
            return np.where(some & own, (trace + params.df * about.u) / (rows * (params.df + d)), 1.0)

        before = self._value(about, params.scales, params.df, np.ones_like(rows)).sum()
        for alpha in (np.where(some & own, about.u / rows, 1.0), mean(params.scales)):
            scales = best(alpha)
            for _ in range(_SWEEPS):
                if not np.isfinite(whiten(scales, d).log_norm).all():
                    return scales, alpha  # singular: whoever is given it says so
                last, alpha = alpha, mean(scales)
                scales = best(alpha)
                if np.allclose(alpha, last, rtol=1e-13, atol=0.0):
                    break
            if self._value(about, scales, params.df, alpha).sum() >= before:
                break
        return scales, alpha

    def _value(self, about: MultivariateTStats, scales: np.ndarray, df: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """Expected log density of rows and of u, whose mean is ``alpha``, and the log prior, (K,)."""
        k, d = about.first.shape
        white = whiten(scales, d)
        log_det = np.broadcast_to(-2.0 * white.log_norm - d * _LOG_2PI, (k,))
        trace = np.einsum("kij,kji->k", self._each(white.precisions(), about), about.second)
        hidden = about.rows * shape_value(0.5 * df, _gap(about, alpha))
        prior = np.broadcast_to(self._densities(scales) / (k / len(scales)), (k,))
        return np.asarray(-0.5 * (about.rows * (log_det + d * np.log(alpha)) + trace / alpha) + hidden + prior)

    def _densities(self, scales: np.ndarray) -> np.ndarray:
        """Log prior of each distinct scale matrix."""
        (mass, squares), d = self.pseudo, scales.shape[-1]
        white = whiten(scales, d)
        return np.asarray(mass * (white.log_norm + 0.5 * d * _LOG_2PI) - 0.5 * white.trace_of(np.broadcast_to(squares, (d,))))

    def log_priors(self, params: Any) -> np.ndarray:
        """Log density of the pseudo-observations, of each scale matrix that is free."""
        free = np.isnan(self.held("scales", params.scales.shape)[:, 0, 0])
        return np.where(free, self._densities(params.scales), 0.0)

    def variances_left(self, params: Any) -> np.ndarray:
        """Of each component and column the squared scale, given the other columns."""
        with np.errstate(invalid="ignore", divide="ignore"):
            left = 1.0 / whiten(params.scales, params.scales.shape[-1]).precisions_diagonal()
        return np.broadcast_to(left, params.locations.shape)

    # --- slopes -------------------------------------------------------------------------------------------------------

    def q(self, stats: MultivariateTStats, params: Any) -> float:
        """Of rows and of u."""
        about, plain = stats.about(params.locations), replace(self, prior=None)
        return float(plain._value(about, params.scales, params.df, np.ones_like(stats.u)).sum())

    def gradient(self, stats: MultivariateTStats, params: Any) -> dict[str, np.ndarray]:
        """With the prior's."""
        about, half = stats.about(params.locations), 0.5 * params.df
        precisions = whiten(params.scales, about.first.shape[1]).precisions()
        scatter, rows = self._behind(about)
        scales = 0.5 * precisions @ (scatter - rows[:, None, None] * params.scales) @ precisions
        df = 0.5 * (stats.rows * (log_minus_digamma(half) + 1.0) + stats.logs - stats.u)
        locations = np.einsum("kij,kj->ki", self._each(precisions, about), about.first)
        return {"locations": locations, "scales": scales, "df": self._common(df)}

    def curvature(self, stats: MultivariateTStats, params: Any) -> dict[str, np.ndarray]:
        """Of q; of scale matrices, how many rows are behind them: see ``Covariance``."""
        precisions = whiten(params.scales, params.scales.shape[-1]).precisions_diagonal()
        rows = self._behind(stats)[1]
        df = self._common(0.25 * stats.rows * trigamma_minus_inverse(0.5 * params.df))
        scales = np.broadcast_to(rows[:, None, None], params.scales.shape)
        return {"locations": stats.u[:, None] * precisions, "scales": scales, "df": df}

    def _behind(self, about: MultivariateTStats) -> tuple[np.ndarray, np.ndarray]:
        """Scatter and rows behind each distinct scale matrix, with the prior's."""
        (mass, squares), scatter, rows = self.pseudo, about.second, about.rows
        if self.scale_type == "tied":
            scatter, rows = scatter.sum(axis=0, keepdims=True), rows.sum(keepdims=True)
        return scatter + np.diag(np.broadcast_to(squares, (scatter.shape[-1],))), rows + mass

    # --- rows ---------------------------------------------------------------------------------------------------------

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One row for each entry of ``component``."""
        k, d = params.locations.shape
        lower = np.broadcast_to(np.linalg.cholesky(params.scales), (k, d, d))[component]
        df = np.broadcast_to(params.df, (k,))[component]
        u = rng.chisquare(df) / df
        z = rng.standard_normal((len(component), d)) / np.sqrt(u)[:, None]
        return params.locations[component] + np.einsum("nij,nj->ni", lower, z)

    def moments(self, params: Any) -> tuple[np.ndarray, np.ndarray]:
        """Locations; variances, infinite where df <= 2."""
        k, d = params.locations.shape
        df = np.broadcast_to(params.df, (k,))[:, None]
        variances = np.broadcast_to(np.diagonal(params.scales, axis1=1, axis2=2), (k, d))
        return params.locations, variances * np.where(df > 2.0, df / np.where(df > 2.0, df - 2.0, 1.0), np.inf)

    def filled(self, params: Any, x: np.ndarray, resp: np.ndarray) -> np.ndarray:
        """Conditional locations given the observed cells, weighted by responsibilities: (n, d)."""
        out = np.array(x, dtype=np.float64)
        empty = np.isnan(out).all(axis=1)
        out[empty] = resp[empty] @ params.locations
        gone = np.isnan(out)
        for some, _, done in self._parts(params, out.copy()):
            expected = np.einsum("nk,knd->nd", resp[some.rows], done.centred + params.locations[:, None])
            out[some.rows] = np.where(gone[some.rows], expected, out[some.rows])
        return out

    def drawn(self, params: Any, x: np.ndarray, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """From the conditional t distributions given the observed cells: u is drawn given these, then normal cells given u."""
        x, component = np.asarray(x, dtype=np.float64), np.asarray(component)
        out = x.copy()
        empty = np.isnan(out).all(axis=1)
        out[empty] = self.sample(params, component[empty], rng)
        (k, d), seen = params.locations.shape, ~np.isnan(x)
        df = np.broadcast_to(params.df, (k,))
        normal = GaussianParams(params.locations, np.broadcast_to(params.scales, (k, d, d)))
        for observed, rows in patterns(seen):
            if not 0 < len(observed) < d:
                continue
            pattern = Pattern(normal, observed)
            # A root of each residual matrix, which may be singular to the last digit.
            values, vectors = np.linalg.eigh(pattern.residual)
            roots = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
            for part in slices(len(rows), max(k * d, pattern.residual[0].size)):
                some = rows[part]
                of, i, o = component[some], np.arange(len(some)), len(observed)
                centred = pattern.centre(x[some])
                square = np.sum(np.matmul(centred, np.swapaxes(pattern.whitener, 1, 2)) ** 2, axis=2)
                u = rng.chisquare(df[of] + o) / (df[of] + square[of, i])
                z = rng.standard_normal((len(some), len(pattern.missing))) / np.sqrt(u)[:, None]
                mean = pattern.conditional_means(centred)[of, i]
                out[some[:, None], pattern.missing] = mean + np.einsum("nij,nj->ni", roots[of], z)
        return out

    def profile(self, params: Any, weights: np.ndarray, columns: Columns) -> list[tuple[np.ndarray, list[str]]]:
        """The location's difference; where df <= 2 squared scales stand for variances, next to which nothing would differ."""
        mean, variance = self.moments(params)
        variance = np.where(np.isfinite(variance), variance, np.diagonal(params.scales, axis1=1, axis2=2))
        return differences(mean, weights @ mean, mean - weights @ mean, variance, weights, columns)

    def cdf(self, params: Any, x: np.ndarray, *, upper: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """By the incomplete beta function."""
        from scipy.special import stdtr

        z = (x - params.locations[:, 0]) / np.sqrt(params.scales[:, 0, 0])
        value = stdtr(params.df, -z if upper else z)
        return value, value

    def own_away(self, params: Any) -> dict[str, np.ndarray]:
        """Degrees of freedom that run to infinity."""
        return {"df": as_good_as_infinite(params.df, self.held("df", params.df.shape))}

    def remarks(self, params: Any) -> list[str]:
        """Of degrees of freedom that run to infinity."""
        return running_away(params.df, self.held("df", params.df.shape), "df", "normal")


def _log_t(square: np.ndarray, df: np.ndarray, o: int) -> np.ndarray:
    """Log density of o observed columns at that squared distance, without the scale's determinant."""
    return np.asarray(log_gamma_step(0.5 * df, 0.5 * o) - 0.5 * o * np.log(np.pi * df) - 0.5 * (df + o) * np.log1p(square / df))


def _gap(stats: MultivariateTStats, alpha: np.ndarray) -> np.ndarray:
    rows = np.where(stats.rows > 0, stats.rows, 1.0)
    return np.log(alpha) + np.where(stats.rows > 0, (stats.u / alpha - stats.logs) / rows, 1.0) - 1.0


def _given(location: np.ndarray, held: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """The best location among those that agree with what is held: correlated columns follow, at the present scale."""
    free = np.isnan(held)
    if free.all() or not free.any():
        return np.where(free, location, held)
    pull = precision[np.ix_(free, ~free)] @ (held[~free] - location[~free])
    out = held.copy()
    out[free] = location[free] - np.linalg.solve(precision[np.ix_(free, free)], pull)
    return out
