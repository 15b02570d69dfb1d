"""BayesianNetwork: a face on networks of discrete and Gaussian nodes."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Self

import numpy as np

from emkit.core.block import Source
from emkit.core.checks import number, one_of
from emkit.core.columns import Columns
from emkit.core.errors import ParameterError
from emkit.core.result import Result
from emkit.core.warn import warn
from emkit.data.rows import ArraySource
from emkit.data.states import read_states
from emkit.data.validate import check_weights
from emkit.estimators.face import Job
from emkit.estimators.network_learning import LearntNetwork
from emkit.estimators.network_names import columns_with
from emkit.estimators.network_structure import Structure, declared_states, groups_of_nodes, hidden_states, priors_apart, structure
from emkit.models.bayesnet.asked import Asked
from emkit.models.bayesnet.conditional_gaussian import ConditionalGaussianNet
from emkit.models.bayesnet.model import BayesNet
from emkit.models.bayesnet.plan import MAX_TABLE


@dataclass(eq=False, repr=False)
class BayesianNetwork(LearntNetwork):
    """Bayesian network over columns of states and of numbers, fitted by exact expectation-maximization from rows with holes.

    Cells may be missing, whole nodes hidden; rows may have weights, tables may be held, tied, or have structural zeros. A column's
    states are the values that it has: texts, categories, booleans or whole numbers. A column of numbers with a fraction is a
    Gaussian node: a linear function of its Gaussian parents and normal noise, which are others for each combination of the states
    of its discrete parents. Discrete nodes have no Gaussian parents.

    Parameters
    ----------
    edges : sequence of pairs, str, graph or StructureSearch
        (parent, child) by name, or texts such as "rain->wet, sprinkler->wet", or a networkx graph. Columns that no edge names are
        independent of all others. A ``StructureSearch`` learns them from the data: see also ``learn``.
    latent : mapping or list of str, optional
        Hidden nodes and how many states each has, or which: ``{"H": 3}``.
    gaussian : sequence of str, optional
        Columns of whole numbers that are Gaussian nodes too.
    prior : BDeu, Dirichlet, float, NormalInverseGamma, mapping or None
        Of every row of every table; a number is a concentration. A mapping from nodes gives each its own. None is maximum
        likelihood. A NormalInverseGamma is that of Gaussian nodes, which otherwise have 2/n pseudo-observations with the column's
        variance, so that none can shrink to nothing; a mapping may say None of one.
    states : mapping, optional
        The states of nodes, in the order in which tables have them; other nodes have those that occur.
    tied : sequence of sequences of str, optional
        Groups of nodes that share one table, which is called after the first of them.
    noisy_or : sequence of str, optional
        Nodes of two states whose table is a noisy-OR: each parent that is not in its first state makes the second state with a
        probability of its own, and so does a leak. They are called after the node with "_links" behind it, the leak first.
    count_unobserved : bool
        Whether a row's missing nodes without observed descendants get expected counts, as textbooks have it. Without them, the
        default, the likelihood is the same, and EM needs fewer iterations.
    max_table : float
        Cells of the largest table that may be summed over; data that would need a larger one are refused.
    max_configurations : float
        Combinations of states of missing parents in which a row's Gaussian nodes are looked at together, at most.
    unseen : {"error", "missing"}
        What a state is that the network does not have.
    init, fixed, order_by, tol, max_iter, algorithm, n_init, init_params, random_state, warm_start, n_jobs
        As in every estimator: ``emkit.estimators.settings.Settings``. Parameters are called by node; a table has an axis for each
        parent, in the order of the edges, and the node's own last.
    verbose, verbose_interval, monitors, checkpoint
        Likewise.

    Attributes
    ----------
    structure_ : Structure
        The graph, with the states of each node; hidden nodes come first.
    search_ : Learnt
        After a fit that learnt its graph: ``edges``, ``score``, and ``ended`` where it was cut off.
    converged_, n_iter_, result_, model_, columns_, n_features_in_, feature_names_in_
        And each table by its node's name, with an underscore after it. Of a Gaussian node X ``X_intercept_``, ``X_coefficients_``
        (those of its Gaussian parents, in the order of the edges) and ``X_variance_``, with an axis for each discrete parent first.

    Raises
    ------
    DataError, ParameterError
        (both ValueErrors) from ``fit``: naming the column, row, node or parameter.

    References
    ----------
    Lauritzen (1995), The EM algorithm for graphical association models with missing data, CSDA 19, 191-201. Heckerman (1995), A
    tutorial on learning with Bayesian networks, MSR-TR-95-06. Lauritzen (1992), Propagation of probabilities, means, and variances
    in mixed graphical association models, JASA 87, 1098-1108.

    Examples
    --------
    >>> import numpy as np
    >>> from emkit import BayesianNetwork
    >>> rng = np.random.default_rng(0)
    >>> cause = rng.random((2000, 1)) < 0.4
    >>> signs = rng.random((2000, 4)) < np.where(cause, 0.9, 0.2)
    >>> edges = "cause->x0, cause->x1, cause->x2, cause->x3"
    >>> net = BayesianNetwork(edges, latent={"cause": 2}, random_state=0).fit(signs.astype(int))
    >>> np.sort(net.cause_).round(1)
    array([0.4, 0.6])
    """

    answers_queries = True

    edges: Any = None
    latent: Any = None
    _: KW_ONLY
    prior: Any = None
    states: Any = None
    tied: Any = None
    noisy_or: Any = None
    count_unobserved: bool = False
    max_table: float = MAX_TABLE
    gaussian: Any = None
    max_configurations: float = 4096

    def build(self, columns: Columns | None) -> BayesNet | ConditionalGaussianNet:
        """The network over these columns."""
        one_of(self.unseen, ("error", "missing"), "unseen")
        if not isinstance(self.count_unobserved, bool | np.bool_):
            raise ParameterError(f"count_unobserved={self.count_unobserved!r}: give True or False", parameter="count_unobserved")
        found = structure(self._edges_asked(), self.latent, declared_states(self.states), columns)
        strangers = [name for name in self._numbers() if columns is not None and name not in columns.names]
        if strangers:
            raise ParameterError(f"gaussian: there is no column {strangers[0]!r}", parameter="gaussian")
        return self._network(found)

    def _network(self, found: Structure) -> BayesNet | ConditionalGaussianNet:
        names = found.graph.names
        tied = groups_of_nodes(self.tied, names, "tied")
        noisy_or = groups_of_nodes(None if self.noisy_or is None else [self.noisy_or], names, "noisy_or")
        tables, numbers = priors_apart(self.prior, [names[node] for node in found.gaussian])
        settings = (
            found.graph, tuple(map(len, found.states)), found.hidden, tables, tied, bool(self.count_unobserved),
            number(self.max_table, "max_table", "a number of cells", least=1.0), noisy_or[0] if noisy_or else (),
        )  # fmt: skip
        if not found.gaussian:
            return self._with_values(BayesNet(*settings))  # type: ignore[return-value]
        most = number(self.max_configurations, "max_configurations", "a number of configurations", least=1.0)
        return self._with_values(  # type: ignore[return-value]
            ConditionalGaussianNet.of(*settings, gaussian_prior=numbers, max_configurations=most)
        )

    def _numbers(self) -> tuple[str, ...]:
        """``gaussian``, checked."""
        given = self.gaussian
        if isinstance(given, str) or not (given is None or isinstance(given, Iterable)):
            raise ParameterError(f"gaussian={given!r}: give a list of columns", parameter="gaussian")
        names = tuple(map(str, given or ()))
        both = sorted(set(names) & set(declared_states(self.states)))
        if both:
            raise ParameterError(f"gaussian: states are declared of {both[0]!r}; it is one or the other", parameter="gaussian")
        return names

    def _structure(self) -> Structure:
        """The graph of the fit, and the states of each node."""
        return structure(self._edges(), self.latent, declared_states(self.states), self.columns_)

    def _edges(self) -> list[tuple[str, str]]:
        model: Any = self._current().model
        return list(model.graph.edges)

    # --- data ---------------------------------------------------------------------------------------------------------

    def _source(self, X: Any, sample_weight: Any = None, *, like: Columns | None = None, min_rows: int = 1) -> ArraySource:
        one_of(self.unseen, ("error", "missing"), "unseen")
        declared = declared_states(self.states)
        table = read_states(
            X, declared, numbers=self._numbers(), like=like, unseen=self.unseen, min_rows=min_rows, every_column=like is None
        )
        return ArraySource(table.x, check_weights(sample_weight, len(table.x)), table.columns, checked=True)

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:  # type: ignore[override]
        """Fit the tables to rows.

        Parameters
        ----------
        X : data frame or array (n, d)
            A column for each node that is not hidden; NaN or null where a cell is missing.
        y : ignored
        sample_weight : array (n,), optional
            Nonnegative; weight 2 means the row twice.
        """
        return self._fit(*self._for_fit(X, sample_weight))

    def _for_fit(self, X: Any, sample_weight: Any = None) -> tuple[ArraySource, Any]:  # type: ignore[override]
        return self._source(X, sample_weight, min_rows=1), np.float64

    def _prepare(self, source: Source, width: Any, distinct: Source | None = None) -> Job:
        """Besides, refuse rows that zeros rule out."""
        job = super()._prepare(source, width, distinct)
        if self.fixed:
            model: Any = job.model.resolve(source)
            params = model.init(source, np.random.default_rng(0))
            known = structure(self._edges_asked(), self.latent, declared_states(self.states), source.columns)
            self._refuse_impossible(Asked.of(model, params), source.joined().x, known)
        return job

    def _take_on(self, job: Job, result: Result) -> Self:
        """Rows of tables that no row of the data uses are made uniform, not left to chance."""
        params = result.model.without_chance(result.params, job.source)
        return super()._take_on(job, replace(result, params=params))

    def _report(self, result: Result) -> None:
        """Besides, warn of hidden nodes of which the data say too little."""
        super()._report(result)
        for said in result.model.graph.unidentified(result.model.hidden):
            warn(said)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Weighted mean log-likelihood of the rows. Raises DataError for a row that the tables rule out, naming the nodes."""
        value = super().score(X, y, sample_weight)
        if value == -np.inf:
            self._refuse_impossible(self._fitted_network(), self._new(X).x, self._structure())
        return value

    def fit_rows(self, X: Any, weights: Any, labels: Any) -> Self:
        """``fit`` with weights; nothing can be known of labels here."""
        if labels is not None:
            raise ParameterError("a network has no labels; give what is known of a hidden node as a column", parameter="labels")
        return self.fit(X, sample_weight=weights)

    @classmethod
    def from_tables(cls, names: Any, states: Any, parents: Any, tables: Any, **settings: Any) -> Self:
        """A network with these tables, ready for queries, without any data.

        Parameters
        ----------
        names : sequence of str
        states, parents, tables : mappings by name
            States of each node; its parents; its table, with an axis for each parent and its own last. A node without states is
            Gaussian, and its table a mapping with "intercept", "coefficients" where it has Gaussian parents, and "variance", each
            with an axis for every discrete parent first.
        settings
            Of the estimator.
        """
        edges = [(parent, name) for name in names for parent in parents.get(name, ())]
        gaussian = [name for name in names if isinstance(tables.get(name), Mapping)]
        for what, given in (("states", {**states, **dict.fromkeys(gaussian)}), ("tables", tables)):
            lacking = [name for name in names if name not in given]
            if lacking:
                raise ParameterError(f"{what}: there are none of node {lacking[0]!r}", parameter=what)
        states = {name: tuple(states[name]) for name in names if name not in gaussian}
        found = cls(edges, states=states, gaussian=gaussian or None, **settings)
        hidden = hidden_states(found.latent, states)
        columns = columns_with([name for name in names if name not in hidden], states)
        model = found.build(columns)
        given = {name: table for name, table in tables.items() if name not in gaussian}
        given |= {f"{name}_{what}": value for name in gaussian for what, value in tables[name].items()}
        lacking = [name for name in model.all_names if name not in given]
        if lacking:
            raise ParameterError(f"tables: there is none for {lacking[0]!r}", parameter="tables")
        params = model.unshown({name: np.asarray(given[name], dtype=np.float64) for name in model.all_names}, 1, len(columns))
        found._adopt(Result.by_hand(model, params), columns, np.float64)
        return found

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, latent: Any = None, **settings: Any) -> Self:
        """A network read from a file, ready for queries: BIF, XMLBIF, Hugin NET, GeNIe XDSL or UAI, by suffix, also ``.gz``.

        Parameters
        ----------
        path : path
        latent : list of str, optional
            Nodes that are no columns of the data when the network is fitted.
        settings
            Of the estimator.

        Raises
        ------
        DataError
            Naming the file, the line and the node of what is wrong.
        """
        from emkit.io.networks.dispatch import read_network

        found = read_network(path)
        states, parents, tables = (
            dict(zip(found.names, part, strict=True)) for part in (found.states, found.parents, found.tables)
        )
        return cls.from_tables(found.names, states, parents, tables, latent=latent, **settings)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write graph, states and tables to a file that other programs read; the suffix says which format: see ``from_file``."""
        from emkit.io.networks.dispatch import write_network

        write_network(self._network_record(), path)

    def to_networkx(self) -> Any:
        """A networkx DiGraph, with states and table of each node as attributes."""
        from emkit.io.networks.conversion import to_networkx

        return to_networkx(self._network_record())

    def to_pgmpy(self) -> Any:
        """A network of pgmpy's, which must be installed."""
        from emkit.io.networks.conversion import to_pgmpy

        return to_pgmpy(self._network_record())

    def _network_record(self) -> Any:
        from emkit.io.networks.record import Network

        structure, (model, params) = self._structure(), self._model()
        graph = structure.graph
        if structure.gaussian:
            raise ParameterError(
                f"{graph.names[structure.gaussian[0]]!r} is a Gaussian node, and these formats hold tables of states only; "
                "save() keeps the whole network"
            )
        tables = tuple(model.layout.table(params.tables, node) for node in range(len(graph)))
        parents = tuple(tuple(graph.names[p] for p in found) for found in graph.parents)
        return Network(graph.names, tuple(tuple(map(str, found)) for found in structure.states), parents, tables)

    # --- the answer ---------------------------------------------------------------------------------------------------

    def _labels_in_words(self, result: Result) -> list[str]:
        from emkit.estimators.network_words import tables_in_words

        return tables_in_words(self._structure(), result)

    def _columns_by_moments(self) -> list[int]:
        return []

    def type_words(self) -> tuple[str, list[str]]:
        """Columns of whole numbers may be Gaussian nodes."""
        return "gaussian", ["gaussian"]

    def takes_texts(self) -> bool:
        """Texts are states."""
        return True

    def save(self, path: str | os.PathLike[str]) -> None:
        """As every estimator does; a graph of another library is saved as its edges."""
        self.save_as(path, type(self)(**{**self.get_params(deep=False), "edges": self._edges()}))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = False
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags
