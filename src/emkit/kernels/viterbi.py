"""Compiled Viterbi recursions, sixteen sequences side by side, one in each SIMD lane: for few states. Back pointers take one byte each.

``emkit.kernels.viterbi_chain`` takes sequences one by one. The NumPy twin is in ``emkit.models.hmm_decoding``.

Only comparisons and sums of logarithms: no fast-math flag is needed. Ties go to the lowest state. Inner loops have sixteen rounds
and read one flat array at fixed distances: that is what LLVM turns into SIMD code (with eight it unrolls them to scalar code first).
"""

import numpy as np

from emkit.kernels.jit import INNER, kernel

LANES = 16
FOUR = 4  # viterbi_lanes compares this many states at once: its parameters are padded with states of log probability -inf
_SECOND, _THIRD, _FOURTH = LANES, 2 * LANES, 3 * LANES


@kernel(**INNER)
def _load(log_b, offsets, lengths, t, b):  # type: ignore[no-untyped-def]
    """b[k, lane] = log emission of step t of each lane's sequence; 0 past its end."""
    k_count = b.shape[0]
    for lane in range(LANES):
        if t < lengths[lane]:
            row = offsets[lane] + t
            for k in range(k_count):
                b[k, lane] = log_b[row, k]
        else:
            for k in range(k_count):
                b[k, lane] = 0.0


@kernel(**INNER)
def _best_of_four(before, first, a0, a1, a2, a3, best):  # type: ignore[no-untyped-def]
    """Of four predecessors, number ``first`` at the beginning of ``before``, the best in each lane, against the best so far.

    ``best``: LANES scores, then LANES state numbers, as floats so that all of it is one kind of SIMD register.
    """
    for lane in range(LANES):
        v0 = before[lane] + a0
        v1 = before[lane + _SECOND] + a1
        v2 = before[lane + _THIRD] + a2
        v3 = before[lane + _FOURTH] + a3
        low = v1 if v1 > v0 else v0
        i_low = first + 1.0 if v1 > v0 else first
        high = v3 if v3 > v2 else v2
        i_high = first + 3.0 if v3 > v2 else first + 2.0
        top = high if high > low else low
        i_top = i_high if high > low else i_low
        so_far = best[lane]
        best[lane + LANES] = i_top if top > so_far else best[lane + LANES]
        best[lane] = top if top > so_far else so_far


@kernel()
def viterbi_lanes(  # type: ignore[no-untyped-def]
    log_b,  # (n, K) float64
    order,  # sequences to do, those of similar length next to each other, the longest first
    offsets,  # (S,) first row of each sequence
    lengths,  # (S,)
    log_start,  # (P,), P: K padded to a multiple of FOUR
    log_trans,  # (P, P)
    log_end,  # (P,); zeros without an end state
    states,  # out (n,) int64
    log_probs,  # out (S,)
):
    """Sequences in SIMD lanes; K of at most 256."""
    k_count = log_b.shape[1]
    padded = log_start.shape[0]
    longest = 0
    for s in order:
        longest = max(longest, lengths[s])
    back = np.empty((longest, k_count, LANES), np.uint8)
    scores = np.full((2, padded * LANES), -np.inf)
    b = np.empty((k_count, LANES))
    best = np.empty(2 * LANES)
    off = np.zeros(LANES, np.int64)
    size = np.zeros(LANES, np.int64)
    top = np.empty(LANES)
    end_state = np.zeros(LANES, np.int64)
    which = np.zeros(LANES, np.int64)
    for begin in range(0, order.shape[0], LANES):
        used = min(LANES, order.shape[0] - begin)
        last = 0
        for lane in range(LANES):
            s = order[begin + min(lane, used - 1)]
            off[lane] = offsets[s]
            size[lane] = lengths[s] if lane < used else 0
            last = max(last, size[lane])
        next_end = size[used - 1]
        for t in range(last):
            _load(log_b, off, size, t, b)
            now = scores[t % 2]
            before = scores[(t + 1) % 2]
            for j in range(k_count):
                out = now[j * LANES : (j + 1) * LANES]
                if t == 0:
                    for lane in range(LANES):
                        out[lane] = log_start[j] + b[j, lane]
                    continue
                for lane in range(LANES):
                    best[lane] = -np.inf
                for lane in range(LANES):
                    best[lane + LANES] = 0.0
                for i in range(0, padded, FOUR):
                    a0, a1, a2, a3 = log_trans[i, j], log_trans[i + 1, j], log_trans[i + 2, j], log_trans[i + 3, j]
                    _best_of_four(before[i * LANES :], float(i), a0, a1, a2, a3, best)
                for lane in range(LANES):
                    out[lane] = best[lane] + b[j, lane]
                pointers = back[t, j]
                for lane in range(LANES):
                    pointers[lane] = np.uint8(best[lane + LANES])
            if t + 1 < next_end:
                continue
            for lane in range(used):  # some sequence of the group ends here
                if t + 1 == size[lane]:
                    top[lane] = -np.inf
                    end_state[lane] = 0
                    for j in range(k_count):
                        v = now[j * LANES + lane] + log_end[j]
                        if v > top[lane]:
                            top[lane] = v
                            end_state[lane] = j
        for lane in range(used):
            log_probs[order[begin + lane]] = top[lane]
        for t in range(last - 1, -1, -1):
            for lane in range(used):
                if t < size[lane]:
                    here = end_state[lane] if t + 1 == size[lane] else np.int64(back[t + 1, which[lane], lane])
                    which[lane] = here
                    states[off[lane] + t] = here if top[lane] > -np.inf else -1
