"""Symbols to log probabilities and back to expected counts. The NumPy twin is ``emkit.families.categorical``."""

import numpy as np

from emkit.kernels.jit import INLINED, kernel
from emkit.kernels.simd import WIDTH, load, store


@kernel(**INLINED)
def _row_of(v, most):  # type: ignore[no-untyped-def]
    """The table's row for a cell: its symbol; L if it is missing, L + 1 if there is no such symbol."""
    row = most
    if not np.isnan(v):
        symbol = int(v)
        row = symbol if 0 <= symbol < most and symbol == v else most + 1
    return row


@kernel()
def look_up(x, table, out):  # type: ignore[no-untyped-def]
    """out[i] = sum over columns j of table[j, x[i, j]]; out (n, K), table (d, L + 2, K padded), its rows as ``_row_of`` says."""
    n, d = x.shape
    rows, padded = table.shape[1:]
    k_count = out.shape[1]
    end = np.empty(WIDTH)
    for i in range(n):
        first = _row_of(x[i, 0], rows - 2) * padded
        for k in range(0, padded, WIDTH):
            value = load(table, first + k)
            for j in range(1, d):
                value = value + load(table, (j * rows + _row_of(x[i, j], rows - 2)) * padded + k)
            at = i * k_count + k
            if at + WIDTH <= out.size:
                store(out, at, value)  # what sticks out over the end of a row is overwritten by the next
            else:  # the last row or two
                store(end, 0, value)
                for part in range(k, k_count):
                    out[i, part] = end[part - k]


@kernel()
def count_symbols(x, resp, counts):  # type: ignore[no-untyped-def]
    """counts[j, x[i, j]] += resp[i]; counts (d, L, K), resp (n, K)."""
    n, d = x.shape
    most, k_count = counts.shape[1], counts.shape[2]
    for i in range(n):
        for j in range(d):
            v = x[i, j]
            if np.isnan(v):
                continue
            symbol = int(v)
            if 0 <= symbol < most:
                for k in range(k_count):
                    counts[j, symbol, k] += resp[i, k]
