"""Compiled forward-backward recursions, many sequences at once. The NumPy twin is ``emkit.models.hmm_recursions``.

This layout has one sequence in each SIMD lane: for few states, where one sequence alone would wait on the latency of its own chain.
``emkit.kernels.hmm_chain`` takes sequences one by one, for many states or few sequences.

Both take log emission probabilities (n, K), overwrite them with weighted posteriors, and add expected start, transition and end
counts to the output arrays; nothing of size T x K x K exists. Each step's largest log emission is removed, the rest exponentiated
once, and the recursions are rescaled at every step (Rabiner 1989, section V.A).

A state's share can underflow to nothing and still be the one that later steps call for. That shows on the way back: its beta, scaled
so that sum(alpha beta) = 1, grows beyond all measure. Such a sequence is marked in ``redo``; its rows and the counts are then
not to be used, and the caller starts over without it.
"""

import numpy as np

from emkit.kernels.jit import INNER, SUMS, kernel
from emkit.kernels.vmath import exp, log

LANES = 64
_TINY = 1e-300
_LOST = 1e-150  # shares below this are dropped, before their products become subnormal and slow
# Emissions are dropped below e^-300 = 5e-131 of the largest, so what was lost is under 1e-30 of the whole while betas stay below this.
_BLOWN_UP = 1e100


@kernel(**SUMS, **INNER)
def _load_emissions(log_b, offsets, lengths, t, b, peak):  # type: ignore[no-untyped-def]
    """b[k, lane] = exp(log emission - the step's maximum) of step t of each lane's sequence; 1 past its end."""
    k_count = b.shape[0]
    for lane in range(LANES):
        row = offsets[lane] + t if t < lengths[lane] else -1
        if row >= 0:
            for k in range(k_count):
                b[k, lane] = log_b[row, k]
        else:
            for k in range(k_count):
                b[k, lane] = 0.0
    for lane in range(LANES):
        peak[lane] = b[0, lane]
    for k in range(1, k_count):
        for lane in range(LANES):
            peak[lane] = max(peak[lane], b[k, lane])
    for lane in range(LANES):
        peak[lane] = peak[lane] if peak[lane] > -np.inf else 0.0
    for k in range(k_count):
        for lane in range(LANES):
            b[k, lane] = exp(b[k, lane] - peak[lane])


