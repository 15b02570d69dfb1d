"""Compiled Viterbi recursions, sixteen sequences side by side, one in each lane of two SIMD registers: for few states.

``emkit.kernels.viterbi_chain`` takes sequences one by one. The NumPy twin is in ``emkit.models.hmm.decoding``.

Back pointers take one byte each. Only comparisons and sums of logarithms: nothing depends on their order, and ties go to the
lowest state.
"""

import numpy as np

from emkit.kernels.hmm_lanes import LANES, largest_of_states, load_lanes, rows_of_step
from emkit.kernels.jit import INLINED, kernel
from emkit.kernels.rows import whole, zeros
from emkit.kernels.simd import WIDTH, larger, load, splat, store, store_bytes, where_larger

_REBASED = 32  # steps


@kernel(**INLINED)
def _advance(scores, before, now, log_trans, b, emitted, back, at):  # type: ignore[no-untyped-def]
    """scores[now + j] = max over i of scores[before + i] + log_trans[i, j], plus emission, for each j; the best i into ``back``."""
    k_count = log_trans.shape[0]
    for j in range(k_count):
        x, y = load(scores, before) + log_trans[0, j], load(scores, before + WIDTH) + log_trans[0, j]
        best_x = best_y = splat(0.0)
        for i in range(1, k_count):
            p, this, state = log_trans[i, j], before + i * LANES, splat(np.float64(i))
            v, w = load(scores, this) + p, load(scores, this + WIDTH) + p
            best_x, best_y = where_larger(v, x, state, best_x), where_larger(w, y, state, best_y)
            x, y = larger(v, x), larger(w, y)
        here = j * LANES
        store(scores, now + here, x + load(b, emitted + here))
        store(scores, now + here + WIDTH, y + load(b, emitted + here + WIDTH))
        store_bytes(back, at + here, best_x)
        store_bytes(back, at + here + WIDTH, best_y)


@kernel(**INLINED)
def _take_largest(values, at, k_count, part, active):  # type: ignore[no-untyped-def]
    """Subtract the largest over the states from one of each two registers; returns it, 0 for lanes that are not ``active``."""
    top = largest_of_states(values, at, k_count, part)
    for k in range(k_count):
        here = at + k * LANES + part
        store(values, here, load(values, here) - top)
    return where_larger(active, splat(0.0), top, splat(0.0))


@kernel()
def viterbi_lanes(  # type: ignore[no-untyped-def]
    log_b,  # (n, K) float64
    order,  # sequences to do, those of similar length next to each other, the longest first
    offsets,  # (S,) first row of each sequence
    lengths,  # (S,)
    log_start,  # (K,)
    log_trans,  # (K, K)
    log_end,  # (K,); zeros without an end state
    states,  # out (n,) int64
    log_probs,  # out (S,)
):
    """Sequences in SIMD lanes; K of at most 256."""
    k_count = log_b.shape[1]
    width = k_count * LANES  # of a step
    back = np.empty(lengths[order[0]] * width, np.uint8)
    room = whole(k_count) * LANES
    scores, b = zeros(2 * width), zeros(2 * room)  # this step and the one before; this step's emissions and the next one's
    off, end, rows = np.zeros(LANES, np.int64), np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    size, left, base = np.zeros(LANES, np.int64), zeros(LANES), zeros(LANES)
    top = np.empty(LANES)
    end_state = np.zeros(LANES, np.int64)
    which = np.zeros(LANES, np.int64)
    for begin in range(0, order.shape[0], LANES):
        used = min(LANES, order.shape[0] - begin)
        for lane in range(LANES):
            s = order[begin + min(lane, used - 1)]
            off[lane], end[lane] = offsets[s], offsets[s] + lengths[s] - 1
            size[lane] = lengths[s] if lane < used else 0
        last, next_end = size[0], size[used - 1]
        base_x = base_y = splat(0.0)
        rows_of_step(off, end, 0, rows)
        load_lanes(log_b, rows, b, 0)
        for t in range(last):
            now, before = t % 2 * width, (t + 1) % 2 * width
            emitted = t % 2 * room
            for lane in range(LANES):
                left[lane] = size[lane] - t
            left_x, left_y = load(left, 0), load(left, WIDTH)
            # Beside an emission of -1e12 the scores so far would drown in rounding.
            base_x = base_x + _take_largest(b, emitted, k_count, 0, left_x)
            base_y = base_y + _take_largest(b, emitted, k_count, WIDTH, left_y)
            rows_of_step(off, end, t + 1, rows)  # one step ahead of its use
            load_lanes(log_b, rows, b, (t + 1) % 2 * room)
            if t == 0:
                for j in range(k_count):
                    for part in range(j * LANES, (j + 1) * LANES, WIDTH):
                        store(scores, now + part, load(b, emitted + part) + log_start[j])
            else:
                _advance(scores, before, now, log_trans, b, emitted, back, t * width)
            if t % _REBASED == _REBASED - 1:  # scores stay small however long the sequence is
                base_x = base_x + _take_largest(scores, now, k_count, 0, left_x)
                base_y = base_y + _take_largest(scores, now, k_count, WIDTH, left_y)
            if t + 1 < next_end:
                continue
            for lane in range(used):  # some sequence of the group ends here
                if t + 1 == size[lane]:
                    top[lane] = -np.inf
                    end_state[lane] = 0
                    for j in range(k_count):
                        v = scores[now + j * LANES + lane] + log_end[j]
                        if v > top[lane]:
                            top[lane] = v
                            end_state[lane] = j
        store(base, 0, base_x)
        store(base, WIDTH, base_y)
        for lane in range(used):
            log_probs[order[begin + lane]] = top[lane] + base[lane]
        for t in range(last - 1, -1, -1):
            for lane in range(used):
                if t < size[lane]:
                    here = end_state[lane] if t + 1 == size[lane] else np.int64(back[(t + 1) * width + which[lane] * LANES + lane])
                    which[lane] = here
                    states[off[lane] + t] = here if top[lane] > -np.inf else -1
