"""Compiled forward-backward recursions, one sequence at a time, SIMD lanes along the states.

What goes in and out, rescaling and ``redo`` are as in ``emkit.kernels.hmm_lanes``. A long sequence is worked from both ends at
once, which keeps two cores busy and gives the same bits on one: while ``forward`` walks the first half and keeps its alphas,
``backward`` walks the second half from the end and keeps its betas; then each goes on into the other's half, where
``backward_through`` and ``forward_through`` meet what was kept. A short one is ``forward`` and ``backward_through`` alone.

Each step waits for the one before, so what it costs is the time from one vector to the next. Two things keep that short. The
division by a step's normaliser is made one step later, beside the product of vector and matrix instead of before it. And
everything that only looks on, posteriors and pairs of states, is off that path.

Vectors and matrices are padded with zeros to whole registers. Kept vectors are not: they are K numbers a step, written in the
order in which they lie, and what a register reads beyond them is multiplied by zeros. Matrices are tiles of eight rows and
eight columns; where many are all zero (left-right models), only the others are walked: ``tiles`` lists their numbers counted
downwards, column of tiles after column, and ``ends`` where the list of each column ends.
"""

import numpy as np

from emkit.kernels.hmm_lanes import BLOWN_UP, TINY, flushed
from emkit.kernels.jit import INLINED, SUMS, kernel
from emkit.kernels.rows import PANEL, copy, largest_of_row, load_rows, panel, store_rows, zeros
from emkit.kernels.simd import WIDTH, lane, larger, largest, load, splat, store, total
from emkit.kernels.vmath import exp, log

# A step whose normaliser is smaller than this is divided at once: what is dropped is small beside the vector, not beside 1. On
# the way back the normaliser says nothing of the emission that comes next and may be as small again, so it is watched more closely.
_STEEP, _STEEP_BACK = 1e-20, 1e-3


@kernel(**SUMS, **INLINED)
def _emissions(log_b, begin, count, real, b, peaks):  # type: ignore[no-untyped-def]
    """Rows ``begin ...`` as exp(row - its maximum) in ``b`` with zero padding, and their maxima."""
    padded = b.shape[1]
    load_rows(log_b, begin, count, real, b)
    for row in range(count):
        peak = largest_of_row(b, row)
        peaks[row] = peak
        for j in range(0, padded, WIDTH):
            store(b, row * padded + j, exp(load(b, row * padded + j) - peak))


@kernel(**INLINED)
def _advance(v, m, ends, tiles, out):  # type: ignore[no-untyped-def]
    """out = v m, from the tiles that are not all zero, or from all where that is most of them."""
    if 2 * tiles.shape[0] * WIDTH * WIDTH > m.size:
        _advance_dense(v, m, out)
    else:
        _advance_tiles(v, m, ends, tiles, out)


@kernel(**INLINED)
def _eight_rows(x, m, at, padded, a0, a1, a2, a3):  # type: ignore[no-untyped-def]
    """The four sums plus the eight numbers of ``x`` times eight rows of ``m``, of which one register each."""
    to = at + 4 * padded
    a0 = (a0 + lane(x, 0) * load(m, at)) + lane(x, 4) * load(m, to)
    a1 = (a1 + lane(x, 1) * load(m, at + padded)) + lane(x, 5) * load(m, to + padded)
    a2 = (a2 + lane(x, 2) * load(m, at + 2 * padded)) + lane(x, 6) * load(m, to + 2 * padded)
    a3 = (a3 + lane(x, 3) * load(m, at + 3 * padded)) + lane(x, 7) * load(m, to + 3 * padded)
    return a0, a1, a2, a3


@kernel(**INLINED)
def _advance_tiles(v, m, ends, tiles, out):  # type: ignore[no-untyped-def]
    padded, begin = v.shape[0], 0
    for column in range(ends.shape[0]):
        j = column * WIDTH
        a0 = a1 = a2 = a3 = splat(0.0)
        for p in range(begin, ends[column]):
            i = tiles[p] * WIDTH
            a0, a1, a2, a3 = _eight_rows(load(v, i), m, i * padded + j, padded, a0, a1, a2, a3)
        store(out, j, (a0 + a1) + (a2 + a3))
        begin = ends[column]


