"""What ``BayesianNetwork`` does when its graph is to be learnt, and what it says of a graph afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import clone

from emkit.algorithms.starts import fit
from emkit.core.checks import count, number
from emkit.core.columns import Columns
from emkit.core.errors import ParameterError
from emkit.core.monitor import Monitors
from emkit.estimators.arc_strengths import ArcStrengths, Resampling, strengths_of
from emkit.estimators.face import Job
from emkit.estimators.hidden_proposals import HiddenProposal, proposals
from emkit.estimators.network_after import AfterNetwork
from emkit.estimators.network_structure import Structure, declared_states, pairs_of, structure
from emkit.estimators.settings import make_rng
from emkit.estimators.structure_limits import limits_asked
from emkit.estimators.structure_search import Hunt, Learnt, StructureSearch
from emkit.execute.threads import Threads
from emkit.models.bayesnet.graph import Graph
from emkit.models.bayesnet.structure.equivalence import arcs_of, equivalence_class, structural_hamming_distance


@dataclass(kw_only=True, eq=False, repr=False)
class LearntNetwork(AfterNetwork):
    """Learning the graph: ``edges`` is a ``StructureSearch``."""

    @classmethod
    def learn(cls, X: Any, sample_weight: Any = None, *, score: Any = "bic", **settings: Any) -> Self:
        """A network whose graph is learnt from rows, which may have holes, and fitted to them.

        It is ``BayesianNetwork(StructureSearch(score, ...), ...).fit(X)``.

        Parameters
        ----------
        X : data frame or array (n, d)
            As in ``fit``.
        sample_weight : array (n,), optional
        score
            And ``method``, ``required``, ``forbidden``, ``tiers``, ``max_parents``, ``target``, ``start``, ``restarts``: as in
            ``StructureSearch``.
        settings
            Those, and others of the estimator such as ``random_state``, ``prior``, ``n_jobs``.
        """
        of_search = {name: settings.pop(name) for name in StructureSearch.__dataclass_fields__ if name in settings}
        found: Self = cls(StructureSearch(score, **of_search), **settings).fit(X, sample_weight=sample_weight)
        return found

    def _edges_asked(self) -> Any:
        """``edges``, or those that were learnt; none before that."""
        given: Any = self.edges  # type: ignore[attr-defined]
        if not isinstance(given, StructureSearch):
            return given
        return self._current().model.graph.edges if "result_" in self.__dict__ else None

    def _searches(self) -> bool:
        given: Any = self.edges  # type: ignore[attr-defined]
        return isinstance(given, StructureSearch) and not (self.warm_start and "result_" in self.__dict__)

    def _search(self, source: Any, width: Any) -> Self:
        """Learn the graph, then fit its tables, beginning with those that the search has found."""
        me: Any = self
        watch, rng = Monitors(self._monitors()), make_rng(self.random_state)
        watch.begin()
        learnt = Hunt(me.edges, source, self._known_columns(source.columns), self._executor(), rng, watch, *self._most()).learn()
        worker = clone(self).set_params(edges=learnt.edges)
        job = worker._prepare(source, width)
        starts = job.starts if learnt.params is None or self.fixed or self.init else [learnt.params]
        result = fit(
            job.model, job.source, executor=self._executor(), algorithm=self.algorithm, starts=starts, tol=self.tol,
            max_iter=self.max_iter, monitors=[] if learnt.ended else [watch], rng=rng, checkpoint=self._store(),
        )  # fmt: skip
        self._take_on(job, result)
        self._learnt, self._asked = learnt, self._asks_for(source.columns)
        return self

    def _take_on(self, job: Job, result: Any) -> Self:
        """Whatever an earlier search found is no longer of this fit."""
        self.__dict__.pop("_learnt", None)
        return super()._take_on(job, result)

    def _known_columns(self, columns: Columns) -> Structure:
        """Hidden nodes and columns with their states, without edges."""
        me: Any = self
        return structure(None, me.latent, declared_states(me.states), columns)

    def _most(self) -> tuple[float, float]:
        """``max_table`` and ``max_configurations``."""
        me: Any = self
        return (
            number(me.max_table, "max_table", "a number of cells", least=1.0),
            number(me.max_configurations, "max_configurations", "a number of configurations", least=1.0),
        )

    @property
    def search_(self) -> Learnt:
        """What the search for the graph came to: ``edges``, ``score``, and ``ended`` where it was cut off."""
        found: Learnt | None = self.__dict__.get("_learnt")
        if found is None:
            raise AttributeError("search_ is there after a fit that learnt its graph: give a StructureSearch as edges")
        return found

    def _value_in_words(self, result: Any) -> list[str]:
        lines: list[str] = super()._value_in_words(result)
        learnt: Learnt | None = self.__dict__.get("_learnt")
        if learnt is not None:
            arcs = self.arcs()
            ended = "" if learnt.ended is None else f"; cut off: {learnt.ended}"
            sure = sum(compelled for *_, compelled in arcs)
            lines.append(
                f"  graph learnt: score {learnt.score:.2f}; {len(arcs)} edges, {sure} of them with a sure direction{ended}"
            )
        return lines

    def cut_off(self) -> str | None:
        """Why the search for the graph was cut off."""
        learnt: Learnt | None = self.__dict__.get("_learnt")
        return None if learnt is None else learnt.ended

    def more_of_fit(self) -> dict[str, Any]:
        """The edges, and after a search for them its score."""
        learnt: Learnt | None = self.__dict__.get("_learnt")
        edges = [{"from": parent, "to": child, "compelled": compelled} for parent, child, compelled in self.arcs()]
        return {"edges": edges, **({} if learnt is None else {"graph_score": learnt.score, "search_ended": learnt.ended})}

    def arc_strengths(
        self, X: Any, sample_weight: Any = None, *, n_resamples: int = 100, random_state: Any = None, n_jobs: int | None = None
    ) -> ArcStrengths:
        """How sure the arcs are: the search of ``edges`` again, on rows drawn anew with replacement.

        Parameters
        ----------
        X : data frame or array (n, d)
            As in ``fit``, which need not come before.
        sample_weight : array (n,), optional
        n_resamples : int
        random_state : int, RandomState, Generator or None
        n_jobs : int or None
            The number of processes; None or -1 for all cores. The outcome does not depend on it.

        Returns
        -------
        ArcStrengths
            ``table()`` is a frame of arcs with strengths and directions, ``averaged()`` the edges of the averaged network.

        Raises
        ------
        ParameterError
            Where ``edges`` is no ``StructureSearch``.
        """
        me: Any = self
        if not isinstance(me.edges, StructureSearch):
            raise ParameterError(
                "edges are given, so nothing is learnt of them: give a StructureSearch as edges", parameter="edges"
            )
        source, _ = me._for_fit(X, sample_weight)
        known, most = self._known_columns(source.columns), self._most()
        asked = Resampling(me.edges, source.x, source.weights, source.columns, known, most, self._known_arcs(known))
        entropy = [int(part) for part in make_rng(random_state).integers(0, 2**32, size=4)]
        seeds = np.random.SeedSequence(entropy)
        return strengths_of(asked, count(n_resamples, "n_resamples"), seeds, Threads(n_jobs).n_jobs)

    def propose_hidden(
        self, X: Any, sample_weight: Any = None, *, states: int | Sequence[int] = (2, 3, 4), most: int = 5
    ) -> list[HiddenProposal]:
        """Hidden nodes that could stand behind groups of nodes that are nearly all joined, each tried and fitted.

        Parameters
        ----------
        X, sample_weight
            As in ``fit``. They need not be the rows of the fit: the network without a hidden node is learnt from them anew.
        states : int or sequence of int
            Numbers of states that are tried for each, three times, since searches end in graphs of different worth; the score
            decides. A time limit holds for each try alone.
        most : int
            Groups at most, the largest first.

        Returns
        -------
        list of HiddenProposal
            The best first; those with a negative gain are worse than the network as it is. Empty where no group is joined so.

        Raises
        ------
        ParameterError
            For a network whose graph was not learnt, or that has Gaussian nodes.
        """
        return proposals(self, X, sample_weight, states, count(most, "most"))

    # --- what a graph says --------------------------------------------------------------------------------------------

    def arcs(self) -> list[tuple[str, str, bool]]:
        """The arcs (parent, child, compelled) of the graph.

        An arc that is not compelled could be reversed, some others with it perhaps, and the network would say the same of the data.
        Arcs that a ``StructureSearch`` requires, and those whose opposite it forbids, are known.
        """
        graph = self._structure().graph
        drawn = arcs_of(graph.parents)
        found = equivalence_class(drawn, self._known_arcs(self._structure()))
        return [(graph.names[p], graph.names[c], not found[c, p]) for c, of in enumerate(graph.parents) for p in of]

    def _known_arcs(self, columns: Structure) -> np.ndarray:
        """Arcs that could not be reversed whatever the data say."""
        given: Any = self.edges  # type: ignore[attr-defined]
        names, gaussian = columns.graph.names, columns.gaussian
        known = np.zeros((len(names), len(names)), np.bool_)
        for g in gaussian:
            known[[n for n in range(len(names)) if n not in gaussian], g] = True
        if isinstance(given, StructureSearch):
            limits = limits_asked(given, columns)
            known |= limits.required | ~limits.allowed.T
        return known

    def distance(self, other: Any) -> int:
        """The structural Hamming distance to another network over the same nodes: pairs that their classes join differently.

        Parameters
        ----------
        other : BayesianNetwork, or edges as they are given to one

        Raises
        ------
        ParameterError
            Where nodes differ.
        """
        graph = self._structure().graph
        if isinstance(other, LearntNetwork):
            pairs, lacking = other._structure().graph.edges, set(graph.names) ^ set(other._structure().graph.names)
        else:
            pairs = pairs_of(other)
            lacking = {name for pair in pairs for name in pair} - set(graph.names)
        if lacking:
            raise ParameterError(f"{min(lacking)!r} is a node of one network only", parameter="other")
        theirs = Graph.of_edges(graph.names, pairs)
        return structural_hamming_distance(arcs_of(graph.parents), arcs_of(theirs.parents))
