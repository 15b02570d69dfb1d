"""Structural EM: the graph of a network, learnt from rows with holes.

Friedman (1998), The Bayesian structural EM algorithm, UAI, 129-138. Each round fits the tables of a graph by EM, finds the counts
that every family is expected to have given them, and searches for the graph that these like best; what the rows themselves say,
through the observed likelihood, decides whether it is better.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from emkit.algorithms.auto import algorithm_of
from emkit.algorithms.starts import problem_of
from emkit.core.executor import Executor
from emkit.core.fit import Rules, run
from emkit.data.rows import ArraySource
from emkit.models.bayesnet.evidence import EvidenceSource
from emkit.models.bayesnet.graph import Graph
from emkit.models.bayesnet.model import BayesNet
from emkit.models.bayesnet.params import BayesNetParams
from emkit.models.bayesnet.plan import Plan
from emkit.models.bayesnet.scanning import Scanner
from emkit.models.bayesnet.structure.climbing import Found, Neighbours, Parents, Walk, search
from emkit.models.bayesnet.structure.constraints import Constraints
from emkit.models.bayesnet.structure.counts import Expected, Rows
from emkit.models.bayesnet.structure.scores import Families, Penalized, Score

_TOL, _ITERATIONS = 0.1, 200  # of the tables of each graph, in nats: gains that decide are larger
_ROUNDS = 30  # of a graph that keeps getting better
_CLOSE = 1e-6  # nats: a graph that gains less is not better


@dataclass(frozen=True)
class Fitted:
    """A graph with its tables.

    Attributes
    ----------
    parents : tuple of tuples
    model, params
        The network.
    score : float
        What the rows say of it: for BIC and AIC the observed log-likelihood less the price of the entries; for Bayesian scores
        the approximation of Cheeseman and Stutz (1996).
    expected : Families
        Scores of families by their expected counts.
    """

    parents: Parents
    model: BayesNet
    params: Any
    score: float
    expected: Families


@dataclass(frozen=True)
class StructuralEM:
    """The search.

    Attributes
    ----------
    rows : Rows
    names : tuple of str
    score : Score
    limits : Constraints
    executor : Executor
    rng : numpy Generator
    max_table : float
        Of the networks that are fitted.
    halted : callable
        Whether to stop, keeping the best.
    report : callable
        Told of each graph that is better than those before.
    """

    rows: Rows
    names: tuple[str, ...]
    score: Score
    limits: Constraints
    executor: Executor
    rng: np.random.Generator
    max_table: float
    halted: Callable[[], bool] = lambda: False
    report: Callable[[Found], None] = lambda found: None

    def search(self, inner: int, outer: int) -> Fitted:
        """The best graph found.

        Parameters
        ----------
        inner : int
            Disturbed climbs in a row without success, in each round.
        outer : int
            Searches in a row without success that begin with the best graph disturbed.
        """
        cases = Families(self.rows, self.score, self._cases)
        first = search(cases, self.limits, self.rng, restarts=inner, halted=self.halted)
        best = self._rounds(self.fitted(first.parents, cases.counts), inner)
        failed = 0 if len(self.names) > 1 else outer
        while failed < outer and not self.halted():
            walk = Walk(Neighbours(best.expected, self.limits), best.parents, self.rng)
            walk.disturb()
            found = self._rounds(self.fitted(walk.found.parents, best.expected.counts), inner)
            better = found.score > best.score + _CLOSE
            best, failed = (found, 0) if better else (best, failed + 1)
        return best

    def _rounds(self, fitted: Fitted, inner: int) -> Fitted:
        """Rounds until the observed score rises no more."""
        self.report(Found(fitted.parents, fitted.score))
        for _ in range(_ROUNDS):
            if self.halted():
                break
            found = search(fitted.expected, self.limits, self.rng, fitted.parents, inner, halted=self.halted)
            if found.parents == fitted.parents:
                break
            new = self.fitted(found.parents, fitted.expected.counts)
            if new.score <= fitted.score + _CLOSE:
                break
            fitted = new
            self.report(Found(fitted.parents, fitted.score))
        return fitted

    @cached_property
    def _source(self) -> ArraySource:
        codes = self.rows.codes
        return ArraySource(np.where(codes < 0, np.nan, codes.astype(np.float64)), self.rows.weights, checked=True)

    def _cases(self, members: tuple[int, ...]) -> np.ndarray:
        """Counts of rows that observe all members, brought to the weight of all rows: what a search can begin with."""
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

    def fitted(self, parents: Sequence[Sequence[int]], counts: Callable[[tuple[int, ...]], np.ndarray]) -> Fitted:
        """A graph with the tables that EM finds for it, beginning with those that its families' counts say."""
        parents = tuple(tuple(sorted(of)) for of in parents)
        rows, cards = self.rows, self.limits.cards
        model = BayesNet(Graph(self.names, parents), cards, max_table=self.max_table)
        tables = np.concatenate([_table(counts, child, of, cards) for child, of in enumerate(parents)])
        params = BayesNetParams(tables / model.layout.sums(tables)[model.layout.row_of])
        scanner = Scanner(model.layout)
        scanner.add(rows.codes, rows.weights)
        source = EvidenceSource(self._source, Plan.of(scanner, model.rank, self.max_table), model.prepared)
        problem = problem_of(model, source, self.executor)
        ended = run(problem, algorithm_of("auto"), params, Rules(_TOL, _ITERATIONS))
        expected = Expected.of(rows, model, ended.params)
        families = Families(rows, self.score, rows.observed if rows.complete else expected.counts)
        return Fitted(parents, model, ended.params, self._observed(ended, model, families), families)

    def _observed(self, ended: Any, model: BayesNet, families: Families) -> float:
        parents = model.graph.parents
        if isinstance(self.score, Penalized):
            free = sum(prod(model.layout.shape(n)[:-1]) * (model.cards[n] - 1) for n in range(len(parents)))
            return ended.log_likelihood - self.score.price * free
        total = families.total(parents) + ended.log_likelihood
        for child, of in enumerate(parents):
            counts = _ordered(families.counts, child, of, self.limits.cards)
            used = counts > 0
            total -= float(counts[used] @ np.log(model.layout.table(ended.params.tables, child).ravel()[used]))
        return total


def _ordered(counts: Callable[[tuple[int, ...]], np.ndarray], child: int, parents: Sequence[int], cards: Sequence[int]) -> np.ndarray:
    """Counts of a family as its table has them: the child last; flat."""
    members = tuple(sorted((*parents, child)))
    table = counts(members).reshape([cards[m] for m in members])
    return np.moveaxis(table, members.index(child), -1).ravel()


def _table(counts: Callable[[tuple[int, ...]], np.ndarray], child: int, parents: Sequence[int], cards: Sequence[int]) -> np.ndarray:
    """Counts to begin a table with: what has been seen, and a little of everything, as no row may be impossible."""
    return _ordered(counts, child, parents, cards) + 1e-3 + 1.0 / cards[child] * 1e-2