@kernel(**INLINED)
def _advance_dense(v, m, out):  # type: ignore[no-untyped-def]
    # Lanes are taken from registers: reading single numbers from where a whole register has just been written would wait for
    # memory.
    padded = v.shape[0]
    wide = padded // (4 * WIDTH) * (4 * WIDTH)
    for j in range(0, wide, 4 * WIDTH):  # eight sums at once: enough to hide the latency of each
        a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = splat(0.0)
        for i in range(0, padded, WIDTH):
            x = load(v, i)
            for half in range(0, WIDTH, 2):
                at = (i + half) * padded + j
                to = at + padded
                p, q = lane(x, half), lane(x, half + 1)
                a0 = a0 + p * load(m, at)
                a1 = a1 + p * load(m, at + WIDTH)
                a2 = a2 + p * load(m, at + 2 * WIDTH)
                a3 = a3 + p * load(m, at + 3 * WIDTH)
                b0 = b0 + q * load(m, to)
                b1 = b1 + q * load(m, to + WIDTH)
                b2 = b2 + q * load(m, to + 2 * WIDTH)
                b3 = b3 + q * load(m, to + 3 * WIDTH)
        store(out, j, a0 + b0)
        store(out, j + WIDTH, a1 + b1)
        store(out, j + 2 * WIDTH, a2 + b2)
        store(out, j + 3 * WIDTH, a3 + b3)
    for j in range(wide, padded, WIDTH):
        a0 = a1 = a2 = a3 = splat(0.0)
        for i in range(0, padded, WIDTH):
            a0, a1, a2, a3 = _eight_rows(load(v, i), m, i * padded + j, padded, a0, a1, a2, a3)
        store(out, j, (a0 + a1) + (a2 + a3))


@kernel(**INLINED)
def _add_pairs(left, right, count, ends, tiles, pairs):  # type: ignore[no-untyped-def]
    """pairs += left[:count]^T right[:count], the listed tiles: a product of matrices in place of ``count`` outer products."""
    padded, begin = pairs.shape[0], 0
    if count % 2 == 1:
        for j in range(0, padded, WIDTH):
            store(left, count * padded + j, splat(0.0))
            store(right, count * padded + j, splat(0.0))
    for column in range(ends.shape[0]):
        j = column * WIDTH
        for p in range(begin, ends[column]):
            for i in (tiles[p] * WIDTH, tiles[p] * WIDTH + 4):
                a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = splat(0.0)
                for t in range(0, count, 2):
                    v, w = load(right, t * padded + j), load(right, (t + 1) * padded + j)
                    a0 = a0 + v * left[t, i]
                    a1 = a1 + v * left[t, i + 1]
                    a2 = a2 + v * left[t, i + 2]
                    a3 = a3 + v * left[t, i + 3]
                    b0 = b0 + w * left[t + 1, i]
                    b1 = b1 + w * left[t + 1, i + 1]
                    b2 = b2 + w * left[t + 1, i + 2]
                    b3 = b3 + w * left[t + 1, i + 3]
                at = i * padded + j
                store(pairs, at, load(pairs, at) + (a0 + b0))
                store(pairs, at + padded, load(pairs, at + padded) + (a1 + b1))
                store(pairs, at + 2 * padded, load(pairs, at + 2 * padded) + (a2 + b2))
                store(pairs, at + 3 * padded, load(pairs, at + 3 * padded) + (a3 + b3))
        begin = ends[column]


@kernel(**INLINED)
def _dot(v, w, at):  # type: ignore[no-untyped-def]
    """Sum of v w[at:]. What ``w`` holds after a row of kept numbers does not count: ``v`` is padded with zeros."""
    s = splat(0.0)
    for j in range(0, v.shape[0], WIDTH):
        s = s + load(v, j) * load(w, at + j)
    return total(s)


@kernel(**INLINED)
def _take_log(c, so_far, product):  # type: ignore[no-untyped-def]
    """``so_far + log(product)`` with the factor ``c`` in it: one logarithm for many steps."""
    if c < 1e-100 or product < 1e-100:
        so_far, product = so_far + log(product) + log(c), 1.0
    else:
        product *= c
    return so_far, product


@kernel(**INLINED)
def _weigh(v, b, at, scale, out):  # type: ignore[no-untyped-def]
    """out = v b[at:] scale without what is lost; returns the sum of all."""
    s = splat(0.0)
    for j in range(0, v.shape[0], WIDTH):
        x = load(v, j) * (load(b, at + j) * scale)
        s = s + x
        store(out, j, flushed(x))
    return total(s)


@kernel(**INLINED)
def _factor(c, v, b, at, scale, out):  # type: ignore[no-untyped-def]
    """By what ``out``, as ``_weigh`` left it, has still to be multiplied to add up to 1; a steep step is multiplied at once."""
    inverse = 1.0 / max(c, TINY)
    if c < _STEEP:
        _weigh(v, b, at, scale * inverse, out)
        inverse = 1.0
    return inverse


