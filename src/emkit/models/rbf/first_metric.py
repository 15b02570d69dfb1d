"""A first guess of the widths: the gates of a small mixture of linear experts (Xu, Jordan & Hinton 1995), fitted by EM.

Gate k is a Gaussian over the inputs with its own mean and diagonal variances shared by all gates; expert k is a
linear regression. Columns along which the target bends get narrow gates, so their shared variance says how wide units
should be.
"""

import numpy as np

from emkit.models.rbf.centers import cluster
from emkit.models.rbf.features import Array, squared_distances
from emkit.models.rbf.metric import Sample

_UNITS, _ROUNDS = 10, 40
_RIDGE = 1.0  # pseudo-rows on every slope
_ROWS = 2.0  # pseudo-rows of pooled variance
_NEAR = 8.0  # largest sum of omega over the columns to start from


def first_metric(sample: Sample, seed: int) -> Array:
    """Log omega (d,) to start from: a quarter of the inverse gate variances of a mixture of linear experts.

    With many columns these are scaled down to a sum of 8: a row would be too far from every unit for any slope to show.
    """
    rng = np.random.default_rng([seed, 0])
    omega = 0.25 / gate_variances(sample.x, sample.y, sample.mass, rng)
    return np.asarray(np.log(omega * min(1.0, _NEAR / float(omega.sum()))))


def gate_variances(x: Array, y: Array, weights: Array, rng: np.random.Generator) -> Array:
    """Shared variances (d,) of the gates; ``x`` (n, d) and ``y`` (n, p) standardised, ``weights`` (n,)."""
    n = float(weights.sum())
    k = int(min(_UNITS, max(1, n // 10)))
    means = cluster(x, weights, k, rng)
    label = squared_distances(x, means, np.ones(x.shape[1])).argmin(1)
    resp = np.zeros((len(x), k))
    resp[np.arange(len(x)), label] = weights
    psi = np.column_stack([np.ones(len(x)), x])
    variances = np.ones(x.shape[1])
    for _ in range(_ROUNDS):
        mass = resp.sum(0)
        means = (resp.T @ x) / np.maximum(mass, 1e-12)[:, None]
        within = np.maximum((resp.sum(1) @ (x * x)) - mass @ (means * means), 0.0)
        before, variances = variances, np.maximum((within + _ROWS) / (n + _ROWS), 1e-6)
        squared, noise = _experts(psi, y, resp)
        log_joint = np.log((mass + 1.0 / k) / (n + 1.0)) - 0.5 * squared_distances(x, means, 1.0 / variances)
        log_joint -= 0.5 * (squared / noise + np.log(noise)).sum(2)
        log_joint -= log_joint.max(1, keepdims=True)
        resp = np.exp(log_joint)
        resp *= (weights / resp.sum(1))[:, None]
        if np.abs(np.log(variances / before)).max() < 1e-3:
            break
    return variances


def _experts(psi: Array, y: Array, resp: Array) -> tuple[Array, Array]:
    """Squared residuals (n, K, p) and residual variances (K, p) of K weighted regressions of y on psi (n, 1 + d)."""
    k, m = resp.shape[1], psi.shape[1]
    ridge = np.diag(np.r_[1e-6, np.full(m - 1, _RIDGE)])
    outer = (psi[:, :, None] * psi[:, None, :]).reshape(len(psi), -1)
    grams = (resp.T @ outer).reshape(k, m, m) + ridge
    crosses = (resp.T @ (psi[:, :, None] * y[:, None, :]).reshape(len(psi), -1)).reshape(k, m, -1)
    slopes = np.linalg.solve(grams, crosses)
    squared = (y[:, None, :] - np.einsum("nm,kmp->nkp", psi, slopes)) ** 2
    sums = np.einsum("nk,nkp->kp", resp, squared)
    pooled = sums.sum(0) / resp.sum()
    noise: Array = (sums + _ROWS * pooled) / (resp.sum(0)[:, None] + _ROWS)
    return squared, np.maximum(noise, 1e-8)
