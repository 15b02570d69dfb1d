"""Forward-backward in NumPy: the twin of ``emkit.kernels.hmm``, and the log-space version for what underflows.

``forward_backward`` walks all sequences of a block at once, padded to the longest. Rescaled recursions after Rabiner (1989), Proc. IEEE
77, 257-286, section V.A.
"""

from dataclasses import dataclass

import numpy as np

from emkit.core.model import log_sum_exp

_CLIP, _RARE = -300.0, 1e-9  # as in the kernel


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
    *,
    posteriors: bool = True,
) -> tuple[Counts, np.ndarray]:
    """Overwrites ``log_b`` (n, K) with posteriors times weights; returns the counts and which sequences are to be redone in log space."""
    k = log_b.shape[1]
    count = len(lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    longest = int(lengths.max())
    counts = Counts.empty(k, count)
    inside: np.ndarray = np.arange(longest) < lengths[:, None]
    rows = np.where(inside, offsets[:, None] + np.arange(longest), 0)
    emission = np.where(inside[:, :, None], log_b[rows], 0.0)
    peak = emission.max(axis=2)
    peak = np.where(np.isfinite(peak), peak, 0.0)
    shifted = emission - peak[:, :, None]
    clipped = ((shifted < _CLIP) & np.isfinite(shifted)).any(axis=(1, 2))
    b = np.where(shifted > _CLIP, np.exp(np.maximum(shifted, _CLIP)), 0.0)
    alpha = np.empty_like(b)
    scale = np.ones((count, longest))
    now = np.broadcast_to(startprob, (count, k)) * b[:, 0]
    for t in range(longest):
        if t > 0:
            now = (alpha[:, t - 1] @ transmat) * b[:, t]
        scale[:, t] = np.where(inside[:, t], now.sum(axis=1), 1.0)
        alpha[:, t] = now / np.maximum(scale[:, t], 1e-300)[:, None]
    last = np.arange(count), lengths - 1
    ending = np.ones(count) if endprob is None else alpha[last] @ endprob
    least = np.minimum(scale.min(axis=1), ending)
    redo = (least <= 1e-300) | (clipped & (least < _RARE))
    counts.log_likelihoods[:] = (np.log(np.maximum(scale, 1e-300)) + peak * inside).sum(axis=1)
    counts.log_likelihoods += np.log(np.maximum(ending, 1e-300))
    if not posteriors:
        return counts, redo
    weights = np.where(redo, 0.0, weights)
    edge = np.ones(k) if endprob is None else endprob
    w = np.ones((count, k))
    for t in range(longest - 1, -1, -1):
        ends = np.equal(t, lengths - 1)
        beta = np.where(ends[:, None], edge, w @ transmat.T)
        # Zero for a sequence to be redone: its alpha may be zero, and 1 / 1e-300 step after step would overflow.
        inverse = np.where(redo, 0.0, 1.0 / np.maximum((alpha[:, t] * beta).sum(axis=1), 1e-300))
        goes_on = np.where(t < lengths - 1, inverse * weights, 0.0)
        counts.transitions += (alpha[:, t] * goes_on[:, None]).T @ w
        beta *= inverse[:, None]
        w = b[:, t] * beta
        gamma = alpha[:, t] * beta * weights[:, None]
        here = inside[:, t] & ~redo
        log_b[rows[here, t]] = gamma[here]
        if t == 0:
            counts.start += gamma[here].sum(axis=0)
        counts.end += gamma[ends & ~redo].sum(axis=0)
    counts.transitions *= transmat
    return counts, redo


def forward_backward_log(
    log_b: np.ndarray, log_start: np.ndarray, log_trans: np.ndarray, log_end: np.ndarray | None
) -> tuple[float, np.ndarray, np.ndarray]:
    """One sequence in log space, which cannot underflow: log-likelihood, posteriors (T, K), expected transitions (K, K).

    A log-likelihood of -inf means that the model cannot produce the sequence; posteriors are then zero.
    """
    n, k = log_b.shape
    alpha, beta = np.empty((n, k)), np.empty((n, k))
    alpha[0] = log_start + log_b[0]
    for t in range(1, n):
        alpha[t] = log_sum_exp((alpha[t - 1][:, None] + log_trans).T) + log_b[t]
    beta[-1] = 0.0 if log_end is None else log_end
    for t in range(n - 2, -1, -1):
        beta[t] = log_sum_exp(log_trans + log_b[t + 1] + beta[t + 1])
    total = float(log_sum_exp(alpha[-1] + beta[-1]))
    if total == -np.inf:
        return total, np.zeros((n, k)), np.zeros((k, k))
    gamma = np.exp(alpha + beta - total)
    pairs = np.zeros((k, k))
    for t in range(n - 1):
        pairs += np.exp(alpha[t][:, None] + log_trans + log_b[t + 1] + beta[t + 1] - total)
    return total, gamma, pairs


def stationary(transmat: np.ndarray) -> np.ndarray:
    """The distribution with pi A = pi; the least-squares solution where there are several."""
    k = len(transmat)
    system = np.vstack([transmat.T - np.eye(k), np.ones(k)])
    pi = np.linalg.lstsq(system, np.append(np.zeros(k), 1.0), rcond=None)[0]
    pi = np.maximum(pi, 0.0)
    return np.asarray(pi / pi.sum())
