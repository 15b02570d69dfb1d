"""States that share their emissions: K states, fewer distinct distributions."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.errors import ParameterError
from emkit.core.model import Family


@dataclass(frozen=True)
class Tied(Family[Any, Any]):
    """A family whose components are shared: component k emits what ``family``'s component ``groups[k]`` does.

    Parameters
    ----------
    family : Family
    groups : sequence of int
        For each component the number of its distribution, 0, 1, ..., each used at least once.
    """

    family: Family[Any, Any]
    groups: tuple[int, ...]

    def __post_init__(self) -> None:
        found = sorted({int(g) for g in self.groups})
        if found != list(range(len(found))):
            raise ParameterError(f"tie={list(self.groups)}: number the shared distributions 0, 1, ... without gaps")

    @property
    def _index(self) -> np.ndarray:
        return np.asarray(self.groups, dtype=np.intp)

    @property
    def _distinct(self) -> int:
        return int(max(self.groups)) + 1

    def _pool(self, resp: Any) -> np.ndarray:
        pooled = np.zeros((resp.shape[0], self._distinct))
        for k, group in enumerate(self.groups):
            pooled[:, group] += resp[:, k]
        return pooled

    def resolve(self, source: Source, k: int) -> Self:
        """Resolves the family. Raises ParameterError if ``groups`` has not one entry for each component."""
        if len(self.groups) != k:
            raise ParameterError(f"tie has {len(self.groups)} entries for {k} states")
        return replace(self, family=self.family.resolve(source, self._distinct))

    def start(self, stats: Any, source: Source, k: int) -> Any:
        """The family's."""
        return self.family.start(stats, source, self._distinct)

    def null_params(self, k: int, n_features: int) -> Any:
        """The family's."""
        return self.family.null_params(self._distinct, n_features)

    def log_prob(self, params: Any, x: Any) -> Any:
        """(n, K): the shared columns, repeated."""
        return self.family.log_prob(params, x)[:, self._index]

    def stats(self, params: Any, x: Any, resp: Any) -> Any:
        """Responsibilities of components that share are added."""
        return self.family.stats(params, x, self._pool(resp))

    def log_prob_block(self, params: Any, block: Block, out: np.ndarray | None = None) -> np.ndarray:
        """The family's, repeated."""
        return np.take(self.family.log_prob_block(params, block), self._index, axis=1, out=out, mode="clip")

    def stats_block(self, params: Any, block: Block, resp: np.ndarray) -> Any:
        """The family's."""
        return self.family.stats_block(params, block, self._pool(resp))

    def from_partition(self, source: Source, x: np.ndarray, resp: np.ndarray, rng: np.random.Generator) -> Any:
        """The family's."""
        return self.family.from_partition(source, x, self._pool(resp), rng)

    def compile(self, source: Source, k: int) -> None:
        """The family's."""
        self.family.compile(source, self._distinct)

    def m_step(self, stats: Any, params: Any) -> Any:
        """The family's."""
        return self.family.m_step(stats, params)

    def log_prior(self, params: Any) -> float:
        """The family's."""
        return self.family.log_prior(params)

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The family's."""
        return self.family.sample(params, self._index[component], rng)

    def n_free(self, params: Any) -> int:
        """Of the distinct distributions."""
        return self.family.n_free(params)

    def pack(self, params: Any) -> np.ndarray:
        """The family's."""
        return self.family.pack(params)

    def unpack(self, vector: np.ndarray, like: Any) -> Any:
        """The family's."""
        return self.family.unpack(vector, like)

    def permute(self, params: Any, order: np.ndarray) -> Any:
        """Raises ParameterError: relabelling would break the ties."""
        if np.array_equal(order, np.arange(len(self.groups))):
            return params
        raise ParameterError("components that share distributions cannot be relabelled")

    def embed(self, x: Any) -> np.ndarray | None:
        """The family's."""
        return self.family.embed(x)
