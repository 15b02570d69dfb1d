"""Weights of a network whose output is a class, integrated out by Laplace's approximation.

Class c has logit a_c = psi' w_c, and p(c | x) = exp(a_c) / sum exp(a); two classes have one logit, of the second. Priors are those
of the regression (``evidence``): w ~ N(0, 1 / lambda_w), linear part ~ N(0, 1 / lambda_v), intercepts nearly free. At given
precisions Newton's method finds the most probable weights. The evidence is the value there, plus half the log determinants of
prior and posterior; precisions follow MacKay's fixed point, lambda = gamma / |w|^2, with gamma the weights that the data determine
(MacKay 1992, The evidence framework applied to classification networks, Neural Computation 4, 720-736).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from emkit.models.rbf.evidence import prior_precisions
from emkit.models.rbf.features import Array

_NEWTON, _ROUNDS, _TOL = 40, 60, 1e-3
_LEAST, _MOST = -12.0, 16.0  # bounds of log lambda

Blocks = Callable[[], Iterator[tuple[Array, Array, Array]]]
"""Makes rows block by block: psi (n, M), targets (n, C) or (n, 1), of ones and zeros, and weights (n,)."""


@dataclass(frozen=True)
class Logits:
    """The posterior of the weights.

    Attributes
    ----------
    mean : array of shape (M, L)
        L logits: one for two classes, otherwise one for each.
    spread : array of shape (L, M, M)
        Covariance of each logit's weights; of several, of their differences from the mean logit.
    log_lambda : array of shape (2,)
        Of units and linear part.
    log_evidence : float
        Laplace's approximation, nats.
    known : array of shape (M,)
        How many weights of each feature the data determine, all logits together.
    """

    mean: Array
    spread: Array
    log_lambda: Array
    log_evidence: float
    known: Array

    @property
    def determined(self) -> float:
        """Weights that the data determine."""
        return float(self.known.sum())

    def logits(self, psi: Array) -> Array:
        """Most probable logits, (n, L)."""
        return np.asarray(psi @ self.mean)

    def variances(self, psi: Array) -> Array:
        """Of the logits, (n, L)."""
        return np.maximum(np.einsum("nm,lmk,nk->nl", psi, self.spread, psi, optimize=True), 0.0)


def probabilities(logits: Array) -> Array:
    """Of the classes, (n, C), from logits (n, L)."""
    full = np.column_stack([np.zeros(len(logits)), logits]) if logits.shape[1] == 1 else logits
    shares = np.exp(full - full.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def moderated(logits: Array, variances: Array) -> Array:
    """Probabilities averaged over normal logits: these are divided by sqrt(1 + pi v / 8), MacKay (1992), equation 10."""
    return probabilities(logits / np.sqrt(1.0 + np.pi * variances / 8.0))


def maximise(blocks: Blocks, n_units: int, start: Logits | None = None) -> Logits:
    """Precisions whose Laplace evidence is largest, by MacKay's fixed point; the best that was met is kept."""
    log_lambda = np.zeros(2) if start is None else start.log_lambda
    now = _at(blocks, n_units, log_lambda, None if start is None else start.mean)
    best = now
    for _ in range(_ROUNDS):
        proposed = _fixed_point(now, n_units)
        step = proposed - now.log_lambda
        if float(np.abs(step).max()) < _TOL:
            break
        now = _at(blocks, n_units, proposed, now.mean)
        if now.log_evidence > best.log_evidence:
            gain, best = now.log_evidence - best.log_evidence, now
            if gain < _TOL:
                break
        elif now.log_evidence < best.log_evidence - 1.0:
            break
    return best


def _fixed_point(now: Logits, n_units: int) -> Array:
    m = len(now.mean)
    out = now.log_lambda.copy()
    for a, part in enumerate((slice(1, 1 + n_units), slice(1 + n_units, m))):
        size, gamma = float((now.mean[part] ** 2).sum()), float(now.known[part].sum())
        if now.mean[part].size:
            out[a] = np.log(max(gamma, 1e-9)) - np.log(max(size, 1e-300))
    return np.clip(out, _LEAST, _MOST)


