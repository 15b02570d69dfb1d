"""Newton's method with guards, for many small problems at once: M-steps that have no closed form."""

from collections.abc import Callable
from typing import Any

import numpy as np

_IMAGINARY = 1e-30  # a step along the imaginary axis, where nothing cancels: Squire and Trapp (1998), SIAM Review 40, 110-112
_DIFFERENCE = 1e-5
_MOST = 2.0  # the longest step of a coordinate at once, in its own size
_ROUNDS, _HALVINGS = 100, 40


def climb(f: Callable[[np.ndarray], np.ndarray], start: np.ndarray, free: np.ndarray, low: Any, high: Any) -> np.ndarray:
    """Where ``f`` is largest, uphill from ``start``, for each of many cells on its own.

    Parameters
    ----------
    f : callable
        From coordinates (p, ...), which may be complex, to values (...).
    start : array of shape (p, ...)
    free : bool array of shape (p, ...)
        The coordinates that may move.
    low, high : arrays that broadcast to (p, ...)
        Bounds that they may not cross, where there would be no maximum.

    Notes
    -----
    Steps go along the eigenvectors of the second derivatives, uphill also where these are not negative, and are halved until they
    do not lower ``f``: it never ends below where it began.
    """
    at = np.array(start, dtype=np.float64)
    value = np.asarray(f(at))
    moving = free.any(axis=0)
    for _ in range(_ROUNDS):
        slope = _slope(f, at, free)
        inside = free & ~((at >= high) & (slope > 0)) & ~((at <= low) & (slope < 0))
        slope = np.where(inside, slope, 0.0)
        step = _step(slope, _bends(f, at, inside))
        step *= np.minimum(1.0, _MOST / np.max(np.abs(step) / (1.0 + np.abs(at)) + 1e-300, axis=0))
        moving = moving & ((step * slope).sum(axis=0) > 1e-14 * (1.0 + np.abs(value)))
        if not moving.any():
            break
        room = np.where(step > 0, high - at, at - low) / np.maximum(np.abs(step), 1e-300)  # a step ends where it meets a bound
        step = step * np.clip(np.min(np.where(step != 0, room, np.inf), axis=0), 0.0, 1.0)
        moved, (at, value) = at, _halved(f, at, value, np.where(moving, step, 0.0))
        moving = moving & (moved != at).any(axis=0)
    return at


def _slope(f: Callable[[np.ndarray], np.ndarray], at: np.ndarray, free: np.ndarray) -> np.ndarray:
    """First derivatives, (p, ...)."""
    found = np.zeros_like(at)
    for i in range(len(at)):
        there = at.astype(complex)
        there[i] += 1j * _IMAGINARY
        found[i] = f(there).imag / _IMAGINARY
    return np.where(free & np.isfinite(found), found, 0.0)


def _bends(f: Callable[[np.ndarray], np.ndarray], at: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Second derivatives, (..., p, p); minus 1 on the diagonal of what is not free."""
    p = len(at)
    found = np.zeros((p, *at.shape))
    for i in range(p):
        by = np.zeros_like(at)
        by[i] = _DIFFERENCE * (1.0 + np.abs(at[i]))
        found[i] = (_slope(f, at + by, free) - _slope(f, at - by, free)) / (2.0 * by[i])
    found = 0.5 * (found + np.swapaxes(found, 0, 1)) * (free[:, None] & free[None])
    found[np.arange(p), np.arange(p)] -= ~free
    return np.asarray(np.moveaxis(found, (0, 1), (-2, -1)))


def _step(slope: np.ndarray, bends: np.ndarray) -> np.ndarray:
    """Newton's step, (p, ...), with the bends' signs turned where they are positive."""
    bends = np.where(np.isfinite(bends), bends, 0.0)
    along, axes = np.linalg.eigh(bends)
    size = np.abs(along)
    size = np.maximum(size, 1e-10 * size.max(axis=-1, keepdims=True) + 1e-300)
    uphill = np.einsum("...ij,i...->...j", axes, slope) / size
    return np.einsum("...ij,...j->i...", axes, uphill)


def _halved(
    f: Callable[[np.ndarray], np.ndarray], at: np.ndarray, value: np.ndarray, step: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the longest of the step's halves that lower nothing leads, and the values there."""
    left = (step != 0).any(axis=0)
    for _ in range(_HALVINGS):
        there = np.where(left, at + step, at)
        new = np.asarray(f(there))
        good = left & (new >= value)
        at, value = np.where(good, there, at), np.where(good, new, value)
        left = left & ~good
        if not left.any():
            break
        step = 0.5 * step
    return at, value
