"""Poisson columns: counts 0, 1, 2, ... with a rate for each component."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from emkit.core.block import Source
from emkit.core.errors import DataError, ParameterError
from emkit.core.model import Family
from emkit.core.prior import Prior
from emkit.core.records import Params, Stats
from emkit.families.discrete import column_range, refuse_fractions
from emkit.families.given import name_of, refuse_unknown, row_each


@dataclass(frozen=True)
class Gamma(Prior):
    """Conjugate prior of a rate: density proportional to rate^(shape - 1) exp(-inverse_scale rate).

    Parameters
    ----------
    shape : float, >= 1
        shape - 1 pseudo-events ...
    inverse_scale : float, >= 0
        ... in so many pseudo-rows.
    """

    shape: float = 1.0
    inverse_scale: float = 0.0

    def __post_init__(self) -> None:
        if not (self.shape >= 1 and self.inverse_scale >= 0):
            raise ParameterError(
                f"Gamma(shape={self.shape}, inverse_scale={self.inverse_scale}): need shape >= 1, inverse_scale >= 0"
            )


@dataclass(frozen=True)
class PoissonParams(Params):
    """``rates`` (K, d): expected count of each column."""

    rates: np.ndarray


@dataclass(frozen=True)
class PoissonStats(Stats):
    """``mass`` (K, d): expected rows with the cell observed; ``events`` (K, d): expected sum of their counts."""

    mass: np.ndarray
    events: np.ndarray


@dataclass(frozen=True)
class Poisson(Family[PoissonParams, PoissonStats]):
    """Independent Poisson columns given the component. A missing cell drops out.

    Parameters
    ----------
    prior : Gamma or None
        Of each rate.
    fixed, start_values : mapping, optional
        "rates" (K, d).
    """

    prior: Prior | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)
    start_values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        refuse_unknown(self.fixed, self.start_values, ("rates",), "a Poisson family")
        if self.prior is not None and not isinstance(self.prior, Gamma):
            raise ParameterError(f"the prior of Poisson rates must be a Gamma, got {self.prior!r}")

    def resolve(self, source: Source, k: int) -> Self:
        """Checks that cells are counts. Raises DataError naming the first that is not."""
        refuse_fractions(source, "a count 0, 1, 2, ...")
        low, _ = column_range(source)
        if low.min() < 0:
            j = int(np.argmin(low))
            raise DataError(f"column {source.columns[j]!r} holds {low[j]:g}; counts are not negative")
        d = source.n_features
        return replace(
            self,
            fixed={key: self._check(value, k, d, "fixed") for key, value in self.fixed.items()},
            start_values={key: self._check(value, k, d, "start") for key, value in self.start_values.items()},
        )

    def _check(self, value: Any, k: int, d: int, where: str) -> np.ndarray:
        name = name_of("rates", where)
        rates = row_each(value, k, d, name)
        if (rates < 0).any():
            raise ParameterError(f"{name} must be finite and not negative, but holds {rates.min():g}")
        return rates

    def null_params(self, k: int, n_features: int) -> PoissonParams:
        """Rates of one."""
        return PoissonParams(np.ones((k, n_features)))

    def start(self, stats: PoissonStats | None, source: Source, k: int) -> PoissonParams:
        """Mean counts of each part; half a row's worth of the columns' own means blended in, so that no rate is zero."""
        given = {**self.start_values, **self.fixed}
        if "rates" in given:
            return PoissonParams(np.asarray(given["rates"]))
        overall = np.maximum(source.moments()[0], 1e-3)
        if stats is None:
            return PoissonParams(np.broadcast_to(overall, (k, len(overall))).copy())
        return PoissonParams((stats.events + 0.5 * overall) / (stats.mass + 0.5))

    def log_prob(self, params: PoissonParams, x: Any) -> np.ndarray:
        """sum_j x_j log rate - rate - log x_j!, (n, K); -inf for what is not a count."""
        from scipy.special import gammaln, xlogy

        x = np.asarray(x, dtype=np.float64)
        seen = np.isfinite(x)
        filled = np.where(seen, x, 0.0)
        rates = params.rates
        if (rates > 0).all():
            out = filled @ np.log(rates).T
        else:
            out = xlogy(filled[:, None, :], rates[None]).sum(axis=2)
        out = out - (rates.sum(axis=1) if seen.all() else seen @ rates.T)
        out = np.asarray(out - gammaln(np.maximum(filled, 0.0) + 1.0).sum(axis=1)[:, None])
        impossible = ((filled < 0) | (filled != np.floor(filled))).any(axis=1)
        if impossible.any():
            out[impossible] = -np.inf
        return out

    def stats(self, params: PoissonParams, x: Any, resp: Any) -> PoissonStats:
        """Expected exposure and events."""
        x = np.asarray(x, dtype=np.float64)
        seen = np.isfinite(x)
        r = np.asarray(resp).T
        return PoissonStats(r @ seen, r @ np.where(seen, x, 0.0))

    def m_step(self, stats: PoissonStats, params: PoissonParams) -> PoissonParams:
        """Events over exposure, with the prior's; where there was none, as before."""
        if "rates" in self.fixed:
            return PoissonParams(np.asarray(self.fixed["rates"]))
        events, mass = stats.events, stats.mass
        if isinstance(self.prior, Gamma):
            events, mass = events + (self.prior.shape - 1.0), mass + self.prior.inverse_scale
        return PoissonParams(np.where(mass > 0, events / np.where(mass > 0, mass, 1.0), params.rates))

    def log_prior(self, params: PoissonParams) -> float:
        """Up to a constant."""
        if not isinstance(self.prior, Gamma) or "rates" in self.fixed:
            return 0.0
        total = -self.prior.inverse_scale * params.rates.sum()
        if self.prior.shape > 1:
            with np.errstate(divide="ignore"):
                total += (self.prior.shape - 1.0) * np.log(params.rates).sum()
        return float(total)

    def sample(self, params: PoissonParams, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Counts, one row for each entry of ``component``."""
        return rng.poisson(params.rates[component]).astype(np.float64)

    def n_free(self, params: PoissonParams) -> int:
        """K d rates unless fixed."""
        return 0 if "rates" in self.fixed else params.rates.size

    def pack(self, params: PoissonParams) -> np.ndarray:
        """Log rates."""
        return np.zeros(0) if "rates" in self.fixed else np.log(np.maximum(params.rates, 1e-300)).ravel()

    def unpack(self, vector: np.ndarray, like: PoissonParams) -> PoissonParams:
        """Inverse of ``pack``."""
        return like if "rates" in self.fixed else PoissonParams(np.exp(vector).reshape(like.rates.shape))

    def permute(self, params: PoissonParams, order: np.ndarray) -> PoissonParams:
        """Relabelled."""
        return PoissonParams(params.rates[order])

    def embed(self, x: Any) -> np.ndarray:
        """Square roots, whose variance does not depend on the rate; a missing cell sits at the column's mean."""
        root = np.sqrt(np.maximum(np.asarray(x, dtype=np.float64), 0.0))
        with np.errstate(invalid="ignore"):
            centre = np.array([column[np.isfinite(column)].mean() if np.isfinite(column).any() else 0.0 for column in root.T])
        return np.where(np.isfinite(root), root - centre, 0.0)
