"""Hierarchical clustering of points: partitions to start from that depend on no chance.

Model-based hierarchical clustering is what mclust starts from (Fraley 1998, SIAM J. Scientific Computing 20, 270-281). Its
criterion for spherical components of one variance is Ward's; on points whitened by the data's covariance it finds elongated
components.
"""

from functools import lru_cache

import numpy as np

from emkit.core.points import nearest, spread_out

MOST = 300
"""Points that are merged one by one; of more, groups are."""
_GROUPS = 100

KINDS = (
    ("ward", 0.0),
    ("ward", 1.0),
    ("complete", 1.0),
    ("ward", 0.5),
    ("average", 0.0),
    ("complete", 0.0),
    ("average", 1.0),
    ("complete", 0.5),
)
"""Which distance of clusters, and the power of the principal standard deviations that columns keep: 1 as they are, 0 white."""


def hierarchical_labels(points: np.ndarray, weights: np.ndarray, k: int, turn: int, rng: np.random.Generator) -> np.ndarray:
    """Labels (n,) of a partition into K clusters, of the kind that ``KINDS`` has at ``turn``.

    More than ``MOST`` points are first put into a hundred groups about points drawn as by k-means++.
    """
    used = weights > 0
    if not used.all():  # rows of no weight join the nearest of the others
        labels = hierarchical_labels(points[used], weights[used], k, turn, rng)
        centres = np.stack([points[used][labels == label].mean(axis=0) for label in np.unique(labels)])
        out = nearest(points, centres)
        out[used] = labels
        return out
    method, power = KINDS[turn % len(KINDS)]
    turned = _turned(points, weights, power)
    if len(points) <= MOST:
        return merged(turned, weights, k, method)
    centres = turned[spread_out(turned, weights, min(_GROUPS, len(points)), rng)]
    group = nearest(turned, centres)
    mass = np.bincount(group, weights=weights, minlength=len(centres))
    sums = np.stack([np.bincount(group, weights=weights * column, minlength=len(centres)) for column in turned.T], axis=1)
    means = np.where(mass[:, None] > 0, sums / np.maximum(mass, 1e-300)[:, None], centres)
    return merged(means, mass, k, method)[group]


def _turned(points: np.ndarray, weights: np.ndarray, power: float) -> np.ndarray:
    """Principal components, each with its standard deviation to that power."""
    centred = points - weights @ points / weights.sum()
    values, axes = np.linalg.eigh((weights[:, None] * centred).T @ centred / weights.sum())
    used = values > 1e-12 * values[-1]
    return np.asarray(centred @ axes[:, used] * values[used] ** (0.5 * (power - 1.0)))


def merged(points: np.ndarray, weights: np.ndarray, k: int, method: str) -> np.ndarray:
    """Labels (n,) after the two nearest clusters have been merged again and again until K are left."""
    points, weights = (np.ascontiguousarray(value, dtype=np.float64) for value in (points, weights))
    group = np.arange(len(points))
    for kept, gone in _mergers(points.tobytes(), weights.tobytes(), len(points), method)[: len(points) - k]:
        group[gone] = kept
    while not np.array_equal(group, group[group]):  # clusters that were merged into others later
        group = group[group]
    return np.asarray(np.unique(group, return_inverse=True)[1])


@lru_cache(maxsize=16)  # whoever compares numbers of components or shapes asks for the same mergers again
def _mergers(raw: bytes, mass_of_each: bytes, n: int, method: str) -> list[tuple[int, int]]:
    """Which cluster takes up which, n - 1 times.

    Distances of clusters after a merger follow from those before (Lance and Williams 1967, Computer Journal 9, 373-380).
    """
    points, mass = np.frombuffer(raw).reshape(n, -1), np.maximum(np.frombuffer(mass_of_each), 1e-300)
    square = np.einsum("nd,nd->n", points, points)
    distance = np.maximum(square[:, None] + square - 2.0 * points @ points.T, 0.0)
    if method == "average":
        distance = np.sqrt(distance)
    elif method == "ward":
        distance *= mass[:, None] * mass / (mass[:, None] + mass)
    np.fill_diagonal(distance, np.inf)
    near = distance.argmin(axis=1)
    least, out = distance[np.arange(n), near], []
    for _ in range(n - 1):
        i = int(least.argmin())
        j = int(near[i])
        row = _after_merger(distance[i], distance[j], distance[i, j], mass, i, j, method)
        row[[i, j]] = np.inf
        row[mass == 0] = np.inf
        mass[i] += mass[j]
        mass[j] = 0.0
        out.append((i, j))
        distance[i] = distance[:, i] = row
        distance[j] = distance[:, j] = np.inf
        least[j] = np.inf
        stale = np.append(np.flatnonzero(((near == i) | (near == j)) & (mass > 0)), i)
        near[stale] = distance[stale].argmin(axis=1)
        least[stale] = distance[stale, near[stale]]
        closer = row < least
        near[closer], least[closer] = i, row[closer]
    return out


def _after_merger(a: np.ndarray, b: np.ndarray, between: float, mass: np.ndarray, i: int, j: int, method: str) -> np.ndarray:
    """Distances of clusters ``i`` and ``j``, merged, from all others."""
    if method == "complete":
        return np.maximum(a, b)
    if method == "average":
        return (mass[i] * a + mass[j] * b) / (mass[i] + mass[j])
    with np.errstate(invalid="ignore"):
        return ((mass[i] + mass) * a + (mass[j] + mass) * b - mass * between) / (mass[i] + mass[j] + mass)
