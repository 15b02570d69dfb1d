"""The weights of a radial basis function network, integrated out: evidence on the Gram matrix of [1, phi, x].

y = b + phi w + x v + noise of variance s2, with w ~ N(0, s2 / lambda_w), v ~ N(0, s2 / lambda_v), b ~ N(0, s2 /
0.001): precisions are told in units of the noise precision, so that the best s2 has a closed form and two numbers are
left to search. The evidence is log N(y; 0, s2 (I + Psi Lambda^-1 Psi')), MacKay 1992 ("Bayesian interpolation"), with
several outputs sharing lambda but not s2. Everything needed from the data is the Gram matrix, its product with y, and
y'y: sums over rows.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.linalg import lapack

from emkit.models.rbf.features import Array

INTERCEPT = 1e-3  # lambda of the intercept: a thousandth of a row at the mean of the target
_LEAST, _MOST = -23.0, 18.0  # bounds of log lambda beyond the logarithm of the mean squared feature times the rows
_NOISE = 1e-12  # least share of noise in the sum of squares of the target
_STEPS, _TOL = 100, 1e-8


@dataclass(frozen=True)
class Gram:
    """Sums over rows; those of two sets of rows add up."""

    matrix: Array
    """Psi' W Psi, (M, M), where Psi is [1, phi, x] and W the row weights."""
    cross: Array
    """Psi' W y, (M, p)."""
    square: Array
    """Sum of W y^2, (p,)."""
    rows: float
    """Sum of the weights."""

    def __add__(self, other: Self) -> "Gram":
        matrix, cross = self.matrix + other.matrix, self.cross + other.cross
        return Gram(matrix, cross, self.square + other.square, self.rows + other.rows)


@dataclass(frozen=True)
class Readout:
    """The posterior of the weights, and the precisions and noise that make the evidence largest."""

    mean: Array
    """(M, p): intercept, weights of units, linear part."""
    inverse: Array
    """(M, M): covariance of a column of ``mean`` divided by that output's noise variance."""
    log_lambda: Array
    """(2,): logarithm of the precisions of units and of the linear part, over the noise precision."""
    noise: Array
    """(p,): noise variances s2."""
    log_evidence: float
    rows: float

    def determined(self, n_units: int) -> float:
        """How many weights of units and linear part the data determine: MacKay's gamma, the sum of 1 - lambda S_ii."""
        k, lam, diagonal = n_units, np.exp(self.log_lambda), self.inverse.diagonal()
        return float(k - lam[0] * diagonal[1 : 1 + k].sum() + len(diagonal) - 1 - k - lam[1] * diagonal[1 + k :].sum())

    @property
    def precisions(self) -> Array:
        """Prior precisions of units and linear part, in the target's units: (2, p)."""
        out: Array = np.exp(self.log_lambda)[:, None] / self.noise
        return out

    @property
    def noise_precision(self) -> Array:
        """Beta = 1 / s2: (p,)."""
        return 1.0 / self.noise


def gram(psi: Array, y: Array, weights: Array | None) -> Gram:
    """The sums of rows ``psi`` (n, M) and ``y`` (n, p); ``weights`` (n,) or None for ones."""
    if weights is None:
        return Gram(psi.T @ psi, psi.T @ y, (y * y).sum(0), float(len(psi)))
    root = np.sqrt(weights)[:, None]
    rooted, target = psi * root, y * root
    return Gram(rooted.T @ rooted, rooted.T @ target, (target * target).sum(0), float(weights.sum()))


def prior_precisions(log_lambda: Array, n_units: int, m: int) -> Array:
    """The diagonal of Lambda: (M,)."""
    lam = np.exp(log_lambda)
    out = np.empty(m)
    out[0], out[1 : 1 + n_units], out[1 + n_units :] = INTERCEPT, lam[0], lam[1]
    return out


def solve(sums: Gram, n_units: int, log_lambda: Array) -> Readout:
    """The posterior and log evidence at given precisions, with the best noise for them."""
    m, p = sums.cross.shape
    lam = prior_precisions(log_lambda, n_units, m)
    posterior = sums.matrix.copy()
    posterior.flat[:: m + 1] += lam
    factor, info = lapack.dpotrf(posterior, lower=1, overwrite_a=1)
    if info:  # numerically singular: a ridge of rounding size
        posterior = sums.matrix + np.diag(lam + 1e-10 * np.trace(sums.matrix) / m)
        factor, info = lapack.dpotrf(posterior, lower=1, overwrite_a=1)
    mean = lapack.dpotrs(factor, sums.cross, lower=1)[0].reshape(m, p)
    log_det = 2.0 * float(np.log(factor.diagonal()).sum())
    inverse = lapack.dpotri(factor, lower=1)[0]  # its upper triangle is 0, as dpotrf leaves it
    inverse = inverse + inverse.T
    inverse.flat[:: m + 1] *= 0.5
    # y'y - y' Psi m loses digits where the fit is close; as a sum of two squares it does not.
    misfit = sums.square - 2.0 * (sums.cross * mean).sum(0) + (mean * (sums.matrix @ mean)).sum(0)
    rest = np.maximum(misfit + lam @ (mean * mean), _NOISE * sums.square + np.finfo(float).tiny)
    noise = rest / sums.rows
    evidence = 0.5 * p * (float(np.log(lam).sum()) - log_det)
    evidence -= 0.5 * sums.rows * float((np.log(2.0 * np.pi * noise) + 1.0).sum())
    return Readout(mean, inverse, log_lambda, noise, evidence, sums.rows)


