"""Compiled forward-backward recursions, sixteen sequences side by side: one in each lane of two SIMD registers.

For few states, where one sequence alone would wait on the latency of its own chain. ``emkit.kernels.hmm_chain`` takes sequences
one by one, for many states or few sequences. The NumPy twin of both is ``emkit.models.hmm.recursions``.

Both take log emission probabilities (n, K), overwrite them with weighted posteriors, and add expected start, transition and end
counts to the output arrays; nothing of size T x K x K exists. Each step's largest log emission is removed, the rest exponentiated
once, and the recursions are rescaled at every step (Rabiner 1989, section V.A).

A state's share can underflow to nothing and still be the one that later steps call for. That shows on the way back: its beta,
scaled so that sum(alpha beta) = 1, grows beyond all measure, or nothing is left to meet. Such a sequence is marked in ``redo``;
its rows and the counts are then not to be used, and the caller starts over without it.

Numbers of step t and state k lie at (t K + k) LANES, the two registers one after the other. Past its sequence's end a lane
computes something finite that goes nowhere.
"""

import numpy as np

from emkit.kernels.jit import INLINED, SUMS, kernel
from emkit.kernels.rows import whole, zeros
from emkit.kernels.simd import WIDTH, larger, largest, load, splat, store, total, transpose, where_larger
from emkit.kernels.vmath import exp, log

LANES = 2 * WIDTH
TINY = 1e-300  # a normaliser no larger than this is taken for zero
# What is dropped is at most 5e-131: an emission beside the step's largest (exp is zero below -300), or less, a share of a
# vector. Where a step's normaliser is c, that is 5e-131 beta / c of the likelihood: under 1e-30 while the largest beta stays
# below this times the smallest c.
BLOWN_UP = 1e100
LOST = 1e-130
_PANEL = 8  # steps whose pairs are added up together


@kernel(**INLINED)
def flushed(v):  # type: ignore[no-untyped-def]
    """v, or 0 where it is lost beside 1e-130: an absolute error of 1e-146, and products of two such numbers are no subnormals."""
    return (v + LOST) - LOST


@kernel(**INLINED)
def load_lanes(log_b, rows, values, to):  # type: ignore[no-untyped-def]
    """values[to + k * LANES + lane] = log_b[rows[lane], k], up to the next multiple of eight states."""
    k_count = log_b.shape[1]
    end = 0
    for lane in range(LANES):
        end = max(end, rows[lane] * k_count)
    for k in range(0, k_count, WIDTH):
        if end + k + WIDTH <= log_b.size:
            for part in range(0, LANES, WIDTH):
                v = transpose(
                    (
                        load(log_b, rows[part] * k_count + k),
                        load(log_b, rows[part + 1] * k_count + k),
                        load(log_b, rows[part + 2] * k_count + k),
                        load(log_b, rows[part + 3] * k_count + k),
                        load(log_b, rows[part + 4] * k_count + k),
                        load(log_b, rows[part + 5] * k_count + k),
                        load(log_b, rows[part + 6] * k_count + k),
                        load(log_b, rows[part + 7] * k_count + k),
                    )
                )
                at = to + k * LANES + part
                store(values, at, v[0])
                store(values, at + LANES, v[1])
                store(values, at + 2 * LANES, v[2])
                store(values, at + 3 * LANES, v[3])
                store(values, at + 4 * LANES, v[4])
                store(values, at + 5 * LANES, v[5])
                store(values, at + 6 * LANES, v[6])
                store(values, at + 7 * LANES, v[7])
        else:  # a register would reach beyond the array
            for lane in range(LANES):
                for i in range(k, min(k + WIDTH, k_count)):
                    values[to + i * LANES + lane] = log_b[rows[lane], i]


@kernel(**INLINED)
def _store_lanes(values, offsets, lengths, t, log_b):  # type: ignore[no-untyped-def]
    """The reverse, for step t of the sequences that have one."""
    k_count = log_b.shape[1]
    full = k_count // WIDTH * WIDTH
    for k in range(0, full, WIDTH):
        for part in range(0, LANES, WIDTH):
            at = k * LANES + part
            v = transpose(
                (
                    load(values, at),
                    load(values, at + LANES),
                    load(values, at + 2 * LANES),
                    load(values, at + 3 * LANES),
                    load(values, at + 4 * LANES),
                    load(values, at + 5 * LANES),
                    load(values, at + 6 * LANES),
                    load(values, at + 7 * LANES),
                )
            )
            for lane, row in enumerate(v):
                if t < lengths[part + lane]:
                    store(log_b, (offsets[part + lane] + t) * k_count + k, row)
    for lane in range(LANES):
        if t < lengths[lane]:
            for k in range(full, k_count):
                log_b[offsets[lane] + t, k] = values[k * LANES + lane]


