"""Categorical columns of which one says to which group a row belongs, and some have probabilities of their own in every group."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from emkit.core import simplex
from emkit.core.block import Source
from emkit.core.checks import count, integers
from emkit.core.errors import ParameterError
from emkit.core.family import Family
from emkit.core.parameters import Parameter, Simplex
from emkit.core.prior import Dirichlet
from emkit.core.slivers import few_rows
from emkit.core.support import Symbols
from emkit.families.categorical import Categorical, SymbolCounts, symbol_counts, symbol_logs


@dataclass(frozen=True)
class CategoricalByGroup(Family):
    """Independent categorical columns given the component, the group of a row among them: multi-group latent class analysis.

    The group is a column like the others, with probabilities of its own in each component, so that P(component, group) is free:
    each group has its own class sizes (Clogg and Goodman 1984, JASA 79, 762-771). A free column is taken as so many columns as
    there are groups, of which a row has the one of its group and the others are missing.

    Parameters
    ----------
    group : int
        The number of the column that holds the group, as a symbol 0, 1, ...
    free : sequence of int
        Numbers of the columns whose probabilities differ between groups.
    prior : Dirichlet or None
        The prior of each column's probabilities.
    n_categories : tuple of int, optional
        L of each column; it is counted when the data are known.
    fixed, start_values : mapping, optional
        "probs" (K, e, L): as for ``Categorical``, with the columns of all groups in the place of a free one.
    """

    group: int = 0
    free: Any = ()
    prior: Dirichlet | None = None
    n_categories: Any = field(default=None, kw_only=True)

    parameters = (Parameter("probs", "K e L", Simplex(), Dirichlet),)
    support = Symbols()
    made_of_others = True
    race = Categorical.race

    def __post_init__(self) -> None:
        count(self.group, "group", 0)
        free = integers(self.free, "free") if len(self.free) else ()
        if self.group in free:
            raise ParameterError("the group itself cannot be a free column", parameter="free_items")
        object.__setattr__(self, "free", free)
        super().__post_init__()

    @classmethod
    def examples(cls) -> list[Self]:
        """All columns alike in all groups; one of them free, with a prior."""
        return [cls(0), cls(0, (1,)), cls(1, (0,), Dirichlet(1.5))]

    # --- columns and what they are taken as ---------------------------------------------------------------------------

    def ready(self, source: Source, k: int) -> Self:
        """Counts the symbols of each column."""
        d = source.n_features
        if self.group >= d or any(j >= d for j in self.free):
            raise ParameterError(f"columns are numbered 0 to {d - 1}", parameter="group")
        found = Categorical(self.n_categories).ready(source, k).n_categories
        return replace(self, n_categories=found)

    @property
    def n_groups(self) -> int:
        """G."""
        return int(self._known()[self.group])

    @property
    def places(self) -> tuple[tuple[int, ...], ...]:
        """For each column the columns that it is taken as: one, or one for each group."""
        out, at = [], 0
        for j in range(len(self._known())):
            width = self.n_groups if j in self.free else 1
            out.append(tuple(range(at, at + width)))
            at += width
        return tuple(out)

    @property
    def inner(self) -> Categorical:
        """The family of the columns that the data are taken as."""
        sizes = [size for j, size in enumerate(self._known()) for _ in self.places[j]]
        return Categorical(tuple(sizes), self.prior, fixed=self.fixed, start_values=self.start_values)

    def _known(self) -> tuple[int, ...]:
        if self.n_categories is None:
            raise ParameterError("the numbers of categories are not known yet: resolve(source, k) counts them (fit does)")
        return tuple(self.n_categories)

    def taken(self, x: Any) -> np.ndarray:
        """Rows (n, d) as rows (n, e): a free column has its cell in the place of the row's group."""
        x = np.asarray(x)
        places = self.places
        out = np.full((len(x), places[-1][-1] + 1), np.nan, dtype=x.dtype if x.dtype.kind == "f" else np.float64)
        for j, place in enumerate(places):
            if len(place) == 1 and j not in self.free:
                out[:, place[0]] = x[:, j]
                continue
            for g, at in enumerate(place):
                mine = x[:, self.group] == g
                out[mine, at] = x[mine, j]
        return out

    def sizes(self, k: int, d: int) -> dict[str, int]:
        """E columns; L is the largest number of symbols of any column."""
        return {"K": k, "d": d, "e": self.places[-1][-1] + 1, "L": max(self._known())}

    def held(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Symbols that a column does not have are held at 0."""
        return super().held(name, shape) if self.n_categories is None else self.inner.held(name, shape)

    def columns_of(self, values: Mapping[str, Any]) -> int | None:
        """It cannot be told."""
        return None

    @property
    def separable(self) -> bool:
        """As other families with nothing in common between components."""
        return not self.has_values and (self.prior is None or np.ndim(self.prior.concentration) < 3)

    def slivers(self, params: Any, counts: np.ndarray) -> dict[int, str]:
        """As for ``Categorical``: each column is an observation."""
        return few_rows(self.inner, params, counts)

    # --- the mathematics ----------------------------------------------------------------------------------------------

    def null(self, k: int, d: int) -> Any:
        """Uniform over each column's own symbols."""
        return self.Params(self.inner.null(k, self.sizes(k, d)["e"]).probs)

    def log_prob(self, params: Any, x: Any) -> np.ndarray:
        """Sum over columns of log probability of the symbol, (n, K); -inf for what is not one of them."""
        with np.errstate(divide="ignore"):
            return symbol_logs(np.log(params.probs), self.taken(x))

    def stats(self, params: Any, x: Any, resp: Any) -> SymbolCounts:
        """Expected counts."""
        return symbol_counts(params.probs.shape, self.taken(x), resp)

    def m_step(self, stats: SymbolCounts, params: Any) -> Any:
        """Relative frequencies, with the prior's pseudo-counts; where nothing was counted, as before."""
        counts = stats.counts if self.prior is None else stats.counts + self.prior.pseudo
        return self.Params(simplex.mode(counts, self.held("probs", counts.shape), params.probs))

    def first_guess(self, stats: SymbolCounts) -> Any:
        """Observed frequencies of each part, one pseudo-count spread over the symbols."""
        return self.Params(self.inner.first_guess(stats).probs)

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One row of symbols for each entry of ``component``: the group, and the columns as they are in it."""
        taken = self.inner.sample(params, component, rng)
        return self._in_group(taken, taken[:, self.places[self.group][0]])

    def filled(self, params: Any, x: np.ndarray, resp: np.ndarray) -> np.ndarray:
        """The most probable symbol, of a free column in the row's group. A missing group comes first, without a look at those."""
        taken = self.inner.filled(params, self.taken(x), resp)
        return np.where(np.isnan(x), self._in_group(taken, taken[:, self.places[self.group][0]]), x)

    def drawn(self, params: Any, x: np.ndarray, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """From the component's probabilities, of a free column in the row's group. A missing group is drawn first."""
        taken = self.inner.drawn(params, self.taken(x), component, rng)
        return np.where(np.isnan(x), self._in_group(taken, taken[:, self.places[self.group][0]]), x)

    def _in_group(self, taken: np.ndarray, group: np.ndarray) -> np.ndarray:
        """Inverse of ``taken``: rows (n, d) of rows (n, e) without missing cells, each as it is in its ``group`` (n,)."""
        out, rows = np.empty((len(taken), len(self.places)), dtype=taken.dtype), np.arange(len(taken))
        for j, place in enumerate(self.places):
            at = np.asarray(place)[group.astype(np.intp)] if j in self.free else np.full(len(taken), place[0])
            out[:, j] = taken[rows, at]
        return out

    def q(self, stats: SymbolCounts, params: Any) -> float:
        """Sum of counts log p."""
        return self.inner.q(stats, params)

    def gradient(self, stats: SymbolCounts, params: Any) -> dict[str, np.ndarray]:
        """Counts / p."""
        return self.inner.gradient(stats, params)

    def curvature(self, stats: SymbolCounts, params: Any) -> dict[str, np.ndarray]:
        """Of as many rows as were counted."""
        return self.inner.curvature(stats, params)
