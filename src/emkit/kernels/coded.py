"""One compiled pass of a mixture over columns that are coded by their distinct values, and over real columns beside them.

Log probabilities are looked up: a table has a row for each distinct value of each column, with a lane for each component. What the
M-step needs of a coded column are the expected counts of its values, added up in a table of the same form. Lanes are components,
padded to whole registers, which was measured four times faster than lanes over rows. The NumPy twin is
``Family.plain_pass``.
"""

import numpy as np

from emkit.kernels.jit import EXACT, INLINED, kernel
from emkit.kernels.rows import zeros
from emkit.kernels.simd import WIDTH, larger, largest, load, splat, store, total
from emkit.kernels.vmath import exp, log

_TILE = 4096  # numbers in a tile of log joint probabilities: it stays in the first cache


@kernel(**INLINED)
def _joint(codes, offsets, table, x, reals, log_norm, means, halves, base, i, tile, row):  # type: ignore[no-untyped-def]
    """Row ``row`` of the tile: log weight + log p of row ``i``; ``base`` (n or 1, padded) is what it starts from."""
    padded = table.shape[1]
    c_count, g_count = codes.shape[1], reals.shape[0]
    start = i * padded if base.shape[0] > 1 else 0
    for j in range(0, padded, WIDTH):
        value = load(base, start + j)
        for c in range(c_count):
            value = value + load(table, (offsets[c] + codes[i, c]) * padded + j)
        for g in range(g_count):
            cell = np.float64(x[i, reals[g]])
            if not np.isnan(cell):
                at = g * padded + j
                off = load(means, at) - cell
                value = value + (load(log_norm, at) - off * off * load(halves, at))
        store(tile, row * padded + j, value)


@kernel(**INLINED)
def _bayes(tile, rows, peaks, totals):  # type: ignore[no-untyped-def]
    """exp(joint - the row's peak) in place; the peaks, and the sums."""
    padded = tile.shape[1]
    for row in range(rows):
        at = row * padded
        top = load(tile, at)
        for j in range(WIDTH, padded, WIDTH):
            top = larger(load(tile, at + j), top)
        peak = largest(top)
        peak = peak if peak > -np.inf else 0.0
        added = splat(0.0)
        for j in range(0, padded, WIDTH):
            p = exp(load(tile, at + j) - peak)
            store(tile, at + j, p)
            added = added + p
        peaks[row] = peak
        totals[row] = total(added)


@kernel(**INLINED)
def _count(codes, offsets, x, reals, means, i, tile, row, counts, tallies, moments):  # type: ignore[no-untyped-def]
    """Adds the responsibilities in row ``row`` of the tile to the tables; ``moments`` (3, g, padded): mass, first, second."""
    padded = tile.shape[1]
    c_count, g_count = codes.shape[1], reals.shape[0]
    size = g_count * padded
    for j in range(0, padded, WIDTH):
        r = load(tile, row * padded + j)
        store(tallies, j, load(tallies, j) + r)
        for c in range(c_count):
            at = (offsets[c] + codes[i, c]) * padded + j
            store(counts, at, load(counts, at) + r)
        for g in range(g_count):
            cell = np.float64(x[i, reals[g]])
            if not np.isnan(cell):
                at = g * padded + j
                off = splat(cell) - load(means, at)
                first = r * off
                store(moments, at, load(moments, at) + r)
                store(moments, size + at, load(moments, size + at) + first)
                store(moments, 2 * size + at, load(moments, 2 * size + at) + first * off)


@kernel(**EXACT)
def coded_pass(  # type: ignore[no-untyped-def]
    codes, offsets, table, x, reals, log_norm, means, halves, base, weights, counts, tallies, moments, row_values, resp
):
    """The E-step of a mixture over n rows; returns the (weighted) log-likelihood.

    ``codes`` (n, c) unsigned, ``offsets`` (c,) where each column's rows begin in ``table`` (rows, padded) of log probabilities.
    ``reals`` (g,): the columns of ``x`` (n, d), NaN where missing, that are normal, with ``log_norm``, ``means`` and ``halves``,
    one half over the variance, (g, padded).
    ``base`` (n or 1, padded): what is added to each row, log weights included; -inf in unused lanes. ``weights`` (n,) or (0,).
    ``counts`` like ``table``, ``tallies`` (padded,), ``moments`` (3, g, padded) take the sums, unless ``row_values`` (n,) is given:
    then each row's log-likelihood goes there. ``resp`` (n, padded), if given, gets the responsibilities, times the weights.
    """
    n, padded = codes.shape[0], table.shape[1]
    size = max(8, _TILE // padded)
    tile = zeros(size * padded).reshape((size, padded))
    peaks, totals, logs = np.empty(size), np.ones(size), np.empty(size)
    weighted, summed, kept = weights.shape[0] > 0, row_values.shape[0] == 0, resp.shape[0] > 0
    log_likelihood = 0.0
    for begin in range(0, n, size):
        rows = min(size, n - begin)
        for row in range(rows):
            _joint(codes, offsets, table, x, reals, log_norm, means, halves, base, begin + row, tile, row)
        _bayes(tile, rows, peaks, totals)
        for row in range(size):  # a loop of its own runs in SIMD lanes
            logs[row] = log(max(totals[row], 0.5))
        for row in range(rows):
            w = weights[begin + row] if weighted else 1.0
            possible = totals[row] > 0.0  # the largest term is exp(0) = 1 unless every term is 0
            value = peaks[row] + logs[row] if possible else -np.inf
            if w > 0.0:
                log_likelihood += w * value
            peaks[row] = value
            totals[row] = w / totals[row] if possible else 0.0
        if not summed:
            for row in range(rows):
                row_values[begin + row] = peaks[row]
        if summed or kept:
            for row in range(rows):
                for j in range(0, padded, WIDTH):
                    store(tile, row * padded + j, load(tile, row * padded + j) * totals[row])
                if summed:
                    _count(codes, offsets, x, reals, means, begin + row, tile, row, counts, tallies, moments)
        if kept:
            for row in range(rows):
                for j in range(0, padded, WIDTH):
                    store(resp, (begin + row) * padded + j, load(tile, row * padded + j))
    return log_likelihood
