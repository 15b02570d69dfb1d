"""Compiled forward-backward recursions, one sequence at a time, SIMD lanes along the states.

What goes in and out, rescaling and ``redo`` are as in ``emkit.kernels.hmm``. A long sequence is worked from both ends at once, which keeps
two cores busy and gives the same bits on one: while ``forward`` walks the first half and keeps its alphas, ``backward`` walks the
second half from the end and keeps its betas; then each goes on into the other's half, where ``backward_through`` and
``forward_through`` meet what was kept. A short one is ``forward`` and ``backward_through`` alone.

Vectors and matrices are padded with zeros to a multiple of four states, so that inner loops have a fixed length. Where few
transitions are possible (left-right models), lists of them are walked instead of the matrix.
"""

import numpy as np

from emkit.kernels.jit import EXACT, INNER, SUMS, kernel
from emkit.kernels.vmath import exp, log

_TINY = 1e-300  # as in emkit.kernels.hmm
_LOST = 1e-140
_PANEL = 32
_IN_REGISTERS = 16  # states up to which sums are kept in registers; beyond, rows are streamed


@kernel(**EXACT, **INNER)
def _flushed(x):  # type: ignore[no-untyped-def]
    """x, or 0 where it is lost beside 1e-140: an absolute error of 1e-156, and no branch for the processor to guess wrong."""
    return (x + _LOST) - _LOST


@kernel(**SUMS, **INNER)
def _emissions(log_b, begin, count, b, peaks):  # type: ignore[no-untyped-def]
    """Rows ``begin ...`` as exp(row - its maximum), one after the other in ``b`` with zero padding, and their maxima.

    A panel of rows at a time: one long loop of exponentials fills SIMD lanes, many short ones would not.
    """
    k = log_b.shape[1]
    padded = b.shape[0] // _PANEL
    for row in range(count):
        t, at = begin + row, row * padded
        peak = log_b[t, 0]
        for j in range(1, k):
            peak = max(peak, log_b[t, j])
        if peak == -np.inf:  # nothing is possible
            peak = 0.0
        peaks[row] = peak
        for j in range(k):
            b[at + j] = log_b[t, j] - peak
        for j in range(k, padded):
            b[at + j] = -1000.0
    for i in range(count * padded):
        b[i] = exp(b[i])


@kernel(**SUMS, **INNER)
def _copy(source, target):  # type: ignore[no-untyped-def]
    """Plain loops: numba's slice assignment costs more than these few numbers."""
    for block in range(0, source.shape[0], 4):
        for j in range(block, block + 4):
            target[j] = source[j]


@kernel(**SUMS, **INNER)
def _advance(v, m, indptr, indices, out):  # type: ignore[no-untyped-def]
    """out = v m; dense, or where ``indptr`` is not empty the listed entries only."""
    k = v.shape[0]
    if indptr.shape[0] > 0:
        for j in range(k):
            out[j] = 0.0
        for i in range(k):
            for p in range(indptr[i], indptr[i + 1]):
                out[indices[p]] += v[i] * m[i, indices[p]]
    elif k <= _IN_REGISTERS:
        for j in range(0, k, 4):
            a0 = a1 = a2 = a3 = 0.0
            b0 = b1 = b2 = b3 = 0.0
            for i in range(0, k, 2):
                x, y = v[i], v[i + 1]
                a0 += x * m[i, j]
                a1 += x * m[i, j + 1]
                a2 += x * m[i, j + 2]
                a3 += x * m[i, j + 3]
                b0 += y * m[i + 1, j]
                b1 += y * m[i + 1, j + 1]
                b2 += y * m[i + 1, j + 2]
                b3 += y * m[i + 1, j + 3]
            out[j] = a0 + b0
            out[j + 1] = a1 + b1
            out[j + 2] = a2 + b2
            out[j + 3] = a3 + b3
    else:
        for j in range(k):
            out[j] = 0.0
        for i in range(0, k, 4):
            v0, v1, v2, v3 = v[i], v[i + 1], v[i + 2], v[i + 3]
            m0, m1, m2, m3 = m[i], m[i + 1], m[i + 2], m[i + 3]
            for j in range(k):
                out[j] += v0 * m0[j] + v1 * m1[j] + v2 * m2[j] + v3 * m3[j]


