"""Rows of probabilities that may be partly fixed: start, transition and end probabilities of Markov chains.

A row is described by ``held``: a number where an entry is fixed (0 for a structural zero), NaN where it is free.
"""

from typing import Any

import numpy as np

from emkit.core.errors import ParameterError
from emkit.models.hmm_recursions import stationary


def rows_mode(counts: np.ndarray, held: np.ndarray, old: np.ndarray) -> np.ndarray:
    """Argmax of sum counts log p over each row's free entries, which share what the fixed ones leave.

    Counts include a prior's pseudo-counts, negative ones taken as zero. A row with nothing counted keeps its ``old`` values.
    """
    free = np.isnan(held)
    mass = 1.0 - np.where(free, 0.0, held).sum(axis=-1, keepdims=True)
    pseudo = np.where(free, np.maximum(counts, 0.0), 0.0)
    total = pseudo.sum(axis=-1, keepdims=True)
    new = np.where(total > 0, pseudo * (mass / np.where(total > 0, total, 1.0)), old)
    return np.asarray(np.where(free, new, held))


def log_density(pseudo: Any, held: np.ndarray, p: np.ndarray) -> float:
    """Sum (concentration - 1) log p over free entries."""
    used = np.isnan(held) & (np.broadcast_to(pseudo, p.shape) != 0)
    with np.errstate(divide="ignore"):
        return float(np.sum(np.broadcast_to(pseudo, p.shape)[used] * np.log(p[used])))


def n_free(held: np.ndarray) -> int:
    """Free entries, less one for each row that has any."""
    free = np.isnan(held).reshape(-1, held.shape[-1])
    return int(np.maximum(free.sum(axis=1) - 1, 0).sum())


def pack(p: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Log-ratios of each row's free entries to its last free entry."""
    out = []
    for row, fixed in zip(p.reshape(-1, p.shape[-1]), held.reshape(-1, p.shape[-1]), strict=True):
        logs = np.log(np.maximum(row[np.isnan(fixed)], 1e-300))
        if len(logs) > 1:
            out.append(logs[:-1] - logs[-1])
    return np.concatenate(out) if out else np.zeros(0)


def unpack(vector: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, int]:
    """Inverse of ``pack``: the probabilities, and how many entries of ``vector`` were used."""
    rows = held.reshape(-1, held.shape[-1])
    p, at = np.where(np.isnan(rows), 0.0, rows), 0
    for i, fixed in enumerate(rows):
        free = np.flatnonzero(np.isnan(fixed))
        mass = 1.0 - p[i].sum()
        if len(free) == 1:
            p[i, free] = mass
        elif len(free):
            logits = np.append(vector[at : at + len(free) - 1], 0.0)
            at += len(free) - 1
            weight = np.exp(logits - logits.max())
            p[i, free] = mass * weight / weight.sum()
    return p.reshape(held.shape), at


def stationary_mode(
    pair_counts: np.ndarray, start_counts: np.ndarray, held: np.ndarray, old: np.ndarray, pseudo: Any
) -> np.ndarray:
    """The transition matrix that maximises sum N_ij log A_ij + sum s_i log pi_i(A), pi(A) its stationary distribution.

    No closed form: a quasi-Newton search over log-ratios from ``old``, which is returned if nothing better is found, so that
    the expected log posterior never falls. The gradient of pi is Schweitzer's (1968, J. Applied Probability 5, 401-413):
    d pi = pi dA Z with Z = (I - A + 1 pi)^-1.
    """
    from scipy.optimize import minimize

    k = len(old)
    counts = pair_counts + pseudo
    free = np.isnan(held)
    mass = 1.0 - np.where(free, 0.0, held).sum(axis=1, keepdims=True)

    def value(a: np.ndarray, pi: np.ndarray) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):
            pairs = np.where(free & (counts != 0), counts * np.log(a), 0.0)
            starts = np.where(start_counts != 0, start_counts * np.log(pi), 0.0)
        total = float(pairs.sum() + starts.sum())
        return total if np.isfinite(total) else -np.inf

    def negative(vector: np.ndarray) -> tuple[float, np.ndarray]:
        a, _ = unpack(np.clip(vector, -500.0, 500.0), held)
        pi = stationary(a)
        here = value(a, pi)
        if not np.isfinite(here):
            return 1e300, np.zeros_like(vector)
        z = np.linalg.solve(np.eye(k) - a + pi, start_counts / np.maximum(pi, 1e-300))
        slope = np.where(free, a * pi[:, None] * z[None, :], 0.0) + np.where(free, counts, 0.0)
        share = np.where(mass > 0, a / np.where(mass > 0, mass, 1.0), 0.0)
        gradient = slope - share * slope.sum(axis=1, keepdims=True)
        flat = [row[keep][:-1] for row, keep in zip(gradient, free, strict=True)]
        return -here, -np.concatenate(flat)

    begin = pack(old, held)
    if not len(begin):
        return old
    best = minimize(negative, begin, jac=True, method="L-BFGS-B", options={"maxiter": 200, "ftol": 1e-15, "gtol": 1e-9})
    new, _ = unpack(np.clip(best.x, -500.0, 500.0), held)
    return new if value(new, stationary(new)) > value(old, stationary(old)) else old


def check_rows(value: Any, shape: tuple[int, ...], name: str, *, partial: bool = False, total: float | None = 1.0) -> np.ndarray:
    """User's probabilities as float64. With ``partial``, NaN marks a free entry.

    Raises
    ------
    ParameterError
        For a wrong shape, negative or non-finite entries, and rows that do not add up.
    """
    try:
        p = np.array(value, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise ParameterError(f"{name} is not numeric: {error}") from error
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
