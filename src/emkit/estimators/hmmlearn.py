"""What hmmlearn's faces share: its words around an inner ``HMM``, which owns settings, parameters and the result."""

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator

from emkit.core.block import Source
from emkit.core.checks import count, mapping
from emkit.core.errors import ParameterError
from emkit.core.result import Result
from emkit.core.warn import warn
from emkit.data.sequence_input import Sequences
from emkit.data.sequences import SequenceSource
from emkit.estimators.asked import AskedByPrograms
from emkit.estimators.errors import ErrorsOfInner
from emkit.estimators.hmm import HMM
from emkit.estimators.hmm_after import AfterTheFit
from emkit.estimators.hmmlearn_monitor import ConvergenceMonitor, Follow
from emkit.estimators.reporting import Reported
from emkit.execute.threads import Threads

Letters = dict[str, tuple[str, ...]]


@dataclass(kw_only=True, eq=False, repr=False)
class HmmlearnWords(Reported, ErrorsOfInner, AskedByPrograms, AfterTheFit, BaseEstimator, ABC):  # type: ignore[misc]
    """Settings and methods that all of hmmlearn's faces share.

    Parameters
    ----------
    startprob_prior, transmat_prior : float or array, optional
        Dirichlet priors of the start distribution and of each row of transitions, as concentrations.
    algorithm : {"viterbi", "map"}
        The algorithm of ``decode``.
    random_state, n_iter, tol, verbose, n_init, n_jobs, order_by
        As in ``HMM``; ``n_iter`` is its ``max_iter``.
    params, init_params : str
        The letters of the parameters that are fitted, and of those that are guessed. An attribute that was set, and whose
        letter is not in ``init_params``, is a starting value. ``init_params`` may also say how to guess, as in ``HMM``.
    implementation
        It is not used: sums are scaled, and taken in logarithms where that underflows.
    fixed, monitors, checkpoint
        As in ``HMM``.
    """

    startprob_prior: Any = None
    transmat_prior: Any = None
    algorithm: str = "viterbi"
    random_state: Any = None
    n_iter: int = 1000
    tol: float = 1e-3
    verbose: bool = False
    params: str = "st"
    init_params: str = "st"
    implementation: str = "scaling"
    fixed: Any = None
    n_init: Any = "auto"
    order_by: Any = None
    n_jobs: int | None = None
    monitors: Any = None
    checkpoint: Any = None

    n_components: ClassVar[int]
    inside: ClassVar[type[HMM]] = HMM
    """The estimator that does the work."""

    # --- translation --------------------------------------------------------------------------------------------------

    def _settings(self) -> dict[str, Any]:
        """Settings of the inner HMM. Raises ParameterError in the words of this face."""
        return {
            "n_states": count(self.n_components, "n_components"),
            "init": self._inward(self._given()),
            "fixed": self._inward(mapping(self.fixed, "fixed")),
            "startprob_prior": self.startprob_prior,
            "transmat_prior": self.transmat_prior,
            "order_by": self.order_by,
            "tol": self.tol,
            "max_iter": count(self.n_iter, "n_iter", 0),
            "n_init": self.n_init,
            "init_params": "auto" if self._guesses_letters() else self.init_params,
            "random_state": self.random_state,
            "n_jobs": self.n_jobs,
            "verbose": int(self.verbose),
            "monitors": self.monitors,
            "checkpoint": self.checkpoint,
        }

    def _given(self) -> dict[str, Any]:
        """Starting values among the settings."""
        names = [name for name in self.get_params(deep=False) if name.endswith("_init") and name != "n_init"]
        return {name.removesuffix("_init"): getattr(self, name) for name in names if getattr(self, name) is not None}

    def _inward(self, values: dict[str, Any]) -> dict[str, Any]:
        """Parameters' values from hmmlearn's shapes to those of ``HMM``."""
        return values

    @property
    @abstractmethod
    def _letters(self) -> Letters:
        """Names of the parameters that the letters in ``params`` and ``init_params`` stand for."""

    def _inner(self) -> HMM:
        """The HMM inside, with the settings as they are now."""
        inner: HMM | None = self.__dict__.get("_hmm")
        if inner is None:
            inner = self.__dict__["_hmm"] = self.inside(**self._settings())
            inner._who = type(self).__name__
            return inner
        return inner.set_params(**self._settings())  # type: ignore[no-any-return]

    def _worker(self) -> HMM:
        return self._inner()

    def __getattr__(self, name: str) -> Any:
        """Parameters and results are the inner HMM's."""
        if name.endswith("_") and not name.startswith("_") and "_hmm" in self.__dict__:
            return getattr(self._inner(), name)
        own: Any = next((kind.__dict__[name] for kind in type(self).__mro__ if name in kind.__dict__), None)
        if hasattr(own, "__get__"):  # it was that which raised, and says why
            return own.__get__(self, type(self))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name.endswith("_") and not name.startswith("_") and not hasattr(type(self), name):
            setattr(self._inner(), name, value)
        else:
            super().__setattr__(name, value)

    # --- fitting ------------------------------------------------------------------------------------------------------

    def _guesses_letters(self) -> bool:
        return set(self.init_params) <= set(self._letters)

    def fit(self, X: Any, y: Any = None, *, lengths: Any = None, sample_weight: Any = None, states: Any = None) -> Self:
        """Fit to sequences, as ``HMM.fit``.

        What comes second is ``lengths``, as in hmmlearn, unless it has an entry for each row, which lengths would have only if
        all were 1: then it is scikit-learn's ``y``, and ignored.
        """
        inner = self._ready_inner()
        inner.fit(X, lengths=second_lengths(X, y, lengths), sample_weight=sample_weight, states=states)
        self._take_note(inner.result_, inner.n_features_in_)
        return self

    def _ready_inner(self) -> HMM:
        """The HMM inside with what the letters hold, or leave to be guessed."""
        inner = self._inner()
        known = {name: letter for letter, names in self._letters.items() for name in names}
        if unknown := set(self.params) - set(self._letters):
            letters = {letter: " and ".join(names) for letter, names in self._letters.items()}
            raise ParameterError(
                f"params={self.params!r}: unknown letter(s) {sorted(unknown)}; the letters are {letters}", parameter="params"
            )
        values, fixed = {**inner.init}, {**inner.fixed}
        for name, letter in known.items():
            guessed = letter in self.init_params or not self._guesses_letters()
            if not guessed and inner._value(name) is not None:
                values[name] = inner._value(name)
            elif guessed and inner.is_set_by_hand(name):
                warn(
                    f"{name}_ was set by hand, but fit overwrites it, since init_params has its letter {letter!r}; "
                    "leave the letter out"
                )
        held = [name for name, letter in known.items() if letter not in self.params and name not in fixed and self._is_free(name)]
        missing = [name for name in held if name not in values]
        if missing:
            raise ParameterError(
                f"params={self.params!r} leaves {missing} untouched, so give starting values for them", parameter=missing[0]
            )
        self.__dict__["_given_first"] = {"init": values, "fixed": {**{name: values[name] for name in held}, **fixed}}
        inner.set_params(**self.__dict__["_given_first"])
        own = self.__dict__.get("_monitor")
        if own is not None:
            own._reset()
            inner.set_params(monitors=[*(self.monitors or ()), Follow(own)], n_init=1)
        return inner

    def _take_note(self, result: Result, columns: int) -> None:
        """What is to be done after a fit."""

    def _is_free(self, name: str) -> bool:
        """Whether the inner HMM has this parameter."""
        return True

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return self._n_columns()

    @n_features.setter
    def n_features(self, value: Any) -> None:
        """Scripts for hmmlearn set it; the parameters tell it here, so that it can only agree.

        Raises ParameterError if it does not.
        """
        known = self._n_columns() if self.__sklearn_is_fitted__() else value
        if value != known:
            raise ParameterError(f"n_features={value!r}, but the parameters are of {known} column(s)", parameter="n_features")

    @property
    def monitor_(self) -> Any:
        """What became of the last fit; before it, or if it was set, what will follow the next."""
        own = self.__dict__.get("_monitor")
        if own is not None:
            return own
        result = self._inner().__dict__.get("result_")
        n_iter, verbose = int(self.n_iter), bool(self.verbose)
        return ConvergenceMonitor(self.tol, n_iter, verbose) if result is None else ConvergenceMonitor.of(result, n_iter, verbose)

    @monitor_.setter
    def monitor_(self, value: Any) -> None:
        self.__dict__["_monitor"] = value

    # --- using --------------------------------------------------------------------------------------------------------

    def _new(self, X: Any, lengths: Any) -> Sequences:  # type: ignore[override]
        return self._inner()._new(X, lengths)

    def _source(self, *given: Any) -> SequenceSource:  # type: ignore[override]
        return self._inner()._source(*given)

    def _again(self, *given: Any, **more: Any) -> Source:  # type: ignore[override]
        return self._inner()._again(*given, **more)  # type: ignore[no-any-return]

    def _current(self) -> Result:  # type: ignore[override]
        return self._inner()._current()

    def _executor(self) -> Threads:  # type: ignore[override]
        return self._inner()._executor()

    def _emitted(self, x: Any) -> np.ndarray:  # type: ignore[override]
        return self._inner()._emitted(x)

    def _n_columns(self) -> int:  # type: ignore[override]
        return self._inner()._n_columns()

    def __sklearn_is_fitted__(self) -> bool:
        return self._inner().__sklearn_is_fitted__()

    def __sklearn_tags__(self) -> Any:
        return self._inner().__sklearn_tags__()

    def score(self, X: Any, y: Any = None, *, lengths: Any = None, sample_weight: Any = None) -> float:
        """Log-likelihood of all sequences together, nats. ``lengths`` may come second, as in ``fit``."""
        return self._inner().score(X, lengths=second_lengths(X, y, lengths), sample_weight=sample_weight)

    def sequence_scores(self, X: Any, lengths: Any = None) -> np.ndarray:
        """Log-likelihood of each sequence, (S,)."""
        return self._inner().sequence_scores(X, lengths)

    def aic(self, X: Any = None, lengths: Any = None) -> float:
        """As ``HMM.aic``."""
        return self._inner().aic(X, lengths)

    def bic(self, X: Any = None, lengths: Any = None) -> float:
        """As ``HMM.bic``."""
        return self._inner().bic(X, lengths)

    def criteria(self) -> dict[str, float]:
        """As ``HMM.criteria``."""
        found: dict[str, float] = self._inner().criteria()
        return found

    def table(self, X: Any, lengths: Any = None) -> dict[str, np.ndarray]:
        """As ``HMM.table``."""
        return self._inner().table(X, lengths)

    def decode(self, X: Any, lengths: Any = None, algorithm: str | None = None, *, states: Any = None) -> tuple[float, np.ndarray]:
        """As ``HMM.decode``; the algorithm is by default the estimator's ``algorithm``."""
        return super().decode(X, lengths, algorithm=algorithm or self.algorithm, states=states)

    def sample(self, n_samples: int = 1, random_state: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """As ``HMM.sample``, drawn with ``random_state``; by default the estimator's."""
        return self._draw(n_samples, self.random_state if random_state is None else random_state)

    def get_stationary_distribution(self) -> np.ndarray:
        """Stationary distribution of the transition matrix, (K,)."""
        return self._inner().stationary_distribution()

    def summary(self, errors: bool = False) -> str:
        """The fit in words and numbers, for a person; ``errors``: with what ``standard_errors`` found last."""
        return self._inner().summary(errors)

    def parameters(self) -> dict[str, np.ndarray]:
        """As ``HMM.parameters``."""
        return self._inner().parameters()

    def takes_texts(self) -> bool:
        """As ``HMM.takes_texts``."""
        return self._inner().takes_texts()

    def fit_rows(self, X: Any, weights: Any, labels: Any) -> Self:
        """``fit`` with weights and known states, whatever the model calls them."""
        return self.fit(X, sample_weight=weights, states=labels)

    def check_cells(self, X: Any) -> None:
        """As ``HMM.check_cells``."""
        self._inner().check_cells(X)

    def save(self, path: str | os.PathLike[str]) -> None:
        """As ``HMM.save``."""
        self._inner().save_as(path, self)

    @classmethod
    def _from_saved(cls, saved: Any) -> Self:
        face = cls(**saved.settings)
        face._inner()._take_up(saved)
        return face


@dataclass(kw_only=True, eq=False, repr=False)
class HmmlearnFace(HmmlearnWords):
    """Settings that hmmlearn's faces which maximise likelihood share, beside those of all faces.

    Parameters
    ----------
    prior, startprob_init, transmat_init
        As in ``HMM``; so are ``startprob_prior`` and ``transmat_prior``.
    """

    prior: Any = None
    startprob_init: Any = None
    transmat_init: Any = None

    emission: ClassVar[str]
    letters: ClassVar[dict[str, str]]
    """What the emission's letters in ``params`` and ``init_params`` stand for."""

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), "emission": self.emission, "prior": self.prior}

    def _take_note(self, result: Result, columns: int) -> None:
        cells = result.n_rows * columns
        if result.n_free > cells:
            warn(f"{result.n_free} free parameters for {cells} data points: the data cannot determine them")

    @property
    def _letters(self) -> Letters:
        return {letter: (name,) for letter, name in {"s": "startprob", "t": "transmat", **self.letters}.items()}


def second_lengths(X: Any, second: Any, lengths: Any) -> Any:
    """Lengths by name, or what came second, unless that is scikit-learn's ``y``: an entry for each row, and not all of them 1."""
    if lengths is not None or second is None:
        return lengths
    rows = X.shape[0] if hasattr(X, "shape") and len(X.shape) else len(X) if hasattr(X, "__len__") else len(np.asarray(X))
    values = np.asarray(second)
    target = values.ndim > 0 and len(values) == rows > 1 and (values.dtype.kind not in "iuf" or bool((values != 1).any()))
    return None if target else second
