"""HMM: hidden Markov models with any emission, scikit-learn style."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np

from emkit.core.bayes import weighted_sum
from emkit.core.block import Block, Source
from emkit.core.columns import Columns
from emkit.core.errors import DataError, ParameterError
from emkit.core.model import Infer, Model
from emkit.data.chunks import is_dask
from emkit.data.labels import read_labels
from emkit.data.sequence_input import Sequences, read_sequences
from emkit.data.sequences import SequenceSource
from emkit.data.validate import check_weights
from emkit.estimators.emissions import make_family
from emkit.estimators.face import Face
from emkit.estimators.hmm_after import AfterTheFit, sequences_by_key
from emkit.estimators.hmm_streams import InFiles
from emkit.estimators.partial import PartialSequences
from emkit.estimators.sequence_streaming import is_sequence_stream, read_sequence_stream
from emkit.models.hmm.chain import check_rows
from emkit.models.hmm.model import HiddenMarkov
from emkit.models.hmm.stationary import stationary
from emkit.selection.criteria import bic_price


@dataclass(eq=False, repr=False)
class HMM(PartialSequences, InFiles, AfterTheFit, Face):
    """Hidden Markov model, fitted by Baum-Welch (expectation-maximization).

    Parameters
    ----------
    n_states : int
        K.
    emission : {"gaussian", "categorical", "poisson", "gamma", "student_t", ...} or Family
        What a state emits at each step: a family, or the lower-case name of one.
    covariance_type : {"diag", "full", "tied", "spherical", "tied-diag", "tied-spherical"}
        The shape of the covariances of Gaussian emissions.
    n_mix : int
        Above 1, each state emits a mixture of ``n_mix`` parts (GMM-HMM).
    n_categories : int, optional
        The number of symbols of categorical emissions. By default it is the largest symbol seen plus one, or the number of
        levels of a column of text or categories.
    n_trials : int, optional
        What every row of multinomial emissions adds up to; default: each row its own sum. See ``emkit.Multinomial``.
    tie : sequence of int, optional
        For each state the number of its emission distribution: states with the same number share it.
    start : {"free", "stationary"}
        "stationary": the start distribution is the stationary one of the transition matrix.
    end : bool
        Whether sequences end by a transition to an end state (fitted as ``endprob_``).
    startprob_init, transmat_init, endprob_init : array (K,), (K, K), (K,), optional
        Starting values, as in ``init``; zeros are structural: they stay zero.
    means_init, covariances_init, rates_init, probs_init, weights_init : array, optional
        Starting values of emissions, in the shapes of the fitted attributes.
    prior : "weak", None or a Prior
        The prior of the emissions. "weak" keeps Gaussian states from collapsing and is no prior for other emissions; None is
        maximum likelihood.
    startprob_prior, transmat_prior : Dirichlet or float, optional
        Priors of the start distribution and of each row of transitions; numbers are concentrations.
    sticky : float
        Pseudo-counts added to each self-transition.
    sequence, order : str, optional
        Columns of data frames: which sequence a row belongs to, and its place in it.
    gaps : {"error", "missing", "ignore"}
        What a jump in an integer ``order`` column means.
    unseen : {"error", "missing"}
        What a level of a category that was not there in the fit means.
    init, fixed, order_by, tol, max_iter, algorithm, n_init, init_params, random_state, warm_start, n_jobs
        As in every estimator: ``emkit.estimators.settings.Settings``. The parameters are "startprob", "transmat", "endprob" and
        those of the emission: "means", "covariances", "rates", "probs", "weights".
    verbose, verbose_interval, monitors, checkpoint
        Likewise.

    Attributes
    ----------
    startprob_ (K,), transmat_ (K, K), endprob_ (K,) or None
    means_ (K, d), covariances_, rates_ (K, d), probs_ (K, d) or (K, L), weights_ (K, M)
        Those that the emission has.
    stationary_ : array (K,)
    converged_, n_iter_, result_, n_features_in_, feature_names_in_

    Attributes may be set by hand, after a fit or instead of one; they are checked when they are used.

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

    size_setting = "n_states"
    labels_word = "states"
    reading_settings = ("sequence", "order", "gaps", "unseen")

    n_states: int = 2
    emission: Any = "gaussian"
    _: KW_ONLY
    covariance_type: str = "diag"
    n_mix: int = 1
    n_categories: Any = None
    n_trials: int | None = None
    tie: Any = None
    start: str = "free"
    end: bool = False
    startprob_init: Any = None
    transmat_init: Any = None
    endprob_init: Any = None
    means_init: Any = None
    covariances_init: Any = None
    rates_init: Any = None
    probs_init: Any = None
    weights_init: Any = None
    prior: Any = "weak"
    startprob_prior: Any = None
    transmat_prior: Any = None
    sticky: float = 0.0
    sequence: str | None = None
    order: str | None = None
    gaps: str = "error"
    unseen: str = "error"
    order_by: Any = "auto"

    def build(self, columns: Columns | None) -> Model:
        """A HiddenMarkov over the family of the emission."""
        family = make_family(
            self.emission,
            n_mix=self.n_mix,
            tie=self.tie,
            covariance_type=self.covariance_type,
            n_categories=self.n_categories,
            n_trials=self.n_trials,
            prior=self.prior,
        )
        return self._with_values(
            HiddenMarkov(
                family,
                self.n_states,
                start=self.start,
                end=self.end,
                startprob_prior=self.startprob_prior,
                transmat_prior=self.transmat_prior,
                sticky=self.sticky,
                seeding=self.init_params,
            )
        )

    # --- data ---------------------------------------------------------------------------------------------------------

    def _read(self, X: Any, lengths: Any, *, like: Columns | None = None) -> Sequences:
        if is_dask(X):
            raise DataError(
                "a sequence may go on from one partition of a Dask collection to another; write it to a folder of Parquet, sorted, "
                "and give the path; or compute() it, if it fits in memory"
            )
        return read_sequences(
            X,
            lengths,
            sequence=self.sequence,
            order=self.order,
            gaps=self.gaps,
            like=like,
            unseen=self.unseen,
            every_column=like is None,
        )

    def _new(self, X: Any, lengths: Any) -> Sequences:
        """New sequences, compared with the columns of the fit."""
        self._current()
        if is_sequence_stream(X):
            raise ParameterError("this needs the sequences in memory: read some of them at a time, as arrays or data frames")
        found = self._read(X, lengths, like=self.columns_)
        self._check_columns(found.columns)
        return found

    def _source(self, found: Sequences, sample_weight: Any = None, states: Any = None) -> SequenceSource:
        evidence = None
        if states is not None:
            rows = len(found.x) if found.position is None else len(found.position)
            known = read_labels(states, rows, self.build(found.columns).n_hidden or 1, "states")
            evidence = found.arrange(known, -1 if known.ndim == 1 else 1.0)
        return SequenceSource(
            found.x,
            found.lengths,
            _sequence_weights(sample_weight, found),
            found.columns,
            evidence,
            checked=True,
            place=found.place,
            user_row=found.user_row,
        )

    # --- fitting ------------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, *, lengths: Any = None, sample_weight: Any = None, states: Any = None) -> Self:
        """Fit to sequences.

        Parameters
        ----------
        X : array (n, d) with ``lengths``, list of arrays (T_s, d), array (S, T, d), data frame, path or stream
            NaN or null marks a missing cell, a row of NaN a missing step. What stays in files (see ``emkit.stream``) is read block
            by block in each pass; its ``sequence`` column says which rows belong together, and these stand together, in order.
        y : not used
            scikit-learn's pipelines pass it. It is refused if it has neither an entry for each row nor one for each sequence, since
            it is then most likely lengths.
        lengths : list of int, optional
            Of consecutive sequences; default: one sequence.
        sample_weight : array (S,), optional
            One for each sequence; weight 2 means the sequence twice. Or one for each row, the same throughout each sequence.
        states : array, optional
            What is known of the hidden states: (n,) state numbers, -1 or NaN where unknown; or (n, K), booleans for allowed
            states, or nonnegative numbers proportional to how probable the evidence is under each.

        Raises
        ------
        DataError, ParameterError
            Naming the sequence, column, row or parameter; an earlier fit is left as it was.
        """
        if is_sequence_stream(X):
            source, width = self._for_fit(X, sample_weight, lengths=lengths, states=states)
            with sequences_by_key(source):
                return self._fit(source, width)
        found = self._read(X, lengths)
        _refuse_lengths(y, found)
        source = self._source(found, sample_weight, states)
        with sequences_by_key(found):
            return self._fit(source, source.x.dtype.type)

    def _for_fit(self, X: Any, sample_weight: Any = None, *, lengths: Any = None, states: Any = None) -> tuple[Source, Any]:
        """Validated sequences with what is known of them, and the width of the data."""
        if is_sequence_stream(X):
            streamed = read_sequence_stream(self, X, sample_weight, lengths=lengths, states=states)
            return streamed, streamed.width
        source = self._source(self._read(X, lengths), sample_weight, states)
        return source, source.x.dtype.type

    def _again(self, X: Any, sample_weight: Any = None, lengths: Any = None, states: Any = None) -> Any:
        """The data of the fit, read again."""
        if is_sequence_stream(X):
            self._current()
            there = read_sequence_stream(self, X, sample_weight, self.columns_, lengths=lengths, states=states)
            self._check_columns(there.columns)
            return there
        return self._source(self._new(X, lengths), sample_weight, states)

    def fit_rows(self, X: Any, weights: Any, labels: Any) -> Self:
        """``fit`` with weights and known states, whatever the model calls them."""
        return self.fit(X, sample_weight=weights, states=labels)

    def key_columns(self) -> dict[str, str]:
        """The sequence and the order column, if there are any."""
        return {role: str(name) for role, name in (("sequence", self.sequence), ("order", self.order)) if name is not None}

    def check_cells(self, X: Any) -> None:
        """Raise DataError for the first cell that no state can emit."""
        self._current().model.check(self._again(X))

    @property
    def endprob_(self) -> np.ndarray | None:
        """Probability of the end after each state, (K,); None without an end state."""
        value: np.ndarray | None = self._value("endprob")
        return value

    @endprob_.setter
    def endprob_(self, value: Any) -> None:
        if value is not None:
            self._set_value("endprob", value)

    @property
    def stationary_(self) -> np.ndarray:
        """Stationary distribution of the transition matrix, (K,). Raises ParameterError for a chain with an end state."""
        return self.stationary_distribution()

    def stationary_distribution(self) -> np.ndarray:
        """``stationary_``. Raises NotFittedError before a fit, unless ``transmat_`` was set."""
        if self.end:
            raise ParameterError("a chain that ends has no stationary distribution", parameter="end")
        if "result_" not in self.__dict__ and self._value("transmat") is not None:  # set by hand: it needs nothing else
            k = int(self.n_states)
            return stationary(check_rows(self._value("transmat"), (k, k), "transmat_"))
        return stationary(self._hypothesis()[1].transmat)

    # --- likelihoods --------------------------------------------------------------------------------------------------

    def score(self, X: Any, y: Any = None, *, lengths: Any = None, sample_weight: Any = None) -> float:
        """Log-likelihood of all sequences together, nats; -inf if one is impossible. On the training data what the fit reported.

        ``X``, ``sample_weight``: as in ``fit``.
        """
        if is_sequence_stream(X):
            return self._score_of(self._again(X, sample_weight, lengths))
        found = self._new(X, lengths)
        _refuse_lengths(y, found)
        return self._score(found, sample_weight)

    def _score(self, found: Sequences, sample_weight: Any = None) -> float:
        return self._score_of(self._source(found, sample_weight))

    def _score_of(self, source: Source) -> float:
        # Block by block, in their order, as a fit adds them up.
        infer = Infer(*self._hypothesis(), "log_likelihood")

        def one(block: Block) -> float:
            return weighted_sum(infer(block).log_likelihood, block.weights)

        return float(sum(self._executor().map(one, source)))

    def sequence_scores(self, X: Any, lengths: Any = None) -> np.ndarray:
        """Log-likelihood of each sequence, (S,)."""
        infer = Infer(*self._hypothesis(), "log_likelihood")

        def one(block: Block) -> np.ndarray:
            return np.asarray(infer(block).log_likelihood)

        return np.concatenate(list(self._executor().map(one, self._again(X, lengths=lengths))))

    def aic(self, X: Any = None, lengths: Any = None) -> float:
        """-2 log-likelihood + 2 parameters: lower is better. Fixed and structurally zero parameters are not counted."""
        return self._criterion(2.0, self._likelihood_of(X, lengths)[0])

    def bic(self, X: Any = None, lengths: Any = None) -> float:
        """-2 log-likelihood + parameters * ln(steps): lower is better. Without ``X``, of the fit."""
        log_likelihood, steps = self._likelihood_of(X, lengths)
        return self._criterion(bic_price(steps), log_likelihood)

    def _likelihood_of(self, X: Any, lengths: Any) -> tuple[float, float]:
        if X is None:
            return self._of_the_fit()
        if is_sequence_stream(X):
            source = self._again(X, lengths=lengths)
            return self._score_of(source), float(source.n_rows)
        found = self._new(X, lengths)
        return self._score(found), float(len(found.x))


