"""Compiled Viterbi recursion of one long sequence with few states, part by part, so that its emissions need never be in memory
together.

What goes on from part to part is the best score of each state. Back pointers take one byte each. Padding and ties are as in
``emkit.kernels.viterbi_chain``, which keeps scores in place of pointers and finds the path by comparing again: cheaper for many
states, where pointers would double the work.
"""

import numpy as np

from emkit.kernels.jit import INLINED, kernel
from emkit.kernels.rows import PANEL, load_rows, panel
from emkit.kernels.simd import WIDTH, lane, larger, load, splat, store, store_bytes, where_larger
from emkit.kernels.viterbi_chain import carry_on, take_peaks


@kernel(**INLINED)
def _better(v, i, w, j):  # type: ignore[no-untyped-def]
    """The larger of scores ``v`` and ``w``, the first of equals, with the number that goes with it."""
    return larger(w, v), where_larger(w, v, j, i)


@kernel(**INLINED)
def _best_of_eight(x, m, at, padded, first):  # type: ignore[no-untyped-def]
    """The best of eight numbers ``x`` plus eight rows of ``m``, of which one register each; and which, counted from ``first``."""
    i = splat(first)
    to = at + 4 * padded
    a, p = _better(lane(x, 0) + load(m, at), i, lane(x, 1) + load(m, at + padded), i + 1.0)
    b, q = _better(lane(x, 2) + load(m, at + 2 * padded), i + 2.0, lane(x, 3) + load(m, at + 3 * padded), i + 3.0)
    c, r = _better(lane(x, 4) + load(m, to), i + 4.0, lane(x, 5) + load(m, to + padded), i + 5.0)
    d, s = _better(lane(x, 6) + load(m, to + 2 * padded), i + 6.0, lane(x, 7) + load(m, to + 3 * padded), i + 7.0)
    a, p = _better(a, p, b, q)
    c, r = _better(c, r, d, s)
    return _better(a, p, c, r)


@kernel()
def viterbi_onward(  # type: ignore[no-untyped-def]
    log_b,  # (m, K): log emissions of the next m steps
    first,  # the number of steps before them
    real,  # (P,): 1 for a state, 0 for padding
    log_start,  # (P,)
    log_trans,  # (P, P)
    scores,  # (2, P), in and out: the second row holds the best scores of the step before
    back,  # out uint8, flat, K a step, with room for one more register
):
    """Best scores of the states at the last of these steps, and back pointers from each; returns what scores were reduced by."""
    k_count, base = log_b.shape[1], 0.0
    padded = log_start.shape[0]
    b = panel(padded)
    for begin in range(0, log_b.shape[0], PANEL):
        count = min(PANEL, log_b.shape[0] - begin)
        load_rows(log_b, begin, count, real, b)
        base += take_peaks(b, count)
        for row in range(count):
            t = first + begin + row
            before, now = (row + 1) % 2 * padded, row % 2 * padded
            for j in range(0, padded, WIDTH):
                if t == 0:
                    store(scores, now + j, load(log_start, j) + load(b, j))
                    continue
                top, best = _best_of_eight(load(scores, before), log_trans, j, padded, 0.0)
                for i in range(WIDTH, padded, WIDTH):
                    v, which = _best_of_eight(load(scores, before + i), log_trans, i * padded + j, padded, np.float64(i))
                    top, best = _better(top, best, v, which)
                store(scores, now + j, top + load(b, row * padded + j))
                store_bytes(back, t * k_count + j, best)
        base += carry_on(scores, (count + 1) % 2, scores, 1)  # an odd number of steps ends in the first row
    return base


@kernel()
def viterbi_back(back, k_count, here, states):  # type: ignore[no-untyped-def]
    """The path that ends in state ``here``."""
    for t in range(states.shape[0] - 1, 0, -1):
        states[t] = here
        here = back[t * k_count + here]
    states[0] = here
