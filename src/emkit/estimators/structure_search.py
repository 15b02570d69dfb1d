"""StructureSearch: how the graph of a network is learnt; given in place of edges."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np

from emkit.core.checks import count, one_of
from emkit.core.errors import ParameterError
from emkit.core.executor import Executor
from emkit.core.monitor import Monitor
from emkit.core.warn import warn
from emkit.data.rows import ArraySource
from emkit.estimators.network_structure import Structure
from emkit.estimators.structure_limits import limits_asked, node_called, score_asked, start_asked, warn_of_twins, without_arcs
from emkit.models.bayesnet.structure.climbing import RESTARTS, Found, Parents, search
from emkit.models.bayesnet.structure.constraints import Constraints
from emkit.models.bayesnet.structure.counts import Rows
from emkit.models.bayesnet.structure.exact import best_graph
from emkit.models.bayesnet.structure.scores import CountedFamilies, Families, Penalized
from emkit.models.bayesnet.structure.trees import best_tree
from emkit.selection.structural_em import structural_em
from emkit.selection.structure_tables import MixedRows, StateRows

METHODS = ("climb", "exact", "tree")


@dataclass(frozen=True)
class StructureSearch:
    """How the graph of a ``BayesianNetwork`` is learnt from the data; given as its ``edges``.

    Rows without holes are scored as they are. With holes, or hidden nodes, the search is structural EM: tables by EM, expected
    counts of every family, a search for the graph that they like best, and again, as long as the observed score rises.

    Parameters
    ----------
    score : {"bic", "aic", "bdeu", "k2", "loglik"}, BDeu or BDe
        What a graph is worth. "bdeu" is ``BDeu(10)``; ``BDe`` is a prior network. With columns of numbers "bic" or "aic".
    method : {"climb", "exact", "tree"}
        "climb": additions, deletions and reversals of arcs, with a tabu list and restarts from disturbed optima. "exact": the best
        graph of all, by dynamic programming, for 16 columns at most. "tree": one parent at most (Chow and Liu), and with ``target``
        the class beside: tree-augmented naive Bayes.
    required, forbidden : as ``edges``
        Arcs that the graph must have, and must not have.
    tiers : sequence of sequences of str
        No arc runs from a later group of columns to an earlier one.
    max_parents : int, optional
        Of a node. By default as many as tables of a million cells hold.
    target : str, optional
        With method "tree": the class, a parent of all other columns.
    start : as ``edges``, optional
        The graph to begin with; hidden nodes need one.
    restarts : int
        The search ends when so many climbs in a row have found nothing better; with holes a tenth of it is the number of graphs in
        a row that begin a whole new structural EM in vain.

    Raises
    ------
    ParameterError
        From ``fit``: for unknown columns, required arcs in a circle or also forbidden, tables too large (with their size).

    References
    ----------
    Heckerman, Geiger and Chickering (1995), Machine Learning 20, 197-243. Friedman (1998), The Bayesian structural EM algorithm,
    UAI, 129-138.
    """

    score: Any = "bic"
    _: KW_ONLY
    method: str = "climb"
    required: Any = None
    forbidden: Any = None
    tiers: Any = None
    max_parents: int | None = None
    target: str | None = None
    start: Any = None
    restarts: int = RESTARTS


@dataclass(frozen=True)
class Learnt:
    """What a search came to.

    Attributes
    ----------
    edges : list of pairs
    score : float
        Of the graph, nats.
    params
        The tables that the search has found for it, to begin the fit with; None where it had none.
    ended : str or None
        Why it was cut off.
    """

    edges: list[tuple[str, str]]
    score: float
    params: Any = field(repr=False)
    ended: str | None = None


def learn(
    asked: StructureSearch,
    source: ArraySource,
    known: Structure,
    executor: Executor,
    rng: np.random.Generator,
    watch: Monitor,
    max_table: float,
    max_configurations: float,
) -> Learnt:
    """The graph of columns that were read; ``known``: their states, and hidden nodes.

    Raises
    ------
    ParameterError
        See ``StructureSearch``.
    KeyboardInterrupt
        Only if it comes before any graph was found.
    """
    names = known.graph.names
    one_of(asked.method, METHODS, "method")
    restarts = count(asked.restarts, "restarts", 0)
    limits, start = limits_asked(asked, known), start_asked(asked, known)
    best: list[Found] = []

    def report(found: Found) -> None:
        best.append(found)
        watch.say(f"learning the graph: {sum(map(len, found.parents))} arcs, score {found.score:.2f}")

    def halted() -> bool:
        return watch.asked() is not None

    ended = None
    try:
        found = _search(
            asked, source, known, limits, start, restarts, rng, executor, (max_table, max_configurations), halted, report
        )
    except KeyboardInterrupt:
        if not best:
            raise
        found, ended = best[-1], "interrupted"
    reason = watch.asked()
    if reason is not None or ended:
        ended = ended or (None if reason is None else reason.name.lower().replace("_", " "))
        warn(f"the search for a graph was cut off: {ended}; the best so far is kept")
    edges = [(names[p], names[c]) for c, of in enumerate(found.parents) for p in of]
    return Learnt(edges, found.score, found.params, ended)


def _search(
    asked: StructureSearch,
    source: ArraySource,
    known: Structure,
    limits: Constraints,
    start: Parents | None,
    restarts: int,
    rng: np.random.Generator,
    executor: Executor,
    most: tuple[float, float],
    halted: Callable[[], bool],
    report: Callable[[Found], None],
) -> Found:
    names, total = known.graph.names, source.total_weight

    def inner(families: Families, begin: Parents | None, times: int, tell: Callable[[Found], None]) -> Found:
        if asked.method == "exact":
            found = best_graph(families, limits, halted)
            return Found(begin, families.total(begin)) if found is None and begin is not None else found or _empty(limits, families)
        if asked.method == "tree":
            return best_tree(families, limits, rng, None if asked.target is None else node_called(names, asked.target, "target"))
        return search(families, limits, rng, begin, times, halted=halted, report=tell)

    score = score_asked(asked.score, total, known)
    cells = np.asarray(source.x, dtype=np.float64)
    if known.gaussian:
        if not isinstance(score, Penalized):
            raise ParameterError(f"score={asked.score!r}: with columns of numbers give 'bic' or 'aic'", parameter="score")
        without_arcs(known, limits, cells, total)
        cards = [len(states) for states in known.states]
        rows: Any = MixedRows(source, names, cards, score, executor, rng, *most)
        if not np.isnan(cells).any():
            found = inner(rows.first(), start, restarts, report)
            report(found)
            return found
    else:
        hidden = known.hidden
        codes = np.full((len(cells), len(names)), -1, np.int32)
        codes[:, len(hidden) :] = np.where(np.isnan(cells), -1, cells)
        without_arcs(known, limits, np.where(codes < 0, np.nan, codes), total)
        table = Rows(codes, source.weights, limits.cards)
        warn_of_twins(table, names)
        if table.complete:
            found = inner(CountedFamilies(table, score), start, restarts, report)
            report(found)
            return found
        rows = StateRows(table, names, score, executor, most[0], hidden, rng)

    def one(families: Families, begin: Parents | None) -> Found:
        return inner(families, begin, max(restarts // 2, min(restarts, 1)), lambda found: None)

    outer = restarts // 10 if asked.method == "climb" else 0
    return structural_em(rows, one, limits, rng, start, outer, halted, report).found


def _empty(limits: Constraints, families: Families) -> Found:
    """The required arcs alone."""
    parents = tuple(tuple(sorted(of)) for of in limits.start())
    return Found(parents, families.total(parents))
