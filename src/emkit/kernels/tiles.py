"""What every mixture kernel does to a tile of rows, whatever the family.

A tile holds up to a few hundred rows, feature-major: ``tile[j, lane]`` is column j of row ``start + lane``, so that SIMD lanes
are rows. Unused lanes of the last tile repeat a row with weight zero.
"""

import numpy as np

from emkit.kernels.jit import EXACT, INNER, SUMS, kernel
from emkit.kernels.vmath import exp, log


@kernel(**EXACT, **INNER)
def load_tile(x, weights, start, tile, tile_weights):  # type: ignore[no-untyped-def]
    """Copy rows ``start ...`` of ``x`` (n, d) into ``tile`` (d, lanes), their weights beside them; returns how many there were."""
    d, lanes = tile.shape
    n = min(lanes, x.shape[0] - start)
    for lane in range(n):
        for j in range(d):
            tile[j, lane] = x[start + lane, j]
    for lane in range(n, lanes):
        for j in range(d):
            tile[j, lane] = x[start, j]
    if weights.shape[0] > 0:
        for lane in range(n):
            tile_weights[lane] = weights[start + lane]
    else:
        for lane in range(n):
            tile_weights[lane] = 1.0
    for lane in range(n, lanes):
        tile_weights[lane] = 0.0
    return n


@kernel(**SUMS, **INNER)
def normalise(log_joint, weights, row_log_likelihood, peak, total):  # type: ignore[no-untyped-def]
    """Bayes' rule over a tile, in place.

    ``log_joint`` (K, lanes) enters as log(weight_k) + log p(x | k) and leaves as responsibilities times row weights.
    Writes each row's log-likelihood and returns their weighted sum. The maximum is removed before exponentiating; a row
    that no component can produce gets responsibilities 0 and log-likelihood -inf.
    """
    k_count, lanes = log_joint.shape
    floor = total.dtype.type(0.5)
    for lane in range(lanes):
        peak[lane] = log_joint[0, lane]
        total[lane] = 0.0
    for k in range(1, k_count):
        for lane in range(lanes):
            peak[lane] = max(peak[lane], log_joint[k, lane])
    for lane in range(lanes):
        if peak[lane] == -np.inf:  # keeps -inf - -inf out of the next loop
            peak[lane] = 0.0
    for k in range(k_count):
        for lane in range(lanes):
            p = exp(log_joint[k, lane] - peak[lane])
            log_joint[k, lane] = p
            total[lane] += p
    log_likelihood = 0.0
    impossible = 0
    for lane in range(lanes):
        impossible += total[lane] < 0.5  # the largest term is exp(0) = 1 unless every term is 0
        row_log_likelihood[lane] = peak[lane] + log(max(np.float64(total[lane]), 0.5))
        log_likelihood += weights[lane] * row_log_likelihood[lane]
        total[lane] = weights[lane] / max(total[lane], floor)
    if impossible > 0:
        log_likelihood = 0.0
        for lane in range(lanes):
            possible = False
            for k in range(k_count):
                possible = possible or log_joint[k, lane] > 0.0
            if not possible:
                row_log_likelihood[lane] = -np.inf
            if weights[lane] > 0.0:
                log_likelihood += weights[lane] * row_log_likelihood[lane]
    for k in range(k_count):
        for lane in range(lanes):
            log_joint[k, lane] *= total[lane]
    return log_likelihood
