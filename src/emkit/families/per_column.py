"""A table of columns of different kinds: each column, or block of columns, has a family, independent given the component."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from emkit.core.bayes import Pass
from emkit.core.block import Block
from emkit.core.columns import Columns
from emkit.core.records import Params, Stats
from emkit.core.selected import columns_of
from emkit.families.coded import Piece, coded_joint, worth_it
from emkit.families.column_parts import ColumnPart, in_order
from emkit.families.per_column_parts import ConfiguredColumns
from emkit.families.sums import sum_if_known


@dataclass(frozen=True)
class PerColumnParams(Params):
    """``parts``: the Params of each part's family, in order."""

    parts: tuple[Any, ...]


@dataclass(frozen=True)
class PerColumnStats(Stats):
    """``parts``: the Stats of each part's family, in order."""

    parts: tuple[Any, ...]


@dataclass(frozen=True, init=False)
class PerColumn(ConfiguredColumns):
    """Columns of different kinds, independent given the component: ``PerColumn(age=Gaussian(), visits=Poisson())``.

    Parameters
    ----------
    parts : mapping, optional
        From a column's name (or its number, where columns have no names), or a tuple of several, to a family. Columns in a tuple
        share the family: ``{("height", "weight"): Gaussian("full")}`` are correlated. A regression conditions on columns that it
        does not describe, so that another family may: ``{("a", "b"): Gaussian(), "y": Regression(on=("a", "b"))}``. Numbers are
        those of the whole table, wherever in it the family stands.
    **columns : Family
        The same, for columns whose names can be written so.

    The parameters are called by column, as ``age_means``, or by family, as ``gaussian_means``, for several columns.
    """

    Params = PerColumnParams

    @classmethod
    def examples(cls) -> list[Self]:
        """Real columns and counts; a block of two columns; some values fixed; a mixture of experts."""
        from emkit.families.gaussian.family import Gaussian
        from emkit.families.poisson import GammaPrior, Poisson
        from emkit.families.regression.family import Regression

        fixed = Poisson(GammaPrior(2.0, 0.5), fixed={"rates": [[2.0], [np.nan]]})
        experts = cls({0: Gaussian(), 1: Regression(on=(0,))})
        return [cls({0: Gaussian(), 1: Poisson()}), cls({(0, 1): Gaussian("full")}), cls({1: Gaussian("diag"), 0: fixed}), experts]

    # --- cells of the parts -------------------------------------------------------------------------------------------

    @property
    def separable(self) -> bool:
        """If all of them are."""
        return not self.fixed and all(part.family.separable for part in self.parts)

    @property
    def race(self) -> tuple[int, int]:  # type: ignore[override]
        """As the part has it that needs most."""
        return max(part.family.race for part in self.parts)

    def embed(self, x: Any) -> np.ndarray | None:
        """The parts' points side by side."""
        points = [part.family.embed(part_x) for part, part_x in self._cut(x)]
        known = [p for p in points if p is not None]
        return np.concatenate(known, axis=1) if len(known) == len(points) else None

    def _cut(self, x: Any) -> list[tuple[ColumnPart, np.ndarray]]:
        x = np.asarray(x)
        return [(part, np.ascontiguousarray(x[:, list(part.columns)])) for part in self.parts]

    def _changed(self, x: np.ndarray, change: Callable[[ColumnPart, Any, np.ndarray], np.ndarray], params: Any) -> np.ndarray:
        """Rows (n, d) with each part's own columns as ``change`` has them; what it conditions on has been changed before."""
        out = np.array(x, dtype=np.float64)
        own = {part.own: found for part, found in zip(self.parts, params.parts, strict=True)}
        for part in in_order(self.parts):
            cells = np.ascontiguousarray(out[:, list(part.columns)])
            out[:, list(part.own)] = change(part, own[part.own], cells)[:, part.places]
        return out

    # --- the mathematics ----------------------------------------------------------------------------------------------

    def log_prob(self, params: PerColumnParams, x: Any) -> np.ndarray:
        """Sum over the parts, (n, K)."""
        each = zip(self._cut(x), params.parts, strict=True)
        return np.asarray(sum(np.asarray(part.family.log_prob(own, cells)) for (part, cells), own in each))

    def stats(self, params: PerColumnParams, x: Any, resp: Any) -> PerColumnStats:
        """Of each part."""
        each = zip(self._cut(x), params.parts, strict=True)
        return PerColumnStats(tuple(part.family.stats(own, cells, resp) for (part, cells), own in each))

    def m_step(self, stats: PerColumnStats, params: PerColumnParams) -> PerColumnParams:
        """Of each part."""
        each = zip(self.parts, stats.parts, params.parts, strict=True)
        return PerColumnParams(tuple(part.family.update(of_part, own) for part, of_part, own in each))

    def first_guess(self, stats: PerColumnStats) -> PerColumnParams:
        """Of each part."""
        return PerColumnParams(tuple(part.family.start(own) for part, own in zip(self.parts, stats.parts, strict=True)))

    def from_partition(self, x: np.ndarray, resp: np.ndarray, rng: np.random.Generator) -> PerColumnParams:
        """Of each part."""
        return PerColumnParams(tuple(part.family.from_partition(cells, resp, rng) for part, cells in self._cut(x)))

    def anchor(self, k: int, d: int) -> PerColumnParams:
        """Of each part."""
        return PerColumnParams(tuple(part.family.anchor(k, len(part.columns)) for part in self.parts))

    def sample(self, params: PerColumnParams, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Each part's columns in their places; what a part conditions on and no part describes is as its own sample has it."""
        described = {j for part in self.parts for j in part.own}
        x = np.full((len(component), self._width), np.nan)
        for part, own in zip(self.parts, params.parts, strict=True):
            nobodys = [j for j in part.given if j not in described and np.isnan(x[:, j]).all()]
            if nobodys:
                x[:, nobodys] = part.family.sample(own, component, rng)[:, [part.columns.index(j) for j in nobodys]]
        return self.responses(params, component, x, rng)

    def responses(self, params: PerColumnParams, component: np.ndarray, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """All that some part describes is drawn anew; what parts condition on and no part describes stays."""

        def one(part: ColumnPart, own: Any, cells: np.ndarray) -> np.ndarray:
            return part.family.responses(own, component, cells, rng) if part.given else part.family.sample(own, component, rng)

        return self._changed(x, one, params)

    def filled(self, params: PerColumnParams, x: np.ndarray, resp: np.ndarray) -> np.ndarray:
        """Each part's columns in their places."""
        return self._changed(x, lambda part, own, cells: part.family.filled(own, cells, resp), params)

    def drawn(self, params: PerColumnParams, x: np.ndarray, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Each part's columns in their places."""
        return self._changed(x, lambda part, own, cells: part.family.drawn(own, cells, component, rng), params)

    def q(self, stats: PerColumnStats, params: PerColumnParams) -> float | None:
        """Sum over the parts."""
        each = zip(self.parts, stats.parts, params.parts, strict=True)
        return sum_if_known(part.family.q(found, own) for part, found, own in each)

    def complete_marginal(self, stats: PerColumnStats, params: PerColumnParams) -> float | None:
        """Sum over the parts."""
        each = zip(self.parts, stats.parts, params.parts, strict=True)
        return sum_if_known(part.family.complete_marginal(found, own) for part, found, own in each)

    def gradient(self, stats: PerColumnStats, params: PerColumnParams) -> dict[str, np.ndarray]:
        """It has no parameters of its own."""
        return {}

    def curvature(self, stats: PerColumnStats, params: PerColumnParams) -> dict[str, np.ndarray]:
        """It has no parameters of its own."""
        return {}

    def log_priors(self, params: PerColumnParams) -> np.ndarray:
        """Sum over the parts, (K,)."""
        return np.asarray(sum(part.family.log_priors(own) for part, own in zip(self.parts, params.parts, strict=True)))

    def moments(self, params: PerColumnParams) -> tuple[np.ndarray, np.ndarray] | None:
        """Of all columns; those of a part that does not say are NaN."""
        each = [(part, part.family.moments(own)) for part, own in zip(self.parts, params.parts, strict=True)]
        known = [(part, found) for part, found in each if found is not None]
        if not known:
            return None
        mean, variance = (np.full((len(known[0][1][0]), self._width), np.nan) for _ in range(2))
        for part, found in known:
            mean[:, list(part.own)], variance[:, list(part.own)] = (value[:, part.places] for value in found)
        return mean, variance

    def narrowest(self, params: PerColumnParams) -> np.ndarray | None:
        """Of all columns; those of a part without densities are NaN."""
        found: np.ndarray | None = None
        for part, own in zip(self.parts, params.parts, strict=True):
            here = part.family.narrowest(own)
            if here is not None:
                found = np.full((len(here), self._width), np.nan) if found is None else found
                found[:, list(part.own)] = here[:, part.places]
        return found

    def profile(self, params: PerColumnParams, weights: np.ndarray, columns: Columns) -> list[tuple[np.ndarray, list[str]]]:
        """Of all parts."""
        each = zip(self.parts, params.parts, strict=True)
        return [one for part, own in each for one in part.family.profile(own, weights, columns.some(part.columns))]

    def slivers(self, params: PerColumnParams, counts: np.ndarray) -> dict[int, str]:
        """Those that a part names; the first part counts."""
        found: dict[int, str] = {}
        for part, own in reversed(list(zip(self.parts, params.parts, strict=True))):
            found |= part.family.slivers(own, counts)
        return found

    # --- passes -------------------------------------------------------------------------------------------------------

    def _pieces(self, params: PerColumnParams) -> list[Piece]:
        return [Piece(part.family, own, part.columns) for part, own in zip(self.parts, params.parts, strict=True)]

    def joint_pass(
        self, params: Any, log_weights: np.ndarray, block: Block, *, rows: bool = False, responsibilities: bool = False
    ) -> Pass:
        """By distinct values, where that is worth compiled code."""
        pieces = self._pieces(params)
        if not worth_it(pieces, len(log_weights), block):
            return self.plain_pass(params, log_weights, block, rows=rows, responsibilities=responsibilities)
        found, stats = coded_joint(pieces, params, log_weights, block, rows, responsibilities)
        found.stats = PerColumnStats(tuple(stats)) if stats else None
        return found

    def log_prob_block(self, params: PerColumnParams, block: Block, out: np.ndarray | None = None) -> np.ndarray:
        """Sum over the parts, each by its own way."""
        total: np.ndarray | None = None
        for part, own in zip(self.parts, params.parts, strict=True):
            here = part.family.log_prob_block(own, columns_of(block, part.columns))
            total = here if total is None else np.add(total, here, out=total)
        assert total is not None
        if out is None:
            return total
        out[:] = total
        return out

    def stats_block(self, params: PerColumnParams, block: Block, resp: np.ndarray) -> PerColumnStats:
        """Of each part, by its own way."""
        each = zip(self.parts, params.parts, strict=True)
        return PerColumnStats(tuple(p.family.stats_block(own, columns_of(block, p.columns), resp) for p, own in each))

    # --- in words -----------------------------------------------------------------------------------------------------

    def column_words(self, d: int) -> list[str]:
        """Of the part that describes each column; "given" for one that parts only condition on."""
        words = ["given"] * d
        for part in self.parts:
            of_part = part.family.column_words(len(part.columns))
            for column, place in zip(part.own, part.places, strict=True):
                words[column] = of_part[place]
        return words

    @property
    def in_words(self) -> str:
        """As "table (gaussian: 3 columns; poisson: 1 column)"."""
        counts: dict[str, int] = {}
        for part in self.parts:
            counts[part.family.in_words] = counts.get(part.family.in_words, 0) + len(part.own)
        return f"table ({', '.join(f'{n} {word}' for word, n in counts.items())})"

    def mixture_in_words(self, k: int) -> str:
        """As "Mixture of 3 components over a table (2 poisson, 1 categorical)"."""
        return f"Mixture: {k} component{'s' * (k > 1)} over a {self.in_words}"

    def draw(self, rng: np.random.Generator, n: int, d: int) -> Block:
        """Each column as its family draws it."""
        out = np.full((n, d), np.nan)
        for part in in_order(self.numbered(Columns.numbered(d)).parts):
            cells = part.family.draw(rng, n, len(part.shown)).x
            for column, drawn in zip(part.shown, cells.T, strict=True):
                if column in part.own or np.isnan(out[:, column]).all():
                    out[:, column] = drawn
        return Block(out)
