"""Compiled Viterbi recursions, one sequence at a time, SIMD lanes along the states. The NumPy twin is in
``emkit.models.hmm.decoding``.

No back pointers are kept: the best scores replace the log emissions in place, and the way back repeats the comparison for the
one state that the path is in. Vectors and matrices are padded with -inf to whole registers; tiles are those of
``emkit.kernels.hmm_chain``, here of entries above
-inf. Only comparisons and sums of logarithms: nothing depends on their order, and ties go to the lowest state.
"""

import numpy as np

from emkit.kernels.jit import INLINED, kernel
from emkit.kernels.rows import PANEL, largest_of_row, load_rows, store_rows, zeros
from emkit.kernels.simd import WIDTH, lane, larger, largest, load, position, splat, store


@kernel(**INLINED)
def _best_of_eight(x, m, at, padded, a, b):  # type: ignore[no-untyped-def]
    """The better of ``a``, ``b`` and the eight numbers of ``x`` plus eight rows of ``m``, of which one register each."""
    to = at + 4 * padded
    p = larger(lane(x, 1) + load(m, at + padded), lane(x, 0) + load(m, at))
    q = larger(lane(x, 3) + load(m, at + 3 * padded), lane(x, 2) + load(m, at + 2 * padded))
    r = larger(lane(x, 5) + load(m, to + padded), lane(x, 4) + load(m, to))
    s = larger(lane(x, 7) + load(m, to + 3 * padded), lane(x, 6) + load(m, to + 2 * padded))
    return larger(larger(q, p), a), larger(larger(s, r), b)


@kernel(**INLINED)
def _advance(scores, row, m, ends, tiles):  # type: ignore[no-untyped-def]
    """scores[row, j] += max over i of scores[row - 1, i] + m[i, j]."""
    padded, begin = scores.shape[1], 0
    at = row * padded
    for column in range(ends.shape[0]):
        j = column * WIDTH
        top = other = splat(-np.inf)
        for p in range(begin, ends[column]):
            i = tiles[p] * WIDTH
            top, other = _best_of_eight(load(scores, at - padded + i), m, i * padded + j, padded, top, other)
        store(scores, at + j, larger(other, top) + load(scores, at + j))
        begin = ends[column]


@kernel(**INLINED)
def take_peaks(b, count):  # type: ignore[no-untyped-def]
    """Subtract each row's largest number; returns their sum.

    Beside an emission of -1e12 the scores so far would drown in rounding.
    """
    padded, peaks = b.shape[1], 0.0
    for row in range(count):
        peak = largest_of_row(b, row)
        peaks += peak
        for j in range(0, padded, WIDTH):
            store(b, row * padded + j, load(b, row * padded + j) - peak)
    return peaks


@kernel(**INLINED)
def carry_on(scores, row, target, to):  # type: ignore[no-untyped-def]
    """Row ``to`` of ``target`` = scores[row] less its largest, which is returned: scores stay small, however long the sequence."""
    padded, top = scores.shape[1], largest_of_row(scores, row)
    for j in range(0, padded, WIDTH):
        store(target, to * padded + j, load(scores, row * padded + j) - top)
    return top


@kernel(**INLINED)
def _first_best(scores, at, m, to, padded):  # type: ignore[no-untyped-def]
    """The largest of scores[at + i] + m[to + i], and the lowest i that has it."""
    top = splat(-np.inf)
    for i in range(0, padded, WIDTH):
        top = larger(load(scores, at + i) + load(m, to + i), top)
    best = largest(top)
    found, i = WIDTH, 0
    while found == WIDTH and i < padded:
        found = position(load(scores, at + i) + load(m, to + i), best)
        i += WIDTH
    return best, i - WIDTH + found


@kernel()
def viterbi_chain(  # type: ignore[no-untyped-def]
    log_b,  # (n, K) float64: overwritten with the best scores
    order,  # sequences to do
    offsets,  # (S,) first row of each sequence
    lengths,  # (S,)
    real,  # (P,): 1 for a state, 0 for padding; P: K padded to a multiple of WIDTH
    log_start,  # (P,)
    log_trans,  # (P, P)
    transposed,  # (P, P): arriving state first
    ends,  # which tiles of log_trans are not all -inf
    tiles,
    log_end,  # (P,); zeros without an end state
    states,  # out (n,) int64
    log_probs,  # out (S,)
):
    """One sequence after the other; an impossible one gets log probability -inf and states -1."""
    padded = log_start.shape[0]
    # The row before a panel's first comes before it.
    scores = zeros((PANEL + 1) * padded).reshape((PANEL + 1, padded))
    b = scores[1:]
    for s in order:
        begin, n, base = offsets[s], lengths[s], 0.0
        for first in range(0, n, PANEL):
            count = min(PANEL, n - first)
            load_rows(log_b, begin + first, count, real, b)
            base += take_peaks(b, count)
            if first == 0:
                for j in range(0, padded, WIDTH):
                    store(b, j, load(b, j) + load(log_start, j))
            for row in range(2 if first == 0 else 1, count + 1):
                _advance(scores, row, log_trans, ends, tiles)
            store_rows(b, count, log_b, begin + first)
            base += carry_on(scores, count, scores, 0)
        best, here = _first_best(scores, 0, log_end, 0, padded)
        log_probs[s] = best + base
        if best == -np.inf:
            states[begin : begin + n] = -1
            continue
        states[begin + n - 1] = here
        for last in range(n - 1, 0, -PANEL):
            count = min(PANEL, last)
            load_rows(log_b, begin + last - count, count, real, b)
            for row in range(count - 1, -1, -1):
                _, here = _first_best(b, row * padded, transposed, here * padded, padded)
                states[begin + last - count + row] = here
