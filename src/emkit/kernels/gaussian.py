"""One compiled pass of a Gaussian mixture over a block: E-step and moments together, tile by tile.

The NumPy twin is ``emkit.families.gaussian``. Nothing of size n x K exists unless the caller asks for responsibilities.
Moments are taken about each component's current mean. Only lower triangles are computed; inner loops run over lanes with 4 x 4
blocks of coefficients held in registers, eight loads for sixteen multiply-adds.
"""

import numpy as np

from emkit.kernels.jit import EXACT, INNER, SUMS, kernel
from emkit.kernels.tiles import load_tile, normalise

SPHERICAL, DIAG, TIED, FULL = 0, 1, 2, 3


@kernel(**EXACT, **INNER)
def _off(x, mean, tail):  # type: ignore[no-untyped-def]
    """One cell minus a mean in two parts.

    Its own function, so that its order of operations survives in callers that may reorder sums.
    """
    return (x - mean) - tail


@kernel(**EXACT, **INNER)
def _centre(tile, mean, mean_tail, out):  # type: ignore[no-untyped-def]
    """Out = tile - mean. In float32 the mean comes in two parts, so that data far from the origin lose nothing."""
    d, lanes = tile.shape
    if mean_tail.shape[0] > 0:
        for j in range(d):
            m, t = mean[j], mean_tail[j]
            for lane in range(lanes):
                out[j, lane] = (tile[j, lane] - m) - t
    else:
        for j in range(d):
            m = mean[j]
            for lane in range(lanes):
                out[j, lane] = tile[j, lane] - m


@kernel(**SUMS, **INNER)
def _whiten_rows(w, x, j, z):  # type: ignore[no-untyped-def]
    """z[0:4] = rows j..j+3 of the lower-triangular ``w`` times ``x``; j is a multiple of four."""
    lanes = x.shape[1]
    z0, z1, z2, z3 = z[0], z[1], z[2], z[3]
    for lane in range(lanes):
        z0[lane] = 0.0
        z1[lane] = 0.0
        z2[lane] = 0.0
        z3[lane] = 0.0
    for i in range(0, j + 4, 4):
        a0, a1, a2, a3 = w[j, i], w[j, i + 1], w[j, i + 2], w[j, i + 3]
        b0, b1, b2, b3 = w[j + 1, i], w[j + 1, i + 1], w[j + 1, i + 2], w[j + 1, i + 3]
        c0, c1, c2, c3 = w[j + 2, i], w[j + 2, i + 1], w[j + 2, i + 2], w[j + 2, i + 3]
        d0, d1, d2, d3 = w[j + 3, i], w[j + 3, i + 1], w[j + 3, i + 2], w[j + 3, i + 3]
        x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
        for lane in range(lanes):
            v0, v1, v2, v3 = x0[lane], x1[lane], x2[lane], x3[lane]
            z0[lane] += a0 * v0 + a1 * v1 + a2 * v2 + a3 * v3
            z1[lane] += b0 * v0 + b1 * v1 + b2 * v2 + b3 * v3
            z2[lane] += c0 * v0 + c1 * v1 + c2 * v2 + c3 * v3
            z3[lane] += d0 * v0 + d1 * v1 + d2 * v2 + d3 * v3


@kernel(**SUMS, **INNER)
def _whiten_row(w, x, j, z):  # type: ignore[no-untyped-def]
    """Z = row j of the lower-triangular ``w`` times ``x``."""
    lanes = x.shape[1]
    for lane in range(lanes):
        z[lane] = 0.0
    for i in range(j + 1):
        a, xi = w[j, i], x[i]
        for lane in range(lanes):
            z[lane] += a * xi[lane]


