"""Symbols to log probabilities and back to expected counts. The NumPy twin is ``emkit.families.categorical``."""

import numpy as np

from emkit.kernels.jit import kernel


@kernel()
def look_up(x, table, out):  # type: ignore[no-untyped-def]
    """out[i] = sum over columns j of table[j, x[i, j]]; out (n, K), table (d, L + 2, K): row L is for missing cells, L + 1 for no such symbol."""
    n, d = x.shape
    most, k_count = table.shape[1] - 2, table.shape[2]
    for i in range(n):
        for j in range(d):
            v = x[i, j]
            row = most
            if not np.isnan(v):
                symbol = int(v)
                row = symbol if 0 <= symbol < most and symbol == v else most + 1
            if j == 0:
                for k in range(k_count):
                    out[i, k] = table[j, row, k]
            else:
                for k in range(k_count):
                    out[i, k] += table[j, row, k]


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
