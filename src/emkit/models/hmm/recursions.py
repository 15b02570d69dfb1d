"""Forward-backward in NumPy: the twin of ``emkit.kernels.hmm_lanes``, and the log-space version for what underflows.

``forward_backward`` walks all sequences of a block at once, padded to the longest. Rescaled recursions after Rabiner (1989),
Proc. IEEE 77, 257-286, section V.A.
"""

from dataclasses import dataclass

import numpy as np

from emkit.core.bayes import log_sum_exp
from emkit.models.hmm.steps import first_rows

# As in ``emkit.kernels.hmm_lanes``, which says why; here what is lost is cut off, there it is rounded away.
CLIP, _TINY, LOST, _BLOWN_UP = -300.0, 1e-300, 1e-150, 1e100


@dataclass
class Counts:
    """What a block's recursions add up: expected starts (K,), transitions (K, K), ends (K,), and each sequence's log-likelihood."""

    start: np.ndarray
    transitions: np.ndarray
    end: np.ndarray
    log_likelihoods: np.ndarray

    @classmethod
    def empty(cls, k: int, sequences: int) -> "Counts":
        """All zero."""
        return cls(np.zeros(k), np.zeros((k, k)), np.zeros(k), np.zeros(sequences))


def forward_backward(
    log_b: np.ndarray,
    lengths: np.ndarray,
    weights: np.ndarray,
    startprob: np.ndarray,
    transmat: np.ndarray,
    endprob: np.ndarray | None,
    chosen: np.ndarray | None = None,
) -> tuple[Counts, np.ndarray]:
    """Overwrites ``log_b`` (n, K) with posteriors times weights; returns the counts, and which sequences underflowed, bool (S,).

    ``chosen``: the sequences to do; the rows of the others are left alone. If any underflowed, counts are not to be used: start
    over without it.
    """
    k = log_b.shape[1]
    index = np.arange(len(lengths)) if chosen is None else chosen
    counts, redo = Counts.empty(k, len(lengths)), np.zeros(len(lengths), dtype=bool)
    if not len(index):
        return counts, redo
    offsets = first_rows(lengths)[index]
    lengths, weights = lengths[index], weights[index]
    count, longest = len(index), int(lengths.max())
    steps = np.arange(longest)
    inside = np.less(steps, lengths[:, None])
    rows = np.where(inside, offsets[:, None] + steps, 0)
    emission = np.where(inside[:, :, None], log_b[rows], 0.0)
    peak = emission.max(axis=2)
    peak = np.where(np.isfinite(peak), peak, 0.0)
    shifted = emission - peak[:, :, None]
    b = np.where(shifted > CLIP, np.exp(np.maximum(shifted, CLIP)), 0.0)
    alpha, scale = _forward(b, inside, startprob, transmat)
    ending = np.ones(count) if endprob is None else alpha[np.arange(count), lengths - 1] @ endprob
    least = np.minimum(scale.min(axis=1), ending)
    total = (np.log(np.maximum(scale, _TINY)) + peak * inside).sum(axis=1) + np.log(np.maximum(ending, _TINY))
    counts.log_likelihoods[index] = total
    edge = np.ones(k) if endprob is None else endprob
    can_be_in = reachable(startprob, transmat)
    most, lost = np.zeros(count), np.zeros(count, dtype=bool)
    w = np.ones((count, k))
    with np.errstate(over="ignore", invalid="ignore"):  # betas that blow up are what is looked for
        for t in range(longest - 1, -1, -1):
            ends = np.equal(t, lengths - 1)
            beta = np.where(can_be_in, np.where(ends[:, None], edge, w @ transmat.T), 0.0)
            here = inside[:, t]
            meet = (alpha[:, t] * beta).sum(axis=1)
            lost |= here & ~(meet > _TINY)
            inverse = 1.0 / np.maximum(meet, _TINY)
            goes_on = np.where(t < lengths - 1, inverse * weights, 0.0)
            counts.transitions += (alpha[:, t] * goes_on[:, None]).T @ w
            beta *= inverse[:, None]
            w = b[:, t] * beta
            gamma = alpha[:, t] * beta * weights[:, None]
            most = np.where(here, np.fmax(most, beta.max(axis=1)), most)
            log_b[rows[here, t]] = gamma[here]
            if t == 0:
                counts.start += gamma.sum(axis=0)
            counts.end += gamma[ends].sum(axis=0)
        redo[index] = lost | ~((least > _TINY) & (most < _BLOWN_UP * least))
    counts.transitions = expected_transitions(transmat, counts.transitions)
    return counts, redo


