"""VariationalCategoricalHMM and VariationalGaussianHMM: hmmlearn's words on emkit's variational HMM.

What differs from hmmlearn 0.3 is listed in docs/how-to/coming-from-hmmlearn.md.
"""

from abc import abstractmethod
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.exceptions import NotFittedError

from emkit.core.columns import Columns
from emkit.core.errors import ParameterError
from emkit.core.model import Model
from emkit.core.result import Result
from emkit.estimators.hmm import HMM
from emkit.estimators.hmm_faces import as_matrices
from emkit.estimators.hmmlearn import HmmlearnWords, Letters
from emkit.estimators.partial import NoPartialFit
from emkit.families.variational.categorical import VariationalCategorical
from emkit.families.variational.gaussian import VariationalGaussian
from emkit.families.variational.posterior import VariationalFamily
from emkit.models.hmm.model import HiddenMarkov
from emkit.models.hmm.params import HMMParams
from emkit.models.hmm.variational import VariationalHMM

_CHAIN: Letters = {"s": ("startprob_posterior",), "t": ("transmat_posterior",)}


class PosteriorHMM(HMM):
    """The HMM inside: ``emission`` is a VariationalFamily. It fits posteriors, and predicts at their means."""

    def build(self, columns: Columns | None) -> Model:
        """A VariationalHMM over the emission."""
        model = VariationalHMM(self.emission, self.n_states, self.startprob_prior, self.transmat_prior, seeding=self.init_params)
        return self._with_values(model)

    def _hypothesis(self) -> tuple[HiddenMarkov, HMMParams]:
        current = self._current()
        point: tuple[HiddenMarkov, HMMParams] = current.model.at_the_mean(current.params)
        return point

    def criteria(self) -> dict[str, float]:
        """The lower bound of the log evidence that the fit reached, higher is better."""
        return {"lower_bound": float(self._fitted().objective)}

    def _value_in_words(self, result: Result) -> list[str]:
        words = "; ".join(result.model.priors_in_words())
        return [
            f"  lower bound of the log evidence {result.objective:.4f}   (higher is better)",
            f"  prior: {words}; the posterior's divergence from it {-result.log_prior:.4g}",
        ]


