"""Negative binomial columns: counts that vary more than Poisson ones, with a mean and a size for each component."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from emkit.core.parameters import Nonnegative, Parameter, Positive
from emkit.core.support import Counts
from emkit.families.columnwise import Columnwise, Terms
from emkit.families.gamma_function import gamma_shape, log_gamma_step, log_minus_digamma, shape_value, trigamma_minus_inverse
from emkit.families.hidden_scale import as_good_as_infinite, bounds, jumped, jumps, running_away
from emkit.families.sums import logs_times, ratio


@dataclass(frozen=True)
class NegativeBinomial(Columnwise):
    """Independent negative binomial columns given the component: variance mean + mean^2 / size. A missing cell contributes nothing.

    A count is Poisson with rate mean u, where u is hidden: gamma distributed about 1 with shape ``size``. A size that the data push
    to infinity, where counts are Poisson, ends at 1e6 times the mean; ``remarks`` says so.

    Parameters
    ----------
    fixed, start_values : mapping, optional
        "means" (K, d), "sizes" (K, d).

    References
    ----------
    The M-step is that of a model with a mean of u besides, which converges faster: Liu, Rubin and Wu (1998), Parameter expansion to
    accelerate EM, Biometrika 85, 755-770.
    """

    parameters = (Parameter("means", "K d", Nonnegative()), Parameter("sizes", "K d", Positive()))
    support = Counts()

    @classmethod
    def examples(cls) -> list[Self]:
        """Plain, partly fixed."""
        nan = np.nan
        return [cls(), cls(fixed={"means": [[2.0, nan], [nan, 4.0]]}), cls(fixed={"sizes": [[2.0, nan], [nan, nan]]})]

    def cell(self, params: Any, x: np.ndarray) -> np.ndarray:
        """Log probability."""
        return _log_prob(x, params.means, params.sizes)

    def terms(self, params: Any, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """The count; the expected u and its expected log, u being gamma given the count; what jumps of the size would gain."""
        means, sizes = params.means, params.sizes
        u = (x + sizes) / (means + sizes)
        here = _log_prob(x, means, sizes)
        far = [_log_prob(x, means, there) - here for there in jumps(sizes, _unit(means))]
        return np.broadcast_to(x, u.shape), u, np.log(u) - log_minus_digamma(x + sizes), *far

    def taken_at(self, params: Any) -> np.ndarray:
        """Means and sizes: jumps start from there."""
        return np.stack([params.means, params.sizes], axis=-1)

    def guess(self, mean: np.ndarray, variance: np.ndarray) -> Any:
        """By moments."""
        means = np.maximum(mean, 1e-3)
        return self.Params(means, np.maximum(means**2 / np.maximum(variance - means, 0.01 * means**2), 0.1))

    def m_step(self, stats: Terms, params: Any) -> Any:
        """The mean is the average count; the size is the best shape for u, whose mean is free where the counts' is."""
        assert stats.at is not None
        events, u, logs, *far = stats.sums
        u, logs = u / stats.mass, logs / stats.mass
        before = self.own(params)
        held = {name: self.held(name, value.shape) for name, value in before.items()}
        free = np.isnan(held["means"])
        alpha = np.where(free, u, 1.0)  # the mean of u
        means = np.where(free, events / stats.mass, held["means"])
        sizes = gamma_shape(np.log(alpha) + u / alpha - 1.0 - logs, *bounds(before["sizes"], _unit(before["means"])))
        sizes = np.where(np.isnan(held["sizes"]), sizes, held["sizes"])
        gain = self._value(stats, means, sizes, alpha) - self._value(stats, before["means"], before["sizes"], np.ones_like(alpha))
        may = np.isnan(held["sizes"]) & (stats.at == self.taken_at(params)).all(axis=-1)
        return self.Params(
            **jumped("sizes", {"means": means, "sizes": sizes}, before, gain, (far[0], far[1]), may, _unit(before["means"]))
        )

    @staticmethod
    def _value(stats: Terms, means: np.ndarray, sizes: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """Expected log density of counts and of u, whose mean is ``alpha``, (K, d); the counts' mean is ``means``."""
        events, u, logs = stats.sums[:3]
        rows = np.where(stats.mass > 0, stats.mass, 1.0)
        hidden = stats.mass * shape_value(sizes, np.log(alpha) + (u / alpha - logs) / rows - 1.0)
        return np.asarray(logs_times(events, means / alpha) - means / alpha * u + hidden)

    def q(self, stats: Terms, params: Any) -> float:
        """Of counts and of u."""
        return float(self._value(stats, params.means, params.sizes, np.ones(())).sum())

    def gradient(self, stats: Terms, params: Any) -> dict[str, np.ndarray]:
        """The events over the mean less the expected u; what is missing in the equation that the M-step solves for the size."""
        events, u, logs = stats.sums[:3]
        return {
            "means": ratio(events, params.means) - u,
            "sizes": stats.mass * (log_minus_digamma(params.sizes) + 1.0) + logs - u,
        }

    def curvature(self, stats: Terms, params: Any) -> dict[str, np.ndarray]:
        """Of q."""
        return {"means": ratio(stats.sums[1], params.means), "sizes": stats.mass * trigamma_minus_inverse(params.sizes)}

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One row for each entry of ``component``."""
        sizes = params.sizes[component]
        return rng.poisson(params.means[component] * rng.gamma(sizes) / sizes)

    def moments(self, params: Any) -> tuple[np.ndarray, np.ndarray]:
        """The mean, and mean + mean^2 / size."""
        return params.means, params.means * (1.0 + params.means / params.sizes)

    def cdf(self, params: Any, x: np.ndarray, *, upper: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """By the incomplete beta function."""
        from scipy.special import betainc

        means, sizes = params.means[:, 0], params.sizes[:, 0]

        def reached(c: np.ndarray) -> np.ndarray:
            more = np.maximum(c, 0.0) + 1.0
            p = sizes / (sizes + means)
            value = betainc(more, sizes, means / (sizes + means)) if upper else betainc(sizes, more, p)
            return np.where(np.isnan(c), np.nan, np.where(c < 0, float(upper), value))

        return reached(np.ceil(x) - 1.0), reached(np.floor(x))

    def own_away(self, params: Any) -> dict[str, np.ndarray]:
        """Sizes that run to infinity."""
        return {"sizes": as_good_as_infinite(params.sizes, self.held("sizes", params.sizes.shape), _unit(params.means))}

    def remarks(self, params: Any) -> list[str]:
        """Of sizes that run to infinity."""
        return running_away(params.sizes, self.held("sizes", params.sizes.shape), "the size", "Poisson", _unit(params.means))


def _unit(means: np.ndarray) -> np.ndarray:
    """What sizes are large beside: counts are as good as Poisson where the size is far above their mean, and 1."""
    return np.maximum(means, 1.0)


def _log_prob(x: np.ndarray, means: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Log probability of counts, exact to about 1e-13 for sizes of any size."""
    from scipy.special import gammaln

    return np.asarray(
        log_gamma_step(sizes, x) - gammaln(x + 1.0) - sizes * np.log1p(means / sizes) + logs_times(x, means / (sizes + means))
    )
