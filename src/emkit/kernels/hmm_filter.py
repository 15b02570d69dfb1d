"""Compiled forward filtering and backward sampling. The NumPy twins are in ``emkit.models.hmm.filter`` and ``hmm_paths``.

Both speak in log probabilities, so that nothing is ever lost. ``filter_log`` walks in rescaled probabilities, which is fast, for as
long as no state that is possible comes near underflow, and in log space from that step on until none is.
"""

import numpy as np

from emkit.kernels.jit import INNER, SUMS, kernel
from emkit.kernels.vmath import exp, log

_LEAST = 1e-200  # a possible state less probable than this is carried in log space ...
_LOG_LEAST = -290.0  # ... until it is at least this; vmath.exp is zero below -300
_SMALL_TRANSITION = 1e-90  # a model with smaller positive transition probabilities stays in log space


@kernel(**INNER)
def _step_scaled(before, transmat, row, now):  # type: ignore[no-untyped-def]
    """Put (before A) * exp(row - its maximum) into ``now``; return the sum, and whether a state is about to underflow."""
    k = now.shape[0]
    for j in range(k):
        now[j] = 0.0
    for i in range(k):
        p, m = before[i], transmat[i]
        for j in range(k):
            now[j] += p * m[j]
    peak = row[0]
    for j in range(1, k):
        peak = row[j] if row[j] > peak else peak
    if peak == -np.inf:
        return 0.0, False
    total, lost = 0.0, 0
    for j in range(k):
        v = now[j] * exp(row[j] - peak)
        lost += now[j] > 0.0 and row[j] > -np.inf and v < _LEAST
        now[j] = v
        total += v
    return total, lost > 0


@kernel(**INNER)
def _step_log(before, transposed, row, now):  # type: ignore[no-untyped-def]
    """``now[j]`` = row[j] + log sum over i of exp(before[i] + log A[i, j]); returns the log of the sum of their exponentials."""
    k = now.shape[0]
    top = -np.inf
    for j in range(k):
        column = transposed[j]
        peak = -np.inf
        for i in range(k):
            v = before[i] + column[i]
            peak = v if v > peak else peak
        now[j] = -np.inf
        if peak > -np.inf and row[j] > -np.inf:
            total = 0.0
            for i in range(k):
                total += exp(before[i] + column[i] - peak)
            now[j] = peak + log(total) + row[j]
        top = now[j] if now[j] > top else top
    return _log_total(now, top)


@kernel(**INNER)
def _log_total(values, top):  # type: ignore[no-untyped-def]
    if top == -np.inf:
        return top
    total = 0.0
    for j in range(values.shape[0]):
        total += exp(values[j] - top)
    return top + log(total)


@kernel(**SUMS)
def filter_log(  # type: ignore[no-untyped-def]
    log_b,  # (n, K) float64: log emissions in, log P(state | steps so far) out
    offsets,  # (S,) first row of each sequence
    lengths,  # (S,)
    log_start,  # (K,)
    transmat,  # (K, K)
    transposed,  # (K, K): log transitions, arriving state first
):
    """One sequence after the other; returns the number of the first impossible one, or -1."""
    k = log_start.shape[0]
    before, now = np.empty(k), np.empty(k)
    fragile = False
    for i in range(k):
        for j in range(k):
            fragile |= 0.0 < transmat[i, j] < _SMALL_TRANSITION
    for s in range(lengths.shape[0]):
        in_log = True
        for t in range(lengths[s]):
            row = log_b[offsets[s] + t]
            if not in_log:
                total, lost = _step_scaled(before, transmat, row, now)
                if total == 0.0 and not lost:
                    return s
                if not lost:
                    inverse = 1.0 / total
                    for j in range(k):
                        before[j] = now[j] * inverse
                        row[j] = log(before[j]) if before[j] > 0.0 else -np.inf
                    continue
            if t == 0:
                top = -np.inf
                for j in range(k):
                    now[j] = log_start[j] + row[j]
                    top = now[j] if now[j] > top else top
                norm = _log_total(now, top)
            else:
                norm = _step_log(log_b[offsets[s] + t - 1], transposed, row, now)
            if norm == -np.inf:
                return s
            in_log = fragile
            for j in range(k):
                row[j] = min(now[j] - norm, 0.0)
                in_log |= -np.inf < row[j] < _LOG_LEAST
                before[j] = exp(row[j])
    return -1


@kernel(**SUMS)
def sample_backward(  # type: ignore[no-untyped-def]
    log_filter,  # (n, K): what ``filter_log`` left
    offsets,  # (S,)
    lengths,  # (S,)
    transposed,  # (K, K): log transitions, arriving state first
    log_end,  # (K,); zeros without an end state
    uniforms,  # (paths, n) in [0, 1)
    states,  # out (paths, n) int64
):
    """Draw paths from the last step to the first; returns the number of the first sequence that cannot end, or -1."""
    k = log_end.shape[0]
    weights = np.empty(k)
    for path in range(states.shape[0]):
        for s in range(lengths.shape[0]):
            after = log_end
            for t in range(offsets[s] + lengths[s] - 1, offsets[s] - 1, -1):
                row = log_filter[t]
                top = -np.inf
                for i in range(k):
                    weights[i] = row[i] + after[i]
                    top = weights[i] if weights[i] > top else top
                if top == -np.inf:
                    return s
                total, last = 0.0, 0
                for i in range(k):
                    v = exp(weights[i] - top)
                    last = i if v > 0.0 else last
                    total += v
                    weights[i] = total
                target = uniforms[path, t] * total
                pick = 0
                while pick < last and weights[pick] <= target:
                    pick += 1
                states[path, t] = pick
                after = transposed[pick]
    return -1
