"""AutoClass: classes in a table of mixed columns, their number included, by a Bayesian score."""

from collections.abc import Collection
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from emkit.algorithms.starts import fit
from emkit.core.checks import count, mapping, one_of
from emkit.core.columns import Columns
from emkit.core.describe import snapshot
from emkit.core.errors import DataError, ParameterError
from emkit.core.monitor import Monitors
from emkit.core.prior import Dirichlet
from emkit.core.result import Result
from emkit.core.warn import warn
from emkit.data.kinds import refined, with_levels
from emkit.data.rows import ArraySource
from emkit.data.tables import read_table
from emkit.data.validate import check_weights
from emkit.estimators.autoclass_left_out import check_some_left, emptied, in_table, readable, without_constants
from emkit.estimators.autoclass_left_out import in_words as left_out_in_words
from emkit.estimators.autoclass_report import for_programs, report
from emkit.estimators.autoclass_rows import rows_of_files, settings_of
from emkit.estimators.autoclass_search import cut_off, cut_off_in_words, search_settings
from emkit.estimators.autoclass_search_result import SearchResult, search_result_of
from emkit.estimators.autoclass_types import WORDS, Told, categorical_columns, check_blocks, family_of, table_model, told_columns
from emkit.estimators.profile import in_words
from emkit.estimators.rows import RowFace
from emkit.estimators.settings import make_rng
from emkit.families.gaussian.family import Gaussian
from emkit.models.mixture import FiniteMixture, MixtureParams, MixtureStats
from emkit.selection.autoclass.attributes import TableModel
from emkit.selection.autoclass.files import AutoClassData, read_autoclass
from emkit.selection.autoclass.prepare import Prepared, prepare
from emkit.selection.autoclass.search import Classification, Found, search


