"""GaussianMixture: scikit-learn's face on a mixture of Gaussians."""

from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

import numpy as np

from emkit.core.checks import mapping, numbers
from emkit.core.columns import Columns
from emkit.core.errors import ParameterError
from emkit.core.model import Model
from emkit.estimators.gaussian_mixture_parts import HasParts
from emkit.estimators.partial import PartialRows
from emkit.estimators.rows import RowFace
from emkit.families.gaussian.covariance_types import ALL_TYPES
from emkit.families.gaussian.family import Gaussian
from emkit.families.gaussian.shapes import Covariance
from emkit.families.noise import WithNoise
from emkit.models.mixture import FiniteMixture


@dataclass(eq=False, repr=False)
class GaussianMixture(HasParts, PartialRows, RowFace):
    """Mixture of Gaussians, fitted by expectation-maximization.

    Takes scikit-learn's parameters where they mean something here. What differs: several starts by default, a stop rule in nats of
    the total log-likelihood, a weak scale-free prior, cells may be NaN, rows may have weights, parameters may be fixed.

    Parameters
    ----------
    n_components : int or "auto"
        K; "auto": the number from 1 to 9 with the best BIC, see ``emkit.select``.
    covariance_type : str
        "full": each component its own matrix; "tied": one for all; "diag": own variances, no correlation; "spherical": one
        variance each; "tied-diag", "tied-spherical". Or one of mclust's names, EII VII EEI VEI EVI VVI EEE VEE EVE VVE EEV VEV EVV
        VVV: volume, shape and orientation (I: along the columns), E equal or V varying. See "Choosing a covariance shape" in the
        documentation.
    reg_covar : float
        scikit-learn's regularisation, as a prior: pseudo-observations of variance ``reg_covar``, a component of average size
        having as many as rows, so that it adds about ``reg_covar`` to each variance. It is in squared units of the columns; 0
        adds nothing.
    weights_init, means_init : array (K,), (K, d), optional
        Starting values under scikit-learn's names; ``init`` takes them too.
    precisions_init, covariances_init : array in the shape of ``covariances_``, optional
        Starting values of the inverse covariances, or of the covariances; give one of them.
    prior : "weak", NormalInverseWishart, GaussianPrior or None
        The prior of means and covariances. "weak" (default) keeps components from collapsing; None is maximum likelihood.
        A warning that names a sliver, a component on too few rows, asks for a stronger one, e.g. ``NormalInverseWishart``.
    weights_prior : Dirichlet or float, optional
        The prior of the weights; a number is its concentration.
    noise : bool or float
        True: one further component, uniform over the data's bounding box, takes up rows that belong to no group. A number is the
        volume of the region that they come from. Its weight is the last of ``weights_``, its probability the last column of
        ``predict_proba``, and its label in ``predict`` is -1, as DBSCAN has it; in ``fit(labels=...)`` it is number K.
    init, fixed, order_by, tol, max_iter, algorithm, n_init, init_params, random_state, warm_start, n_jobs
        As in every estimator: ``emkit.estimators.settings.Settings``. The parameters are "weights", "means" and "covariances";
        a number for "covariances" is that variance for every column.
    verbose, verbose_interval, monitors, checkpoint
        Likewise.

    Attributes
    ----------
    n_components_ : int
        K as it was given, or found.
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

    Attributes may be set by hand, after a fit or instead of one; they are checked when they are used.

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

    finds_size = True
    fits_elsewhere = True
    fits_on_device = True
    size_setting = "n_components"

    n_components: Any = 1
    _: KW_ONLY
    covariance_type: str = "full"
    reg_covar: float = 0.0
    weights_init: Any = None
    means_init: Any = None
    precisions_init: Any = None
    covariances_init: Any = None
    prior: Any = "weak"
    weights_prior: Any = None
    noise: Any = False

    def build(self, columns: Columns | None) -> FiniteMixture:
        """A Mixture of Gaussians."""
        family = Gaussian(self.covariance_type, self.prior, self.reg_covar)
        model = FiniteMixture(family, self._size(), self.weights_prior, self.init_params)
        if self.noise is not False:
            with_noise = WithNoise(family, None if self.noise is True else self.noise)
            model = replace(model, family=with_noise, n_components=model.n_hidden + 1, prior=self.weights_prior)
        given = self._starting_values()
        if "precisions" in given:
            if "covariances" in given:
                raise ParameterError("give covariances_init or precisions_init, not both", parameter="precisions")
            declared = family.parameter("covariances")
            assert declared is not None
            form = None if columns is None else declared.form(family.sizes(self._size(), len(columns)))
            given["covariances"] = _inverse(given.pop("precisions"), self.covariance_type, "precisions_init", form)
        return model.configured(mapping(self.fixed, "fixed"), given)

    # --- scikit-learn's further attributes ----------------------------------------------------------------------------

    @property
    def precisions_(self) -> np.ndarray:
        """Inverses of the covariances, in their shapes."""
        return self._as_covariances(self._gaussians()[1].whitener.precisions())

    @precisions_.setter
    def precisions_(self, value: Any) -> None:
        self.covariances_ = _inverse(value, self.covariance_type, "precisions_")

    @property
    def precisions_cholesky_(self) -> np.ndarray:
        """The upper-triangular factor P of each precision P P^T, so that (x - mean) P is white; of variances, one over their
        square roots.
        """
        whitener = self._gaussians()[1].whitener
        return self._as_covariances(whitener.scales if whitener.scales is not None else np.swapaxes(whitener.matrices, 1, 2))

    @precisions_cholesky_.setter
    def precisions_cholesky_(self, value: Any) -> None:
        factor = numbers(value, "precisions_cholesky_")
        matrix = ALL_TYPES[self.covariance_type].matrix
        self.precisions_ = factor @ np.swapaxes(factor, -1, -2) if matrix else factor**2

    @property
    def n_components_(self) -> int:
        """K as it was given, or found; noise is not counted."""
        return self._size_of(self.model_)

    def _size_of(self, model: Model) -> int:
        return (model.n_hidden or 1) - (self.noise is not False)

    def _gaussians(self) -> tuple[Gaussian, Any]:
        """The family of the components but for the noise, and its parameters."""
        current = self._current()
        family, params = current.model.family, current.params.components
        return (family.family, params.components) if self.noise is not False else (family, params)

    def _shapes(self) -> tuple[Gaussian, Any]:
        return self._gaussians()

    def _component_names(self, k: int) -> tuple[str, ...]:
        names = super()._component_names(k)
        return names if self.noise is False else (*names[:-1], "noise")

    def _named(self, labels: np.ndarray) -> np.ndarray:
        """Labels with -1 for the noise."""
        return labels if self.noise is False else np.where(labels == self._size(), -1, labels)

    def predict(self, X: Any) -> np.ndarray:
        """Most probable component of each row, (n,); -1 for noise."""
        return super().predict(X)

    def _added(self, responsibilities: np.ndarray) -> dict[str, np.ndarray]:
        """As in other estimators; the label of noise is -1."""
        found = super()._added(responsibilities)
        return {**found, "label": self._named(found["label"])}

    def sample(self, n_samples: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Random rows (n_samples, d) and the component each came from, -1 for noise; drawn with ``random_state``."""
        x, labels = super().sample(n_samples)
        return x, self._named(labels)

    def _as_covariances(self, value: np.ndarray) -> np.ndarray:
        family = self._gaussians()[0]
        declared = family.parameter("covariances")
        assert declared is not None
        return np.asarray(declared.show(np.asarray(value)).astype(self.__dict__.get("_width", np.float64)))

    @property
    def lower_bound_(self) -> float:
        """Log-likelihood per row."""
        result = self._fitted()
        return result.log_likelihood / result.total_weight

    @property
    def lower_bounds_(self) -> list[float]:
        """Objective per row at iterations 0, 1, ..."""
        result = self._fitted()
        return [value / result.total_weight for value in result.trace]


def _inverse(precisions: Any, covariance_type: Any, name: str, form: tuple[int, ...] | None = None) -> np.ndarray:
    """Covariances from precisions, checked here so that messages name what the user gave; ``form``: their internal shape."""
    value = numbers(precisions, name, parameter="precisions")
    shape = ALL_TYPES.get(covariance_type) if isinstance(covariance_type, str) else None
    if shape is None:
        return value  # the family will say so
    if form is not None:
        value = Covariance(shape).read(value, form, name, "precisions")
    if not shape.matrix or not value.ndim:
        if not (value > 0).all():
            raise ParameterError(f"{name}: every precision must be positive, found {value.min():g}", parameter="precisions")
        return np.asarray(1.0 / value)
    if value.ndim not in (2, 3) or value.shape[-1] != value.shape[-2]:
        raise ParameterError(f"{name} has shape {value.shape}, expected square matrices", parameter="precisions")
    matrices = value.reshape(-1, *value.shape[-2:])
    return np.asarray(np.linalg.inv(Covariance(shape).check(matrices, name, "precisions"))).reshape(value.shape)
