"""Start, transition and end probabilities as users give them, checked and put together for the model.

Rows that are partly fixed are described by ``held``: a number where an entry is fixed (0 for a structural zero), NaN where it
is free.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from emkit.core import simplex
from emkit.core.checks import numbers
from emkit.core.errors import ParameterError


def held_start(k: int, fixed: Mapping[str, Any], start_values: Mapping[str, Any]) -> np.ndarray:
    """Fixed start probabilities (K,), NaN where free. A zero among the starting values is structural."""
    held = np.full(k, np.nan)
    if "startprob" in start_values:
        held = np.where(np.asarray(start_values["startprob"], dtype=np.float64) == 0, 0.0, np.nan)
    if "startprob" in fixed:
        given = check_rows(fixed["startprob"], (k,), "fixed['startprob']", partial=True)
        held = check_rows(np.where(np.isnan(given), held, given), (k,), "fixed['startprob']", partial=True)
    return held


def held_rows(k: int, width: int, fixed: Mapping[str, Any], start_values: Mapping[str, Any]) -> np.ndarray:
    """Fixed transition and end probabilities (K, width), NaN where free. A zero among the starting values is structural."""
    held = np.full((k, width), np.nan)
    for where, values in (("start_values", start_values), ("fixed", fixed)):
        for key, part in (("transmat", slice(0, k)), ("endprob", slice(k, k + 1))):
            if key not in values:
                continue
            shape = (k, k) if key == "transmat" else (k,)
            name = f"fixed[{key!r}]" if where == "fixed" else f"{key}_init"
            p = check_rows(values[key], shape, name, partial=where == "fixed", total=None)
            p = p.reshape(k, -1)
            if where == "fixed":
                held[:, part] = np.where(np.isnan(p), held[:, part], p)
            else:
                held[:, part] = np.where(p == 0, 0.0, held[:, part])
    if "transmat" in fixed or "endprob" in fixed:
        check_rows(held, held.shape, "fixed['transmat']", partial=True)
    return held


def joined_rows(k: int, end: bool, values: Mapping[str, Any]) -> np.ndarray:
    """Transmat and endprob as rows (K, width); what is not given is made up from what is."""
    name = "transmat_init"
    if not end:
        return check_rows(values["transmat"], (k, k), name)
    endings = np.full(k, 0.1) if "endprob" not in values else check_rows(values["endprob"], (k,), "endprob_init", total=None)
    if "transmat" not in values:
        return np.column_stack([np.repeat((1.0 - endings)[:, None] / k, k, axis=1), endings])
    matrix = check_rows(values["transmat"], (k, k), name, total=None)
    if np.allclose(matrix.sum(axis=1), 1.0) and not np.allclose(endings, 0.0):
        matrix = matrix * (1.0 - endings)[:, None]
    return check_rows(np.column_stack([matrix, endings]), (k, k + 1), f"{name} with endprob")


def first_chain(
    end: bool, lengths: np.ndarray, attempt: int, held: Mapping[str, np.ndarray], given: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Start distribution (K,) and rows of transitions (K, K, or K + 1 with an end) to begin with: given, or likely to stay."""
    k, width = held["transitions"].shape
    stay = (0.5, 0.8, 0.9, 0.6)[attempt % 4]
    rows = np.full((k, width), (1.0 - stay) / max(width - 1, 1))
    rows[np.arange(k), np.arange(k)] = stay if width > 1 else 1.0
    if end:
        rows[:, k] = min(0.5, len(lengths) / lengths.sum())
    if "transmat" in given:
        rows = np.asarray(given["transmat"]) if not end else np.column_stack([given["transmat"], given["endprob"]])
    rows = simplex.mode(rows, held["transitions"], rows, reciprocal=True)
    start = np.asarray(given["startprob"]) if "startprob" in given else np.full(k, 1.0 / k)
    return simplex.mode(start, held["startprob"], start, reciprocal=True), rows


def guessed_chain(
    end: bool, lengths: np.ndarray, resp: np.ndarray, held: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """As ``first_chain``, from a guess at the states of all steps, (n, K): how often each follows each, and one time more."""
    k, width = held["transitions"].shape
    first = np.cumsum(lengths) - lengths
    last = first + lengths - 1
    inside = np.delete(np.arange(len(resp)), last)
    counts = np.ones((k, width))
    counts[:, :k] += resp[inside].T @ resp[inside + 1]
    if end:
        counts[:, k] += resp[last].sum(axis=0)
    rows = simplex.mode(counts, held["transitions"], counts / counts.sum(axis=1, keepdims=True))
    start = resp[first].sum(axis=0) + 1.0
    return simplex.mode(start, held["startprob"], start / start.sum()), rows


def log_densities(pseudo: np.ndarray, held: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Sum of pseudo-counts times log p over each distribution's free entries: p without its last axis."""
    if not pseudo.any():
        return np.zeros(p.shape[:-1])
    counted = np.where(np.isnan(held), pseudo, 0.0)
    return np.asarray(np.sum(counted * np.log(np.maximum(p, simplex.TINY)), axis=-1))


def check_rows(value: Any, shape: tuple[int, ...], name: str, *, partial: bool = False, total: float | None = 1.0) -> np.ndarray:
    """User's probabilities as float64. With ``partial``, NaN marks a free entry.

    Raises
    ------
    ParameterError
        For a wrong shape, negative or non-finite entries, and rows that do not add up.
    """
    p = numbers(value, name, finite=False, parameter=_bare(name))
    if p.shape != shape:
        raise ParameterError(f"{name} has shape {p.shape}, expected {shape}", parameter=_bare(name))
    free = np.isnan(p)
    if free.any() and not partial:
        raise ParameterError(f"{name} holds NaN", parameter=_bare(name))
    if not (np.isfinite(p[~free]).all() and (p[~free] >= 0).all()):
        raise ParameterError(f"{name} holds a negative or infinite probability", parameter=_bare(name))
    if total is None:
        return p
    sums = np.where(free, 0.0, p).sum(axis=-1).reshape(-1)
    open_rows = free.any(axis=-1).reshape(-1)
    for i, (s, is_open) in enumerate(zip(sums, open_rows, strict=True)):
        if (is_open and s > total + 1e-6) or (not is_open and abs(s - total) > 1e-6):
            row = f" row {i}" if p.ndim > 1 else ""
            most = " at most" if is_open else ""
            raise ParameterError(f"{name}{row} adds up to {s:.6g}, it must add up to {total:g}{most}", parameter=_bare(name))
    return p


def _bare(name: str) -> str:
    """The parameter that a message names: fixed['transmat'] and transmat_init are about transmat."""
    return next((known for known in ("startprob", "transmat", "endprob") if known in name), name)