@kernel(**INLINED)
def rows_of_step(first, last, t, rows):  # type: ignore[no-untyped-def]
    """The row of step t of each lane's sequence, or its last one."""
    for lane in range(LANES):
        rows[lane] = min(first[lane] + t, last[lane])


@kernel(**INLINED)
def largest_of_states(values, at, k_count, part):  # type: ignore[no-untyped-def]
    """The largest over the states in each lane of one of the two registers; 0 where all are -inf."""
    top = load(values, at + part)
    for k in range(1, k_count):
        top = larger(load(values, at + k * LANES + part), top)
    return where_larger(top, splat(-np.inf), top, splat(0.0))


@kernel(**INLINED)
def _emissions(raw, at, k_count, b, now, part):  # type: ignore[no-untyped-def]
    """b = exp(log emission - the step's maximum) for one of the two registers; returns the maximum."""
    peak = largest_of_states(raw, at, k_count, part)
    for k in range(k_count):
        store(b, now + k * LANES + part, exp(load(raw, at + k * LANES + part) - peak))
    return peak


@kernel(**INLINED)
def _add_pairs(left, right, count, even, pairs):  # type: ignore[no-untyped-def]
    """pairs[i, j] += left[i] right[j], lane by lane, over ``count`` steps of ``even`` states, in tiles of two by two."""
    for i in range(0, even, 2):
        for j in range(0, even, 2):
            at = (i * even + j) * WIDTH
            below = at + even * WIDTH
            a, b, c, d = load(pairs, at), load(pairs, at + WIDTH), load(pairs, below), load(pairs, below + WIDTH)
            e = f = g = h = splat(0.0)
            for step in range(count):
                p, q = (step * even + i) * LANES, (step * even + j) * LANES
                x0, y0, x1, y1 = load(left, p), load(left, p + WIDTH), load(left, p + LANES), load(left, p + LANES + WIDTH)
                v0, w0, v1, w1 = load(right, q), load(right, q + WIDTH), load(right, q + LANES), load(right, q + LANES + WIDTH)
                a, b, c, d = a + x0 * v0, b + x0 * v1, c + x1 * v0, d + x1 * v1
                e, f, g, h = e + y0 * w0, f + y0 * w1, g + y1 * w0, h + y1 * w1
            store(pairs, at, a + e)
            store(pairs, at + WIDTH, b + f)
            store(pairs, below, c + g)
            store(pairs, below + WIDTH, d + h)


