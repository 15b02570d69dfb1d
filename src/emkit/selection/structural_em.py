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
_WEAK = 10.0  # nats that the expected score loses by a move: of those that lose more the observed score has no doubt
_IN_VAIN = 20  # moves in a row that the observed score did not want either
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
    """Rows with holes, as structural EM asks them.

    Attributes
    ----------
    hidden : sequence of int
        Nodes without any cell.
    """

    hidden: tuple[int, ...] = ()

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
    thorough: bool = False,
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
        The first graph; by default what a search by available cases finds. Where a search by available cases cannot find arcs that
        it has, as those of hidden nodes, both together are tried too, and the latter alone.
    restarts : int
        It ends when so many graphs in a row, the best one disturbed at random, have led to none that is better.
    any_arcs : bool
        Whether arcs may be taken away that the search would have put in: not from a tree.
    thorough : bool
        Whether moves are judged by the observed score after each of these, not only at the end: for small tables.
    halted, report : callables
        Whether to stop, keeping the best; told of every better graph.
    """
    best = _begun(rows, search, limits, start, halted, report)
    failed = 0
    while failed < restarts and len(limits.cards) > 1 and not halted():
        walk = Walk(Neighbours(best.expected, limits, halted), best.parents, rng)
        walk.disturb()
        disturbed = _within_limits(rows, walk.found.parents, best.expected)
        found = best if disturbed is None else _rounds(rows, disturbed, search, halted)
        if thorough and any_arcs and found is not best:
            found = _by_observed_score(rows, found, limits, rng, halted, lambda found: None)
        if found.score > best.score + _CLOSE:
            best, failed = found, 0
            report(best.found)
        else:
            failed += 1
    return _by_observed_score(rows, best, limits, rng, halted, report) if any_arcs else best


def _begun(
    rows: Incomplete,
    search: Search,
    limits: Constraints,
    start: Parents | None,
    halted: Callable[[], bool],
    report: Callable[[Found], None],
) -> Fitted:
    """The best graph of rounds from each that there is to begin with."""
    families = rows.first()
    best = None if start is None else rows.fitted(start, families)
    if best is not None:
        report(best.found)
        best = _rounds(rows, best, search, halted, report)
    if start is None or (rows.hidden and not halted()):
        found = search(families, None).parents
        for parents in (found,) if start is None else (limits.joined(found, start), found):
            begun = _within_limits(rows, parents, families)
            if begun is None:
                continue
            begun = _rounds(rows, begun, search, halted)
            if best is None or begun.score > best.score + _CLOSE:
                best = begun
                report(best.found)
    if best is None:
        best = _rounds(rows, rows.fitted(limits.least, families), search, halted)
        report(best.found)
    return best


def _by_observed_score(
    rows: Incomplete,
    best: Fitted,
    limits: Constraints,
    rng: np.random.Generator,
    halted: Callable[[], bool],
    report: Callable[[Found], None],
) -> Fitted:
    """Moves of one arc that the expected score does not want, or hardly, judged by the observed score.

    Expected counts speak for the arcs of the network that they come from, and against all others, so that no search by them would
    make these moves.
    """
    tried: set[Parents] = set()
    failed = 0
    while not halted():
        walk = Walk(Neighbours(best.expected, limits, halted), best.parents, rng)
        gains = walk.moves()
        order = np.argsort(-gains, kind="stable")
        better = None
        for move in order[gains[order] > -_WEAK].tolist():
            parents = walk.after(move)
            if failed >= _IN_VAIN or halted():
                return best
            if parents in tried:
                continue
            tried.add(parents)
            failed += 1
            found = _within_limits(rows, parents, best.expected)
            if found is not None and found.score > best.score + _CLOSE:
                better = found
                break
        if better is None:
            return best
        best, failed = better, 0
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
