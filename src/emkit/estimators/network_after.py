"""What a fitted network is asked: predictions for rows, queries, samples, interventions, tables as frames, pictures."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import clone

from emkit.core.checks import count, mapping
from emkit.core.columns import Column, Columns
from emkit.core.errors import ParameterError
from emkit.core.result import Result
from emkit.data.rows import ArraySource
from emkit.data.states import state_finder
from emkit.estimators.distribution import Distribution
from emkit.estimators.network_structure import Structure
from emkit.estimators.network_words import in_words, labelled_states
from emkit.estimators.rows import RowFace
from emkit.estimators.settings import make_rng
from emkit.models.bayesnet.drawing import drawn, sampled_given
from emkit.models.bayesnet.evidence import codes_of
from emkit.models.bayesnet.impossible import ImpossibleRowError, impossible
from emkit.models.bayesnet.most_probable import most_probable
from emkit.models.bayesnet.posterior import node_posteriors, posterior
from emkit.models.bayesnet.sampling import sampled
from emkit.models.bayesnet.surgery import do

NODES = "nodes and their states"


@dataclass(kw_only=True, eq=False, repr=False)
class AfterNetwork(RowFace):
    """What ``BayesianNetwork`` does once there are tables. Nodes and states are called as users call them."""

    unseen: str = "error"

    @property
    def structure_(self) -> Structure:
        """The graph, with the states of each node."""
        return self._structure()

    @abstractmethod
    def _structure(self) -> Structure:
        """As ``structure_``; NotFittedError where there are no tables yet."""

    # --- rows ---------------------------------------------------------------------------------------------------------

    def predict(self, X: Any, columns: str | Sequence[str] | None = None) -> Any:
        """The most probable state of nodes in each row, given the other cells of the row.

        Parameters
        ----------
        X : data frame or array
            Columns may be left out: they are not observed.
        columns : str or sequence of str, optional
            Nodes, hidden ones too; what ``X`` says of them is not looked at. By default the hidden nodes, or if there are none the
            whole rows, jointly, with missing cells filled in.

        Returns
        -------
        array (n,) for one node, (n, nodes) for several
            Of states: integers if all are, objects otherwise.
        """
        nodes = self._nodes(columns)
        if nodes is None and not self._structure().hidden:
            with in_words(self._structure()):
                codes = most_probable(*self._model(), self._codes(X))[0]
            return self._as_states(codes, list(range(codes.shape[1])))
        wanted = list(self._structure().hidden) if nodes is None else nodes
        found = np.column_stack([p.argmax(axis=1) for p in self._posteriors(X, wanted)])
        states = self._as_states(found, wanted)
        return states[:, 0] if isinstance(columns, str) else states

    def predict_proba(self, X: Any, columns: str | Sequence[str] | None = None) -> Any:
        """The probability of each state of nodes in each row, given the other cells of the row.

        Returns
        -------
        array (n, states) for one node, a dict of such arrays by name otherwise
            ``columns`` as in ``predict``; by default the hidden nodes, or if there are none all nodes, given all cells of the row.
        """
        nodes, structure = self._nodes(columns), self._structure()
        whole = nodes is None and not structure.hidden
        if nodes is None:
            nodes = list(structure.hidden or range(len(structure.graph)))
        found = self._posteriors(X, nodes, whole)
        if isinstance(columns, str):
            return found[0]
        return {structure.graph.names[node]: p for node, p in zip(nodes, found, strict=True)}

    def _posteriors(self, X: Any, nodes: Sequence[int], whole: bool = False) -> list[np.ndarray]:
        """Of each of these nodes, whose own cells are not looked at, unless ``whole``."""
        codes = self._codes(X)
        if not whole:
            codes[:, list(nodes)] = -1
        with in_words(self._structure()):
            return node_posteriors(*self._model(), codes, nodes)

    def table(self, X: Any) -> dict[str, np.ndarray]:
        """Columns that a prediction adds: the most probable state of each hidden node, or of each node with missing cells."""
        codes, structure = self._codes(X), self._structure()
        nodes = [node for node in range(codes.shape[1]) if (codes[:, node] < 0).any()]
        out: dict[str, np.ndarray] = {}
        with in_words(structure):
            found = node_posteriors(*self._model(), codes, nodes)
        for node, p in zip(nodes, found, strict=True):
            name = structure.graph.names[node]
            states = self._as_states(p.argmax(axis=1)[:, None], [node])[:, 0]
            out[name if node in structure.hidden else f"{name} (predicted)"] = states
            out[f"p({name})"] = p.max(axis=1)
        return out

    def _imputed(self, source: ArraySource, draws: int | None) -> Iterator[np.ndarray]:
        """Rows with missing cells in their jointly most probable states, or so many times with draws."""
        model, params = self._model()
        codes = codes_of(source.x, model.columns)
        seen = [node for node in range(len(model.graph)) if model.columns[node] >= 0]
        with in_words(self._structure()):
            if draws is None:
                yield most_probable(model, params, codes)[0][:, seen].astype(np.float64)
                return
            for one in drawn(model, params, codes, make_rng(self.random_state), draws):
                yield one[:, seen].astype(np.float64)

    def _refuse_impossible(self, model: Any, params: Any, codes: np.ndarray, structure: Structure) -> None:
        """Raise DataError for the first row that the tables rule out, naming the nodes that exclude each other."""
        found = impossible(model, params, codes)
        if found is not None:
            row, names = found
            states = {name: int(codes[row, structure.graph.names.index(name)]) for name in names}
            raise ImpossibleRowError(row, labelled_states(structure, states))

    # --- queries ------------------------------------------------------------------------------------------------------

    def query(
        self,
        targets: str | Sequence[str],
        evidence: Mapping[str, Any] | None = None,
        *,
        soft: Mapping[str, Any] | None = None,
    ) -> Distribution:
        """P(targets | evidence).

        Parameters
        ----------
        targets : str or sequence of str
        evidence : mapping from nodes to their states, optional
        soft : mapping, optional
            Uncertain evidence: for a node, how probable what was seen is in each of its states, up to a factor, as a sequence or
            as a mapping from states.

        Raises
        ------
        DataError
            If the evidence has probability zero; it names the nodes that exclude each other.
        ParameterError
            For a node or a state that there is not.

        Examples
        --------
        >>> import numpy as np
        >>> from emkit import BayesianNetwork
        >>> rows = np.array([[0, 0], [0, 0], [0, 1], [1, 1], [1, 1], [1, 0]])
        >>> net = BayesianNetwork("x0->x1").fit(rows)
        >>> print(net.query("x0", {"x1": 1}))
        x0  probability
        0   0.333333
        1   0.666667
        """
        names = [targets] if isinstance(targets, str) else list(targets)
        nodes = [self._node(name, "targets") for name in names]
        structure = self._structure()
        with in_words(structure, "the evidence"):
            values = posterior(*self._model(), self._evidence(evidence), nodes, self._soft(soft))
        return Distribution(tuple(map(str, names)), tuple(structure.states[node] for node in nodes), values)

    def most_probable(self, evidence: Mapping[str, Any] | None = None) -> tuple[dict[str, Any], float]:
        """The most probable states of all nodes together given the evidence, by name, and the log probability of it all."""
        structure = self._structure()
        with in_words(structure, "the evidence"):
            codes, log_probability = most_probable(*self._model(), self._evidence(evidence)[None])
        return {n: structure.states[i][codes[0, i]] for i, n in enumerate(structure.graph.names)}, float(log_probability[0])

    def sample(self, n_samples: int = 1, evidence: Mapping[str, Any] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Random rows (n_samples, observed nodes), as states, and the states of the hidden nodes; drawn with ``random_state``.

        With ``evidence`` from the distribution given it.
        """
        n, rng, structure = count(n_samples, "n_samples"), make_rng(self.random_state), self._structure()
        model, params = self._model()
        if evidence:
            with in_words(structure, "the evidence"):
                codes = sampled_given(model, params, n, self._evidence(evidence), rng)
        else:
            codes = sampled(model.layout, params.tables, n, rng)
        seen = [node for node in range(codes.shape[1]) if node not in structure.hidden]
        return self._as_states(codes[:, seen], seen), self._as_states(codes[:, list(structure.hidden)], list(structure.hidden))

    def do(self, states: Mapping[str, Any]) -> Self:
        """The network in which nodes are set to states from outside: cut off from their parents (Pearl 2009, Causality, 3.2)."""
        known = {
            self._node(name, "states"): self._code(name, state, "states")
            for name, state in mapping(states, "states", NODES).items()
        }
        model, params = do(*self._model(), known)
        return self._like(model, params)

    def _like(self, model: Any, params: Any) -> Self:
        """Another network over the same nodes, with these tables."""
        structure = self._structure()
        states = {name: structure.states[i] for i, name in enumerate(structure.graph.names)}
        latent = {structure.graph.names[node]: structure.states[node] for node in structure.hidden}
        # What was said of tables does not hold of those that are cut from their parents.
        said = dict.fromkeys(("fixed", "init", "tied", "noisy_or"))
        made = clone(self).set_params(edges=list(model.graph.edges), latent=latent, states=states, **said)
        made._adopt(Result.by_hand(model, params), self.columns_, np.float64)
        return made

    # --- tables and pictures ------------------------------------------------------------------------------------------

    def cpd(self, name: str) -> Any:
        """A node's conditional probability table as a pandas frame: its states in columns, its parents' in the rows."""
        from emkit.estimators.network_words import labelled

        model, params = self._model()
        return labelled(self._structure(), name, model.layout.table(params.tables, self._node(name, "name")))

    def plot(self, *, tables: bool = False, ax: Any = None) -> Any:
        """The graph in layers, by matplotlib; with ``tables`` the table of each node under its name. Returns the axes."""
        from emkit.estimators.network_words import short_table
        from emkit.plots.network import draw_network

        structure, (model, params) = self._structure(), self._model()
        notes = {}
        if tables:
            for node in range(len(structure.graph)):
                notes[node] = short_table(structure, node, model.layout.table(params.tables, node))
        graph = structure.graph
        return draw_network(graph.names, graph.parents, hidden=structure.hidden, notes=notes, ax=ax)

    # --- between names and numbers ------------------------------------------------------------------------------------

    def _model(self) -> tuple[Any, Any]:
        current = self._current()
        return current.model, current.params

    def _codes(self, X: Any) -> np.ndarray:
        model: Any = self._current().model
        return codes_of(self._new(X).x, model.columns)

    def _nodes(self, columns: str | Sequence[str] | None) -> list[int] | None:
        if columns is None:
            return None
        names = [columns] if isinstance(columns, str) else list(columns)
        if not names:
            raise ParameterError("columns is empty: name nodes, or leave it out", parameter="columns")
        return [self._node(name, "columns") for name in names]

    def _node(self, name: Any, what: str) -> int:
        names = self._structure().graph.names
        if name not in names:
            few = ", ".join(map(repr, names[:20])) + (", ..." if len(names) > 20 else "")
            raise ParameterError(f"{what}: there is no node {name!r}; the nodes are {few}", parameter=what)
        return names.index(name)

    def _code(self, name: str, state: Any, what: str) -> int:
        node = self._node(name, what)
        code = state_finder(self._structure().states[node])(state)
        if code < 0:
            few = ", ".join(map(repr, self._structure().states[node][:20]))
            raise ParameterError(f"{what}: node {name!r} has no state {state!r}; it has {few}", parameter=what)
        return code

    def _evidence(self, evidence: Mapping[str, Any] | None) -> np.ndarray:
        codes = np.full(len(self._structure().graph), -1, np.int32)
        for name, state in mapping(evidence, "evidence", NODES).items():
            codes[self._node(name, "evidence")] = self._code(name, state, "evidence")
        return codes

    def _soft(self, soft: Mapping[str, Any] | None) -> dict[int, np.ndarray] | None:
        found = {}
        for name, given in mapping(soft, "soft", "nodes and how probable what was seen is in each state").items():
            node = self._node(name, "soft")
            values = given
            if isinstance(given, Mapping):
                states = self._structure().states[node]
                by_code = {self._code(name, state, "soft"): value for state, value in given.items()}
                lacking = [state for i, state in enumerate(states) if i not in by_code]
                if lacking:
                    raise ParameterError(
                        f"soft: no likelihood is given for the state {lacking[0]!r} of {name!r}; give one for each, 0 for what is "
                        "ruled out",
                        parameter="soft",
                    )
                values = [by_code[i] for i in range(len(states))]
            try:
                found[node] = np.asarray(values, dtype=np.float64)
            except (TypeError, ValueError):
                raise ParameterError(f"soft: {given!r} for {name!r} are no numbers, one for each state", parameter="soft") from None
        return found or None

    def _as_states(self, codes: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """State numbers (n, nodes) as the states themselves."""
        known = self._structure().states
        states = [known[node] for node in nodes]
        whole = all(isinstance(state, int) and not isinstance(state, bool) for found in states for state in found)
        out = np.empty(codes.shape, dtype=np.int64 if whole else object)
        for j, found in enumerate(states):
            values = np.empty(len(found), dtype=out.dtype)
            values[:] = list(found)
            out[:, j] = values[codes[:, j]]
        return out


def columns_with(names: Sequence[str], states: Mapping[str, Sequence[Any]]) -> Columns:
    """The schema of nodes that are seen."""
    return Columns(tuple(Column(str(name), "category", tuple(states[name])) for name in names))
