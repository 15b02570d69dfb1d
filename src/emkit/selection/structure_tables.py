"""What structural EM asks of rows with holes: of columns of states by expected counts, of columns of numbers by draws."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from emkit.algorithms.starts import fit, problem_of
from emkit.algorithms.words import algorithm_of
from emkit.core.executor import Executor
from emkit.core.fit import Rules, run
from emkit.core.prior import Dirichlet
from emkit.data.rows import ArraySource
from emkit.models.bayesnet import mixed_answers
from emkit.models.bayesnet.conditional_gaussian import ConditionalGaussianNet
from emkit.models.bayesnet.evidence import EvidenceSource
from emkit.models.bayesnet.graph import Graph
from emkit.models.bayesnet.model import BayesNet
from emkit.models.bayesnet.params import BayesNetParams
from emkit.models.bayesnet.plan import Plan
from emkit.models.bayesnet.scanning import Scanner
from emkit.models.bayesnet.structure.climbing import Parents
from emkit.models.bayesnet.structure.counts import Expected, Rows
from emkit.models.bayesnet.structure.linear_scores import Cells, MixedFamilies
from emkit.models.bayesnet.structure.scores import BayesianDirichlet, CountedFamilies, Families, Penalized, Score
from emkit.selection.structural_em import Fitted, Incomplete

_TOL, _ITERATIONS = 0.1, 200  # of the tables of each graph, in nats: gains that decide are larger
_DRAWS = 10  # of the missing cells of a row, where there are numbers; in large tables fewer say as much
_FEWEST, _DRAWN = 3, 50_000


class StateRows(Incomplete):
    """Columns of states.

    Parameters
    ----------
    rows : Rows
    names : sequence of str
    score : Score
    executor : Executor
    max_table : float
        Of the networks that are fitted.
    hidden : sequence of int
        Columns without any cell: hidden nodes.
    rng : numpy Generator
        Of the tables that hidden nodes begin with.
    """

    def __init__(
        self,
        rows: Rows,
        names: Sequence[str],
        score: Score,
        executor: Executor,
        max_table: float,
        hidden: Sequence[int] = (),
        rng: np.random.Generator | None = None,
    ):
        self.rows, self.names, self.score = rows, tuple(names), score
        self.hidden: tuple[int, ...] = tuple(hidden)
        self.executor, self.max_table, self.rng = executor, max_table, rng

    def first(self) -> Families:
        """By available cases."""
        return AvailableCases(self.rows, self.score, self._cases)

    def _cases(self, members: tuple[int, ...]) -> np.ndarray:
        """Counts brought to the weight of all rows; where no row observes them all, of independent columns."""
        counts = self.rows.observed(members)
        total = counts.sum()
        if total > 0:
            return counts * (self.rows.total_weight / total)
        shape = [int(self.rows.cards[m]) for m in members]
        alone = self.rows.total_weight * np.ones(shape)
        for axis, m in enumerate(members):
            seen = self.rows.observed((m,)) + 1.0
            alone *= (seen / seen.sum()).reshape([-1 if j == axis else 1 for j in range(len(members))])
        return alone.ravel()

    @cached_property
    def _source(self) -> ArraySource:
        codes = np.delete(self.rows.codes, self.hidden, axis=1)
        return ArraySource(np.where(codes < 0, np.nan, codes.astype(np.float64)), self.rows.weights, checked=True)

    def fitted(self, parents: Parents, expected: Families) -> Fitted:
        """Tables begin with the expected counts, and a little of everything: no row may be impossible."""
        assert isinstance(expected, CountedFamilies)
        rows, cards = self.rows, self.rows.cards
        prior = self._prior(parents) if isinstance(self.score, BayesianDirichlet) else None
        model = BayesNet(Graph(self.names, parents), tuple(map(int, cards)), self.hidden, prior, max_table=self.max_table)
        ended = self._fit(model, expected)
        families = CountedFamilies(rows, self.score, Expected.of(rows, model, ended.params).counts)
        return Fitted(parents, model, ended.params, self._observed(ended, model, families), families)

    def _prior(self, parents: Parents) -> dict[str, Dirichlet]:
        """A Bayesian score's own, so that what it is taken at is unique where the likelihood has a ridge, as with hidden nodes."""
        score, cards, found = self.score, self.rows.cards, {}
        assert isinstance(score, BayesianDirichlet)
        for child, of in enumerate(parents):
            members = tuple(sorted((*of, child)))
            shape = [int(cards[m]) for m in members]
            pseudo = np.broadcast_to(score.pseudo(members, child, cards), [int(np.prod(shape))]).reshape(shape)
            found[self.names[child]] = Dirichlet(1.0 + np.moveaxis(pseudo, members.index(child), -1))
        return found

    def _fit(self, model: BayesNet, expected: CountedFamilies) -> Any:
        rows, cards, parents = self.rows, self.rows.cards, model.graph.parents
        scanner = Scanner(model.layout)
        scanner.add(rows.codes, rows.weights)
        source = EvidenceSource(self._source, Plan.of(scanner, model.rank, self.max_table), model.prepared)
        if self.hidden and isinstance(expected, AvailableCases):  # which say nothing of hidden nodes: several random starts
            return fit(model, source, executor=self.executor, tol=_TOL, max_iter=_ITERATIONS, rng=self.rng)
        tables = np.concatenate([expected.ordered(child, of) + 0.01 / cards[child] for child, of in enumerate(parents)])
        params = BayesNetParams(tables / model.layout.sums(tables)[model.layout.row_of])
        return run(problem_of(model, source, self.executor), algorithm_of("auto"), params, Rules(_TOL, _ITERATIONS))

    def _observed(self, ended: Any, model: BayesNet, families: CountedFamilies) -> float:
        parents = model.graph.parents
        if isinstance(self.score, Penalized):
            return ended.log_likelihood - self.score.price * model.n_free(ended.params)
        total = families.total(parents) + ended.log_likelihood
        for child, of in enumerate(parents):
            counts = families.ordered(child, of)
            used = counts > 0
            total -= float(counts[used] @ np.log(model.layout.table(ended.params.tables, child).ravel()[used]))
        return total