@kernel(**INLINED)
def _forward(log_b, off, end, size, last, startprob, transmat, rows, raw, b, alpha, so_far, product, least):  # type: ignore[no-untyped-def]
    """A group's alphas, each adding up to 1, its scaled emissions, and per lane the log-likelihood and the least normaliser."""
    k_count = log_b.shape[1]
    width, room = k_count * LANES, raw.shape[0] // 2  # of a step
    length_x, length_y = load(size, 0), load(size, WIDTH)
    peaks_x = peaks_y = splat(0.0)
    product_x = product_y = least_x = least_y = one = splat(1.0)
    rows_of_step(off, end, 0, rows)
    load_lanes(log_b, rows, raw, 0)
    for t in range(last):
        at, now, before, step = t % 2 * room, t * width, (t - 1) * width, splat(np.float64(t))
        # One step ahead of its use.
        rows_of_step(off, end, t + 1, rows)
        load_lanes(log_b, rows, raw, (t + 1) % 2 * room)
        peak_x = _emissions(raw, at, k_count, b, now, 0)
        peak_y = _emissions(raw, at, k_count, b, now, WIDTH)
        sum_x = sum_y = splat(0.0)
        for j in range(k_count):
            x = y = splat(0.0)
            if t == 0:
                x = y = splat(startprob[j])
            else:
                for i in range(k_count):
                    p, q = transmat[i, j], before + i * LANES
                    x, y = x + load(alpha, q) * p, y + load(alpha, q + WIDTH) * p
            here = now + j * LANES
            x, y = x * load(b, here), y * load(b, here + WIDTH)
            store(alpha, here, x)
            store(alpha, here + WIDTH, y)
            sum_x, sum_y = sum_x + x, sum_y + y
        c_x, c_y = where_larger(length_x, step, sum_x, one), where_larger(length_y, step, sum_y, one)
        least_x, least_y = where_larger(least_x, c_x, c_x, least_x), where_larger(least_y, c_y, c_y, least_y)
        peaks_x = peaks_x + where_larger(length_x, step, peak_x, splat(0.0))
        peaks_y = peaks_y + where_larger(length_y, step, peak_y, splat(0.0))
        c_x, c_y = larger(c_x, splat(TINY)), larger(c_y, splat(TINY))
        inverse_x, inverse_y = 1.0 / larger(sum_x, splat(TINY)), 1.0 / larger(sum_y, splat(TINY))
        for j in range(k_count):
            here = now + j * LANES
            store(alpha, here, flushed(load(alpha, here) * inverse_x))
            store(alpha, here + WIDTH, flushed(load(alpha, here + WIDTH) * inverse_y))
        # One logarithm for many steps.
        next_x, next_y = product_x * c_x, product_y * c_y
        if -largest(larger(0.0 - next_x, 0.0 - next_y)) < 1e-100:
            for part, old, factor in ((0, product_x, c_x), (WIDTH, product_y, c_y)):
                store(product, part, old)
                store(raw, at, factor)
                for lane in range(WIDTH):
                    so_far[part + lane] += log(product[part + lane]) + log(raw[at + lane])
            next_x = next_y = one
        product_x, product_y = next_x, next_y
    store(product, 0, product_x)
    store(product, WIDTH, product_y)
    for lane in range(LANES):
        so_far[lane] += log(product[lane])
    store(so_far, 0, load(so_far, 0) + peaks_x)
    store(so_far, WIDTH, load(so_far, WIDTH) + peaks_y)
    store(least, 0, least_x)
    store(least, WIDTH, least_y)


@kernel(**INLINED)
def _backward(  # type: ignore[no-untyped-def]
    log_b, off, size, weight, last, next_end, toward, edge, b, alpha, left, right, beta, pairs, start_counts, end_counts, most
):
    """Posteriors into ``log_b``, pairs of states into ``pairs``, and per lane the largest beta.

    ``toward``: transitions from reachable states.
    """
    k_count = log_b.shape[1]
    width, even = k_count * LANES, (k_count + 1) // 2 * 2
    length_x, length_y = load(size, 0), load(size, WIDTH)
    weight_x, weight_y = load(weight, 0), load(weight, WIDTH)
    most_x = most_y = nothing = splat(0.0)
    one, tiny, endless = splat(1.0), splat(TINY), splat(np.inf)
    for k in range(k_count):
        store(right, k * LANES, one)
        store(right, k * LANES + WIDTH, one)
    filled = 0
    for t in range(last - 1, -1, -1):
        now, w, step, after = t * width, filled * even * LANES, splat(np.float64(t)), splat(t + 1.0)
        sum_x = sum_y = nothing
        for i in range(k_count):
            x = y = nothing
            for j in range(k_count):
                p, q = toward[i, j], w + j * LANES
                x, y = x + load(right, q) * p, y + load(right, q + WIDTH) * p
            end = splat(edge[i])
            x, y = where_larger(length_x, after, x, end), where_larger(length_y, after, y, end)
            here = i * LANES
            store(beta, here, x)
            store(beta, here + WIDTH, y)
            sum_x, sum_y = sum_x + load(alpha, now + here) * x, sum_y + load(alpha, now + here + WIDTH) * y
        meet_x, meet_y = where_larger(length_x, step, sum_x, one), where_larger(length_y, step, sum_y, one)
        most_x, most_y = where_larger(meet_x, tiny, most_x, endless), where_larger(meet_y, tiny, most_y, endless)
        inverse_x, inverse_y = 1.0 / larger(meet_x, tiny), 1.0 / larger(meet_y, tiny)
        pair_x = where_larger(length_x, after, inverse_x * weight_x, nothing)
        pair_y = where_larger(length_y, after, inverse_y * weight_y, nothing)
        for i in range(k_count):
            here = i * LANES
            store(left, w + here, load(alpha, now + here) * pair_x)
            store(left, w + here + WIDTH, load(alpha, now + here + WIDTH) * pair_y)
        filled += 1
        if filled == _PANEL or t == 0:
            _add_pairs(left, right, filled, even, pairs)
            filled = 0
        w = filled * even * LANES
        for i in range(k_count):
            here = i * LANES
            x, y = load(beta, here) * inverse_x, load(beta, here + WIDTH) * inverse_y
            most_x, most_y = larger(x, most_x), larger(y, most_y)
            v, u = flushed(load(b, now + here) * x), flushed(load(b, now + here + WIDTH) * y)
            store(right, w + here, where_larger(length_x, step, v, one))
            store(right, w + here + WIDTH, where_larger(length_y, step, u, one))
            x, y = flushed(load(alpha, now + here) * x) * weight_x, flushed(load(alpha, now + here + WIDTH) * y) * weight_y
            store(beta, here, x)
            store(beta, here + WIDTH, y)
            if t == 0:
                start_counts[i] += total(x) + total(y)
        _store_lanes(beta, off, size, t, log_b)
        if t + 1 >= next_end:
            for lane in range(LANES):
                if size[lane] == t + 1:
                    for k in range(k_count):
                        end_counts[k] += beta[k * LANES + lane]
    store(most, 0, most_x)
    store(most, WIDTH, most_y)


