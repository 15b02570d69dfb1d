"""Structural EM: the graph of a network, learnt from rows with holes.

Friedman (1998), The Bayesian structural EM algorithm, UAI, 129-138. Each round fits the tables of a graph by EM, finds the counts
that every family is expected to have given them, and searches for the graph that these like best; what the rows themselves say,
through the observed likelihood, decides whether it is better.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.errors import ParameterError
from emkit.models.bayesnet.structure.climbing import Found, Neighbours, Parents, Walk
from emkit.models.bayesnet.structure.constraints import Constraints
from emkit.models.bayesnet.structure.scores import Families

_ROUNDS = 30  # of a graph that keeps getting better
_WEAK = 10.0  # nats that the expected score loses without an arc: of stronger ones the observed score has no doubt
_CLOSE = 1e-6  # nats: a graph that gains less is not better

Search = Callable[[Families, Parents | None], Found]


@dataclass(frozen=True)
class Fitted:
    """A graph with its tables.

    Attributes
    ----------
    parents : tuple of tuples
    model, params
        The network.
    score : float
        What the rows say of it: for BIC and AIC the observed log-likelihood less the price of the parameters; for Bayesian scores
        the approximation of Cheeseman and Stutz (1996).
    expected : Families
        Scores of families by what their rows are expected to be.
    """

    parents: Parents
    model: Any
    params: Any
    score: float
    expected: Families

    @property
    def found(self) -> Found:
        """Without the scores."""
        return Found(self.parents, self.score, self.params)


class Incomplete(ABC):
    """Rows with holes, as structural EM asks them."""

    @abstractmethod
    def first(self) -> Families:
        """Scores that need no network: what a search can begin with."""

    @abstractmethod
    def fitted(self, parents: Parents, expected: Families) -> Fitted:
        """A graph with the tables that EM finds for it; ``expected``: by what is known so far."""


def structural_em(
    rows: Incomplete,
    search: Search,
    limits: Constraints,
    rng: np.random.Generator,
    start: Parents | None = None,
    restarts: int = 2,
    any_arcs: bool = True,
    halted: Callable[[], bool] = lambda: False,
    report: Callable[[Found], None] = lambda found: None,
) -> Fitted:
    """The best graph found.

    Parameters
    ----------
    rows : Incomplete
    search : callable
        From scores of families, and a graph to begin with or None, to the best graph.
    limits : Constraints
    start : parents of each node, optional
        The first graph; by default what a search by available cases finds.
    restarts : int
        It ends when so many graphs in a row, the best one disturbed at random, have led to none that is better.
    any_arcs : bool
        Whether arcs may be taken away that the search would have put in: not from a tree.
    halted, report : callables
        Whether to stop, keeping the best; told of every better graph.
    """
    families = rows.first()
    best = None if start is not None else _within_limits(rows, search(families, None).parents, families)
    if best is None:
        best = rows.fitted(limits.least if start is None else start, families)
    report(best.found)
    best = _rounds(rows, best, search, halted, report)
    failed = 0
    while failed < restarts and len(limits.cards) > 1 and not halted():
        walk = Walk(Neighbours(best.expected, limits, halted), best.parents, rng)
        walk.disturb()
        disturbed = _within_limits(rows, walk.found.parents, best.expected)
        found = best if disturbed is None else _rounds(rows, disturbed, search, halted)
        if found.score > best.score + _CLOSE:
            best, failed = found, 0
            report(best.found)
        else:
            failed += 1
    return _without_weak_arcs(rows, best, limits, halted, report) if any_arcs else best


def _without_weak_arcs(
    rows: Incomplete,
    best: Fitted,
    limits: Constraints,
    halted: Callable[[], bool],
    report: Callable[[Found], None],
) -> Fitted:
    """Take arcs away that the observed score does not want.

    Expected counts speak for the arcs of the network that they come from, so that no search by them would.
    """
    tried: set[tuple[int, int]] = set()
    while not halted():
        losses = {
            (p, c): best.expected(c, of) - best.expected(c, tuple(q for q in of if q != p))
            for c, of in enumerate(best.parents) for p in of if not limits.required[p, c] and (p, c) not in tried
        }  # fmt: skip
        arc = min(losses, key=lambda one: losses[one], default=None)
        if arc is None or losses[arc] > _WEAK:
            break
        tried.add(arc)
        without = tuple(tuple(p for p in of if (p, c) != arc) for c, of in enumerate(best.parents))
        found = rows.fitted(without, best.expected)
        if found.score > best.score + _CLOSE:
            best = found
            report(best.found)
    return best


def _within_limits(rows: Incomplete, parents: Parents, expected: Families) -> Fitted | None:
    """A graph with its tables; None where these rows need larger tables for it than ``max_table`` or its like allow."""
    try:
        return rows.fitted(parents, expected)
    except ParameterError as error:
        if error.parameter not in ("max_table", "max_configurations"):
            raise
        return None


def _rounds(
    rows: Incomplete,
    fitted: Fitted,
    search: Search,
    halted: Callable[[], bool],
    report: Callable[[Found], None] = lambda found: None,
) -> Fitted:
    """Rounds until the observed score rises no more."""
    for _ in range(_ROUNDS):
        if halted():
            break
        found = search(fitted.expected, fitted.parents)
        if found.parents == fitted.parents:
            break
        new = _within_limits(rows, found.parents, fitted.expected)
        if new is None or new.score <= fitted.score + _CLOSE:
            break
        fitted = new
        report(fitted.found)
    return fitted
