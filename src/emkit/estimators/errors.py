"""How sure a fit is: standard errors, intervals and profiles of every estimator."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from emkit.core.block_source import BlockSource
from emkit.core.checks import count, one_of
from emkit.core.errors import ParameterError
from emkit.core.result import Result
from emkit.data.stream import is_stream
from emkit.estimators.settings import make_rng
from emkit.execute.threads import available_cores
from emkit.inference.nested import LikelihoodRatio, nested_test
from emkit.inference.profile import Profile
from emkit.inference.standard_errors import METHODS, StandardErrors

_BOOTSTRAPS = ("bootstrap", "parametric bootstrap")


class Compared:
    """Part of every estimator that maximises a likelihood."""

    def compare_lr_test(self: Any, smaller: Any) -> LikelihoodRatio:
        """Likelihood-ratio test against a special case of this model, fitted to the same data.

        A special case has something fixed, or equal, that is free here: other ``fixed``, a narrower ``covariance_type``, fewer
        covariates. For numbers of components there is ``emkit.likelihood_ratio_test``.

        Parameters
        ----------
        smaller : fitted estimator

        Returns
        -------
        LikelihoodRatio
            ``statistic``, ``df``, ``p``.

        Raises
        ------
        ParameterError
            For models of other kinds, with other numbers of components or fitted to other data; for variational fits.

        Notes
        -----
        Wilks (1938), Annals of Mathematical Statistics 9, 60-62. Where what is tested lies at an edge, such as a variance or
        probability of 0, p is too large (for one such parameter, twice what it should be). Priors are left out of the statistic.
        """
        if not isinstance(smaller, Compared):
            raise ParameterError(f"smaller={smaller!r}: give a fitted estimator that maximises a likelihood", parameter="smaller")
        other: Any = smaller
        return nested_test(other._compared(), self._compared())

    def _compared(self: Any) -> Result:
        """The fit. Raises NotFittedError."""
        found: Result = self._current()
        return found


class HasErrors(Compared):
    """Part of every estimator. You implement ``_again``: the data of the fit as a source, read with the columns of the fit."""

    _again: Callable[..., BlockSource]

    def standard_errors(
        self: Any,
        X: Any,
        sample_weight: Any = None,
        *,
        method: str = "observed",
        n_replicates: int = 200,
        random_state: Any = None,
        n_jobs: int | None = None,
        **fit_params: Any,
    ) -> StandardErrors:
        """Standard errors of all parameters, in the shapes that users see.

        Parameters
        ----------
        X : array or data frame
            The data of the fit.
        sample_weight : array, optional
            As in the fit.
        method : {"observed", "sandwich", "bootstrap", "parametric bootstrap"}
            "observed": inverse of the observed information, priors included. "sandwich": holds where the model is not that of the
            data; by sequence in models of sequences. "bootstrap": of rows (or sequences) drawn with replacement. "parametric
            bootstrap": of data drawn from the model.
        n_replicates : int
            Of a bootstrap: data sets that are drawn and fitted, each from where the fit ended.
        random_state : int, RandomState, Generator or None
            Of a bootstrap; None: the estimator's own.
        n_jobs : int, optional
            Processes of a bootstrap of small data; None: all cores. The outcome does not depend on it.
        **fit_params
            What else ``fit`` was told: ``labels``, ``lengths``, ``states``, ``groups``.

        Returns
        -------
        StandardErrors
            ``errors`` and ``estimates`` by name, ``conf_int(level)``, ``test(contrast)``; print it for a table.

        Raises
        ------
        ParameterError
            For an unknown method; for a variational fit, which has a spread of its own.
        DataError
            As ``fit`` does.

        References
        ----------
        Oakes (1999), JRSS B 61, 479-482. White (1982), Econometrica 50, 1-25. McLachlan and Peel (2000), Finite Mixture Models,
        sections 2.15 and 2.16.
        """
        one_of(method, (*METHODS, *_BOOTSTRAPS), "method")
        current: Result = self._current()
        source = self._again(X, sample_weight=sample_weight, **fit_params)
        if method in METHODS:
            found = self._by_information(current, source, method)
        else:
            from emkit.inference.bootstrap import bootstrap

            if is_stream(X):
                raise ParameterError("a bootstrap draws from rows in memory: give an array or a data frame", parameter="X")
            if count(n_replicates, "n_replicates") < 20:
                raise ParameterError(f"n_replicates={n_replicates}: give at least 20", parameter="n_replicates")
            found = bootstrap(
                current.model, current.params, source, parametric=method == _BOOTSTRAPS[1], times=n_replicates,
                executor=self._executor(), rng=make_rng(self.random_state if random_state is None else random_state),
                n_jobs=available_cores() if n_jobs in (None, -1) else count(n_jobs, "n_jobs"),
                max_iter=max(int(self.max_iter), 1),
            )  # fmt: skip
        self.__dict__["_sure"] = (current, found)
        return found

    def _by_information(self: Any, current: Result, source: BlockSource, method: str) -> StandardErrors:
        """Of the fit, from its data; equal rows as one with their weight, unless their scores are to be squared."""
        from emkit.inference.standard_errors import standard_errors

        rows = source.distinct() if method == "observed" else source
        return standard_errors(current.model, current.params, rows, self._executor(), method)

    def conf_int(self: Any, X: Any, sample_weight: Any = None, *, level: float = 0.95, **how: Any) -> dict[str, np.ndarray]:
        """Intervals of all parameters, (..., 2) by name: ``standard_errors(X, ...).conf_int(level)``."""
        found: StandardErrors = self.standard_errors(X, sample_weight, **how)
        return found.conf_int(level)

    def profile(
        self: Any, X: Any, name: str, index: Any = (), sample_weight: Any = None, *, level: float = 0.95, **fit_params: Any
    ) -> Profile:
        """The profile likelihood of one entry of one parameter, and the interval of values that it does not refuse.

        Parameters
        ----------
        X : array or data frame
            The data of the fit.
        name : str
            Of the parameter, such as "means".
        index : int or tuple of int
            The entry, such as ``(0, 1)``.
        sample_weight : array, optional
        level : float
        **fit_params
            As in ``standard_errors``.

        Raises
        ------
        ParameterError
            For an entry that is not there or is held, and where the model does not let an entry be held by itself.
        """
        from emkit.inference.profile import check_place, profile

        current: Result = self._current()
        place = tuple(index) if isinstance(index, tuple | list) else (int(index),)
        check_place(current.model.shown(current.params), name, place)
        source = self._again(X, sample_weight=sample_weight, **fit_params)
        errors = self._by_information(current, source, "observed")
        self.__dict__["_sure"] = (current, errors)
        step = float(errors[name][place])
        if not np.isfinite(step) or step <= 0:
            raise ParameterError(f"{name}{list(place)} is fixed, at an edge or not identified: it has no profile", parameter=name)
        scale = str(errors.scales[name][place])
        bounds = {"log": (0.0, np.inf), "logit": (0.0, 1.0)}.get(scale, (-np.inf, np.inf))
        return profile(
            current.model, current.params, source, name, place, self._executor(), step=step, level=level, bounds=bounds,
        )  # fmt: skip

    def standard_errors_of_rows(self: Any, X: Any, weights: Any, labels: Any, **how: Any) -> StandardErrors:
        """``standard_errors`` with weights and known labels, whatever the model calls them."""
        known = {} if labels is None else {self.labels_word: labels}
        found: StandardErrors = self.standard_errors(X, sample_weight=weights, **known, **how)
        return found

    def _errors_in_words(self: Any, result: Result) -> list[str]:
        """Lines of the summary with the standard errors that were asked for last. Raises ParameterError if none were."""
        last = self.__dict__.get("_sure")
        if last is None or last[0] is not result:
            raise ParameterError("the data are needed for standard errors: call standard_errors(X) first", parameter="errors")
        return ["", *str(last[1]).splitlines()]


class ErrorsWithTarget(HasErrors):
    """Part of estimators with a target, which comes after ``X`` as in ``fit`` and ``score``."""

    def standard_errors(  # type: ignore[override]
        self: Any, X: Any, y: Any = None, sample_weight: Any = None, **how: Any
    ) -> StandardErrors:
        """Standard errors of all parameters, in the shapes that users see.

        Parameters
        ----------
        X : array or data frame
            Inputs of the fit.
        y : array or column of shape (n,)
            Its target.
        sample_weight : array, optional
            As in the fit.
        **how
            ``method``, ``n_replicates``, ``random_state``, ``n_jobs``, as ``GaussianMixture.standard_errors`` has them, and what
            else ``fit`` was told.

        Raises
        ------
        ParameterError, DataError
            As that one does, and where there is no target.
        """
        return HasErrors.standard_errors(self, X, sample_weight, y=y, **how)

    def conf_int(  # type: ignore[override]
        self: Any, X: Any, y: Any = None, sample_weight: Any = None, *, level: float = 0.95, **how: Any
    ) -> dict[str, np.ndarray]:
        """Intervals of all parameters, (..., 2) by name: ``standard_errors(X, y, ...).conf_int(level)``."""
        found: StandardErrors = self.standard_errors(X, y, sample_weight, **how)
        return found.conf_int(level)

    def profile(  # type: ignore[override]
        self: Any,
        X: Any,
        y: Any,
        name: str,
        index: Any = (),
        sample_weight: Any = None,
        *,
        level: float = 0.95,
        **fit_params: Any,
    ) -> Profile:
        """The profile likelihood of one entry of one parameter, as ``GaussianMixture.profile``, with the target after ``X``."""
        return HasErrors.profile(self, X, name, index, sample_weight, level=level, y=y, **fit_params)


class ErrorsOfInner(Compared):
    """Part of faces with an estimator inside that does the work; parameters have the names of that one."""

    _inner: Callable[[], Any]
    labels_word: ClassVar[str] = "states"

    def _compared(self) -> Result:
        found: Result = self._inner()._compared()
        return found

    def standard_errors_of_rows(self, X: Any, weights: Any, labels: Any, **how: Any) -> StandardErrors:
        """As ``HMM``'s."""
        found: StandardErrors = self._inner().standard_errors_of_rows(X, weights, labels, **how)
        return found

    def standard_errors(self, X: Any, lengths: Any = None, sample_weight: Any = None, **how: Any) -> StandardErrors:
        """As ``HMM.standard_errors``."""
        found: StandardErrors = self._inner().standard_errors(X, sample_weight, lengths=lengths, **how)
        return found

    def conf_int(
        self, X: Any, lengths: Any = None, sample_weight: Any = None, *, level: float = 0.95, **how: Any
    ) -> dict[str, np.ndarray]:
        """As ``HMM.conf_int``."""
        return self.standard_errors(X, lengths, sample_weight, **how).conf_int(level)

    def profile(self, X: Any, name: str, index: Any = (), lengths: Any = None, sample_weight: Any = None, **how: Any) -> Profile:
        """As ``HMM.profile``."""
        found: Profile = self._inner().profile(X, name, index, sample_weight, lengths=lengths, **how)
        return found
