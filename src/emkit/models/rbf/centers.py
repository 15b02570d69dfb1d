"""Centres of units: weighted k-means of the inputs in a given metric (Lloyd 1982, seeded by k-means++)."""

import numpy as np

from emkit.models.rbf.features import Array, squared_distances

_ROUNDS = 50


def seed_centers(x: Array, weights: Array, k: int, rng: np.random.Generator) -> Array:
    """K-means++ (Arthur & Vassilvitskii 2007): rows drawn by weight times squared distance to the nearest so far.

    A row is drawn where a uniform number falls into the running sum of the masses, so a weight of 2 is the row twice
    in its place.
    """
    norms = (x * x).sum(1)
    chosen = np.empty((k, x.shape[1]))
    nearest = np.ones(len(x))
    draws = rng.random(k)
    for i in range(k):
        mass = np.cumsum(weights * nearest)
        if mass[-1] <= 0.0:  # fewer distinct rows than centres
            mass = np.cumsum(weights)
        at = min(int(np.searchsorted(mass, draws[i] * mass[-1], side="right")), len(x) - 1)
        chosen[i] = x[at]
        gap = np.maximum(norms - 2.0 * (x @ x[at]) + norms[at], 0.0)
        gap[at] = 0.0
        nearest = gap if i == 0 else np.minimum(nearest, gap)
    return chosen


def cluster(x: Array, weights: Array, k: int, rng: np.random.Generator) -> Array:
    """Centres (k, d) of the rows ``x`` (n, d), already in the metric wanted, with weights (n,).

    A centre that loses all its rows stays where it was.
    """
    centers = seed_centers(x, weights, k, rng)
    ones = np.ones(x.shape[1])
    label = np.full(len(x), -1)
    weighted = x * weights[:, None]
    for _ in range(_ROUNDS):
        fresh = squared_distances(x, centers, ones).argmin(1)
        if np.array_equal(fresh, label):
            break
        label = fresh
        mass = np.bincount(label, weights, k)
        total = np.column_stack([np.bincount(label, weighted[:, j], k) for j in range(x.shape[1])])
        held = mass > 0
        centers[held] = total[held] / mass[held, None]
    return centers
