"""MixtureOfExpertsClassifier: several logits, each for a region of the inputs."""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin

from emkit.core.columns import Column, Columns
from emkit.core.errors import DataError
from emkit.core.result import Result
from emkit.estimators.experts_base import MixtureOfExperts
from emkit.estimators.partitions import answers_lazily
from emkit.estimators.targets import classes_that_count, read_classes
from emkit.families.experts.logit import LogitExpert


@dataclass(eq=False, repr=False)
class MixtureOfExpertsClassifier(ClassifierMixin, MixtureOfExperts):  # type: ignore[misc]
    """Classification by a mixture of experts, fitted by expectation-maximization.

    Which expert a row belongs to is hidden. Given the expert, inputs are normal, which is the gate, and classes have a multinomial
    logit of the expert's own: P(class | x) = sum_k gate_k(x) P_k(class | x). Inputs may be missing, in a fit and in a prediction:
    they are integrated out.

    Parameters
    ----------
    n_experts : "auto" or int
        K; "auto": the number from 1 to 9 with the best BIC.
    expert : {"linear", "constant"}
        "linear": log odds are linear in the inputs. "constant": an expert has one probability for each class.
    covariance_type : str
        The gate's covariances, as in ``GaussianMixture``. With "tied-diag", the default, and "tied" the log odds of two experts are
        linear in the inputs.
    ridge : float
        Pseudo-rows behind each slope of a logit, which pull it to 0, so that classes that are perfectly apart have finite slopes:
        see ``LogitExpert``.
    class_prior : float
        Pseudo-rows in each expert, with the classes in the proportions of all rows.
    prior : "weak", None, NormalInverseWishart or GaussianPrior
        Of the gate; None is maximum likelihood.
    weights_prior : Dirichlet or float, optional
        The prior of the weights; a number is its concentration.
    init, fixed, order_by, tol, max_iter, algorithm, n_init, init_params, random_state, warm_start, n_jobs
        As in every estimator: ``emkit.estimators.settings.Settings``. The parameters are "weights", "gate_means",
        "gate_covariances", "expert_intercepts" and "expert_coefficients".
    verbose, verbose_interval, monitors, checkpoint
        Likewise.

    Attributes
    ----------
    classes_ : array (C,)
    n_experts_ : int
        K as it was given, or found.
    weights_ : array (K,)
    gate_means_ : array (K, d)
    gate_covariances_ : array
        In the shape that ``GaussianMixture.covariances_`` has for the type.
    expert_intercepts_ : array (K, C - 1)
        Of the log odds of each class against the first one.
    expert_coefficients_ : array (K, C - 1, d), or (K, C - 1, 0) of constant experts
        Inputs that have one value in all rows are left out, here and in the gate; if all have one, the gate is held there, and
        weights alone tell experts apart.
    converged_, n_iter_, result_, model_, columns_, n_features_in_, feature_names_in_
        ``columns_`` has the target as the last column.

    Raises
    ------
    DataError, ParameterError
        (both ValueErrors) from ``fit``: naming the column, row or parameter; for a target of one class.

    Notes
    -----
    Where inputs are missing the probability of a class is an integral over at most C - 1 normal numbers. It is a sum over fixed
    nodes: of two or three classes, or one or two missing inputs, by the trapezoidal rule, otherwise by 1,024 points, which
    leaves errors of about 1e-3: see ``emkit.families.experts.nodes``.

    References
    ----------
    Xu, Jordan and Hinton (1995), An alternative model for mixtures of experts, NIPS 7, 633-640. Jordan and Jacobs (1994),
    Hierarchical mixtures of experts and the EM algorithm, Neural Computation 6, 181-214.

    Examples
    --------
    >>> import numpy as np
    >>> from emkit import MixtureOfExpertsClassifier
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-3, 3, (400, 1))
    >>> y = np.where(np.abs(x[:, 0]) > 1.5, "outside", "inside")
    >>> model = MixtureOfExpertsClassifier(2, random_state=0).fit(x, y)
    >>> model.predict([[-2.5], [0.0], [2.5]]).tolist()
    ['outside', 'inside', 'outside']
    """

    _: KW_ONLY
    ridge: float = 1.0
    class_prior: float = 1.0
    prior: Any = "weak"
    weights_prior: Any = None
    order_by: Any = "auto"

    def _expert(self, target: int, columns: Columns | None) -> LogitExpert:
        levels = None if columns is None else columns[-1].levels
        shape = np.shape(self.__dict__.get("_values", {}).get("expert_intercepts", 0.0))
        many = len(levels) if levels is not None else shape[1] + 1 if len(shape) == 2 else 2
        about: dict[str, Any] = {"on": ()} if self.expert == "constant" else {"target": target}
        return LogitExpert(many, ridge=self.ridge, prior=self.class_prior, **about)

    def _gate_prior(self) -> Any:
        return self.prior

    # --- classes ------------------------------------------------------------------------------------------------------

    def _for_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> tuple[Any, Any]:
        found = super()._for_fit(X, y, sample_weight)
        self._kind_of_classes = self._new_classes.dtype  # as the user has them, which the names of levels do not tell
        return found

    def _target(self, y: Any, n: int, weights: np.ndarray | None) -> tuple[np.ndarray, Column]:
        codes, classes, name = read_classes(y, n)
        classes_that_count(codes, classes, weights)
        self._new_classes = classes
        return codes.astype(np.float64), Column(name or "y", "category", tuple(classes.tolist()))

    def _codes(self, y: Any, n: int) -> np.ndarray:
        """Raises DataError for a class that the fit did not see."""
        codes, classes, _ = read_classes(y, n)
        known = {level: i for i, level in enumerate(self.classes_.tolist())}
        new = [value for value in classes.tolist() if value not in known]
        if new:
            raise DataError(f"the target holds the class {new[0]!r}, which was not there in the fit")
        return np.array([known[value] for value in classes.tolist()], dtype=np.float64)[codes]

    @property
    def classes_(self) -> np.ndarray:
        """The classes, in order, (C,)."""
        self._fitted()
        levels = self.columns_[-1].levels or ()
        kind = self.__dict__.get("_kind_of_classes")
        return np.array(levels, dtype=kind)

    # --- predictions --------------------------------------------------------------------------------------------------

    @answers_lazily(width=lambda face: len(face.classes_))
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class, (n, C), in the order of ``classes_``; inputs may be missing."""
        groups = list(self._groups(X))
        out = np.empty((sum(len(rows) for rows, _, _ in groups), len(self.classes_)))
        for rows, gate, classes in groups:
            out[rows] = np.einsum("nk,nkc->nc", gate, classes)
        return out / out.sum(axis=1, keepdims=True)

    @answers_lazily(width=lambda face: len(face.classes_))
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithm of ``predict_proba``."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))

    @answers_lazily(dtype=lambda face: face.classes_.dtype)
    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row, (n,)."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def table(self, X: Any) -> dict[str, np.ndarray]:
        """Columns that a prediction adds: ``label``, the most probable class, and ``p_`` and a class, the probability of each."""
        found = self.predict_proba(X)
        each = {f"p_{name}": p for name, p in zip(self.classes_.tolist(), found.T, strict=True)}
        return {"label": self.classes_[found.argmax(axis=1)]} | each

    # --- in words -----------------------------------------------------------------------------------------------------

    def _labels_in_words(self, result: Result) -> list[str]:
        """Besides, how often each class is in each expert's region, at the mean of its inputs."""
        model: Any = result.model
        family, (gate, own) = model.family, result.params.components.parts[:2]
        means = gate.means[:, None, family.inputs]  # a row for each expert
        p = family.expert.predicted(own, means, np.zeros((len(means), means.shape[2], means.shape[2])))[0]
        levels = [str(level)[:12] for level in (self.columns_[-1].levels or ())][:6]
        lines = [*super()._labels_in_words(result), "", "  " + "   ".join(["expert", *(f"{name:>12}" for name in levels)])]
        for k in range(len(p)):
            lines.append("  " + "   ".join([f"{k:>6}", *(f"{value:>12.4f}" for value in p[k, : len(levels)])]))
        return [*lines, "  probabilities of the classes at the mean of the inputs of each expert"]