class AvailableCases(CountedFamilies):
    """Families by the rows that observe them.

    What parents gain is measured on the rows that observe child and parents, with and without the parents, and brought to the
    weight of all rows: else families of other rows would differ by chance, and emptier columns look like better parents.
    """

    def value(self, child: int, parents: tuple[int, ...]) -> float:
        """See ``Families``."""
        if not parents:
            return super().value(child, parents)
        members = tuple(sorted((*parents, child)))
        counts = self.rows.observed(members)
        seen = float(counts.sum())
        if seen <= 0:  # no row observes them together: independent columns, of which only the price counts
            return super().value(child, parents)
        shape = [int(self.cards[m]) for m in members]
        place = members.index(child)
        alone = np.moveaxis(counts.reshape(shape), place, 0).reshape(shape[place], -1).sum(axis=1)
        gain = self.score.value(counts, members, child, self.cards) - self.score.value(alone, (child,), child, self.cards)
        return self(child, ()) + gain * self.rows.total_weight / seen

    def bound(self, child: int, parents: Sequence[int]) -> float:
        """None: what parents gain on some rows may be more than all rows have to lose."""
        return np.inf


class MixedRows(Incomplete):
    """Columns of states and of numbers: families are scored by draws of the missing cells from their posterior.

    Parameters
    ----------
    source : ArraySource
        Codes of states, and numbers.
    names : sequence of str
    cards : sequence of int
        States of each column, 0 for numbers.
    score : Penalized
    executor : Executor
    rng : numpy Generator
    max_table, max_configurations : float
        Of the networks that are fitted.
    """

    def __init__(
        self,
        source: ArraySource,
        names: Sequence[str],
        cards: Sequence[int],
        score: Penalized,
        executor: Executor,
        rng: np.random.Generator,
        max_table: float,
        max_configurations: float,
    ):
        self.source, self.names, self.cards, self.score = source, tuple(names), tuple(cards), score
        self.executor, self.rng = executor, rng
        self.max_table, self.max_configurations = max_table, max_configurations

    def first(self) -> Families:
        """By draws from the columns alone, each independent of the others; of rows without holes as they are."""
        x = np.asarray(self.source.x, dtype=np.float64)
        if not np.isnan(x).any():
            return self._families([x])
        alone = tuple(() for _ in self.names)
        return self._from_network(*self._fit(alone)[:2])

    def check(self) -> None:
        """Raise DataError for cells that no network could be fitted to."""
        self._model(tuple(() for _ in self.names)).resolve(self.source)

    def _model(self, parents: Parents) -> Any:
        return ConditionalGaussianNet.of(
            Graph(self.names, parents), self.cards, (), None, (), False, self.max_table, (),
            gaussian_prior="weak", max_configurations=self.max_configurations,
        )  # fmt: skip

    def _fit(self, parents: Parents) -> tuple[Any, Any, float]:
        ended = fit(self._model(parents), self.source, executor=self.executor, starts=1, tol=0.1 * _TOL, max_iter=_ITERATIONS)
        return ended.model, ended.params, ended.log_likelihood

    def fitted(self, parents: Parents, expected: Families) -> Fitted:
        """See ``Incomplete``."""
        model, params, log_likelihood = self._fit(parents)
        score = log_likelihood - self.score.price * model.n_free(params)
        return Fitted(parents, model, params, score, self._from_network(model, params))

    def _from_network(self, model: Any, params: Any) -> MixedFamilies:
        codes, z = model.cells(self.source.x)
        times = min(_DRAWS, max(_FEWEST, _DRAWN // max(len(z), 1)))
        return self._families(list(mixed_answers.drawn_values(model, params, codes, z, self.rng, times)))

    def _families(self, draws: list[np.ndarray]) -> MixedFamilies:
        """Of tables without holes, which stand for the rows together."""
        return MixedFamilies(cells_of(draws, self.source.weights, self.cards), self.score)


def with_weight(source: ArraySource) -> ArraySource:
    """The rows that count."""
    if source.weights is None or (source.weights > 0).all():
        return source
    some = np.asarray(source.weights) > 0
    return ArraySource(source.x[some], source.weights[some], source.columns, checked=True)


def cells_of(draws: Sequence[np.ndarray], weights: Any, cards: Sequence[int]) -> Cells:
    """Tables without holes (n, N) as one: rows that are the same in all of them once, others each with its share of the weight."""
    gaussian = np.array([not card for card in cards])
    mass = np.ones(len(draws[0])) if weights is None else np.asarray(weights, dtype=np.float64)
    drawn = np.zeros(len(mass), np.bool_)
    for other in draws[1:]:
        drawn |= (other != draws[0]).any(axis=1)
    whole = np.concatenate([draws[0][~drawn], *(draw[drawn] for draw in draws)])
    every = np.concatenate([mass[~drawn], np.tile(mass[drawn] / len(draws), len(draws))])
    z, scale, total = np.zeros(whole.shape), np.ones(len(cards)), every.sum()
    for j in np.flatnonzero(gaussian):
        centre = every @ whole[:, j] / total
        spread = np.sqrt(every @ (whole[:, j] - centre) ** 2 / total)
        scale[j] = spread if spread > 0 else 1.0
        z[:, j] = (whole[:, j] - centre) / scale[j]
    codes = np.where(gaussian, 0, whole).astype(np.int32)
    return Cells(codes, z, every, np.array([card or 1 for card in cards], np.int64), gaussian, scale)
