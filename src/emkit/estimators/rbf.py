"""RBFRegressor: a radial basis function network whose widths, units and intervals come from the evidence."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from scipy.special import stdtrit
from sklearn.base import RegressorMixin

from emkit.core.checks import level_of, one_of
from emkit.core.errors import DataError
from emkit.core.monitor import Monitor
from emkit.estimators.partitions import answers_lazily
from emkit.estimators.rbf_base import RBFNetwork
from emkit.estimators.targets import cells_of, finite_numbers
from emkit.models.rbf.inputs import Inputs
from emkit.models.rbf.network import Params, fit_network, predict
from emkit.models.rbf.search import Wanted
from emkit.models.rbf.user_units import Described, described

NOISE, READOUTS = ("local", "constant"), ("evidence", "ridge", "em")


class RBFRegressor(RegressorMixin, RBFNetwork):  # type: ignore[misc]
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
            Numbers, NaN where a cell is missing: the features expected given the row's observed cells stand in, under a mixture of
            Gaussians of the inputs.
        y : array (n,) or (n, p)
            Several outputs share units and widths, and have weights and noise of their own.
        sample_weight : array (n,), optional
            Nonnegative; weight 2 means the row twice.
        """
        one_of(self.noise, NOISE, "noise")
        one_of(self.readout, READOUTS, "readout")
        self._flat = self._fit_rows(X, lambda n, weights: self._target(y, n), sample_weight)
        return self

    def _fit_network(self, x: np.ndarray, target: Any, weights: np.ndarray | None, wanted: Wanted, inputs: Inputs | None) -> Params:
        return fit_network(x, target, weights, wanted, readout=self.readout, noise=self.noise, inputs=inputs)

    def _described(self, network: Params) -> Described:
        return described(network)

    def _more_to_save(self) -> dict[str, Any]:
        return {**super()._more_to_save(), "flat": self._flat}

    def _take_more(self, more: dict[str, Any]) -> None:
        self._flat = more["flat"]

    def _target(self, y: Any, n: int) -> tuple[np.ndarray, bool]:
        """The outputs (n, p), and whether they were given as (n,)."""
        array = cells_of(y)
        if array.ndim not in (1, 2) or len(array) != n or not array.size:
            raise DataError(f"X has {n} rows, y has the shape {array.shape}: give (n,) or (n, p), one row for each of X")
        return finite_numbers(array).reshape(n, -1), array.ndim == 1

    @answers_lazily(width=lambda face: None if face._flat else len(face.intercept_))
    def predict(self, X: Any, return_std: bool = False) -> Any:
        """The mean of the target at each row, (n,) or (n, p).

        Parameters
        ----------
        X : data frame or array (n, d)
            Cells may be missing, if some were in the fit.
        return_std : bool
            Whether the standard deviation of a new observation there comes with it: of the noise, of what the data leave open about
            the weights, and of what missing inputs do.
        """
        network = self._fitted()
        mean, std = predict(network, self._rows(X), return_std=return_std)
        return self._shaped(mean) if std is None else (self._shaped(mean), self._shaped(std))

    def predict_interval(self, X: Any, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Low and high ends of an interval that holds a new observation with probability ``level``."""
        level = level_of(level)
        mean, std = self.predict(X, return_std=True)
        half = self._half(level) * std
        return mean - half, mean + half

    def _half(self, level: float) -> float:
        """Half the width of an interval, in standard deviations: Student's t, since few rows say little of the noise."""
        return float(stdtrit(max(self._fitted().left, 1.0), 0.5 + 0.5 * level))

    def _shaped(self, values: np.ndarray) -> np.ndarray:
        return values[:, 0] if self._flat else values

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

    def table(self, X: Any) -> dict[str, np.ndarray]:
        """Columns that a prediction adds: ``mean``, ``std``, and ``low`` and ``high`` of an interval of 90 %; of several outputs
        with their numbers after them.
        """
        mean, std = (np.atleast_2d(np.asarray(value).T).T for value in self.predict(X, return_std=True))
        half = self._half(0.9)
        out: dict[str, np.ndarray] = {}
        for o in range(mean.shape[1]):
            after = "" if mean.shape[1] == 1 else str(o)
            out |= {f"mean{after}": mean[:, o], f"std{after}": std[:, o]}
            out |= {f"low{after}": mean[:, o] - half * std[:, o], f"high{after}": mean[:, o] + half * std[:, o]}
        return out

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
