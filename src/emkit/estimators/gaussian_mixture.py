"""GaussianMixture: scikit-learn's face on a mixture of Gaussians."""

import warnings
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import DensityMixin
from sklearn.utils.validation import check_is_fitted

from emkit.algorithms.restarts import fit
from emkit.core.block import Block
from emkit.core.errors import ParameterError
from emkit.core.prior import Dirichlet, Prior
from emkit.core.result import Result
from emkit.data.rows import ArraySource
from emkit.estimators.base import Face, make_rng
from emkit.families.gaussian.family import Gaussian
from emkit.families.gaussian.prior import GaussianPrior, NormalInverseWishart, weak_prior
from emkit.families.gaussian.shapes import COVARIANCE_TYPES, check_covariances
from emkit.models.mixture import Mixture, MixtureParams


class GaussianMixture(DensityMixin, Face):  # type: ignore[misc]
    """Mixture of Gaussians, fitted by expectation-maximization.

    Takes scikit-learn's parameters where they mean something here. What differs: several starts by default, a stop rule in nats of
    the total log-likelihood, a weak scale-free prior, cells may be NaN, rows may have weights, parameters may be fixed.

    Parameters
    ----------
    n_components : int
        K.
    covariance_type : {"full", "tied", "diag", "spherical", "tied-diag", "tied-spherical"}
        full: each component its own matrix; tied: one for all; diag: own variances, no correlation; spherical: one variance each.
    tol : float
        Stop when the estimated gain still to come is under so many nats of the total objective. 0: exactly ``max_iter`` iterations.
    reg_covar : float
        scikit-learn's regularisation, as a prior: pseudo-observations of variance ``reg_covar``, a component of average size having as
        many as rows, so that it adds about ``reg_covar`` to each variance. In squared units of the columns. 0: none.
    max_iter : int
        Iterations at most, for each start.
    n_init : int
        Starts. See ``result_.starts``; one start if starting values for everything are given.
    init_params : {"auto", "kmeans", "k-means++", "random_from_data", "random"}
        How starts guess a partition; "auto" mixes them.
    weights_init, means_init : array (K,), (K, d), optional
        Starting values.
    precisions_init, covariances_init : array in the shape of ``covariances_``, optional
        Starting values of the inverse covariances, or of the covariances; give one of them.
    fixed : dict, optional
        "weights", "means", "covariances": held at these values, in the shapes of the fitted attributes. A number for "covariances"
        is that variance for every column.
    prior : "weak", NormalInverseWishart, GaussianPrior or None
        Of means and covariances. "weak" (default) keeps components from collapsing; None is maximum likelihood.
    weights_prior : Dirichlet or float, optional
        Of the weights; a number is the concentration.
    random_state : int, RandomState, Generator or None
    warm_start : bool
        Start from the last fit.
    n_jobs : int or None
        Threads; None or -1: all cores. The result does not depend on it.
    verbose, verbose_interval : int
        Progress lines on stderr.
    monitors : list of Monitor, optional
        See ``emkit.Monitor``, ``emkit.TimeLimit``.
    checkpoint : Checkpoint or path, optional
        See ``emkit.Checkpoint``.

    Attributes
    ----------
    weights_ : array (K,)
    means_ : array (K, d)
    covariances_, precisions_, precisions_cholesky_ : array
        full (K, d, d), tied (d, d), diag (K, d), spherical (K,), tied-diag (d,), tied-spherical ().
    converged_ : bool
        True only if the stop rule was met.
    n_iter_ : int
    lower_bound_ : float
        Log-likelihood per row, at the fitted parameters exactly.
    lower_bounds_ : list of float
        Objective per row at iterations 0, 1, ...
    result_ : Result
        Everything about the fit: stop reason, trace, table of starts.
    n_features_in_, feature_names_in_

    Raises
    ------
    DataError, ParameterError
        (both ValueErrors) from ``fit``: naming the column, row or parameter.

    References
    ----------
    Dempster, Laird and Rubin (1977), JRSS B 39, 1-38. Bishop (2006), Pattern Recognition and Machine Learning, section 9.2.

    Examples
    --------
    >>> import numpy as np
    >>> from emkit import GaussianMixture
    >>> rng = np.random.default_rng(0)
    >>> x = np.concatenate([rng.normal(1, 2, (500, 1)), rng.normal(9, 2, (500, 1))])
    >>> gm = GaussianMixture(2, fixed={"covariances": 4.0, "weights": [0.5, 0.5]}, random_state=0).fit(x)
    >>> np.sort(gm.means_.ravel()).round(1)
    array([0.9, 8.8])
    """

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "full",
        tol: float = 1e-3,
        reg_covar: float = 0.0,
        max_iter: int = 1000,
        n_init: int = 8,
        init_params: str = "auto",
        weights_init: Any = None,
        means_init: Any = None,
        precisions_init: Any = None,
        covariances_init: Any = None,
        fixed: Any = None,
        prior: Any = "weak",
        weights_prior: Any = None,
        random_state: Any = None,
        warm_start: bool = False,
        n_jobs: int | None = None,
        verbose: int = 0,
        verbose_interval: int = 10,
        monitors: Any = None,
        checkpoint: Any = None,
    ):
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.covariances_init = covariances_init
        self.fixed = fixed
        self.prior = prior
        self.weights_prior = weights_prior
        self.random_state = random_state
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.monitors = monitors
        self.checkpoint = checkpoint

    # --- fitting ----------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit to rows ``X`` (n, d): an array or a data frame, NaN or null where a cell is missing.

        ``sample_weight`` (n,): nonnegative; weight 2 means the row twice.
        """
        self._fit_source(self._matrix_source(X, sample_weight, reset=True, min_rows=2))
        return self

    def _fit_source(self, source: ArraySource) -> None:
        if self.prior is not None and source.total_weight < 0.01 * source.n_rows:
            warnings.warn(
                f"sample_weight adds up to {source.total_weight:.3g} for {source.n_rows} rows; a weight says how many rows a row stands "
                "for, so the prior, worth about one row, now outweighs the data. Multiply the weights, or give prior=None",
                UserWarning,
                stacklevel=4,
            )
        model = self._model(source)
        starts: Any = self.n_init
        if self.warm_start and hasattr(self, "result_"):
            previous = self.result_.params
            if previous.components.means.shape == (self.n_components, source.n_features):
                starts = [previous]
        elif self._everything_given() and isinstance(starts, int) and starts > 1:
            starts = 1
        result = fit(
            model,
            source,
            executor=self._executor(),
            starts=starts,
            tol=self.tol,
            max_iter=self.max_iter,
            monitors=self._monitors(),
            rng=make_rng(self.random_state),
            checkpoint=self._checkpoint(),
        )
        self._adopt(result)
        self._report(result)

    def _everything_given(self) -> bool:
        fixed = self.fixed or {}
        return all(
            (
                self.weights_init is not None or "weights" in fixed,
                self.means_init is not None or "means" in fixed,
                self.covariances_init is not None or self.precisions_init is not None or "covariances" in fixed,
            )
        )

    def _model(self, source: ArraySource) -> Mixture:
        if self.fixed is not None and not isinstance(self.fixed, Mapping):
            raise ParameterError(f"fixed={self.fixed!r}: give a dict with 'weights', 'means' or 'covariances'")
        fixed = dict(self.fixed or {})
        unknown = set(fixed) - {"weights", "means", "covariances"}
        if unknown:
            raise ParameterError(f"fixed={sorted(unknown)}: a Gaussian mixture has 'weights', 'means' and 'covariances'")
        start: dict[str, Any] = {}
        if self.means_init is not None:
            start["means"] = self.means_init
        if self.covariances_init is not None and self.precisions_init is not None:
            raise ParameterError("give covariances_init or precisions_init, not both")
        if self.covariances_init is not None:
            start["covariances"] = self.covariances_init
        elif self.precisions_init is not None:
            start["covariances"] = self._inverse(self.precisions_init, source.n_features)
        mixture_fixed = {"weights": fixed.pop("weights")} if "weights" in fixed else {}
        mixture_start = {} if self.weights_init is None else {"weights": self.weights_init}
        weights_prior = self.weights_prior
        if weights_prior is not None and not isinstance(weights_prior, Prior):
            try:
                weights_prior = Dirichlet(weights_prior)
            except (TypeError, ValueError) as error:
                raise ParameterError(f"weights_prior={weights_prior!r}: give a positive number or a Dirichlet ({error})") from error
        family = Gaussian(self.covariance_type, self.prior, fixed, start)
        if self.reg_covar != 0:
            family = Gaussian(self.covariance_type, self._regularised(source), fixed, start)
        return Mixture(family, self.n_components, weights_prior, mixture_fixed, mixture_start, self.init_params)

    def _inverse(self, precisions: Any, d: int) -> np.ndarray:
        """Covariances from ``precisions_init``, checked here so that messages name what the user gave."""
        name = "precisions_init"
        try:
            value = np.array(precisions, dtype=np.float64)
        except (ValueError, TypeError) as error:
            raise ParameterError(f"{name} is not numeric: {error}") from error
        if not np.isfinite(value).all():
            raise ParameterError(f"{name} holds NaN or inf")
        shape = COVARIANCE_TYPES.get(self.covariance_type)
        if shape is None or not isinstance(self.n_components, int | np.integer) or self.n_components < 1:
            return value  # the family or the mixture will say so
        value = check_covariances(value, shape, int(self.n_components), d, name)
        return np.asarray(np.linalg.inv(value) if shape.matrix else 1.0 / value)

    def _regularised(self, source: ArraySource) -> GaussianPrior:
        if not (isinstance(self.reg_covar, int | float | np.number) and np.isfinite(self.reg_covar) and self.reg_covar > 0):
            raise ParameterError(f"reg_covar={self.reg_covar!r}: give a nonnegative number")
        d = source.n_features
        mean, _ = source.moments()
        prior = self.prior
        if prior == "weak":
            prior = weak_prior(source.spreads(), source.total_weight)
        elif isinstance(prior, NormalInverseWishart):
            prior = prior.resolve(mean)
        if not isinstance(prior, GaussianPrior):
            prior = GaussianPrior(0.0, np.zeros(d))
        shared = COVARIANCE_TYPES.get(self.covariance_type)
        rows = source.total_weight / (1 if shared is not None and shared.shared else max(int(self.n_components), 1))
        return prior.beside(np.full(d, rows * float(self.reg_covar)), f"{prior.name}, reg_covar")

    def _adopt(self, result: Result) -> None:
        params: MixtureParams = result.params
        k, d = params.components.means.shape
        face = COVARIANCE_TYPES[self.covariance_type].face(k, d)
        whitener = params.components.whitener
        self.result_ = result
        self.model_ = result.model
        self.weights_ = params.weights.copy()
        self.means_ = params.components.means.copy()
        self.covariances_ = _as_face(params.components.covariances, face)
        self.precisions_ = _as_face(whitener.precisions(), face)
        # scikit-learn's upper-triangular factor P with x P white; ours is its transpose.
        factor = whitener.scales if whitener.scales is not None else np.swapaxes(whitener.matrices, 1, 2)
        self.precisions_cholesky_ = _as_face(factor, face)
        self.converged_ = result.converged
        self.n_iter_ = result.n_iter
        self.lower_bound_ = result.log_likelihood / result.total_weight
        self.lower_bounds_ = [value / result.total_weight for value in result.trace]

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> np.ndarray:
        """``fit``, then the most probable component of each row of ``X``."""
        return self.fit(X, y, sample_weight).predict(X)

    # --- using ------------------------------------------------------------------------------------------------------

    def _rows(self, X: Any, **what: bool) -> list[Any]:
        check_is_fitted(self, "result_")
        source = self._matrix_source(X, None, reset=False)
        model: Mixture = self.model_
        params = self.result_.params

        def one(block: Block) -> Any:
            return model.joint_pass(params, block, **what)

        return list(self._executor().map(one, source))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Responsibilities, (n, K): the probability of each component given the row's observed cells."""
        return np.concatenate([one.responsibilities for one in self._rows(X, responsibilities=True)])

    def predict(self, X: Any) -> np.ndarray:
        """Most probable component of each row, (n,)."""
        return np.concatenate([one.responsibilities.argmax(axis=1) for one in self._rows(X, responsibilities=True)])

    def score_samples(self, X: Any) -> np.ndarray:
        """Log-likelihood of each row's observed cells, (n,), nats."""
        return np.concatenate([one.rows for one in self._rows(X, rows=True)])

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Weighted mean log-likelihood of the rows; on the training data exactly what the fit reported."""
        check_is_fitted(self, "result_")
        source = self._matrix_source(X, sample_weight, reset=False)
        return self._log_likelihood(source) / source.total_weight

    def _log_likelihood(self, source: ArraySource) -> float:
        model: Mixture = self.model_
        _, total = self._executor().map_reduce(lambda block: model.e_step(self.result_.params, block), source)
        return float(total)

    def sample(self, n_samples: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Random rows (n_samples, d) and the component each came from; drawn with ``random_state``."""
        check_is_fitted(self, "result_")
        if isinstance(n_samples, bool) or not isinstance(n_samples, int | np.integer) or n_samples < 1:
            raise ParameterError(f"n_samples={n_samples!r}: give an integer of at least 1")
        return self.model_.sample(self.result_.params, int(n_samples), make_rng(self.random_state))

    def bic(self, X: Any = None) -> float:
        """-2 log-likelihood + parameters * ln(rows): lower is better. Without ``X``, of the fit."""
        log_likelihood, n = self._fit_of(X)
        return -2.0 * log_likelihood + self.result_.n_free * float(np.log(n))

    def aic(self, X: Any = None) -> float:
        """-2 log-likelihood + 2 parameters: lower is better. Without ``X``, of the fit."""
        return -2.0 * self._fit_of(X)[0] + 2.0 * self.result_.n_free

    def icl(self, X: Any) -> float:
        """BIC - 2 sum log max_k responsibility (Biernacki, Celeux and Govaert 2000): BIC plus a price for overlap. Lower is better."""
        worst = 1e-300  # a row that no component can produce
        return self.bic(X) - 2.0 * float(np.log(np.maximum(self.predict_proba(X).max(axis=1), worst)).sum())

    def _fit_of(self, X: Any) -> tuple[float, float]:
        check_is_fitted(self, "result_")
        if X is None:
            return self.result_.log_likelihood, self.result_.total_weight
        source = self._matrix_source(X, None, reset=False)
        return self._log_likelihood(source), source.total_weight

    def summary(self) -> str:
        """The fit in words and numbers, for a person."""
        check_is_fitted(self, "result_")
        from emkit.estimators.summary import mixture_summary

        return mixture_summary(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _as_face(value: np.ndarray, face: tuple[int, ...]) -> np.ndarray:
    return np.array(np.asarray(value).reshape(face))
