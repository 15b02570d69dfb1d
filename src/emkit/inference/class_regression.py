"""Step three, covariates: multinomial logistic regression of a class that is known with errors."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax
from scipy.stats import norm

from emkit.core.bayes import log_sum_exp
from emkit.core.errors import DataError
from emkit.core.notebook import Printed
from emkit.core.warn import warn
from emkit.inference.sandwich import Wald, sandwich, wald

_FLAT = 1e-6  # information about some coefficient in a row: where there is less, the likelihood has no maximum near
_FAR = 15.0  # log-odds for a standard deviation of a covariate


@dataclass(frozen=True)
class CovariateEffects(Printed):
    """Multinomial logistic regression of the class on covariates; class 0 is the reference.

    Attributes
    ----------
    names : tuple of str
        "intercept", and the covariates.
    coefficients, standard_errors : arrays of shape (K - 1, q + 1)
        Log-odds of class 1, 2, ... against class 0.
    covariance : array of shape ((K - 1) (q + 1),) * 2
        Of the coefficients, class by class.
    tests : tuple of Wald
        For each covariate: whether it has an effect at all.
    n_left_out : int
        Rows without some covariate.
    """

    names: tuple[str, ...]
    coefficients: np.ndarray
    standard_errors: np.ndarray
    covariance: np.ndarray
    tests: tuple[Wald, ...]
    n_left_out: int = 0

    @property
    def p_values(self) -> np.ndarray:
        """Two-sided, of each coefficient, (K - 1, q + 1)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(2.0 * norm.sf(np.abs(self.coefficients / self.standard_errors)))

    def __str__(self) -> str:
        width = max(9, *(len(name) for name in self.names))
        lines = [f"{'class':>5}  {'covariate':{width}}{'coefficient':>13}{'std. error':>12}{'p':>9}"]
        for k, (row, errors, p) in enumerate(zip(self.coefficients, self.standard_errors, self.p_values, strict=True), 1):
            for j, name in enumerate(self.names):
                label = f"{k}" if j == 0 else ""
                lines.append(f"{label:>5}  {name:{width}}{row[j]:13.4f}{errors[j]:12.4f}{p[j]:9.4f}")
        lines += [f"{name}: {test}" for name, test in zip(self.names[1:], self.tests, strict=True)]
        return "\n".join([*lines, *([f"{self.n_left_out} rows without some covariate left out"] if self.n_left_out else [])])


