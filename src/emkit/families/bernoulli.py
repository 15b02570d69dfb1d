"""Bernoulli columns: cells are 0 or 1."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from emkit.core.block import Source
from emkit.core.errors import ParameterError
from emkit.core.model import Family
from emkit.core.prior import Prior
from emkit.core.records import Params, Stats
from emkit.families.discrete import refuse_cells
from emkit.families.given import name_of, refuse_unknown, row_each


@dataclass(frozen=True)
class Beta(Prior):
    """Conjugate prior of a probability: density proportional to p^(a - 1) (1 - p)^(b - 1), a and b >= 1."""

    a: float = 1.0
    b: float = 1.0

    def __post_init__(self) -> None:
        if not (self.a >= 1 and self.b >= 1):
            raise ParameterError(f"Beta(a={self.a}, b={self.b}): both must be at least 1")


@dataclass(frozen=True)
class BernoulliParams(Params):
    """``probs`` (K, d): probability of a 1."""

    probs: np.ndarray


@dataclass(frozen=True)
class BernoulliStats(Stats):
    """``mass`` (K, d): expected rows with the cell observed; ``ones`` (K, d): those of them that are 1."""

    mass: np.ndarray
    ones: np.ndarray


@dataclass(frozen=True)
class Bernoulli(Family[BernoulliParams, BernoulliStats]):
    """Independent 0/1 columns given the component. A missing cell drops out.

    Parameters
    ----------
    prior : Beta or None
    fixed, start_values : mapping, optional
        "probs" (K, d).
    """

    prior: Prior | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)
    start_values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        refuse_unknown(self.fixed, self.start_values, ("probs",), "a Bernoulli family")
        if self.prior is not None and not isinstance(self.prior, Beta):
            raise ParameterError(f"the prior of Bernoulli probabilities must be a Beta, got {self.prior!r}")

    def resolve(self, source: Source, k: int) -> Self:
        """Checks that cells are 0 or 1. Raises DataError naming the first that is not."""
        refuse_cells(source, lambda x: (x != 0) & (x != 1), "0 or 1")
        d = source.n_features
        return replace(
            self,
            fixed={key: self._check(value, k, d, "fixed") for key, value in self.fixed.items()},
            start_values={key: self._check(value, k, d, "start") for key, value in self.start_values.items()},
        )

    def _check(self, value: Any, k: int, d: int, where: str) -> np.ndarray:
        name = name_of("probs", where)
        probs = row_each(value, k, d, name)
        if not ((probs >= 0) & (probs <= 1)).all():
            raise ParameterError(f"{name} must lie between 0 and 1")
        return probs

    def null_params(self, k: int, n_features: int) -> BernoulliParams:
        """One half."""
        return BernoulliParams(np.full((k, n_features), 0.5))

    def start(self, stats: BernoulliStats | None, source: Source, k: int) -> BernoulliParams:
        """Frequencies of each part, with one pseudo-row."""
        given = {**self.start_values, **self.fixed}
        if "probs" in given:
            return BernoulliParams(np.asarray(given["probs"]))
        if stats is None:
            return self.null_params(k, source.n_features)
        return BernoulliParams((stats.ones + 0.5) / (stats.mass + 1.0))

    def log_prob(self, params: BernoulliParams, x: Any) -> np.ndarray:
        """sum_j log p_j or log(1 - p_j), (n, K); -inf for what is neither 0 nor 1."""
        from scipy.special import xlog1py, xlogy

        x = np.asarray(x, dtype=np.float64)
        seen = np.isfinite(x)
        ones = np.where(seen, x, 0.0)
        zeros = seen - ones
        p = params.probs
        if ((p > 0) & (p < 1)).all():
            out = np.asarray(ones @ np.log(p).T + zeros @ np.log1p(-p).T)
        else:
            out = np.asarray((xlogy(ones[:, None, :], p) + xlog1py(zeros[:, None, :], -p)).sum(axis=2))
        impossible = ((ones != 0) & (ones != 1)).any(axis=1)
        if impossible.any():
            out[impossible] = -np.inf
        return out

    def stats(self, params: BernoulliParams, x: Any, resp: Any) -> BernoulliStats:
        """Expected counts."""
        x = np.asarray(x, dtype=np.float64)
        seen = np.isfinite(x)
        r = np.asarray(resp).T
        return BernoulliStats(r @ seen, r @ np.where(seen, x, 0.0))

    def m_step(self, stats: BernoulliStats, params: BernoulliParams) -> BernoulliParams:
        """Relative frequencies, with the prior's pseudo-counts; where nothing was seen, as before."""
        if "probs" in self.fixed:
            return BernoulliParams(np.asarray(self.fixed["probs"]))
        ones, mass = stats.ones, stats.mass
        if isinstance(self.prior, Beta):
            ones, mass = ones + (self.prior.a - 1.0), mass + (self.prior.a + self.prior.b - 2.0)
        ratio = np.clip(ones / np.where(mass > 0, mass, 1.0), 0.0, 1.0)
        return BernoulliParams(np.where(mass > 0, ratio, params.probs))

    def log_prior(self, params: BernoulliParams) -> float:
        """Up to a constant."""
        if not isinstance(self.prior, Beta) or "probs" in self.fixed:
            return 0.0
        from scipy.special import xlog1py, xlogy

        return float((xlogy(self.prior.a - 1.0, params.probs) + xlog1py(self.prior.b - 1.0, -params.probs)).sum())

    def sample(self, params: BernoulliParams, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Zeros and ones, one row for each entry of ``component``."""
        p = params.probs[component]
        return (rng.uniform(size=p.shape) < p).astype(np.float64)

    def n_free(self, params: BernoulliParams) -> int:
        """K d unless fixed."""
        return 0 if "probs" in self.fixed else params.probs.size

    def pack(self, params: BernoulliParams) -> np.ndarray:
        """Log odds."""
        if "probs" in self.fixed:
            return np.zeros(0)
        p = np.clip(params.probs, 1e-300, 1.0 - 1e-16)
        return np.asarray((np.log(p) - np.log1p(-p)).ravel())

    def unpack(self, vector: np.ndarray, like: BernoulliParams) -> BernoulliParams:
        """Inverse of ``pack``."""
        if "probs" in self.fixed:
            return like
        from scipy.special import expit

        return BernoulliParams(expit(vector).reshape(like.probs.shape))

    def permute(self, params: BernoulliParams, order: np.ndarray) -> BernoulliParams:
        """Relabelled."""
        return BernoulliParams(params.probs[order])

    def embed(self, x: Any) -> np.ndarray:
        """As they are; a missing cell is one half."""
        return np.nan_to_num(np.asarray(x, dtype=np.float64), nan=0.5)
