"""GaussianHMM, CategoricalHMM, PoissonHMM, GMMHMM: hmmlearn's words on emkit's HMM.

Parameters carry hmmlearn 0.3's names where they mean something here; what differs is listed in docs/how-to/coming-from-hmmlearn.md.
Attributes may be set by hand before ``fit`` (starting values, with the letter left out of ``init_params``) or instead of it.
"""

from typing import Any, ClassVar

import numpy as np

from emkit.core.errors import ParameterError
from emkit.estimators.emissions import from_attributes
from emkit.estimators.hmm import HMM
from emkit.models.hmm.model import HiddenMarkov
from emkit.models.hmm.params import HMMParams

_LETTERS = {"s": "startprob", "t": "transmat"}


class Monitor:
    """hmmlearn's ``monitor_``: ``converged``, ``iter``, ``history`` of objectives, ``tol``."""

    def __init__(self, result: Any):
        self.converged = result.converged
        self.iter = result.n_iter
        self.history = list(result.trace)
        self.tol = result.tolerance


class _HmmlearnFace(HMM):
    """Shared by the four faces."""

    _emission = "gaussian"
    _letters: ClassVar[dict[str, str]] = {}

    # The general estimator's settings that these faces do not show.
    tie = None
    start = "free"
    end = False
    endprob_init = None
    sticky = 0.0
    sequence = None
    order = None
    gaps = "error"
    warm_start = False
    verbose_interval = 10
    monitors = None
    checkpoint = None
    n_categories: Any = None
    n_mix: Any = 1
    covariance_type: Any = "diag"
    means_init: Any = None
    covariances_init: Any = None
    rates_init: Any = None
    probs_init: Any = None
    weights_init: Any = None

    @property
    def n_states(self) -> int:  # type: ignore[override]
        """As the general estimator calls it."""
        return int(self.n_components)

    @property
    def emission(self) -> str:  # type: ignore[override]
        """What states emit."""
        return self._emission

    @property
    def max_iter(self) -> int:  # type: ignore[override]
        """As the general estimator calls it."""
        return int(self.n_iter)

    n_components: int
    n_iter: int
    params: str
    algorithm: str

    def _known_letters(self) -> dict[str, str]:
        return {**_LETTERS, **self._letters}

    def _by_hand(self) -> dict[str, np.ndarray]:
        """Attributes set by hand whose letter is not in ``init_params``, or that came before any fit."""
        letters = self.init_params if set(self.init_params) <= set(self._known_letters()) else "".join(self._known_letters())
        out = {}
        for letter, name in self._known_letters().items():
            if letter not in letters and hasattr(self, f"{name}_"):
                out[name] = getattr(self, f"{name}_")
        return out

    def _inits(self) -> dict[str, Any]:
        return {**super()._inits(), **self._by_hand()}

    def _model(self) -> HiddenMarkov:
        known = self._known_letters()
        if unknown := set(self.params) - set(known):
            raise ParameterError(f"params={self.params!r}: unknown letter(s) {sorted(unknown)}; the letters are {known}")
        held = [name for letter, name in known.items() if letter not in self.params]
        values = self._inits()
        missing = [name for name in held if name not in values and name not in (self.fixed or {})]
        if missing:
            raise ParameterError(f"params={self.params!r} leaves {missing} untouched, so give starting values for them")
        saved = self.fixed
        try:
            self.fixed = {**{name: values[name] for name in held if name in values}, **(self.fixed or {})}
            return super()._model()
        finally:
            self.fixed = saved

    def _seeding(self) -> str:
        """Letters say which attributes to guess, not how."""
        return "auto" if set(self.init_params) <= set(self._known_letters()) else self.init_params

    def _adopt(self, result: Any) -> None:
        super()._adopt(result)
        del self.n_iter_  # hmmlearn has `monitor_.iter`; `n_iter` is a parameter there
        self.monitor_ = Monitor(result)

    def _fitted(self) -> tuple[HiddenMarkov, HMMParams]:
        """The parameters as the attributes are now: fitted, set by hand, or both."""
        names = ("startprob", "transmat", *self._emitted())
        if all(hasattr(self, f"{name}_") for name in names):
            values = {f"{name}_": getattr(self, f"{name}_") for name in self._emitted()}
            family, emissions = from_attributes(self._emission, values, covariance_type=self.covariance_type, n_mix=int(self.n_mix))
            start, matrix = np.array(self.startprob_, dtype=np.float64), np.array(self.transmat_, dtype=np.float64)
            params = HMMParams(start, matrix, emissions)
            if not hasattr(self, "n_features_in_"):
                self.n_features_in_ = _columns(emissions)
            model = self.model_ if hasattr(self, "model_") else HiddenMarkov(family, len(start))
            return model, params
        return super()._fitted()

    def _emitted(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._letters.values()))

    def _n_free(self) -> int:
        model, params = self._fitted()
        if model.held is None:  # set by hand: everything counts
            k = len(params.startprob)
            return k * k - 1 + model.family.n_free(params.emissions)
        return model.n_free(params)

    def decode(self, X: Any, lengths: Any = None, algorithm: str | None = None, *, states: Any = None) -> tuple[float, np.ndarray]:
        """As ``HMM.decode``; the algorithm is by default the estimator's ``algorithm``."""
        return super().decode(X, lengths, algorithm=algorithm or self.algorithm, states=states)

    def sample(self, n_samples: int = 1, random_state: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """As ``HMM.sample``, drawn with ``random_state``; by default the estimator's."""
        return self._draw(n_samples, self.random_state if random_state is None else random_state)

    def get_stationary_distribution(self) -> np.ndarray:
        """Stationary distribution of the transition matrix, (K,)."""
        return self.stationary_


def _columns(emissions: Any) -> int:
    if hasattr(emissions, "parts"):
        return _columns(emissions.parts)
    first = next(getattr(emissions, name) for name in ("means", "rates", "probs") if hasattr(emissions, name))
    return int(first.shape[1])


class GaussianHMM(_HmmlearnFace):
    """HMM with Gaussian emissions; parameters as in hmmlearn's ``GaussianHMM``, and emkit's own after them.

    ``covars_`` gives covariances as hmmlearn does: matrices (K, d, d) for every type.
    """

    _letters: ClassVar[dict[str, str]] = {"m": "means", "c": "covariances"}

    def __init__(
        self,
        n_components: int = 1,
        covariance_type: str = "diag",
        *,
        startprob_prior: Any = None,
        transmat_prior: Any = None,
        algorithm: str = "viterbi",
        random_state: Any = None,
        n_iter: int = 1000,
        tol: float = 1e-3,
        verbose: bool = False,
        params: str = "stmc",
        init_params: str = "stmc",
        implementation: str = "scaling",
        prior: Any = "weak",
        fixed: Any = None,
        n_init: int = 8,
        order_by: Any = None,
        n_jobs: int | None = None,
        startprob_init: Any = None,
        transmat_init: Any = None,
        means_init: Any = None,
        covariances_init: Any = None,
    ):
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.startprob_prior = startprob_prior
        self.transmat_prior = transmat_prior
        self.algorithm = algorithm
        self.random_state = random_state
        self.n_iter = n_iter
        self.tol = tol
        self.verbose = verbose
        self.params = params
        self.init_params = init_params
        self.implementation = implementation
        self.prior = prior
        self.fixed = fixed
        self.n_init = n_init
        self.order_by = order_by
        self.n_jobs = n_jobs
        self.startprob_init = startprob_init
        self.transmat_init = transmat_init
        self.means_init = means_init
        self.covariances_init = covariances_init

    @property
    def covars_(self) -> np.ndarray:
        """Covariance matrices, (K, d, d)."""
        k, d = np.asarray(self.means_).shape
        return np.array(np.broadcast_to(_matrices(self.covariances_, self.covariance_type, d), (k, d, d)))

    @covars_.setter
    def covars_(self, value: Any) -> None:
        self.covariances_ = np.asarray(value, dtype=np.float64)


class CategoricalHMM(_HmmlearnFace):
    """HMM of symbols 0, 1, ...; parameters as in hmmlearn's ``CategoricalHMM``, and emkit's own after them."""

    _emission = "categorical"
    _letters: ClassVar[dict[str, str]] = {"e": "probs"}

    def __init__(
        self,
        n_components: int = 1,
        *,
        startprob_prior: Any = None,
        transmat_prior: Any = None,
        algorithm: str = "viterbi",
        random_state: Any = None,
        n_iter: int = 1000,
        tol: float = 1e-3,
        verbose: bool = False,
        params: str = "ste",
        init_params: str = "ste",
        implementation: str = "scaling",
        n_features: int | None = None,
        prior: Any = None,
        fixed: Any = None,
        n_init: int = 8,
        order_by: Any = None,
        n_jobs: int | None = None,
        startprob_init: Any = None,
        transmat_init: Any = None,
        probs_init: Any = None,
    ):
        self.n_components = n_components
        self.startprob_prior = startprob_prior
        self.transmat_prior = transmat_prior
        self.algorithm = algorithm
        self.random_state = random_state
        self.n_iter = n_iter
        self.tol = tol
        self.verbose = verbose
        self.params = params
        self.init_params = init_params
        self.implementation = implementation
        self.n_features = n_features
        self.prior = prior
        self.fixed = fixed
        self.n_init = n_init
        self.order_by = order_by
        self.n_jobs = n_jobs
        self.startprob_init = startprob_init
        self.transmat_init = transmat_init
        self.probs_init = probs_init

    @property
    def n_categories(self) -> Any:  # type: ignore[override]
        """Hmmlearn's ``n_features``."""
        return self.n_features

    @property
    def emissionprob_(self) -> np.ndarray:
        """Probability of each symbol in each state, (K, L)."""
        return self.probs_

    @emissionprob_.setter
    def emissionprob_(self, value: Any) -> None:
        self.probs_ = np.asarray(value, dtype=np.float64)


class PoissonHMM(_HmmlearnFace):
    """HMM of counts; parameters as in hmmlearn's ``PoissonHMM``, and emkit's own after them."""

    _emission = "poisson"
    _letters: ClassVar[dict[str, str]] = {"l": "rates"}

    def __init__(
        self,
        n_components: int = 1,
        *,
        startprob_prior: Any = None,
        transmat_prior: Any = None,
        algorithm: str = "viterbi",
        random_state: Any = None,
        n_iter: int = 1000,
        tol: float = 1e-3,
        verbose: bool = False,
        params: str = "stl",
        init_params: str = "stl",
        implementation: str = "scaling",
        prior: Any = None,
        fixed: Any = None,
        n_init: int = 8,
        order_by: Any = None,
        n_jobs: int | None = None,
        startprob_init: Any = None,
        transmat_init: Any = None,
        rates_init: Any = None,
    ):
        self.n_components = n_components
        self.startprob_prior = startprob_prior
        self.transmat_prior = transmat_prior
        self.algorithm = algorithm
        self.random_state = random_state
        self.n_iter = n_iter
        self.tol = tol
        self.verbose = verbose
        self.params = params
        self.init_params = init_params
        self.implementation = implementation
        self.prior = prior
        self.fixed = fixed
        self.n_init = n_init
        self.order_by = order_by
        self.n_jobs = n_jobs
        self.startprob_init = startprob_init
        self.transmat_init = transmat_init
        self.rates_init = rates_init

    @property
    def lambdas_(self) -> np.ndarray:
        """Hmmlearn's name of ``rates_``, (K, d)."""
        return self.rates_

    @lambdas_.setter
    def lambdas_(self, value: Any) -> None:
        self.rates_ = np.asarray(value, dtype=np.float64)


class GMMHMM(_HmmlearnFace):
    """HMM whose states emit mixtures of Gaussians; parameters as in hmmlearn's ``GMMHMM``, and emkit's own after them."""

    _letters: ClassVar[dict[str, str]] = {"m": "means", "c": "covariances", "w": "weights"}

    def __init__(
        self,
        n_components: int = 1,
        n_mix: int = 1,
        *,
        startprob_prior: Any = None,
        transmat_prior: Any = None,
        algorithm: str = "viterbi",
        covariance_type: str = "diag",
        random_state: Any = None,
        n_iter: int = 1000,
        tol: float = 1e-3,
        verbose: bool = False,
        params: str = "stmcw",
        init_params: str = "stmcw",
        implementation: str = "scaling",
        prior: Any = "weak",
        fixed: Any = None,
        n_init: int = 8,
        order_by: Any = None,
        n_jobs: int | None = None,
        startprob_init: Any = None,
        transmat_init: Any = None,
        means_init: Any = None,
        covariances_init: Any = None,
        weights_init: Any = None,
    ):
        self.n_components = n_components
        self.n_mix = n_mix
        self.startprob_prior = startprob_prior
        self.transmat_prior = transmat_prior
        self.algorithm = algorithm
        self.covariance_type = covariance_type
        self.random_state = random_state
        self.n_iter = n_iter
        self.tol = tol
        self.verbose = verbose
        self.params = params
        self.init_params = init_params
        self.implementation = implementation
        self.prior = prior
        self.fixed = fixed
        self.n_init = n_init
        self.order_by = order_by
        self.n_jobs = n_jobs
        self.startprob_init = startprob_init
        self.transmat_init = transmat_init
        self.means_init = means_init
        self.covariances_init = covariances_init
        self.weights_init = weights_init

    @property
    def covars_(self) -> np.ndarray:
        """Hmmlearn's name of ``covariances_``."""
        return self.covariances_

    @covars_.setter
    def covars_(self, value: Any) -> None:
        self.covariances_ = np.asarray(value, dtype=np.float64)

    def _emitted(self) -> tuple[str, ...]:
        return ("means", "covariances", "weights") if int(self.n_mix) > 1 else ("means", "covariances")


def _matrices(covariances: Any, kind: str, d: int) -> np.ndarray:
    """Covariances of any type as matrices."""
    c = np.asarray(covariances)
    if kind in ("full", "tied"):
        return c
    if kind == "spherical":
        return np.asarray(c[:, None, None] * np.eye(d))
    if kind == "diag":
        return np.asarray(c[:, :, None] * np.eye(d))
    return np.asarray(np.broadcast_to(c, (d,)) * np.eye(d))