def slopes(readout: Readout, n_units: int) -> tuple[Array, Array]:
    """Gradient (2,) and Hessian (2, 2) of the log evidence in log lambda, the noise at its best.

    With P = Psi'Psi + Lambda, S = P^-1, q_o the rest of output o and m_o its mean: d q / d lambda_a = |m_a|^2,
    d S = -S dLambda S, d m = -S dLambda m; hence the terms below.
    """
    m, p = readout.mean.shape
    parts = (slice(1, 1 + n_units), slice(1 + n_units, m))
    lam, n = np.exp(readout.log_lambda), readout.rows
    scaled = readout.mean / np.sqrt(n * readout.noise)  # m_o / sqrt(q_o)
    first, second = scaled[parts[0]], scaled[parts[1]]
    sizes = np.stack(((first * first).sum(0), (second * second).sum(0)))  # (2, p)
    diagonal = readout.inverse.diagonal()
    traces = np.array([diagonal[part].sum() for part in parts])
    counts = np.array([n_units, m - 1 - n_units])
    pull = n * sizes.sum(1)
    gradient: Array = 0.5 * (p * (counts - lam * traces) - lam * pull)
    hessian = np.empty((2, 2))
    for a, b in ((0, 0), (1, 0), (1, 1)):
        block = readout.inverse[parts[a], parts[b]]
        bent = 2.0 * np.vdot(scaled[parts[a]], block @ scaled[parts[b]]) + sizes[a] @ sizes[b]
        hessian[a, b] = hessian[b, a] = 0.5 * lam[a] * lam[b] * (p * np.vdot(block, block) + n * bent)
    hessian.flat[::3] -= 0.5 * lam * (p * traces + pull)
    return gradient, hessian


def newton_step(gradient: Array, hessian: Array, low: Array, high: Array, at: Array) -> Array:
    """An uphill step (2,) of at most 4 per entry; an entry at its bound, and pushed against it, stays.

    Where the surface bends upwards, or hardly at all, eigenvalues of the Hessian are turned and kept above a quarter
    of the slope.
    """
    free = ~(((at <= low) & (gradient < 0)) | ((at >= high) & (gradient > 0)))
    if not free.all():
        hessian = np.where(np.outer(free, free), hessian, -np.eye(2))
        gradient = np.where(free, gradient, 0.0)
    values, vectors = np.linalg.eigh(hessian)
    least = 0.25 * max(float(np.abs(gradient).max()), 1e-12)
    step: Array = vectors @ ((vectors.T @ gradient) / np.maximum(np.abs(values), least))
    return np.clip(step, -4.0, 4.0)


def bounds(sums: Gram, n_units: int) -> tuple[Array, Array]:
    """Least and largest log lambda of units and linear part: (2,) each."""
    diagonal = sums.matrix.diagonal()
    middle = [float(part.mean()) if part.size else 1.0 for part in (diagonal[1 : 1 + n_units], diagonal[1 + n_units :])]
    centre = np.log(np.maximum(middle, 1e-12 * sums.rows))
    return centre + _LEAST, centre + _MOST


def maximise(sums: Gram, n_units: int, start: Array | None = None, tol: float = _TOL) -> Readout:
    """The precisions and the noise that make the evidence largest, to the end: guarded Newton steps on log lambda.

    Each step is halved until the evidence does not fall; a step that promises less than ``tol`` nats is not made.
    At the optimum this is the fixed point of evidence EM (lambda_w = (K - lambda_w tr S_ww) s2 / |w|^2).
    """
    low, high = bounds(sums, n_units)
    at = np.clip(np.log(sums.rows) * np.ones(2) - 4.0 if start is None else start, low, high)
    now = solve(sums, n_units, at)
    for _ in range(_STEPS):
        gradient, hessian = slopes(now, n_units)
        step = newton_step(gradient, hessian, low, high, now.log_lambda)
        if float(gradient @ step) < tol:
            break
        for _ in range(20):
            then = solve(sums, n_units, np.clip(now.log_lambda + step, low, high))
            if then.log_evidence >= now.log_evidence:
                break
            step *= 0.5
        else:
            break
        now = then
    return now


def expected_log_likelihood(sums: Gram, readout: Readout) -> float:
    """Log likelihood of rows expected over the weights' posterior, from their sums.

    An E-step's value, additive over rows: the sum over rows and outputs of log N(y; psi m, s2) - 1/2 psi' S psi.
    """
    mean, p = readout.mean, readout.mean.shape[1]
    misfit = sums.square - 2.0 * (sums.cross * mean).sum(0) + (mean * (sums.matrix @ mean)).sum(0)
    value = -0.5 * float((sums.rows * np.log(2.0 * np.pi * readout.noise) + misfit / readout.noise).sum())
    return value - 0.5 * p * float(np.vdot(readout.inverse, sums.matrix))


def divergence(readout: Readout, n_units: int) -> float:
    """KL divergence of the weights' posterior from their prior, at least 0.

    ``expected_log_likelihood`` of all rows less this is the free energy; at the optimum it is the log evidence.
    """
    m, p = readout.mean.shape
    lam = prior_precisions(readout.log_lambda, n_units, m)
    log_det = float(np.linalg.slogdet(readout.inverse)[1]) + float(np.log(lam).sum())
    size = float(((lam @ (readout.mean * readout.mean)) / readout.noise).sum())
    return 0.5 * (p * (float(lam @ readout.inverse.diagonal()) - m - log_det) + size)
