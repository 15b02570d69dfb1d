"""Several hypotheses of one mixture side by side: each E-step is one pass over the data for all of them.

S mixtures of K components are S K components, of which Bayes' rule sees K at a time. Everything else that a family does with
components it does with all of them at once, so that many starts cost little more than one on small data.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.declared import Declared
from emkit.core.errors import CollapseError
from emkit.core.parameters import Parameter
from emkit.core.records import ArrayRecord
from emkit.core.seeding import apart_where_repeated, kind_of_many, seed_labels, values_that_stand_out
from emkit.models.mixture import Mixture, MixtureParams, MixtureStats

_MOST = 2**21  # responsibilities held for the first guesses at once


@dataclass(frozen=True)
class SideBySide:
    """S hypotheses of ``model``: their MixtureParams have weights (S, K) and S K components, those of the first one first."""

    model: Mixture

    @classmethod
    def of(cls, model: Any, source: Source) -> Self | None:
        """Where the components are separable, nothing is held or given, and no label is known; otherwise None."""
        if not isinstance(model, Mixture) or model.has_values or not model.family.separable:
            return None
        return cls(model) if next(iter(source)).labels is None else None

    # --- between one hypothesis and several ---------------------------------------------------------------------------

    def stacked(self, several: Sequence[Any]) -> Any:
        """One record of Params or Stats out of those of single hypotheses, or of several."""
        components = [one.components for one in several]
        joined = components[0]._map(lambda path, *values: np.concatenate(values), *components[1:])
        own = np.concatenate([self.own(one).reshape(-1, self.model.n_hidden) for one in several])
        return type(several[0])(own, joined)

    def take(self, record: Any, index: Any) -> Any:
        """Some of the hypotheses, in the given order."""
        return type(record)(self.own(record)[index], self._components(record.components, index))

    def with_rows(self, record: Any, other: Any, index: Any) -> Any:
        """With some of the hypotheses as ``other`` has them."""
        k, chosen = self.model.n_hidden, np.zeros(len(self.own(record)), dtype=bool)
        chosen[index] = True
        rows = np.repeat(chosen, k)

        def mixed(path: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
            return np.where(rows.reshape(-1, *(1,) * (a.ndim - 1)), b, a)

        own = np.where(chosen[:, None], self.own(other), self.own(record))
        return type(record)(own, record.components._map(mixed, other.components))

    @staticmethod
    def own(record: Any) -> np.ndarray:
        """Weights, or counts, (S, K)."""
        return record.weights if isinstance(record, MixtureParams) else record.counts

    def one(self, record: Any, i: int) -> Any:
        """One hypothesis, as the model has it."""
        taken = self.take(record, [i])
        return type(taken)(self.own(taken)[0], taken.components)

    def _components(self, record: ArrayRecord, index: Any) -> Any:
        k = self.model.n_hidden
        return record._map(lambda path, v: v.reshape(-1, k, *v.shape[1:])[index].reshape(-1, *v.shape[1:]))

    # --- EM -----------------------------------------------------------------------------------------------------------

    def kinds(self, n: int, source: Source) -> list[str]:
        """What each of ``n`` starts from that source does."""
        repeated = not np.isnan(values_that_stand_out(np.asarray(source.joined().x, dtype=np.float64))).all()
        return [kind_of_many(self.model.seeding, i, repeated=repeated) for i in range(n)]

    def init(self, source: Source, rngs: Sequence[np.random.Generator]) -> MixtureParams:
        """Starting values from as many seeded partitions of the rows as there are generators."""
        k, family, block = self.model.n_hidden, self.model.family, source.joined()
        x, weights = np.asarray(block.x), None if block.weights is None else np.asarray(block.weights, dtype=np.float64)
        each = max(1, _MOST // (len(x) * k))
        kinds, made = self.kinds(len(rngs), source), []
        guesses = _guesses(family.embed(x), x, weights, k, rngs, kinds)
        for begin in range(0, len(rngs), each):
            labels = list(islice(guesses, each))
            resp = np.concatenate(labels, axis=1)
            if weights is not None:
                resp *= weights[:, None]
            counts = resp.sum(axis=0).reshape(-1, k) + 1.0
            components = family.from_partition(x, resp, rngs[begin])
            made.append(MixtureParams(counts / counts.sum(axis=1, keepdims=True), components))
        found: MixtureParams = self.stacked(made)
        return found

    def e_step(self, params: MixtureParams, block: Block) -> tuple[MixtureStats, Any]:
        """Statistics, and each hypothesis's log-likelihood, (S,)."""
        result = self.model.family.side_by_side(params.components, params.log_weights, block)
        assert result.counts is not None
        return MixtureStats(result.counts.reshape(params.weights.shape), result.stats), result.log_likelihood

    def m_step(self, stats: MixtureStats, params: MixtureParams) -> MixtureParams:
        """Of each hypothesis. Raises CollapseError if one of them collapses."""
        return self.model.m_step(stats, params)

    def log_prior(self, params: MixtureParams) -> np.ndarray:
        """Of each hypothesis, (S,)."""
        own = np.zeros(params.weights.shape)
        for prior in self.model.priors.values():
            own = own + prior.log_density(params.weights)
        return np.asarray((own + self.model.family.log_priors(params.components).reshape(own.shape)).sum(axis=1))

    # --- coordinates: a row for each hypothesis -----------------------------------------------------------------------

    def slope(self, stats: MixtureStats, params: MixtureParams) -> np.ndarray | None:
        """``Mixture.slope`` of each hypothesis, (S, free parameters)."""
        inner = self.model.family.slopes(stats.components, params.components)
        return self._rows([*self.model.slopes(stats, params), *inner], len(params.weights))

    def information(self, stats: MixtureStats, params: MixtureParams) -> np.ndarray | None:
        """``Mixture.information`` about each hypothesis, (S, free parameters)."""
        inner = self.model.family.informations(stats.components, params.components)
        return self._rows([*self.model.informations(stats, params), *inner], len(params.weights))

    def pack(self, params: MixtureParams) -> np.ndarray:
        """``Mixture.pack`` of each hypothesis, (S, free parameters)."""
        pieces = [p.domain.pack(value, owner.held(p.name, value.shape)) for owner, p, value in self._values(params)]
        found = self._rows(pieces, len(params.weights))
        assert found is not None
        return found

    def unpack(self, rows: np.ndarray, like: MixtureParams) -> MixtureParams:
        """Inverse of ``pack``; ``like`` is one hypothesis."""
        s, at = len(rows), 0
        found: list[np.ndarray] = []
        for owner, p, value in self._values(like):
            n = p.domain.n_free(owner.held(p.name, value.shape))
            shape = (s, *value.shape) if owner is self.model else (s * value.shape[0], *value.shape[1:])
            found.append(p.domain.unpack(rows[:, at : at + n].ravel(), owner.held(p.name, shape))[0])
            at += n
        names = [p.name for p in self.model.family.parameters]
        components = self.model.family.made(like.components, dict(zip(names, found[1:], strict=True)), {})
        return MixtureParams(found[0], components)

    def _values(self, params: MixtureParams) -> list[tuple[Declared, Parameter, np.ndarray]]:
        owners: tuple[tuple[Declared, Any], ...] = ((self.model, params), (self.model.family, params.components))
        return [(owner, p, getattr(values, p.name)) for owner, values in owners for p in owner.parameters]

    def _rows(self, pieces: Sequence[np.ndarray | None], s: int) -> np.ndarray | None:
        known = [piece.reshape(s, -1) for piece in pieces if piece is not None]
        return np.concatenate(known, axis=1) if len(known) == len(pieces) else None

    def sound(self, params: MixtureParams) -> np.ndarray:
        """Which hypotheses are finite and have not collapsed, (S,) booleans."""
        s = len(params.weights)
        flat = [np.isfinite(array).reshape(s, -1).all(axis=1) for array in params.flatten().values()]
        good = np.logical_and.reduce(flat)
        try:
            if good.all():
                self.model.family.refuse_collapse(params.components)
                return good
        except (CollapseError, np.linalg.LinAlgError):
            pass
        for i in np.flatnonzero(good):
            try:
                self.model.family.refuse_collapse(self.one(params, int(i)).components)
            except (CollapseError, np.linalg.LinAlgError):
                good[i] = False
        return good


def _guesses(
    points: np.ndarray | None,
    x: np.ndarray,
    weights: np.ndarray | None,
    k: int,
    rngs: Sequence[np.random.Generator],
    kinds: Sequence[str],
) -> Iterator[np.ndarray]:
    """The first guess of each start, (n, K)."""
    turn, values = 0, values_that_stand_out(x.astype(np.float64)) if "repeated values" in kinds else np.zeros(0)
    for rng, kind in zip(rngs, kinds, strict=True):
        if kind == "repeated values" and points is not None:
            yield seed_labels(apart_where_repeated(points, x, values, turn, k, rng), len(x), weights, k, rng, "k-means++")
            turn += 1
        else:
            yield seed_labels(points, len(x), weights, k, rng, kind)