@kernel(**SUMS)
def forward_backward_lanes(  # type: ignore[no-untyped-def]
    log_b,  # (n, K) float64: log emissions in, posteriors times weights out
    order,  # sequences to do, those of similar length next to each other, the longest first
    offsets,  # (S,) first row of each sequence
    lengths,  # (S,)
    weights,  # (S,)
    startprob,  # (K,)
    transmat,  # (K, K)
    toward,  # (K, K): transmat without the rows of states that the chain can never be in
    edge,  # (K,): beta of a last step, without those states
    endprob,  # (K,), or empty: no end state
    alpha,  # workspace, (longest * K * LANES,)
    b,  # workspace, the same
    start_counts,  # out (K,), added to
    transition_counts,  # out (K, K), added to
    end_counts,  # out (K,), added to
    log_likelihoods,  # out (S,)
    redo,  # out (S,) bool: underflowed, to be done in log space
):
    """Group after group of sixteen sequences."""
    k_count = startprob.shape[0]
    even = (k_count + 1) // 2 * 2
    raw, beta = zeros(2 * whole(k_count) * LANES), zeros(k_count * LANES)
    left, right, pairs = zeros(_PANEL * even * LANES), zeros(_PANEL * even * LANES), zeros(even * even * WIDTH)
    off, end, rows = np.zeros(LANES, np.int64), np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    size, weight = zeros(LANES), zeros(LANES)
    so_far, product, least, most = zeros(LANES), zeros(LANES), zeros(LANES), zeros(LANES)
    for begin in range(0, order.shape[0], LANES):
        used = min(LANES, order.shape[0] - begin)
        for lane in range(LANES):
            s = order[begin + min(lane, used - 1)]
            off[lane] = offsets[s]
            end[lane] = offsets[s] + lengths[s] - 1
            size[lane] = lengths[s] if lane < used else 0
            weight[lane] = weights[s] if lane < used else 0.0
            so_far[lane] = 0.0
        last, next_end = lengths[order[begin]], lengths[order[begin + used - 1]]
        _forward(log_b, off, end, size, last, startprob, transmat, rows, raw, b, alpha, so_far, product, least)
        _backward(
            log_b,
            off,
            size,
            weight,
            last,
            next_end,
            toward,
            edge,
            b,
            alpha,
            left,
            right,
            beta,
            pairs,
            start_counts,
            end_counts,
            most,
        )
        for lane in range(used):
            s = order[begin + lane]
            if endprob.shape[0] > 0:
                c = 0.0
                for j in range(k_count):
                    c += alpha[((lengths[s] - 1) * k_count + j) * LANES + lane] * endprob[j]
                least[lane] = min(least[lane], c)
                so_far[lane] += log(max(c, TINY))
            log_likelihoods[s] = so_far[lane]
            redo[s] = not (least[lane] > TINY and most[lane] < BLOWN_UP * least[lane])
    for i in range(k_count):
        for j in range(k_count):
            if transmat[i, j] > 0.0:  # elsewhere pairs are not bounded
                transition_counts[i, j] += transmat[i, j] * total(load(pairs, (i * even + j) * WIDTH))