@kernel(**SUMS, **INNER)
def _add_pairs(left, right, count, indptr, indices, pairs):  # type: ignore[no-untyped-def]
    """pairs += left[:count]^T right[:count]: a product of matrices in place of ``count`` outer products."""
    k = left.shape[1]
    if indptr.shape[0] > 0:
        for t in range(count):
            for i in range(k):
                for p in range(indptr[i], indptr[i + 1]):
                    pairs[i, indices[p]] += left[t, i] * right[t, indices[p]]
    elif k <= _IN_REGISTERS:
        for i in range(k):
            for j in range(0, k, 4):
                a0 = a1 = a2 = a3 = 0.0
                for t in range(count):
                    x = left[t, i]
                    a0 += x * right[t, j]
                    a1 += x * right[t, j + 1]
                    a2 += x * right[t, j + 2]
                    a3 += x * right[t, j + 3]
                pairs[i, j] += a0
                pairs[i, j + 1] += a1
                pairs[i, j + 2] += a2
                pairs[i, j + 3] += a3
    else:
        for t in range(count, (count + 3) // 4 * 4):
            for j in range(k):
                left[t, j] = 0.0
                right[t, j] = 0.0
        for i in range(k):
            row = pairs[i]
            for t in range(0, count, 4):
                a0, a1, a2, a3 = left[t, i], left[t + 1, i], left[t + 2, i], left[t + 3, i]
                w0, w1, w2, w3 = right[t], right[t + 1], right[t + 2], right[t + 3]
                for j in range(k):
                    row[j] += a0 * w0[j] + a1 * w1[j] + a2 * w2[j] + a3 * w3[j]


@kernel(**SUMS, **INNER)
def _scaled_by(v, factor):  # type: ignore[no-untyped-def]
    """v *= factor; shares under 1e-156 become zero."""
    for block in range(0, v.shape[0], 4):
        for j in range(block, block + 4):
            v[j] = _flushed(v[j] * factor)


@kernel(**SUMS, **INNER)
def _times(v, b, at):  # type: ignore[no-untyped-def]
    """v *= b[at:]; returns the new sum."""
    s0 = s1 = s2 = s3 = 0.0
    for j in range(0, v.shape[0], 4):
        v[j] *= b[at + j]
        v[j + 1] *= b[at + j + 1]
        v[j + 2] *= b[at + j + 2]
        v[j + 3] *= b[at + j + 3]
        s0 += v[j]
        s1 += v[j + 1]
        s2 += v[j + 2]
        s3 += v[j + 3]
    return (s0 + s1) + (s2 + s3)


@kernel(**SUMS, **INNER)
def _dot(v, b):  # type: ignore[no-untyped-def]
    s0 = s1 = s2 = s3 = 0.0
    for j in range(0, v.shape[0], 4):
        s0 += v[j] * b[j]
        s1 += v[j + 1] * b[j + 1]
        s2 += v[j + 2] * b[j + 2]
        s3 += v[j + 3] * b[j + 3]
    return (s0 + s1) + (s2 + s3)


@kernel(**SUMS)
def forward(log_b, begin, end, start, m, indptr, indices, alphas):  # type: ignore[no-untyped-def]
    """Alphas of rows ``begin`` to ``end`` of a sequence that begins there, each adding up to 1, into ``alphas`` (rows, K).

    Returns the log-likelihood so far and the smallest normaliser.
    """
    k, padded = log_b.shape[1], start.shape[0]
    now, before = np.zeros(padded), np.zeros(padded)
    b, peaks = np.empty(_PANEL * padded), np.empty(_PANEL)
    total, least, product = 0.0, 1.0, 1.0
    for t in range(begin, end):
        row = (t - begin) % _PANEL
        if row == 0:
            _emissions(log_b, t, min(_PANEL, end - t), b, peaks)
        total += peaks[row]
        if t == begin:
            _copy(start, now)
        else:
            _copy(now, before)
            _advance(before, m, indptr, indices, now)
        c = _times(now, b, row * padded)
        least = min(least, c)
        c = max(c, _TINY)
        _scaled_by(now, 1.0 / c)
        if c < 1e-100 or product < 1e-100:  # one logarithm for many steps
            total += log(product) + log(c)
            product = 1.0
        else:
            product *= c
        for j in range(k):
            alphas[t - begin, j] = now[j]
    return total + log(product), least


@kernel(**SUMS)
def backward(log_b, begin, end, last, transposed, indptr, indices, betas, w):  # type: ignore[no-untyped-def]
    """Betas of rows ``end - 1`` down to ``begin`` of a sequence that ends there, each adding up to 1, into ``betas`` (rows, K).

    ``last``: beta of the last row, up to a factor. ``w`` (padded,) gets emission times beta of row ``begin``.
    """
    k, padded = log_b.shape[1], last.shape[0]
    beta = np.zeros(padded)
    b, peaks = np.empty(_PANEL * padded), np.empty(_PANEL)
    for t in range(end - 1, begin - 1, -1):
        row = (t - begin) % _PANEL
        if row == _PANEL - 1 or t == end - 1:
            _emissions(log_b, t - row, row + 1, b, peaks)
        if t == end - 1:
            _copy(last, beta)
        else:
            _advance(w, transposed, indptr, indices, beta)
        total = 0.0
        for j in range(padded):
            total += beta[j]
        _scaled_by(beta, 1.0 / max(total, _TINY))
        for j in range(k):
            betas[t - begin, j] = beta[j]
        for j in range(padded):
            w[j] = beta[j] * b[row * padded + j]


@kernel(**SUMS)
def backward_through(  # type: ignore[no-untyped-def]
    log_b, begin, end, last, ends_here, transposed, indptr_t, indices_t, indptr, indices,
    alphas, reachable, weight, start_counts, end_counts, pairs,
):  # fmt: skip
    """From row ``end - 1`` down to ``begin``, over kept ``alphas``: posteriors into ``log_b``, pairs of rows added to ``pairs`` (padded).

    ``last``: beta of row ``end - 1`` where the sequence ends there, else emission times beta of row ``end``. Returns the largest beta of a
    reachable state, scaled so that sum(alpha beta) = 1.
    """
    k, padded = log_b.shape[1], last.shape[0]
    beta, w, now = np.zeros(padded), np.zeros(padded), np.zeros(padded)
    b, peaks = np.empty(_PANEL * padded), np.empty(_PANEL)
    left, right = np.zeros((_PANEL, padded)), np.zeros((_PANEL, padded))
    most = 0.0
    filled = 0
    for t in range(end - 1, begin - 1, -1):
        row = (t - begin) % _PANEL
        at = row * padded
        if row == _PANEL - 1 or t == end - 1:  # rows from here down to the panel's first are still log emissions
            _emissions(log_b, t - row, row + 1, b, peaks)
        for j in range(k):
            now[j] = alphas[t - begin, j]
        if t == end - 1:
            if ends_here:
                _copy(last, beta)
            else:
                _advance(last, transposed, indptr_t, indices_t, beta)
        else:
            _advance(w, transposed, indptr_t, indices_t, beta)
        inverse = 1.0 / max(_dot(now, beta), _TINY)
        if t < end - 1:
            for j in range(padded):
                right[filled, j] = w[j] * (inverse * weight)
                left[filled, j] = now[j]
            filled += 1
            if filled == _PANEL or t == begin:
                _add_pairs(left, right, filled, indptr, indices, pairs)
                filled = 0
        for block in range(0, padded, 4):
            for j in range(block, block + 4):
                beta[j] *= inverse
                w[j] = _flushed(b[at + j] * beta[j])  # no posterior can be larger than this
                now[j] *= _flushed(beta[j]) * weight
                most = max(most, beta[j] * reachable[j])
        for j in range(k):
            log_b[t, j] = now[j]
        if t == begin:
            for j in range(k):
                start_counts[j] += now[j]
        if t == end - 1 and ends_here:
            for j in range(k):
                end_counts[j] += now[j]
    return most


@kernel(**SUMS)
def forward_through(  # type: ignore[no-untyped-def]
    log_b, begin, end, last, m, indptr, indices, betas, endprob, weight, end_counts, pairs
):
    """From row ``begin`` to the end of the sequence, over kept ``betas``, going on from alpha ``last`` of the row before.

    Posteriors and pairs as in ``backward_through``. Returns the log-likelihood of these rows, the smallest normaliser, and the
    largest alpha, scaled so that sum(alpha beta) = 1.
    """
    k, padded = log_b.shape[1], last.shape[0]
    before, now, beta = last.copy(), np.zeros(padded), np.zeros(padded)
    b, peaks = np.empty(_PANEL * padded), np.empty(_PANEL)
    left, right = np.zeros((_PANEL, padded)), np.zeros((_PANEL, padded))
    total, least, product, most = 0.0, 1.0, 1.0, 0.0
    filled = 0
    for t in range(begin, end):
        row = (t - begin) % _PANEL
        if row == 0:
            _emissions(log_b, t, min(_PANEL, end - t), b, peaks)
        total += peaks[row]
        _advance(before, m, indptr, indices, now)
        c = _times(now, b, row * padded)
        least = min(least, c)
        c = max(c, _TINY)
        _scaled_by(now, 1.0 / c)
        if c < 1e-100 or product < 1e-100:
            total += log(product) + log(c)
            product = 1.0
        else:
            product *= c
        for j in range(k):
            beta[j] = betas[t - begin, j]
        inverse = 1.0 / max(_dot(now, beta), _TINY)
        pair = weight * inverse / c
        for j in range(padded):
            right[filled, j] = b[row * padded + j] * beta[j] * pair
            left[filled, j] = before[j]
        filled += 1
        if filled == _PANEL or t == end - 1:
            _add_pairs(left, right, filled, indptr, indices, pairs)
            filled = 0
        for j in range(k):
            most = max(most, now[j] * inverse)
            log_b[t, j] = now[j] * beta[j] * (inverse * weight)
        _copy(now, before)
    for j in range(k):
        end_counts[j] += log_b[end - 1, j]
    total += log(product)
    if endprob.shape[0] > 0:
        c = _dot(now, endprob)
        least = min(least, c)
        total += log(max(c, _TINY))
    return total, least, most


@kernel(**SUMS)
def short_chains(  # type: ignore[no-untyped-def]
    log_b, order, offsets, lengths, weights, start, m, transposed, indptr, indices, indptr_t, indices_t,
    last, endprob, reachable, blown_up, alphas, start_counts, end_counts, pairs, log_likelihoods, redo,
):  # fmt: skip
    """``forward`` and ``backward_through`` over each sequence of ``order``. ``alphas`` (longest, K) is workspace."""
    k = log_b.shape[1]
    for s in order:
        begin, end = offsets[s], offsets[s] + lengths[s]
        total, least = forward(log_b, begin, end, start, m, indptr, indices, alphas)
        if endprob.shape[0] > 0:
            c = 0.0
            for j in range(k):
                c += alphas[lengths[s] - 1, j] * endprob[j]
            least = min(least, c)
            total += log(max(c, _TINY))
        most = backward_through(
            log_b, begin, end, last, True, transposed, indptr_t, indices_t, indptr, indices,
            alphas, reachable, weights[s], start_counts, end_counts, pairs,
        )  # fmt: skip
        log_likelihoods[s] = total
        redo[s] = not (least > _TINY and most < blown_up)
