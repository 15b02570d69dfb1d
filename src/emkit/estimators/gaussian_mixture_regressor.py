"""GaussianMixtureRegressor: any columns of a mixture of Gaussians given any others."""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin

from emkit.core.bayes import draw_labels, log_sum_exp
from emkit.core.block_source import BlockSource
from emkit.core.checks import count, level_of
from emkit.core.columns import Column, Columns
from emkit.core.errors import DataError, ParameterError
from emkit.core.result import Result
from emkit.data.names import check_columns
from emkit.data.rows import ArraySource
from emkit.data.tables import is_table, read_frame, read_table
from emkit.data.validate import check_weights
from emkit.estimators.gaussian_mixture import GaussianMixture
from emkit.estimators.gaussian_mixture_parts import place_of
from emkit.estimators.partitions import answers_lazily
from emkit.estimators.predictive import PredictiveDistribution
from emkit.estimators.settings import make_rng
from emkit.estimators.supervised import TARGET, Supervised, with_more
from emkit.estimators.targets import read_numbers
from emkit.families.gaussian.conditional import Given, covariance_of, given, mean_and_std, mean_of
from emkit.families.gaussian.family import Gaussian
from emkit.models.mixture import FiniteMixture


@dataclass(eq=False, repr=False)
class GaussianMixtureRegressor(RegressorMixin, Supervised):  # type: ignore[misc]
    """Gaussian mixture regression: a mixture of Gaussians of inputs and targets together, and what it says of the targets.

    The joint distribution is fitted once; then any columns can be asked for given any others. Given x, the target has a mixture of
    normal distributions, so that one x may have several answers. Cells may be missing, in a fit and in a prediction.

    Parameters
    ----------
    n_components : "auto" or int
        K; "auto": the number from 1 to 9 with the best BIC.
    covariance_type : str
        As in ``GaussianMixture``. Without correlations ("diag", "spherical") the mean is a normalised radial basis function network
        of constants; with them each component is a line. The spherical types have one variance for inputs and targets, so that
        they, and no others, depend on the columns' units.
    reg_covar, prior, weights_prior
        As in ``GaussianMixture``.
    init, fixed, order_by, tol, max_iter, algorithm, n_init, init_params, random_state, warm_start, n_jobs
        As in every estimator: ``emkit.estimators.settings.Settings``. The parameters are those of the joint distribution.
    verbose, verbose_interval, monitors, checkpoint
        Likewise.

    Attributes
    ----------
    n_components_ : int
    weights_, means_, covariances_ : arrays
        Of the joint distribution; columns are the inputs, then the targets.
    mixture_ : GaussianMixture
        The joint distribution.
    converged_, n_iter_, result_, model_, columns_, n_features_in_, feature_names_in_

    Raises
    ------
    DataError, ParameterError
        (both ValueErrors) from ``fit``: naming the column, row or parameter.

    References
    ----------
    Ghahramani and Jordan (1994), Supervised learning from incomplete data via an EM approach, NIPS 6, 120-127. Sung (2004),
    Gaussian mixture regression and classification, thesis, Rice University.

    Examples
    --------
    >>> import numpy as np
    >>> from emkit import GaussianMixtureRegressor
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-3, 3, (300, 1))
    >>> y = np.abs(x[:, 0]) + rng.normal(0, 0.1, 300)
    >>> model = GaussianMixtureRegressor(2, random_state=0).fit(x, y)
    >>> model.predict([[2.0]]).round(1)
    array([2.])
    """

    finds_size = True
    size_setting = "n_components"

    n_components: Any = "auto"
    _: KW_ONLY
    covariance_type: str = "full"
    reg_covar: float = 0.0
    prior: Any = "weak"
    weights_prior: Any = None
    order_by: Any = "auto"

    def build(self, columns: Columns | None) -> FiniteMixture:
        """A FiniteMixture of Gaussians of all columns."""
        family = Gaussian(self.covariance_type, self.prior, self.reg_covar)
        return self._with_values(FiniteMixture(family, self._size(), self.weights_prior, self.init_params))  # type: ignore[return-value]

    @property
    def n_components_(self) -> int:
        """K as it was given, or found."""
        return self._size_of(self.model_)

    @property
    def mixture_(self) -> GaussianMixture:
        """The joint distribution of inputs and targets: a fitted GaussianMixture."""
        current = self._current()
        made = GaussianMixture(
            self._size_of(current.model), covariance_type=self.covariance_type, reg_covar=self.reg_covar, prior=self.prior,
            weights_prior=self.weights_prior, random_state=self.random_state, n_jobs=self.n_jobs,
        )  # fmt: skip
        made._adopt(current, self.columns_, np.float64)
        return made

    # --- fitting ------------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit to rows.

        Parameters
        ----------
        X : data frame or array (n, d)
            Inputs, NaN where a cell is missing. Without ``y`` all columns: then nothing is a target, and ``complete`` answers
            whatever is missing.
        y : array (n,) or (n, p), data frame or column, optional
            Targets, none missing.
        sample_weight : array (n,), optional
            Nonnegative; weight 2 means the row twice.
        """
        source, width = self._for_fit(X, y, sample_weight)
        try:
            return self._fit(source, width)
        except DataError as error:
            columns = source.columns
            if any(columns[j].name == error.column for j in columns.role(TARGET)):  # which has a number that X lacks
                raise DataError(f"the target: {error}", column=error.column, row=error.row) from error
            raise

    def _for_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> tuple[BlockSource, Any]:
        table = read_table(X, min_rows=2)
        x, columns = table.x.astype(np.float64, copy=False), table.columns
        if y is not None:
            cells, more = self._several(y, len(x))
            x, columns = np.column_stack([x, cells]), with_more(columns, [replace(column, role=TARGET) for column in more])
        else:
            columns = Columns(tuple(replace(column, role="feature") for column in columns.items), columns.named)
        return ArraySource(x, check_weights(sample_weight, len(x)), columns, checked=True), np.float64

    def _target(self, y: Any, n: int, weights: np.ndarray | None) -> tuple[np.ndarray, Column]:
        cells, name = read_numbers(y, n)
        return cells, Column(name or "y", "real")

    def _several(self, y: Any, n: int) -> tuple[np.ndarray, list[Column]]:
        """The targets' cells (n, p), and their columns. Raises DataError for a missing one."""
        named = _named_targets(y)
        if named is None:
            cells, column = self._target(y, n, None)
            return cells[:, None], [column]
        read = [read_numbers(cells, n, f"the target {name!r}")[0] for name, cells in named]
        return np.column_stack(read), [Column(name, "real") for name, _ in named]

    # --- columns ------------------------------------------------------------------------------------------------------

    @property
    def _targets(self) -> list[int]:
        return self.columns_.role(TARGET)

    @property
    def columns_(self) -> Columns:
        """The schema of inputs and targets."""
        columns: Columns | None = self.__dict__.get("_columns")
        return columns or Columns.numbered(self._n_columns())

    def _n_inputs(self, columns: Columns) -> int:
        return len(columns) - len(columns.role(TARGET))

    def _n_columns(self) -> int:
        """Of the parameters: inputs and targets."""
        columns: Columns | None = self.__dict__.get("_columns")
        if columns is not None:
            return len(columns)
        d = self.build(None).columns_of(self._values)
        assert d is not None
        return d

    def _joint(self, X: Any) -> np.ndarray:
        """New inputs beside targets that are missing, (n, d)."""
        self._current()
        table = read_table(X, like=self.columns_.some(range(self._n_inputs(self.columns_))), every_column=False)
        self._check_columns(table.columns)
        blank = np.full((len(table.x), len(self._targets)), np.nan)
        return np.column_stack([table.x.astype(np.float64, copy=False), blank])

    def _check_columns(self, columns: Any) -> None:
        known, n = self.columns_, self._n_inputs(self.columns_)
        fitted = known.names[:n] if known.named else None
        check_columns(columns.names if columns.named else None, len(columns), fitted, n, self._name())

    def _rows_of_all(self, X: Any) -> np.ndarray:
        """New rows of all columns, NaN where something is asked for, (n, d)."""
        self._current()
        known = self.columns_
        table = read_table(X, like=known, every_column=False)
        names = table.columns.names if table.columns.named else None
        check_columns(names, len(table.columns), known.names if known.named else None, len(known), self._name())
        return table.x.astype(np.float64)

    # --- predictions --------------------------------------------------------------------------------------------------

    def _given(self, x: np.ndarray, asked: list[int] | None) -> Iterator[Given]:
        current = self._current()
        return given(current.params.components, current.params.log_weights, x, asked)

    def _target_asked(self, target: Any) -> int:
        """The column that is meant. Raises ParameterError where that may be several, and none is named."""
        self._current()
        if isinstance(target, str) and self.columns_.named:
            return place_of(target, self.columns_, "target")
        targets = self._targets or list(range(len(self.columns_)))
        if target is None and len(targets) > 1:
            what = "targets" if self._targets else "columns, and it was fitted without y"
            raise ParameterError(f"there are {len(targets)} {what}: say which, target=name or number", parameter="target")
        number = 0 if target is None else target
        whole = isinstance(number, int | np.integer) and not isinstance(number, bool)
        if not whole or not 0 <= number < len(targets):
            raise ParameterError(f"target={target!r}: give a name, or a number below {len(targets)}", parameter="target")
        return targets[number]

    def _need_targets(self) -> list[int]:
        self._current()
        if not self._targets:
            raise ParameterError("it was fitted without y, so nothing is a target; complete(X) fills in what is missing in rows")
        return self._targets

    @answers_lazily(width=lambda face: None if len(face._need_targets()) == 1 else len(face._need_targets()))
    def predict(self, X: Any, return_std: bool = False) -> Any:
        """The mean of the targets at each row, (n,) or (n, p); inputs may be missing.

        Parameters
        ----------
        X : data frame or array (n, d)
        return_std : bool
            Whether the standard deviation of a new observation there comes with it.
        """
        asked = self._need_targets()
        x = self._joint(X)
        mean, std = np.empty((2, len(x), len(asked)))
        for found in self._given(x, asked):
            if return_std:
                mean[found.rows], std[found.rows] = mean_and_std(found)
            else:
                mean[found.rows] = mean_of(found)
        return (self._shaped(mean), self._shaped(std)) if return_std else self._shaped(mean)

    def predict_covariance(self, X: Any) -> np.ndarray:
        """The covariance of the targets at each row, (n, p, p)."""
        asked, x = self._need_targets(), self._joint(X)
        out = np.empty((len(x), len(asked), len(asked)))
        for found in self._given(x, asked):
            out[found.rows] = covariance_of(found)
        return out

    def log_density(self, X: Any, y: Any) -> np.ndarray:
        """Log density of targets given inputs, those of a row together, (n,); inputs may be missing.

        Parameters
        ----------
        X : data frame or array (n, d)
        y : array (n,) or (n, p), data frame or column
        """
        asked, x = self._need_targets(), self._joint(X)
        cells, _ = self._several(y, len(x))
        if cells.shape[1] != len(asked):
            raise DataError(f"y has {cells.shape[1]} columns, and there are {len(asked)} targets")
        whole = x.copy()
        whole[:, asked] = cells
        log_given = self._log_prob(x)
        lost = ~np.isfinite(log_given)  # so far away that no component has a density there
        return np.asarray(np.where(lost, -np.inf, self._log_prob(whole) - np.where(lost, 0.0, log_given)))

    def _log_prob(self, x: np.ndarray) -> np.ndarray:
        """Of the observed cells of rows of all columns, (n,)."""
        current = self._current()
        return log_sum_exp(current.model.family.log_prob(current.params.components, x) + current.params.log_weights)

    def _shaped(self, values: np.ndarray) -> np.ndarray:
        return values[:, 0] if values.shape[1] == 1 else values

    def predict_dist(self, X: Any, target: Any = None) -> PredictiveDistribution:
        """The distribution of one target at each row: ``mean``, ``std``, ``quantiles``, ``density``, ``cdf``, ``sample``.

        Parameters
        ----------
        X : data frame or array (n, d)
        target : str or int, optional
            Which target, by name or number among the targets, where there are several. After a fit without ``y`` any column, by
            name or number; its own cells are not looked at. The name of an input asks for that, given the other inputs.
        """
        place = self._target_asked(target)
        x, k = self._joint(X), self._size_of(self._current().model)
        weights, means, variances = (np.empty((len(x), k)) for _ in range(3))
        for found in self._given(x, [place]):
            weights[found.rows], means[found.rows] = found.weights, found.means[:, :, 0].T
            variances[found.rows] = found.covariances[:, 0, 0]
        return PredictiveDistribution(weights, means, np.maximum(variances, 0.0))

    def predict_interval(self, X: Any, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Low and high ends of an interval that holds a new observation with probability ``level``, (n,) or (n, p) each.

        Quantiles: as likely to be above as below it, target by target.
        """
        level_of(level)
        ends = [self.predict_dist(X, number).interval(level) for number in range(len(self._need_targets()))]
        low, high = (np.column_stack(end) for end in zip(*ends, strict=True))
        return self._shaped(low), self._shaped(high)

    def sample(self, X: Any, n_samples: int = 1) -> np.ndarray:
        """Targets drawn at each row, with ``random_state``: (n, n_samples), or (n, n_samples, p), those of a draw together."""
        asked, many, rng = self._need_targets(), count(n_samples, "n_samples"), make_rng(self.random_state)
        x = np.repeat(self._joint(X), many, axis=0)
        current = self._current()
        labels = np.empty(len(x), dtype=np.int64)
        for found in self._given(x, asked):
            labels[found.rows] = draw_labels(found.weights, rng)
        model: Any = current.model
        drawn = model.family.drawn(current.params.components, x, labels, rng)[:, asked].reshape(-1, many, len(asked))
        return drawn[:, :, 0] if len(asked) == 1 else drawn

    def complete(self, X: Any, return_std: bool = False) -> Any:
        """Rows of all columns, inputs and targets: what is NaN in a row is what is asked for, and is filled in with its mean.

        Parameters
        ----------
        X : data frame or array (n, d)
            All columns of the fit.
        return_std : bool
            Whether the standard deviations come with it: (n, d), 0 where a cell is given.

        Returns
        -------
        array (n, d), or two
        """
        x = self._rows_of_all(X)
        out, std = x.copy(), np.zeros_like(x)
        for found in self._given(x, None):
            cells = found.rows[:, None], found.asked
            out[cells], std[cells] = mean_and_std(found)
        return (out, std) if return_std else out

    def table(self, X: Any) -> dict[str, np.ndarray]:
        """Columns that a prediction adds: ``mean``, ``std``, and ``low`` and ``high`` of an interval of 90 %; of several targets
        with their names before them.
        """
        out: dict[str, np.ndarray] = {}
        targets = self._need_targets()
        for number, place in enumerate(targets):
            found = self.predict_dist(X, number)
            low, high = found.interval(0.9)
            before = "" if len(targets) == 1 else f"{self.columns_[place].name}_"
            out |= {
                f"{before}{word}": value for word, value in (("mean", found.mean), ("std", found.std), ("low", low), ("high", high))
            }
        return out

    def _more_in_words(self, result: Result) -> list[str]:
        """Which columns are targets."""
        names = [self.columns_[j].name for j in self._targets]
        return [f"  target{'s' * (len(names) > 1)}: {', '.join(names)}"] if names else []

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.required = False
        return tags


def _named_targets(y: Any) -> list[tuple[str, Any]] | None:
    """The columns of several targets by name; None if ``y`` is one target."""
    if is_table(y):
        frame = read_frame(y)
        if not len(frame.columns):
            raise DataError("the target y has no column")
        return [(str(name), frame[name].to_numpy()) for name in frame.columns]
    if y is None or hasattr(y, "name"):  # a series
        return None
    try:
        array = y if hasattr(y, "ndim") else np.asarray(y)
    except ValueError as error:
        raise DataError(f"the target y has rows of different lengths: {error}") from error
    if array.ndim != 2 or array.shape[1] == 1:
        return None
    if not array.shape[1]:
        raise DataError("the target y has no column")
    return [(f"y{j}", array[:, j]) for j in range(array.shape[1])]
