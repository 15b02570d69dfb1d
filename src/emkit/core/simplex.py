"""Probability vectors along the last axis, some of whose entries may be held: mixture weights, categories, rows of Markov chains.

A vector is described by ``held``: a number where an entry is held (0 for a structural zero), NaN where it is free.
"""

import numpy as np

TINY = 1e-300
"""Stands for zero under a logarithm: coordinates and densities stay finite at the edge of the simplex."""
_NOTHING = 1e-8  # of an observation


def mode(counts: np.ndarray, held: np.ndarray, old: np.ndarray, *, reciprocal: bool = False) -> np.ndarray:
    """Argmax of sum counts log p over each vector's free entries, which share what the held ones leave.

    Counts include a prior's pseudo-counts, negative ones taken as zero. A vector with nothing counted keeps its ``old`` values.
    """
    free = np.isnan(held)
    if free.all() and counts.min(initial=0.0) >= 0.0:
        total = counts.sum(axis=-1, keepdims=True)
        if total.min(initial=np.inf) > 0.0:  # the common case, which gives the same bits
            return np.asarray(counts * (1.0 / total) if reciprocal else counts / total)
    left = 1.0 - np.where(free, 0.0, held).sum(axis=-1, keepdims=True)
    pseudo = np.where(free, np.maximum(counts, 0.0), 0.0)
    total = pseudo.sum(axis=-1, keepdims=True)
    total = np.where(total > 0, total, np.nan)
    new = np.where(total > 0, pseudo * (left / total) if reciprocal else pseudo / total * left, old)
    return np.asarray(np.where(free, new, held))


def put_back(p: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Held entries at their values, the free ones in their old proportions. A vector that adds up with them keeps its bits."""
    new = np.asarray(np.where(np.isnan(held), p, held))
    off = np.abs(new.sum(axis=-1, keepdims=True) - 1.0) > 1e-12
    return np.where(off, mode(np.maximum(p, TINY), held, p), new) if off.any() else new


def n_free(held: np.ndarray) -> int:
    """Free entries, less one for each vector that has any."""
    free = np.isnan(held).reshape(-1, held.shape[-1])
    return int(np.maximum(free.sum(axis=1) - 1, 0).sum())


def pack(p: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Log-ratios of each vector's free entries to its last free entry."""
    if np.isnan(held).all():
        logs = np.log(np.maximum(p, TINY))
        return np.asarray((logs[..., :-1] - logs[..., -1:]).ravel())
    free = np.isnan(held)
    logs = np.log(np.maximum(p, TINY))
    size = p.shape[-1]
    last = size - 1 - np.argmax(free[..., ::-1], axis=-1)
    return np.asarray((logs - np.take_along_axis(logs, last[..., None], axis=-1))[_inner(free)])


def unpack(vector: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, int]:
    """Inverse of ``pack``: the probabilities, and how many entries of ``vector`` were used."""
    rows = held.reshape(-1, held.shape[-1])
    if np.isnan(rows).all():
        used, ratios = len(rows) * (rows.shape[-1] - 1), np.zeros(rows.shape)
        ratios[:, :-1] = np.asarray(vector[:used]).reshape(len(rows), -1)
        shares = np.exp(ratios - ratios.max(axis=1, keepdims=True))
        return (shares / shares.sum(axis=1, keepdims=True)).reshape(held.shape), used
    free = np.isnan(rows)
    p, inner = np.where(free, 0.0, rows), _inner(free)
    used = int(np.count_nonzero(inner))
    ratios = np.where(free, 0.0, -np.inf)
    ratios[inner] = vector[:used]
    some = free.any(axis=1)
    with np.errstate(invalid="ignore"):  # rows without a free entry stay as they are
        weight = np.exp(ratios - np.where(some, ratios.max(axis=1), 0.0)[:, None])
        shares = weight * ((1.0 - p.sum(axis=1)) / np.where(some, weight.sum(axis=1), 1.0))[:, None]
    return np.where(free, shares, p).reshape(held.shape), used


def gradient(counts: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Derivatives of sum counts log p."""
    return np.asarray(counts / np.maximum(p, TINY))


def curvature(counts: np.ndarray, p: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Expected information about each entry of p in n free counts: n / p, for p within what the held ones leave."""
    free = np.isnan(held)
    total = np.where(free, np.maximum(counts, 0.0), 0.0).sum(axis=-1, keepdims=True)
    left = np.where(free, p, 0.0).sum(axis=-1, keepdims=True)
    return np.asarray(total / np.maximum(left, TINY) / np.maximum(p, TINY))


def pull(gradient: np.ndarray, p: np.ndarray, held: np.ndarray) -> np.ndarray:
    """From derivatives with respect to p to those for the coordinates of ``pack``: p_i (g_i - sum_j s_j g_j), s the shares."""
    free = np.isnan(held)
    weighted = np.where(free, p * gradient, 0.0)
    return np.asarray((weighted - _shares(p, free) * weighted.sum(axis=-1, keepdims=True))[_inner(free)])


def pull_information(information: np.ndarray, p: np.ndarray, held: np.ndarray) -> np.ndarray:
    """From information about p to that about the coordinates of ``pack``: sum_j p_j^2 (delta_ij - s_i)^2 information_j."""
    free = np.isnan(held)
    s, squared = _shares(p, free), np.where(free, p * (p * information), 0.0)
    others = np.maximum(squared.sum(axis=-1, keepdims=True) - squared, 0.0)
    return counted(((1.0 - s) ** 2 * squared + s**2 * others)[_inner(free)])


def counted(information: np.ndarray) -> np.ndarray:
    """Information about a logarithm is a number of observations; so few that they say nothing count as none: it is at its edge."""
    return np.where(information > _NOTHING, information, 0.0)


def _shares(p: np.ndarray, free: np.ndarray) -> np.ndarray:
    mine = np.where(free, p, 0.0)
    return np.asarray(mine / np.maximum(mine.sum(axis=-1, keepdims=True), TINY))


def _inner(free: np.ndarray) -> np.ndarray:
    """The free entries that have a coordinate: all of a vector's but the last."""
    return np.asarray(free & (np.cumsum(free[..., ::-1], axis=-1)[..., ::-1] > 1))
