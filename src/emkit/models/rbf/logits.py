"""Weights of a network whose output is a class, integrated out by Laplace's approximation.

Class c has logit a_c = psi' w_c, and p(c | x) = exp(a_c) / sum exp(a); two classes have one logit, of the second. Priors are those
of the regression (``evidence``): w ~ N(0, 1 / lambda_w), linear part ~ N(0, 1 / lambda_v), intercepts nearly free. At given
precisions Newton's method finds the most probable weights. The evidence is the value there, plus half the log determinants of
prior and posterior; precisions follow MacKay's fixed point, lambda = gamma / |w|^2, with gamma the weights that the data determine
(MacKay 1992, The evidence framework applied to classification networks, Neural Computation 4, 720-736).

The fixed point takes the curvature as given. Where classes are all but separable that is far from true, Laplace's evidence goes on
growing towards ever larger weights, and predictions get worse there: so the fixed point is left as soon as the evidence falls, and
is no maximum. The variance of the logits is too large there as well (Kuss & Rasmussen 2005, Journal of Machine Learning Research 6,
1679-1704); predictions of rows that were left out say how much of it to believe (``believe``).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from emkit.models.rbf.evidence import prior_precisions
from emkit.models.rbf.features import Array

_NEWTON, _ROUNDS, _TOL = 40, 60, 1e-3
_LEAST, _MOST = -12.0, 16.0  # bounds of log lambda
_SHARES = (0.0, 0.03, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)  # of the variance of the logits that may be believed

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
    believed : float
        Share of the logits' variance that counts in predictions, see ``believe``.
    seen : array of shape (L,)
        The largest variance that a row of the data had when it was left out: what is beyond it counts in full.
    """

    mean: Array
    spread: Array
    log_lambda: Array
    log_evidence: float
    known: Array
    believed: float
    seen: Array

    @property
    def determined(self) -> float:
        """Weights that the data determine."""
        return float(self.known.sum())

    def logits(self, psi: Array) -> Array:
        """Most probable logits, (n, L)."""
        return np.asarray(psi @ self.mean)

    def variances(self, psi: Array) -> Array:
        """Of the logits, (n, L), as far as they are believed."""
        found = np.maximum(np.einsum("nm,lmk,nk->nl", psi, self.spread, psi, optimize=True), 0.0)
        return np.asarray(found - (1.0 - self.believed) * np.minimum(found, self.seen))


def probabilities(logits: Array) -> Array:
    """Of the classes, (n, C), from logits (n, L)."""
    full = np.column_stack([np.zeros(len(logits)), logits]) if logits.shape[1] == 1 else logits
    shares = np.exp(full - full.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def moderated(logits: Array, variances: Array) -> Array:
    """Probabilities averaged over normal logits: these are divided by sqrt(1 + pi v / 8), MacKay (1992), equation 10."""
    return probabilities(logits / np.sqrt(1.0 + np.pi * variances / 8.0))


def maximise(blocks: Blocks, n_units: int, start: Logits | None = None) -> Logits:
    """Weights and precisions by MacKay's fixed point; of the precisions on the way, those of the largest evidence are kept."""
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
    return Logits(mean, spread, log_lambda, value + 0.5 * log_det, n_logits * shares, 1.0, np.full(n_logits, np.inf))


def believe(blocks: Blocks, n_units: int, found: Logits) -> Logits:
    """The same, with the share of the logits' variance whose predictions of rows that are left out are the most probable.

    Leaving row n out is one Newton step: with R the curvature of its log likelihood in its logits a, V = psi' H^-1 psi and r its
    residual r, the logits are a - G r and their covariance is G = V (I - R V)^-1 (Vehtari et al. 2016, Journal of Machine Learning
    Research 17, 1-38). A row of weight 2 stands there twice, and one of them is left out.
    """
    lam = prior_precisions(found.log_lambda, n_units, len(found.mean))
    _, _, bend = _posterior(blocks, found.mean, lam)
    m, n_logits = found.mean.shape
    inverse = cho_solve(_factor(bend), np.eye(m * n_logits)).reshape(n_logits, m, n_logits, m)
    scores, seen = np.zeros(len(_SHARES)), np.zeros(n_logits)
    for psi, y, weights in blocks():
        logits, variances = _left_out(psi, y, np.minimum(weights, 1.0), found.mean, inverse)
        seen = np.maximum(seen, variances[weights > 0].max(axis=0, initial=0.0))
        full = np.column_stack([1.0 - y, y]) if n_logits == 1 else y
        for i, share in enumerate(_SHARES):
            scores[i] += weights @ np.log(np.maximum((moderated(logits, share * variances) * full).sum(axis=1), 1e-300))
    return replace(found, believed=_SHARES[int(np.argmax(scores))], seen=seen)


def _left_out(psi: Array, y: Array, part: Array, mean: Array, inverse: Array) -> tuple[Array, Array]:
    """Logits of each row and their variances, (n, L), by the other rows and all but ``part`` of the row itself."""
    n_logits = mean.shape[1]
    logits = psi @ mean
    p = probabilities(logits)
    at = p[:, 1:] if n_logits == 1 else p
    own = np.eye(n_logits)
    curved = at[:, :, None] * (own - at[:, None, :])  # of one logit p (1 - p)
    spread = np.empty((len(psi), n_logits, n_logits))
    for c in range(n_logits):
        for d in range(c + 1):
            spread[:, c, d] = spread[:, d, c] = np.einsum("nm,nm->n", psi @ inverse[c, :, d], psi)
    gain = spread @ np.linalg.inv(own - part[:, None, None] * (curved @ spread))
    logits = logits - np.einsum("ncd,nd->nc", gain, part[:, None] * (y - at))
    if n_logits > 1:  # of the differences from the mean logit, as above
        gain = gain - gain.mean(axis=1, keepdims=True)
        gain = gain - gain.mean(axis=2, keepdims=True)
    return logits, np.maximum(np.einsum("ncc->nc", gain), 0.0)


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