def _forward(b: np.ndarray, inside: np.ndarray, startprob: np.ndarray, transmat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Filtered probabilities (S, T, K), and what each step was divided by, (S, T); 1 beyond the end of a sequence."""
    alpha, scale = np.empty_like(b), np.ones(inside.shape)
    now = np.broadcast_to(startprob, b[:, 0].shape) * b[:, 0]
    for t in range(b.shape[1]):
        if t > 0:
            now = (alpha[:, t - 1] @ transmat) * b[:, t]
        scale[:, t] = np.where(inside[:, t], now.sum(axis=1), 1.0)
        share = now / np.maximum(scale[:, t], _TINY)[:, None]
        alpha[:, t] = np.where(share > LOST, share, 0.0)
    return alpha, scale


def expected_transitions(transmat: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """``transmat * pairs``, and zero where a transition is impossible: ``pairs`` is not bounded there."""
    return np.multiply(transmat, pairs, out=np.zeros_like(transmat), where=transmat > 0)


def reachable(startprob: np.ndarray, transmat: np.ndarray) -> np.ndarray:
    """States that the chain can ever be in, bool (K,)."""
    found = np.asarray(startprob) > 0
    step = np.asarray(transmat) > 0
    if found.all() or step.all():
        return np.ones_like(found)
    for _ in range(len(found)):
        more = found | step[found].any(axis=0)
        if np.array_equal(more, found):
            break
        found = more
    return found


def forward_backward_log(
    log_b: np.ndarray, log_start: np.ndarray, log_trans: np.ndarray, log_end: np.ndarray | None
) -> tuple[float, np.ndarray, np.ndarray]:
    """One sequence in log space, which cannot underflow: log-likelihood, posteriors (T, K), expected transitions (K, K).

    A log-likelihood of -inf means that the model cannot produce the sequence; posteriors are then zero.
    """
    n, k = log_b.shape
    nothing = -np.inf, np.zeros((n, k)), np.zeros((k, k))
    alpha, beta = np.empty((n, k)), np.empty((n, k))
    total, log_b = 0.0, log_b.copy()
    for t in range(n):
        reached = log_start if t == 0 else log_sum_exp((alpha[t - 1][:, None] + log_trans).T)
        # The peak over the states that the chain can be in: beside an emission of -1e12 their differences would drown in rounding.
        peak = log_b[t, reached > -np.inf].max(initial=-np.inf)
        if peak == -np.inf:
            return nothing
        log_b[t] -= peak
        alpha[t] = reached + log_b[t]
        norm = float(log_sum_exp(alpha[t]))
        alpha[t] -= norm
        total += peak + norm
    beta[-1] = 0.0 if log_end is None else log_end
    meet = float(log_sum_exp(alpha[-1] + beta[-1]))
    if meet == -np.inf:
        return nothing
    beta[-1] -= meet
    pairs = np.zeros((k, k))
    for t in range(n - 2, -1, -1):
        onward = log_trans + log_b[t + 1] + beta[t + 1]
        beta[t] = log_sum_exp(onward)
        beta[t] -= log_sum_exp(alpha[t] + beta[t])  # each step anew, so that errors do not add up
        pairs += _shares(alpha[t][:, None] + onward)
    return total + meet, np.apply_along_axis(_shares, 1, alpha + beta), pairs


def _shares(logs: np.ndarray) -> np.ndarray:
    """exp(logs), made to add up to 1."""
    shares = np.exp(logs - logs.max())
    return np.asarray(shares / shares.sum())