@kernel(**SUMS)
def forward(log_b, begin, end, start, m, ends, tiles, real, alphas):  # type: ignore[no-untyped-def]
    """Alphas of rows ``begin`` to ``end`` of a sequence that begins there, each adding up to 1.

    They go into ``alphas``, flat, K each, with room for one more register. ``real`` (padded,) is 1 for a state and 0 for
    padding. Returns the log-likelihood so far and the smallest normaliser.
    """
    k, padded = log_b.shape[1], start.shape[0]
    now, reached = zeros(padded), zeros(padded)
    b, peaks = panel(padded), np.empty(PANEL)
    so_far, least, product, inverse = 0.0, 1.0, 1.0, 1.0
    for t in range(begin, end):
        row = (t - begin) % PANEL
        if row == 0:
            _emissions(log_b, t, min(PANEL, end - t), real, b, peaks)
        so_far += peaks[row]
        if t == begin:
            copy(start, reached)
        else:
            _advance(now, m, ends, tiles, reached)
        c = _weigh(reached, b, row * padded, inverse, now)
        least = min(least, c)
        inverse = _factor(c, reached, b, row * padded, inverse, now)
        so_far, product = _take_log(max(c, TINY), so_far, product)
        at = (t - begin) * k
        for j in range(0, padded, WIDTH):
            store(alphas, at + j, load(now, j) * inverse)
    return so_far + log(product), least


@kernel(**SUMS)
def backward(log_b, begin, end, last, transposed, ends, tiles, real, betas, w):  # type: ignore[no-untyped-def]
    """Betas of rows ``end - 1`` down to ``begin`` of a sequence that ends there, each adding up to 1.

    They go into ``betas``, flat, K each, that of row ``end - 1`` first, with room for one more register. ``last``: beta of the
    last row, up to a factor. ``w`` (padded,) gets emission times beta of row ``begin``, up to a factor.
    """
    k, padded = log_b.shape[1], last.shape[0]
    reached = zeros(padded)
    b, peaks = panel(padded), np.empty(PANEL)
    inverse = 1.0
    for t in range(end - 1, begin - 1, -1):
        row = (t - begin) % PANEL
        if row == PANEL - 1 or t == end - 1:
            _emissions(log_b, t - row, row + 1, real, b, peaks)
        if t == end - 1:
            copy(last, reached)
        else:
            _advance(w, transposed, ends, tiles, reached)
        s = splat(0.0)
        for j in range(0, padded, WIDTH):
            s = s + load(reached, j)
        before, inverse = inverse, 1.0 / max(total(s) * inverse, TINY)
        at = (end - 1 - t) * k
        for j in range(0, padded, WIDTH):
            store(betas, at + j, load(reached, j) * (before * inverse))
        _weigh(reached, b, row * padded, before, w)
        if inverse > 1.0 / _STEEP_BACK:
            _weigh(reached, b, row * padded, before * inverse, w)
            inverse = 1.0


@kernel(**SUMS)
def backward_through(  # type: ignore[no-untyped-def]
    log_b, begin, end, last, ends_here, transposed, ends_t, tiles_t, ends, tiles, real,
    alphas, weight, start_counts, end_counts, pairs,
):  # fmt: skip
    """From row ``end - 1`` down to ``begin``, over kept ``alphas``: posteriors into ``log_b``, pairs of rows added to ``pairs``
    (padded).

    ``last``: beta of row ``end - 1`` where the sequence ends there, else emission times beta of row ``end``. ``transposed`` has
    no way out of states that cannot be reached. Returns the largest beta, scaled so that sum(alpha beta) = 1; inf where that
    sum has vanished.
    """
    k, padded = log_b.shape[1], last.shape[0]
    reached, w = zeros(padded), zeros(padded)
    copy(last, w)
    b, peaks = panel(padded), np.empty(PANEL)
    left, right, gamma = panel(padded), panel(padded), panel(padded)
    most, lost = splat(0.0), False
    inverse = 1.0
    filled = 0
    for t in range(end - 1, begin - 1, -1):
        row = (t - begin) % PANEL
        if row == PANEL - 1 or t == end - 1:  # rows from here down to the panel's first are still log emissions
            height = row + 1
            _emissions(log_b, t - row, height, real, b, peaks)
        at = (t - begin) * k
        if t == end - 1 and ends_here:
            copy(w, reached)
        else:
            _advance(w, transposed, ends_t, tiles_t, reached)
        meet = _dot(reached, alphas, at) * inverse
        lost = lost or not meet > TINY
        before, inverse = inverse, 1.0 / max(meet, TINY)
        scale = before * inverse
        if t < end - 1:
            for j in range(0, padded, WIDTH):
                store(right, filled * padded + j, load(w, j) * (scale * weight))
                store(left, filled * padded + j, load(alphas, at + j))
            filled += 1
            if filled == PANEL or t == begin:
                _add_pairs(left, right, filled, ends, tiles, pairs)
                filled = 0
        for j in range(0, padded, WIDTH):
            v = load(reached, j) * scale
            most = larger(v, most)
            store(gamma, row * padded + j, flushed(load(alphas, at + j) * v) * weight)
        _weigh(reached, b, row * padded, before, w)
        if inverse > 1.0 / _STEEP_BACK:
            _weigh(reached, b, row * padded, scale, w)
            inverse = 1.0
        if t == begin:
            for j in range(k):
                start_counts[j] += gamma[row, j]
        if t == end - 1 and ends_here:
            for j in range(k):
                end_counts[j] += gamma[row, j]
        if row == 0:
            store_rows(gamma, height, log_b, t)
    return np.inf if lost else largest(most)


