"""Rows of probabilities that may be partly fixed: start, transition and end probabilities of Markov chains.

A row is described by ``held``: a number where an entry is fixed (0 for a structural zero), NaN where it is free.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core import simplex
from emkit.core.errors import ParameterError
from emkit.families.given import numbers
from emkit.models.hmm.recursions import stationary


def log_density(pseudo: Any, held: np.ndarray, p: np.ndarray) -> float:
    """Sum (concentration - 1) log p over free entries."""
    used = np.isnan(held) & (np.broadcast_to(pseudo, p.shape) != 0)
    return float(np.sum(np.broadcast_to(pseudo, p.shape)[used] * np.log(np.maximum(p[used], simplex.TINY))))


def stationary_mode(
    pair_counts: np.ndarray, start_counts: np.ndarray, held: np.ndarray, old: np.ndarray, pseudo: Any
) -> np.ndarray:
    """The transition matrix that maximises Q = sum N_ij log A_ij + sum s_i log pi_i(A), pi(A) its stationary distribution.

    No closed form. Where the derivative of Q is zero, A_ij is proportional to N_ij + A_ij pi_i z_j with z as in ``_slope``: taken as an update, this
    settles in a few rounds, zeros included, where sequences are long. Where it does not, or ends below ``old``, a quasi-Newton search goes on from the
    better of the two, so that the expected log posterior never falls.
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


def check_rows(value: Any, shape: tuple[int, ...], name: str, *, partial: bool = False, total: float | None = 1.0) -> np.ndarray:
    """User's probabilities as float64. With ``partial``, NaN marks a free entry.

    Raises
    ------
    ParameterError
        For a wrong shape, negative or non-finite entries, and rows that do not add up.
    """
    p = numbers(value, name, finite=False)
    if p.shape != shape:
        raise ParameterError(f"{name} has shape {p.shape}, expected {shape}")
    free = np.isnan(p)
    if free.any() and not partial:
        raise ParameterError(f"{name} holds NaN")
    if not (np.isfinite(p[~free]).all() and (p[~free] >= 0).all()):
        raise ParameterError(f"{name} holds a negative or infinite probability")
    if total is None:
        return p
    sums = np.where(free, 0.0, p).sum(axis=-1).reshape(-1)
    open_rows = free.any(axis=-1).reshape(-1)
    for i, (s, is_open) in enumerate(zip(sums, open_rows, strict=True)):
        if (is_open and s > total + 1e-6) or (not is_open and abs(s - total) > 1e-6):
            row = f" row {i}" if p.ndim > 1 else ""
            raise ParameterError(f"{name}{row} adds up to {s:.6g}, it must add up to {total:g}" + (" at most" if is_open else ""))
    return p
