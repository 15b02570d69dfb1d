"""Centres of units: weighted k-means of the inputs in a given metric."""

import numpy as np

from emkit.core.points import lloyd, spread_out
from emkit.models.rbf.features import Array

_ROUNDS = 50


def cluster(x: Array, weights: Array, k: int, rng: np.random.Generator) -> Array:
    """Centres (k, d) of the rows ``x`` (n, d), already in the metric wanted, with weights (n,): a weight of 2 is the row twice.

    Seeded by k-means++ (Arthur & Vassilvitskii 2007). Where fewer rows differ, several centres are the same.
    """
    seeds = np.resize(spread_out(x, weights, k, rng), k)
    return lloyd(x, weights, x[seeds], _ROUNDS)[0]
