"""Centres among points, and which points are nearest to which."""

import numpy as np


def nearest(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Index of the nearest centre of each point, slice by slice."""
    labels = np.empty(len(points), dtype=np.intp)
    half = 0.5 * np.einsum("kd,kd->k", centres, centres)
    for a in range(0, len(points), 8192):
        labels[a : a + 8192] = np.argmin(half - points[a : a + 8192] @ centres.T, axis=1)
    return labels


def lloyd(points: np.ndarray, w: np.ndarray, centres: np.ndarray, rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """Centres (k, d) and the nearest of each point (n,) after k-means from these: Lloyd (1982), IEEE Trans. IT 28, 129-137.

    A centre that loses all its points stays where it was.
    """
    k, labels = len(centres), nearest(points, centres)
    for _ in range(rounds):
        mass = np.bincount(labels, weights=w, minlength=k)
        sums = np.stack([np.bincount(labels, weights=w * column, minlength=k) for column in points.T], axis=1)
        centres = np.where(mass[:, None] > 0, sums / np.maximum(mass, 1e-300)[:, None], centres)
        new = nearest(points, centres)
        if np.array_equal(new, labels):
            break
        labels = new
    return centres, labels


def _squared_distance(points: np.ndarray, centre: np.ndarray) -> np.ndarray:
    off = points - centre
    return np.asarray(np.einsum("nd,nd->n", off, off))


def spread_out(points: np.ndarray, w: np.ndarray, k: int, rng: np.random.Generator, tries: int = 1) -> list[int]:
    """Indices of points by k-means++, of a few candidates each the one that lowers the total most; fewer if no more differ."""
    n = len(points)
    chosen = [_draw(w, rng)]
    distance = _squared_distance(points, points[chosen[0]])
    for _ in range(1, k):
        mass = w * distance
        if not mass.max() > 0:
            break
        best: tuple[float, int, np.ndarray] | None = None
        for _ in range(min(tries, n)):
            i = _draw(mass, rng)
            new = np.minimum(distance, _squared_distance(points, points[i]))
            total = float(w @ new)
            if best is None or total < best[0]:
                best = (total, i, new)
        assert best is not None
        chosen.append(best[1])
        distance = best[2]
    return chosen


def _draw(mass: np.ndarray, rng: np.random.Generator) -> int:
    cumulative = np.cumsum(mass)
    i = int(np.searchsorted(cumulative, rng.uniform() * cumulative[-1], side="right"))
    return min(i, int(np.flatnonzero(mass)[-1]))
