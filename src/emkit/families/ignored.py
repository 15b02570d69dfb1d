"""Columns that say nothing: they are carried along, and take no part."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from emkit.core.family import Family
from emkit.core.parameters import Parameter
from emkit.core.records import Params, Stats
from emkit.core.support import Support


@dataclass(frozen=True)
class IgnoredParams(Params):
    """Nothing but the number of components, as the length of ``none`` (K,)."""

    none: np.ndarray


@dataclass(frozen=True)
class IgnoredStats(Stats):
    """``mass`` (K,): expected rows."""

    mass: np.ndarray


class Anything(Support):
    """Any cell of any kind."""

    words = "anything"
    kinds = ("real", "count", "binary", "category")
    signed = True

    def holds(self, x: np.ndarray) -> np.ndarray:
        """Yes."""
        return np.ones(x.shape, dtype=bool)

    def suspect(self, source: Any) -> bool:
        """No."""
        return False

    def embed(self, x: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """No distance at all."""
        return np.zeros((len(x), 0))

    def draw(self, rng: np.random.Generator, n: int, d: int) -> np.ndarray:
        """Some numbers."""
        return rng.normal(size=(n, d))


@dataclass(frozen=True)
class Ignored(Family):
    """Columns without any influence: every component gives every cell probability 1, so that nothing follows from them."""

    Params = IgnoredParams
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    support = Anything()
    independent = True

    def log_prob(self, params: Any, x: Any) -> np.ndarray:
        """0, (n, K)."""
        return np.zeros((len(x), len(params.none)))

    def stats(self, params: Any, x: Any, resp: Any) -> IgnoredStats:
        """Expected rows."""
        return IgnoredStats(np.asarray(resp, dtype=np.float64).sum(axis=0))

    def m_step(self, stats: IgnoredStats, params: Any) -> Any:
        """As before."""
        return params

    def first_guess(self, stats: IgnoredStats) -> Any:
        """Nothing."""
        return self.Params(np.zeros(len(stats.mass)))

    def null(self, k: int, d: int) -> Any:
        """Nothing."""
        return self.Params(np.zeros(k))

    def made(self, params: Any, values: Any, parts: Any) -> Any:
        """Nothing, for as many components."""
        return params

    def unshown(self, values: Any, k: int, d: int) -> Any:
        """Nothing."""
        return self.Params(np.zeros(k))

    def permute(self, params: Any, order: np.ndarray) -> Any:
        """The same."""
        return params

    def q(self, stats: IgnoredStats, params: Any) -> float:
        """0."""
        return 0.0

    def gradient(self, stats: IgnoredStats, params: Any) -> dict[str, np.ndarray]:
        """Nothing is free."""
        return {}

    def curvature(self, stats: IgnoredStats, params: Any) -> dict[str, np.ndarray]:
        """Nothing is free."""
        return {}

    def filled(self, params: Any, x: np.ndarray, resp: np.ndarray) -> np.ndarray:
        """Missing cells stay missing."""
        return x

    def drawn(self, params: Any, x: np.ndarray, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Missing cells stay missing."""
        return x

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Missing cells."""
        return np.full((len(component), 1 if self.seen is None else len(self.seen.mean)), np.nan)

    def column_words(self, d: int) -> list[str]:
        """As ``AutoClass`` calls them."""
        return ["ignore"] * d

    def slivers(self, params: Any, counts: np.ndarray) -> dict[int, str]:
        """None."""
        return {}

    @classmethod
    def examples(cls) -> list[Self]:
        """There is one kind of nothing."""
        return [cls()]