class _PriorValue:
    """``x_prior_``: a prior's values, as the last fit took them; to set it is to set ``x_prior``."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._setting = name.removesuffix("_")

    def __get__(self, face: Any, owner: Any = None) -> Any:
        return self if face is None else face._prior_value(self._setting)

    def __set__(self, face: Any, value: Any) -> None:
        setattr(face, self._setting, value)
        face.__dict__.setdefault("_new_priors", {})[self._setting] = np.array(value)


@dataclass(kw_only=True, eq=False, repr=False)
class VariationalFace(HmmlearnWords):
    """What the variational faces share beside ``HmmlearnWords``: point estimates, priors, the lower bound."""

    partial_fit = NoPartialFit("its prior is resolved on all sequences together; take HMM, GaussianHMM or CategoricalHMM")

    inside: ClassVar[type[HMM]] = PosteriorHMM

    startprob_prior_ = _PriorValue()
    transmat_prior_ = _PriorValue()

    @abstractmethod
    def _family(self) -> VariationalFamily:
        """What states emit."""

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), "emission": self._family()}

    def _take_note(self, result: Result, columns: int) -> None:
        self.__dict__.pop("_new_priors", None)

    def _prior_value(self, name: str) -> np.ndarray:
        """Set since the last fit, or as it took them."""
        new = self.__dict__.get("_new_priors", {})
        if name in new:
            return np.array(new[name])
        result = self._inner().__dict__.get("result_")
        if result is None:
            raise NotFittedError(f"This {type(self).__name__} instance is not fitted yet, so {name}_ is not known.")
        values: dict[str, np.ndarray] = result.model.shown_priors()
        return values[name]

    def _hypothesis(self) -> tuple[HiddenMarkov, HMMParams]:
        return self._inner()._hypothesis()

    def _point(self, value: Any) -> np.ndarray:
        """A point estimate in the width of the data of the fit."""
        return np.array(value, dtype=self._inner().__dict__.get("_width", np.float64))

    @property
    def startprob_(self) -> np.ndarray:
        """Expected start distribution, (K,)."""
        return self._point(self._hypothesis()[1].startprob)

    @property
    def transmat_(self) -> np.ndarray:
        """Expected transition matrix, (K, K)."""
        return self._point(self._hypothesis()[1].transmat)

    @property
    def lower_bound_(self) -> float:
        """Lower bound of the log evidence, nats, that the last fit reached."""
        return self._inner().criteria()["lower_bound"]

    def score(self, X: Any, y: Any = None, *, lengths: Any = None, sample_weight: Any = None) -> float:
        """Log-likelihood of all sequences together at the point estimates, nats; ``lower_bound_`` is what the fit maximises.

        ``lengths`` may come second, as in ``fit``.
        """
        return super().score(X, y, lengths=lengths, sample_weight=sample_weight)

    def aic(self, X: Any = None, lengths: Any = None) -> float:
        """Raises ParameterError: ``lower_bound_`` compares variational fits, and has paid for every parameter."""
        raise ParameterError("AIC is for maximum likelihood; compare variational fits by lower_bound_, higher is better")

    def bic(self, X: Any = None, lengths: Any = None) -> float:
        """Raises ParameterError: ``lower_bound_`` compares variational fits, and has paid for every parameter."""
        raise ParameterError("BIC is for maximum likelihood; compare variational fits by lower_bound_, higher is better")


@dataclass(eq=False, repr=False)
class VariationalCategoricalHMM(VariationalFace):
    """HMM of symbols 0, 1, ... by variational Bayes; parameters as in hmmlearn's ``VariationalCategoricalHMM``.

    Every distribution has a Dirichlet posterior, whose concentrations are fitted; a prior concentration below 1 empties states that
    are not needed.

    Parameters
    ----------
    n_components : int
        K, the number of states.
    startprob_prior, transmat_prior, emissionprob_prior : float or array (K,), (K, K), (K, L), optional
        Concentrations of the Dirichlet priors; a number, or one row, stands for all. A 0 is a structural zero. By default one over
        the number of states or symbols.
    n_features : int, optional
        L, the number of symbols; by default as many as were seen.
    params, init_params : str
        Letters of the posteriors that are fitted, and of those that are guessed: s, t, e.

    Attributes
    ----------
    startprob_posterior_ (K,), transmat_posterior_ (K, K), emissionprob_posterior_ (K, L)
        Concentrations of the posteriors. May be set by hand.
    startprob_prior_, transmat_prior_, emissionprob_prior_
        Those of the priors, in the same shapes.
    startprob_, transmat_, emissionprob_
        Point estimates: the posteriors' means. Predictions and ``score`` use them.
    lower_bound_ : float
    monitor_ : ConvergenceMonitor
        Its ``history`` holds the lower bound of the log evidence.

    References
    ----------
    Beal (2003), Variational Algorithms for Approximate Bayesian Inference, chapter 3.

    Examples
    --------
    >>> import numpy as np
    >>> from emkit import VariationalCategoricalHMM
    >>> x = np.repeat([0, 1, 0, 1], 20)[:, None]
    >>> model = VariationalCategoricalHMM(2, random_state=0).fit(x)
    >>> np.sort(model.emissionprob_[:, 0]).round(2)
    array([0.01, 0.99])
    """

    n_components: int = 1  # type: ignore[misc]
    _: KW_ONLY
    params: str = "ste"
    init_params: str = "ste"
    n_features: int | None = None  # type: ignore[assignment]
    emissionprob_prior: Any = None

    emissionprob_prior_ = _PriorValue()

    @property
    def _letters(self) -> Letters:
        return {**_CHAIN, "e": ("emissionprob_posterior",)}

    def _family(self) -> VariationalCategorical:
        return VariationalCategorical(self.n_features, self.emissionprob_prior)

    @property
    def emissionprob_(self) -> np.ndarray:
        """Expected probability of each symbol in each state, (K, L)."""
        model, params = self._hypothesis()
        return self._point(model.family.shown(params.emissions)["probs"])


@dataclass(eq=False, repr=False)
class VariationalGaussianHMM(VariationalFace):
    """HMM with Gaussian emissions by variational Bayes; parameters as in hmmlearn's ``VariationalGaussianHMM``.

    Start and transitions have Dirichlet posteriors; a state's mean, given its precision (the inverse covariance), a normal one; the
    precision a Wishart one (full, tied), or gamma ones (diag, spherical).

    Parameters
    ----------
    n_components : int
        K, the number of states.
    covariance_type : {"full", "tied", "diag", "spherical"}
    startprob_prior, transmat_prior : float or array (K,), (K, K), optional
        Concentrations of the Dirichlet priors; a number, or one row, stands for all. A 0 is a structural zero. By default 1 / K.
    means_prior, beta_prior : array (K, d) or (d,), float or array (K,), optional
        The means' expectations, and as how many rows they count. By default the columns' means, and 1.
    dof_prior, scale_prior : float or array, optional
        Degrees of freedom (K,), one number for "tied", and inverse scales in the shape of the covariances: the expected precision
        is dof / scale. A number stands for all. By default d, and a thousandth of the columns' variances.
    params, init_params : str
        Letters of the posteriors that are fitted, and of those that are guessed: s, t, m (means and beta), c (dof and scale).

    Attributes
    ----------
    startprob_posterior_ (K,), transmat_posterior_ (K, K)
        Concentrations. These and the following four may be set by hand.
    means_posterior_ (K, d), beta_posterior_ (K,), dof_posterior_ (K,) or a number, scale_posterior_
        Of the emissions' posteriors.
    startprob_prior_, transmat_prior_, means_prior_, beta_prior_, dof_prior_, scale_prior_
        Those of the priors, in the same shapes.
    startprob_, transmat_, means_
        Point estimates: the posteriors' means. Predictions and ``score`` use them, and the covariances.
    covars_ (K, d, d), covariances_
        scale / dof, the inverses of the expected precisions: as matrices, and in the shape of the type.
    lower_bound_ : float
    monitor_ : ConvergenceMonitor
        Its ``history`` holds the lower bound of the log evidence.

    References
    ----------
    Bishop (2006), Pattern Recognition and Machine Learning, section 10.2. Gruhl and Sick (2016), arXiv:1605.08618.

    Examples
    --------
    >>> import numpy as np
    >>> from emkit import VariationalGaussianHMM
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(np.repeat([1.0, 5.0, 1.0], 40))[:, None]
    >>> model = VariationalGaussianHMM(2, random_state=0).fit(x)
    >>> np.sort(model.means_.ravel()).round()
    array([1., 5.])
    """

    n_components: int = 1  # type: ignore[misc]
    covariance_type: str = "full"
    _: KW_ONLY
    params: str = "stmc"
    init_params: str = "stmc"
    means_prior: Any = None
    beta_prior: Any = None
    dof_prior: Any = None
    scale_prior: Any = None

    means_prior_ = _PriorValue()
    beta_prior_ = _PriorValue()
    dof_prior_ = _PriorValue()
    scale_prior_ = _PriorValue()

    @property
    def _letters(self) -> Letters:
        return {**_CHAIN, "m": ("means_posterior", "beta_posterior"), "c": ("dof_posterior", "scale_posterior")}

    def _family(self) -> VariationalGaussian:
        return VariationalGaussian(self.covariance_type, self.means_prior, self.beta_prior, self.dof_prior, self.scale_prior)

    def _emissions(self, name: str) -> np.ndarray:
        model, params = self._hypothesis()
        return self._point(model.family.shown(params.emissions)[name])

    @property
    def means_(self) -> np.ndarray:
        """Expected means, (K, d)."""
        return self._emissions("means")

    @property
    def covariances_(self) -> np.ndarray:
        """Inverses of the expected precisions, in the shape of the type."""
        return self._emissions("covariances")

    @property
    def covars_(self) -> np.ndarray:
        """The same as matrices, (K, d, d)."""
        k, d = self.means_.shape
        return np.array(np.broadcast_to(as_matrices(self.covariances_, self.covariance_type, d), (k, d, d)))