@dataclass(eq=False, repr=False)
class AutoClass(RowFace):
    """Unsupervised clustering of a table of mixed columns; the number of classes is found by a Bayesian score.

    The score is the marginal likelihood of a classification as the program AutoClass C approximates it. A search starts from random
    classes, converges them, moves rows, deletes, splits and merges classes while that raises the score, and starts again. The best
    classification is then fitted by expectation-maximization to the exact mode of the posterior under the same priors, which gives
    predictions, imputations and files as every mixture has them.

    Parameters
    ----------
    n_components : "auto" or int
        The number of classes; "auto" lets the score decide.
    types : mapping, optional
        What columns are, by name or number: "normal", "log" (normal on the log scale), "categorical", "ignore"; and for a tuple of
        columns "correlated" or "correlated-log". By default texts, categories, and whole numbers from 0 up with at most eight
        values, each of which occurs at least five times on average, are categories; other numbers are normal or, where that is
        likelier, log-normal. Of a data frame, texts that are all different and dates are ignored, and so are columns of any
        table with one value or none; a warning names them.
    errors : mapping, optional
        How precisely numbers were measured, by column: in their units, or on the log scale as a part of the number (0.01: to 1 %).
        A class is never narrower than five errors. By default half of the smallest difference, between 0.001 standard
        deviations and 0.01 of the range.
    zero_points : mapping, optional
        On the log scale: the value above which all numbers of the column lie; 0 by default.
    missing : "outcome", "random", or mapping by column
        Whether a missing number is an outcome that may tell classes apart, or says nothing. Of categories it is always an outcome.
    time_limit : float or None
        Seconds of the search, from when its code is compiled. At the limit, the try that is under way is cut short, and the best so
        far is kept; where it is the first try, a warning says so.
    max_tries : "auto", int or None
        The search ends after so many tries; None leaves it to the time limit. "auto" is 5 without a time limit; with one, the
        search takes all its time, unless three tries, none of which began from another, agree on the best before.
    start_classes : tuple of two ints
        Fewest and most classes that a try starts from.
    n_kept : int
        How many of the best classifications are kept.
    unseen : {"error", "missing"}
        What to do with a level of a category that did not occur in the fit: refuse it, or take the cell as missing.
    init, fixed, order_by, tol, max_iter, algorithm, n_init, init_params, random_state, warm_start, n_jobs
        As in every estimator: ``emkit.estimators.settings.Settings``. But the search finds the start, so ``init`` and ``fixed`` are
        refused, and ``n_init``, ``init_params`` and ``warm_start`` have no effect.
    verbose, verbose_interval, monitors, checkpoint
        Likewise.

    Attributes
    ----------
    n_components_ : int
        Classes found.
    log_marginal_ : float
        The score of the fitted classification, AutoClass's log marginal likelihood, nats.
    classifications_ : list of Classification
        The best ones of the search, best first: ``labels``, ``memberships`` and ``score`` of each.
    labels_ : array (n,)
        The most probable class of each row of the fit.
    class_strength_ : array (K,)
        Log of the geometric mean of the probabilities that a class gives its own rows: tight classes are strong. NaN of a class
        without rows, which has no influence either.
    influence_ : array (K, d)
        How far each class is from the whole in each column: Kullback-Leibler divergence, nats; of correlated columns the first
        has it.
    overall_influence_ : array (d,)
        Its sum over classes, the largest set to 1.
    cross_entropy_ : array (K,)
        Of each class and the whole: the sum of its influences.
    tries_ : int
        How many tries the search made.
    search_ended_ : str
        Why the search ended.
    converged_, n_iter_, result_, model_, columns_, n_features_in_, feature_names_in_, and each parameter by its name

    Raises
    ------
    DataError, ParameterError
        (both ValueErrors) from ``fit``: naming the column, row or parameter.

    References
    ----------
    Cheeseman and Stutz (1996), Bayesian Classification (AutoClass): Theory and Results, in Advances in Knowledge Discovery and Data
    Mining, 153-180.

    Examples
    --------
    >>> import numpy as np
    >>> from emkit import AutoClass
    >>> rng = np.random.default_rng(0)
    >>> kind = rng.integers(3, size=150)
    >>> size, colour = rng.normal(5.0 * kind, 0.5), rng.integers(2, size=150) * (kind > 0)
    >>> AutoClass(random_state=0).fit(np.column_stack([size, colour])).n_components_
    3
    """

    is_a_search, label_word = True, "class"

    n_components: Any = "auto"
    types: Any = None
    _: KW_ONLY
    errors: Any = None
    zero_points: Any = None
    missing: Any = "outcome"
    time_limit: float | None = None
    max_tries: Any = "auto"
    start_classes: tuple[int, int] = (8, 36)
    n_kept: int = 10
    unseen: str = "error"

    # --- the model ----------------------------------------------------------------------------------------------------

    def build(self, columns: Columns | None) -> FiniteMixture:
        """A mixture over the family that the last fit took; before one, what little can be said of it."""
        one_of(self.unseen, ("error", "missing"), "unseen")
        auto = isinstance(self.n_components, str)
        if auto and self.n_components != "auto":
            raise ParameterError(f"n_components={self.n_components!r}: give 'auto' or a number", parameter="n_components")
        if not auto:
            count(self.n_components, "n_components")
        family: Any = self.__dict__.get("_family", Gaussian("diag"))
        k = self.__dict__.get("_k", 1) if auto else self.n_components
        return FiniteMixture(family, k, Dirichlet(1.0 + 1.0 / k))

    def _told(self) -> Told:
        errors, zero_points = mapping(self.errors, "errors"), mapping(self.zero_points, "zero_points")
        return Told(mapping(self.types, "types"), errors, zero_points, self.missing)

    def _source(self, X: Any, sample_weight: Any = None, *, like: Columns | None = None, min_rows: int = 1) -> ArraySource:
        """In a fit, codes of categories become levels."""
        if isinstance(X, AutoClassData):
            return rows_of_files(X, like, self.unseen)
        if like is None:
            X, self._why = readable(X, mapping(self.types, "types"))
        else:
            X = emptied(X, {name for name, word in self.column_families().items() if word == "ignore"})
        table = read_table(X, like=like, unseen=self.unseen, min_rows=min_rows, every_column=False)
        source = ArraySource(table.x, check_weights(sample_weight, len(table.x)), table.columns, checked=True)
        if like is not None:
            return source
        columns = refined(source.columns, source.summary)
        x, columns = with_levels(source.x, columns, categorical_columns(columns, source.x, self._told()))
        return ArraySource(x, source.weights, columns, checked=True)

    # --- fitting ------------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> Self:  # type: ignore[override]
        """Search for classes in rows ``X``: an array, a data frame, or what ``read_autoclass`` read.

        Parameters
        ----------
        X : array, data frame or AutoClassData
            NaN or null where a cell is missing. Files bring types, errors and zero points with them.
        y : ignored
        """
        source = self._source(X, min_rows=2)
        x = np.asarray(source.x, dtype=np.float64)
        if isinstance(X, AutoClassData):
            model, why = without_constants(X.model, x)
        else:
            model = table_model(x, source.columns, self._told())
            told = told_columns(source.columns, mapping(self.types, "types"))
            why = {**in_table(x, source.columns, told), **self.__dict__.pop("_why", {})}
        check_some_left(model, why)
        if why:
            warn(f"left out, as they tell no classes apart: {left_out_in_words(why)}; types says otherwise, or 'ignore'")
        check_blocks(model, source.columns)
        return self._classify(ArraySource(x, columns=source.columns, checked=True), model)

    def fit_predict(self, X: Any, y: Any = None) -> np.ndarray:  # type: ignore[override]
        """``fit``, then the most probable class of each row of ``X``, (n,). Raises what ``fit`` raises."""
        return self.fit(X, y).predict(X)

    def fit_rows(self, X: Any, weights: Any, labels: Any) -> Self:
        """``fit``; rows have no weights and nothing is known of labels here."""
        for name, value in (("weights", weights), ("labels", labels)):
            if value is not None:
                raise ParameterError(f"AutoClass takes no {name}; Mixture does", parameter=name)
        return self.fit(X)

    def _classify(self, source: ArraySource, table: TableModel) -> Self:
        x, k = source.x, None if isinstance(self.n_components, str) else self.n_components
        ends = search_settings(self)
        if self.init or self.fixed:
            raise ParameterError(
                "AutoClass cannot start from values or hold them; Mixture does", parameter="init" if self.init else "fixed"
            )
        if k is not None and k > len(x):
            raise DataError(f"n_components={k} is more than the {len(x)} row(s) of the data: n_samples={len(x)}")
        prepared = prepare(x, table)
        found = search(prepared, make_rng(self.random_state), n_classes=k, monitor=Monitors(self._monitors()), **ends)
        result = self._finished(source, table, found)
        if result.converged and cut_off(found):
            result = replace(result, reason=found.reason)
        self._family, self._k = family_of(table, x, source.columns), result.model.n_hidden
        self._adopt(result, source.columns, np.float64)
        self._asked = snapshot((self.build(source.columns), source.columns))
        self._remember(source, prepared, found)
        self._report(result)
        return self

    def _finished(self, source: ArraySource, table: TableModel, found: Found) -> Result:
        """The best classification, followed by EM to the mode of the posterior."""
        best = found.best[0].memberships
        k = best.shape[1]
        model = FiniteMixture(family_of(table, source.x, source.columns), k, Dirichlet(1.0 + 1.0 / k)).resolve(source)
        rng = np.random.default_rng(0)
        resp = np.ascontiguousarray(best)
        components = model.family.from_partition(source.x, resp, rng)
        weights = (resp.sum(axis=0) + 1.0 / k) / (len(resp) + 1.0)
        start = MixtureParams(weights, components)
        stats = MixtureStats(resp.sum(axis=0), model.family.stats(components, source.x, resp))
        start = model.m_step(stats, start)
        result = fit(
            model, source, executor=self._executor(), algorithm=self.algorithm, starts=[start], tol=self.tol,
            max_iter=self.max_iter,
        )  # fmt: skip
        return replace(self._ordered(result, source), slivers=())  # small classes are what the score is for

    def _remember(self, source: ArraySource, prepared: Prepared, found: Found) -> None:
        """What the search said, and what the program's reports say of the fit."""
        memberships = self._infer(source, "marginals").marginals
        assert memberships is not None
        self._found = search_result_of(found, prepared, memberships, source.n_features)

    def _report(self, result: Result) -> None:
        """Warn of a search that was cut off, rather than of EM, which was not."""
        if cut_off(self._of_search().found):
            warn(cut_off_in_words(self._of_search().found), ConvergenceWarning)
        else:
            super()._report(result)

    def __getattr__(self, name: str) -> Any:
        """What a search said is not there in a model that comes from a file, which the error says."""
        if isinstance(getattr(type(self), name, None), property) and "result_" in self.__dict__ and "_found" not in self.__dict__:
            raise AttributeError(f"{name}: what a search said is known after fit; a file keeps the model alone")
        return super().__getattr__(name)

    def _of_search(self) -> SearchResult:
        found: SearchResult | None = self.__dict__.get("_found")
        if found is None:
            raise NotFittedError("what a search said is known after fit; a file keeps the model alone")
        return found

    # --- the answer ---------------------------------------------------------------------------------------------------

    @property
    def n_components_(self) -> int:
        """Classes."""
        return int(self._fitted().model.n_hidden)

    @property
    def labels_(self) -> np.ndarray:
        """The most probable class of each row of the fit."""
        return np.asarray(self._of_search().memberships.argmax(axis=1))

    @property
    def log_marginal_(self) -> float:
        """AutoClass's score of the fit, nats."""
        return self._of_search().log_marginal

    @property
    def classifications_(self) -> list[Classification]:
        """The best of the search, best first."""
        return list(self._of_search().found.best)

    @property
    def class_strength_(self) -> np.ndarray:
        """Log strength of each class."""
        return self._of_search().influence.strength

    @property
    def influence_(self) -> np.ndarray:
        """Of each column on each class, (K, d), nats."""
        return self._of_search().of_columns

    @property
    def overall_influence_(self) -> np.ndarray:
        """Sums over classes, the largest set to 1, (d,)."""
        total = self.influence_.sum(axis=0)
        return total / max(float(total.max(initial=0.0)), 1e-300)

    @property
    def cross_entropy_(self) -> np.ndarray:
        """Of each class and the whole, (K,), nats."""
        return self._of_search().influence.cross_entropy

    @property
    def tries_(self) -> int:
        """Tries of the search."""
        return self._of_search().found.tries

    @property
    def search_ended_(self) -> str:
        """Why the search ended, in words."""
        return self._of_search().found.reason.value

    def class_report(self, n_columns: int = 8) -> str:
        """AutoClass's report as text: classes with their strengths, and the columns that set each apart most.

        Parameters
        ----------
        n_columns : int
            Columns named for each class.
        """
        self._current()
        self._of_search()
        return report(self, count(n_columns, "n_columns"))

    def criteria(self) -> dict[str, Any]:
        """The score beside the criteria of every mixture."""
        return {**super().criteria(), **({"log_marginal": self.log_marginal_} if "_found" in self.__dict__ else {})}

    def _value_in_words(self, result: Result) -> list[str]:
        lines = super()._value_in_words(result)
        if "_found" not in self.__dict__:
            return lines
        said = self._of_search()
        others = [f"{c.score.log_marginal:.2f} ({c.memberships.shape[1]})" for c in said.found.best[1:4]]
        more = f"; next best {', '.join(others)}" if others else ""
        return [
            f"  log marginal {said.log_marginal:.3f} with {self.n_components_} classes{more}",
            f"  search: {said.found.tries} tries; {said.found.reason.value}",
            *lines,
        ]

    def _in_words(self, result: Result) -> str:
        k = result.model.n_hidden
        return f"AutoClass: {k} class{'es' * (k != 1)}"

    def _holes(self, source: ArraySource) -> np.ndarray:
        """Columns that are ignored stay as they are."""
        ignored = [word == "ignore" for word in self.column_families().values()]
        return super()._holes(source) & ~np.array(ignored)

    def _columns_by_moments(self) -> list[int]:
        """The number of a level says nothing, and an ignored column has no mean."""
        words = self.column_families() if "result_" in self.__dict__ else {}
        return [j for j, c in enumerate(self.columns_.items) if c.levels is None and words.get(c.name) in ("normal", "gaussian")]

    def column_families(self) -> dict[str, str]:
        """The word of each column's family."""
        model: Any = self.model_
        return dict(zip(self.columns_.names, model.family.column_words(len(self.columns_)), strict=True))

    def settings_of_file(self, path: Any, columns: Collection[str]) -> dict[str, Any]:
        """Of AutoClass's own files: types, errors, zero points, and what missing cells are."""
        return settings_of(read_autoclass(path).settings, columns) if str(path).lower().endswith(".db2") else {}

    def more_of_fit(self) -> dict[str, Any]:
        """Classes, and what sets them apart; nothing of a model from a file."""
        return for_programs(self) if "_found" in self.__dict__ else {}

    def type_words(self) -> tuple[str, list[str]]:
        """``types``."""
        return "types", list(WORDS)

    def takes_texts(self) -> bool:
        """They are categories."""
        return True

    def _more_in_words(self, result: Result) -> list[str]:
        """What sets each class apart most."""
        return in_words(result.model, result.params, self.columns_)
