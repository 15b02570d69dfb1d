"""Compiled forward-backward recursions, in two layouts. The NumPy twin is ``emkit.models.hmm_recursions``.

Both take log emission probabilities (n, K), overwrite them with weighted posteriors, and add expected start, transition and end
counts to the output arrays; nothing of size T x K x K exists. Each step's largest log emission is removed, the rest exponentiated
once, and the recursions are rescaled at every step (Rabiner 1989, section V.A).

``forward_backward_lanes``: many sequences at once, one in each SIMD lane: for few states, where one sequence alone would wait on
the latency of its own chain. ``forward_backward_states``: one sequence after the other, lanes along the states: for many
states or few sequences; it can walk a list of the transitions that are not zero.
"""

import numpy as np

from emkit.kernels.jit import INNER, SUMS, kernel
from emkit.kernels.vmath import exp, log

LANES = 16
_CLIP = -300.0  # vmath.exp is zero below this
_RARE = 1e-9  # a step this unlikely, after something was clipped, may have lost the path that mattered
_TINY = 1e-300
_PANEL = 32


@kernel(**SUMS, **INNER)
def _load_emissions(log_b, offsets, lengths, t, b, peak, clipped):  # type: ignore[no-untyped-def]
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
            x = b[k, lane] - peak[lane]
            clipped[lane] += (x < _CLIP) and (x > -np.inf)
            b[k, lane] = exp(x)


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
    posteriors,  # False: likelihoods only
    start_counts,  # out (K,), added to
    transition_counts,  # out (K, K), added to
    end_counts,  # out (K,), added to
    log_likelihoods,  # out (S,)
    redo,  # out (S,) bool: underflowed, to be done again in log space; log_b is then left as it was
):
    """Sequences in SIMD lanes."""
    k_count = startprob.shape[0]
    longest = 0
    for s in order:
        longest = max(longest, lengths[s])
    steps = longest if posteriors else 2
    alpha = np.empty((steps, k_count, LANES))
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
    clipped = np.zeros(LANES, np.int64)
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
            clipped[lane] = 0
        for t in range(last):
            _load_emissions(log_b, off, size, t, b, peak, clipped)
            now = alpha[t if posteriors else t % 2]
            for lane in range(LANES):
                c[lane] = 0.0
            if t == 0:
                for j in range(k_count):
                    p = startprob[j]
                    for lane in range(LANES):
                        now[j, lane] = p * b[j, lane]
                        c[lane] += now[j, lane]
            else:
                before = alpha[t - 1 if posteriors else (t - 1) % 2]
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
                    now[j, lane] *= c[lane]
            if endprob.shape[0] > 0:
                for lane in range(LANES):
                    if t == size[lane] - 1:
                        total = 0.0
                        for j in range(k_count):
                            total += now[j, lane] * endprob[j]
                        least[lane] = min(least[lane], total)
                        ll[lane] += log(max(total, _TINY))
        bad = 0
        for lane in range(used):
            s = order[begin + lane]
            redo[s] = least[lane] <= _TINY or (clipped[lane] > 0 and least[lane] < _RARE)
            log_likelihoods[s] = ll[lane]
            bad += redo[s]
        if not posteriors:
            continue
        for lane in range(used):
            if redo[order[begin + lane]]:  # walk it as an empty sequence: its rows stay, its counts are zero
                size[lane] = 0
                weight[lane] = 0.0
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
            _load_emissions(log_b, off, size, t, b, peak, clipped)
            for i in range(k_count):
                for lane in range(LANES):
                    beta[i, lane] *= c[lane]
                    w[i, lane] = b[i, lane] * beta[i, lane]
                    beta[i, lane] *= now[i, lane] * weight[lane]
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


