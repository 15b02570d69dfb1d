"""Weights found by other means than the evidence: one ridge by cross-validation, and constant experts by EM."""

import numpy as np

from emkit.models.rbf.evidence import Gram, Readout, solve
from emkit.models.rbf.features import Array, shares_of

_GRID = np.linspace(-18.0, 9.0, 28)  # log lambda over the mean squared feature times the rows
_ROUNDS, _TOL = 200, 1e-6


def ridge(sums: Gram, n_units: int) -> Readout:
    """One precision for units and linear part, by generalised cross-validation (Golub, Heath & Wahba 1979)."""
    best: tuple[float, Readout] | None = None
    m = len(sums.matrix)
    middle = np.log(max(float(sums.matrix.diagonal()[1:].mean()) if m > 1 else 1.0, 1e-12))
    for level in middle + _GRID:
        at = solve(sums, n_units, np.full(2, level))
        lost = float(np.vdot(at.inverse, sums.matrix))  # trace of the hat matrix
        misfit = sums.square - 2.0 * (sums.cross * at.mean).sum(0) + (at.mean * (sums.matrix @ at.mean)).sum(0)
        left = max(sums.rows - lost, 1e-3)
        noise = np.maximum(misfit / left, 1e-12)
        score = float(np.log(noise / left).sum())
        if best is None or score < best[0]:
            best = score, Readout(at.mean, at.inverse, at.log_lambda, noise, at.log_evidence, at.rows)
    assert best is not None
    return best[1]


def experts(exponent: Array, y: Array, weights: Array) -> Readout:
    """Constant experts behind the shares of units as gates: y | k ~ N(w_k, s2), EM over which unit made a row.

    Parameters
    ----------
    exponent : (n, K) array
        From ``features.exponents``.
    y : (n, p) array
        Standardised targets.
    weights : (n,) array
        Row weights.
    """
    shares = shares_of(exponent)[0]
    p = y.shape[1]
    resp = shares * weights[:, None]
    noise = np.ones(p)
    before = -np.inf
    for _ in range(_ROUNDS):
        mass = resp.sum(0) + 1e-9
        levels = resp.T @ y / mass[:, None]
        squared = (y[:, None, :] - levels) ** 2
        noise = np.maximum(np.einsum("nk,nkp->p", resp, squared) / weights.sum(), 1e-12)
        log_joint = np.log(shares + 1e-300) - 0.5 * (squared / noise + np.log(2.0 * np.pi * noise)).sum(2)
        top = log_joint.max(1, keepdims=True)
        resp = np.exp(log_joint - top)
        total = resp.sum(1, keepdims=True)
        value = float(weights @ (top + np.log(total))[:, 0])
        resp *= weights[:, None] / total
        if value - before < _TOL * abs(value):
            break
        before = value
    mean = np.concatenate([np.zeros((1, p)), levels])
    inverse = np.diag(np.concatenate([[0.0], 1.0 / mass]))
    return Readout(mean, inverse, np.zeros(2), noise, float("nan"), float(weights.sum()))
