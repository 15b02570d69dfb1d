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
from emkit.estimators.structure_limits import limits_asked, score_asked, start_asked, warn_of_twins, without_arcs
from emkit.models.bayesnet.structure.climbing import RESTARTS, Found, Parents, search
from emkit.models.bayesnet.structure.constraints import Constraints
from emkit.models.bayesnet.structure.counts import Rows
from emkit.models.bayesnet.structure.exact import best_graph
from emkit.models.bayesnet.structure.scores import CountedFamilies, Families, Penalized, Score
from emkit.models.bayesnet.structure.trees import best_tree
from emkit.selection.structural_em import structural_em
from emkit.selection.structure_tables import MixedRows, StateRows, with_weight

_SMALL = 30_000  # cells of a table, below which more graphs are tried
METHODS = ("climb", "exact", "tree")


@dataclass(frozen=True)
class StructureSearch:
    """How the graph of a ``BayesianNetwork`` is learnt from the data; given as its ``edges``.

    Rows without holes are scored as they are. With holes, or hidden nodes, the search is structural EM: tables by EM, expected
    counts of every family, a search for the graph that they like best, and again, as long as the observed score rises.

    Parameters
    ----------
    score : {"bic", "aic", "bdeu", "k2", "loglik"}, BDeu or BDe
        What a graph is worth. "bdeu" is ``BDeu(10)``; ``BDe`` is a prior network. With columns of numbers "bic", "aic" or "loglik".
    method : {"climb", "exact", "tree"}
        "climb": additions, deletions and reversals of arcs, with a tabu list and restarts from disturbed optima. "exact": the best
        graph of all, by dynamic programming, for 16 columns at most; with holes it is the best of each round only. "tree": one
        parent at most (Chow and Liu), and with ``target`` the class beside: tree-augmented naive Bayes.
    required, forbidden : as ``edges``
        Arcs that the graph must have, and must not have.
    tiers : sequence of sequences of str
        No arc runs from a later group of columns to an earlier one.
    max_parents : int, optional
        Of a node. By default as many as tables of a million cells hold.
    target : str, optional
        With method "tree": the class, a parent of all other columns.
    start : as ``edges``, optional
        The graph to begin with; hidden nodes need one. Without holes "exact" and "tree" have no use for it.
    restarts : int
        The search ends when so many climbs in a row have found nothing better. With holes each round of structural EM makes a fifth
        of them, and a twenty-fifth is the number of graphs in a row that begin a whole new structural EM in vain, up to a fifth in
        small tables.

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


@dataclass(frozen=True)
class Hunt:
    """A search on data.

    Parameters
    ----------
    asked : StructureSearch
    source : ArraySource
        Columns as they were read: numbers of states, and numbers.
    known : Structure
        Their states, and hidden nodes.
    executor : Executor
    rng : numpy Generator
    watch : Monitor
        Told of every better graph; may ask to stop.
    max_table, max_configurations : float
        As the estimator has them.
    """

    asked: StructureSearch
    source: ArraySource
    known: Structure
    executor: Executor
    rng: np.random.Generator
    watch: Monitor
    max_table: float
    max_configurations: float

    def learn(self, keep: bool = True) -> Learnt:
        """The best graph; ``keep``: also where Ctrl-C cuts the search off.

        Raises
        ------
        ParameterError
            See ``StructureSearch``.
        KeyboardInterrupt
            If it comes before any graph was found, or nothing is to be kept.
        """
        names, best = self.known.graph.names, list[Found]()

        def report(found: Found) -> None:
            best.append(found)
            self.watch.say(f"learning the graph: {sum(map(len, found.parents))} arcs, score {found.score:.2f}")

        ended = None
        try:
            found = self._found(report)
        except KeyboardInterrupt:
            if not best or not keep:
                raise
            found, ended = best[-1], "interrupted"
        reason = self.watch.asked()
        if reason is not None and ended is None:
            ended = reason.name.lower().replace("_", " ")
        if ended is not None:
            warn(f"the search for a graph was cut off: {ended}; the best so far is kept")
        edges = [(names[p], names[c]) for c, of in enumerate(found.parents) for p in of]
        return Learnt(edges, found.score, found.params, ended)

    def _halted(self) -> bool:
        return self.watch.asked() is not None

    def _found(self, report: Callable[[Found], None]) -> Found:
        one_of(self.asked.method, METHODS, "method")
        restarts = count(self.asked.restarts, "restarts", 0)
        limits = limits_asked(self.asked, self.known)
        start = start_asked(self.asked, self.known, limits)
        score = score_asked(self.asked.score, self.source.total_weight, self.known)
        rows, whole = self._rows(score, limits)
        if whole is not None:
            return self._step(limits, whole, start, restarts, report)
        few = max(restarts // 5, min(restarts, 1))

        def step(families: Families, begin: Parents | None) -> Found:
            return self._step(limits, families, begin, few, lambda found: None)

        free = self.asked.method != "tree"
        outer = restarts // 25 if free else 0
        more = min(restarts // 5, _SMALL // max(self.source.x.size, 1))
        small = free and more > outer and not self.known.gaussian  # graphs of numbers cost more to fit
        many, thorough = more if small else outer, small and not self.known.hidden
        return structural_em(rows, step, limits, self.rng, start, many, free, thorough, self._halted, report).found

    def _step(
        self, limits: Constraints, scores: Families, begin: Parents | None, restarts: int, tell: Callable[[Found], None]
    ) -> Found:
        """The best graph by these scores; told of, too."""
        method = self.asked.method
        if method == "climb":
            return search(scores, limits, self.rng, begin, restarts, halted=self._halted, report=tell)
        if method == "tree":
            target = self.asked.target
            tree = best_tree(scores, limits, self.rng, None if target is None else self.known.graph.names.index(target))
            tell(tree)
            return tree
        found = best_graph(scores, limits, self._halted)
        if found is None:  # halted: the graph to begin with, or the required arcs alone
            parents = limits.least if begin is None else begin
            found = Found(parents, scores.total(parents))
        tell(found)
        return found

    def _rows(self, score: Score, limits: Constraints) -> tuple[Any, Families | None]:
        """The rows as structural EM asks them, and the scores of families where nothing is missing."""
        names, source = self.known.graph.names, with_weight(self.source)
        cells = np.asarray(source.x, dtype=np.float64)
        if self.known.gaussian:
            if self.known.hidden:
                raise ParameterError(
                    "latent: a graph with hidden nodes is learnt from columns of states only; leave out the columns of numbers",
                    parameter="latent",
                )
            if not isinstance(score, Penalized):
                raise ParameterError(
                    f"score={self.asked.score!r}: with columns of numbers give 'bic', 'aic' or 'loglik'", parameter="score"
                )
            without_arcs(self.known, limits, cells, source.total_weight)
            states = np.where(np.isnan(cells), -1, cells)
            states[:, list(self.known.gaussian)] = -1
            warn_of_twins(Rows(states, source.weights, limits.cards), names, limits)
            mixed = MixedRows(
                source, names, [len(states) for states in self.known.states], score, self.executor, self.rng,
                self.max_table, self.max_configurations,
            )  # fmt: skip
            mixed.check()
            return mixed, None if np.isnan(cells).any() else mixed.first()
        hidden = self.known.hidden
        every = np.full((len(cells), len(names)), np.nan)
        every[:, len(hidden) :] = cells
        without_arcs(self.known, limits, every, source.total_weight)
        rows = Rows(np.where(np.isnan(every), -1, every), source.weights, limits.cards)
        warn_of_twins(rows, names, limits)
        if rows.complete:
            return None, CountedFamilies(rows, score)
        return StateRows(rows, names, score, self.executor, self.max_table, hidden, self.rng), None