@kernel(**SUMS, **INNER)
def _vector_matrix(v, m, indptr, indices, out):  # type: ignore[no-untyped-def]
    """Out = v m; ``m`` dense (K, K), or where ``indptr`` is not empty only its listed entries."""
    k = v.shape[0]
    for j in range(k):
        out[j] = 0.0
    if indptr.shape[0] > 0:
        for i in range(k):
            for p in range(indptr[i], indptr[i + 1]):
                out[indices[p]] += v[i] * m[i, indices[p]]
        return
    for i in range(0, k - 3, 4):
        v0, v1, v2, v3 = v[i], v[i + 1], v[i + 2], v[i + 3]
        m0, m1, m2, m3 = m[i], m[i + 1], m[i + 2], m[i + 3]
        for j in range(k):
            out[j] += v0 * m0[j] + v1 * m1[j] + v2 * m2[j] + v3 * m3[j]
    for i in range(k // 4 * 4, k):
        vi, mi = v[i], m[i]
        for j in range(k):
            out[j] += vi * mi[j]


@kernel(**SUMS, **INNER)
def _add_pairs(alpha, w, count, indptr, indices, pairs):  # type: ignore[no-untyped-def]
    """Pairs += alpha[:count]^T w[:count]."""
    k = alpha.shape[1]
    if indptr.shape[0] > 0:
        for t in range(count):
            for i in range(k):
                for p in range(indptr[i], indptr[i + 1]):
                    pairs[i, indices[p]] += alpha[t, i] * w[t, indices[p]]
        return
    for i in range(k):
        row = pairs[i]
        for t in range(0, count - 3, 4):
            a0, a1, a2, a3 = alpha[t, i], alpha[t + 1, i], alpha[t + 2, i], alpha[t + 3, i]
            w0, w1, w2, w3 = w[t], w[t + 1], w[t + 2], w[t + 3]
            for j in range(k):
                row[j] += a0 * w0[j] + a1 * w1[j] + a2 * w2[j] + a3 * w3[j]
        for t in range(count // 4 * 4, count):
            a0, w0 = alpha[t, i], w[t]
            for j in range(k):
                row[j] += a0 * w0[j]


@kernel(**SUMS)
def forward_backward_states(  # type: ignore[no-untyped-def]
    log_b, order, offsets, lengths, weights, startprob, transmat, transposed,
    indptr, indices, indptr_t, indices_t,  # CSR patterns of transmat and its transpose, or empty: dense
    endprob, posteriors, start_counts, transition_counts, end_counts, log_likelihoods, redo,
):  # fmt: skip
    """One sequence after the other; see ``forward_backward_lanes`` for the arguments both have."""
    k = startprob.shape[0]
    longest = 0
    for s in order:
        longest = max(longest, lengths[s])
    alpha = np.empty((longest if posteriors else 2, k))
    keep = np.empty((_PANEL, k))
    panel = np.empty((_PANEL, k))
    beta = np.empty(k)
    w = np.empty(k)
    b = np.empty(k)
    pairs = np.zeros((k, k))
    for s in order:
        n, off = lengths[s], offsets[s]
        ll, least, clipped = 0.0, 1.0, 0
        for t in range(n):
            row = log_b[off + t]
            now = alpha[t if posteriors else t % 2]
            peak = row[0]
            for j in range(1, k):
                peak = max(peak, row[j])
            if peak == -np.inf:
                peak = 0.0
            for j in range(k):
                x = row[j] - peak
                clipped += (x < _CLIP) and (x > -np.inf)
                b[j] = exp(x)
            if t == 0:
                for j in range(k):
                    now[j] = startprob[j]
            else:
                _vector_matrix(alpha[t - 1 if posteriors else (t - 1) % 2], transmat, indptr, indices, now)
            c = 0.0
            for j in range(k):
                now[j] *= b[j]
                c += now[j]
            least = min(least, c)
            c = max(c, _TINY)
            ll += peak + log(c)
            inverse = 1.0 / c
            for j in range(k):
                now[j] *= inverse
        if endprob.shape[0] > 0:
            now = alpha[n - 1 if posteriors else (n - 1) % 2]
            c = 0.0
            for j in range(k):
                c += now[j] * endprob[j]
            least = min(least, c)
            ll += log(max(c, _TINY))
        log_likelihoods[s] = ll
        redo[s] = least <= _TINY or (clipped > 0 and least < _RARE)
        if redo[s] or not posteriors:
            continue
        weight = weights[s]
        filled = 0
        for t in range(n - 1, -1, -1):
            now = alpha[t]
            if t == n - 1:
                for i in range(k):
                    beta[i] = endprob[i] if endprob.shape[0] > 0 else 1.0
            else:
                _vector_matrix(w, transposed, indptr_t, indices_t, beta)
            c = 0.0
            for i in range(k):
                c += now[i] * beta[i]
            inverse = 1.0 / max(c, _TINY)
            if t < n - 1:
                # Panels of alpha and w, so that pair counts are a product of matrices, not T outer products.
                for j in range(k):
                    panel[filled, j] = w[j] * (inverse * weight)
                    keep[filled, j] = now[j]
                filled += 1
                if filled == _PANEL or t == 0:
                    _add_pairs(keep, panel, filled, indptr, indices, pairs)
                    filled = 0
            row = log_b[off + t]
            peak = row[0]
            for j in range(1, k):
                peak = max(peak, row[j])
            if peak == -np.inf:
                peak = 0.0
            for i in range(k):
                beta[i] *= inverse
                w[i] = exp(row[i] - peak) * beta[i]
                row[i] = beta[i] * now[i] * weight
            if t == 0:
                for i in range(k):
                    start_counts[i] += row[i]
            if t == n - 1:
                for i in range(k):
                    end_counts[i] += row[i]
    for i in range(k):
        for j in range(k):
            transition_counts[i, j] += transmat[i, j] * pairs[i, j]
