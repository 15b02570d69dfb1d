"""What a fitted network is asked: predictions for rows, queries, samples, interventions, tables as frames, pictures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import clone

from emkit.core.checks import count, mapping
from emkit.core.columns import Columns
from emkit.core.errors import ParameterError
from emkit.core.result import Result
from emkit.data.rows import ArraySource
from emkit.data.tables import is_table, read_frame
from emkit.estimators.distribution import Distribution, NormalMixture
from emkit.estimators.network_names import NODES, NamedNetwork
from emkit.estimators.network_structure import Structure
from emkit.estimators.network_words import in_words, labelled_states, table_of
from emkit.estimators.plotting import PlottedNetwork
from emkit.estimators.settings import make_rng
from emkit.models.bayesnet.asked import Asked, Cells
from emkit.models.bayesnet.conditional_gaussian import ConditionalGaussianNet
from emkit.models.bayesnet.impossible import ImpossibleRowError
from emkit.models.bayesnet.surgery import do, do_with_numbers


@dataclass(kw_only=True, eq=False, repr=False)
class AfterNetwork(PlottedNetwork, NamedNetwork):
    """What ``BayesianNetwork`` does once there are tables. Nodes and states are called as users call them."""

    # --- rows ---------------------------------------------------------------------------------------------------------

    def predict(self, X: Any, columns: str | Sequence[str] | None = None) -> Any:
        """The most probable state of nodes in each row, given the other cells of the row; of Gaussian nodes the expected value.

        Parameters
        ----------
        X : data frame or array
            Columns may be left out: they are not observed.
        columns : str or sequence of str, optional
            Nodes, hidden ones too; what ``X`` says of them is not looked at. By default the hidden nodes, or if there are none the
            whole rows, jointly, with missing cells filled in.

        Returns
        -------
        array (n,) where ``columns`` is a name, (n, nodes) otherwise
            Of states and numbers: integers if all are, float64 if all are numbers, objects otherwise.
        """
        nodes, asked = self._nodes(columns), self._fitted_network()
        if nodes is None and not self._structure().hidden:
            source = self._new(X)
            with in_words(self._structure()):
                found = asked.most_probable(asked.cells(source.x))[0].astype(np.float64)
            return self._as_values(np.where(np.isnan(source.x), found, source.x), list(range(found.shape[1])))
        wanted = list(self._structure().hidden) if nodes is None else nodes
        values = self._as_values(self._guesses(self._cells(X), wanted), wanted)
        return values[:, 0] if isinstance(columns, str) else values

    def _guesses(self, cells: Cells, nodes: Sequence[int]) -> np.ndarray:
        """The best guess at each of these nodes given the other cells, (n, nodes): numbers of states, and expected values."""
        asked, gaussian = self._fitted_network(), self._structure().gaussian
        asked.forget(cells, nodes)
        out = np.zeros((len(cells.codes), len(nodes)))
        discrete = [node for node in nodes if node not in gaussian]
        with in_words(self._structure()):
            for node, p in zip(discrete, asked.posteriors(cells, discrete) if discrete else (), strict=True):
                out[:, nodes.index(node)] = p.argmax(axis=1)
            if len(discrete) < len(nodes):
                means = asked.expectations(cells)[0]
                for node in set(nodes) & set(gaussian):
                    out[:, nodes.index(node)] = means[:, node]
        return out

    def predict_proba(self, X: Any, columns: str | Sequence[str] | None = None) -> Any:
        """The probability of each state of discrete nodes in each row, given the other cells of the row.

        Returns
        -------
        array (n, states) where ``columns`` is a name, a dict of such arrays by name otherwise
            ``columns`` as in ``predict``; by default the hidden nodes, or if there are none all nodes, given all cells of the row.
        """
        nodes, structure = self._nodes(columns), self._structure()
        whole = nodes is None and not structure.hidden
        for node in nodes or ():
            if node in structure.gaussian:
                raise ParameterError(
                    f"{structure.graph.names[node]!r} is a Gaussian node and has no states; predict gives its expected value, "
                    "query its distribution",
                    parameter="columns",
                )
        if nodes is None:
            nodes = list(structure.hidden or (node for node in range(len(structure.graph)) if node not in structure.gaussian))
        cells = self._cells(X)
        if not whole:
            self._fitted_network().forget(cells, nodes)
        with in_words(structure):
            found = self._fitted_network().posteriors(cells, nodes)
        if isinstance(columns, str):
            return found[0]
        return {structure.graph.names[node]: p for node, p in zip(nodes, found, strict=True)}

    def table(self, X: Any) -> dict[str, np.ndarray]:
        """Columns that a prediction adds: the most probable state of each hidden node, or of each node with missing cells.

        Of Gaussian nodes the expected value, and the standard deviation.
        """
        cells, structure, asked = self._cells(X), self._structure(), self._fitted_network()
        nodes = np.flatnonzero(asked.missing(cells).any(axis=0)).tolist()
        out: dict[str, np.ndarray] = {}
        discrete = [node for node in nodes if node not in structure.gaussian]
        with in_words(structure):
            beliefs = dict(zip(discrete, asked.posteriors(cells, discrete) if discrete else (), strict=True))
            means, variances = asked.expectations(cells)
        for node in nodes:
            name = structure.graph.names[node]
            if node in structure.gaussian:
                out[f"{name} (predicted)"], out[f"sd({name})"] = means[:, node], np.sqrt(variances[:, node])
                continue
            states = self._as_values(beliefs[node].argmax(axis=1)[:, None], [node])[:, 0]
            out[name if node in structure.hidden else f"{name} (predicted)"] = states
            out[f"p({name})"] = beliefs[node].max(axis=1)
        return out

    def impute(self, X: Any, n_draws: int | None = None) -> Any:
        """The rows with their missing cells filled in.

        Parameters
        ----------
        X : data frame or array
            Columns may be left out, and come in any order; those that are there are filled in.
        n_draws : int, optional
            None: the missing cells of each row get the values that are most probable together, hidden nodes included, as
            ``most_probable`` has it; ``predict`` gives the best guess at each node alone, of numbers the expected value. A number
            m: m tables, the missing cells drawn together from their distribution given the row's observed cells.

        Returns
        -------
        array or data frame, or list of m of them
            Of the kind that ``X`` is, with the same columns. Observed cells are as they were.

        Raises
        ------
        DataError
            For a row that the tables rule out.
        """
        return super().impute(X, n_draws)

    def _place_of_columns(self, X: Any, columns: Columns) -> list[int]:
        if not is_table(X):
            return list(range(len(columns)))
        names = [str(name) for name in read_frame(X).columns]
        return [columns.names.index(name) for name in names] if set(names) <= set(columns.names) else list(range(len(names)))

    def _imputed(self, source: ArraySource, draws: int | None) -> Iterator[np.ndarray]:
        """Rows with missing cells at their jointly most probable values, or so many times with draws."""
        asked = self._fitted_network()
        cells = asked.cells(source.x)
        seen = [node for node in range(cells.codes.shape[1]) if asked.model.columns[node] >= 0]
        holes = np.isnan(source.x)
        with in_words(self._structure()):
            tables = [asked.most_probable(cells)[0]] if draws is None else asked.drawn(cells, make_rng(self.random_state), draws)
            for one in tables:
                yield np.where(holes, one[:, seen].astype(np.float64), source.x)

    def _refuse_impossible(self, asked: Asked, x: Any, structure: Structure) -> None:
        """Raise DataError for the first row that the tables rule out, naming the nodes that exclude each other."""
        found = asked.impossible(asked.cells(x))
        if found is not None:
            raise ImpossibleRowError(found[0], labelled_states(structure, found[1]))

    # --- queries ------------------------------------------------------------------------------------------------------

    def query(
        self,
        targets: str | Sequence[str],
        evidence: Mapping[str, Any] | None = None,
        *,
        soft: Mapping[str, Any] | None = None,
    ) -> Distribution | NormalMixture:
        """P(targets | evidence); of a single Gaussian node the mixture of normal distributions that it has.

        Parameters
        ----------
        targets : str or sequence of str
        evidence : mapping from nodes to their states, or numbers, optional
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
        structure, asked, known = self._structure(), self._fitted_network(), self._evidence(evidence)
        numbers = [node for node in nodes if node in structure.gaussian]
        if numbers and (len(nodes) > 1 or soft):
            what = "soft evidence" if soft else "other nodes"
            raise ParameterError(
                f"targets: {structure.graph.names[numbers[0]]!r} is a Gaussian node; it is asked for alone, without {what}",
                parameter="targets",
            )
        with in_words(structure, "the evidence"):
            if numbers:
                return NormalMixture(str(names[0]), *asked.mixture(known, nodes[0]))
            values = asked.joint(known, nodes, self._soft(soft))
        return Distribution(tuple(map(str, names)), tuple(structure.states[node] for node in nodes), values)

    def most_probable(self, evidence: Mapping[str, Any] | None = None) -> tuple[dict[str, Any], float]:
        """The most probable values of all nodes together given the evidence, by name, and the log probability of it all.

        With Gaussian nodes it is the log of a probability density.
        """
        structure = self._structure()
        with in_words(structure, "the evidence"):
            found, log_probability = self._fitted_network().most_probable(self._evidence(evidence))
        nodes = list(range(len(structure.graph)))
        values = [self._as_values(found[:1, [node]], [node])[0, 0] for node in nodes]
        values = [value.item() if isinstance(value, np.generic) else value for value in values]
        best = dict(zip(structure.graph.names, values, strict=True)) | self._numbers_of(evidence)
        return best, float(log_probability[0])

    def sample(self, n_samples: int = 1, evidence: Mapping[str, Any] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Random rows (n_samples, observed nodes), as states and numbers, and the states of the hidden nodes.

        They are drawn with ``random_state``; with ``evidence`` from the distribution given it.
        """
        n, rng, structure, asked = (
            count(n_samples, "n_samples"),
            make_rng(self.random_state),
            self._structure(),
            self._fitted_network(),
        )
        if evidence:
            with in_words(structure, "the evidence"):
                found = asked.sampled_given(n, self._evidence(evidence), rng)
            for name, value in self._numbers_of(evidence).items():  # to the last digit
                found[:, self._node(name, "evidence")] = value
        else:
            found = asked.sampled(n, rng)
        seen = [node for node in range(found.shape[1]) if node not in structure.hidden]
        return self._as_values(found[:, seen], seen), self._as_values(found[:, list(structure.hidden)], list(structure.hidden))

    def do(self, states: Mapping[str, Any]) -> Self:
        """The network in which nodes are set from outside: cut off from their parents (Pearl 2009, Causality, 3.2).

        A Gaussian node that is set is a constant in the network that comes back: what is said of it as evidence changes nothing.
        """
        known = {
            self._node(name, "states"): self._observed(name, value, "states")
            for name, value in mapping(states, "states", NODES).items()
        }
        model, params = self._model()
        changed = do_with_numbers if isinstance(model, ConditionalGaussianNet) else do
        return self._like(*changed(model, params, known))

    def _like(self, model: Any, params: Any) -> Self:
        """Another network over the same nodes, with these tables."""
        structure = self._structure()
        states = {name: structure.states[i] for i, name in enumerate(structure.graph.names) if i not in structure.gaussian}
        latent = {structure.graph.names[node]: structure.states[node] for node in structure.hidden}
        # What was said of tables does not hold of those that are cut from their parents.
        said = dict.fromkeys(("fixed", "init", "tied", "noisy_or"))
        made = clone(self).set_params(edges=list(model.graph.edges), latent=latent, states=states, **said)
        made._adopt(Result.by_hand(model, params), self.columns_, np.float64)
        return made

    # --- tables and pictures ------------------------------------------------------------------------------------------

    def cpd(self, name: str) -> Any:
        """A node's conditional probability table as a pandas frame: its states in columns, its parents' in the rows.

        Of a Gaussian node: intercept, a coefficient for each Gaussian parent, and variance in columns, the states of its discrete
        parents in the rows.
        """
        from emkit.estimators.network_words import labelled, regressions

        structure, node, (model, params) = self._structure(), self._node(name, "name"), self._model()
        if node in structure.gaussian:
            return regressions(structure, model, params, node)
        return labelled(structure, name, table_of(model, params, node))

    def _drawn(self, tables: Any) -> Any:
        """The graph for a picture, with the tables of all nodes or of some."""
        from emkit.estimators.network_words import short
        from emkit.plots.graphs import Drawn

        structure, (model, params) = self._structure(), self._model()
        graph = structure.graph
        if isinstance(tables, bool | np.bool_):
            nodes = list(range(len(graph))) if tables else []
        else:
            nodes = [self._node(name, "tables") for name in ([tables] if isinstance(tables, str) else tables)]
        return Drawn(graph.names, graph.parents, structure.hidden, {node: short(structure, model, params, node) for node in nodes})
