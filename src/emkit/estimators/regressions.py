"""MixtureOfRegressions: which of several regressions a row follows is hidden."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin

from emkit.core.block_source import BlockSource
from emkit.core.columns import Column, Columns
from emkit.core.errors import DataError, ParameterError
from emkit.core.model import Model
from emkit.core.result import Result
from emkit.data.rows import ArraySource
from emkit.data.tables import read_table
from emkit.data.validate import check_weights
from emkit.estimators.partitions import answers_lazily
from emkit.estimators.predictive import PredictiveDistribution
from emkit.estimators.regression_rows import (
    CONCOMITANT,
    GROUPS,
    OFFSET,
    TRIALS,
    Beside,
    Grouped,
    group_codes,
    place,
    without_groups,
)
from emkit.estimators.regression_words import classes_in_words
from emkit.estimators.supervised import TARGET, Supervised, with_more
from emkit.estimators.targets import read_numbers
from emkit.families.regression.family import Regression
from emkit.models.concomitant import ConcomitantMixture
from emkit.models.mixture import FiniteMixture


@dataclass(eq=False, repr=False)
class MixtureOfRegressions(RegressorMixin, Supervised):  # type: ignore[misc]
    """Mixture of regressions, or latent class regression, fitted by expectation-maximization.

    Each row, or group of rows, belongs to one of K classes, and which one is hidden; in each class the target has a regression of
    its own on the inputs. How probable classes are may depend on further, concomitant columns.

    Parameters
    ----------
    n_components : int or "auto"
        K; "auto": the number from 1 to 9 with the best BIC.
    response : {"gaussian", "poisson", "bernoulli", "binomial"}
        What the target is: see ``Regression``.
    on : column or sequence of columns, optional
        Columns of ``X`` that the target is regressed on, names or numbers. Default: all that are not named below.
    concomitant : column or sequence of columns, optional
        Columns of ``X`` that class weights depend on, by a multinomial logit. To regress on them too, name them in ``on``.
    groups : column, optional
        The column of ``X`` whose equal values are rows of one group, such as a person: they share their class.
    offset, trials : column, optional
        Columns of ``X``: what is added to the linear predictor, and numbers of trials of a binomial response.
    shared : sequence of columns, or "intercept"
        Coefficients that are the same in all classes.
    shared_variance : bool
        Whether all classes have one residual variance.
    ridge, prior : "weak", float or None
        Of slopes and of residual variances: see ``Regression``. ``ridge=0, prior=None`` is maximum likelihood.
    class_ridge : "weak" or float
        Of the slopes of class weights: see ``ConcomitantMixture``.
    init, fixed, order_by, tol, max_iter, algorithm, n_init, init_params, random_state, warm_start, n_jobs
        As in every estimator: ``emkit.estimators.settings.Settings``. The parameters are "intercepts", "coefficients",
        "variances", and "weights", or "class_intercepts" and "class_coefficients".
    verbose, verbose_interval, monitors, checkpoint
        Likewise.

    Attributes
    ----------
    n_components_ : int
    intercept_ : array (K,)
    coef_ : array (K, q)
        In the order of ``on``.
    sigma_ : array (K,)
        Residual standard deviations, of a gaussian response.
    weights_ : array (K,)
        Class weights; with concomitant columns those at their averages.
    class_intercepts_, class_coefficients_ : arrays (K,), (K, c)
        Log class weights, up to a constant, which add up to 0 over classes; only with concomitant columns or groups.
    converged_, n_iter_, result_, model_, columns_, n_features_in_, feature_names_in_

    Raises
    ------
    DataError, ParameterError
        (both ValueErrors) from ``fit``: naming the column, row or parameter.

    References
    ----------
    DeSarbo and Cron (1988), J. Classification 5, 249-282. Grün and Leisch (2008), FlexMix version 2, J. Statistical Software 28(4).

    Examples
    --------
    >>> import numpy as np
    >>> from emkit import MixtureOfRegressions
    >>> rng = np.random.default_rng(0)
    >>> x, kind = rng.uniform(0, 10, 200), rng.integers(2, size=200)
    >>> y = np.where(kind == 0, 1 + 2 * x, 20 - x) + rng.normal(0, 0.5, 200)
    >>> model = MixtureOfRegressions(2, random_state=0).fit(x[:, None], y)
    >>> np.sort(model.coef_.ravel()).round(1)
    array([-1.,  2.])
    """

    finds_size = True
    size_setting, label_word = "n_components", "class"

    n_components: Any = 2
    _: KW_ONLY
    response: str = "gaussian"
    on: Any = None
    concomitant: Any = None
    groups: Any = None
    offset: Any = None
    trials: Any = None
    shared: Any = ()
    shared_variance: bool = False
    ridge: Any = "weak"
    prior: Any = "weak"
    class_ridge: Any = "weak"
    order_by: Any = "auto"

    # --- the model ----------------------------------------------------------------------------------------------------

    def build(self, columns: Columns | None) -> FiniteMixture | ConcomitantMixture:
        """A mixture of regressions; with class weights that depend on columns, or of groups, a ``ConcomitantMixture``."""
        more: dict[str, Any] = {"ridge": self.ridge, "prior": self.prior, "shared_variance": bool(self.shared_variance)}
        if columns is None:
            trials = None if self.response != "binomial" else 1
            return FiniteMixture(Regression(self.response, trials=trials, shared=self.shared, **more), self._size())
        used = {role: self._column(role, columns) for role in (OFFSET, TRIALS)}
        concomitant = self._concomitant(columns)
        group = [] if self.groups is None else [place(self.groups, columns, GROUPS)]
        taken = {*concomitant, *group, *(j for j in used.values() if j is not None)}
        if self.on is None:
            on = [j for j, item in enumerate(columns.items) if item.role == "feature" and j not in taken]
        else:
            on = [place(column, columns, "on") for column in _listed(self.on)]
        key: Any = columns.names if columns.named else range(len(columns))
        target = columns.role(TARGET)[0]
        shared = tuple(c if c == "intercept" else key[place(c, columns, "shared")] for c in _listed(self.shared))
        named: dict[str, Any] = {role: None if j is None else key[j] for role, j in used.items()}
        family = Regression(self.response, on=tuple(key[j] for j in on), target=key[target], shared=shared, **named, **more)
        needed = [*on, *(j for j in used.values() if j is not None), target]
        if concomitant or group or columns.role(GROUPS) or len(needed) < len(columns):
            own = tuple(key[j] for j in needed)
            about = tuple(key[j] for j in concomitant)
            return self._with_values(  # type: ignore[return-value]
                ConcomitantMixture(family, self._size(), about, own, ridge=self.class_ridge, seeding=self.init_params)
            )
        return self._with_values(FiniteMixture(family, self._size(), seeding=self.init_params))  # type: ignore[return-value]

    def _column(self, role: str, columns: Columns) -> int | None:
        """The column of the offset, or of trials: of X, or one that ``fit`` was given."""
        setting, given = getattr(self, role), columns.role(role)
        if setting is not None and given:
            raise ParameterError(f"{role} is a column of X by the setting, and given to fit; give one of them", parameter=role)
        return given[0] if given else None if setting is None else place(setting, columns, role)

    def _concomitant(self, columns: Columns) -> list[int]:
        named = [place(column, columns, CONCOMITANT) for column in _listed(self.concomitant)]
        return [*named, *columns.role(CONCOMITANT)]

    @property
    def n_components_(self) -> int:
        """K as it was given, or found."""
        return self._size_of(self.model_)

    # --- data ---------------------------------------------------------------------------------------------------------

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, groups: Any = None, offset: Any = None, trials: Any = None,
        concomitant: Any = None,
    ) -> Self:  # fmt: skip
        """Fit to rows.

        Parameters
        ----------
        X : data frame or array of shape (n, d)
            Inputs, none missing.
        y : array or column of shape (n,)
            The target, none missing.
        sample_weight : array of shape (n,), optional
            Nonnegative; weight 2 means the row twice, of groups the whole group.
        groups, offset, trials : arrays of shape (n,), optional
            Where they are not columns of ``X`` that the settings name.
        concomitant : array or data frame of shape (n, c), optional
            Likewise.
        """
        return self._fit(*self._for_fit(X, y, sample_weight, Beside(offset, trials, concomitant, groups)))

    def _n_inputs(self, columns: Columns) -> int:
        return sum(item.role == "feature" for item in columns.items)

    def _target(self, y: Any, n: int, weights: np.ndarray | None) -> tuple[np.ndarray, Column]:
        numbers, name = read_numbers(y, n)
        return numbers, Column(name or "y", "real")

    def _for_fit(  # type: ignore[override]
        self, X: Any, y: Any = None, sample_weight: Any = None, beside: Beside | None = None
    ) -> tuple[BlockSource, Any]:
        beside = beside or Beside()
        X, groups = self._split(X, beside)
        table = read_table(X, min_rows=2)
        weights = check_weights(sample_weight, len(table.x))
        cells, column = self._target(y, len(table.x), weights)
        if self.response == "gaussian" and np.ptp(cells) == 0 and "variances" not in (self.fixed or {}):
            raise DataError(
                f"the target y is {cells[0]:g} in all rows: there is nothing to regress; fix the variances, or leave it"
            )
        extra, items = beside.columns(len(table.x), table.columns.names)
        columns = with_more(table.columns, [*items, Column(column.name, column.kind, role=TARGET)])
        x = np.column_stack([table.x.astype(np.float64, copy=False), *extra, cells])
        self._refuse_holes(x, columns)
        return self._source(x, weights, columns, groups)[0], np.float64

    def _again(self, X: Any, sample_weight: Any = None, y: Any = None, **beside: Any) -> BlockSource:
        """The data of the fit, read again."""
        if y is None:
            raise ParameterError("the target is needed too: give y=...", parameter="y")
        return self._for_fit(X, y, sample_weight, Beside(**beside))[0]

    def _split(self, X: Any, beside: Beside) -> tuple[Any, Any]:
        """X without its column of groups, and the groups."""
        if self.groups is None:
            return X, beside.groups
        if beside.groups is not None:
            raise ParameterError("groups is a column of X by the setting, and given too; give one of them", parameter="groups")
        return without_groups(X, self.groups)

    def _source(
        self, x: np.ndarray, weights: np.ndarray | None, columns: Columns, groups: Any
    ) -> tuple[BlockSource, Grouped | None]:
        if groups is None:
            return ArraySource(x, weights, columns, checked=True), None
        grouped = Grouped.of(group_codes(groups, len(x)))
        return grouped.source(x, weights, columns, self._concomitant(columns)), grouped

    def _new_rows(self, X: Any, beside: Beside, y: Any = None) -> tuple[BlockSource, Grouped | None]:
        """New rows with all that the fit was given; groups only where there are targets."""
        self._current()
        X, groups = self._split(X, beside)
        table, known = self._inputs(X), self.columns_
        extra, items = beside.columns(len(table.x), known.names[: self.n_features_in_])
        wanted = [item.role for item in known.items if item.role in (OFFSET, TRIALS, CONCOMITANT)]
        given = [item.role for item in items if item.role != GROUPS]
        if given != wanted:
            need = ", ".join(dict.fromkeys(wanted)) or "nothing beside X"
            raise ParameterError(
                f"the fit was given {need}; give the same here, of as many columns", parameter=(wanted or given)[0]
            )
        if known.role(GROUPS) and groups is None and y is not None:
            raise ParameterError("the fit was given groups; give them here too", parameter="groups")
        n = len(table.x)
        zeros = [np.zeros(n)] * len(known.role(GROUPS))
        cells = np.zeros(n) if y is None else self._target(y, n, None)[0]
        x = np.column_stack([table.x.astype(np.float64, copy=False), *extra[: len(wanted)], *zeros, cells])
        self._refuse_holes(x, known)
        return self._source(x, None, known, groups if y is not None else None)

    def _refuse_holes(self, x: np.ndarray, columns: Columns) -> None:
        bad = np.argwhere(np.isnan(x))
        if len(bad):
            row, j = map(int, bad[0])
            raise DataError(
                f"{columns.called(j)} row {row} is missing (NaN), and a regression needs it; fill it in, or drop the row",
                column=columns[j].name, row=row,
            )  # fmt: skip

    # --- what was found -----------------------------------------------------------------------------------------------

    def _lines(self) -> tuple[Regression, Any]:
        current: Any = self._current()
        return current.model.family, current.params.components

    @property
    def intercept_(self) -> np.ndarray:
        """At inputs of 0, (K,)."""
        self._fitted()
        return np.array(self._lines()[1].intercepts)

    @property
    def coef_(self) -> np.ndarray:
        """Slopes, (K, q)."""
        self._fitted()
        return np.array(self._lines()[1].coefficients)

    @property
    def sigma_(self) -> np.ndarray:
        """Residual standard deviations of a gaussian response, (K,). Raises AttributeError for others."""
        self._fitted()
        params = self._lines()[1]
        if params.variances is None:
            raise AttributeError(f"a {self.response} response has no residual standard deviation")
        return np.array(np.sqrt(np.broadcast_to(params.variances, params.intercepts.shape)))

    @property
    def weights_(self) -> np.ndarray:
        """Class weights, (K,); with concomitant columns those at their averages."""
        result: Any = self._fitted()
        if isinstance(result.model, ConcomitantMixture):
            layout, units = result.model.known
            at = np.zeros((1, layout.width))
            at[:, list(layout.concomitant)] = units.centre
            return result.model.class_weights(self._current().params, at)[0]
        return np.array(self._current().params.weights)

    # --- predictions --------------------------------------------------------------------------------------------------

    def _weights(self, source: BlockSource) -> np.ndarray:
        """Class weights of each row, (n, K)."""
        current: Any = self._current()
        x = np.asarray(source.joined().x)
        if isinstance(current.model, ConcomitantMixture):
            return current.model.class_weights(current.params, x)
        return np.broadcast_to(current.params.weights, (len(x), len(current.params.weights)))

    def _family_rows(self, source: BlockSource) -> np.ndarray:
        """The columns that the regressions are about, (n, ...)."""
        model: Any = self._current().model
        x = np.asarray(source.joined().x)
        return x[:, list(model.known[0].family)] if isinstance(model, ConcomitantMixture) else x

    @answers_lazily(width=lambda face: face.n_components_)
    def predict_each(self, X: Any, *, offset: Any = None, trials: Any = None, concomitant: Any = None) -> np.ndarray:
        """The mean of the target in each class, (n, K): of a binomial response, expected successes."""
        source, _ = self._new_rows(X, Beside(offset, trials, concomitant))
        family, params = self._lines()
        return family.means(params, self._family_rows(source))

    @answers_lazily()
    def predict(self, X: Any, *, offset: Any = None, trials: Any = None, concomitant: Any = None) -> np.ndarray:
        """The mean of the target, (n,): those of the classes, weighted by how probable these are before the target is known."""
        more = {"offset": offset, "trials": trials, "concomitant": concomitant}
        source, _ = self._new_rows(X, Beside(**more))
        return np.asarray((self._weights(source) * self.predict_each(X, **more)).sum(axis=1))

    def predict_dist(self, X: Any, *, offset: Any = None, concomitant: Any = None) -> PredictiveDistribution:
        """The distribution of a gaussian target at each row. Raises ParameterError for other responses."""
        if self.response != "gaussian":
            raise ParameterError(f"predict_dist is of gaussian responses, not {self.response} ones", parameter="response")
        source, _ = self._new_rows(X, Beside(offset, None, concomitant))
        means = self.predict_each(X, offset=offset, concomitant=concomitant)
        return PredictiveDistribution(np.array(self._weights(source)), means, np.broadcast_to(self.sigma_**2, means.shape).copy())

    @answers_lazily(width=lambda face: face.n_components_)
    def predict_proba(
        self, X: Any, y: Any = None, *, groups: Any = None, offset: Any = None, trials: Any = None, concomitant: Any = None
    ) -> np.ndarray:
        """Probability of each class, (n, K): given the target, if there is one; of a group, given all of its rows."""
        source, grouped = self._new_rows(X, Beside(offset, trials, concomitant, groups), y)
        if y is None:
            return np.array(self._weights(source))
        self._current().model.check(source)
        found = self._infer(source, "marginals").marginals
        assert found is not None
        return found if grouped is None else grouped.back(found)

    def table(self, X: Any) -> dict[str, np.ndarray]:
        """Columns that a prediction adds: ``mean``, and that of each class, ``mean0``, ``mean1``, ..."""
        return {"mean": self.predict(X)} | {f"mean{k}": mean for k, mean in enumerate(self.predict_each(X).T)}

    # --- in words -----------------------------------------------------------------------------------------------------

    def _size_of(self, model: Model) -> int:
        return model.n_hidden or 1

    def _labels_in_words(self, result: Result) -> list[str]:
        return classes_in_words(self, result)

    def _columns_by_moments(self) -> list[int]:
        """None: of inputs there is no distribution."""
        return []

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = False
        tags.target_tags.positive_only = self.response in ("poisson", "bernoulli", "binomial")
        return tags


def _listed(columns: Any) -> tuple[Any, ...]:
    """One column, or several, as several."""
    return () if columns is None else (columns,) if isinstance(columns, str | int | np.integer) else tuple(columns)
