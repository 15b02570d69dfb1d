"""A mixture as a family: each component is itself a mixture of M parts. An HMM of it is a GMM-HMM."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from emkit.core import simplex
from emkit.core.block import Source
from emkit.core.errors import ParameterError
from emkit.core.model import Family, log_sum_exp, posterior
from emkit.core.prior import Dirichlet, Prior
from emkit.core.records import Params, Stats
from emkit.core.seeding import seed_labels
from emkit.families.given import name_of, numbers


@dataclass(frozen=True)
class MixedParams(Params):
    """``weights`` (K, M), rows adding up to 1; ``parts``: the family's Params of K M components, those of component k together."""

    weights: np.ndarray
    parts: Any


@dataclass(frozen=True)
class MixedStats(Stats):
    """``counts`` (K, M) expected rows of each part; ``parts``: the family's Stats."""

    counts: np.ndarray
    parts: Any


@dataclass(frozen=True)
class Mixed(Family[MixedParams, MixedStats]):
    """p(x | component k) = sum_m weight_km p(x | part m of component k).

    Parameters
    ----------
    family : Family
        What the parts are.
    n_parts : int
        M >= 1.
    prior : Dirichlet or None
        Of the weights of each component.
    start_weights : array of shape (K, M), optional
        Starting values.
    """

    family: Family[Any, Any]
    n_parts: int
    prior: Prior | None = None
    start_weights: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.n_parts, int | np.integer) or self.n_parts < 1:
            raise ParameterError(f"n_mix={self.n_parts!r}: give an integer of at least 1")

    def resolve(self, source: Source, k: int) -> Self:
        """Resolves the family, for K M components."""
        weights = self.start_weights
        if weights is not None:
            weights = numbers(weights, name_of("weights", "start"))
            if weights.shape != (k, self.n_parts) or not np.allclose(weights.sum(axis=1), 1.0) or (weights < 0).any():
                raise ParameterError(f"{name_of('weights', 'start')} must be a ({k}, {self.n_parts}) array whose rows add up to 1")
        return replace(self, family=self.family.resolve(source, k * self.n_parts), start_weights=weights)

    def null_params(self, k: int, n_features: int) -> MixedParams:
        """Equal weights."""
        m = self.n_parts
        return MixedParams(np.full((k, m), 1.0 / m), self.family.null_params(k * m, n_features))

    def start(self, stats: MixedStats | None, source: Source, k: int) -> MixedParams:
        """From statistics of the parts; see ``from_partition`` for how parts come to differ."""
        m = self.n_parts
        weights = np.full((k, m), 1.0 / m)
        if stats is not None:
            weights = (stats.counts + 1.0) / (stats.counts.sum(axis=1, keepdims=True) + m)
        if self.start_weights is not None:
            weights = np.asarray(self.start_weights)
        return MixedParams(weights, self.family.start(None if stats is None else stats.parts, source, k * m))

    def from_partition(self, source: Source, x: np.ndarray, resp: np.ndarray, rng: np.random.Generator) -> MixedParams:
        """The rows of each component are seeded into M parts of their own."""
        n, k = resp.shape
        m = self.n_parts
        fine = np.zeros((n, k * m))
        points = self.family.embed(x)
        for j in range(k):
            mass = resp[:, j]
            rows = np.flatnonzero(mass > 0)
            distinct = 0 if points is None or not len(rows) else len(np.unique(points[rows], axis=0))
            kind = "kmeans" if distinct >= m else "random"
            labels = seed_labels(None if points is None else points[rows], len(rows), mass[rows], m, rng, kind)
            fine[rows, j * m : (j + 1) * m] = labels * mass[rows, None]
        counts = fine.sum(axis=0).reshape(k, m)
        weights = (counts + 1.0) / (counts.sum(axis=1, keepdims=True) + m)
        if self.start_weights is not None:
            weights = np.asarray(self.start_weights)
        return MixedParams(weights, self.family.from_partition(source, x, fine, rng))

    def _joint(self, params: MixedParams, x: Any) -> np.ndarray:
        """Log weight + log density of every part, (n, K, M)."""
        k, m = params.weights.shape
        with np.errstate(divide="ignore"):
            log_weights = np.log(params.weights)
        parts = np.asarray(self.family.log_prob(params.parts, x), dtype=np.float64)
        return parts.reshape(-1, k, m) + log_weights

    def log_prob(self, params: MixedParams, x: Any) -> np.ndarray:
        """Sum over the parts, (n, K)."""
        return log_sum_exp(self._joint(params, x))

    def stats(self, params: MixedParams, x: Any, resp: Any) -> MixedStats:
        """Responsibilities of components, shared out among their parts."""
        joint = self._joint(params, x)
        n, k, m = joint.shape
        fine = posterior(joint, log_sum_exp(joint)) * np.asarray(resp)[:, :, None]
        return MixedStats(fine.sum(axis=0), self.family.stats(params.parts, x, fine.reshape(n, k * m)))

    def m_step(self, stats: MixedStats, params: MixedParams) -> MixedParams:
        """Weights in closed form; where nothing was counted, as before."""
        prior = self.prior if isinstance(self.prior, Dirichlet) else Dirichlet()
        mode = prior.mode(stats.counts)
        seen = stats.counts.sum(axis=1, keepdims=True) > 0
        weights = np.where(seen | (np.asarray(prior.concentration) > 1).any(), mode, params.weights)
        return MixedParams(weights, self.family.m_step(stats.parts, params.parts))

    def log_prior(self, params: MixedParams) -> float:
        """Of weights and parts."""
        own = self.prior.log_density(params.weights) if isinstance(self.prior, Dirichlet) else 0.0
        return own + self.family.log_prior(params.parts)

    def sample(self, params: MixedParams, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A part drawn for each row, then the row."""
        cumulative = np.cumsum(params.weights, axis=1)[component]
        part = (rng.uniform(size=(len(component), 1)) >= cumulative / cumulative[:, -1:]).sum(axis=1)
        return self.family.sample(params.parts, component * self.n_parts + part, rng)

    def n_free(self, params: MixedParams) -> int:
        """K (M - 1) weights and the parts'."""
        k, m = params.weights.shape
        return k * (m - 1) + self.family.n_free(params.parts)

    def pack(self, params: MixedParams) -> np.ndarray:
        """Log-ratios of weights to the last part's, then the parts."""
        free = np.full(params.weights.shape, np.nan)
        return np.concatenate([simplex.pack(params.weights, free), self.family.pack(params.parts)])

    def unpack(self, vector: np.ndarray, like: MixedParams) -> MixedParams:
        """Inverse of ``pack``."""
        weights, at = simplex.unpack(vector, np.full(like.weights.shape, np.nan))
        return MixedParams(weights, self.family.unpack(vector[at:], like.parts))

    def _parts_of(self, order: np.ndarray) -> np.ndarray:
        m = self.n_parts
        return np.asarray((np.asarray(order)[:, None] * m + np.arange(m)).ravel())

    def permute(self, params: MixedParams, order: np.ndarray) -> MixedParams:
        """Components relabelled; parts stay in their order."""
        return MixedParams(params.weights[order], self.family.permute(params.parts, self._parts_of(order)))

    def permuted(self, order: np.ndarray) -> Self:
        """The configuration that goes with ``permute``."""
        weights = None if self.start_weights is None else np.asarray(self.start_weights)[order]
        return replace(self, family=self.family.permuted(self._parts_of(order)), start_weights=weights)

    def embed(self, x: Any) -> np.ndarray | None:
        """The family's."""
        return self.family.embed(x)
