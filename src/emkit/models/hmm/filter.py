"""Filtering: what is known about the state at each step from that step and the ones before it, in bulk or on a stream."""

from dataclasses import dataclass

import numpy as np

from emkit.core.bayes import log_sum_exp
from emkit.core.errors import DataError, ImpossibleSequenceError
from emkit.models.hmm.params import HMMParams
from emkit.models.hmm.steps import check_steps, first_rows, forward_walk, log_chain, worth_one_pass


def filter_probabilities(params: HMMParams, log_b: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """P(state at t | x_1, ..., x_t): the normalised forward variables (Rabiner 1989, eq. 91 ff.).

    That a sequence ends is knowledge about the future: end probabilities play no part, except that the sequence has not ended
    before t.

    Parameters
    ----------
    params : HMMParams
    log_b : array of shape (n, K)
        Log emission probabilities of all steps; may hold -inf.
    lengths : int array of shape (S,)
        Steps of each sequence, adding up to n.

    Returns
    -------
    array of shape (n, K)
        Rows add up to 1.

    Raises
    ------
    DataError
        If shapes do not fit.
    ImpossibleSequenceError
        For the first sequence with probability zero.
    """
    log_b, lengths = check_steps(params, log_b, lengths)
    return np.asarray(np.exp(log_filter(params, log_b, lengths)))


def predictive_weights(params: HMMParams, log_b: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """P(state at t | x_1, ..., x_{t-1}): the filter one step ahead, given that the sequence has not ended; at first
    steps the start distribution.

    The weights of the forecast distribution of x_t (Zucchini, MacDonald & Langrock 2016, section 5.3). Arguments and exceptions are
    those of ``filter_probabilities``; returns an array of shape (n, K).
    """
    filtered = filter_probabilities(params, log_b, lengths)
    firsts = first_rows(np.asarray(lengths, dtype=np.int64))
    out = np.empty_like(filtered)
    out[1:] = filtered[:-1] @ params.transmat
    out[firsts] = params.startprob
    total = out.sum(axis=1, keepdims=True)
    return np.asarray(out / np.where(total > 0, total, 1.0))


def log_filter(params: HMMParams, log_b: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Logarithm of ``filter_probabilities``, (n, K): exact where probabilities underflow.

    Arguments as ``check_steps`` returns them.
    """
    if not worth_one_pass(lengths, log_b.shape[1]):
        return _log_filter_numpy(params, log_b, lengths)
    from emkit.kernels.hmm_filter import filter_log

    log_start, log_trans, _ = log_chain(params)
    out = log_b.copy()
    transposed = np.ascontiguousarray(log_trans.T)
    impossible = filter_log(out, first_rows(lengths), lengths, log_start, np.ascontiguousarray(params.transmat), transposed)
    if impossible >= 0:
        raise ImpossibleSequenceError(int(impossible))
    return out


def _log_filter_numpy(params: HMMParams, log_b: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    log_start, log_trans, _ = log_chain(params)
    out = np.empty_like(log_b)
    for t, rows in enumerate(forward_walk(lengths)):
        reached = log_start if t == 0 else log_sum_exp(out[rows - 1][:, None, :] + log_trans.T)
        joint = reached + log_b[rows]
        norm = log_sum_exp(joint)
        if (norm == -np.inf).any():
            ends = np.cumsum(lengths)
            raise ImpossibleSequenceError(int(np.searchsorted(ends, rows[norm == -np.inf].min(), side="right")))
        out[rows] = np.minimum(joint - norm[:, None], 0.0)
    return out


@dataclass(frozen=True)
class FilterState:
    """All that a filter remembers of a stream.

    Attributes
    ----------
    steps : int
        Steps seen so far.
    log_likelihood : float
        Log probability of those steps.
    log_probabilities : array of shape (K,)
        log P(state at the last step | steps so far); before the first step, of the state it will be in.
    """

    steps: int
    log_likelihood: float
    log_probabilities: np.ndarray

    @property
    def probabilities(self) -> np.ndarray:
        """``log_probabilities``, exponentiated."""
        return np.asarray(np.exp(self.log_probabilities))


def filter_start(params: HMMParams) -> FilterState:
    """The filter of a stream of which nothing has been seen yet."""
    return FilterState(0, 0.0, log_chain(params)[0])


def filter_step(params: HMMParams, state: FilterState, log_b_row: np.ndarray) -> FilterState:
    """The filter one step on. O(K^2), in log space throughout, so that it cannot underflow.

    Parameters
    ----------
    params : HMMParams
    state : FilterState
        From ``filter_start`` or the step before; it is not changed.
    log_b_row : array of shape (K,)
        Log emission probabilities of the new step; zeros if it was not observed.

    Raises
    ------
    DataError
        If no state that can be reached can emit the step, or ``log_b_row`` has another shape or holds NaN. ``state`` remains
        usable.
    """
    row = np.asarray(log_b_row, dtype=np.float64)
    k = len(params.startprob)
    if row.shape != (k,) or np.isnan(row).any():
        raise DataError(f"step {state.steps}: expected {k} log emission probabilities, not NaN, got {row!r}")
    joint = log_predictive(params, state) + row
    norm = float(log_sum_exp(joint))
    if norm == -np.inf:
        raise DataError(
            f"step {state.steps} has probability zero: it is impossible in every state that can be reached; "
            "pass zeros to treat it as missing, or begin again with filter_start"
        )
    return FilterState(state.steps + 1, state.log_likelihood + norm, np.minimum(joint - norm, 0.0))


def log_predictive(params: HMMParams, state: FilterState) -> np.ndarray:
    """Log P(next step is taken, in state j | steps so far), (K,): its sum falls short of 1 by the probability of ending."""
    if state.steps == 0:
        return state.log_probabilities
    return log_sum_exp(state.log_probabilities + log_chain(params)[1].T)