@dataclass(frozen=True)
class Assigned:
    """How rows are put into classes, and what is made of it.

    Attributes
    ----------
    shares : array of shape (n, K)
        In which class each row is put: a 1, or the posteriors.
    errors : array of shape (K, K) or None
        P(put into s | class t), (t, s), for maximum likelihood; None where ``pulls`` count instead.
    pulls : array of shape (n, K) or None
        What each row counts in each class: the weights of Bolck, Croon and Hagenaars, which may be negative, or ``shares``.
    weights : array of shape (n,)
    """

    shares: np.ndarray
    errors: np.ndarray | None
    pulls: np.ndarray | None
    weights: np.ndarray

    def take(self, rows: np.ndarray) -> "Assigned":
        """Some rows."""
        pulls = None if self.pulls is None else self.pulls[rows]
        return Assigned(self.shares[rows], self.errors, pulls, self.weights[rows])

    def expected(self, log_prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """From log P(class, what else is seen) (n, K): each row's log-likelihood (n,), and its share in each class (n, K).

        By maximum likelihood, sum_s a_is log sum_t P_it d_ts, whose derivative in log P_it is the share of t.
        """
        if self.errors is None:
            assert self.pulls is not None
            seen = np.where(self.pulls != 0.0, log_prior, 0.0)
            return (self.pulls * seen).sum(axis=1), self.pulls
        with np.errstate(divide="ignore"):
            logs = np.log(self.errors)
        value, share = np.zeros(len(log_prior)), np.zeros(log_prior.shape)
        for s in range(log_prior.shape[1]):
            part = log_prior + logs[:, s]
            total = log_sum_exp(part)
            used = self.shares[:, s] > 0
            value[used] += self.shares[used, s] * total[used]
            share[used] += self.shares[used, s, None] * np.exp(part[used] - total[used, None])
        return value, share


def regress(assigned: Assigned, z: np.ndarray, names: tuple[str, ...], n_left_out: int) -> CovariateEffects:
    """Fit the regression on covariates (n, q), which are complete. Raises DataError where they are collinear."""
    centre, scale = _scales(assigned.weights, z, names)
    design = np.column_stack([np.ones(len(z)), (z - centre) / scale])
    k, q = assigned.shares.shape[1], design.shape[1]
    w = assigned.weights

    def logs(theta: np.ndarray) -> np.ndarray:
        eta = np.zeros((len(design), k))
        eta[:, 1:] = design @ theta.reshape(k - 1, q).T
        return np.asarray(log_softmax(eta, axis=1))

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        log_prior = logs(theta)
        value, share = assigned.expected(log_prior)
        slope = (w[:, None] * (share - np.exp(log_prior)))[:, 1:].T @ design
        return -float(w @ value) / w.sum(), -slope.ravel() / w.sum()

    def hessian(theta: np.ndarray) -> np.ndarray:
        return _information(assigned, design, logs(theta)) / w.sum()

    best = minimize(loss, np.zeros((k - 1) * q), jac=True, method="BFGS", options={"gtol": 1e-6, "maxiter": 2000})
    best = minimize(loss, best.x, jac=True, hess=hessian, method="trust-exact", options={"gtol": 1e-9, "maxiter": 200})
    theta = best.x
    apart = np.abs(theta.reshape(k - 1, q)).max(initial=0.0) > _FAR or np.linalg.eigvalsh(hessian(theta)).min(initial=1.0) < _FLAT
    if apart:
        warn("a covariate separates classes (nearly) perfectly, so that its coefficient has no finite estimate; leave it out")
    log_prior = logs(theta)
    rest = assigned.expected(log_prior)[1] - np.exp(log_prior)
    scores = (rest[:, 1:, None] * design[:, None, :]).reshape(len(design), -1)
    covariance = sandwich(scores, _information(assigned, design, log_prior), w)
    if apart:  # what the curvature says there is nothing to go by
        covariance = np.full_like(covariance, np.nan)
    back = np.diag(np.append(1.0, 1.0 / scale))
    back[0, 1:] = -centre / scale
    each = np.kron(np.eye(k - 1), back)
    coefficients, covariance = (each @ theta).reshape(k - 1, q), each @ covariance @ each.T
    errors = np.sqrt(np.maximum(np.diag(covariance), 0.0)).reshape(k - 1, q)
    places = [np.arange(k - 1) * q + j for j in range(1, q)]
    tests = tuple(wald(coefficients[:, j], covariance[np.ix_(at, at)]) for j, at in enumerate(places, 1))
    return CovariateEffects(("intercept", *names), coefficients, errors, covariance, tests, n_left_out)


def _scales(weights: np.ndarray, z: np.ndarray, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each covariate."""
    centre = weights @ z / weights.sum()
    scale = np.sqrt(weights @ (z - centre) ** 2 / weights.sum())
    flat = np.flatnonzero(scale <= 1e-10 * np.maximum(np.abs(centre), 1e-300))
    if len(flat):
        raise DataError(f"covariate {names[flat[0]]!r} is constant; leave it out", column=names[flat[0]])
    used = weights > 0
    if np.linalg.matrix_rank((z[used] - centre) / scale, tol=1e-8 * np.sqrt(used.sum())) < z.shape[1]:
        raise DataError(f"the covariates {', '.join(map(repr, names))} are collinear: leave out one that follows from the others")
    return centre, scale


def _information(assigned: Assigned, design: np.ndarray, log_prior: np.ndarray) -> np.ndarray:
    """Minus the second derivatives, exactly: those of the log-prior's normaliser less what the errors hide."""
    p = np.exp(log_prior)
    inner = _spread(p)
    if assigned.errors is not None:
        for s in range(p.shape[1]):
            joint = p * assigned.errors[:, s]
            total = joint.sum(axis=1, keepdims=True)
            share = joint / np.where(total > 0, total, 1.0)
            inner = inner - assigned.shares[:, s, None, None] * _spread(share)
    inner = assigned.weights[:, None, None] * inner[:, 1:, 1:]
    k, q = p.shape[1] - 1, design.shape[1]
    out = np.empty((k, q, k, q))
    for t in range(k):
        for u in range(k):
            out[t, :, u, :] = design.T @ (inner[:, t, u, None] * design)
    return out.reshape(k * q, k * q)


def _spread(p: np.ndarray) -> np.ndarray:
    """diag(p) - p p' of each row, (n, K, K)."""
    out: Any = -p[:, :, None] * p[:, None, :]
    at = np.arange(p.shape[1])
    out[:, at, at] += p
    return np.asarray(out)