@kernel(**SUMS)
def forward_through(  # type: ignore[no-untyped-def]
    log_b, begin, end, last, m, ends, tiles, real, betas, endprob, weight, end_counts, pairs
):
    """From row ``begin`` to the end of the sequence, over kept ``betas``, going on from alpha ``last`` of the row before.

    Posteriors and pairs as in ``backward_through``. Returns the log-likelihood of these rows, the smallest normaliser, and the
    largest alpha, scaled so that sum(alpha beta) = 1; inf where that sum has vanished.
    """
    k, padded = log_b.shape[1], last.shape[0]
    now, reached = last.copy(), zeros(padded)
    b, peaks = panel(padded), np.empty(PANEL)
    left, right, gamma = panel(padded), panel(padded), panel(padded)
    so_far, least, product, inverse = 0.0, 1.0, 1.0, 1.0
    most, lost = splat(0.0), False
    for t in range(begin, end):
        row = (t - begin) % PANEL
        if row == 0:
            height = min(PANEL, end - t)
            _emissions(log_b, t, height, real, b, peaks)
        so_far += peaks[row]
        for j in range(0, padded, WIDTH):
            store(left, row * padded + j, load(now, j) * inverse)
        _advance(now, m, ends, tiles, reached)
        c = _weigh(reached, b, row * padded, inverse, now)
        at = (end - 1 - t) * k
        meet = _dot(now, betas, at)
        lost = lost or not meet > TINY
        share = 1.0 / max(meet, TINY)
        for j in range(0, padded, WIDTH):
            v, beta = load(now, j) * share, load(betas, at + j)
            most = larger(v, most)
            store(gamma, row * padded + j, flushed(v * beta) * weight)
            store(right, row * padded + j, load(b, row * padded + j) * beta * (share * weight))
        least = min(least, c)
        inverse = _factor(c, reached, b, row * padded, inverse, now)
        so_far, product = _take_log(max(c, TINY), so_far, product)
        if row == height - 1:
            _add_pairs(left, right, height, ends, tiles, pairs)
            store_rows(gamma, height, log_b, t - row)
            if t == end - 1:
                for j in range(k):
                    end_counts[j] += gamma[row, j]
    so_far += log(product)
    if endprob.shape[0] > 0:
        c = _dot(now, endprob, 0) * inverse
        least = min(least, c)
        so_far += log(max(c, TINY))
    return so_far, least, np.inf if lost else largest(most)


@kernel(**SUMS)
def short_chains(  # type: ignore[no-untyped-def]
    log_b, order, offsets, lengths, weights, start, m, transposed, ends, tiles, ends_t, tiles_t,
    last, endprob, real, alphas, start_counts, end_counts, pairs, log_likelihoods, redo,
):  # fmt: skip
    """``forward`` and ``backward_through`` over each sequence of ``order``. ``alphas``, as in ``forward``, is workspace."""
    k = log_b.shape[1]
    for s in order:
        begin, end = offsets[s], offsets[s] + lengths[s]
        so_far, least = forward(log_b, begin, end, start, m, ends, tiles, real, alphas)
        if endprob.shape[0] > 0:
            c = 0.0
            for j in range(k):
                c += alphas[(lengths[s] - 1) * k + j] * endprob[j]
            least = min(least, c)
            so_far += log(max(c, TINY))
        most = backward_through(
            log_b, begin, end, last, True, transposed, ends_t, tiles_t, ends, tiles, real,
            alphas, weights[s], start_counts, end_counts, pairs,
        )  # fmt: skip
        log_likelihoods[s] = so_far
        redo[s] = not (least > TINY and most < BLOWN_UP * least)
