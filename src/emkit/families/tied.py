"""States that share their emissions: K states, fewer distinct distributions."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.checks import integers
from emkit.core.columns import Columns
from emkit.core.errors import ParameterError
from emkit.core.family import Family
from emkit.families.over_another import OverAnother


@dataclass(frozen=True)
class Tied(OverAnother):
    """A family whose components are shared: component k emits what ``family``'s component ``groups[k]`` does.

    Its Params, Stats, fixed and starting values are the family's, of the distinct distributions.

    Parameters
    ----------
    family : Family
    groups : sequence of int
        For each component the number of its distribution, 0, 1, ..., each used at least once.
    """

    family: Family
    groups: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", integers(self.groups, "tie"))
        found = sorted(set(self.groups))
        if found != list(range(len(found))):
            raise ParameterError(
                f"tie={list(self.groups)}: number the shared distributions 0, 1, ... without gaps", parameter="tie"
            )
        super().__post_init__()

    @classmethod
    def examples(cls) -> list[Self]:
        """Two components that share one distribution, and two that have their own."""
        from emkit.families.gaussian.family import Gaussian
        from emkit.families.poisson import GammaPrior, Poisson

        return [cls(Gaussian("full"), (0, 0)), cls(Poisson(GammaPrior(2.0, 0.5)), (1, 0))]

    @property
    def _index(self) -> np.ndarray:
        return np.asarray(self.groups, dtype=np.intp)

    @property
    def _distinct(self) -> int:
        return max(self.groups) + 1

    def _pool(self, resp: Any) -> np.ndarray:
        pooled = np.zeros((resp.shape[0], self._distinct))
        for k, group in enumerate(self.groups):
            pooled[:, group] += resp[:, k]
        return pooled

    # --- parameters: all the family's ---------------------------------------------------------------------------------

    @property
    def missing_counts(self) -> bool:
        """As the family has it."""
        return self.family.missing_counts

    @property
    def all_names(self) -> tuple[str, ...]:
        """As the family has it."""
        return self.family.all_names

    @property
    def needed_names(self) -> tuple[str, ...]:
        """As the family has it."""
        return self.family.needed_names

    def configured(self, fixed: Any, init: Any) -> Self:
        """Values go to the family."""
        return replace(self, family=self.family.configured(fixed, init))

    def parameter(self, name: str) -> Any:
        """As the family has it."""
        return self.family.parameter(name)

    def shown(self, params: Any) -> dict[str, np.ndarray]:
        """Repeated for each component."""
        index = self._index
        return {name: value[index] if self._each(name) else value for name, value in self.family.shown(params).items()}

    def away(self, params: Any) -> dict[str, np.ndarray]:
        """Repeated for each component."""
        index = self._index
        return {name: value[index] if self._each(name) else value for name, value in self.family.away(params).items()}

    def interval_scales(self) -> dict[str, str]:
        """As the family has it."""
        return self.family.interval_scales()

    def _each(self, name: str) -> bool:
        declared = self.family.parameter(name)
        return declared is not None and bool(declared.axes)

    def unshown(self, values: Any, k: int, d: int) -> Any:
        """Inverse of ``shown``. Raises ParameterError where components that share a distribution differ."""
        first = [self.groups.index(group) for group in range(self._distinct)]
        mine = {}
        for name, value in values.items():
            if not self._each(name):
                mine[name] = value
                continue
            array = np.asarray(value)
            if len(array) == k and not np.array_equal(array, array[first][self._index]):
                raise ParameterError(f"{name}_: components that share a distribution have different values", parameter=name)
            mine[name] = array[first] if len(array) == k else array
        return self.family.unshown(mine, self._distinct, d)

    @property
    def is_started(self) -> bool:
        """As the family has it."""
        return self.family.is_started

    @property
    def has_values(self) -> bool:
        """Ties name the components, as values do, unless all of them share one distribution."""
        return self._distinct > 1 or self.family.has_values

    def columns_of(self, values: Any) -> int | None:
        """As the family has it."""
        return self.family.columns_of(values)

    def without_data(self, values: Any, d: int) -> Self:
        """As the family has it."""
        return replace(self, family=self.family.without_data(values, d))

    def null(self, k: int, d: int) -> Any:
        """As the family has it."""
        return self.family.null(self._distinct, d)

    def anchor(self, k: int, d: int) -> Any:
        """As the family has it."""
        return self.family.anchor(self._distinct, d)

    def n_free(self, params: Any) -> int:
        """Of the distinct distributions."""
        return self.family.n_free(params)

    def pack(self, params: Any) -> np.ndarray:
        """As the family has it."""
        return self.family.pack(params)

    def _unpacked(self, vector: np.ndarray, like: Any) -> tuple[Any, int]:
        return self.family._unpacked(vector, like)

    def permute(self, params: Any, order: np.ndarray) -> Any:
        """Raises ParameterError where relabelling would break the ties."""
        if np.array_equal(self._index[np.asarray(order)], self._index):
            return params
        raise ParameterError("components that share distributions cannot be relabelled")

    def log_prior(self, params: Any) -> float:
        """As the family has it."""
        return self.family.log_prior(params)

    # --- the rest -----------------------------------------------------------------------------------------------------

    def ready(self, source: Source, k: int) -> Self:
        """Resolves the family. Raises ParameterError if ``groups`` has not one entry for each component."""
        if len(self.groups) != k:
            raise ParameterError(f"tie has {len(self.groups)} entries for {k} states", parameter="tie")
        return replace(self, family=self.family.resolve(source, self._distinct))

    def log_prob(self, params: Any, x: Any) -> Any:
        """(n, K): the shared columns, repeated."""
        return self.family.log_prob(params, x)[:, self._index]

    def stats(self, params: Any, x: Any, resp: Any) -> Any:
        """Responsibilities of components that share are added."""
        return self.family.stats(params, x, self._pool(resp))

    def log_prob_block(self, params: Any, block: Block, out: np.ndarray | None = None) -> np.ndarray:
        """As the family has it, repeated for each component."""
        return np.take(self.family.log_prob_block(params, block), self._index, axis=1, out=out, mode="clip")

    def stats_block(self, params: Any, block: Block, resp: np.ndarray) -> Any:
        """As the family has it."""
        return self.family.stats_block(params, block, self._pool(resp))

    def m_step(self, stats: Any, params: Any) -> Any:
        """As the family has it."""
        return self.family.update(stats, params)

    def update(self, stats: Any, params: Any) -> Any:
        """As the family has it."""
        return self.family.update(stats, params)

    def first_guess(self, stats: Any) -> Any:
        """As the family has it."""
        return self.family.start(stats)

    def start(self, stats: Any) -> Any:
        """As the family has it."""
        return self.family.start(stats)

    def from_partition(self, x: np.ndarray, resp: np.ndarray, rng: np.random.Generator) -> Any:
        """As the family has it."""
        return self.family.from_partition(x, self._pool(resp), rng)

    def embed(self, x: Any) -> np.ndarray | None:
        """As the family has it."""
        return self.family.embed(x)

    def q(self, stats: Any, params: Any) -> float | None:
        """As the family has it."""
        return self.family.q(stats, params)

    def slope(self, stats: Any, params: Any) -> np.ndarray | None:
        """The family's."""
        return self.family.slope(stats, params)

    def information(self, stats: Any, params: Any) -> np.ndarray | None:
        """The family's."""
        return self.family.information(stats, params)

    def refuse_collapse(self, params: Any) -> None:
        """The family's."""
        self.family.refuse_collapse(params)

    def slivers(self, params: Any, counts: np.ndarray) -> dict[int, str]:
        """As the family says of the distinct distributions, with the rows of all that share one."""
        found = self.family.slivers(params, self._pool(counts[None])[0])
        return {k: found[group] for k, group in enumerate(self.groups) if group in found}

    def moments(self, params: Any) -> tuple[np.ndarray, np.ndarray] | None:
        """As the family has it, repeated for each component."""
        found = self.family.moments(params)
        return None if found is None else (found[0][self._index], found[1][self._index])

    def narrowest(self, params: Any) -> np.ndarray | None:
        """As the family has it, repeated for each component."""
        found = self.family.narrowest(params)
        return None if found is None else found[self._index]

    def profile(self, params: Any, weights: np.ndarray, columns: Columns) -> list[tuple[np.ndarray, list[str]]]:
        """As the family has it, repeated for each component."""
        found = self.family.profile(params, self._pool(weights[None])[0], columns)
        return [(away[self._index], [texts[group] for group in self.groups]) for away, texts in found]

    def cdf(self, params: Any, x: np.ndarray, *, upper: bool = False) -> tuple[np.ndarray, np.ndarray] | None:
        """As the family has it, repeated for each component."""
        found = self.family.cdf(params, x, upper=upper)
        return None if found is None else (found[0][:, self._index], found[1][:, self._index])

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """As the family has it."""
        return self.family.sample(params, self._index[component], rng)

    def filled(self, params: Any, x: np.ndarray, resp: np.ndarray) -> np.ndarray:
        """As the family has it, with responsibilities of components that share added."""
        return self.family.filled(params, x, self._pool(resp))

    def drawn(self, params: Any, x: np.ndarray, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """As the family has it."""
        return self.family.drawn(params, x, self._index[component], rng)

    def column_words(self, d: int) -> list[str]:
        """As the family has it."""
        return self.family.column_words(d)

    @property
    def in_words(self) -> str:
        """As the family has it."""
        return self.family.in_words

    def priors_in_words(self) -> list[str]:
        """As the family has it."""
        return self.family.priors_in_words()

    def held_names(self) -> list[str]:
        """As the family has it."""
        return self.family.held_names()

    def compile(self, source: Source, k: int) -> None:
        """As the family has it."""
        self.family.compile(source, self._distinct)
