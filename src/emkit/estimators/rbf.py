"""RBFRegressor: a radial basis function network whose widths, units and intervals come from the evidence."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from scipy.special import ndtri
from sklearn.base import BaseEstimator, RegressorMixin

from emkit.core.checks import count, one_of
from emkit.core.columns import Columns
from emkit.core.errors import DataError, ParameterError
from emkit.core.monitor import Monitor, Monitors
from emkit.data.names import check_columns
from emkit.data.tables import read_table
from emkit.data.validate import check_weights
from emkit.estimators.partial import NoPartialFit
from emkit.estimators.settings import make_rng
from emkit.models.rbf.described import described
from emkit.models.rbf.network import Params, fit_network, predict
from emkit.models.rbf.search import KINDS, Tried

WIDTHS, CENTERS, NOISE = ("columns", "units"), ("metric", "input", "joint"), ("local", "constant")
READOUTS = ("evidence", "ridge", "em")


class RBFRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Regression by a radial basis function network.

    y = b + sum_k w_k phi_k(x) + v'x + noise, with phi_k(x) = exp(-1/2 sum_j omega_j (x_j - c_kj)^2), plain or divided by the sum of
    all units. Two things are hidden: which unit a row belongs to, and the weights. The weights are integrated out; what is left, a
    width for each column, the precisions of the weights and the noise, makes the evidence p(y) as large as it can be. Centres are
    clusters of the rows in the metric that the widths are: the target says how far is near, not where units stand.

    Parameters
    ----------
    n_units : "auto" or int
        K; "auto": 4, 10, 25 or 60, up to a quarter of the rows, whichever has the largest evidence.
    units : {"auto", "plain", "normalised"}
        Plain units fade away from the data, where the linear part is left; normalised ones carry on with the nearest. "auto" tries
        both.
    widths : {"columns", "units"}
        "units": besides, each unit has a factor of its own, for targets with jumps.
    centers : {"metric", "input", "joint"} or array (K, d)
        Clusters in the metric of the widths, in that of the standardised columns, or of columns and target together; or given.
    readout : {"evidence", "ridge", "em"}
        How weights are found: with the precisions of largest evidence; with one, by generalised cross-validation; "em": units are
        gates and weights what each of them says, a mixture of constant experts.
    noise : {"local", "constant"}
        Whether each unit has a noise variance of its own; how far they differ is found by the evidence.
    random_state : int, RandomState, Generator or None
        Of the seeds of clusters, and of the sample of rows where there are more than 4,000.
    monitors : list of Monitor, optional
        Told of each number of units that was tried; may end the search, such as ``TimeLimit(60)``: the best so far is kept.

    Attributes
    ----------
    n_units_ : int
    units_ : {"plain", "normalised", "linear"}
        "linear" where there are no units: of fewer than 8 distinct rows, of columns without variation, of a constant target.
    centers_ : array (K, d)
    widths_ : array (d,), or (K, d) with widths="units"
        1 / sqrt(omega), in the columns' units; infinite for a column that has one value, or repeats another.
    weights_ : array (K,), or (K, p) for p outputs
    linear_ : array (d,) or (d, p)
        Slopes of the linear part.
    intercept_ : float or array (p,)
    noise_std_ : array (K,) or (K, p)
        Standard deviation of the noise about each unit.
    relevance_ : array (d,)
        Share of each column in how the prediction changes: the mean square of its derivative, of standardised columns.
    log_evidence_ : float
        Of the network that was chosen, on all rows, nats; not a number for a constant target, or with readout="em".
    candidates_ : list of dict
        Every network that was tried: n_units, units, log_evidence, effective_weights.
    n_features_in_, feature_names_in_

    Raises
    ------
    DataError, ParameterError
        (both ValueErrors) from ``fit``: naming the column, row or parameter.

    Notes
    -----
    A row of n costs O(K^2): two passes over all rows, after a search on 4,000 of them at most.

    References
    ----------
    MacKay (1992), Bayesian interpolation, Neural Computation 4, 415-447. Moody and Darken (1989), Fast learning in networks of
    locally-tuned processing units, Neural Computation 1, 281-294.

    Examples
    --------
    >>> import numpy as np
    >>> from emkit import RBFRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-3, 3, (200, 1))
    >>> y = np.sin(2 * X[:, 0]) + rng.normal(0, 0.1, 200)
    >>> model = RBFRegressor(random_state=0).fit(X, y)
    >>> model.predict([[np.pi / 4]]).round(1)
    array([1.])
    """

    partial_fit = NoPartialFit("its units and widths come from all rows together; fit all rows")

    def __init__(
        self,
        n_units: int | str = "auto",
        *,
        units: str = "auto",
        widths: str = "columns",
        centers: Any = "metric",
        readout: str = "evidence",
        noise: str = "local",
        random_state: Any = None,
        monitors: Sequence[Monitor] | None = None,
    ):
        self.n_units = n_units
        self.units = units
        self.widths = widths
        self.centers = centers
        self.readout = readout
        self.noise = noise
        self.random_state = random_state
        self.monitors = monitors

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit to rows.

        Parameters
        ----------
        X : data frame or array (n, d)
            Numbers, none missing.
        y : array (n,) or (n, p)
            Several outputs share units and widths, and have weights and noise of their own.
        sample_weight : array (n,), optional
            Nonnegative; weight 2 means the row twice.
        """
        from threadpoolctl import threadpool_limits

        one_of(self.widths, WIDTHS, "widths")
        one_of(self.noise, NOISE, "noise")
        one_of(self.units, ("auto", *KINDS), "units")
        one_of(self.readout, READOUTS, "readout")
        table = read_table(X)
        x = _complete(table.x, table.columns)
        target, flat = self._target(y, len(x))
        weights = check_weights(sample_weight, len(x))
        weights = None if weights is None else np.asarray(weights, np.float64)
        watch = Monitors(list(self.monitors or ()))
        watch.begin()

        def report(tried: Tried) -> None:
            watch.say(f"{tried.n_units} {tried.units} units: log evidence {tried.log_evidence:.2f}")

        rng = np.random.default_rng(make_rng(self.random_state).integers(0, 2**31))
        with threadpool_limits(1, user_api="blas"):  # matrices are small: threads of BLAS would take 50 times the CPU time
            network = fit_network(
                x, target, weights, n_units=self._size(), units=self.units, widths=self.widths, centers=self._centers(x.shape[1]),
                readout=self.readout, noise=self.noise, rng=rng, halted=lambda: watch.asked() is not None, report=report,
            )  # fmt: skip
        self._take_on(network, table.columns, flat)
        return self

    def _take_on(self, network: Params, columns: Columns, flat: bool) -> None:
        self.__dict__.pop("feature_names_in_", None)
        self.n_features_in_, self._columns, self._flat, self._network = len(columns), columns, flat, network
        if columns.named:
            self.feature_names_in_ = np.array(columns.names, dtype=object)
        self.n_units_ = network.units.count
        self.units_ = "linear" if not self.n_units_ else "normalised" if network.units.normalised else "plain"
        self.log_evidence_ = network.log_evidence
        self.candidates_ = [dict(vars(one)) for one in network.table]

    def _size(self) -> int | str:
        if isinstance(self.n_units, str):
            return one_of(self.n_units, ("auto",), "n_units")
        return count(self.n_units, "n_units")

    def _centers(self, d: int) -> Any:
        if isinstance(self.centers, str):
            return one_of(self.centers, CENTERS, "centers")
        given = np.asarray(self.centers, dtype=np.float64)
        if given.ndim != 2 or given.shape[1] != d or not len(given) or not np.isfinite(given).all():
            raise ParameterError(f"centers: give an array (K, {d}) of finite numbers, or one of {CENTERS}", parameter="centers")
        if not isinstance(self.n_units, str) and self.n_units != len(given):
            raise ParameterError(f"n_units={self.n_units}, but there are {len(given)} centers", parameter="n_units")
        return given

    def _target(self, y: Any, n: int) -> tuple[np.ndarray, bool]:
        """The outputs (n, p), and whether they were given as (n,)."""
        if y is None:
            raise ParameterError("requires y to be passed, but the target y is None: give the target, fit(X, y)", parameter="y")
        try:
            target = np.asarray(y, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"the target y holds something that is no number: {error}") from error
        if target.ndim not in (1, 2) or len(target) != n:
            raise DataError(f"X has {n} rows, y has the shape {target.shape}: give (n,) or (n, p), one row for each of X")
        bad = np.argwhere(~np.isfinite(target))
        if len(bad):
            value = "missing (NaN)" if np.isnan(target[tuple(bad[0])]) else "infinity"
            raise DataError(f"the target y is {value} in row {bad[0][0]}: leave the row out", row=int(bad[0][0]))
        return target.reshape(n, -1), target.ndim == 1

    # --- after the fit ------------------------------------------------------------------------------------------------

    def _fitted(self) -> Params:
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self, "_network")
        return self._network

    def _rows(self, X: Any) -> np.ndarray:
        """New rows, their columns compared with those of the fit."""
        table = read_table(X, like=self._columns, every_column=False)
        names, known = (columns.names if columns.named else None for columns in (table.columns, self._columns))
        if names is not None and known is not None and set(names) == set(known):  # in any order
            return _complete(table.x, table.columns)[:, [names.index(name) for name in known]]
        check_columns(names, len(table.columns), known, self.n_features_in_, type(self).__name__)
        return _complete(table.x, table.columns)

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """The mean of the target at each row, (n,) or (n, p).

        Parameters
        ----------
        X : data frame or array (n, d)
        return_std : bool
            Whether the standard deviation of a new observation there comes with it: of the noise, and of what the data leave open
            about the weights.
        """
        network = self._fitted()
        mean, std = predict(network, self._rows(X), return_std=return_std)
        return self._shaped(mean) if std is None else (self._shaped(mean), self._shaped(std))

    def predict_interval(self, X: Any, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Low and high ends of an interval that holds a new observation with probability ``level``."""
        if isinstance(level, bool) or not isinstance(level, int | float | np.number) or not 0.0 < level < 1.0:
            raise ParameterError(f"level={level!r}: give a probability between 0 and 1", parameter="level")
        mean, std = self.predict(X, return_std=True)
        half = float(ndtri(0.5 + 0.5 * level)) * std
        return mean - half, mean + half

    def _shaped(self, values: np.ndarray) -> np.ndarray:
        return values[:, 0] if self._flat else values

    @property
    def centers_(self) -> np.ndarray:
        """Centres in the columns' units, (K, d)."""
        return described(self._fitted()).centers

    @property
    def widths_(self) -> np.ndarray:
        """Widths in the columns' units, (d,) or (K, d)."""
        found = described(self._fitted())
        return found.widths if self.widths == "columns" else found.factors[:, None] * found.widths

    @property
    def weights_(self) -> np.ndarray:
        """Posterior means of the units' weights, (K,) or (K, p)."""
        return self._shaped(described(self._fitted()).weights)

    @property
    def linear_(self) -> np.ndarray:
        """Posterior means of the slopes, (d,) or (d, p)."""
        return self._shaped(described(self._fitted()).linear)

    @property
    def intercept_(self) -> Any:
        """Posterior mean of the intercept, a float or (p,)."""
        found = described(self._fitted()).intercept
        return float(found[0]) if self._flat else found

    @property
    def noise_std_(self) -> np.ndarray:
        """Standard deviation of the noise about each unit, (K,) or (K, p)."""
        network = self._fitted()
        noise = np.zeros((network.units.count, len(network.y_mean)))
        noise[:, network.outputs] = network.readout.noise if network.unit_noise is None else network.unit_noise
        return self._shaped(np.sqrt(noise) * network.y_sd)

    @property
    def relevance_(self) -> np.ndarray:
        """Share of each column, (d,)."""
        return self._fitted().relevance

    def summary(self) -> str:
        """What was found, in a few lines."""
        network = self._fitted()
        names = list(self._columns.names)
        head = "linear model" if not self.n_units_ else f"{self.n_units_} {self.units_} units"
        lines = [f"Radial basis function network: {head}", f"  log evidence {self.log_evidence_:.2f}"]
        lines += [f"  {note}" for note in network.notes]
        for j in np.argsort(-self.relevance_, kind="stable")[:10]:
            width = self.widths_[..., j].mean()
            lines.append(f"  {names[j]}: relevance {self.relevance_[j]:.3f}, width {width:.4g}")
        return "\n".join(lines)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.input_tags.allow_nan = False
        return tags


def _complete(x: np.ndarray, columns: Columns) -> np.ndarray:
    """Rows as float64. Raises DataError for the first missing cell."""
    missing = np.argwhere(np.isnan(x))
    if len(missing):
        row, j = map(int, missing[0])
        raise DataError(
            f"{columns.called(j)} row {row} is missing (NaN): an RBF network needs all inputs; impute the table first, "
            "such as by GaussianMixture(...).fit(X).impute(X)",
            column=columns[j].name, row=row,
        )  # fmt: skip
    return np.asarray(x, dtype=np.float64)