@kernel(**SUMS)
def forward_backward_lanes(  # type: ignore[no-untyped-def]
    log_b,  # (n, K) float64: log emissions in, posteriors times weights out
    order,  # sequences to do, those of similar length next to each other
    offsets,  # (S,) first row of each sequence
    lengths,  # (S,)
    weights,  # (S,)
    startprob,  # (K,)
    transmat,  # (K, K)
    endprob,  # (K,), or empty: no end state
    reachable,  # (K,) bool: states that the chain can ever be in
    start_counts,  # out (K,), added to
    transition_counts,  # out (K, K), added to
    end_counts,  # out (K,), added to
    log_likelihoods,  # out (S,)
    redo,  # out (S,) bool: underflowed, to be done in log space
):
    """Sequences in SIMD lanes."""
    k_count = startprob.shape[0]
    longest = 0
    for s in order:
        longest = max(longest, lengths[s])
    alpha = np.empty((longest, k_count, LANES))
    b = np.empty((k_count, LANES))
    w = np.empty((k_count, LANES))
    beta = np.empty((k_count, LANES))
    pairs = np.empty((k_count, k_count, LANES))
    off = np.zeros(LANES, np.int64)
    size = np.zeros(LANES, np.int64)
    weight = np.zeros(LANES)
    peak = np.empty(LANES)
    c = np.empty(LANES)
    ll = np.empty(LANES)
    least = np.empty(LANES)
    most = np.empty(LANES)
    for begin in range(0, order.shape[0], LANES):
        used = min(LANES, order.shape[0] - begin)
        last = 0
        for lane in range(LANES):
            s = order[begin + min(lane, used - 1)]
            off[lane] = offsets[s]
            size[lane] = lengths[s] if lane < used else 0
            weight[lane] = weights[s] if lane < used else 0.0
            last = max(last, size[lane])
            ll[lane] = 0.0
            least[lane] = 1.0
            most[lane] = 0.0
        for t in range(last):
            _load_emissions(log_b, off, size, t, b, peak)
            now = alpha[t]
            for lane in range(LANES):
                c[lane] = 0.0
            if t == 0:
                for j in range(k_count):
                    p = startprob[j]
                    for lane in range(LANES):
                        now[j, lane] = p * b[j, lane]
                        c[lane] += now[j, lane]
            else:
                before = alpha[t - 1]
                for j in range(k_count):
                    for lane in range(LANES):
                        now[j, lane] = 0.0
                    for i in range(k_count):
                        p = transmat[i, j]
                        for lane in range(LANES):
                            now[j, lane] += p * before[i, lane]
                    for lane in range(LANES):
                        now[j, lane] *= b[j, lane]
                        c[lane] += now[j, lane]
            for lane in range(LANES):
                inside = t < size[lane]
                least[lane] = min(least[lane], c[lane] if inside else 1.0)
                ll[lane] += (peak[lane] + log(max(c[lane], _TINY))) if inside else 0.0
                c[lane] = 1.0 / max(c[lane], _TINY)
            for j in range(k_count):
                for lane in range(LANES):
                    share = now[j, lane] * c[lane]
                    now[j, lane] = share if share > _LOST else 0.0
            if endprob.shape[0] > 0:
                for lane in range(LANES):
                    if t == size[lane] - 1:
                        total = 0.0
                        for j in range(k_count):
                            total += now[j, lane] * endprob[j]
                        least[lane] = min(least[lane], total)
                        ll[lane] += log(max(total, _TINY))
        for i in range(k_count):
            for lane in range(LANES):
                w[i, lane] = 1.0
            for j in range(k_count):
                for lane in range(LANES):
                    pairs[i, j, lane] = 0.0
        for t in range(last - 1, -1, -1):
            now = alpha[t]
            for i in range(k_count):
                for lane in range(LANES):
                    beta[i, lane] = 0.0
                for j in range(k_count):
                    p = transmat[i, j]
                    for lane in range(LANES):
                        beta[i, lane] += p * w[j, lane]
                edge = endprob[i] if endprob.shape[0] > 0 else 1.0
                for lane in range(LANES):
                    beta[i, lane] = edge if t == size[lane] - 1 else beta[i, lane]
            for lane in range(LANES):
                c[lane] = 0.0
            for i in range(k_count):
                for lane in range(LANES):
                    c[lane] += now[i, lane] * beta[i, lane]
            for lane in range(LANES):
                c[lane] = 1.0 / max(c[lane], _TINY)
            for lane in range(LANES):
                peak[lane] = c[lane] * weight[lane] if t < size[lane] - 1 else 0.0
            for i in range(k_count):
                for j in range(k_count):
                    for lane in range(LANES):
                        pairs[i, j, lane] += (now[i, lane] * peak[lane]) * w[j, lane]
            _load_emissions(log_b, off, size, t, b, peak)
            for i in range(k_count):
                possible = 1.0 if reachable[i] else 0.0
                for lane in range(LANES):
                    share = beta[i, lane] * c[lane]
                    most[lane] = max(most[lane], share * possible)
                    toward = b[i, lane] * share
                    w[i, lane] = toward if toward > _LOST else 0.0  # no posterior can be larger than this
                    beta[i, lane] = (share if share > _LOST else 0.0) * now[i, lane] * weight[lane]
            for lane in range(LANES):
                if t < size[lane]:
                    for k in range(k_count):
                        log_b[off[lane] + t, k] = beta[k, lane]
            if t == 0:
                for k in range(k_count):
                    for lane in range(LANES):
                        start_counts[k] += beta[k, lane] if size[lane] > 0 else 0.0
            for lane in range(LANES):
                if t == size[lane] - 1:
                    for k in range(k_count):
                        end_counts[k] += beta[k, lane]
        for i in range(k_count):
            for j in range(k_count):
                total = 0.0
                for lane in range(LANES):
                    total += pairs[i, j, lane]
                transition_counts[i, j] += transmat[i, j] * total
        for lane in range(used):
            s = order[begin + lane]
            log_likelihoods[s] = ll[lane]
            redo[s] = not (least[lane] > _TINY and most[lane] < _BLOWN_UP)
