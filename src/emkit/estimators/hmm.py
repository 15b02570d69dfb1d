"""HMM: hidden Markov models with any emission, scikit-learn style."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from emkit.algorithms.restarts import fit
from emkit.core.block import Block
from emkit.core.errors import DataError, ParameterError
from emkit.core.fit import Problem
from emkit.core.prior import Dirichlet, Prior
from emkit.core.result import Result
from emkit.data.names import check_columns
from emkit.data.sequence_input import Sequences, read_sequences, read_states
from emkit.data.sequences import SequenceSource
from emkit.estimators.base import Face, make_rng
from emkit.estimators.emissions import make_family, to_attributes
from emkit.estimators.hmm_after import AfterTheFit
from emkit.families.given import numbers
from emkit.families.location import mean_and_variance
from emkit.models.hmm.model import HiddenMarkov
from emkit.models.hmm.params import HMMParams
from emkit.models.hmm.recursions import stationary

_CHAIN = ("startprob", "transmat", "endprob")


class HMM(AfterTheFit, Face):
    """Hidden Markov model, fitted by Baum-Welch (expectation-maximization).

    Parameters
    ----------
    n_states : int
        K.
    emission : {"gaussian", "categorical", "bernoulli", "poisson"} or Family
        What a state emits at each step.
    covariance_type : {"diag", "full", "tied", "spherical", "tied-diag", "tied-spherical"}
        Of Gaussian emissions.
    n_mix : int
        Above 1, each state emits a mixture of so many parts (GMM-HMM).
    n_categories : int, optional
        Symbols of categorical emissions; default: the largest seen plus one.
    tie : sequence of int, optional
        For each state the number of its emission distribution: states with the same number share it.
    start : {"free", "stationary"}
        "stationary": the start distribution is the stationary one of the transition matrix.
    end : bool
        Whether sequences end by a transition to an end state (fitted as ``endprob_``).
    startprob_init, transmat_init, endprob_init : array (K,), (K, K), (K,), optional
        Starting values; zeros are structural, they stay.
    means_init, covariances_init, rates_init, probs_init, weights_init : array, optional
        Starting values of emissions, in the shapes of the fitted attributes.
    fixed : dict, optional
        "startprob", "transmat", "endprob", "means", "covariances", "rates", "probs": held at these values. In a "transmat", NaN marks
        entries that are free; a boolean mask holds the marked entries at their ``transmat_init``.
    prior : "weak", None or a Prior
        Of the emissions; "weak" keeps Gaussian states from collapsing and is no prior for other emissions. None: maximum likelihood.
    startprob_prior, transmat_prior : Dirichlet or float, optional
        Numbers are concentrations.
    sticky : float
        Pseudo-counts added to each self-transition.
    sequence, order : str, optional
        Columns of data frames: which sequence a row belongs to, and its place in it.
    gaps : {"error", "missing", "ignore"}
        What a jump in an integer ``order`` column means.
    order_by : "auto", None, or callable
        How states are numbered: "auto" by the mean of the first column, ascending, unless starting values, fixed values, labels or ties
        name the states; None as found; a callable takes the family and its parameters and returns a value for each state.
    tol, max_iter, n_init, init_params, random_state, warm_start, n_jobs, verbose, verbose_interval, monitors, checkpoint
        As in ``GaussianMixture``.

    Attributes
    ----------
    startprob_ (K,), transmat_ (K, K), endprob_ (K,) or None
    means_ (K, d), covariances_, rates_ (K, d), probs_ (K, d) or (K, L), weights_ (K, M)
        Those that the emission has.
    stationary_ : array (K,)
    converged_, n_iter_, result_, n_features_in_, feature_names_in_

    Raises
    ------
    DataError, ParameterError
        (both ValueErrors) naming the sequence, column, row or parameter.

    References
    ----------
    Rabiner (1989), Proc. IEEE 77, 257-286. Zucchini, MacDonald and Langrock (2016), Hidden Markov Models for Time Series.

    Examples
    --------
    >>> import numpy as np
    >>> from emkit import HMM
    >>> rng = np.random.default_rng(0)
    >>> calm, busy = rng.poisson(3, (60, 1)), rng.poisson(12, (60, 1))
    >>> model = HMM(2, emission="poisson", random_state=0).fit(np.concatenate([calm, busy, calm]))
    >>> model.rates_.ravel().round()
    array([ 3., 12.])
    """

    def __init__(
        self,
        n_states: int = 2,
        emission: Any = "gaussian",
        *,
        covariance_type: str = "diag",
        n_mix: int = 1,
        n_categories: Any = None,
        tie: Any = None,
        start: str = "free",
        end: bool = False,
        startprob_init: Any = None,
        transmat_init: Any = None,
        endprob_init: Any = None,
        means_init: Any = None,
        covariances_init: Any = None,
        rates_init: Any = None,
        probs_init: Any = None,
        weights_init: Any = None,
        fixed: Any = None,
        prior: Any = "weak",
        startprob_prior: Any = None,
        transmat_prior: Any = None,
        sticky: float = 0.0,
        sequence: str | None = None,
        order: str | None = None,
        gaps: str = "error",
        order_by: Any = "auto",
        tol: float = 1e-3,
        max_iter: int = 1000,
        n_init: int = 8,
        init_params: str = "auto",
        random_state: Any = None,
        warm_start: bool = False,
        n_jobs: int | None = None,
        verbose: int = 0,
        verbose_interval: int = 10,
        monitors: Any = None,
        checkpoint: Any = None,
    ):
        self.n_states = n_states
        self.emission = emission
        self.covariance_type = covariance_type
        self.n_mix = n_mix
        self.n_categories = n_categories
        self.tie = tie
        self.start = start
        self.end = end
        self.startprob_init = startprob_init
        self.transmat_init = transmat_init
        self.endprob_init = endprob_init
        self.means_init = means_init
        self.covariances_init = covariances_init
        self.rates_init = rates_init
        self.probs_init = probs_init
        self.weights_init = weights_init
        self.fixed = fixed
        self.prior = prior
        self.startprob_prior = startprob_prior
        self.transmat_prior = transmat_prior
        self.sticky = sticky
        self.sequence = sequence
        self.order = order
        self.gaps = gaps
        self.order_by = order_by
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.random_state = random_state
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.monitors = monitors
        self.checkpoint = checkpoint

    # --- data -------------------------------------------------------------------------------------------------------

    def _read(self, X: Any, lengths: Any, *, reset: bool) -> Sequences:
        found = read_sequences(X, lengths, sequence=self.sequence, order=self.order, gaps=self.gaps, every_column=reset)
        if reset:
            self.n_features_in_ = found.x.shape[1]
            if found.names is not None:
                self.feature_names_in_ = np.array(found.names, dtype=object)
            elif hasattr(self, "feature_names_in_"):
                del self.feature_names_in_
        else:
            fitted = getattr(self, "feature_names_in_", None)
            check_columns(
                found.names, found.x.shape[1], None if fitted is None else list(fitted), self.n_features_in_, type(self).__name__
            )
        return found

    def _source(self, found: Sequences, sample_weight: Any = None, states: Any = None) -> SequenceSource:
        weights = _sequence_weights(sample_weight, len(found.lengths))
        evidence = None if states is None else read_states(states, found, int(self.n_states))
        return SequenceSource(found.x, found.lengths, weights, found.names, evidence, checked=True, place=found.place)

    # --- fitting ----------------------------------------------------------------------------------------------------

    def fit(self, X: Any, lengths: Any = None, *, sample_weight: Any = None, states: Any = None) -> Self:
        """Fit to sequences.

        Parameters
        ----------
        X : array (n, d) with ``lengths``, list of arrays (T_s, d), array (S, T, d), or data frame
            NaN or null: a missing cell. A row of NaN: a missing step.
        lengths : list of int, optional
            Of consecutive sequences; default: one sequence.
        sample_weight : array (S,), optional
            One for each sequence; weight 2 means the sequence twice.
        states : array, optional
            What is known of the hidden states: (n,) state numbers, -1 or NaN where unknown; or (n, K), booleans for allowed
            states, or nonnegative numbers proportional to how probable the evidence is under each.
        """
        source = self._source(self._read(X, lengths, reset=True), sample_weight, states)
        model = self._model()
        starts: Any = self.n_init
        if self.warm_start and hasattr(self, "result_"):
            starts = [self.result_.params]
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
        self._adopt(self._ordered(result, source, labelled=states is not None))
        self._report(self.result_)
        return self

    def _inits(self) -> dict[str, Any]:
        names = (*_CHAIN, "means", "covariances", "rates", "probs", "weights")
        return {name: getattr(self, f"{name}_init") for name in names if getattr(self, f"{name}_init") is not None}

    def _everything_given(self) -> bool:
        given = {*self._inits(), *(self.fixed or {})}
        needed = {"startprob", "transmat"} - ({"startprob"} if self.start == "stationary" else set())
        emitted = (
            {"gaussian": {"means", "covariances"}, "poisson": {"rates"}}.get(self.emission, {"probs"})
            if isinstance(self.emission, str)
            else set()
        )
        parts = {"weights"} if self.n_mix != 1 else set()
        return needed <= given and emitted | parts <= given and isinstance(self.emission, str)

    def _model(self) -> HiddenMarkov:
        if self.fixed is not None and not isinstance(self.fixed, Mapping):
            raise ParameterError(f"fixed={self.fixed!r}: give a dict of names and values")
        start, fixed = self._inits(), dict(self.fixed or {})
        for name in _CHAIN:
            if name in fixed:
                fixed[name] = self._masked(name, fixed[name])
        chain = {name: start.pop(name) for name in _CHAIN if name in start}
        held = {name: fixed.pop(name) for name in _CHAIN if name in fixed}
        family = make_family(
            self.emission,
            start=start,
            fixed=fixed,
            prior=self.prior,
            covariance_type=self.covariance_type,
            n_categories=self.n_categories,
            n_mix=int(self.n_mix),
            tie=self.tie,
        )
        return HiddenMarkov(
            family,
            self.n_states,
            self.start,
            self.end,
            _as_dirichlet(self.startprob_prior, "startprob_prior"),
            _as_dirichlet(self.transmat_prior, "transmat_prior"),
            float(numbers(self.sticky, "sticky")),
            held,
            chain,
            self._seeding(),
        )

    def _seeding(self) -> str:
        """How starts guess."""
        return str(self.init_params)

    def _masked(self, name: str, value: Any) -> Any:
        """A boolean mask stands for: these entries, at their starting values."""
        mask = np.asarray(value)
        if mask.dtype != bool:
            return value
        init = getattr(self, f"{name}_init")
        if init is None:
            raise ParameterError(f"fixed[{name!r}] is a mask, so {name}_init must say at which values the entries are held")
        init = np.asarray(init, dtype=np.float64)
        if mask.shape != init.shape:
            raise ParameterError(f"fixed[{name!r}] has shape {mask.shape}, {name}_init {init.shape}")
        return np.where(mask, init, np.nan)

    def _ordered(self, result: Result, source: SequenceSource, *, labelled: bool) -> Result:
        """States in a reproducible order; the log-likelihood is taken again, since another order of sums has other last bits."""
        if self.order_by is None or self.n_states == 1:
            return result
        family, params = result.model.family, result.params
        if callable(self.order_by):
            key = np.asarray(self.order_by(family, params.emissions), dtype=np.float64)
            if key.shape != (self.n_states,) or np.isnan(key).any():
                raise ParameterError(f"order_by must return {self.n_states} numbers, one for each state; it returned {key!r}")
        elif self.order_by == "auto":
            if labelled or self._inits() or self.fixed or self.tie is not None or self.warm_start:
                return result
            try:
                key = mean_and_variance(family, params.emissions)[0][:, 0]
            except ParameterError:
                return result
        else:
            raise ParameterError(f"order_by={self.order_by!r}: give 'auto', None or a function")
        order = np.argsort(key, kind="stable")
        if np.array_equal(order, np.arange(len(order))):
            return result
        model, params = result.model.permuted(order), result.model.permute(params, order)
        step = Problem(model, source, self._executor()).evaluate(params)
        return replace(result, model=model, params=params, log_likelihood=step.log_likelihood, log_prior=step.log_prior)

    def _adopt(self, result: Result) -> None:
        params: HMMParams = result.params
        self.result_ = result
        self.model_ = result.model
        self.startprob_ = params.startprob.copy()
        self.transmat_ = params.transmat.copy()
        self.endprob_ = None if params.endprob is None else params.endprob.copy()
        for name, value in to_attributes(result.model.family, params.emissions).items():
            setattr(self, name, value)
        self.converged_ = result.converged
        self.n_iter_ = result.n_iter

    @property
    def stationary_(self) -> np.ndarray:
        """Stationary distribution of the transition matrix, (K,). Raises ParameterError for a chain with an end state."""
        model, params = self._fitted()
        if model.end:
            raise ParameterError("a chain that ends has no stationary distribution")
        return stationary(params.transmat)

    def _fitted(self) -> tuple[HiddenMarkov, HMMParams]:
        check_is_fitted(self, "result_")
        return self.model_, self.result_.params

    # --- likelihoods ------------------------------------------------------------------------------------------------

    def score(self, X: Any, lengths: Any = None) -> float:
        """Log-likelihood of all sequences together, nats; -inf if one is impossible. On the training data what the fit reported."""
        # Block by block, in their order, as a fit adds them up.
        return float(sum(float(part.sum()) for part in self._block_scores(X, lengths)))

    def sequence_scores(self, X: Any, lengths: Any = None) -> np.ndarray:
        """Log-likelihood of each sequence, (S,)."""
        return np.concatenate(self._block_scores(X, lengths))

    def _block_scores(self, X: Any, lengths: Any) -> list[np.ndarray]:
        model, params = self._fitted()
        source = self._source(self._read(X, lengths, reset=False))

        def one(block: Block) -> np.ndarray:
            return model.sequence_log_likelihoods(params, block)

        return list(self._executor().map(one, source))

    def aic(self, X: Any = None, lengths: Any = None) -> float:
        """-2 log-likelihood + 2 parameters: lower is better. Fixed and structurally zero parameters are not counted."""
        return -2.0 * self._log_likelihood(X, lengths)[0] + 2.0 * self._n_free()

    def bic(self, X: Any = None, lengths: Any = None) -> float:
        """-2 log-likelihood + parameters * ln(steps): lower is better. Without ``X``, of the fit."""
        log_likelihood, steps = self._log_likelihood(X, lengths)
        return -2.0 * log_likelihood + self._n_free() * float(np.log(steps))

    def _n_free(self) -> int:
        model, params = self._fitted()
        return model.n_free(params)

    def _log_likelihood(self, X: Any, lengths: Any) -> tuple[float, float]:
        if X is None:
            check_is_fitted(self, "result_")
            return self.result_.log_likelihood, self.result_.total_weight
        found = self._read(X, lengths, reset=False)
        return self.score(X, lengths), float(len(found.x))

    def summary(self) -> str:
        """The fit in words and numbers, for a person."""
        check_is_fitted(self, "result_")
        from emkit.estimators.summary import hmm_summary

        return hmm_summary(self)


def _as_dirichlet(value: Any, name: str) -> Prior | None:
    if value is None or isinstance(value, Prior):
        return value
    return Dirichlet(numbers(value, name))


def _sequence_weights(weights: Any, count: int) -> np.ndarray | None:
    from emkit.data.validate import check_weights

    if weights is not None and np.ndim(weights) == 1 and len(weights) != count:
        raise DataError(
            f"sample_weight has {len(weights)} entries for {count} sequence(s): one for each sequence, not for each row"
        )
    return check_weights(weights, count)
