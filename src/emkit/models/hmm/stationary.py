"""The stationary distribution of a chain, and the M-step of a chain that starts in it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core import simplex


def stationary(transmat: np.ndarray) -> np.ndarray:
    """The distribution with pi A = pi; the least-squares solution where there are several."""
    k = len(transmat)
    system = np.vstack([transmat.T - np.eye(k), np.ones(k)])
    pi = np.linalg.lstsq(system, np.append(np.zeros(k), 1.0), rcond=None)[0]
    pi = np.maximum(pi, 0.0)
    return np.asarray(pi / pi.sum())


def stationary_mode(
    pair_counts: np.ndarray, start_counts: np.ndarray, held: np.ndarray, old: np.ndarray, pseudo: Any
) -> np.ndarray:
    """The transition matrix that maximises Q = sum N_ij log A_ij + sum s_i log pi_i(A), pi(A) its stationary distribution.

    No closed form. Where the derivative of Q is zero, A_ij is proportional to N_ij + A_ij pi_i z_j with z as in ``_slope``:
    taken as an update, this settles in a few rounds, zeros included, where sequences are long. Where it does not, or ends below
    ``old``, a quasi-Newton search goes on from the better of the two, so that the expected log posterior never falls.
    """
    counts = pair_counts + pseudo
    free = np.isnan(held)
    objective = _StationaryObjective(counts, start_counts, free)
    new = simplex.mode(counts, held, old)
    for _ in range(100):
        pi = stationary(new)
        z = _slope(new, pi, start_counts)
        # A constant added to z changes nothing; the least one that leaves no negative weight is the quickest.
        last, new = new, simplex.mode(np.maximum(counts, 0.0) + new * pi[:, None] * (z - z.min()), held, new)
        if np.abs(new - last).max() < 1e-13:
            if objective.value(new) >= objective.value(old):
                return new
            break
    best = max((old, new), key=objective.value)
    found = objective.search(best, held)
    return max((best, found), key=objective.value)


def _slope(a: np.ndarray, pi: np.ndarray, start_counts: np.ndarray) -> np.ndarray:
    """The vector z (K,) for which the derivative of sum s_i log pi_i(A) with respect to A_ij is pi_i z_j.

    From Schweitzer (1968), J. Applied Probability 5, 401-413: d pi = pi dA Z with Z = (I - A + 1 pi)^-1.
    """
    # Least squares: with several stationary distributions there is no inverse.
    return np.asarray(np.linalg.lstsq(np.eye(len(a)) - a + pi, start_counts / np.maximum(pi, 1e-300), rcond=None)[0])


@dataclass(frozen=True)
class _StationaryObjective:
    """Q of ``stationary_mode`` over the free entries."""

    counts: np.ndarray
    start_counts: np.ndarray
    free: np.ndarray

    def value(self, a: np.ndarray) -> float:
        """Q(A); -inf where it is not finite."""
        with np.errstate(divide="ignore", invalid="ignore"):
            pairs = np.where(self.free & (self.counts != 0), self.counts * np.log(a), 0.0)
            starts = np.where(self.start_counts != 0, self.start_counts * np.log(stationary(a)), 0.0)
        total = float(pairs.sum() + starts.sum())
        return total if np.isfinite(total) else -np.inf

    def search(self, old: np.ndarray, held: np.ndarray) -> np.ndarray:
        """The best found by a quasi-Newton search over log-ratios from ``old``."""
        from scipy.optimize import minimize

        mass = 1.0 - np.where(self.free, 0.0, held).sum(axis=1, keepdims=True)

        def negative(vector: np.ndarray) -> tuple[float, np.ndarray]:
            a, _ = simplex.unpack(np.clip(vector, -500.0, 500.0), held)
            here = self.value(a)
            if not np.isfinite(here):
                return 1e300, np.zeros_like(vector)
            pi = stationary(a)
            slope = np.where(self.free, a * pi[:, None] * _slope(a, pi, self.start_counts) + self.counts, 0.0)
            share = np.where(mass > 0, a / np.where(mass > 0, mass, 1.0), 0.0)
            gradient = slope - share * slope.sum(axis=1, keepdims=True)
            flat = [row[keep][:-1] for row, keep in zip(gradient, self.free, strict=True)]
            return -here, -np.concatenate(flat)

        begin = simplex.pack(old, held)
        if not len(begin):
            return old
        best = minimize(negative, begin, jac=True, method="L-BFGS-B", options={"maxiter": 200, "ftol": 1e-15, "gtol": 1e-9})
        return simplex.unpack(np.clip(best.x, -500.0, 500.0), held)[0]