@kernel(**SUMS, **INNER)
def _quadratic_full(w, x, z, q):  # type: ignore[no-untyped-def]
    """Q = |w x|^2 for lower-triangular ``w`` (d, d) and ``x`` (d, lanes)."""
    d, lanes = x.shape
    if d == 2:
        a, b, c = w[0, 0], w[1, 0], w[1, 1]
        x0, x1 = x[0], x[1]
        for lane in range(lanes):
            z0 = a * x0[lane]
            z1 = b * x0[lane] + c * x1[lane]
            q[lane] = z0 * z0 + z1 * z1
        return
    for lane in range(lanes):
        q[lane] = 0.0
    z0, z1, z2, z3 = z[0], z[1], z[2], z[3]
    for j in range(0, d - 3, 4):
        _whiten_rows(w, x, j, z)
        for lane in range(lanes):
            q[lane] += z0[lane] * z0[lane] + z1[lane] * z1[lane] + z2[lane] * z2[lane] + z3[lane] * z3[lane]
    for j in range(d // 4 * 4, d):
        _whiten_row(w, x, j, z0)
        for lane in range(lanes):
            q[lane] += z0[lane] * z0[lane]


@kernel(**SUMS, **INNER)
def _quadratic_scaled(scale, x, mean, tail, q):  # type: ignore[no-untyped-def]
    """q = sum_j scale[j]^2 (x[j] - mean[j])^2; ``scale`` of length 1 serves every column; ``tail`` may be empty."""
    d, lanes = x.shape
    zero = q.dtype.type(0.0)
    for lane in range(lanes):
        q[lane] = zero
    each, two = scale.shape[0] > 1, tail.shape[0] > 0
    for j in range(0, d - 3, 4):
        a0, a1 = scale[j if each else 0], scale[j + 1 if each else 0]
        a2, a3 = scale[j + 2 if each else 0], scale[j + 3 if each else 0]
        a0, a1, a2, a3 = a0 * a0, a1 * a1, a2 * a2, a3 * a3
        m0, m1, m2, m3 = mean[j], mean[j + 1], mean[j + 2], mean[j + 3]
        t0, t1 = tail[j] if two else zero, tail[j + 1] if two else zero
        t2, t3 = tail[j + 2] if two else zero, tail[j + 3] if two else zero
        x0, x1, x2, x3 = x[j], x[j + 1], x[j + 2], x[j + 3]
        for lane in range(lanes):
            v0, v1 = _off(x0[lane], m0, t0), _off(x1[lane], m1, t1)
            v2, v3 = _off(x2[lane], m2, t2), _off(x3[lane], m3, t3)
            q[lane] += a0 * (v0 * v0) + a1 * (v1 * v1) + a2 * (v2 * v2) + a3 * (v3 * v3)
    for j in range(d // 4 * 4, d):
        s = scale[j if each else 0]
        a, m, t, xj = s * s, mean[j], tail[j] if two else zero, x[j]
        for lane in range(lanes):
            v = _off(xj[lane], m, t)
            q[lane] += a * (v * v)


@kernel(**SUMS, **INNER)
def _first_moment(r, x, first):  # type: ignore[no-untyped-def]
    d, lanes = x.shape
    for j in range(d):
        total = r.dtype.type(0.0)
        xj = x[j]
        for lane in range(lanes):
            total += r[lane] * xj[lane]
        first[j] += total


@kernel(**SUMS, **INNER)
def _moments_diag(r, x, mean, tail, first, second):  # type: ignore[no-untyped-def]
    """first += (x - mean) r, second += (x - mean)^2 r; ``second`` of length 1 takes the sum over columns; ``tail`` may be empty."""
    d, lanes = x.shape
    each, two = second.shape[0] > 1, tail.shape[0] > 0
    zero = r.dtype.type(0.0)
    for j in range(0, d - 1, 2):
        f0 = f1 = s0 = s1 = zero
        m0, m1 = mean[j], mean[j + 1]
        t0, t1 = tail[j] if two else zero, tail[j + 1] if two else zero
        x0, x1 = x[j], x[j + 1]
        for lane in range(lanes):
            v0, v1 = _off(x0[lane], m0, t0), _off(x1[lane], m1, t1)
            u0 = r[lane] * v0
            u1 = r[lane] * v1
            f0 += u0
            f1 += u1
            s0 += u0 * v0
            s1 += u1 * v1
        first[j] += f0
        first[j + 1] += f1
        second[j if each else 0] += s0
        second[j + 1 if each else 0] += s1
    if d % 2 == 1:
        j = d - 1
        f0 = s0 = zero
        m, t, xj = mean[j], tail[j] if two else zero, x[j]
        for lane in range(lanes):
            v = _off(xj[lane], m, t)
            u0 = r[lane] * v
            f0 += u0
            s0 += u0 * v
        first[j] += f0
        second[j if each else 0] += s0


@kernel(**SUMS, **INNER)
def _cross(r, x, a, b, second):  # type: ignore[no-untyped-def]
    total = r.dtype.type(0.0)
    xa, xb = x[a], x[b]
    for lane in range(x.shape[1]):
        total += r[lane] * xa[lane] * xb[lane]
    second[a, b] += total


@kernel(**SUMS, **INNER)
def _moments_full(r, x, rx, first, second):  # type: ignore[no-untyped-def]
    """First += x r; second += x diag(r) x^T, lower triangle (the 4 x 4 blocks on the diagonal whole)."""
    d, lanes = x.shape
    zero = r.dtype.type(0.0)
    if d == 2:
        f0 = f1 = s0 = s1 = s2 = zero
        x0, x1 = x[0], x[1]
        for lane in range(lanes):
            t0 = r[lane] * x0[lane]
            t1 = r[lane] * x1[lane]
            f0 += t0
            f1 += t1
            s0 += t0 * x0[lane]
            s1 += t1 * x0[lane]
            s2 += t1 * x1[lane]
        first[0] += f0
        first[1] += f1
        second[0, 0] += s0
        second[1, 0] += s1
        second[1, 1] += s2
        return
    _first_moment(r, x, first)
    r0, r1, r2, r3 = rx[0], rx[1], rx[2], rx[3]
    for a in range(0, d - 3, 4):
        a0, a1, a2, a3 = x[a], x[a + 1], x[a + 2], x[a + 3]
        for lane in range(lanes):
            r0[lane] = r[lane] * a0[lane]
            r1[lane] = r[lane] * a1[lane]
            r2[lane] = r[lane] * a2[lane]
            r3[lane] = r[lane] * a3[lane]
        for b in range(0, a + 4, 4):
            b0, b1, b2, b3 = x[b], x[b + 1], x[b + 2], x[b + 3]
            s00 = s01 = s02 = s03 = zero
            s10 = s11 = s12 = s13 = zero
            s20 = s21 = s22 = s23 = zero
            s30 = s31 = s32 = s33 = zero
            for lane in range(lanes):
                u0, u1, u2, u3 = r0[lane], r1[lane], r2[lane], r3[lane]
                v0, v1, v2, v3 = b0[lane], b1[lane], b2[lane], b3[lane]
                s00 += u0 * v0
                s01 += u0 * v1
                s02 += u0 * v2
                s03 += u0 * v3
                s10 += u1 * v0
                s11 += u1 * v1
                s12 += u1 * v2
                s13 += u1 * v3
                s20 += u2 * v0
                s21 += u2 * v1
                s22 += u2 * v2
                s23 += u2 * v3
                s30 += u3 * v0
                s31 += u3 * v1
                s32 += u3 * v2
                s33 += u3 * v3
            second[a, b] += s00
            second[a, b + 1] += s01
            second[a, b + 2] += s02
            second[a, b + 3] += s03
            second[a + 1, b] += s10
            second[a + 1, b + 1] += s11
            second[a + 1, b + 2] += s12
            second[a + 1, b + 3] += s13
            second[a + 2, b] += s20
            second[a + 2, b + 1] += s21
            second[a + 2, b + 2] += s22
            second[a + 2, b + 3] += s23
            second[a + 3, b] += s30
            second[a + 3, b + 1] += s31
            second[a + 3, b + 2] += s32
            second[a + 3, b + 3] += s33
    for a in range(d // 4 * 4, d):
        for b in range(a + 1):
            _cross(r, x, a, b, second)


@kernel(**SUMS, **INNER)
def _sum(r):  # type: ignore[no-untyped-def]
    total = r.dtype.type(0.0)
    for lane in range(r.shape[0]):
        total += r[lane]
    return total


@kernel(**SUMS)
def mixture_pass(  # type: ignore[no-untyped-def]
    kind,  # SPHERICAL, DIAG, TIED or FULL
    x,  # (n, d) rows, float32 or float64, no NaN
    weights,  # (n,) in x's type, or empty: all 1
    log_norm,  # (K,) log(weight_k) plus the log normalising constant of component k, in x's type
    means,  # (K, d) in x's type
    mean_tails,  # (K, d): what rounding `means` to float32 lost; (K, 0) in float64
    scales,  # SPHERICAL (K, 1), DIAG (K, d): 1 / standard deviation; else (K, 0)
    whiteners,  # TIED (1, d, d), FULL (K, d, d): inverse of the covariance's lower Cholesky factor; else (0, 0, 0)
    with_second,  # False where covariances are fixed: second moments are then left alone
    counts,  # out (K,), with the next two in float64, added to
    first,  # out (K, d)
    second_diag,  # out SPHERICAL (K, 1), DIAG (K, d); else (K, 0)
    second_full,  # out TIED (1, d, d), FULL (K, d, d), lower triangle; else (0, 0, 0)
    rows_log_likelihood,  # out (n,) float64, or empty
    responsibilities,  # out (n, K) in x's type, or empty; moments are then not accumulated
):
    """Adds the block's expected statistics to the output arrays and returns its weighted log-likelihood."""
    n, d = x.shape
    k_count = means.shape[0]
    lanes = 256 if d <= 32 else 128
    tile = np.empty((d, lanes), x.dtype)
    centred = np.empty((d, lanes), x.dtype)
    work = np.empty((4, lanes), x.dtype)
    q = np.empty(lanes, x.dtype)
    tile_weights = np.empty(lanes, x.dtype)
    peak = np.empty(lanes, x.dtype)
    total = np.empty(lanes, x.dtype)
    log_joint = np.empty((k_count, lanes), x.dtype)
    row_log_likelihood = np.empty(lanes, np.float64)
    half = tile_weights.dtype.type(0.5)
    log_likelihood = 0.0
    for start in range(0, n, lanes):
        count = load_tile(x, weights, start, tile, tile_weights)
        for k in range(k_count):
            if kind >= TIED:  # one call site for both: what is inlined once compiles once
                _centre(tile, means[k], mean_tails[k], centred)
                _quadratic_full(whiteners[k if kind == FULL else 0], centred, work, q)
            else:
                _quadratic_scaled(scales[k], tile, means[k], mean_tails[k], q)
            joint, c = log_joint[k], log_norm[k]
            for lane in range(lanes):
                joint[lane] = c - half * q[lane]
        log_likelihood += normalise(log_joint, tile_weights, row_log_likelihood, peak, total)
        if rows_log_likelihood.shape[0] > 0:
            for lane in range(count):
                rows_log_likelihood[start + lane] = row_log_likelihood[lane]
        if responsibilities.shape[0] > 0:
            for lane in range(count):
                for k in range(k_count):
                    responsibilities[start + lane, k] = log_joint[k, lane]
            continue
        for k in range(k_count):
            r = log_joint[k]
            mass = _sum(r)
            if mass == 0.0:
                continue  # nobody in this tile belongs to k: common when clusters are apart
            counts[k] += mass
            if kind >= TIED or not with_second:
                _centre(tile, means[k], mean_tails[k], centred)
            if not with_second:
                _first_moment(r, centred, first[k])
            elif kind >= TIED:
                _moments_full(r, centred, work, first[k], second_full[k if kind == FULL else 0])
            else:
                _moments_diag(r, tile, means[k], mean_tails[k], first[k], second_diag[k])
    return log_likelihood


@kernel(**SUMS)
def log_prob_rows(kind, x, log_norm, means, mean_tails, scales, whiteners, out):  # type: ignore[no-untyped-def]
    """Log densities of every row under every component, ``out`` (n, K) float64; arguments as in ``mixture_pass``."""
    n, d = x.shape
    k_count = means.shape[0]
    lanes = 256 if d <= 32 else 128
    tile = np.empty((d, lanes), x.dtype)
    centred = np.empty((d, lanes), x.dtype)
    work = np.empty((4, lanes), x.dtype)
    q = np.empty(lanes, x.dtype)
    nothing = np.empty(0, x.dtype)
    tile_weights = np.empty(lanes, x.dtype)
    for start in range(0, n, lanes):
        count = load_tile(x, nothing, start, tile, tile_weights)
        for k in range(k_count):
            if kind >= TIED:  # one call site for both: what is inlined once compiles once
                _centre(tile, means[k], mean_tails[k], centred)
                _quadratic_full(whiteners[k if kind == FULL else 0], centred, work, q)
            else:
                _quadratic_scaled(scales[k], tile, means[k], mean_tails[k], q)
            c = log_norm[k]
            for lane in range(count):
                out[start + lane, k] = c - 0.5 * q[lane]


@kernel(**SUMS)
def moment_rows(  # type: ignore[no-untyped-def]
    kind, x, resp, means, mean_tails, with_second, counts, first, second_diag, second_full
):
    """Adds the moments of rows with given responsibilities ``resp`` (n, K) float64; arguments as in ``mixture_pass``."""
    n, d = x.shape
    k_count = means.shape[0]
    lanes = 256 if d <= 32 else 128
    tile = np.empty((d, lanes), x.dtype)
    centred = np.empty((d, lanes), x.dtype)
    work = np.empty((4, lanes), x.dtype)
    nothing = np.empty(0, x.dtype)
    r = np.empty(lanes, x.dtype)
    for start in range(0, n, lanes):
        count = load_tile(x, nothing, start, tile, r)
        for k in range(k_count):
            for lane in range(count):
                r[lane] = resp[start + lane, k]
            for lane in range(count, lanes):
                r[lane] = 0.0
            mass = _sum(r)
            if mass == 0.0:
                continue
            counts[k] += mass
            if kind >= TIED or not with_second:
                _centre(tile, means[k], mean_tails[k], centred)
            if not with_second:
                _first_moment(r, centred, first[k])
            elif kind >= TIED:
                _moments_full(r, centred, work, first[k], second_full[k if kind == FULL else 0])
            else:
                _moments_diag(r, tile, means[k], mean_tails[k], first[k], second_diag[k])