def _refuse_lengths(y: Any, found: Sequences) -> None:
    """Raise DataError if ``y`` cannot be what scikit-learn means by it: hmmlearn's scripts give lengths there."""
    rows = len(found.x) if found.position is None else len(found.position)
    if y is not None and np.ndim(y) > 0 and len(y) not in (rows, len(found.lengths)):
        raise DataError(
            f"y has {len(y)} entries for {rows} rows; y is not used, but if these are lengths of sequences, say lengths=...",
            parameter="lengths",
        )


def _sequence_weights(weights: Any, found: Sequences) -> np.ndarray | None:
    """One weight for each sequence, from that or from one for each row."""
    count = len(found.lengths)
    rows = len(found.x) if found.position is None else len(found.position)
    if weights is None or np.ndim(weights) != 1 or len(weights) == count:
        return check_weights(weights, count)
    if len(weights) != rows:
        raise DataError(f"sample_weight has {len(weights)} entries for {count} sequence(s) of {rows} rows: one for each sequence")
    given = np.asarray(check_weights(weights, rows))
    belongs = np.repeat(np.arange(count), found.lengths)[slice(None) if found.position is None else found.position]
    first = np.unique(belongs, return_index=True)[1]
    each = given[first]
    other = np.flatnonzero(given != each[belongs])
    if len(other):
        row, s = int(other[0]), int(belongs[other[0]])
        who = f"sequence {s if found.keys is None else found.keys[s]!r}"
        raise DataError(
            f"sample_weight: a sequence has one weight, the same in all its rows; {who} has {each[s]:g} and {given[row]:g} "
            f"(row {row})",
            row=row,
            sequence=s,
        )
    return each
