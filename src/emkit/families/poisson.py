"""Poisson columns: counts 0, 1, 2, ... with a rate for each component."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from emkit.core.errors import ParameterError
from emkit.core.parameters import Nonnegative, Parameter
from emkit.core.prior import Prior
from emkit.core.support import Counts
from emkit.families.coded import CodedPasses
from emkit.families.marginals import of_rates
from emkit.families.sums import Sums, logs_times, ratio


@dataclass(frozen=True)
class GammaPrior(Prior):
    """Conjugate prior of a rate: density proportional to rate^(shape - 1) exp(-inverse_scale rate).

    Parameters
    ----------
    shape : float, >= 1
        The prior is worth ``shape - 1`` pseudo-events
    inverse_scale : float, >= 0
        in ``inverse_scale`` pseudo-rows.
    """

    shape: float = 1.0
    inverse_scale: float = 0.0

    def __post_init__(self) -> None:
        if not (self.shape >= 1 and self.inverse_scale >= 0):
            raise ParameterError(
                f"GammaPrior(shape={self.shape}, inverse_scale={self.inverse_scale}): need shape >= 1, inverse_scale >= 0"
            )

    def log_density(self, value: np.ndarray) -> np.ndarray:
        """(shape - 1) log rate - inverse_scale rate."""
        return np.asarray(logs_times(self.shape - 1.0, value) - self.inverse_scale * value)

    def gradient(self, value: np.ndarray) -> np.ndarray:
        """(shape - 1) / rate - inverse_scale."""
        return ratio(self.shape - 1.0, value) - self.inverse_scale

    def curvature(self, value: np.ndarray) -> np.ndarray:
        """Of as many pseudo-rows, inverse_scale / rate."""
        return ratio(self.inverse_scale, value)


@dataclass(frozen=True)
class Poisson(CodedPasses):
    """Independent Poisson columns given the component. A missing cell contributes nothing.

    Parameters
    ----------
    prior : GammaPrior or None
        The prior of each rate.
    fixed, start_values : mapping, optional
        "rates" (K, d).
    """

    prior: GammaPrior | None = None

    parameters = (Parameter("rates", "K d", Nonnegative(), GammaPrior),)
    support = Counts()
    columnwise = True

    @classmethod
    def examples(cls) -> list[Self]:
        """Plain, with a prior, partly fixed, all fixed."""
        fixed = {"rates": [[2.0, np.nan], [np.nan, 4.0]]}
        return [
            cls(),
            cls(GammaPrior(2.0, 0.5)),
            cls(GammaPrior(2.0, 0.5), fixed=fixed),
            cls(fixed={"rates": [[2.0, 9.0], [7.0, 4.0]]}),
        ]

    def log_prob(self, params: Any, x: Any) -> np.ndarray:
        """sum_j x_j log rate - rate - log x_j!, (n, K); -inf for what is not a count."""
        from scipy.special import gammaln

        x = np.asarray(x, dtype=np.float64)
        seen = ~np.isnan(x)
        filled = np.where(seen, x, 0.0)
        rates = params.rates
        if (rates > 0).all():
            out = filled @ np.log(rates).T
        else:
            out = logs_times(filled[:, None, :], rates[None]).sum(axis=2)
        out = out - (rates.sum(axis=1) if seen.all() else seen @ rates.T)
        out = np.asarray(out - gammaln(np.maximum(filled, 0.0) + 1.0).sum(axis=1)[:, None])
        out[~self.support.holds(filled).all(axis=1)] = -np.inf
        return out

    def stats(self, params: Any, x: Any, resp: Any) -> Sums:
        """Expected exposure, and events."""
        return Sums.of(x, resp)

    def m_step(self, stats: Sums, params: Any) -> Any:
        """Events over exposure, with the prior's; where there was none, as before."""
        prior = self.prior or GammaPrior()
        events, mass = stats.total + (prior.shape - 1.0), stats.mass + prior.inverse_scale
        return self.Params(np.where(mass > 0, events / np.where(mass > 0, mass, 1.0), params.rates))

    def first_guess(self, stats: Sums) -> Any:
        """Mean counts of each part; half a row's worth of the columns' own means blended in, so that no rate is zero."""
        overall = np.maximum(self._resolved().mean, 1e-3)
        return self.Params((stats.total + 0.5 * overall) / (stats.mass + 0.5))

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Counts, one row for each entry of ``component``."""
        return rng.poisson(params.rates[component])

    def q(self, stats: Sums, params: Any) -> float:
        """Sum of events log rate - exposure rate."""
        return float(np.sum(logs_times(stats.total, params.rates) - stats.mass * params.rates))

    def complete_marginal(self, stats: Sums, params: Any) -> float | None:
        """Of counts; by default rates are exponential with the columns' means, and so where the prior is improper."""
        if self.fixed:
            return None
        if self.prior is None or self.prior.inverse_scale == 0:
            return of_rates(stats.mass, stats.total, params.rates, 1.0, 1.0 / np.maximum(self._resolved().mean, 1e-3))
        return of_rates(stats.mass, stats.total, params.rates, self.prior.shape, self.prior.inverse_scale)

    def gradient(self, stats: Sums, params: Any) -> dict[str, np.ndarray]:
        """Events / rate - exposure."""
        return {"rates": ratio(stats.total, params.rates) - stats.mass}

    def curvature(self, stats: Sums, params: Any) -> dict[str, np.ndarray]:
        """Exposure / rate."""
        return {"rates": ratio(stats.mass, params.rates)}

    def moments(self, params: Any) -> tuple[np.ndarray, np.ndarray]:
        """Both are the rate."""
        return params.rates, params.rates

    def cdf(self, params: Any, x: np.ndarray, *, upper: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """By the incomplete gamma function."""
        from scipy.special import pdtr, pdtrc

        def reached(c: np.ndarray) -> np.ndarray:
            value = (pdtrc if upper else pdtr)(np.maximum(c, 0.0), params.rates[:, 0])
            return np.where(np.isnan(c), np.nan, np.where(c < 0, float(upper), value))

        return reached(np.ceil(x) - 1.0), reached(np.floor(x))  # P(X < x) is P(X <= the largest integer below x)
