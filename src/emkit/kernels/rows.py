"""Rows of K numbers as whole registers, and back: vectors over states, padded to a multiple of eight.

Rows of ``log_b`` (n, K) follow one another without padding. A register that reaches over the end of its row reads numbers of
the next one, which are replaced, and writes into it, which is done in rising order only, so that the next row is written after.
"""

import numpy as np
from numba.extending import register_jitable

from emkit.kernels.jit import INLINED, INNER, kernel
from emkit.kernels.simd import WIDTH, larger, largest, load, splat, store, where_larger

PANEL = 32  # rows that are loaded, worked on and stored together


@register_jitable
def whole(k: int) -> int:
    """The next multiple of WIDTH: numbers in the registers that ``k`` states take."""
    return (k + WIDTH - 1) // WIDTH * WIDTH


@kernel(**INNER)
def zeros(size):  # type: ignore[no-untyped-def]
    """Zeros that begin at the beginning of a cache line: registers that lie across two are slow to store and load again."""
    room = np.zeros(size + WIDTH)
    return room[-(room.ctypes.data // 8) % WIDTH :][:size]


@kernel(**INNER)
def panel(padded):  # type: ignore[no-untyped-def]
    """Room for PANEL padded rows, all zero."""
    return zeros(PANEL * padded).reshape((PANEL, padded))


@kernel(**INLINED)
def copy(source, target):  # type: ignore[no-untyped-def]
    """Target = source, whole registers."""
    for j in range(0, source.shape[0], WIDTH):
        store(target, j, load(source, j))


@kernel(**INLINED)
def load_rows(log_b, begin, count, real, out):  # type: ignore[no-untyped-def]
    """Rows ``begin ...`` of ``log_b`` (n, K) into ``out`` (PANEL, padded), -inf beyond K.

    ``real`` (padded,): 1 for a state, else 0.
    """
    k, padded = log_b.shape[1], real.shape[0]
    for row in range(count):
        at, to = (begin + row) * k, row * padded
        if at + padded <= log_b.size:
            for j in range(0, padded, WIDTH):
                v = load(log_b, at + j)
                if j + WIDTH > k:
                    v = where_larger(load(real, j), splat(0.0), v, splat(-np.inf))
                store(out, to + j, v)
        else:  # a register would reach beyond the array
            for j in range(padded):
                out[row, j] = log_b[begin + row, j] if j < k else -np.inf


@kernel(**INLINED)
def largest_of_row(values, row):  # type: ignore[no-untyped-def]
    """The largest number of a padded row; 0 where all are -inf."""
    padded = values.shape[1]
    top = load(values, row * padded)
    for j in range(WIDTH, padded, WIDTH):
        top = larger(load(values, row * padded + j), top)
    peak = largest(top)
    return peak if peak > -np.inf else 0.0


@kernel(**INLINED)
def store_rows(values, count, log_b, begin):  # type: ignore[no-untyped-def]
    """The reverse of ``load_rows``."""
    k, padded = log_b.shape[1], values.shape[1]
    for row in range(count):
        at = (begin + row) * k
        for j in range(0, padded, WIDTH):
            if j + WIDTH <= k or at + j + WIDTH <= (begin + count) * k:
                store(log_b, at + j, load(values, row * padded + j))  # what sticks out is overwritten by the rows that follow
            else:
                for i in range(j, k):
                    log_b[begin + row, i] = values[row, i]
