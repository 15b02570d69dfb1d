"""RBFClassifier: a radial basis function network that says how probable each class is."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin

from emkit.core.monitor import Monitor
from emkit.estimators.partitions import answers_lazily
from emkit.estimators.rbf_base import RBFNetwork
from emkit.estimators.targets import classes_that_count, read_classes
from emkit.models.rbf.class_network import ClassParams, fit_classes, predict_proba
from emkit.models.rbf.inputs import Inputs
from emkit.models.rbf.search import Wanted
from emkit.models.rbf.user_units import Described, in_units


class RBFClassifier(ClassifierMixin, RBFNetwork):  # type: ignore[misc]
    """Classification by a radial basis function network.

    The log odds of the classes are b + sum_k w_k phi_k(x) + v'x, with units as in ``RBFRegressor``. The metric, a width for each
    column, is that in which a regression on the classes' indicators has the largest evidence; the number and kind of units are
    those with the largest evidence of the classes themselves, by Laplace's approximation, or there are none, where that gains less
    than half the logarithm of the rows for each width. Probabilities are averaged over what the data leave open about the weights:
    in full beyond the data, so that they fall back towards even odds; among the data by the share with which rows that are left
    out are predicted best, since Laplace's approximation leaves too much open where classes are all but separable.

    Parameters
    ----------
    n_units : "auto" or int
        K; "auto": none (a linear model), 4, 10, 25 or 60, up to a quarter of the rows, whichever has the largest evidence.
    units, widths, centers, random_state, monitors
        As in ``RBFRegressor``.

    Attributes
    ----------
    classes_ : array (C,)
    n_units_ : int
    units_ : {"plain", "normalised", "linear"}
    centers_ : array (K, d)
    widths_ : array (d,), or (K, d) with widths="units"
        In the columns' units.
    weights_ : array (K,), or (K, C) for more than two classes
        Of the log odds of the second class; or of each class's logit.
    linear_ : array (d,) or (d, C)
    intercept_ : float or array (C,)
    relevance_ : array (d,)
        Share of each column in how the log odds change where they are undecided.
    log_evidence_ : float
        Laplace's approximation, nats.
    candidates_ : list of dict
        Every network that was tried: n_units, units, log_evidence, effective_weights.
    n_features_in_, feature_names_in_

    Raises
    ------
    DataError, ParameterError
        (both ValueErrors) from ``fit``: naming the column, row or parameter; for targets of one class.

    References
    ----------
    MacKay (1992), The evidence framework applied to classification networks, Neural Computation 4, 720-736. Kuss and Rasmussen
    (2005), Assessing approximate inference for binary Gaussian process classification, Journal of Machine Learning Research 6,
    1679-1704.

    Examples
    --------
    >>> import numpy as np
    >>> from emkit import RBFClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 2))
    >>> inside = (X**2).sum(axis=1) < 1.4
    >>> model = RBFClassifier(random_state=0).fit(X, inside)
    >>> model.predict([[0.0, 0.0], [2.0, 2.0]])
    array([ True, False])
    """

    def __init__(
        self,
        n_units: int | str = "auto",
        *,
        units: str = "auto",
        widths: str = "columns",
        centers: Any = "metric",
        random_state: Any = None,
        monitors: Sequence[Monitor] | None = None,
    ):
        self.n_units = n_units
        self.units = units
        self.widths = widths
        self.centers = centers
        self.random_state = random_state
        self.monitors = monitors

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit to rows.

        Parameters
        ----------
        X : data frame or array (n, d)
            Numbers, NaN where a cell is missing.
        y : array (n,)
            Classes: numbers, texts or booleans.
        sample_weight : array (n,), optional
            Nonnegative; weight 2 means the row twice.
        """

        def read(n: int, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
            codes, classes, _ = read_classes(y, n)
            there = classes_that_count(codes, classes, weights)
            return (np.cumsum(there) - 1)[codes], classes[there]  # rows of a class without weight do not count

        self.classes_ = self._fit_rows(X, read, sample_weight)
        return self

    def _fit_network(
        self, x: np.ndarray, target: Any, weights: np.ndarray | None, wanted: Wanted, inputs: Inputs | None
    ) -> ClassParams:
        used = np.ones(len(x), dtype=bool) if weights is None else weights > 0
        return fit_classes(x, np.maximum(target, 0), int(target[used].max()) + 1, weights, wanted, inputs=inputs)

    def _described(self, network: ClassParams) -> Described:
        return in_units(network.scaling, network.units, network.readout.mean)

    def _more_to_save(self) -> dict[str, Any]:
        return {**super()._more_to_save(), "classes": self.classes_}

    def _take_more(self, more: dict[str, Any]) -> None:
        self.classes_ = more["classes"]

    # --- after the fit ------------------------------------------------------------------------------------------------

    @answers_lazily(width=lambda face: len(face.classes_))
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class, (n, C), in the order of ``classes_``."""
        return predict_proba(self._fitted(), self._rows(X))

    @answers_lazily(dtype=lambda face: face.classes_.dtype)
    def predict(self, X: Any) -> np.ndarray:
        """Most probable class of each row, (n,)."""
        found = self.predict_proba(X)
        return np.asarray(self.classes_[found.argmax(axis=1)])

    @answers_lazily(width=lambda face: None if len(face.classes_) == 2 else len(face.classes_))
    def decision_function(self, X: Any) -> np.ndarray:
        """Log odds of the second class, (n,), or log probabilities of the classes, (n, C): those of ``predict_proba``."""
        logs = np.log(np.maximum(self.predict_proba(X), 1e-300))
        return np.asarray(logs[:, 1] - logs[:, 0] if logs.shape[1] == 2 else logs)

    def table(self, X: Any) -> dict[str, np.ndarray]:
        """Columns that a prediction adds: ``label``, and ``p_`` with the name of each class."""
        found = self.predict_proba(X)
        return {"label": self.classes_[found.argmax(axis=1)]} | {f"p_{c}": p for c, p in zip(self.classes_, found.T, strict=True)}

    def _flat(self, values: np.ndarray) -> np.ndarray:
        return values[:, 0] if values.shape[1] == 1 else values

    @property
    def weights_(self) -> np.ndarray:
        """Most probable weights of the units, (K,) or (K, C)."""
        return self._flat(self._described(self._fitted()).weights)

    @property
    def linear_(self) -> np.ndarray:
        """Most probable slopes of the linear part, (d,) or (d, C)."""
        return self._flat(self._described(self._fitted()).linear)

    @property
    def intercept_(self) -> Any:
        """Most probable intercept, a float or (C,)."""
        found = self._described(self._fitted()).intercept
        return float(found[0]) if len(found) == 1 else found

    def _in_words(self) -> str:
        return f"Radial basis function network of {len(self.classes_)} classes"
