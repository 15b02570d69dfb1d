"""MixtureOfExpertsRegressor: several lines, each for a region of the inputs, and how probable each is."""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from emkit.core.checks import level_of
from emkit.core.columns import Column, Columns
from emkit.core.errors import ParameterError
from emkit.core.prior import Prior
from emkit.core.result import Result
from emkit.core.warn import warn
from emkit.estimators.experts_base import MixtureOfExperts
from emkit.estimators.partitions import answers_lazily
from emkit.estimators.predictive import PredictiveDistribution
from emkit.estimators.targets import read_numbers
from emkit.families.experts.linear import CONSTANT, LinearExpert


@dataclass(eq=False, repr=False)
class MixtureOfExpertsRegressor(RegressorMixin, MixtureOfExperts):  # type: ignore[misc]
    """Regression by a mixture of experts, fitted by expectation-maximization.

    Which expert a row belongs to is hidden. Given the expert, inputs are normal, which is the gate, and the target is normal about
    a line of its own, so that p(y | x) = sum_k gate_k(x) N(y; a_k + b_k' x, v_k): one x may have several answers. Inputs may be
    missing, in a fit and in a prediction: they are integrated out.

    Parameters
    ----------
    n_experts : "auto" or int
        K; "auto": the number from 1 to 9 with the best BIC.
    expert : {"linear", "constant"}
        Whether an expert is a line, or one number. With a constant one, and a "tied-diag" or "diag" gate, the mean is a normalised
        radial basis function network.
    covariance_type : str
        The gate's covariances, as in ``GaussianMixture``. With "tied-diag", the default, and "tied" the log odds of two experts are
        linear in the inputs.
    shared_variance : bool
        Whether all experts have one noise variance.
    ridge : "weak" or float
        Pseudo-rows behind each slope, which pull it to 0: see ``Regression``.
    prior : "weak", None, NormalInverseWishart or GaussianPrior
        "weak" keeps gates and noise variances from collapsing; None is maximum likelihood. A prior is that of the gate, and noise
        variances keep the weak one.
    weights_prior : Dirichlet or float, optional
        The prior of the weights; a number is its concentration.
    init, fixed, order_by, tol, max_iter, algorithm, n_init, init_params, random_state, warm_start, n_jobs
        As in every estimator: ``emkit.estimators.settings.Settings``. The parameters are "weights", "gate_means",
        "gate_covariances", "expert_intercepts", "expert_coefficients" and "expert_variances".
    verbose, verbose_interval, monitors, checkpoint
        Likewise.

    Attributes
    ----------
    n_experts_ : int
        K as it was given, or found.
    weights_ : array (K,)
    gate_means_ : array (K, d)
    gate_covariances_ : array
        In the shape that ``GaussianMixture.covariances_`` has for the type.
    expert_intercepts_, expert_variances_ : array (K,)
    expert_coefficients_ : array (K, d), or (K, 0) of constant experts
        Inputs that have one value in all rows are left out, here and in the gate; if all have one, the gate is held there, and
        weights alone tell experts apart.
    converged_, n_iter_, result_, model_, columns_, n_features_in_, feature_names_in_
        ``columns_`` has the target as the last column.

    Raises
    ------
    DataError, ParameterError
        (both ValueErrors) from ``fit``: naming the column, row or parameter.

    Notes
    -----
    The log-likelihood is that of inputs and targets together. With missing inputs their conditional mean *and* covariance enter:
    see ``emkit.families.experts``.

    References
    ----------
    Xu, Jordan and Hinton (1995), An alternative model for mixtures of experts, NIPS 7, 633-640. Ghahramani and Jordan (1994),
    Supervised learning from incomplete data via an EM approach, NIPS 6, 120-127.

    Examples
    --------
    >>> import numpy as np
    >>> from emkit import MixtureOfExpertsRegressor
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-3, 3, (300, 1))
    >>> y = np.abs(x[:, 0]) + rng.normal(0, 0.1, 300)
    >>> model = MixtureOfExpertsRegressor(2, random_state=0).fit(x, y)
    >>> model.expert_coefficients_.ravel().round(1)
    array([-1.,  1.])
    >>> model.predict([[2.0]]).round(1)
    array([2.])
    """

    _: KW_ONLY
    shared_variance: bool = False
    ridge: Any = "weak"
    prior: Any = "weak"
    weights_prior: Any = None
    order_by: Any = "auto"

    def _expert(self, target: int, columns: Columns | None) -> LinearExpert:
        prior = "weak" if isinstance(self.prior, Prior) else self.prior
        about: dict[str, Any] = {"on": ()} if self.expert == "constant" else {"target": target}
        return LinearExpert(ridge=self.ridge, prior=prior, shared_variance=bool(self.shared_variance), **about)

    def _gate_prior(self) -> Any:
        if not (self.prior is None or self.prior == "weak" or isinstance(self.prior, Prior)):
            raise ParameterError(f"prior={self.prior!r}: give 'weak', None or a prior of the gate", parameter="prior")
        return self.prior

    def _target(self, y: Any, n: int, weights: np.ndarray | None) -> tuple[np.ndarray, Column]:
        numbers, name = read_numbers(y, n)
        return numbers, Column(name or "y", "real")

    def _report(self, result: Result) -> None:
        super()._report(result)
        if self._is_constant(result):
            warn("the target has one value, so every prediction is that value with a standard deviation of 0")

    def _is_constant(self, result: Result) -> bool:
        variances = np.asarray(result.params.components.parts[1].variances)
        return bool((variances <= CONSTANT).all())

    # --- predictions --------------------------------------------------------------------------------------------------

    @answers_lazily()
    def predict(self, X: Any) -> np.ndarray:
        """The mean of the target at each row, (n,); inputs may be missing."""
        return self.predict_dist(X).mean

    def predict_dist(self, X: Any) -> PredictiveDistribution:
        """The distribution of the target at each row: ``mean``, ``std``, ``quantiles``, ``density``, ``cdf``, ``sample``.

        Under each expert it is normal; where inputs are missing with mean a + b'E[x] and variance v + b'Cov[x] b, both given the
        observed inputs.
        """
        groups = list(self._groups(X))
        n, k = sum(len(rows) for rows, _, _ in groups), self._size_of(self._current().model)
        weights, means, variances = (np.empty((n, k)) for _ in range(3))
        for rows, gate, (mean, variance) in groups:
            weights[rows], means[rows], variances[rows] = gate, mean, variance
        return PredictiveDistribution(weights, means, variances)

    def predict_interval(self, X: Any, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Low and high ends, (n,) each, of an interval that holds a new observation with probability ``level``.

        Quantiles: as likely to be above as below it.
        """
        level_of(level)
        return self.predict_dist(X).interval(level)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each expert given the inputs, (n, K): what ``gate`` says."""
        return self.gate(X)

    def table(self, X: Any) -> dict[str, np.ndarray]:
        """Columns that a prediction adds: ``mean``, ``std``, and ``low`` and ``high`` of an interval of 90 %."""
        found = self.predict_dist(X)
        low, high = found.interval(0.9)
        return {"mean": found.mean, "std": found.std, "low": low, "high": high}

    # --- in words -----------------------------------------------------------------------------------------------------

    def _labels_in_words(self, result: Result) -> list[str]:
        own = result.params.components.parts[1]
        model: Any = result.model
        names = [self.columns_[model.family.parts[1].columns[j]].name for j in model.family.expert.inputs]
        lines = [*super()._labels_in_words(result), "", "  expert   line"]
        sd = np.sqrt(np.broadcast_to(own.variances, own.intercepts.shape))
        for k, intercept in enumerate(own.intercepts):
            terms = [f"{b:+.4g} {name}" for b, name in zip(own.coefficients[k], names, strict=True)]
            shown = [*terms[:8], *(["..."] if len(terms) > 8 else [])]
            lines.append(f"  {k:>6}   {' '.join([f'{intercept:.4g}', *shown])}   (noise sd {sd[k]:.3g})")
        return lines

    def _more_in_words(self, result: Result) -> list[str]:
        found = super()._more_in_words(result)
        return [*found, "  the target has one value"] if self._is_constant(result) else found