def _at(blocks: Blocks, n_units: int, log_lambda: Array, start: Array | None) -> Logits:
    """The most probable weights at given precisions, by Newton steps, halved until the posterior does not fall."""
    mean, lam = start, np.zeros(0)
    value, slope, bend = -np.inf, np.zeros(0), np.zeros((0, 0))
    for _ in range(_NEWTON):
        if mean is None:
            psi, y, _ = next(blocks())
            mean = np.zeros((psi.shape[1], y.shape[1]))
        if not len(lam):
            lam = prior_precisions(log_lambda, n_units, len(mean))
            value, slope, bend = _posterior(blocks, mean, lam)
        step = cho_solve(_factor(bend), slope).reshape(mean.shape[::-1]).T
        promised = float(slope @ step.T.ravel())
        if promised < 1e-6:
            break
        for _ in range(30):
            then = _posterior(blocks, mean + step, lam)
            if then[0] >= value - 1e-10 * abs(value):
                break
            step = 0.5 * step
        else:
            break
        mean, (value, slope, bend) = mean + step, then
    assert mean is not None
    m, n_logits = mean.shape
    inverse = cho_solve(_factor(bend), np.eye(m * n_logits)).reshape(n_logits, m, n_logits, m)
    traces = np.array([inverse[c, :, c].diagonal() for c in range(n_logits)])
    if n_logits > 1:  # what all logits have in common changes no probability, and only the prior knows of it
        inverse = inverse - inverse.mean(axis=0)
        inverse = inverse - inverse.mean(axis=2, keepdims=True)
    spread = np.array([inverse[c, :, c] for c in range(n_logits)])
    log_det = n_logits * float(np.log(lam).sum()) - 2.0 * float(np.log(np.diag(_factor(bend)[0])).sum())
    shares = 1.0 - lam * traces.sum(axis=0) / n_logits
    return Logits(mean, spread, log_lambda, value + 0.5 * log_det, n_logits * shares)


def _factor(bend: Array) -> tuple[Array, bool]:
    try:
        found = cho_factor(bend, lower=True)
    except np.linalg.LinAlgError:  # numerically singular: a ridge of rounding size
        found = cho_factor(bend + 1e-10 * np.trace(bend) / len(bend) * np.eye(len(bend)), lower=True)
    return found  # type: ignore[no-any-return]


def _posterior(blocks: Blocks, mean: Array, lam: Array) -> tuple[float, Array, Array]:
    """Log likelihood plus log prior (without its constant), slope (L M,) and minus the Hessian (L M, L M), logit by logit."""
    m, n_logits = mean.shape
    value = -0.5 * float((lam[:, None] * mean**2).sum())
    slope = -(lam[:, None] * mean)
    bend = np.zeros((n_logits, m, n_logits, m))
    for c in range(n_logits):
        bend[c, :, c] = np.diag(lam)
    for psi, y, weights in blocks():
        logits = psi @ mean
        p = probabilities(logits)
        at = p[:, 1:] if n_logits == 1 else p
        full = np.column_stack([1.0 - y, y]) if n_logits == 1 else y
        value += float(weights @ np.log(np.maximum((p * full).sum(axis=1), 1e-300)))
        slope += psi.T @ (weights[:, None] * (y - at))
        for c in range(n_logits):
            for d in range(c + 1):
                curved = weights * at[:, c] * ((1.0 if c == d else 0.0) - at[:, d])
                product = psi.T @ (curved[:, None] * psi)
                bend[c, :, d] += product
                if c != d:
                    bend[d, :, c] += product.T
    return value, slope.T.ravel(), bend.reshape(n_logits * m, n_logits * m)
